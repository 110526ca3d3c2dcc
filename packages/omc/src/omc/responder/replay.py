"""What omc would have made of what came in, by other rules: the same notifications and silences at the same times, put
through the same pipeline. Pure.

What people did to an incident is done to the one that the same notification opened: it is resolved when it was
resolved. An incident that there wasn't is over once nothing of it has fired for the quiet time of the rules. A page is
what calls people at once: an incident that is opened, is opened again, or turns out to be worse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from omc.incidents import events as incident_events
from omc.incidents.events import AUTOMATIC, AlertJoined, AlertLeft, Merged, Opened, Reopened, Resolved, SeverityChanged
from omc.model import silences
from omc.model.events import Event, Stream
from omc.responder import alerts
from omc.responder.alerts import CameLate, Ended, Fired, Held, Released
from omc.responder.model import Notification
from omc.responder.pipeline import IncidentView, Outcome, Situation, run, run_again
from omc.responder.pipeline.situation import Join, LookAgain, Merge, Open, Raise, Reopen
from omc.responder.rules import Rules


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event of an alert, a silence or an incident, as it was written."""

    stream: Stream
    event: Event[Any]


@dataclass(slots=True)
class Simulation:
    """A situation over time: notifications go in, deadlines are kept."""

    situation: Situation
    deadlines: dict[str, datetime] = field(default_factory=dict)
    """By an alert's key, when it is looked at again."""

    def take(self, notification: Notification, at: datetime) -> tuple[Outcome, ...]:
        """What comes of a notification; what was due before must have been looked at."""
        self.situation, outcomes = run(self.situation, notification, at)
        return self._noted(outcomes)

    def look_again(self, key: str, at: datetime) -> tuple[Outcome, ...]:
        alert = self.situation.alerts.get(key)
        if alert is None:
            return ()
        self.situation, outcomes = run_again(self.situation, alert, at)
        return self._noted(outcomes)

    def next_due(self, until: datetime) -> tuple[datetime, str] | None:
        """The earliest deadline until then, and whose it is."""
        return min(((at, key) for key, at in self.deadlines.items() if at <= until), default=None)

    def _noted(self, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        for outcome in outcomes:
            for effect in outcome.effects:
                if isinstance(effect, LookAgain):
                    self.deadlines.pop(effect.key, None)
                    if effect.at is not None:
                        self.deadlines[effect.key] = effect.at
        return outcomes


@dataclass(frozen=True, slots=True)
class ReplayedIncident:
    """An incident as it was, or would have been."""

    number: int
    opened_at: datetime
    severity: int
    """The worst that it had."""
    summary: str
    alerts: frozenset[str] = frozenset()
    """Their names."""
    pages: int = 1
    merged_into: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a time by one set of rules."""

    notifications: int
    incidents: tuple[ReplayedIncident, ...]
    held: Mapping[str, int]
    """How often an alert was held, by what held it."""

    @property
    def pages(self) -> int:
        return sum(each.pages for each in self.incidents)


def what_happened(history: Iterable[Recorded], since: datetime) -> Result:
    """The incidents of alerts that were opened since then, as they are in the record."""
    found: dict[int, ReplayedIncident] = {}
    names: dict[int, set[str]] = {}
    held: Counter[str] = Counter()
    notifications = 0
    for each in history:
        payload, at = each.event.payload, each.event.at
        if each.stream.kind == alerts.TYPES.kind and at >= since:
            notifications += _notification(payload) is not None
            if isinstance(payload, Held):
                held[payload.hold.by] += 1
        if each.stream.kind != incident_events.TYPES.kind:
            continue
        number = int(each.stream.id)
        if isinstance(payload, Opened):
            found[number] = ReplayedIncident(number, at, payload.severity, payload.summary)
            names[number] = set()
        elif number in found:
            found[number] = _as_recorded(found[number], payload, each.event.by, names[number])
    incidents = (
        replace(each, alerts=frozenset(names[number]))
        for number, each in sorted(found.items())
        if each.opened_at >= since and names[number]
    )
    return Result(notifications, tuple(incidents), dict(held))


def _as_recorded(incident: ReplayedIncident, payload: Any, by: str, names: set[str]) -> ReplayedIncident:
    match payload:
        case AlertJoined():
            names.add(payload.name)
        case Reopened() if by == AUTOMATIC:
            return replace(incident, pages=incident.pages + 1)
        case SeverityChanged() if by == AUTOMATIC and payload.severity < incident.severity:
            return replace(incident, severity=payload.severity, pages=incident.pages + 1)
        case SeverityChanged():
            return replace(incident, severity=min(incident.severity, payload.severity))
        case Merged():
            return replace(incident, merged_into=payload.into)
    return incident


def _notification(payload: Any) -> Notification | None:
    if isinstance(payload, Fired | Held | Ended | CameLate):
        return payload.notification
    return None


def replay(history: Sequence[Recorded], rules: Rules, since: datetime, until: datetime) -> Result:
    """What would have come of what came in from then to then, by these rules. What was before is as it was."""
    replayed = _Replay.of([each for each in history if each.event.at < since], rules)
    for each in history:
        if since <= each.event.at <= until:
            replayed.forward(each.event.at)
            replayed.let_happen(each)
    replayed.forward(until)
    incidents = tuple(
        replace(each, alerts=frozenset(replayed.names.get(number, ())))
        for number, each in sorted(replayed.incidents.items())
    )
    return Result(replayed.notifications, incidents, dict(replayed.held))


@dataclass(slots=True)
class _Replay:
    simulation: Simulation
    was: dict[int, int] = field(default_factory=dict)
    """The number of each real incident, and that of the one that stands for it here."""
    over: set[int] = field(default_factory=set)
    """Those here of which the real one is over: from then on they end by themselves."""
    incidents: dict[int, ReplayedIncident] = field(default_factory=dict)
    names: dict[int, set[str]] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)
    notifications: int = 0

    @classmethod
    def of(cls, history: Sequence[Recorded], rules: Rules) -> _Replay:
        """As everything really was at the end of this history."""
        known: dict[str, list[Event[Any]]] = {}
        made: dict[int, list[Event[Any]]] = {}
        views: dict[int, IncidentView] = {}
        for each in history:
            if each.stream.kind == alerts.TYPES.kind:
                known.setdefault(each.stream.id, []).append(each.event)
            elif each.stream.kind == silences.TYPES.kind:
                made.setdefault(int(each.stream.id), []).append(each.event)
            else:
                _see(views, int(each.stream.id), each.event)
        situation = Situation(
            rules=rules,
            alerts={key: alerts.replay(rules.environment, key, events) for key, events in known.items()},
            incidents=views,
            silences={number: silences.replay(rules.environment, number, events) for number, events in made.items()},
            next_incident=max(views, default=0) + 1,
        )
        deadlines = {
            alert.key: alert.hold.until
            for alert in situation.alerts.values()
            if alert.hold is not None and alert.hold.until is not None
        }
        for alert in situation.alerts.values():
            notification = alert.notification
            if alert.is_firing and notification is not None and notification.labels.get("has_end") == "no":
                over = notification.at + rules.without_end
                deadlines[alert.key] = min(over, deadlines.get(alert.key, over))
        return cls(Simulation(situation, deadlines), was={number: number for number in views})

    # ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────

    def forward(self, to: datetime) -> None:
        while True:
            due, quiet = self.simulation.next_due(to), self._next_quiet(to)
            if due is None and quiet is None:
                return
            if due is not None and (quiet is None or due[0] <= quiet[0]):
                at, key = due
                del self.simulation.deadlines[key]
                self._note(self.simulation.look_again(key, at), at)
            elif quiet is not None:
                self._resolve(quiet[1], quiet[0])

    def _next_quiet(self, until: datetime) -> tuple[datetime, int] | None:
        """The incident that ends by itself next, and when."""
        real = {here for was, here in self.was.items() if here not in self.over}
        quiet = self.simulation.situation.rules.quiet
        found = [
            ((view.changed_at or view.opened_at) + quiet, number)
            for number, view in self.simulation.situation.incidents.items()
            if view.is_open and not view.firing and view.ended and number not in real
        ]
        return min((each for each in found if each[0] <= until), default=None)

    # ── What happened ───────────────────────────────────────────────────────────────────────────────────────────

    def let_happen(self, recorded: Recorded) -> None:
        kind, event = recorded.stream.kind, recorded.event
        if kind == alerts.TYPES.kind:
            self._alert(recorded.stream.id, event)
        elif kind == silences.TYPES.kind:
            self._silence(int(recorded.stream.id), event)
        else:
            self._incident(int(recorded.stream.id), event)

    def _alert(self, key: str, event: Event[Any]) -> None:
        notification = _notification(event.payload)
        outcomes: tuple[Outcome, ...] = ()
        if notification is not None:
            self.notifications += 1
            outcomes = self.simulation.take(notification, event.at)
            self._note(outcomes, event.at)
        elif (
            isinstance(event.payload, Released | Held | Ended)
            and self.simulation.deadlines.get(key, event.at) <= event.at
        ):
            self._note(self._released(key, event), event.at)
        if isinstance(event.payload, Fired | Released | CameLate) and event.payload.incident is not None:
            here = self.simulation.situation.alerts[key].incident
            if here is not None and event.payload.incident not in self.was:
                self.was[event.payload.incident] = here

    def _released(self, key: str, event: Event[Any]) -> tuple[Outcome, ...]:
        """What held an alert is over: also here, where CloudWatch muted it."""
        simulation = self.simulation
        simulation.situation = replace(simulation.situation, unmuted=frozenset({key}))
        outcomes = simulation.look_again(key, event.at)
        simulation.situation = replace(simulation.situation, unmuted=frozenset())
        return outcomes

    def _silence(self, number: int, event: Event[Any]) -> None:
        situation = self.simulation.situation
        known = dict(situation.silences)
        if isinstance(event.payload, silences.Created):
            known[number] = silences.from_first_event(situation.rules.environment, number, event)
        elif number not in known or known[number].ended_at is not None or event.by == AUTOMATIC:
            return  # what the responder ended by itself ends by itself here too, when its time has come
        else:
            known[number] = silences.apply(known[number], event)
        self.simulation.situation = replace(situation, silences=known)
        if not isinstance(event.payload, silences.Created):
            for key in _held_by_silence(self.simulation.situation, number):
                self._note(self.simulation.look_again(key, event.at), event.at)

    def _incident(self, number: int, event: Event[Any]) -> None:
        here = self.was.get(number)
        views = dict(self.simulation.situation.incidents)
        match event.payload:
            case Opened():
                following = max(self.simulation.situation.next_incident, number + 1) if event.by != AUTOMATIC else 0
                if following:
                    self.simulation.situation = replace(self.simulation.situation, next_incident=following)
            case Resolved() if here is not None:
                self.over.add(here)
                view = views[here]
                if view.is_open and (event.by != AUTOMATIC or not view.firing):
                    self._resolve(here, event.at)
            case Reopened() if here is not None:
                self.over.discard(here)
                if event.by != AUTOMATIC:
                    views[here] = replace(views[here], resolved_at=None)
                    self.simulation.situation = replace(self.simulation.situation, incidents=views)
            case SeverityChanged() if here is not None and event.by != AUTOMATIC:
                views[here] = replace(views[here], severity=event.payload.severity)
                self.simulation.situation = replace(self.simulation.situation, incidents=views)
                if here in self.incidents:
                    before = self.incidents[here]
                    worst = min(before.severity, event.payload.severity)
                    self.incidents[here] = replace(before, severity=worst)
            case Merged() if here is not None and event.by != AUTOMATIC and event.payload.into in self.was:
                into = self.was[event.payload.into]
                if into != here:
                    gone, other = views[here], views[into]
                    views[here] = replace(gone, merged_into=into)
                    views[into] = replace(other, firing=other.firing | gone.firing, ended=other.ended | gone.ended)
                    self.simulation.situation = replace(self.simulation.situation, incidents=views)
            case AlertLeft() if here is not None and event.by != AUTOMATIC:
                to = None if event.payload.to is None else self.was.get(event.payload.to)
                view, key = views[here], frozenset({event.payload.key})
                left = {**view.left, event.payload.key: to}
                views[here] = replace(view, firing=view.firing - key, ended=view.ended - key, left=left)
                self.simulation.situation = replace(self.simulation.situation, incidents=views)

    def _resolve(self, number: int, at: datetime) -> None:
        views = dict(self.simulation.situation.incidents)
        views[number] = replace(views[number], resolved_at=at)
        self.simulation.situation = replace(self.simulation.situation, incidents=views)

    # ── What came of it ─────────────────────────────────────────────────────────────────────────────────────────

    def _note(self, outcomes: Iterable[Outcome], at: datetime) -> None:
        for outcome in outcomes:
            if isinstance(outcome.event, Held):
                self.held[outcome.event.hold.by] += 1
            for effect in outcome.effects:
                match effect:
                    case Open():
                        self.incidents[effect.incident] = ReplayedIncident(
                            effect.incident, at, effect.severity, effect.summary
                        )
                    case Join():
                        self.names.setdefault(effect.incident, set()).add(effect.name)
                    case Reopen() if effect.incident in self.incidents:
                        before = self.incidents[effect.incident]
                        self.incidents[effect.incident] = replace(before, pages=before.pages + 1)
                    case Raise() if effect.incident in self.incidents:
                        before = self.incidents[effect.incident]
                        if effect.severity < before.severity:  # else it was as bad before people said that it wasn't
                            self.incidents[effect.incident] = replace(
                                before, pages=before.pages + 1, severity=effect.severity
                            )
                    case Merge():
                        self.names.setdefault(effect.into, set()).update(self.names.get(effect.incident, ()))
                        if effect.incident in self.incidents:
                            before = self.incidents[effect.incident]
                            self.incidents[effect.incident] = replace(before, merged_into=effect.into)


def _held_by_silence(situation: Situation, number: int) -> list[str]:
    return sorted(
        alert.key
        for alert in situation.alerts.values()
        if alert.hold is not None and alert.hold.by == "silence" and alert.hold.of == str(number)
    )


def _see(views: dict[int, IncidentView], number: int, event: Event[Any]) -> None:
    """Of an incident what the grouping needs, after one more event."""
    payload = event.payload
    if isinstance(payload, Opened):
        views[number] = IncidentView(number, payload.severity, event.at)
        return
    view = views.get(number)
    if view is None:
        return
    match payload:
        case AlertJoined():
            key = frozenset({payload.key})
            left = {each: to for each, to in view.left.items() if each != payload.key}
            view = replace(view, firing=view.firing | key, ended=view.ended - key, left=left, changed_at=event.at)
        case incident_events.AlertEnded():
            key = frozenset({payload.key})
            view = replace(view, firing=view.firing - key, ended=view.ended | key, changed_at=event.at)
        case AlertLeft():
            key, left = frozenset({payload.key}), {**view.left, payload.key: payload.to}
            view = replace(view, firing=view.firing - key, ended=view.ended - key, left=left)
        case SeverityChanged():
            view = replace(view, severity=payload.severity)
        case Resolved():
            view = replace(view, resolved_at=event.at)
        case Reopened():
            view = replace(view, resolved_at=None)
        case Merged():
            view = replace(view, merged_into=payload.into)
        case incident_events.Unmerged():
            view = replace(view, merged_into=None)
    views[number] = view
