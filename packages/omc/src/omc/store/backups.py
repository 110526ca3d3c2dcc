"""Verifications of backups in the event log."""

from __future__ import annotations

from omc.model.backups import TYPES, Verification, Verified, stream_of, verifications
from omc.store import eventlog, homes
from omc.store.opened import Store, Transaction


def verifications_in(store: Store, environment: str) -> tuple[Verification, ...]:
    """The newest first."""
    with store.reading() as session:
        events = eventlog.read_stream(session, TYPES, stream_of(environment))
        since = homes.since(session, environment)
        return verifications([event for event in events if event.at >= since])


def record(store: Store, environment: str, found: Verified, actor: str) -> None:
    """Write a verification down, once for each run."""
    stream = stream_of(environment)

    def write(transaction: Transaction) -> None:
        seen = eventlog.last_sequence(transaction.session, stream)
        eventlog.append(transaction, TYPES, stream, found, seen=seen, key=f"backup verified by {found.run}")

    eventlog.retry_on_conflict(store, actor, (TYPES.kind, environment), write)
