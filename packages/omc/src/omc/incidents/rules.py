"""What may happen to an incident next: one sentence for each thing that may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from omc.errors import Missing, Refused, WrongUse, did_you_mean
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
    Captured,
    ChannelMade,
    ChannelPosted,
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
    Unmerged,
    UpdateSent,
)
from omc.incidents.incident import (
    COMPONENT_STATES,
    ONLY_PEOPLE_KNOW,
    PHASES,
    POSTMORTEM_STATES,
    ROLES,
    SECTIONS,
    SEVERITIES,
    Incident,
)

ALSO_LATER = (
    PageFailed,
    Noted,
    Captured,
    UpdateSent,
    PostmortemChanged,
    PostmortemMoved,
    ActionItem,
    ActionItemReminded,
    ActionItemDone,
    AlertEnded,
    AlertLeft,
    Unmerged,
    ChannelMade,
    ChannelPosted,
    Said,
)
"""What may follow on the end: what is learnt later belongs to it, and so does what its alerts do."""


def require_first(environment: str, number: int, payload: object) -> None:
    """``WrongUse`` where an incident can't begin with this."""
    if not isinstance(payload, Opened):
        raise WrongUse(f"Incident {number} of {environment} was never opened.")
    _require_severity(payload.severity)
    _require_text(payload.summary, "a summary of what users suffer")


def require_may_follow(incident: Incident, payload: object, at: datetime) -> None:
    """``Refused`` or ``WrongUse`` where this may not happen to the incident as it is."""
    named = name_of(incident)
    if isinstance(payload, Opened):
        raise Refused(f"{named} is opened already; another one gets a number of its own: omc incident open")
    if not isinstance(payload, ALSO_LATER):
        if incident.merged_into is not None:
            raise Refused(f"{named} goes on in incident {incident.merged_into}; nothing was recorded.")
        if incident.resolved_at is not None and not isinstance(payload, Reopened):
            raise Refused(
                f"{named} was resolved by {incident.resolved_by} and stays so; if it is back: omc incident reopen "
                f"{incident.number} WHY --env {incident.environment}"
            )
    rule = _RULES.get(type(payload))
    if rule is not None:
        rule(incident, payload, at)


def name_of(incident: Incident) -> str:
    return f"Incident {incident.number} of {incident.environment}"


def _severity_changed(incident: Incident, payload: SeverityChanged, _: datetime) -> None:
    _require_severity(payload.severity)
    if payload.severity == incident.severity:
        raise Refused(f"{name_of(incident)} is a SEV-{payload.severity} already; nothing was recorded.")


def _mitigated(incident: Incident, payload: Mitigated, _: datetime) -> None:
    _require_text(payload.how, "what made users be served again")
    if incident.mitigated_at is not None:
        raise Refused(f"{name_of(incident)} is mitigated already; nothing was recorded.")


def _reopened(incident: Incident, payload: Reopened, _: datetime) -> None:
    _require_text(payload.why, "why it is open again")
    if incident.resolved_at is None:
        raise Refused(f"{name_of(incident)} is open; nothing was recorded.")


def _snoozed(incident: Incident, payload: Snoozed, at: datetime) -> None:
    _require_text(payload.why, "why nobody is to be paged")
    if incident.mitigated_at is not None:
        raise Refused(f"{name_of(incident)} is mitigated, so nobody is paged for it; nothing was recorded.")
    if payload.until <= at:
        raise WrongUse(f"Nothing was recorded: {name_of(incident)} can only be snoozed until a time to come.")


def _snooze_ended(incident: Incident, _: object, __: datetime) -> None:
    if incident.snooze is None:
        raise Refused(f"{name_of(incident)} isn't snoozed; nothing was recorded.")


def _expired(incident: Incident, _: object, __: datetime) -> None:
    if incident.acknowledgement is None:
        raise Refused(f"{name_of(incident)} isn't acknowledged; nothing was recorded.")


def _alert_ended(incident: Incident, payload: AlertEnded, _: datetime) -> None:
    found = incident.alerts.get(payload.key)
    if found is None or not found.is_firing:
        raise Refused(f"No alert {payload.key} fires in {name_of(incident).lower()}; nothing was recorded.")


def _alert_left(incident: Incident, payload: AlertLeft, _: datetime) -> None:
    if payload.key not in incident.alerts:
        raise Refused(f"No alert {payload.key} belongs to {name_of(incident).lower()}; nothing was recorded.")


def _role(_: Incident, payload: RoleAssigned, __: datetime) -> None:
    _require_one_of(payload.role, ROLES, "role")
    _require_text(payload.person, "who")


def _merged(incident: Incident, payload: Merged, _: datetime) -> None:
    if payload.into == incident.number:
        raise WrongUse(f"{name_of(incident)} can't be merged into itself.")


def _absorbed(incident: Incident, payload: Absorbed, _: datetime) -> None:
    if payload.incident == incident.number:
        raise WrongUse(f"{name_of(incident)} can't be merged into itself.")
    if payload.incident in incident.absorbed:
        raise Refused(f"Incident {payload.incident} goes on in this one already; nothing was recorded.")


def _unmerged(incident: Incident, payload: Unmerged, _: datetime) -> None:
    if payload.incident != incident.merged_into and payload.incident not in incident.absorbed:
        raise Refused(f"{name_of(incident)} isn't merged with incident {payload.incident}; nothing was recorded.")


def _update(_: Incident, payload: UpdateSent, __: datetime) -> None:
    _require_text(payload.text, "what customers were told")
    if payload.phase:
        _require_one_of(payload.phase, PHASES, "phase")
    elif payload.title or payload.components:
        raise WrongUse("Nothing was recorded: only what customers read in the feed has a title or components.")
    for each in payload.components:
        _require_one_of(each.state, COMPONENT_STATES, "state of a component")


def _section(incident: Incident, payload: PostmortemChanged, _: datetime) -> None:
    _require_one_of(payload.section, tuple(SECTIONS), "section")
    if incident.postmortem_state == "done":
        raise Refused(
            f"The post-mortem of {name_of(incident).lower()} is done; nothing was recorded. To change it first: "
            "--state review"
        )


def _postmortem_state(incident: Incident, payload: PostmortemMoved, _: datetime) -> None:
    _require_one_of(payload.state, POSTMORTEM_STATES, "state of a post-mortem")
    if payload.state == incident.postmortem_state:
        raise Refused(f'The post-mortem is in the state "{payload.state}" already; nothing was recorded.')
    if payload.state == "draft":
        return
    named = f"The post-mortem of {name_of(incident).lower()}"
    if incident.is_open:
        raise Refused(f"{named} can't be in the state {payload.state}: the incident is open. Nothing was recorded.")
    if payload.state == "done":
        missing = [each for each in ONLY_PEOPLE_KNOW if not incident.postmortem.get(each, "").strip()]
        if missing:
            raise Refused(
                f"{named} isn't done: nobody has written {', '.join(missing)}. Nothing was recorded. "
                f'Write each, be it that there is none: --write {missing[0]} "…"'
            )
        if incident.postmortem_state != "review":
            raise Refused(f"{named} wasn't reviewed; nothing was recorded. First: --state review")


def _action_item(_: Incident, payload: ActionItem, __: datetime) -> None:
    _require_text(payload.id, "an id")
    _require_text(payload.text, "what is to be done")
    _require_text(payload.owner, "who does it")


def _action_item_known(incident: Incident, payload: ActionItemDone | ActionItemReminded, _: datetime) -> None:
    if payload.id not in incident.action_items:
        raise Missing(f"{name_of(incident)} has no action item {payload.id}.")
    if payload.id in incident.action_items_done:
        raise Refused(f"Action item {payload.id} is done already; nothing was recorded.")


def _text(what: str, field: str) -> Callable[[Incident, Any, datetime], None]:
    return lambda _, payload, __: _require_text(getattr(payload, field), what)


_RULES: Mapping[type, Callable[[Incident, Any, datetime], None]] = {
    SeverityChanged: _severity_changed,
    Noted: _text("a text", "text"),
    Mitigated: _mitigated,
    Resolved: _text("what ended the incident", "how"),
    Reopened: _reopened,
    Acknowledged: _text("who has it", "person"),
    AcknowledgementExpired: _expired,
    RoleAssigned: _role,
    Snoozed: _snoozed,
    SnoozeEnded: _snooze_ended,
    AlertJoined: _text("which alert", "key"),
    AlertEnded: _alert_ended,
    AlertLeft: _alert_left,
    Paged: _text("who was paged", "person"),
    Merged: _merged,
    Absorbed: _absorbed,
    Unmerged: _unmerged,
    UpdateSent: _update,
    PostmortemChanged: _section,
    PostmortemMoved: _postmortem_state,
    ActionItem: _action_item,
    ActionItemDone: _action_item_known,
    ActionItemReminded: _action_item_known,
}


def _require_severity(severity: int) -> None:
    if severity not in SEVERITIES:
        message = ", ".join(f"{number} ({each.meaning})" for number, each in SEVERITIES.items())
        raise WrongUse(f"There is no severity {severity}; allowed are {message}.")


def _require_text(text: str, what: str) -> None:
    if not text.strip():
        raise WrongUse(f"Nothing was recorded: say {what}.")


def _require_one_of(word: str, words: tuple[str, ...], what: str) -> None:
    if word not in words:
        raise WrongUse(f"There is no {what} {word!r}; there are {', '.join(words)}.{did_you_mean(word, words)}")
