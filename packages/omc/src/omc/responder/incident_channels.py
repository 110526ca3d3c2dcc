"""What is posted in an incident's own channel in Slack: the alert, again when more people are called, then the end.

The channel is made by the message that is posted there first, topic and people before the message. Where that can't be
done, the message goes to the channel for incidents.
"""

from __future__ import annotations

from datetime import datetime

from omc.incidents.incident import Incident
from omc.model.pages import Page, Room
from omc.model.people import Channel, ContactMethod
from omc.notify.slack_names import channel_name
from omc.notify.text import cut
from omc.responder.messages import channel_message, channel_over_message
from omc.responder.policy import Policy

MAX_TOPIC = 250
"""Characters (docs.slack.dev, conversations.setTopic)."""
ACTIONS = ("acknowledge", "snooze", "resolve")


def room_name(incident: Incident) -> str:
    """Its channel's, which stays as it was made whatever the incident is called later."""
    return (
        incident.channel.name
        if incident.channel
        else channel_name(incident.environment, incident.number, incident.summary)
    )


def channel_page(incident: Incident, policy: Policy, members: tuple[str, ...], now: datetime) -> Page:
    """The alert as it is now, with the people who are called into the channel by it."""
    posts = incident.channel.posts if incident.channel else 0
    methods = (_method(incident), *((policy.channel,) if policy.channel else ()))
    return Page(
        key=f"notice:{incident.environment}:{incident.number}:channel.{posts}",
        environment=incident.environment,
        recipient=f"#{room_name(incident)}",
        methods=methods,
        message=channel_message(incident, now),
        incident=incident.number,
        severity=incident.severity,
        is_urgent=False,
        actions=ACTIONS,
        room=Room(room_name(incident), topic(incident), members, incident.channel.id if incident.channel else None),
    )


def last_page(incident: Incident) -> Page | None:
    """That it is over, or goes on elsewhere, and that the channel is kept; None where it has no channel."""
    if incident.channel is None:
        return None
    return Page(
        key=f"notice:{incident.environment}:{incident.number}:channel.over.{len(incident.events)}",
        environment=incident.environment,
        recipient=f"#{incident.channel.name}",
        methods=(_method(incident),),
        message=channel_over_message(incident),
        incident=incident.number,
        severity=incident.severity,
        is_urgent=False,
        room=Room(incident.channel.name, topic(incident), (), incident.channel.id),
    )


def topic(incident: Incident) -> str:
    """What it is, how bad, who has it, and where more is."""
    who = f"{incident.acknowledgement.person} has it" if incident.acknowledgement else "nobody has it yet"
    state = who if incident.is_open else "over"
    head = f"SEV-{incident.severity} in {incident.environment}, {state}: "
    tail = f" · omc incident show {incident.number} --env {incident.environment}"
    return head + cut(incident.summary, MAX_TOPIC - len(head) - len(tail)) + tail


def _method(incident: Incident) -> ContactMethod:
    known = incident.channel.id if incident.channel else None
    return ContactMethod(Channel.SLACK, known or f"#{room_name(incident)}")
