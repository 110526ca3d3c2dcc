"""Slack: a direct message to a member, or a message in a channel, with buttons for what may be answered.

The channel of an incident, ``#inc-…``, is made when the first message to it is sent. An address ``CHANNEL/TIME`` is a
message that is there already: it is replaced (``omc.notify.followups``).
"""

from __future__ import annotations

import re
from typing import Any

from omc.model.pages import Page, Room
from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery, secret_or_refusal
from omc.notify.document import page_document
from omc.notify.model import Outcome, Refused, Sent
from omc.notify.slack_api import EVENT_TYPE, SlackApi, SlackFailure
from omc.notify.slack_names import INCIDENT_CHANNEL, MEMBER
from omc.output import slack
from omc.output.document import Document

MESSAGE = re.compile(r"(?P<channel>[A-Z0-9]+)/(?P<ts>[0-9]+\.[0-9]+)")
BAD_BLOCKS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
SNOOZE_MINUTES = 30
_BUTTONS = {"acknowledge": "Acknowledge", "snooze": f"Snooze {SNOOZE_MINUTES} min", "resolve": "Resolve"}


@CHANNELS.register(Channel.SLACK)
def send(delivery: PageDelivery, context: ChannelContext) -> Outcome:
    token = secret_or_refusal("OMC_SLACK_BOT_TOKEN")
    if isinstance(token, Refused):
        return token
    api = SlackApi(context.http, context.stack.notify.slack.api, token)
    page, address = delivery.page, delivery.method.address
    try:
        if message := MESSAGE.fullmatch(address):
            answer = _post(api, "chat.update", page, channel=message["channel"], ts=message["ts"])
            return _sent(answer, message["channel"])
        place = api.direct_message(address) if MEMBER.fullmatch(address) else address
        if page.room is not None and page.room.is_at(address):
            place = _furnished(api, page.room, address)
        if delivery.may_have_arrived and (found := _already_there(api, place, page)) is not None:
            return Sent(found)
        try:
            return _sent(_post(api, "chat.postMessage", page, channel=place), place)
        except SlackFailure as failed:
            name = address.removeprefix("#")
            if failed.error != "channel_not_found" or not page.incident or not INCIDENT_CHANNEL.fullmatch(name):
                raise
            place = api.ensure_channel(name, page.message.short)
            return _sent(_post(api, "chat.postMessage", page, channel=place), place)
    except SlackFailure as failed:
        return failed.outcome


def _furnished(api: SlackApi, room: Room, address: str) -> str:
    """The id of an incident's own channel, with its topic and its people. Before anything is posted, so that what fails
    here and is tried again posts nothing twice."""
    if address.startswith("#"):
        return api.ensure_channel(room.name, room.topic, room.members)
    api.furnish(address, room.topic, room.members)
    return address


def blocks(page: Page) -> list[dict[str, Any]]:
    """The page's document, and its buttons in the last block."""
    shown = slack.render(page_document(page))
    buttons = [_button(page, action) for action in page.actions if action in _BUTTONS] if page.incident else []
    return [*shown[: slack.MAX_BLOCKS - 1], {"type": "actions", "elements": buttons}] if buttons else shown


def _button(page: Page, action: str) -> dict[str, Any]:
    value = f"{action}:{page.environment}:{page.incident}"
    button: dict[str, Any] = {
        "type": "button",
        "action_id": action,
        "value": f"{value}:{SNOOZE_MINUTES}" if action == "snooze" else value,
        "text": {"type": "plain_text", "text": _BUTTONS[action], "emoji": False},
    }
    return button | {"style": "primary"} if action == "acknowledge" else button


def _post(api: SlackApi, method: str, page: Page, **where: str) -> Any:
    """With blocks; where Slack takes them for wrong, without: a page in plain words is better than none."""
    arguments: dict[str, Any] = {
        **where,
        "text": slack.fallback(Document(page.message.short, ())),
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": page.key}},
    }
    if method == "chat.postMessage":
        arguments |= {"unfurl_links": False, "unfurl_media": False}
    try:
        return api.call(method, **arguments, blocks=blocks(page))
    except SlackFailure as failed:
        if failed.error not in BAD_BLOCKS:
            raise
        return api.call(method, **arguments)


def _already_there(api: SlackApi, place: str, page: Page) -> str | None:
    """Where an earlier attempt of unknown end has posted it; None also where that can't be looked up."""
    try:
        channel = api.find_channel(place.removeprefix("#")) if place.startswith("#") else place
        found = api.find_message(channel, page.key) if channel else None
    except SlackFailure:
        return None
    return f"{channel}/{found}" if found else None


def _sent(answer: Any, place: str) -> Sent:
    return Sent(f"{answer.get('channel', place)}/{answer.get('ts', '')}")
