"""What people do in Slack, as typed values: a button pressed, an ``/omc`` typed, a message in a channel. Pure.

All of it is from outside: a name isn't an identity (the member's id is), and whoever sees a message may press its
buttons. Who may do what is for whoever handles it to judge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMMAND = "/omc"
ACTION = re.compile(
    r"(?P<action>acknowledge|snooze|resolve):(?P<environment>[a-z][a-z0-9-]{0,31}):(?P<incident>[1-9][0-9]{0,8})"
    r"(?::(?P<minutes>[1-9][0-9]{0,4}))?"
)
MESSAGE_KINDS: Mapping[str, str] = {
    "": "posted",
    "file_share": "posted",
    "me_message": "posted",
    "thread_broadcast": "posted",
    "message_changed": "changed",
    "message_deleted": "deleted",
}
"""Subtypes of the event ``message`` that people cause."""
MAX_TEXT = 4_000


@dataclass(frozen=True, slots=True)
class Button:
    """A button of one of our messages."""

    id: str
    """Of what was delivered: the same when it is delivered again."""
    team: str
    user: str
    """The member's id."""
    action: str
    """``acknowledge``, ``snooze`` or ``resolve``."""
    environment: str
    incident: int
    minutes: int | None
    channel: str
    message: str
    """The time of the message that it was part of, which is its id."""
    response_url: str = field(default="", repr=False)
    """A secret for half an hour: whoever has it may answer in our name."""


@dataclass(frozen=True, slots=True)
class Command:
    """``/omc`` and what was typed behind it."""

    id: str
    team: str
    user: str
    text: str
    channel: str
    response_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ChannelMessage:
    """A message of a person in a channel that the bot is in."""

    id: str
    team: str
    user: str
    channel: str
    message: str
    """Its time, which is its id: the same when it is changed or deleted."""
    kind: str
    """``posted``, ``changed`` or ``deleted``."""
    text: str
    thread: str = ""
    """The message that it answers."""


Interaction = Button | Command | ChannelMessage


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that asks nothing of us; it is acknowledged, so that Slack doesn't deliver it again."""

    reason: str


def interaction_of(envelope: Mapping[str, Any], team: str | None = None) -> Interaction | Ignored:
    """What an envelope of Socket Mode holds. ``team``: whoever belongs to another workspace is ignored."""
    try:
        kind, payload, delivery = envelope["type"], envelope["payload"], str(envelope["envelope_id"])
        if kind == "interactive":
            return _button(payload, delivery, team)
        if kind == "slash_commands":
            return _command(payload, delivery, team)
        if kind == "events_api":
            return _message(payload, team)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        return Ignored(f"it is not in the form that Slack documents ({type(error).__name__}: {error})")
    return Ignored(f"omc takes no {kind!s:.40}")


def _button(payload: Mapping[str, Any], delivery: str, team: str | None) -> Interaction | Ignored:
    if payload["type"] != "block_actions":
        return Ignored(f"omc takes no {payload['type']!s:.40}")
    user, pressed = payload["user"], payload["actions"][0]
    if (own := _foreign(payload["team"]["id"], user.get("team_id"), team)) is not None:
        return own
    value = ACTION.fullmatch(str(pressed.get("value", "")))
    if value is None:
        return Ignored("the button is none of omc's")
    container = payload.get("container") or {}
    return Button(
        id=delivery,
        team=str(payload["team"]["id"]),
        user=str(user["id"]),
        action=value["action"],
        environment=value["environment"],
        incident=int(value["incident"]),
        minutes=int(value["minutes"]) if value["minutes"] else None,
        channel=str(container.get("channel_id") or (payload.get("channel") or {}).get("id", "")),
        message=str(container.get("message_ts") or (payload.get("message") or {}).get("ts", "")),
        response_url=str(payload.get("response_url", "")),
    )


def _command(payload: Mapping[str, Any], delivery: str, team: str | None) -> Interaction | Ignored:
    if (own := _foreign(payload["team_id"], None, team)) is not None:
        return own
    if payload["command"] != COMMAND:
        return Ignored(f"omc takes no {payload['command']!s:.40}")
    return Command(
        id=delivery,
        team=str(payload["team_id"]),
        user=str(payload["user_id"]),
        text=str(payload.get("text", ""))[:MAX_TEXT].strip(),
        channel=str(payload.get("channel_id", "")),
        response_url=str(payload.get("response_url", "")),
    )


def _message(payload: Mapping[str, Any], team: str | None) -> Interaction | Ignored:
    event = payload["event"]
    if event["type"] != "message":
        return Ignored(f"omc takes no {event['type']!s:.40}")
    kind = MESSAGE_KINDS.get(str(event.get("subtype", "")))
    if kind is None:
        return Ignored(f"omc takes no {event['subtype']!s:.40}")
    shown = {"changed": "message", "deleted": "previous_message"}.get(kind)
    inner = event[shown] if shown else event
    if inner.get("bot_id") or not inner.get("user"):
        return Ignored("it is a program's message")
    if (own := _foreign(payload["team_id"], inner.get("user_team") or inner.get("team"), team)) is not None:
        return own
    return ChannelMessage(
        id=str(payload["event_id"]),
        team=str(payload["team_id"]),
        user=str(inner["user"]),
        channel=str(event["channel"]),
        message=str(inner["ts"]),
        kind=kind,
        text="" if kind == "deleted" else str(inner.get("text", ""))[:MAX_TEXT],
        thread=str(inner.get("thread_ts", "")),
    )


def _foreign(team: Any, team_of_user: Any, wanted: str | None) -> Ignored | None:
    """Of another workspace: by Slack Connect a channel may have members of several."""
    if (wanted is not None and team != wanted) or (team_of_user is not None and team_of_user != (wanted or team)):
        return Ignored("it comes from another workspace")
    return None
