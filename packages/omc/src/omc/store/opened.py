"""An open store: transactions that write the record by themselves, and readings. Cheap to import, as facts that may
rest on the record are read by commands that never open it: SQLAlchemy comes with whoever opens one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from omc.progress import note_if_slow
from omc.store.location import StoreLocation

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.orm import Session

    from omc.store import audit
    from omc.store.embedded import StoreUnreachable
    from omc.store.models import Base


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Transaction:
    """A transaction whose changes go into the record together with why they were made."""

    session: Session
    actor: str
    at: datetime
    _entries: list[audit.Entry]
    _last: list[Callable[[], None]] = field(default_factory=list)

    def at_end(self, act: Callable[[], None]) -> None:
        """Have this done before the transaction is committed, while no other transaction can write to the record: what
        it reads then stays so. It must be quick, and wait for nothing."""
        self._last.append(act)

    def record(self, kind: str, row: Base, **details: Any) -> None:
        """Write down what has changed in ``row`` (all of it, where it is new) as one event."""
        from omc.store import audit

        self._entries.append(audit.entry(self.session, kind, row, self.actor, self.at, details))


@dataclass(slots=True)
class Store:
    """The store while it is open. Safe to use from many threads; a transaction belongs to one."""

    place: StoreLocation
    engine: Engine
    now: Callable[[], datetime] = utc_now
    """The one clock, the database's (``DatabaseClock``); a test gives its own."""
    revive: Callable[[], None] = lambda: None
    """For whoever continues after the database was gone: start it again, if it is an embedded one that was killed."""

    @contextmanager
    def transaction(self, actor: str = "") -> Iterator[Transaction]:
        """All or nothing. ``StoreUnreachable`` where the database is gone: it may or may not have been written then."""
        from sqlalchemy.orm import Session

        from omc.store import audit

        with self._plainly(), Session(self.engine, expire_on_commit=False) as session:
            audit.watch(session)
            transaction = Transaction(session, actor, self.now(), [])
            with session.begin():
                yield transaction
                session.flush()
                # Last, since every writer of the record waits here for the one before: nothing else is waited for
                # while this lock is held, so no two transactions wait for each other.
                with note_if_slow(f"another writer of the record in {self.place} to finish"):
                    if transaction._entries or transaction._last:
                        audit.lock(session)
                        for act in transaction._last:
                            act()
                    if forgotten := audit.unrecorded(session):
                        raise RuntimeError(f"Written without an event: {', '.join(forgotten)}")
                    if transaction._entries:
                        audit.append(session, transaction._entries)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent look at several tables."""
        from sqlalchemy.orm import Session

        with self._plainly(), Session(self.engine, expire_on_commit=False) as session:
            with note_if_slow(f"omc's database ({self.place}) to answer"):
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

        try:
            yield
        except DBAPIError as error:
            # An idle transaction that the server ended is an InternalError to psycopg, and the connection is gone.
            if not isinstance(error, OperationalError | InterfaceError) and not error.connection_invalidated:
                raise
            raise unreachable(self.place, error) from error


def unreachable(place: StoreLocation, error: DBAPIError) -> StoreUnreachable:
    from omc.store.embedded import StoreUnreachable

    reason = " ".join(str(error.orig or error).split())
    return StoreUnreachable(
        f"omc's own database ({place}) does not answer: {place.without_password(reason)[:300]}. Nothing more was done."
    )
