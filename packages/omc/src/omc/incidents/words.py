"""Each event of an incident in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omc.incidents.events import (
    Absorbed,
    Acknowledged,
    AcknowledgementExpired,
    ActionItem,
    ActionItemDone,
    ActionItemReminded,
    AlertEnded,
    AlertJoined,
    AlertLeft,
    AlertReworded,
    Captured,
    ChannelMade,
    ChannelPosted,
    IncidentEvent,
    Merged,
    Mitigated,
    Noted,
    Opened,
    Paged,
    PageFailed,
    PostmortemChanged,
    PostmortemMoved,
    Reopened,
    Resolved,
    RoleAssigned,
    Said,
    SeverityChanged,
    Snoozed,
    SnoozeEnded,
    StepSkipped,
    Unhealthy,
    Unmerged,
    UpdateReminded,
    UpdateSent,
    UpdateSkipped,
)
from omc.model.events import UnknownEvent
from omc.output.text import counted
from omc.times import format_time


def in_words(event: IncidentEvent, zone: str = "UTC", names: Mapping[str, str] | None = None) -> str:
    """An event in a line; ``names`` are those of its alerts, by their keys."""
    what = event.payload
    if isinstance(what, UnknownEvent):
        return f'unknown: "{what.type}" is an event of a newer omc; update this one to read it'
    return " ".join(_WORDS[type(what)](what, zone, names or {}).split())


def _alert_joined(what: AlertJoined, _: str, __: Mapping[str, str]) -> str:
    of = f" of {what.service}" if what.service else ""
    return f"alert {what.name}{of} fires"


def _alert_left(what: AlertLeft, _: str, names: Mapping[str, str]) -> str:
    to = f"; it belongs to incident {what.to}" if what.to is not None else ""
    return f"alert {names.get(what.key, what.key)} doesn't belong to it{to}"


def _acknowledged(what: Acknowledged, zone: str, _: Mapping[str, str]) -> str:
    until = f"; that lapses at {format_time(what.until, zone)} if nothing follows" if what.until else ""
    return f"{what.person} has it{until}"


def _snoozed(what: Snoozed, zone: str, _: Mapping[str, str]) -> str:
    only = ", and only if it still fires then" if what.if_still_firing else ""
    return f"nobody is paged until {format_time(what.until, zone)}{only}: {what.why}"


def _absorbed(what: Absorbed, _: str, __: Mapping[str, str]) -> str:
    return f"incident {what.incident} goes on here, with {counted(len(what.keys), 'alert')}"


def _channel_posted(what: ChannelPosted, _: str, __: Mapping[str, str]) -> str:
    called = f", and {len(what.invited)} {'is' if len(what.invited) == 1 else 'are'} invited" if what.invited else ""
    return f"#{what.name} in Slack is told{called}"


def _said(what: Said, _: str, __: Mapping[str, str]) -> str:
    if what.kind == "deleted":
        return "took back a message in Slack"
    return f"{'changed a message' if what.kind == 'changed' else 'wrote'} in Slack: “{what.text}”"


def _captured(what: Captured, _: str, __: Mapping[str, str]) -> str:
    if what.unknown is not None:
        return f"{what.what}: unknown: {what.unknown}"
    if not what.items:
        return f"{what.what}: none"
    more = f" (and {len(what.items) - 1} more)" if len(what.items) > 1 else ""
    return f"{what.what}: {what.items[0]}{more}"


def _update_sent(what: UpdateSent, _: str, __: Mapping[str, str]) -> str:
    states = "; ".join(f"{each.component} is {each.state.replace('_', ' ')}" for each in what.components)
    phase = f" ({what.phase}{f': {states}' if states else ''})" if what.phase else ""
    return f"customers were told{phase}: {what.text}"


def _update_skipped(what: UpdateSkipped, zone: str, _: Mapping[str, str]) -> str:
    why = f": {what.why}" if what.why else ""
    return f"customers weren't told by {format_time(what.due, zone)}{why}"


def _update_reminded(what: UpdateReminded, zone: str, _: Mapping[str, str]) -> str:
    return f"{what.person} was reminded that customers are to be told by {format_time(what.due, zone)}"


def _action_item(what: ActionItem, zone: str, _: Mapping[str, str]) -> str:
    return f"action item {what.id}, {what.owner} by {format_time(what.due, zone)}: {what.text}"


def _action_item_done(what: ActionItemDone, _: str, __: Mapping[str, str]) -> str:
    how = f": {what.how}" if what.how else ""
    return f"action item {what.id} {'is dropped' if what.is_dropped else 'is done'}{how}"


_WORDS: Mapping[type, Callable[[Any, str, Mapping[str, str]], str]] = {
    Opened: lambda what, *_: f"opened as SEV-{what.severity}: {what.summary}",
    SeverityChanged: lambda what, *_: f"is a SEV-{what.severity} now",
    Noted: lambda what, *_: what.text,
    Mitigated: lambda what, *_: f"mitigated: {what.how}",
    Unhealthy: lambda what, *_: f"health couldn't be verified: {'; '.join(what.findings)}",
    Resolved: lambda what, *_: f"resolved: {what.how}",
    Reopened: lambda what, *_: f"open again: {what.why}",
    AlertJoined: _alert_joined,
    AlertEnded: lambda what, _, names: f"alert {names.get(what.key, what.key)} has ended",
    AlertLeft: _alert_left,
    AlertReworded: lambda what, _, names: f"alert {names.get(what.key, what.key)} says now: {what.title}",
    Acknowledged: _acknowledged,
    AcknowledgementExpired: lambda *_: "nothing followed on the acknowledgement; people are paged again",
    RoleAssigned: lambda what, *_: f"{what.person} is {what.role}",
    Snoozed: _snoozed,
    SnoozeEnded: lambda what, *_: f"no longer snoozed: {what.why}",
    PageFailed: lambda what, *_: f"the page to {what.person} reached nobody: {what.why}",
    Paged: lambda what, *_: f"paged {what.person}: {what.why}",
    StepSkipped: lambda what, *_: f"skipped step {what.step + 1} of the chain: {what.why}",
    Merged: lambda what, *_: f"goes on in incident {what.into}",
    Absorbed: _absorbed,
    Unmerged: lambda what, *_: f"no longer merged with incident {what.incident}",
    ChannelPosted: _channel_posted,
    ChannelMade: lambda what, *_: f"its channel in Slack is {what.id}",
    Said: _said,
    Captured: _captured,
    UpdateSent: _update_sent,
    UpdateReminded: _update_reminded,
    UpdateSkipped: _update_skipped,
    PostmortemChanged: lambda what, *_: f"post-mortem, {what.section}: {what.text}",
    PostmortemMoved: lambda what, *_: f"the post-mortem is in the state {what.state}",
    ActionItem: _action_item,
    ActionItemReminded: lambda what, *_: f"the owner of action item {what.id} was reminded",
    ActionItemDone: _action_item_done,
}
