"""The event log in a real database: gapless under many writers, all or nothing, once for each key, and never edited."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from omc.model.events import EventTypes, Stream, UnknownEvent
from omc.store import audit, eventlog
from omc.store.eventlog import Conflict, append, read_after, read_stream, read_streams, retry_on_conflict
from omc.store.location import StoreLocation
from omc.store.models import WorkerRow
from omc.store.opened import Store, Transaction
from support.engine_world import opened_at
from support.waiting import eventually


@dataclass(frozen=True, slots=True)
class Counted:
    """By whom, and their how-manieth it is."""

    who: str
    number: int


TYPES = EventTypes("counter", {"counted": Counted})
ONE, TWO = Stream("counter", "staging", "one"), Stream("counter", "production", "two")


def count(store: Store, stream: Stream, who: str, number: int, key: str | None = None) -> None:
    """As a command does it: read, decide, append."""

    def decide(transaction: Transaction) -> None:
        seen = len(read_stream(transaction.session, TYPES, stream))
        append(transaction, TYPES, stream, Counted(who, number), seen=seen, key=key)

    retry_on_conflict(store, who, (stream.kind, stream.environment), decide)


def payloads(store: Store, stream: Stream) -> list[Counted]:
    with store.reading() as session:
        return [event.payload for event in read_stream(session, TYPES, stream)]


def problems(store: Store) -> list[str]:
    with store.reading() as session:
        return audit.verify(session).problems


def places(store: Store) -> tuple[list[int], dict[Stream, list[int]]]:
    """All positions in their order, and each stream's sequences in the order of the positions."""
    with store.reading() as session:
        stored = read_after(session, 0, [TYPES], limit=100_000)
    sequences: dict[Stream, list[int]] = {}
    for each in stored:
        sequences.setdefault(each.stream, []).append(each.sequence)
    return [each.position for each in stored], sequences


def in_one_go(store: Store, streams: Sequence[Stream], who: str, start: int = 0) -> None:
    """One event for each of these streams, in one transaction, without waiting for anybody's turn."""
    with store.transaction(who) as transaction:
        seen = {stream: eventlog.last_sequence(transaction.session, stream) for stream in set(streams)}
        for number, stream in enumerate(streams, start):
            append(transaction, TYPES, stream, Counted(who, number), seen=seen[stream])
            seen[stream] += 1


writers = st.lists(st.lists(st.sampled_from([ONE, TWO]), min_size=1, max_size=5), min_size=2, max_size=5)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writers)
def test_whatever_writers_do_at_the_same_time_nothing_is_lost_and_no_number_missing(
    store: Store, work: list[list[Stream]]
) -> None:
    before = {stream: payloads(store, stream) for stream in (ONE, TWO)}
    start = threading.Barrier(len(work))

    def write(writer: int) -> None:
        start.wait(30)
        for number, stream in enumerate(work[writer]):
            count(store, stream, f"writer {writer}", number)

    with ThreadPoolExecutor(len(work)) as pool:
        for each in [pool.submit(write, writer) for writer in range(len(work))]:
            each.result(60)
    positions, sequences = places(store)
    assert positions == list(range(1, len(positions) + 1))
    for stream in (ONE, TWO):
        added = payloads(store, stream)[len(before[stream]) :]
        wanted = [
            Counted(f"writer {writer}", number)
            for writer, streams in enumerate(work)
            for number, each in enumerate(streams)
            if each == stream
        ]
        assert Counter(added) == Counter(wanted)
        for writer in range(len(work)):  # and each writer's own are in the order in which they were written
            own = [each.number for each in added if each.who == f"writer {writer}"]
            assert own == sorted(own)
        assert sequences.get(stream, []) == list(range(1, len(before[stream]) + len(added) + 1))
    assert problems(store) == []


def test_whoever_decided_on_an_older_state_writes_nothing_at_all(store: Store) -> None:
    def outdated() -> None:
        with store.transaction("bob") as transaction:
            append(transaction, TYPES, TWO, Counted("bob", 1), seen=0)
            append(transaction, TYPES, ONE, Counted("bob", 1), seen=0)
            count(store, ONE, "ann", 1)

    with pytest.raises(Conflict, match="changed counter staging one at the same moment"):
        outdated()
    assert (payloads(store, ONE), payloads(store, TWO)) == ([Counted("ann", 1)], [])
    for wrong in (0, 2, -1, 7):
        with pytest.raises(Conflict), store.transaction("bob") as transaction:
            append(transaction, TYPES, ONE, Counted("bob", 2), seen=wrong)
    assert problems(store) == []


def test_a_conflict_is_decided_again_from_what_is_there_then_and_not_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def decide(transaction: Transaction) -> list[Counted]:
        found = [event.payload for event in read_stream(transaction.session, TYPES, ONE)]
        attempts.append(found)
        append(transaction, TYPES, ONE, Counted("bob", len(found)), seen=len(found))
        if len(attempts) < 3:
            in_one_go(store, [ONE], "ann", start=len(attempts))  # somebody is quicker
        return found

    seen = retry_on_conflict(store, "bob", ("counter", "staging"), decide)
    assert attempts == [[], [Counted("ann", 1)], seen]
    assert payloads(store, ONE) == [Counted("ann", 1), Counted("ann", 2), Counted("bob", 2)]
    attempts.clear()
    attempts_allowed = 2
    monkeypatch.setattr(eventlog, "MAX_ATTEMPTS", attempts_allowed)
    with pytest.raises(Conflict, match="Try again"):
        retry_on_conflict(store, "bob", ("counter", "staging"), decide)
    assert len(attempts) == attempts_allowed


def test_what_a_transaction_relies_on_is_so_when_it_ends(store: Store) -> None:
    count(store, ONE, "ann", 1)

    def relying() -> None:
        with store.transaction("bob") as transaction:
            eventlog.expect(transaction, ONE, 1)
            append(transaction, TYPES, TWO, Counted("bob", 1), seen=0)
            count(store, ONE, "ann", 2)

    with pytest.raises(Conflict):
        relying()
    assert payloads(store, TWO) == []


def test_the_same_key_twice_is_one_event(store: Store) -> None:
    for number in (1, 2):
        count(store, ONE, "ann", number, key="alarm 5xx 12:00")
    assert payloads(store, ONE) == [Counted("ann", 1)]
    with store.transaction("ann") as transaction:
        for seen, key in enumerate(("a", "b", "a")):
            kept = append(transaction, TYPES, TWO, Counted("ann", seen), seen=seen, key=key)
        assert kept.payload == Counted("ann", 0)
    assert [each.number for each in payloads(store, TWO)] == [0, 1]
    with pytest.raises(ValueError, match="was used for counter staging one"), store.transaction("ann") as transaction:
        append(transaction, TYPES, TWO, Counted("ann", 1), seen=2, key="alarm 5xx 12:00")


@pytest.mark.parametrize("streams", [[ONE], [ONE, TWO]], ids=["one stream", "two streams"])
def test_the_same_key_from_many_at_the_same_time_is_one_event(store: Store, streams: list[Stream]) -> None:
    """Also where they don't wait for each other: whoever comes second is told at the end, and looks again."""
    start = threading.Barrier(6)

    def write(number: int) -> None:
        def decide(transaction: Transaction) -> None:
            for stream in streams:
                seen = len(read_stream(transaction.session, TYPES, stream))
                append(transaction, TYPES, stream, Counted("any", number), seen=seen, key=f"once {stream.id}")

        start.wait(30)
        retry_on_conflict(store, "any", ("counter", f"turn of {number}"), decide)

    with ThreadPoolExecutor(6) as pool:
        for each in [pool.submit(write, number) for number in range(6)]:
            each.result(60)
    assert [len(payloads(store, stream)) for stream in streams] == [1] * len(streams)
    assert problems(store) == []


def test_an_event_and_what_is_written_with_it_are_there_together_or_not_at_all(store: Store) -> None:
    """Another row of the transaction stands for a message that is to be sent."""

    def row(name: str, transaction: Transaction) -> WorkerRow:
        at = transaction.at
        return WorkerRow(id=name, host="h", pid=1, actor="ann", started_at=at, seen_until=at)

    with store.transaction("ann") as transaction:
        append(transaction, TYPES, ONE, Counted("ann", 1), seen=0)
        transaction.session.add(row("kept", transaction))

    def outdated() -> None:
        with store.transaction("bob") as transaction:
            append(transaction, TYPES, ONE, Counted("bob", 1), seen=0)
            transaction.session.add(row("lost", transaction))

    with pytest.raises(Conflict):
        outdated()
    with store.reading() as session:
        assert session.scalars(select(WorkerRow.id)).all() == ["kept"]


def test_an_event_that_this_omc_does_not_know_is_kept_and_shown(store: Store) -> None:
    newer = EventTypes("counter", {"counted": Counted, "reset": Renamed}, {"counted": (dict,)})
    count(store, ONE, "ann", 1)
    with store.transaction("bob") as transaction:
        append(transaction, newer, ONE, Renamed("x"), seen=1)
        append(transaction, newer, ONE, Counted("bob", 2), seen=2)
    assert payloads(store, ONE) == [
        Counted("ann", 1),
        UnknownEvent("reset", 1, {"to": "x"}),
        UnknownEvent("counted", 2, {"who": "bob", "number": 2}),
    ]
    count(store, ONE, "ann", 2)
    assert len(payloads(store, ONE)) == 4


@dataclass(frozen=True, slots=True)
class Renamed:
    to: str


def test_streams_are_read_by_kind_by_environment_and_from_a_position_on(store: Store) -> None:
    other = EventTypes("other", {"renamed": Renamed})
    in_one_go(store, [ONE, TWO, ONE], "ann")
    with store.transaction("ann") as transaction:
        append(transaction, other, Stream("other", "staging", "1"), Renamed("x"), seen=0)
    with store.reading() as session:
        assert {stream: len(events) for stream, events in read_streams(session, TYPES).items()} == {ONE: 2, TWO: 1}
        assert list(read_streams(session, TYPES, "production")) == [TWO]
        assert [each.position for each in read_after(session, 0, [TYPES, other], limit=2)] == [1, 2]
        assert [each.position for each in read_after(session, 2, [TYPES, other])] == [3, 4]
        assert [each.stream.kind for each in read_after(session, 0, [other])] == ["other"]
        assert eventlog.last_position(session) == 4


def test_no_secret_of_a_payload_is_kept_and_the_event_is_as_it_is_kept(store: Store) -> None:
    with store.transaction("ann") as transaction:
        kept = append(transaction, TYPES, ONE, Counted("postgresql://omc:hunter2@db/omc\0", 1), seen=0)
    assert "hunter2" not in str(kept)
    assert payloads(store, ONE) == [kept.payload]
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT payload FROM events UNION SELECT body FROM audit_log").all()
    assert "hunter2" not in str(rows)
    assert problems(store) == []


CHILD = """
import sys
from omc.store.database import open_store
from omc.store.location import StoreLocation
from test_eventlog import ONE, TWO, in_one_go
with open_store(StoreLocation(url=sys.argv[1])) as store:
    in_one_go(store, [ONE, TWO, ONE], "killed")
"""


@pytest.mark.parametrize("table", ["events", "audit_log"])
def test_killed_between_an_append_and_its_commit_nothing_was_appended(
    place: StoreLocation, store: Store, table: str
) -> None:
    """A real process stands still right after its rows are in the table, and gets SIGKILL."""
    in_one_go(store, [ONE], "ann")
    with psycopg.connect(place.url or "", autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(777)")
        holder.execute(
            "CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_advisory_xact_lock(777); RETURN NULL; END $$"
        )
        trigger = f"CREATE TRIGGER gate AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION stand_still()"
        holder.execute(trigger.encode())
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        child = subprocess.Popen([sys.executable, "-c", CHILD, place.url or ""], env={**os.environ, "PYTHONPATH": path})
        waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 777 AND NOT granted"
        eventually(
            lambda: f"the process waits for the lock, or ended with {child.poll()}",
            lambda: holder.execute(waits).fetchone() is not None,
        )
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(60) == -signal.SIGKILL
        holder.execute("SELECT pg_advisory_unlock(777)")
        eventually("nobody waits for the lock", lambda: holder.execute(waits).fetchone() is None)
        holder.execute(f"DROP TRIGGER gate ON {table}".encode())
    assert (payloads(store, ONE), payloads(store, TWO)) == ([Counted("ann", 0)], [])
    in_one_go(store, [ONE, TWO], "bob")
    assert places(store) == ([1, 2, 3], {ONE: [1, 2], TWO: [1]})
    assert problems(store) == []


@pytest.mark.parametrize("statement", ["UPDATE events SET payload = '{}'", "DELETE FROM events", "TRUNCATE events"])
def test_the_database_itself_refuses_to_edit_an_event(store: Store, statement: str) -> None:
    in_one_go(store, [ONE], "ann")
    with pytest.raises(DBAPIError, match="append-only"), store.engine.begin() as connection:
        connection.exec_driver_sql(statement)


ROW = "events counter staging one 2"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ('SET payload = \'{"who":"mallory","number":1}\'', f"{ROW}: payload is not what the record says."),
        ("SET actor = 'mallory'", f"{ROW}: actor is not what the record says."),
        ("SET at = at - interval '1 day'", f"{ROW}: at is not what the record says."),
        ("SET type = 'reset'", f"{ROW}: type is not what the record says."),
        ("SET version = 2", f"{ROW}: version is not what the record says."),
        ("SET position = 9", f"{ROW}: position is not what the record says."),
        ("SET link = 'https://example.com'", f"{ROW}: link is not what the record says."),
        ("SET idempotency_key = 'x'", f"{ROW}: idempotency_key is not what the record says."),
        ("SET sequence = 4", f"{ROW} is in the record but was deleted."),
        ("SET stream = 'other'", f"{ROW} is in the record but was deleted."),
        ("SET environment = 'production'", f"{ROW} is in the record but was deleted."),
        (None, f"{ROW} is in the record but was deleted."),
    ],
)
def test_an_event_that_was_changed_behind_the_records_back_is_named(
    store: Store, change: str | None, expected: str
) -> None:
    in_one_go(store, [ONE, ONE, ONE], "ann")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE events DISABLE TRIGGER USER")
        statement = f"UPDATE events {change}" if change else "DELETE FROM events"
        connection.execute(text(f"{statement} WHERE sequence = 2".replace(":", "\\:")))
    assert expected in problems(store)


def test_ten_thousand_events_are_appended_read_and_proven(store: Store) -> None:
    """Within the bound that each test has: none of it grows with the square of their number."""
    for start in range(0, 10_000, 100):
        in_one_go(store, [ONE] * 100, "ann", start)
    assert [each.number for each in payloads(store, ONE)] == list(range(10_000))
    assert problems(store) == []


def test_readers_of_the_log_never_see_an_event_come_in_behind_them(place: StoreLocation, store: Store) -> None:
    """A projection reads on from the last position while others write; in the end it has seen all, each once."""
    ended = threading.Event()

    def project() -> list[tuple[Stream, int]]:
        position, found = 0, []
        with opened_at(place) as other:
            while True:
                last_round = ended.is_set()
                with other.reading() as session:
                    fresh = read_after(session, position, [TYPES], limit=7)
                found += [(each.stream, each.sequence) for each in fresh]
                position = fresh[-1].position if fresh else position
                if last_round and not fresh:
                    return found

    def count_all(who: str) -> None:
        for n in range(8):
            for stream in (ONE, TWO):
                count(store, stream, who, n)

    with ThreadPoolExecutor(5) as pool:
        projection = pool.submit(project)
        written = [pool.submit(count_all, who) for who in ("ann", "bob", "cem", "dee")]
        for each in written:
            each.result(60)
        ended.set()
        seen = projection.result(60)
    assert len(seen) == len(set(seen)) == 64
