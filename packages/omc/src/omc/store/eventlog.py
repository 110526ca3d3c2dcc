"""The event log: append-only events of many kinds of streams in one table, which is part of the audited record.

An appender says how many events it has seen of the stream. Events are numbered and written when their transaction comes
to its end, under the lock under which the record grows. So sequences have no gap; positions count up in the order in
which transactions end, and a reader that has seen one has seen all before it; and whoever decided on an older state
gets a ``Conflict``, with nothing written. What else the transaction writes, a message to be sent for example, is there
if and only if its events are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import BigInteger, Index, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from omc.errors import Refused
from omc.model.events import Event, EventTypes, Stream
from omc.store.models import Base, Document
from omc.store.redaction import clean, plain, sentence_of, without_secrets

if TYPE_CHECKING:
    from omc.store.opened import Store, Transaction

Result = TypeVar("Result")

QUEUE = 0x6F6D6303
"""The class of the advisory locks under which those who append to one kind of stream of an environment queue."""
_PENDING = "omc events"
MAX_ATTEMPTS = 8
"""How often a decision is made again when others appended meanwhile."""


class EventRow(Base):
    """One event of one stream. Nothing updates or deletes it: a trigger refuses."""

    __tablename__ = "events"

    kind: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    """``Stream.id``."""
    sequence: Mapped[int] = mapped_column(primary_key=True)
    """Within its stream, from 1, without gaps."""
    position: Mapped[int] = mapped_column(BigInteger)
    """Among all events, from 1, without gaps, in the order in which their transactions ended."""
    at: Mapped[datetime]
    actor: Mapped[str]
    link: Mapped[str | None]
    """Where to look up the actor: a job of GitHub's."""
    type: Mapped[str]
    version: Mapped[int]
    """Of the payload's shape: ``EventTypes.version_of``."""
    payload: Mapped[Any] = mapped_column(Document)
    idempotency_key: Mapped[str | None]

    __table_args__ = (
        Index("events_by_position", "position", unique=True),
        Index("one_event_per_idempotency_key", "idempotency_key", unique=True),
    )


class Conflict(Refused):
    """Others appended to the stream after it was read. Nothing was written; the decision may be made again."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the log."""

    position: int
    stream: Stream
    sequence: int
    event: Event[Any]


@dataclass(slots=True)
class Pending:
    """What a transaction will append when it ends."""

    seen: dict[Stream, int] = field(default_factory=dict)
    """How many events each stream had when it was read."""
    appended: dict[Stream, int] = field(default_factory=dict)
    rows: list[EventRow] = field(default_factory=list)
    """Without their positions yet."""
    keys: dict[str, EventRow] = field(default_factory=dict)


def append(
    transaction: Transaction,
    types: EventTypes,
    stream: Stream,
    payload: object,
    *,
    seen: int,
    key: str | None = None,
    link: str | None = None,
) -> Event[Any]:
    """Append an event when the transaction ends; the event as it is kept, without secrets.

    ``seen`` is how many events the stream had when the decision was made, those of this transaction included. An
    idempotency ``key`` that has been used already gives the event that it was used for, and appends nothing.
    ``Conflict`` comes from here or from the transaction's end: see ``retry_on_conflict``.
    """
    pending = _pending(transaction)
    if key is not None and (before := _of_key(transaction, key)) is not None:
        if (before.kind, before.environment, before.stream) != (stream.kind, stream.environment, stream.id):
            raise ValueError(f'The idempotency key "{key}" was used for {_stream_of(before)}, and not for {stream}.')
        return _event(types, before)
    appended = pending.appended.get(stream, 0)
    expect(transaction, stream, seen - appended)
    name, version, body = types.write(payload)
    kept = _kept(body)
    row = EventRow(
        kind=stream.kind,
        environment=stream.environment,
        stream=stream.id,
        sequence=seen + 1,
        at=transaction.at,
        actor=sentence_of(transaction.actor),
        link=link,
        type=name,
        version=version,
        payload=kept,
        idempotency_key=key,
    )
    pending.rows.append(row)
    pending.appended[stream] = appended + 1
    if key is not None:
        pending.keys[key] = row
    return _event(types, row) if kept != body else Event(row.at, row.actor, payload, link)


def expect(transaction: Transaction, stream: Stream, seen: int) -> None:
    """Require that the stream still has ``seen`` events when the transaction ends; otherwise that is a ``Conflict``."""
    if _pending(transaction).seen.setdefault(stream, seen) != seen:
        raise _conflict(stream)


def _pending(transaction: Transaction) -> Pending:
    kept = transaction.session.info
    if _PENDING not in kept:
        kept[_PENDING] = Pending()
        transaction.at_end(lambda: _finish(transaction))
    pending: Pending = kept[_PENDING]
    return pending


def _finish(transaction: Transaction) -> None:
    """Number and write what is pending."""
    pending, session = _pending(transaction), transaction.session
    last = last_sequences(session, pending.seen)
    for stream, seen in pending.seen.items():
        if last.get(stream, 0) != seen:
            raise _conflict(stream)
    if pending.keys:
        used = session.scalars(select(EventRow).where(EventRow.idempotency_key.in_(pending.keys))).first()
        if used is not None:
            raise _conflict(_stream_of(used))
    position = last_position(session)
    for number, row in enumerate(pending.rows, start=position + 1):
        row.position = number
    session.add_all(pending.rows)
    session.flush()
    for row in pending.rows:
        transaction.record(f"{row.kind} {row.type}", row)


def retry_on_conflict(
    store: Store, actor: str, queue: tuple[str, str], decide: Callable[[Transaction], Result]
) -> Result:
    """Read, decide and append in a transaction; again from the start if others were quicker, at most ``MAX_ATTEMPTS``
    times. ``decide`` must have no effect but what it writes in its transaction.

    Those who come through here with the same ``queue``, a kind of stream and an environment, wait for each other, so
    that under many writers each has its turn.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            with store.transaction(actor) as transaction:
                wait_turn(transaction, queue)
                result = decide(transaction)
        except Conflict:
            if attempt == MAX_ATTEMPTS:
                raise
        else:
            return result
    raise AssertionError  # the last attempt returned or raised


def wait_turn(transaction: Transaction, queue: tuple[str, str]) -> None:
    """Wait until those who came before to a kind of stream of an environment are done. Whoever writes to two kinds
    waits for ``alert`` before ``incident``, and for both before the record's own lock: no two wait for each other."""
    number = zlib.crc32("/".join(queue).encode()) - 2**31  # PostgreSQL's integer has a sign
    transaction.session.execute(text("SELECT pg_advisory_xact_lock(:kind, :number)"), {"kind": QUEUE, "number": number})


def read_stream(session: Session, types: EventTypes, stream: Stream, after: int = 0) -> list[Event[Any]]:
    """A stream's events in their order, those that follow on the first ``after``; empty where there is none."""
    query = select(EventRow).where(*_of(stream), EventRow.sequence > after).order_by(EventRow.sequence)
    return [_event(types, row) for row in session.scalars(query)]


def read_streams(session: Session, types: EventTypes, environment: str | None = None) -> dict[Stream, list[Event[Any]]]:
    """The events of all streams of a kind, in one environment or in all, oldest stream first."""
    query = select(EventRow).where(EventRow.kind == types.kind)
    if environment is not None:
        query = query.where(EventRow.environment == environment)
    rows = session.scalars(query.order_by(EventRow.position)).all()
    found: dict[Stream, list[Event[Any]]] = {}
    for row in rows:
        found.setdefault(_stream_of(row), []).append(_event(types, row))
    return found


def read_after(session: Session, position: int, kinds: Sequence[EventTypes], limit: int = 500) -> list[StoredEvent]:
    """The next events of these kinds after a position, at most ``limit``. No event ever appears later at a position
    that was read past, so a projection needs to keep no more than the last one's."""
    types = {each.kind: each for each in kinds}
    query = select(EventRow).where(EventRow.position > position, EventRow.kind.in_(types))
    rows = session.scalars(query.order_by(EventRow.position).limit(limit))
    return [StoredEvent(row.position, _stream_of(row), row.sequence, _event(types[row.kind], row)) for row in rows]


def stream_with_key(session: Session, key: str) -> Stream | None:
    """The stream that has the event of this idempotency key; None where no event has it."""
    row = session.scalars(select(EventRow).where(EventRow.idempotency_key == key)).first()
    return None if row is None else _stream_of(row)


def last_position(session: Session) -> int:
    """Of the newest event; 0 where there is none."""
    return session.scalar(select(func.max(EventRow.position))) or 0


def last_sequence(session: Session, stream: Stream) -> int:
    """How many events a stream has."""
    return session.scalar(select(func.max(EventRow.sequence)).where(*_of(stream))) or 0


def last_sequences(session: Session, streams: Iterable[Stream]) -> dict[Stream, int]:
    """How many events each stream has; those without any are left out."""
    ids: dict[tuple[str, str], list[str]] = {}
    for each in streams:
        ids.setdefault((each.kind, each.environment), []).append(each.id)
    found = {}
    for (kind, environment), wanted in ids.items():
        rows = session.execute(
            select(EventRow.stream, func.max(EventRow.sequence))
            .where(EventRow.kind == kind, EventRow.environment == environment, EventRow.stream.in_(wanted))
            .group_by(EventRow.stream)
        )
        found.update({Stream(kind, environment, stream): last for stream, last in rows})
    return found


def last_number(session: Session, kind: str, environment: str) -> int:
    """The highest id of a kind's streams, where their ids are numbers that count up; 0 where there is none. Whoever
    takes the next one appends with ``seen=0``: a second one who took it as well gets a ``Conflict``."""
    ids = session.scalars(
        select(EventRow.stream).where(
            EventRow.kind == kind, EventRow.environment == environment, EventRow.sequence == 1
        )
    )
    return max((int(each) for each in ids), default=0)


def _of(stream: Stream) -> tuple[Any, ...]:
    return EventRow.kind == stream.kind, EventRow.environment == stream.environment, EventRow.stream == stream.id


def _stream_of(row: EventRow) -> Stream:
    return Stream(row.kind, row.environment, row.stream)


def _event(types: EventTypes, row: EventRow) -> Event[Any]:
    return Event(row.at, row.actor, types.read(row.type, row.version, row.payload), row.link)


def _of_key(transaction: Transaction, key: str) -> EventRow | None:
    if (pending := _pending(transaction).keys.get(key)) is not None:
        return pending
    return transaction.session.scalars(select(EventRow).where(EventRow.idempotency_key == key)).first()


def _kept(body: Any) -> Any:
    """A payload without secrets, and without what is no text."""
    return without_secrets(_texts(plain(body)))


def _texts(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {name: _texts(item) for name, item in value.items()}
    return [_texts(item) for item in value] if isinstance(value, list) else value


def _conflict(stream: Stream) -> Conflict:
    return Conflict(f"Somebody else changed {stream} at the same moment. Nothing was recorded. Try again.")
