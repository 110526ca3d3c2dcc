"""An incident's life in a real database: a look is all or nothing, whoever makes it, and however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from omc.config import Environment
from omc.errors import NotFound, OmcError, Refused, WrongUse
from omc.facts.collector import collect
from omc.facts.incidents import OpenIncidents
from omc.incidents.events import (
    AUTOMATIC,
    Acknowledged,
    ActionItem,
    ActionItemDone,
    AlertEnded,
    AlertJoined,
    Captured,
    Mitigated,
    Noted,
    Opened,
    Paged,
    PageFailed,
    Reopened,
    Resolved,
    SeverityChanged,
    Snoozed,
    Unhealthy,
)
from omc.incidents.incident import Incident
from omc.model.pages import Message, Page
from omc.model.people import Channel, ContactMethod
from omc.model.typed_json import from_json
from omc.responder import life
from omc.responder.capture import capture, read_evidence
from omc.responder.context import context_from
from omc.responder.evidence import EVIDENCE
from omc.responder.life import Doer, OnCallContext, act, look, note_undelivered
from omc.responder.reminders import add_action_item, end_action_item, remind
from omc.store import audit
from omc.store.deadlines import overdue
from omc.store.incidents import (
    CAPTURE,
    ESCALATION,
    added,
    decide,
    incident_of,
    incidents_of,
    open_incident,
    opened,
    required,
)
from omc.store.location import StoreLocation
from omc.store.opened import Store, Transaction
from omc.store.outbox import WAITING, WITHDRAWN, OutboxRow, enqueue, of_incident
from support import release_facts
from support.engine_world import World, opened_at
from support.incident_life import PEOPLE, POLICY, START, minutes
from support.look_once import CONTEXT
from support.waiting import eventually

ANN = Doer("github:ann-gh", person="ann")
BOB = Doer("github:bob-gh", person="bob")
TESTS = Path(__file__).resolve().parents[4] / "tests"
ALARM = AlertJoined("a1", "backend-no-healthy", 2, "backend")


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def after(self, count: float) -> None:
        self.now += minutes(count)


@dataclass
class Responder:
    """Looks until nothing is due."""

    store: Store
    clock: Clock
    health: list[str] = field(default_factory=list)
    context: OnCallContext = CONTEXT

    def looks(self) -> int:
        context = replace(self.context, health=lambda: tuple(self.health))
        count = 0
        while look(self.store, ["staging"], lambda _: context):
            count += 1
            assert count < 100
        return count

    def until(self, at: datetime) -> None:
        """Time goes by; each look is made at its deadline."""
        while (following := self.next_look()) is not None and following <= at:
            self.clock.now = max(following, self.clock.now)
            self.looks()
        self.clock.now = at

    def next_look(self) -> datetime | None:
        with self.store.reading() as session:
            found = [each.due_at for each in overdue(session, FAR) if each.kind == ESCALATION]
        return found[0] if found else None


FAR = START + timedelta(days=3650)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(place: StoreLocation, clock: Clock) -> Iterator[Store]:
    with opened_at(place, clock) as store:
        yield store


@pytest.fixture
def responder(timed: Store, clock: Clock) -> Responder:
    return Responder(timed, clock)


def pages(store: Store, number: int = 1, state: str | None = None) -> list[str]:
    with store.reading() as session:
        return [row.recipient for row in of_incident(session, "staging", number) if state in (None, row.state)]


def with_alerts(store: Store, *alerts: AlertJoined, severity: int = 2) -> Incident:
    return decide(
        store, "staging", "omc responder", lambda t: opened(t, "staging", severity, "Users can't log in", alerts)
    )


def test_who_is_on_call_is_paged_in_turn_until_somebody_has_it(responder: Responder, timed: Store) -> None:
    open_incident(timed, "staging", 2, "Users can't log in", "gus")
    assert pages(timed) == []
    assert responder.looks() == 1
    responder.until(START + minutes(20))
    assert pages(timed) == ["ann", "bob"]
    life.acknowledge(timed, "staging", 1, BOB, POLICY)
    responder.until(START + minutes(49))
    assert pages(timed) == ["ann", "bob"]
    responder.until(START + minutes(51))
    assert pages(timed) == ["ann", "bob", "cy"]
    events = [each.payload for each in incident_of(timed, "staging", 1).events]
    assert [each.person for each in events if isinstance(each, Paged)] == ["ann", "bob", "cy"]
    with timed.reading() as session:
        rows = of_incident(session, "staging", 1)
        assert [from_json(Page, row.page).methods for row in rows] == [PEOPLE[row.recipient].contacts for row in rows]
        assert audit.verify(session).problems == []


def test_an_event_of_an_incident_and_its_pages_are_asked_for_with_the_next_look(timed: Store) -> None:
    open_incident(timed, "staging", 2, "Users can't log in", "gus")
    with timed.reading() as session:
        found = {(each.kind, each.subject, each.due_at) for each in overdue(session, FAR)}
    assert found == {(CAPTURE, "1", START), (ESCALATION, "1", START)}


def test_two_that_take_the_same_deadline_send_one_page(place: StoreLocation, clock: Clock, timed: Store) -> None:
    numbers = [open_incident(timed, "staging", 2, "again", "gus").number for _ in range(5)]
    with opened_at(place, clock) as other:
        start = threading.Barrier(4)

        def work(store: Store) -> int:
            start.wait(30)
            return Responder(store, clock).looks()

        with ThreadPoolExecutor(4) as pool:
            looked = sum(pool.map(work, [timed, other] * 2))
    assert looked == len(numbers)
    for number in numbers:
        assert pages(timed, number) == ["ann"]
        assert len(incident_of(timed, "staging", number).events) == 2


def test_a_look_while_somebody_acknowledges_pages_nobody_after_it(
    place: StoreLocation, clock: Clock, timed: Store
) -> None:
    """Whoever is second sees what the first has done."""
    with opened_at(place, clock) as other:
        for number in range(1, 9):
            open_incident(timed, "staging", 2, "again", "gus")
            Responder(timed, clock).looks()
            clock.after(15)
            start = threading.Barrier(2)

            def acknowledge(number: int = number, start: threading.Barrier = start) -> None:
                start.wait(30)
                life.acknowledge(other, "staging", number, ANN, POLICY)

            def looks(start: threading.Barrier = start) -> None:
                start.wait(30)
                Responder(timed, clock).looks()

            with ThreadPoolExecutor(2) as pool:
                for done in (pool.submit(acknowledge), pool.submit(looks)):
                    done.result(60)
            events = [each.payload for each in incident_of(timed, "staging", number).events]
            kinds = [type(each) for each in events]
            assert kinds in ([*BEGUN, Acknowledged], [*BEGUN, Paged, Acknowledged])
            paged = [each.key for each in events if isinstance(each, Paged)]
            with timed.reading() as session:
                assert sorted(row.key for row in of_incident(session, "staging", number)) == sorted(paged)


BEGUN = [Opened, Paged]


@contextmanager
def process(place: StoreLocation) -> Iterator[subprocess.Popen[str]]:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "support.look_once", place.url or ""]
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait(30)
        for pipe in (started.stdin, started.stdout):
            if pipe is not None:
                pipe.close()


def test_killed_between_decision_and_commit_nothing_has_happened(place: StoreLocation, store: Store) -> None:
    open_incident(store, "staging", 1, "Users can't log in", "gus")
    with psycopg.connect(place.url or "", autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [audit.CHAIN_LOCK])  # no transaction comes to its end
        with process(place) as looking:
            eventually("it comes to its commit", lambda: is_at_its_end(holder))
            looking.kill()
            looking.wait(30)
        holder.execute("SELECT pg_advisory_unlock(%s)", [audit.CHAIN_LOCK])
    assert pages(store) == []
    assert len(incident_of(store, "staging", 1).events) == 1
    assert look(store, ["staging"], lambda _: CONTEXT), "its deadline is there still"
    assert pages(store) == ["ann", "bob", "cy", "dee"]
    with store.reading() as session:
        assert audit.verify(session).problems == []


def is_at_its_end(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    found = connection.execute(query).fetchone()
    return found is not None and found[0] == 1


def test_killed_after_the_commit_the_pages_are_in_the_outbox(place: StoreLocation, store: Store) -> None:
    open_incident(store, "staging", 1, "Users can't log in", "gus")
    with process(place) as looking:
        assert looking.stdout is not None
        assert looking.stdout.readline() == "looked\n"
        looking.kill()
        looking.wait(30)
    assert pages(store, state=WAITING) == ["ann", "bob", "cy", "dee"]
    assert not look(store, ["staging"], lambda _: CONTEXT), "the next look is in an hour"


def test_a_page_that_reached_nobody_gives_the_next_one_its_turn(responder: Responder, timed: Store) -> None:
    open_incident(timed, "staging", 2, "Users can't log in", "gus")
    responder.looks()
    with timed.reading() as session:
        page = from_json(Page, of_incident(session, "staging", 1)[0].page)
    for _ in range(2):
        with timed.transaction("omc sender") as transaction:
            note_undelivered(transaction, page, "ann: sms failed three times")
    responder.looks()
    assert pages(timed) == ["ann", "bob"]
    failures = [each for each in incident_of(timed, "staging", 1).events if isinstance(each.payload, PageFailed)]
    assert len(failures) == 1, "told twice, it happened once"
    assert failures[0].by == AUTOMATIC, "no process's name"


def test_pages_that_still_wait_are_withdrawn_when_it_is_over(responder: Responder, timed: Store) -> None:
    open_incident(timed, "staging", 1, "Users can't log in", "gus")
    responder.looks()
    life.page(timed, "staging", 1, ANN, [PEOPLE["eve"]])
    life.acknowledge(timed, "staging", 1, ANN, POLICY)
    assert pages(timed, state=WITHDRAWN) == [], "in a SEV-1 everybody is wanted"
    act(timed, "staging", 1, ANN, SeverityChanged(2))
    life.acknowledge(timed, "staging", 1, BOB, POLICY)
    assert pages(timed, state=WITHDRAWN) == ["ann", "bob", "cy", "dee"]
    assert pages(timed, state=WAITING) == ["eve"], "she was asked for"
    act(timed, "staging", 1, ANN, Resolved("rolled back"))
    assert pages(timed, state=WAITING) == []


def test_it_ends_by_itself_when_all_is_well_and_is_looked_at_again_when_it_isnt(
    responder: Responder, timed: Store, clock: Clock
) -> None:
    with_alerts(timed, ALARM)
    responder.looks()
    clock.after(5)
    decide(timed, "staging", "x", lambda t: added(t, required(t.session, "staging", 1), AlertEnded("a1")))
    responder.health.append("backend has no healthy target")
    responder.until(START + minutes(21))
    found = incident_of(timed, "staging", 1)
    assert found.is_open
    assert found.events[-2].payload == Unhealthy(("backend has no healthy target",))
    assert pages(timed) == ["ann", "bob"]
    responder.health.clear()
    responder.until(START + minutes(26))
    found = incident_of(timed, "staging", 1)
    assert (found.resolved_at, found.resolved_by) == (START + minutes(25), "omc responder")
    assert pages(timed, state=WAITING) == ["ann", "bob"], "they are told that it is over"
    assert responder.next_look() is None


def test_a_check_of_health_that_fails_or_dies_is_no_sign_of_health(
    responder: Responder, timed: Store, clock: Clock
) -> None:
    def denied() -> tuple[str, ...]:
        raise NotFound("There is no cluster.", "ClusterNotFoundException")

    def dies() -> tuple[str, ...]:
        raise KeyboardInterrupt

    with_alerts(timed, ALARM)
    responder.looks()
    decide(timed, "staging", "x", lambda t: added(t, required(t.session, "staging", 1), AlertEnded("a1")))
    responder.looks()
    clock.after(15)
    with pytest.raises(KeyboardInterrupt):
        look(timed, ["staging"], lambda _: replace(CONTEXT, health=dies))
    assert responder.next_look() == clock.now + life.HEALTH_LEASE, "another will look"
    clock.after(2)
    look(timed, ["staging"], lambda _: replace(CONTEXT, health=denied))
    assert incident_of(timed, "staging", 1).unhealthy == ("unknown: There is no cluster.",)


def test_a_person_resolves_what_is_quiet_and_well_or_says_why(responder: Responder, timed: Store, clock: Clock) -> None:
    with_alerts(timed, ALARM)
    well: Callable[[], tuple[str, ...]] = tuple
    with pytest.raises(Refused, match=r"1 of its alerts fire: backend-no-healthy\..*--override REASON"):
        life.resolve_by_hand(timed, "staging", 1, ANN, "rolled back", POLICY, well)
    decide(timed, "staging", "x", lambda t: added(t, required(t.session, "staging", 1), AlertEnded("a1")))
    clock.after(5)
    with pytest.raises(Refused, match="its last alert ended 5 min ago, and 15 min are needed"):
        life.resolve_by_hand(timed, "staging", 1, ANN, "rolled back", POLICY, well)
    clock.after(10)
    with pytest.raises(Refused, match="health couldn't be verified: no healthy target"):
        life.resolve_by_hand(timed, "staging", 1, ANN, "rolled back", POLICY, lambda: ("no healthy target",))
    ended = life.resolve_by_hand(timed, "staging", 1, ANN, "rolled back", POLICY, well)
    assert ended.resolution == "rolled back"
    act(timed, "staging", 1, ANN, Reopened("it is back"))
    forced = life.resolve_by_hand(timed, "staging", 1, ANN, "done", POLICY, lambda: ("x",), override="a false alarm")
    assert forced.resolution == "done (without verification: a false alarm)"


def test_whoever_ends_it_by_hand_gets_no_notice_of_it(responder: Responder, timed: Store, clock: Clock) -> None:
    open_incident(timed, "staging", 2, "Users can't log in", "ann")
    responder.looks()
    clock.after(15)
    responder.looks()
    assert pages(timed) == ["ann", "bob"]
    life.resolve_by_hand(timed, "staging", 1, ANN, "rolled back", POLICY, tuple)
    with timed.reading() as session:
        notices = [row.recipient for row in of_incident(session, "staging", 1) if ":resolved." in row.key]
    assert notices == ["bob"]


def test_incidents_are_merged_and_that_is_undone(responder: Responder, timed: Store) -> None:
    other = AlertJoined("b2", "rds-no-data", 2, "database")
    with_alerts(timed, ALARM, severity=1)
    with_alerts(timed, other)
    responder.looks()
    target = life.merge(timed, "staging", 1, 2, ANN)
    assert (target.severity, sorted(target.alerts)) == (1, ["a1", "b2"])
    source = incident_of(timed, "staging", 1)
    assert (source.is_open, source.merged_into, dict(source.alerts)) == (False, 2, {})
    with pytest.raises(Refused, match="goes on in incident 2"):
        life.acknowledge(timed, "staging", 1, ANN, POLICY)
    responder.looks()
    assert len(pages(timed, 1)) == 4, "it pages nobody any more"
    back = life.unmerge(timed, "staging", 1, ANN)
    assert (back.is_open, sorted(back.alerts)) == (True, ["a1"])
    assert sorted(incident_of(timed, "staging", 2).alerts) == ["b2"]
    with pytest.raises(Refused, match="isn't merged"):
        life.unmerge(timed, "staging", 1, ANN)
    with pytest.raises(WrongUse, match="into itself"):
        life.merge(timed, "staging", 1, 1, ANN)


def test_an_incident_is_split_into_two(timed: Store) -> None:
    other = AlertJoined("b2", "rds-no-data", 2, "database")
    with_alerts(timed, ALARM, other)
    made = life.split(timed, "staging", 1, ["b2"], "The database is away", ANN, severity=1)
    assert (made.number, made.severity, sorted(made.alerts)) == (2, 1, ["b2"])
    assert sorted(incident_of(timed, "staging", 1).alerts) == ["a1"]
    with pytest.raises(WrongUse, match=r"has no alert zz; it has a1 \(backend-no-healthy\)"):
        life.split(timed, "staging", 1, ["zz"], "x", ANN)
    with pytest.raises(Refused, match="Nothing would be left"):
        life.split(timed, "staging", 1, ["a1"], "x", ANN)


def test_somebody_is_paged_or_the_next_in_the_chain_before_its_time(responder: Responder, timed: Store) -> None:
    open_incident(timed, "staging", 2, "Users can't log in", "gus")
    responder.looks()
    life.page(timed, "staging", 1, ANN, [PEOPLE["eve"], PEOPLE["dee"]], "you know the cache")
    life.escalate(timed, "staging", 1, ANN, POLICY, CONTEXT.resolve)
    assert sorted(pages(timed)) == ["ann", "bob", "dee", "eve"]
    responder.until(START + minutes(29))
    assert len(pages(timed)) == 4
    with pytest.raises(WrongUse, match="has no way to be reached"):
        life.page(timed, "staging", 1, ANN, [replace(PEOPLE["eve"], contacts=())])
    act(timed, "staging", 1, ANN, Resolved("rolled back"))
    with pytest.raises(Refused, match="isn't open"):
        life.page(timed, "staging", 1, ANN, [PEOPLE["eve"]])


def test_what_stops_deployments_is_what_is_open(timed: Store) -> None:
    environment = release_facts.environment()

    def opened_here(severity: int) -> int:
        return open_incident(timed, environment.name, severity, f"SEV-{severity}", "gus").number

    def acts(number: int, *payloads: object) -> None:
        act(timed, environment.name, number, ANN, *payloads)  # type: ignore[arg-type]

    for severity in (1, 2, 1, 1, 2):
        opened_here(severity)
    acts(1, Acknowledged("ann"), Mitigated("scaled out"))
    acts(2, Snoozed(timed.now() + minutes(60), "known"))
    acts(3, Resolved("rolled back"))
    acts(4, Resolved("rolled back"), Reopened("it is back"))
    life.merge(timed, environment.name, 5, 4, ANN)

    def wanted(incidents: OpenIncidents) -> None:
        """What is needed, by its type."""

    wanted.__annotations__ = {"incidents": OpenIncidents, "return": None}
    found = collect([wanted], {Store: timed, Environment: environment})[OpenIncidents].incidents
    assert [(each.number, each.severity) for each in found] == [(1, 1), (4, 1), (2, 2)]
    assert len(incidents_of(timed, environment.name)) == 5


def test_no_transaction_of_a_refused_event_leaves_anything(timed: Store) -> None:
    open_incident(timed, "staging", 2, "Users can't log in", "gus")

    def refused(transaction: Transaction) -> None:
        incident = required(transaction.session, "staging", 1)
        added(transaction, incident, ALARM)
        raise Refused("no")

    with pytest.raises(Refused):
        decide(timed, "staging", "x", refused)
    assert len(incident_of(timed, "staging", 1).events) == 1
    with timed.reading() as session:
        assert session.query(OutboxRow).count() == 0
    act(timed, "staging", 1, ANN, Noted("looking"))


def test_what_is_lost_later_is_written_down_once_whoever_dies_over_it(timed: Store, clock: Clock) -> None:
    with_alerts(timed, ALARM)
    asked: list[str] = []

    def dies(environment: str) -> tuple[Captured, ...]:
        raise KeyboardInterrupt

    def read(environment: str) -> tuple[Captured, ...]:
        asked.append(environment)
        return (Captured("stopped tasks", ("backend: out of memory",)), Captured("metrics", (), "throttled"))

    with pytest.raises(KeyboardInterrupt):
        capture(timed, ["staging"], dies)
    assert not capture(timed, ["staging"], read), "whoever died may be at it still"
    clock.after(2)
    assert capture(timed, ["staging"], read)
    assert not capture(timed, ["staging"], read)
    clock.after(60)
    assert not capture(timed, ["staging"], read)
    found = incident_of(timed, "staging", 1).captured
    assert found["stopped tasks"].items == ("backend: out of memory",)
    assert found["metrics"].unknown == "throttled"
    assert asked == ["staging"]


def test_an_old_incident_is_not_described_by_what_is_so_now(timed: Store, clock: Clock) -> None:
    with_alerts(timed, ALARM)
    clock.after(300)
    assert capture(timed, ["staging"], lambda _: (Captured("metrics", ("x",)),))
    assert not incident_of(timed, "staging", 1).captured


def test_capturing_holds_back_no_page(responder: Responder, timed: Store) -> None:
    """While it reads, which may take a minute, the first page is asked for."""
    with_alerts(timed, ALARM)

    def read(_: str) -> tuple[Captured, ...]:
        responder.looks()
        assert pages(timed) == ["ann"]
        return ()

    assert capture(timed, ["staging"], read)


def test_the_owner_of_an_action_item_is_reminded_when_it_is_due_and_each_week(timed: Store, clock: Clock) -> None:
    open_incident(timed, "staging", 2, "Users can't log in", "gus")
    item = ActionItem("1", "Raise the limit", "bob", START + timedelta(days=3))
    add_action_item(timed, "staging", 1, ANN, item)
    add_action_item(timed, "staging", 1, ANN, replace(item, id="2", owner="somebody else"))

    def reminds() -> int:
        count = 0
        while remind(timed, ["staging"], lambda _: POLICY):
            count += 1
        return count

    assert reminds() == 0
    clock.now = item.due
    assert reminds() == 2
    assert pages(timed) == ["bob"]
    clock.after(7 * 24 * 60)
    assert reminds() == 2
    assert pages(timed) == ["bob", "bob"]
    end_action_item(timed, "staging", 1, BOB, ActionItemDone("1"))
    clock.after(7 * 24 * 60)
    assert reminds() == 1
    assert pages(timed) == ["bob", "bob"]
    with pytest.raises(Refused, match="is done already"):
        end_action_item(timed, "staging", 1, BOB, ActionItemDone("1"))


def test_what_goes_wrong_with_one_incident_keeps_no_other_waiting(timed: Store, clock: Clock) -> None:
    for _ in range(2):
        open_incident(timed, "staging", 2, "Users can't log in", "gus")
    broken: Any = None  # a policy that isn't one

    def contexts(_: str) -> OnCallContext:
        return OnCallContext(POLICY if len(failures) else broken, CONTEXT.resolve, CONTEXT.health)

    failures: list[Exception] = []
    with pytest.raises(AttributeError) as raised:
        look(timed, ["staging"], contexts)
    failures.append(raised.value)
    assert look(timed, ["staging"], contexts)
    assert not look(timed, ["staging"], contexts)
    assert [len(pages(timed, number)) for number in (1, 2)] == [0, 1]
    clock.now += life.PUT_OFF
    assert look(timed, ["staging"], contexts)
    assert len(pages(timed, 1)) == 1


def test_where_aws_does_not_answer_nothing_is_known_and_that_is_said(world: World) -> None:
    """All of it is asked for in earnest, of an endpoint that isn't there."""
    environment = world.stack.environments["local"]
    with opened_at(world.place) as store:
        open_incident(store, "local", 2, "Users can't log in", "gus")
        assert capture(store, ["local"], lambda _: read_evidence(environment, store))
        found = incident_of(store, "local", 1).captured
        assert set(found) == set(EVIDENCE)
        assert {what for what, each in found.items() if each.unknown is None} == {
            *("terraform applies", "changes by omc")
        }
        assert all("127.0.0.1:9" in (each.unknown or "127.0.0.1:9") for each in found.values())
        context = context_from(world.stack, "local", store)
        try:
            findings = context.health()
        except OmcError as error:
            findings = (error.message,)
        assert any("127.0.0.1:9" in each for each in findings)
        reason = context.resolve(context.policy.chain[0], START)
        assert isinstance(reason, str)
        assert "Developer C (Infrastructure/DevOps) is neither a rota nor a person" in reason


def test_what_was_paged_by_pagerduty_follows_what_becomes_of_its_incident(store: Store) -> None:
    """The alert there is acknowledged with the incident, and resolved with it; each is asked for once."""
    method = ContactMethod(Channel.PAGERDUTY, "jo")
    page = Page("page:staging:1:0.0:jo", "staging", "jo", (method,), Message("x"), incident=1)
    open_incident(store, "staging", 2, "Users can't log in", "ann")
    with store.transaction("ann") as transaction:
        enqueue(transaction, page)
        row = transaction.session.get(OutboxRow, page.key)
        assert row is not None
        transaction.session.flush()
        row.attempts = 1
        transaction.record("page.tried", row)
    for _ in range(2):
        life.acknowledge(store, "staging", 1, ANN, POLICY)
    act(store, "staging", 1, ANN, Resolved("restarted"))
    with store.reading() as session:
        keys = [each.key for each in of_incident(session, "staging", 1)]
    assert sorted(keys) == [f"acknowledge:{page.key}", page.key, f"resolve:{page.key}"]
