"""The record: an append-only, hash-chained table of events, and the proof that it is unbroken.

Each event says which columns of which row became what, and its hash covers the hash before it. So a row of the record
that was changed or deleted breaks the chain, and a row of another table that was changed behind the record's back no
longer agrees with it. A tail that was cut off together with its rows can only be seen from outside: keep the head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, insert, inspect, select, text

from omc import store
from omc.store.models import AuditEvent, Base, Run, text_of
from omc.store.redaction import plain, sentence_of, without_secrets

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CHAIN_LOCK = 0x6F6D63_02
"""The advisory lock under which the record grows, one transaction at a time."""
BEGINNING = "0" * 64
"""What the first event names as the hash before it."""
_WRITTEN = "omc written"

_UNRECORDED: Mapping[str, frozenset[str]] = {
    "runs": frozenset({"lease_until"}),
    "timers": frozenset({"lease_until", "holder"}),
    "outbox": frozenset({"lease_until", "holder"}),
}
"""Columns that say who works just now; they change by themselves."""


_AS_IT_IS: Mapping[str, frozenset[str]] = {"runs": frozenset({"plan", "plan_hash"}), "audit_log": frozenset({"body"})}
"""Columns whose hash is kept beside them. A plan is masked when it is made, an event when it is put together."""


def _recorded() -> list[type[Base]]:
    """The tables whose every row is in the record."""
    from importlib import import_module
    from pkgutil import iter_modules

    for module in iter_modules(store.__path__):  # a module of the store may have a table of its own
        if not module.ispkg:
            import_module(f"{store.__name__}.{module.name}")
    return [mapper.class_ for mapper in Base.registry.mappers if mapper.class_.is_recorded]


@dataclass(frozen=True, slots=True)
class Entry:
    """An event before it has its place in the chain."""

    at: datetime
    kind: str
    environment: str
    run: str | None
    actor: str
    table: str
    key: Sequence[Any]
    changes: Mapping[str, Any]
    details: Mapping[str, Any]


def watch(session: Session) -> None:
    """Keep account of what is written to which row, until it is put into an event."""
    session.info[_WRITTEN] = {}
    event.listen(session, "before_flush", _note_changes)


def _note_changes(session: Session, *_: Any) -> None:
    """What is about to be written; masked first, whatever column it goes into."""
    written: dict[Base, set[str]] = session.info[_WRITTEN]
    for row in [*session.new, *session.dirty]:
        state = inspect(row)
        kept = _UNRECORDED.get(row.__tablename__, frozenset())
        names = {column.key for column in state.mapper.column_attrs} - kept
        if state.persistent:
            names = {name for name in names if state.attrs[name].history.has_changes()}
        for name in names - _AS_IT_IS.get(row.__tablename__, frozenset()):
            value = getattr(row, name)
            kept_value = sentence_of(value) if isinstance(value, str) else without_secrets(value)
            if isinstance(value, str | Mapping | list) and kept_value != value:
                setattr(row, name, kept_value)
        if names and row.is_recorded:
            written.setdefault(row, set()).update(names)


def unrecorded(session: Session) -> list[str]:
    """The tables of rows that were written without an event."""
    return sorted({str(row.__tablename__) for row in session.info[_WRITTEN]})


def entry(session: Session, kind: str, row: Base, actor: str, at: datetime, details: Mapping[str, Any]) -> Entry:
    """What was written to a row since its last event; all of it, where it is new. Flushes."""
    session.flush()
    names = session.info[_WRITTEN].pop(row, set())
    changes = {name: shown(getattr(row, name)) for name in sorted(names)}
    run = row.id if isinstance(row, Run) else getattr(row, "run", None)
    environment = getattr(row, "environment", None)
    if environment is None:
        environment = session.execute(select(Run.environment).where(Run.id == run)).scalar_one_or_none() or ""
    key = [shown(value) for value in inspect(row).mapper.primary_key_from_instance(row)]
    table = str(row.__tablename__)
    return Entry(at, kind, environment, run, actor, table, key, changes, without_secrets(plain(details)))


def shown(value: Any) -> Any:
    """A column's value as the record has it: without secrets, times in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return without_secrets(plain(value))


def lock(session: Session) -> None:
    """Keep others from adding to the record until the end of this transaction."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHAIN_LOCK})


def append(session: Session, entries: Sequence[Entry]) -> None:
    """Put the entries at the end of the chain, which the session has locked."""
    if not entries:
        return
    last = session.execute(
        select(AuditEvent.number, AuditEvent.hash).order_by(AuditEvent.number.desc()).limit(1)
    ).first()
    number, previous = (last.number, last.hash) if last else (0, BEGINNING)
    rows = []
    for item in entries:
        number += 1
        body = text_of(
            {
                "number": number,
                "at": shown(item.at),
                "kind": item.kind,
                "environment": item.environment,
                "run": item.run,
                "actor": item.actor,
                "table": item.table,
                "key": list(item.key),
                "changes": item.changes,
                "details": item.details,
            }
        )
        mark = hash_of(previous, body)
        rows.append(
            {
                "number": number,
                "at": item.at,
                "kind": item.kind,
                "environment": item.environment,
                "run": item.run,
                "body": body,
                "previous": previous,
                "hash": mark,
            }
        )
        previous = mark
    session.execute(insert(AuditEvent), rows)


def hash_of(previous: str, body: str) -> str:
    """SHA-256 over the hash before and the event's canonical text."""
    return hashlib.sha256((previous + body).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """How far a record had come at some moment. Kept where the record's owner can't rewrite it, it tells later
    whether the record's end was cut off, or all of it written anew."""

    place: str
    """``Place.identity`` of the store."""
    first: str
    """The beginning of the first event's hash: another record in the same place begins otherwise."""
    number: int
    hash: str
    kept_in: str = ""
    """Where it was found: ``s3://…``, ``log group …``."""


FIRST = 16
"""Characters of the first event's hash that tell one record from another."""


def head_of(session: Session, place: str) -> Head | None:
    """The record's head now; None where nothing was recorded yet."""
    first = session.execute(select(AuditEvent.hash).order_by(AuditEvent.number).limit(1)).scalar()
    last = session.execute(
        select(AuditEvent.number, AuditEvent.hash).order_by(AuditEvent.number.desc()).limit(1)
    ).first()
    return Head(place, first[:FIRST], last.number, last.hash) if first and last else None


def compare(heads: Sequence[Head], found: Mapping[int, str], place: str) -> Iterator[str]:
    """What heads that were kept outside say against a record whose hashes ``found`` has, by number. How often and
    in which order each was kept makes no difference."""
    first = found[min(found)][:FIRST] if found else ""
    ours = [head for head in heads if head.first == first]
    others = [head for head in heads if head.place == place and head.first != first]
    if others:
        kept = max(others, key=lambda head: head.number)
        what = "this record is empty" if not found else "this record begins differently"
        yield (
            f"{kept.kept_in} has the head of another record that was kept in this place, of {kept.number} events, and "
            f"{what}: the store was wiped, or its record was rewritten from the beginning."
        )
    last = max(found, default=0)
    cut = [head for head in ours if head.number > last]
    if cut:
        kept = max(cut, key=lambda head: head.number)
        yield f"{kept.kept_in} has the head of event {kept.number}; the record ends at {last}: its end was cut off."
    changed = [head for head in ours if head.number <= last and found.get(head.number) != head.hash]
    if changed:
        kept = min(changed, key=lambda head: head.number)
        yield f"{kept.kept_in} has another hash of event {kept.number}: the record was rewritten at least up to there."


@dataclass(slots=True)
class Proof:
    """What came out when the record was verified."""

    events: int = 0
    head: str = BEGINNING
    problems: list[str] = field(default_factory=list)


def verify(session: Session, expected: str | None = None, heads: Sequence[Head] = (), place: str = "") -> Proof:
    """Recompute the chain, and compare what it says with the other tables, and with heads that were kept elsewhere."""
    proof = Proof()
    wanted = {head.number for head in heads}
    found: dict[int, str] = {}
    record: dict[tuple[str, str], dict[str, Any]] = {}
    found_expected = expected is None or expected == BEGINNING
    for row in session.execute(
        select(AuditEvent).order_by(AuditEvent.number).execution_options(yield_per=500)
    ).scalars():
        proof.events += 1
        proof.problems += _broken(row, proof)
        proof.head = row.hash
        if not found or row.number in wanted:
            found[row.number] = row.hash
        found_expected = found_expected or row.hash == expected
        try:
            table, key, changes = said_in(row.body)
            record.setdefault((table, key), {}).update(changes)
        except (ValueError, RecursionError):
            proof.problems.append(f"Event {row.number} can't be read.")
    if not found_expected:
        proof.problems.append(f"No event has the hash {expected}: the record was cut off, or rewritten.")
    if proof.events:
        found[proof.events] = proof.head
    proof.problems += compare(heads, found, place)
    proof.problems += _disagreements(session, record)
    return proof


def _broken(row: AuditEvent, proof: Proof) -> Iterator[str]:
    if row.number != proof.events:
        yield f"Event {proof.events} is missing; the next one is {row.number}."
        proof.events = row.number
    elif row.previous != proof.head:
        yield f"Event {row.number} does not follow on the one before it."
    if hash_of(row.previous, row.body) != row.hash:
        yield f"Event {row.number} ({row.kind}) was changed: its hash differs."
        return
    try:
        said_in(row.body)
    except (ValueError, RecursionError):
        return  # with a hash that fits: the chain was written anew. That it can't be read is said once, by verify
    body = json.loads(row.body)
    columns = {"number": row.number, "at": shown(row.at), "kind": row.kind, "run": row.run}
    columns["environment"] = row.environment
    for name, value in columns.items():
        if body.get(name) != value:
            yield f"Event {row.number}: its {name} was changed; the hashed text says {body.get(name)}."


def said_in(body: str) -> tuple[str, str, dict[str, Any]]:
    """The table, the row's key as a text, and the changes that an event's text tells of. ``ValueError`` (or
    ``RecursionError``) for a text that omc did not write."""
    event_said = json.loads(body)
    match event_said:
        case {"table": str(table), "key": list(key), "changes": dict(changes)}:
            return table, text_of(key), changes
    raise ValueError("no event of omc's")


def _disagreements(session: Session, record: dict[tuple[str, str], dict[str, Any]]) -> Iterator[str]:
    """Where the tables say another thing than the record."""
    kinds = _recorded()
    for kind in kinds:
        mapper = inspect(kind)
        table = str(kind.__tablename__)
        # Read as it is compared: the server ends a transaction that is idle while a long list is worked through.
        for row in session.execute(select(kind).execution_options(yield_per=500)).scalars():
            key = [shown(value) for value in mapper.primary_key_from_instance(row)]
            name = f"{table} {' '.join(str(part) for part in key)}"
            recorded = record.pop((table, text_of(key)), None)
            if recorded is None:
                yield f"{name} is not in the record."
                continue
            yield from (f"{name}: {column} is not what the record says." for column in _columns(row, recorded))
    known = {str(kind.__tablename__) for kind in kinds}
    for table, key_text in record:
        if table in known:
            yield f"{table} {' '.join(str(part) for part in json.loads(key_text))} is in the record but was deleted."


def _columns(row: Base, recorded: Mapping[str, Any]) -> Iterator[str]:
    """The columns of a row in which it isn't what the record says."""
    for column in (column.key for column in inspect(type(row)).column_attrs):
        # An older omc may have written into the record what this one takes for a secret.
        is_so = shown(getattr(row, column)) == without_secrets(recorded.get(column))
        if not is_so and column not in _UNRECORDED.get(row.__tablename__, ()):
            yield column


def altered(rows: Sequence[Base], events: Sequence[AuditEvent], *kinds: type[Base]) -> str:
    """What in these rows isn't what these events made of them; empty if everything is as it was written. Needs all
    rows of these kinds, and all their events. ``verify`` checks the chain as a whole."""
    record: dict[tuple[str, str], dict[str, Any]] = {}
    tables = {str(kind.__tablename__) for kind in kinds}
    for event_row in events:
        try:
            table, key, changes = said_in(event_row.body)
        except (ValueError, RecursionError):
            return f"event {event_row.number}"
        if hash_of(event_row.previous, event_row.body) != event_row.hash:
            return f"event {event_row.number}"
        if table in tables:
            record.setdefault((table, key), {}).update(changes)
    for row in rows:
        key = text_of([shown(value) for value in inspect(type(row)).primary_key_from_instance(row)])
        recorded = record.pop((str(row.__tablename__), key), None)
        if recorded is None:
            return f"a row of {row.__tablename__} that omc didn't write"
        for column in _columns(row, recorded):
            return f"{column} in {row.__tablename__}"
    return f"a row of {next(iter(record))[0]} that is gone" if record else ""
