"""A maintenance from its plan to its end in a fake world, with a real record: each item of its checklist failing once,
worse figures, two operators, a window that ends too early, what is taken back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from killsweep.maintenance import sweep
from omc.engine import worker
from omc.engine.actors import Actor
from omc.engine.runner import NullReporter
from omc.errors import OmcError, Refused
from omc.maintenance.document import maintenance_document
from omc.maintenance.model import ItemStatus, MaintenanceEvent, RunBegan, StepStatus
from omc.maintenance.plan import AwaitPerson, Over, Wait
from omc.maintenance.records import AUTOMATIC, WAKE, events_of, note_undelivered
from omc.maintenance.run import DELIVERED_WITHIN
from omc.maintenance.work import look, tell_notices
from omc.model.maintenance import NOTICE, MaintenanceRequest
from omc.model.pages import Page
from omc.model.silences import TYPES as SILENCES
from omc.model.silences import replay
from omc.model.typed_json import from_json
from omc.procedures import catalogue
from omc.responder.maintenances import Overruns
from omc.responder.model import Notification, alert_key, digest
from omc.responder.records import look_at_due, take
from omc.responder.rules import rules_of
from omc.store import eventlog
from omc.store.deadlines import Deadline
from omc.store.incidents import incidents_of
from omc.store.opened import Store
from omc.store.outbox import SENT, OutboxRow
from support.engine_world import World, opened_at
from support.maintenance_world import FILE, Clock, Operator, quick_stack

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ITEMS = ("team", "backup")
"""Need something outside of this world: a sender of messages, a database."""


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def alice(world: World, clock: Clock) -> Iterator[Operator]:
    """At a maintenance of two steps that isn't planned yet."""
    with opened_at(world.place, clock) as store:
        yield Operator(quick_stack(world), store)


def deliver(store: Store) -> None:
    """As ``omc serve`` does."""
    with store.transaction() as transaction:
        for row in transaction.session.scalars(select(OutboxRow)):
            row.state = SENT
            transaction.record("page.sent", row)


def told(store: Store) -> list[str]:
    with store.reading() as session:
        rows = session.scalars(select(OutboxRow).order_by(OutboxRow.created_at, OutboxRow.key))
        return [str(row.page["message"]["short"]) for row in rows]


def silences_until(store: Store) -> list[datetime]:
    with store.reading() as session:
        streams = eventlog.read_streams(session, SILENCES, "local")
    return [replay("local", int(stream.id), events).until for stream, events in streams.items()]


def test_from_its_plan_to_its_end_by_commands(world: World) -> None:
    quick_stack(world)
    file = world.folder / "maintenance.toml"
    file.write_text(FILE)
    planned = world.omc("maintenance", "plan", str(file), "--env", "local", "--yes")
    assert planned.returncode == 0, planned.stderr
    assert "Step 1, fake: Set one. Risk low. Interruption: not known. Undo: one back to None." in planned.stdout
    for item in ITEMS:
        signed = world.omc("maintenance", "sign", "1", item, "--evidence", "I looked", "--env", "local")
        assert signed.returncode == 0, signed.stderr
    started = world.omc("maintenance", "start", "1", "--env", "local", "--no-wait")
    assert (started.returncode, world.effects()) == (6, ["one one=1", "two two=2"]), started.stderr
    assert world.omc("maintenance", "note", "1", "two reconnects", "--env", "local").returncode == 0
    finished = world.omc("maintenance", "finish", "1", "--runbook", "say that two is set too", "--env", "local")
    assert finished.returncode == 0, finished.stderr
    shown = world.omc("maintenance", "status", "1", "--env", "local", "--output", "json").json
    assert (shown["verdict"], [each["state"] for each in shown["steps"]]) == ("succeeded", ["done", "done"])
    states = {each["item"]: each["state"] for each in shown["checklist"]}
    assert states["backup"] == "signed as an exception"
    assert states["runbook"] == "signed"
    assert "two reconnects" in [each["what"] for each in shown["timeline"]]
    assert world.proof().returncode == 0


def test_the_team_is_told_and_each_step_and_the_all_clear(alice: Operator, clock: Clock) -> None:
    alice.plan().signed("backup").desk.start()
    assert isinstance(alice.performer().work(), Wait)  # the message is on its way
    assert alice.found.items["team"].status is ItemStatus.BEGUN
    deliver(alice.store)
    assert alice.work(clock) == AwaitPerson(
        "All is done but the runbook: say what is to change in it.",
        "omc maintenance finish 1 --runbook TEXT, or omc maintenance finish 1 --runbook-is-right",
    )
    when = "Mon 30 Nov 23:00:00 AEDT (12:00 UTC) to Tue 01 Dec 01:00:00 AEDT (Mon 14:00 UTC), by alice."
    assert {each.partition(TITLED)[2] for each in told(alice.store)} == {
        when,
        "step 1 of 2 succeeded.",
        "step 2 of 2 succeeded.",
        "all clear. Every step is done, and it was watched.",
    }


TITLED = "local: maintenance 1, Newer values: "


def trouble_backup(world: World, alice: Operator, clock: Clock) -> None:
    """There is no procedure for it in this world."""


def trouble_team(world: World, alice: Operator, clock: Clock) -> None:
    alice.performer().work()
    clock.now += DELIVERED_WITHIN


def trouble_rollback(world: World, alice: Operator, clock: Clock) -> None:
    """Its step can't be undone: see the file."""


def trouble_figures(world: World, alice: Operator, clock: Clock) -> None:
    world.trouble("figures", "unreachable")


def trouble_health(world: World, alice: Operator, clock: Clock) -> None:
    (world.folder / "unhealthy").write_text("FAIL local: backend runs no task.")


NO_UNDO = """
title = "Newer values"
watch_minutes = 0.001
[[step]]
procedure = "fake"
request = { values = { one = "1" } }
[[step]]
manual = "Turn the lights off"
"""


@pytest.mark.parametrize(
    ("item", "text", "trouble", "why"),
    [
        ("team", FILE, trouble_team, "Nobody has sent the message for 5 min: is omc serve running?"),
        ("backup", FILE, trouble_backup, "The local cloud does not answer"),
        ("rollback", NO_UNDO, trouble_rollback, "step 2 (Turn the lights off): nothing takes it back"),
        ("dashboard", FILE, trouble_figures, "There is no baseline: The fake world does not answer."),
        ("healthy", FILE, trouble_health, "FAIL local: backend runs no task."),
    ],
)
def test_where_an_item_of_the_checklist_fails_it_stops_and_nothing_further_is_begun(
    world: World,
    alice: Operator,
    clock: Clock,
    item: str,
    text: str,
    trouble: Callable[[World, Operator, Clock], None],
    why: str,
) -> None:
    others = [each for each in ITEMS if each != item]
    alice.plan(text).signed(*others).desk.start()
    trouble(world, alice, clock)
    decision = alice.work(clock, most=60)
    assert isinstance(decision, AwaitPerson)
    assert decision.is_stopped
    assert why in decision.why
    assert alice.found.items[item].status is ItemStatus.FAILED
    assert world.effects() == (["one one=1", "two two=2"] if item == "healthy" else [])
    assert any("stopped" in each for each in told(alice.store))
    alice.signed(item)  # a person answers for it
    assert alice.found.items[item].status is ItemStatus.EXCEPTED
    assert alice.found.stopped == ""


@pytest.mark.parametrize("item", ["errors", "watch"])
def test_figures_that_get_worse_after_the_last_step_stop_it_too(
    world: World, alice: Operator, clock: Clock, item: str
) -> None:
    text = FILE.replace("watch_minutes = 0.001", "watch_minutes = 5")
    alice.plan(text).signed(*ITEMS).desk.start()
    while not (alice.found.items["healthy"].holds if item == "errors" else alice.found.watch_until):
        decision = alice.performer().turn()
        if isinstance(decision, Wait):
            clock.now = decision.until
    (world.folder / "errors").write_text("50")
    stopped = alice.work(clock)
    assert isinstance(stopped, AwaitPerson)
    assert "50.0 % of answers are 5xx" in stopped.why
    assert not alice.found.items[item].holds
    assert not alice.found.items["all-clear"].holds


def test_a_step_that_is_a_person_s_waits_for_her_and_only_when_it_is_due(alice: Operator, clock: Clock) -> None:
    alice.plan(NO_UNDO).signed(*ITEMS, "rollback")
    with pytest.raises(Refused, match="hasn't been started"):
        alice.desk.sign("2", "they are off")
    alice.desk.start()
    with pytest.raises(Refused, match="Step 2 isn't due yet: the checklist before it has open items"):
        alice.desk.sign("2", "they are off")
    waits = alice.work(clock)
    assert isinstance(waits, AwaitPerson)
    assert (waits.why, waits.is_stopped) == ("Step 2 is a person's: Turn the lights off", False)
    alice.desk.sign("2", "they are off")
    alice.work(clock)
    assert alice.found.are_steps_over
    alice.desk.abort("it is too dark")
    assert alice.work(clock) == Over()
    assert "Step 2 stays: A person did it, and omc can't undo it." in alice.found.sentence
    assert alice.found.steps[0].status is StepStatus.UNDONE


def test_production_wants_the_same_in_staging_first_and_finds_it_there(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMC_STORE_URL", world.place.url or "")
    with opened_at(world.place, clock) as store:
        bob = Operator(quick_stack(world), store, "production", "bob")
        bob.plan(override="AWS asked for it").signed(*ITEMS).desk.start()
        stopped = bob.work(clock)
        assert isinstance(stopped, AwaitPerson)
        assert "staging has no run of the last 14 days that did the same" in stopped.why
    assert world.set("one=1", "two=2", env="staging").returncode == 0, "another change is not the same"
    for pair in ("one=1", "two=2"):
        assert world.set(pair, env="staging").returncode == 0
    with opened_at(world.place) as store:
        bob = Operator(quick_stack(world), store, "production", "bob", bob.number)
        bob.desk.resume("it was done in staging now")
        bob.performer().turn()
        bob.performer().turn()
        assert bob.found.items["staging"].sentence.startswith("The same succeeded in staging: step 1 by run ")


def test_worse_figures_after_a_step_stop_it_and_a_person_decides(world: World, alice: Operator, clock: Clock) -> None:
    alice.plan().signed(*ITEMS).desk.start()
    world.trouble("after one")
    while not world.effects():
        alice.performer().turn()
    (world.folder / "errors").write_text("9.5")
    decision = alice.work(clock)
    assert isinstance(decision, AwaitPerson)
    assert "9.5 % of answers are 5xx, and 0.0 % before: more than 2 points worse." in decision.why
    assert world.effects() == ["one one=1"]
    with pytest.raises(OmcError, match="To go on, say why: --reason TEXT"):
        alice.desk.resume("")
    alice.desk.abort("users see errors")
    assert alice.work(clock) == Over()
    assert world.effects() == ["one one=1", "undo-one one=None"]
    assert (alice.found.verdict, alice.found.steps[0].status) == ("aborted", StepStatus.UNDONE)
    assert max(silences_until(alice.store)) <= clock.now + timedelta(seconds=1)


def test_a_step_that_fails_stops_it_and_what_was_done_before_stays_until_it_is_aborted(
    world: World, alice: Operator, clock: Clock
) -> None:
    alice.plan().signed(*ITEMS).desk.start()
    world.trouble("outcome two", "failed")
    decision = alice.work(clock)
    assert isinstance(decision, AwaitPerson)
    assert decision.is_stopped
    assert world.effects() == ["one one=1", "two two=2", "two two=None"]  # the run has undone its own step
    alice.desk.resume("the quota is raised")
    alice.work(clock)
    assert world.effects()[3:] == ["two two=2"]
    assert alice.found.phase == "being checked" or alice.found.are_steps_over


def test_a_step_that_would_do_something_else_by_now_is_not_begun(world: World, alice: Operator, clock: Clock) -> None:
    def otherwise(request: MaintenanceRequest) -> MaintenanceRequest:
        first, *rest = request.steps
        return replace(request, steps=[{**first, "outline": ["fake.set another"]}, *rest])

    alice.plan(change=otherwise).signed(*ITEMS).desk.start()
    decision = alice.work(clock)
    assert isinstance(decision, AwaitPerson)
    assert "The plan of step 1 is stale: it would now do something else (fake.set one)" in decision.why
    assert world.effects() == []


def events_of_stream(operator: Operator) -> list[MaintenanceEvent]:
    with operator.store.reading() as session:
        return [*events_of(session, operator.environment, operator.number)]


def test_of_two_operators_one_starts_it_and_the_other_is_told_who_did(world: World) -> None:
    quick_stack(world)
    with opened_at(world.place) as store:
        alice = Operator(quick_stack(world), store).plan().signed(*ITEMS)
    first = world.start("maintenance", "start", str(alice.number), "--env", "local", "--no-wait", who="alice")
    second = world.start("maintenance", "start", str(alice.number), "--env", "local", "--no-wait", who="bob")
    ends = sorted([first.done(), second.done()], key=lambda done: done.returncode)
    assert [done.returncode for done in ends] == [1, 6], [done.stderr for done in ends]
    assert "already. To go on with it here" in ends[0].stderr
    assert world.effects() == ["one one=1", "two two=2"]
    with opened_at(world.place) as store:
        carol = Operator(quick_stack(world), store, name="carol", number=alice.number)
        with pytest.raises(Refused, match="The item backup is signed as an exception already, by alice: I looked"):
            carol.desk.sign("backup", "me too")


def test_two_who_perform_it_at_once_do_each_thing_once(world: World) -> None:
    with opened_at(world.place) as store:
        alice = Operator(quick_stack(world), store).plan().signed(*ITEMS)
        alice.desk.start()
    both = [
        world.start("maintenance", "start", "1", "--resume", "--env", "local", "--no-wait", who=who)
        for who in ("alice", "bob", "carol")
    ]
    assert [each.done().returncode for each in both] == [6, 6, 6], [each.done().stderr for each in both]
    assert world.effects() == ["one one=1", "two two=2"]
    with opened_at(world.place) as store:
        began = [
            each.payload for each in events_of_stream(replace(alice, store=store)) if isinstance(each.payload, RunBegan)
        ]
        assert [each.purpose for each in began] == ["step/1", "step/2"]
        assert len(silences_until(store)) == 2


def test_killed_at_moments_on_its_way_and_back_nothing_is_lost_and_nothing_doubled(world: World) -> None:
    """A sample; all of it is ``make kill-sweep-maintenance``."""
    result = sweep(world, first=9, stride=29)
    assert result.cases >= 4
    assert (result.lost, result.doubled) == ([], [])
    assert world.proof().returncode == 0


def test_a_worker_goes_on_with_what_was_started_and_sleeps_until_it_is_due(world: World, clock: Clock) -> None:
    with opened_at(world.place, clock) as store:
        alice = Operator(quick_stack(world), store).plan().signed(*ITEMS)
        alice.desk.start()
        actor, reporter = Actor("worker"), NullReporter()
        working = worker.Worker(
            alice.stack,
            (alice.settings,),
            store,
            actor,
            reporter,
            catalogue,
            lambda name, site_of: look(store, name, site_of, actor, reporter),
        )
        for _ in range(60):
            if not working.run_once():
                clock.now += timedelta(seconds=2)
        assert world.effects() == ["one one=1", "two two=2"]
        assert alice.found.items["all-clear"].holds
        assert not working.run_once()  # it is a person's turn
        with store.reading() as session:
            [deadline] = session.scalars(select(Deadline).where(Deadline.kind == WAKE))
        assert deadline.due_at > clock.now


def test_a_window_that_ends_too_early_pages_on_call_and_what_was_silenced_is_told(
    world: World, alice: Operator, clock: Clock
) -> None:
    """The process that performed it is gone; a responder is there."""
    alice.plan().signed(*ITEMS).desk.start()
    while not world.effects():
        alice.performer().turn()
    rules = rules_of(alice.stack, alice.settings)
    overruns = Overruns(alice.store, alice.stack, ["local"], lambda _: rules, lambda: None)
    overruns.once()
    assert alice.found.overran_at is None
    take(alice.store, rules, [fires(clock.now)])
    look_at_due(alice.store, rules)
    assert incidents_of_now(alice.store) == []  # it is held
    clock.now = alice.found.end + timedelta(seconds=1)
    overruns.once()
    overruns.once()
    while look_at_due(alice.store, rules):
        pass
    titles = sorted(incidents_of_now(alice.store))
    assert [each.partition("SEV-2: ")[2] for each in titles] == [
        "Maintenance 1 (Newer values) overran its window)",
        "Connections)",
    ]
    decision = alice.work(clock)
    assert isinstance(decision, AwaitPerson)
    assert "The window ended before the last step did." in decision.why
    assert world.effects() == ["one one=1"]
    alice.desk.abort("too late")
    assert alice.work(clock) == Over()
    overruns.once()
    assert alice.found.verdict == "aborted"
    assert [each for each in told(alice.store) if "the window has ended" in each] != []


def fires(at: datetime) -> Notification:
    key = alert_key("cloudwatch", "local", "rds-connections")
    return Notification(
        digest(key, "firing"), "cloudwatch", "local", key, "rds-connections", "firing", at, 2, None, "Connections", ""
    )


def incidents_of_now(store: Store) -> list[str]:
    return [each.title for each in incidents_of(store, "local")]


def test_each_notice_is_told_once_whoever_looks(alice: Operator, clock: Clock) -> None:
    alice.plan()
    found = alice.found
    before = len(told(alice.store))
    for at in (clock.now, found.begin, found.end - timedelta(minutes=10), found.end):
        clock.now = max(at, clock.now)
        for _ in range(2):  # two processes, or one that looks again
            while tell_notices(alice.store, alice.stack, ["local"]):
                pass
    messages = [each.partition("Newer values: ")[2] for each in told(alice.store)[before:]]
    assert len(messages) == len(set(messages)) >= 2
    assert messages[-1] == "its window is over, and nobody started it."
    with alice.store.reading() as session:
        assert not list(session.scalars(select(Deadline).where(Deadline.kind == NOTICE)))


def test_a_message_that_reaches_nobody_is_told_of(alice: Operator, clock: Clock) -> None:
    alice.plan()
    found = alice.found
    clock.now = found.begin
    assert tell_notices(alice.store, alice.stack, ["local"])
    for _ in range(2):  # after a round in vain, and at the end
        with alice.store.transaction() as transaction:
            page = from_json(Page, transaction.session.scalars(select(OutboxRow)).all()[-1].page)
            note_undelivered(transaction, page, "no channel of Slack's took it.")
    with alice.store.reading() as session:
        events = events_of(session, "local", found.number)
    shown = json.dumps(maintenance_document(alice.found, events, Over(), "UTC").data, ensure_ascii=False)
    assert shown.count("its message “begin” didn't arrive: no channel of Slack's took it.") == 1
    assert "told the channel" not in shown
    assert events[-1].by == AUTOMATIC, "no process's name"


def test_what_was_not_started_is_called_off_and_what_is_over_stays_so(alice: Operator) -> None:
    alice.plan().desk.abort("the release slipped")
    assert alice.performer().work() == Over()
    assert alice.found.sentence == "alice: the release slipped. Nothing of it was begun."
    with pytest.raises(OmcError, match="is over: called off"):
        alice.desk.start()
    with pytest.raises(OmcError, match="is over: called off"):
        alice.desk.abort("again")


def test_outside_of_the_window_it_is_refused_without_a_reason(world: World) -> None:
    quick_stack(world)
    file = world.folder / "maintenance.toml"
    file.write_text(FILE.replace('title = "', 'begin = 2099-01-01T00:00:00+00:00\ntitle = "', 1))
    plan = ["maintenance", "plan", str(file), "--env", "production", "--dry-run", "--output", "json"]
    refused = world.omc(*plan)
    assert refused.returncode == 1
    assert "It isn't within a maintenance window of production" in json.loads(refused.stdout)["plan"]["refusals"][0]
    assert world.omc(*plan, "--override", "AWS asked for it").returncode == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("title = 1", "is no file of a maintenance"),
        ('title = "a"\n[[step]]\nprocedure = "fake"\nmanual = "b"', "Step 1 has a procedure, or is manual"),
        ('title = "a"\n[[step]]\nprocedure = "fly"', "This omc has no procedure fly"),
        ('title = "a"\n[[step]]\nprocedure = "restart"\nrequest = { nobody = 1 }', "isn't one of restart"),
        ('title = "a"\n[[step]]\nprocedure = "restart"\nrequest = { services = 5 }', "isn't one of restart"),
        ('title = "a"\nsilence = [[]]\n[[step]]\nmanual = "b"', "is no file of a maintenance"),
    ],
)
def test_a_file_that_makes_no_maintenance_is_refused_with_its_place(world: World, text: str, why: str) -> None:
    file = world.folder / "maintenance.toml"
    file.write_text(text)
    refused = world.omc("maintenance", "plan", str(file), "--env", "local", "--dry-run")
    assert refused.returncode == 2
    assert why in refused.stderr
