"""What an incident's events come to: a pure fold, total over whatever the store holds.

``apply`` refuses what may not follow (``rules``) and is how each event comes to be written. ``replay`` refuses nothing:
an event of a newer omc, or one that only a newer omc would have allowed, must not keep anybody from reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from omc.errors import WrongUse
from omc.incidents.events import (
    AUTOMATIC,
    TYPES,
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
from omc.incidents.incident import (
    BREAK_GLASS,
    IF_UNKNOWN,
    SEVERITIES,
    Acknowledgement,
    Alert,
    Incident,
    IncidentChannel,
    Paging,
    Severity,
    Snooze,
)
from omc.incidents.rules import require_first, require_may_follow
from omc.model.events import UnknownEvent

__all__ = [
    "BREAK_GLASS",
    "IF_UNKNOWN",
    "SEVERITIES",
    "Incident",
    "Severity",
    "apply",
    "evolve",
    "from_first_event",
    "replay",
]

WORK = (Noted, SeverityChanged, RoleAssigned, Mitigated, AlertLeft, UpdateSent, Absorbed)
"""What shows that a person is at it, where a person did it."""


def from_first_event(environment: str, number: int, event: IncidentEvent) -> Incident:
    """The incident that an event opens. ``WrongUse`` where it can't."""
    if not isinstance(event.payload, UnknownEvent):
        if not isinstance(event.payload, Opened):
            name = TYPES.name_of(event.payload)
            raise WrongUse(f'Incident {number} of {environment} was never opened: its first event is "{name}".')
        require_first(environment, number, event.payload)
    return replay(environment, number, [event])


def apply(incident: Incident, event: IncidentEvent) -> Incident:
    """The incident after one more event. ``Refused`` where it may not follow on what happened before."""
    if not isinstance(event.payload, UnknownEvent):
        require_may_follow(incident, event.payload, event.at)
    return evolve(incident, event)


def evolve(incident: Incident, *events: IncidentEvent) -> Incident:
    """The incident after more events, whatever they are."""
    state = _thawed(incident)
    for event in events:
        _step(state, event)
    return _frozen(state, (*incident.events, *events))


def replay(environment: str, number: int, events: Iterable[IncidentEvent]) -> Incident:
    """What a whole series of events comes to; the first opens the incident. The time grows with their number."""
    first, *rest = events
    state = _opened(environment, number, first)
    for event in rest:
        _step(state, event)
    return _frozen(state, (first, *rest))


# ── The state while it is folded ────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _State:
    """``Incident`` and its ``Paging``, as long as they change."""

    environment: str
    number: int
    severity: int
    summary: str
    opened_by: str
    opened_at: datetime
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    resolution: str | None = None
    mitigated_by: str | None = None
    mitigated_at: datetime | None = None
    mitigation: str | None = None
    acknowledgement: Acknowledgement | None = None
    snooze: Snooze | None = None
    merged_into: int | None = None
    absorbed: dict[int, tuple[str, ...]] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    unhealthy: tuple[str, ...] = ()
    unhealthy_at: datetime | None = None
    roles: dict[str, str] = field(default_factory=dict)
    customers_since: datetime | None = None
    reminded_of: datetime | None = None
    captured: dict[str, Captured] = field(default_factory=dict)
    postmortem: dict[str, str] = field(default_factory=dict)
    postmortem_state: str | None = None
    postmortem_moved_by: str | None = None
    postmortem_moved_at: datetime | None = None
    action_items: dict[str, ActionItem] = field(default_factory=dict)
    action_items_done: dict[str, datetime] = field(default_factory=dict)
    action_items_dropped: set[str] = field(default_factory=set)
    action_items_reminded: set[str] = field(default_factory=set)
    pages: int = 0
    channel: IncidentChannel | None = None
    # Of its paging:
    next_round: int = 0
    since: datetime | None = None
    first_round: int = 0
    everybody_at: datetime | None = None
    everybody_round: int = 0
    raised_at: datetime | None = None
    unmitigated_since: datetime | None = None
    unmitigated_round: int = 0
    unmitigated_from: int = 0
    paged: dict[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: set[tuple[int, int]] = field(default_factory=set)

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None and self.merged_into is None

    def is_all_quiet(self) -> bool:
        """It had alerts, and none of them fires."""
        return bool(self.alerts) and not any(alert.is_firing for alert in self.alerts.values())

    def new_round(self) -> int:
        self.next_round += 1
        return self.next_round - 1

    def wait(self, at: datetime) -> None:
        """From now on nobody has it: people are paged from the first rung on."""
        self.since, self.first_round = at, self.new_round()
        self.acknowledgement = self.snooze = self.unmitigated_since = self.everybody_at = None
        self.paged, self.failed, self.skipped = {}, {}, set()
        if SEVERITIES[self.severity].pages_everybody:
            self.everybody_at, self.everybody_round = at, self.first_round

    def page_everybody(self, at: datetime) -> None:
        self.everybody_at, self.everybody_round = at, self.new_round()

    def take(self, at: datetime) -> None:
        """Somebody has it from now on; the time until it is mitigated runs, if it doesn't already."""
        self.since = self.snooze = None
        if self.unmitigated_since is None and self.mitigated_at is None:
            self.run_mitigation(at)

    def run_mitigation(self, at: datetime) -> None:
        person = self.acknowledgement.person if self.acknowledgement else ""
        steps = [step for (_, step), paged in self.paged.items() if person in paged]
        self.unmitigated_from = max(steps or [step for _, step in self.paged], default=0)
        self.unmitigated_since, self.unmitigated_round = at, self.new_round()

    def hold(self) -> None:
        """Nobody is paged any more."""
        self.since = self.everybody_at = self.unmitigated_since = None


_PAGING = tuple(each.name for each in fields(Paging))


def _frozen(state: _State, events: tuple[IncidentEvent, ...]) -> Incident:
    values = {each.name: getattr(state, each.name) for each in fields(state)}
    paging = {name: values.pop(name) for name in _PAGING}
    values["action_items_reminded"] = frozenset(state.action_items_reminded)
    values["action_items_dropped"] = frozenset(state.action_items_dropped)
    for name, value in values.items():
        if isinstance(value, dict):
            values[name] = dict(value)
    paging.update(paged=dict(state.paged), failed=dict(state.failed), skipped=frozenset(state.skipped))
    return Incident(events=events, paging=Paging(**paging), **values)


def _thawed(incident: Incident) -> _State:
    values: dict[str, Any] = {
        each.name: getattr(incident.paging if each.name in _PAGING else incident, each.name) for each in fields(_State)
    }
    for name, value in values.items():
        if isinstance(value, Mapping):
            values[name] = dict(value)
        elif isinstance(value, frozenset):
            values[name] = set(value)
    return _State(**values)


def _opened(environment: str, number: int, event: IncidentEvent) -> _State:
    payload = event.payload
    severity, summary = IF_UNKNOWN, "what it is about can't be read by this omc; a newer one opened it"
    if isinstance(payload, Opened):
        summary = payload.summary
        severity = payload.severity if payload.severity in SEVERITIES else IF_UNKNOWN
    state = _State(environment, number, severity, summary, event.by, event.at)
    state.wait(event.at)
    _count_for_customers(state, event.at)
    return state


# ── What each event does ────────────────────────────────────────────────────────────────────────────────────────


def _step(state: _State, event: IncidentEvent) -> None:
    payload = event.payload
    effect = _EFFECTS.get(type(payload))
    if effect is not None:
        effect(state, event, payload)
    held = state.acknowledgement
    if held is not None and held.lasts is not None and isinstance(payload, WORK) and event.by != AUTOMATIC:
        state.acknowledgement = replace(held, until=event.at + held.lasts)
    if (
        state.is_open
        and state.since is None
        and state.acknowledgement is None
        and state.snooze is None
        and not (state.is_all_quiet() and state.unhealthy_at is None)
    ):
        state.wait(event.at)


def _severity_changed(state: _State, event: IncidentEvent, payload: SeverityChanged) -> None:
    before, now = state.severity, payload.severity if payload.severity in SEVERITIES else IF_UNKNOWN
    state.severity = now
    if not state.is_open or now == before:
        return
    _count_for_customers(state, event.at)
    if now > before:
        state.everybody_at = state.raised_at = None
        return
    state.raised_at = event.at
    was_snoozed, state.snooze = state.snooze is not None, None
    if state.acknowledgement is None:
        state.wait(event.at)
        return
    if was_snoozed and state.mitigated_at is None:
        state.run_mitigation(event.at)
    if SEVERITIES[now].pages_everybody:
        state.page_everybody(event.at)


def _count_for_customers(state: _State, at: datetime) -> None:
    if not SEVERITIES[state.severity].pages_everybody:
        state.customers_since = state.reminded_of = None
    elif state.customers_since is None:
        state.customers_since = at


def _mitigated(state: _State, event: IncidentEvent, payload: Mitigated) -> None:
    state.mitigated_by, state.mitigated_at, state.mitigation = event.by, event.at, payload.how
    if not state.is_open:
        return
    held = state.acknowledgement
    if held is None:
        state.acknowledgement = Acknowledgement(event.by, event.at, None, None)
    state.hold()
    state.snooze = None


def _unhealthy(state: _State, event: IncidentEvent, payload: Unhealthy) -> None:
    state.unhealthy, state.unhealthy_at = payload.findings, event.at


def _resolved(state: _State, event: IncidentEvent, payload: Resolved) -> None:
    if state.resolved_at is None:
        state.resolved_by, state.resolved_at, state.resolution = event.by, event.at, payload.how
    state.hold()
    state.snooze = state.customers_since = state.reminded_of = None


def _reopened(state: _State, event: IncidentEvent, _: Reopened) -> None:
    if state.resolved_at is None:
        return
    state.resolved_by = state.resolved_at = state.resolution = None
    _is_unmitigated(state)
    state.wait(event.at)
    _count_for_customers(state, event.at)


def _is_unmitigated(state: _State) -> None:
    state.mitigated_by = state.mitigated_at = state.mitigation = None


def _alert_joined(state: _State, event: IncidentEvent, payload: AlertJoined) -> None:
    before = state.alerts.get(payload.key)
    is_new = before is None or not before.is_firing
    since = event.at if before is None or is_new else before.since
    state.alerts[payload.key] = Alert(payload.key, payload.name, payload.severity, payload.service, since)
    if payload.summary:
        state.summary = payload.summary
    if not is_new:
        return
    state.unhealthy, state.unhealthy_at = (), None
    if not state.is_open or state.mitigated_at is None:
        return
    _is_unmitigated(state)
    state.wait(event.at)  # whoever mitigated it may be asleep again


def _alert_ended(state: _State, event: IncidentEvent, payload: AlertEnded) -> None:
    found = state.alerts.get(payload.key)
    if found is not None and found.is_firing:
        state.alerts[payload.key] = replace(found, ended_at=event.at)
        state.unhealthy, state.unhealthy_at = (), None


def _alert_left(state: _State, _: IncidentEvent, payload: AlertLeft) -> None:
    state.alerts.pop(payload.key, None)


def _alert_reworded(state: _State, _: IncidentEvent, payload: AlertReworded) -> None:
    """It is called as the alert was that made it: then it is called as that is now."""
    if state.summary == " ".join(payload.before.split()) and payload.title.strip():
        state.summary = " ".join(payload.title.split())


def _channel_posted(state: _State, _: IncidentEvent, payload: ChannelPosted) -> None:
    before = state.channel or IncidentChannel(payload.name)
    state.channel = replace(
        before,
        posts=before.posts + 1,
        severity=payload.severity,
        invited=before.invited | set(payload.invited),
        pages=state.pages,
    )


def _channel_made(state: _State, _: IncidentEvent, payload: ChannelMade) -> None:
    if state.channel is not None:
        state.channel = replace(state.channel, id=payload.id)


def _said(state: _State, _: IncidentEvent, __: Said) -> None:
    if state.channel is not None:
        state.channel = replace(state.channel, messages=state.channel.messages + 1)


def _acknowledged(state: _State, event: IncidentEvent, payload: Acknowledged) -> None:
    if not state.is_open:
        return
    lasts = payload.until - event.at if payload.until is not None else None
    at = state.acknowledgement.at if state.acknowledgement is not None else event.at
    state.acknowledgement = Acknowledgement(payload.person, at, payload.until, lasts)
    state.take(event.at)


def _expired(state: _State, event: IncidentEvent, _: AcknowledgementExpired) -> None:
    if state.is_open:
        state.wait(event.at)


def _role_assigned(state: _State, _: IncidentEvent, payload: RoleAssigned) -> None:
    state.roles[payload.role] = payload.person


def _snoozed(state: _State, event: IncidentEvent, payload: Snoozed) -> None:
    if state.is_open:
        state.snooze = Snooze(payload.until, payload.why, payload.if_still_firing, event.by)
        state.hold()


def _snooze_ended(state: _State, event: IncidentEvent, payload: SnoozeEnded) -> None:
    state.snooze = None
    if state.is_open:
        if payload.is_quiet and state.is_all_quiet():
            state.acknowledgement = None
        else:
            state.wait(event.at)


def _paged(state: _State, _: IncidentEvent, payload: Paged) -> None:
    state.pages += 1
    if payload.step is not None:
        turn = (payload.round, payload.step)
        state.paged[turn] = (*state.paged.get(turn, ()), payload.person)
        state.skipped.discard((payload.round, payload.step))
        _has_begun(state, payload.round)


def _page_failed(state: _State, _: IncidentEvent, payload: PageFailed) -> None:
    state.failed[payload.key] = payload.why


def _step_skipped(state: _State, _: IncidentEvent, payload: StepSkipped) -> None:
    state.skipped.add((payload.round, payload.step))
    _has_begun(state, payload.round)


def _has_begun(state: _State, number: int) -> None:
    """A round of pages; a later one than that in which everybody was to be paged stands for it."""
    state.next_round = max(state.next_round, number + 1)
    if state.since is not None and number > state.everybody_round:
        state.everybody_at = None


def _merged(state: _State, _: IncidentEvent, payload: Merged) -> None:
    state.merged_into = payload.into
    state.hold()
    state.snooze = state.customers_since = state.reminded_of = None


def _absorbed(state: _State, _: IncidentEvent, payload: Absorbed) -> None:
    state.absorbed[payload.incident] = payload.keys


def _unmerged(state: _State, event: IncidentEvent, payload: Unmerged) -> None:
    state.absorbed.pop(payload.incident, None)
    if state.merged_into != payload.incident:
        return
    state.merged_into = None
    if not state.is_open:
        return
    _count_for_customers(state, event.at)
    if state.acknowledgement is None:
        state.wait(event.at)
    elif state.mitigated_at is None:
        state.run_mitigation(event.at)


def _captured(state: _State, _: IncidentEvent, payload: Captured) -> None:
    state.captured[payload.what] = payload


def _update_sent(state: _State, event: IncidentEvent, _: UpdateSent) -> None:
    if state.customers_since is not None:
        state.customers_since, state.reminded_of = event.at, None


def _update_reminded(state: _State, _: IncidentEvent, payload: UpdateReminded) -> None:
    if state.customers_since is not None:
        state.reminded_of = payload.due


def _update_skipped(state: _State, _: IncidentEvent, payload: UpdateSkipped) -> None:
    if state.customers_since is not None:
        state.customers_since, state.reminded_of = payload.due, None


def _postmortem_changed(state: _State, _: IncidentEvent, payload: PostmortemChanged) -> None:
    state.postmortem[payload.section] = payload.text
    state.postmortem_state = state.postmortem_state or "draft"


def _postmortem_moved(state: _State, event: IncidentEvent, payload: PostmortemMoved) -> None:
    state.postmortem_state = payload.state
    state.postmortem_moved_by, state.postmortem_moved_at = event.by, event.at


def _action_item(state: _State, _: IncidentEvent, payload: ActionItem) -> None:
    state.action_items[payload.id] = payload
    state.action_items_reminded.discard(payload.id)


def _action_item_reminded(state: _State, _: IncidentEvent, payload: ActionItemReminded) -> None:
    state.action_items_reminded.add(payload.id)


def _action_item_done(state: _State, event: IncidentEvent, payload: ActionItemDone) -> None:
    state.action_items_done[payload.id] = event.at
    if payload.is_dropped:
        state.action_items_dropped.add(payload.id)


_EFFECTS: Mapping[type, Callable[[_State, IncidentEvent, Any], None]] = {
    SeverityChanged: _severity_changed,
    Mitigated: _mitigated,
    Unhealthy: _unhealthy,
    Resolved: _resolved,
    Reopened: _reopened,
    AlertJoined: _alert_joined,
    AlertEnded: _alert_ended,
    AlertLeft: _alert_left,
    AlertReworded: _alert_reworded,
    ChannelPosted: _channel_posted,
    ChannelMade: _channel_made,
    Said: _said,
    Acknowledged: _acknowledged,
    AcknowledgementExpired: _expired,
    RoleAssigned: _role_assigned,
    Snoozed: _snoozed,
    SnoozeEnded: _snooze_ended,
    Paged: _paged,
    PageFailed: _page_failed,
    StepSkipped: _step_skipped,
    Merged: _merged,
    Absorbed: _absorbed,
    Unmerged: _unmerged,
    Captured: _captured,
    UpdateSent: _update_sent,
    UpdateReminded: _update_reminded,
    UpdateSkipped: _update_skipped,
    PostmortemChanged: _postmortem_changed,
    PostmortemMoved: _postmortem_moved,
    ActionItem: _action_item,
    ActionItemReminded: _action_item_reminded,
    ActionItemDone: _action_item_done,
}
"""What isn't here changes nothing: a note, an event of a newer omc, a second beginning."""
