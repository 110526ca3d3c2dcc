"""What is so when a notification comes in, as values, and what is to follow from it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from omc.incidents.events import AUTOMATIC
from omc.model.events import Event
from omc.model.silences import Silence
from omc.responder import alerts
from omc.responder.alerts import Alert, AlertEvent, Facts, Payload, Trace, labels_of
from omc.responder.model import Notification
from omc.responder.rules import Rules, kind_explains


@dataclass(frozen=True, slots=True)
class IncidentView:
    """Of an incident what the grouping of alerts needs to know."""

    number: int
    severity: int
    opened_at: datetime
    firing: frozenset[str] = frozenset()
    """The keys of its alerts that fire."""
    ended: frozenset[str] = frozenset()
    """The keys of its alerts that have ended."""
    left: Mapping[str, int | None] = field(default_factory=dict)
    """Alerts that people took out of it, with the incident that each went to."""
    changed_at: datetime | None = None
    """When one of its alerts joined or ended last."""
    resolved_at: datetime | None = None
    merged_into: int | None = None

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None and self.merged_into is None

    def has(self, key: str) -> bool:
        return key in self.firing or key in self.ended


# ── What is to follow ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Open:
    """Open an incident."""

    incident: int
    severity: int
    summary: str


@dataclass(frozen=True, slots=True)
class Reopen:
    incident: int
    why: str


@dataclass(frozen=True, slots=True)
class Join:
    """Tell an incident that an alert of its fires."""

    incident: int
    key: str
    name: str
    severity: int
    service: str | None
    summary: str | None = None
    """What is wrong, where this alert says it better than what it was opened with."""


@dataclass(frozen=True, slots=True)
class End:
    """Tell an incident that an alert of its has ended."""

    incident: int
    key: str


@dataclass(frozen=True, slots=True)
class Raise:
    """An incident is worse than it was taken for."""

    incident: int
    severity: int


@dataclass(frozen=True, slots=True)
class Rename:
    """Tell an incident what one of its alerts is called now."""

    incident: int
    key: str
    before: str
    title: str


@dataclass(frozen=True, slots=True)
class Merge:
    """An incident goes on in another one, with those of its alerts that fire."""

    incident: int
    into: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Look at an alert again then; None: no more."""

    key: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Inform:
    """Tell the channel for alerts, once for each key."""

    key: str
    short: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UseSilence:
    """A silence held its first alert."""

    number: int
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class EndSilence:
    """A silence is over before its time."""

    number: int
    why: str


Effect: TypeAlias = Open | Reopen | Join | End | Raise | Rename | Merge | LookAgain | Inform | UseSilence | EndSilence


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one look at one alert."""

    key: str
    trace: Trace
    event: Payload | None = None
    """What is appended to the alert's stream."""
    effects: tuple[Effect, ...] = ()


# ── What is so ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Situation:
    """Of one environment, as much as a decision may need."""

    rules: Rules
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    """By key: those that fire, and those that are looked at."""
    incidents: Mapping[int, IncidentView] = field(default_factory=dict)
    """Those that the alerts are or were in."""
    silences: Mapping[int, Silence] = field(default_factory=dict)
    next_incident: int = 1
    changes: tuple[str, ...] = ()
    """What was changed shortly before, newest first: ``deploy of backend, 12 min before``."""
    unmuted: frozenset[str] = frozenset()
    """The keys of alerts that CloudWatch muted and no longer does."""

    def where(self, key: str, number: int | None) -> IncidentView | None:
        """The incident in which an alert is now that was put into this one: people merge incidents and take alerts out
        of them. None where it is in none that is known."""
        for _ in range(len(self.incidents) + 1):
            view = self.incidents.get(number) if number is not None else None
            if view is None:
                return None
            if view.merged_into is not None:
                number = view.merged_into
            elif key in view.left and not view.has(key):
                number = view.left[key]
            else:
                return view
        return None

    def holder(self, alert: Alert) -> IncidentView | None:
        """The open incident whose people know that this alert fires."""
        if not alert.is_in_incident:
            return None
        view = self.where(alert.key, alert.incident)
        return view if view is not None and view.is_open else None

    def causes_of(self, key: str, facts: Facts, notification: Notification) -> Iterator[tuple[Alert, IncidentView]]:
        """What explains an alert: others that fire in an open incident, the incident that is open longest first."""
        found = []
        for other in self.alerts.values():
            if other.key != key and other.is_in_incident and self.explains(other, facts, notification):
                view = self.holder(other)
                if view is not None:
                    found.append((other, view))
        yield from sorted(found, key=lambda each: (each[1].number, each[0].key))

    def explains(self, cause: Alert, facts: Facts, notification: Notification) -> bool:
        """Whether, if the one fires, the other is no news."""
        if cause.facts is None or cause.notification is None:
            return False
        return self.facts_explain(cause.facts, cause.notification, facts, notification)

    def facts_explain(
        self, cause: Facts, cause_notification: Notification, facts: Facts, notification: Notification
    ) -> bool:
        if kind_explains(cause, facts):
            return True
        if not self.rules.inhibit:
            return False
        of_cause, of_explained = labels_of(cause, cause_notification), labels_of(facts, notification)
        return any(rule.holds(of_cause, of_explained) for rule in self.rules.inhibit)


def after(situation: Situation, outcome: Outcome, at: datetime, kept: AlertEvent | None = None) -> Situation:
    """The situation once an outcome is written; ``kept`` is its event as the store has it."""
    known = dict(situation.alerts)
    if outcome.event is not None:
        before = known.get(outcome.key) or Alert(situation.rules.environment, outcome.key, 0)
        known[outcome.key] = alerts.apply(before, kept or Event(at, AUTOMATIC, outcome.event))
    incidents, silences, number = dict(situation.incidents), dict(situation.silences), situation.next_incident
    for effect in outcome.effects:
        match effect:
            case Open():
                incidents[effect.incident] = IncidentView(effect.incident, effect.severity, at, changed_at=at)
                number = max(number, effect.incident + 1)
            case Reopen():
                incidents[effect.incident] = replace(incidents[effect.incident], resolved_at=None, changed_at=at)
            case Join() | End():
                incidents[effect.incident] = _changed(incidents[effect.incident], effect, at)
            case Raise():
                incidents[effect.incident] = replace(incidents[effect.incident], severity=effect.severity)
            case Merge():
                _merge(incidents, effect, at)
            case UseSilence():
                silences[effect.number] = replace(silences[effect.number], first_used=effect.name)
            case EndSilence():
                silences[effect.number] = replace(silences[effect.number], ended_at=at, ended_why=effect.why)
            case _:
                pass
    return replace(situation, alerts=known, incidents=incidents, silences=silences, next_incident=number)


def _changed(view: IncidentView, change: Join | End, at: datetime) -> IncidentView:
    key = frozenset({change.key})
    if isinstance(change, Join):
        left = {each: to for each, to in view.left.items() if each != change.key}
        return replace(view, firing=view.firing | key, ended=view.ended - key, left=left, changed_at=at)
    return replace(view, firing=view.firing - key, ended=view.ended | key, changed_at=at)


def _merge(incidents: dict[int, IncidentView], effect: Merge, at: datetime) -> None:
    gone, into = incidents[effect.incident], incidents[effect.into]
    incidents[effect.incident] = replace(gone, merged_into=effect.into, firing=frozenset())
    incidents[effect.into] = replace(into, firing=into.firing | gone.firing, changed_at=at)
