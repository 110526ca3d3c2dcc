"""Incidents in the event log: opening one, adding to it, reading them. What events come to is ``omc.incidents``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omc.errors import WrongUse
from omc.incidents.model import (
    TYPES,
    Incident,
    Noted,
    Opened,
    Resolved,
    SeverityChanged,
    apply,
    from_first_event,
    replay,
    stream_of,
)
from omc.store import eventlog
from omc.store.opened import Store, Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def incidents_of(store: Store, environment: str) -> tuple[Incident, ...]:
    """An environment's incidents, newest first."""
    with store.reading() as session:
        streams = eventlog.read_streams(session, TYPES, environment)
    found = [replay(environment, int(stream.id), events) for stream, events in streams.items()]
    return tuple(sorted(found, key=lambda incident: -incident.number))


def incident_of(store: Store, environment: str, number: int) -> Incident:
    """One incident. ``WrongUse`` where there is none of this number."""
    with store.reading() as session:
        return _required(session, environment, number)


def open_incident(
    store: Store, environment: str, severity: int, summary: str, actor: str, link: str | None = None
) -> Incident:
    """Open the environment's next incident."""

    def decide(transaction: Transaction) -> Incident:
        number = eventlog.last_number(transaction.session, TYPES.kind, environment) + 1
        opened = Opened(severity, " ".join(summary.split()))
        event = eventlog.append(transaction, TYPES, stream_of(environment, number), opened, seen=0, link=link)
        return from_first_event(environment, number, event)

    return eventlog.retry_on_conflict(store, actor, (TYPES.kind, environment), decide)


def add(
    store: Store,
    environment: str,
    number: int,
    payload: SeverityChanged | Noted | Resolved,
    actor: str,
    link: str | None = None,
) -> Incident:
    """Add an event to an incident; what it comes to then. ``Refused`` where the event may not follow on the others."""

    def decide(transaction: Transaction) -> Incident:
        before = _required(transaction.session, environment, number)
        stream, seen = stream_of(environment, number), len(before.events)
        return apply(before, eventlog.append(transaction, TYPES, stream, payload, seen=seen, link=link))

    return eventlog.retry_on_conflict(store, actor, (TYPES.kind, environment), decide)


def unchanged(transaction: Transaction, environment: str, number: int) -> Incident | None:
    """The incident, on which the transaction relies: it fails with a ``Conflict`` if anything happens to the incident
    before it ends. None where there is none of this number."""
    found = find(transaction.session, environment, number)
    if found is not None:
        eventlog.expect(transaction, stream_of(environment, number), len(found.events))
    return found


def find(session: Session, environment: str, number: int) -> Incident | None:
    """The incident as it is just now; None where there is none of this number."""
    events = eventlog.read_stream(session, TYPES, stream_of(environment, number))
    return replay(environment, number, events) if events else None


def _required(session: Session, environment: str, number: int) -> Incident:
    found = find(session, environment, number)
    if found is None:
        raise missing(environment, number)
    return found


def missing(environment: str, number: int) -> WrongUse:
    return WrongUse(f"{environment} has no incident {number}. See: omc incident list --env {environment} --all")
