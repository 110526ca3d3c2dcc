"""The situation, read from the store: as much of it as some alerts need, and no more."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import and_, select

from omc.incidents.events import TYPES as INCIDENT_TYPES
from omc.incidents.events import AlertJoined, AlertLeft
from omc.incidents.events import stream_of as incident_stream
from omc.incidents.incident import Incident
from omc.incidents.model import evolve
from omc.model import silences
from omc.model.silences import Silence
from omc.model.typed_json import from_json, to_json
from omc.responder.alerts import Alert, Facts
from omc.responder.model import Notification
from omc.responder.pipeline.enrich import assess
from omc.responder.pipeline.situation import IncidentView, Situation
from omc.responder.rules import Rules, kinds_beside
from omc.store import alerts as table
from omc.store import eventlog, incidents
from omc.store.alerts import AlertRow
from omc.store.deadlines import Deadline
from omc.store.models import Run, as_text
from omc.store.silences import SILENCE_END
from omc.times import format_duration

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

Key = TypeVar("Key")
Value = TypeVar("Value")
SHORTLY = timedelta(hours=2)
MOST_CHANGES = 3
MOST_KEPT = 4096
"""So many alerts, and incidents, are kept in memory as they were last read."""


def to_row(alert: Alert) -> dict[str, Any]:
    """The row of ``omc.store.alerts`` that stands for an alert."""
    facts, hold = alert.facts, alert.hold
    return {
        "environment": alert.environment,
        "key": alert.key,
        "events": alert.events,
        "name": facts.name if facts else "",
        "kind": facts.kind if facts else "",
        "group_name": facts.group if facts else "",
        "is_firing": alert.is_firing,
        "incident": alert.incident,
        "hold_by": hold.by if hold else None,
        "hold_of": hold.of if hold else None,
        "changed_at": alert.changed_at,
        "state": to_json(alert),
    }


class Recent(Generic[Key, Value]):
    """The values that were asked for last, at most ``MOST_KEPT``. Safe to use from many threads."""

    def __init__(self) -> None:
        self._values: dict[Key, Value] = {}
        self._alone = Lock()

    def take(self, key: Key) -> Value | None:
        """The value, which is kept no longer unless it is put again."""
        with self._alone:
            return self._values.pop(key, None)

    def put(self, key: Key, value: Value) -> None:
        with self._alone:
            self._values[key] = value
            while len(self._values) > MOST_KEPT:
                del self._values[next(iter(self._values))]


_ALERTS: Recent[str, Alert] = Recent()
"""By the text of a row's state: most alerts that are read were written by this process."""


def from_state(state: str) -> Alert:
    """The alert that a row's state says."""
    alert = _ALERTS.take(state)
    if alert is None:
        alert = from_json(Alert, json.loads(state))
    _ALERTS.put(state, alert)
    return alert


def remember(session: Session, alerts: Iterable[tuple[Alert, dict[str, Any]]], incidents: Iterable[Incident]) -> None:
    """Keep in mind what was just committed, so that it needn't be read."""
    for alert, row in alerts:
        _ALERTS.put(as_text(row["state"]), alert)
    kept = _INCIDENTS.setdefault(session.get_bind(), Recent())
    for incident in incidents:
        kept.put((incident.environment, incident.number), incident)


def read(
    session: Session,
    rules: Rules,
    now: datetime,
    notifications: Sequence[Notification] = (),
    keys: Iterable[str] = (),
    known: dict[int, Incident] | None = None,
) -> Situation:
    """What may bear on these notifications, and on the alerts of these keys. The incidents that were read are put into
    ``known``."""
    facts = [assess(each, rules)[0] for each in notifications]
    found = _alerts(session, rules, facts, {each.alert_key for each in notifications} | set(keys))
    numbers = {each.incident for each in found.values() if each.incident is not None}
    kept = _incidents(session, rules.environment, numbers, {} if known is None else known)
    views = {number: view_of(incident) for number, incident in kept.items()}
    missing = {key for view in views.values() if view.is_open for key in view.firing} - set(found)
    found |= _by_key(table.states(session, rules.environment, AlertRow.key.in_(missing)) if missing else [])
    found |= _causes(session, rules, found)
    more = {each.incident for each in found.values() if each.incident is not None} - set(kept)
    kept = _incidents(session, rules.environment, more, kept)
    views |= {number: view_of(incident) for number, incident in kept.items() if number not in views}
    return Situation(
        rules=rules,
        alerts=found,
        incidents=views,
        silences={each.number: each for each in active_silences(session, rules.environment)},
        next_incident=eventlog.last_number(session, INCIDENT_TYPES.kind, rules.environment) + 1,
        changes=changes(session, rules.environment, now),
    )


def _alerts(session: Session, rules: Rules, facts: Sequence[Facts], keys: set[str]) -> dict[str, Alert]:
    """Those that are meant, those of their groups, those that they hold, and those that they may explain, or be
    explained by."""
    environment = rules.environment
    found = _by_key(table.states(session, environment, AlertRow.key.in_(keys))) if keys else {}
    every = [*facts, *(each.facts for each in found.values() if each.facts is not None)]
    groups, kinds = {each.group for each in every}, {kind for each in every for kind in kinds_beside(each.kind)}
    conditions: list[ColumnElement[bool]] = [AlertRow.group_name.in_(groups), AlertRow.hold_of.in_(keys)]
    if rules.inhibit:
        conditions.append(and_(AlertRow.is_firing))
    elif kinds:
        conditions.append(and_(AlertRow.is_firing, AlertRow.kind.in_(kinds)))
    return found | _by_key(table.states(session, environment, *conditions))


def _causes(session: Session, rules: Rules, found: Mapping[str, Alert]) -> dict[str, Alert]:
    """What may explain those that were found: whether an alert is one that others join depends on it."""
    kinds = {kind for each in found.values() if each.facts for kind in kinds_beside(each.facts.kind)}
    if rules.inhibit or not kinds:
        return {}
    return _by_key(table.states(session, rules.environment, and_(AlertRow.is_firing, AlertRow.kind.in_(kinds))))


def _by_key(states: Iterable[str]) -> dict[str, Alert]:
    return {alert.key: alert for alert in map(from_state, states)}


def _incidents(
    session: Session, environment: str, numbers: Iterable[int], known: dict[int, Incident]
) -> dict[int, Incident]:
    """These, and those in which they or their alerts go on."""
    wanted = set(numbers) - set(known)
    while wanted:
        found = list(_read_incidents(session, environment, wanted))
        known.update({incident.number: incident for incident in found})
        onward = {incident.merged_into for incident in found} | {
            event.payload.to for incident in found for event in incident.events if isinstance(event.payload, AlertLeft)
        }
        wanted = {each for each in onward if each is not None and each not in known}
    return known


_INCIDENTS: WeakKeyDictionary[Any, Recent[tuple[str, int], Incident]] = WeakKeyDictionary()
"""Incidents as they were last read or written, of each database that is open."""


def _read_incidents(session: Session, environment: str, numbers: Collection[int]) -> Iterator[Incident]:
    """The incidents as they are; only what happened since they were last read is read."""
    kept = _INCIDENTS.setdefault(session.get_bind(), Recent())
    streams = {number: incident_stream(environment, number) for number in numbers}
    last = eventlog.last_sequences(session, streams.values())
    for number, stream in streams.items():
        if stream not in last:
            continue
        incident = kept.take((environment, number))
        if incident is None or len(incident.events) > last[stream]:
            incident = incidents.find(session, environment, number)
        elif len(incident.events) < last[stream]:
            later = eventlog.read_stream(session, INCIDENT_TYPES, stream, after=len(incident.events))
            incident = evolve(incident, *later)
        if incident is not None:
            kept.put((environment, number), incident)
            yield incident


def view_of(incident: Incident) -> IncidentView:
    """Of an incident what the grouping needs."""
    left: dict[str, int | None] = {}
    for event in incident.events:
        if isinstance(event.payload, AlertLeft):
            left[event.payload.key] = event.payload.to
        elif isinstance(event.payload, AlertJoined):
            left.pop(event.payload.key, None)
    own = incident.alerts.values()
    moments = [each.ended_at or each.since for each in own]
    return IncidentView(
        number=incident.number,
        severity=incident.severity,
        opened_at=incident.opened_at,
        firing=frozenset(each.key for each in own if each.is_firing),
        ended=frozenset(each.key for each in own if not each.is_firing),
        left=left,
        changed_at=max(moments, default=None),
        resolved_at=incident.resolved_at,
        merged_into=incident.merged_into,
    )


def active_silences(session: Session, environment: str) -> list[Silence]:
    """Those that nobody has ended and whose end wasn't dealt with yet."""
    query = select(Deadline.subject).where(Deadline.kind == SILENCE_END, Deadline.environment == environment)
    found = [silence_of(session, environment, int(each)) for each in session.scalars(query)]
    return sorted((each for each in found if each is not None), key=lambda each: each.number)


def silence_of(session: Session, environment: str, number: int) -> Silence | None:
    """One silence; None where there is none of this number."""
    events = eventlog.read_stream(session, silences.TYPES, silences.stream_of(environment, number))
    return silences.replay(environment, number, events) if events else None


def changes(session: Session, environment: str, now: datetime) -> tuple[str, ...]:
    """What omc changed shortly before, newest first: most trouble comes from a change."""
    query = select(Run.title, Run.started_at).where(
        Run.environment == environment, Run.started_at > now - SHORTLY, Run.started_at <= now
    )
    newest = session.execute(query.order_by(Run.started_at.desc()).limit(MOST_CHANGES))
    return tuple(f"{title}, {format_duration(now - at)} before" for title, at in newest if at is not None)
