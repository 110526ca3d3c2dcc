"""The record of incidents: each event of each one is a row that is written once. What they come to is a fold over them.

A writer locks its environment's incidents first, so numbers count up without gaps, and no event follows on a state that
another process has just changed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from omc.errors import WrongUse
from omc.incidents.events import (
    Event,
    Noted,
    Opened,
    Payload,
    Resolved,
    SeverityChanged,
    payload_from_json,
    payload_to_json,
)
from omc.incidents.state import Incident, apply, from_first_event, replay
from omc.store.models import Base, Document
from omc.store.opened import Store, Transaction
from omc.store.redaction import sentence_of

LOCK = 0x6F6D6303
"""The class of the advisory locks under which the incidents of one environment grow."""


class IncidentEvent(Base):
    """One event of one incident. Nothing updates or deletes it: a trigger refuses."""

    __tablename__ = "incident_events"

    environment: Mapped[str] = mapped_column(primary_key=True)
    incident: Mapped[int] = mapped_column(primary_key=True)
    """The incident's number."""
    number: Mapped[int] = mapped_column(primary_key=True)
    """Of the event within its incident, from 1."""
    at: Mapped[datetime]
    by: Mapped[str]
    link: Mapped[str | None]
    """Where the actor can be looked at: a job of GitHub's."""
    kind: Mapped[str]
    """``omc.incidents.events.KINDS``."""
    body: Mapped[Any] = mapped_column(Document)


def incidents_of(store: Store, environment: str) -> tuple[Incident, ...]:
    """An environment's incidents, newest first."""
    with store.reading() as session:
        rows = session.scalars(
            select(IncidentEvent)
            .where(IncidentEvent.environment == environment)
            .order_by(IncidentEvent.incident.desc(), IncidentEvent.number)
        ).all()
    return tuple(replay(environment, number, _events(each)) for number, each in groupby(rows, lambda row: row.incident))


def incident_of(store: Store, environment: str, number: int) -> Incident:
    """One incident. ``WrongUse`` where there is none of this number."""
    with store.reading() as session:
        return _required(session, environment, number)


def open_incident(
    store: Store, environment: str, severity: int, summary: str, actor: str, link: str | None = None
) -> Incident:
    """Open the environment's next incident."""
    with store.transaction(actor) as transaction:
        _lock(transaction.session, environment)
        last = transaction.session.scalar(
            select(func.max(IncidentEvent.incident)).where(IncidentEvent.environment == environment)
        )
        number = (last or 0) + 1
        opened = from_first_event(environment, number, _event(transaction, Opened(severity, " ".join(summary.split()))))
        return _write(transaction, opened, link)


def add(
    store: Store,
    environment: str,
    number: int,
    what: SeverityChanged | Noted | Resolved,
    actor: str,
    link: str | None = None,
) -> Incident:
    """Add an event to an incident; what it comes to then. ``Refused`` where the event may not follow on the others."""
    with store.transaction(actor) as transaction:
        before = locked(transaction.session, environment, number)
        if before is None:
            raise missing(environment, number)
        return _write(transaction, apply(before, _event(transaction, what)), link)


def locked(session: Session, environment: str, number: int) -> Incident | None:
    """The incident as it stays until the end of the transaction; None where there is none of this number."""
    _lock(session, environment)
    return find(session, environment, number)


def find(session: Session, environment: str, number: int) -> Incident | None:
    """The incident as it is just now; None where there is none of this number."""
    rows = session.scalars(
        select(IncidentEvent)
        .where(IncidentEvent.environment == environment, IncidentEvent.incident == number)
        .order_by(IncidentEvent.number)
    ).all()
    return replay(environment, number, _events(rows)) if rows else None


def _lock(session: Session, environment: str) -> None:
    # Taken before the record's own lock, as everywhere, so that no two transactions wait for each other.
    key = zlib.crc32(environment.encode()) - 2**31  # PostgreSQL's integer has a sign
    session.execute(text("SELECT pg_advisory_xact_lock(:kind, :key)"), {"kind": LOCK, "key": key})


def _required(session: Session, environment: str, number: int) -> Incident:
    found = find(session, environment, number)
    if found is None:
        raise missing(environment, number)
    return found


def missing(environment: str, number: int) -> WrongUse:
    return WrongUse(f"{environment} has no incident {number}. See: omc incident list --env {environment} --all")


def _events(rows: Iterable[IncidentEvent]) -> list[Event]:
    return [Event(row.at, row.by, payload_from_json(row.kind, row.body)) for row in rows]


def _event(transaction: Transaction, what: Payload) -> Event:
    """It happens now, and nothing in it looks like a secret."""
    event = Event(transaction.at, transaction.actor, what)
    kept = {
        name: sentence_of(value) if isinstance(value, str) else value for name, value in payload_to_json(what).items()
    }
    return replace(event, what=payload_from_json(event.kind, kept))


def _write(transaction: Transaction, incident: Incident, link: str | None) -> Incident:
    """The newest of its events."""
    event = incident.events[-1]
    row = IncidentEvent(
        environment=incident.environment,
        incident=incident.number,
        number=len(incident.events),
        at=event.at,
        by=event.by,
        link=link,
        kind=event.kind,
        body=payload_to_json(event.what),
    )
    transaction.session.add(row)
    transaction.record(f"incident {event.kind}", row)
    return incident
