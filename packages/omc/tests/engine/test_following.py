"""The loop of a run, without a command around it: what it tells an observer, what it waits for, what it returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from omc.engine import approvals, execution, following, journal, planning
from omc.engine.actors import Actor
from omc.engine.transitions import State
from omc.engine.worker import Worker
from omc.errors import Refused
from omc.procedures import catalogue
from omc.store.models import Run
from omc.store.opened import Store
from support.engine_world import World
from support.fake_world import Asked

ALICE, BOB = Actor("alice"), Actor("bob")


@dataclass
class Observer:
    """Keeps what it is told."""

    notes: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def waiting(self, what: str) -> None:
        self.waits.append(what)

    def times(self, part: str) -> int:
        return sum(part in note for note in self.notes)


@dataclass
class Pauses:
    """Stands for sleeping: at each pause the next thing happens, and too many of them are a loop without end."""

    happens: list[Callable[[], object]]
    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        assert len(self.seconds) < 50, "it waits for ever"
        if self.happens:
            self.happens.pop(0)()


def nothing() -> None:
    """A pause in which nothing happens."""


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def site(world: World, store: Store) -> planning.RunContext:
    return planning.run_context(world.stack, world.stack.environments["production"], store, catalogue)


@pytest.fixture
def observer() -> Observer:
    return Observer()


def begun(site: planning.RunContext, observer: Observer, risk: str = "high") -> Run:
    """In production a high risk waits for one approval, a low one for none."""
    return following.start(site, planning.make(site, "fake", Asked({"one": 1}, risk)), ALICE, observer)


def approve(site: planning.RunContext, run: Run) -> None:
    approvals.approve(site.store, run.id, BOB, site.environment.approvals)


def test_a_run_that_may_begin_is_performed(world: World, site: planning.RunContext, observer: Observer) -> None:
    run = begun(site, observer)
    approve(site, run)
    outcome = following.perform(site, run.id, ALICE.name, observer)
    assert isinstance(outcome, following.Ended)
    assert (outcome.run.id, outcome.run.verdict) == (run.id, "succeeded")
    assert world.effects() == ["one one=1"]
    assert observer.notes[0].startswith(f"Run {run.id} by ")
    again = following.perform(site, run.id, ALICE.name, observer)
    assert isinstance(again, following.Ended)
    assert world.effects() == ["one one=1"], "an ended run is looked at, not performed again"


def test_a_second_run_of_the_environment_is_refused(site: planning.RunContext, observer: Observer) -> None:
    approve(site, begun(site, observer))
    with pytest.raises(Refused, match="is being changed already"):
        following.start(site, planning.make(site, "fake", Asked({"two": 2}, "low")), ALICE, observer)


def test_without_waiting_it_returns_what_is_waited_for(
    world: World, site: planning.RunContext, observer: Observer
) -> None:
    run = begun(site, observer)
    outcome = following.perform(site, run.id, ALICE.name, observer, wait=False, sleep=Pauses([interrupt]))
    assert isinstance(outcome, following.AwaitsApproval)
    assert f"omc approve {run.id}" in outcome.sentence
    assert observer.notes[-1] == outcome.sentence
    assert world.effects() == []


def test_the_approval_that_comes_while_it_waits_lets_it_begin(
    world: World, site: planning.RunContext, observer: Observer
) -> None:
    run = begun(site, observer)
    pauses = Pauses([nothing, nothing, lambda: approve(site, run)])
    outcome = following.perform(site, run.id, ALICE.name, observer, sleep=pauses)
    assert isinstance(outcome, following.Ended)
    assert outcome.run.verdict == "succeeded"
    assert (observer.times("omc approve"), len(observer.waits) >= 3) == (1, True), "said once, however often it looks"
    assert pauses.seconds[:3] == [following.POLL_INTERVAL] * 3
    assert world.effects() == ["one one=1"]


def test_approvals_that_lapsed_before_it_began_are_waited_for_again(
    world: World, site: planning.RunContext, observer: Observer
) -> None:
    run = begun(site, observer)
    approve(site, run)
    clock = site.store.now
    site = replace(site, store=replace(site.store, now=lambda: clock() + timedelta(hours=2)))
    lapsed = following.attempt(site, run.id, ALICE.name, observer)
    assert isinstance(lapsed, following.AwaitsApproval)
    assert "have expired" in lapsed.sentence
    assert execution.read(site, run.id).state == State.AWAITING
    outcome = following.perform(site, run.id, ALICE.name, observer, sleep=Pauses([lambda: approve(site, run)]))
    assert isinstance(outcome, following.Ended)
    assert world.effects() == ["one one=1"]


def test_a_run_in_other_hands_is_followed_and_taken_when_it_is_let_go(
    world: World, site: planning.RunContext, observer: Observer
) -> None:
    run = begun(site, observer)
    approve(site, run)
    lease = journal.claim(site.store, run.id, BOB.name)
    assert lease is not None
    assert following.attempt(site, run.id, ALICE.name, observer) == following.HeldElsewhere()
    pauses = Pauses([nothing, nothing, lambda: execution.release(lease, BOB.name)])
    outcome = following.perform(site, run.id, ALICE.name, observer, sleep=pauses)
    assert isinstance(outcome, following.Ended)
    assert pauses.seconds[:3] == [following.FOLLOW_INTERVAL] * 3
    assert observer.times("has the run; following it.") == 1
    assert world.effects() == ["one one=1"]


def test_what_another_process_does_is_reported_once_each(
    world: World, site: planning.RunContext, observer: Observer
) -> None:
    run = begun(site, observer)
    approve(site, run)
    follower = following.Follower(site, run.id, observer)
    follower.look()
    before = len(observer.notes)
    following.perform(site, run.id, BOB.name, Observer())
    follower.look()
    follower.look()
    assert observer.notes[before:] == [f"[perform 1] one: succeeded. {one_sentence(site, run)}".rstrip()]


def one_sentence(site: planning.RunContext, run: Run) -> str:
    with site.store.reading() as session:
        return journal.steps_of(session, run.id)[0].sentence or ""


def test_a_stale_plan_comes_back_with_the_plan_as_it_is_now(
    world: World, site: planning.RunContext, observer: Observer
) -> None:
    run = begun(site, observer)
    approve(site, run)
    (world.folder / "values.json").write_text(json.dumps({"one": "3"}))
    outcome = following.perform(site, run.id, ALICE.name, observer)
    assert isinstance(outcome, following.Stale)
    assert outcome.sentence.startswith("The plan is stale")
    assert outcome.plan is not None
    assert outcome.plan.hash != run.plan_hash
    assert (execution.read(site, run.id).state, world.effects()) == (State.ENDED, [])


def test_an_interrupt_keeps_the_run_and_says_how_to_continue(
    world: World, site: planning.RunContext, observer: Observer
) -> None:
    run = begun(site, observer)
    outcome = following.perform(site, run.id, ALICE.name, observer, sleep=Pauses([nothing, interrupt]))
    assert isinstance(outcome, following.Interrupted)
    for part in (f"omc runs resume {run.id}", f"omc runs cancel {run.id}", State.AWAITING):
        assert part in outcome.sentence
    assert "worker" not in outcome.sentence
    assert execution.read(site, run.id).state == State.AWAITING
    approve(site, run)
    assert isinstance(following.perform(site, run.id, ALICE.name, observer), following.Ended)
    assert world.effects() == ["one one=1"]


def test_an_interrupt_says_that_a_worker_continues_the_run(
    world: World, site: planning.RunContext, observer: Observer
) -> None:
    run = begun(site, observer)
    worker = Worker(world.stack, (site.environment,), site.store, BOB, observer, catalogue)
    with worker._registered():
        outcome = following.perform(site, run.id, ALICE.name, observer, sleep=Pauses([interrupt]))
    assert isinstance(outcome, following.Interrupted)
    assert "A worker is running and continues it." in outcome.sentence


def test_an_interrupt_after_the_end_says_how_it_ended(site: planning.RunContext, observer: Observer) -> None:
    run = begun(site, observer)

    def cancel_and_interrupt() -> None:
        journal.cancel(site.store, run.id, BOB.name)
        interrupt()

    outcome = following.perform(site, run.id, ALICE.name, observer, sleep=Pauses([cancel_and_interrupt]))
    assert isinstance(outcome, following.Interrupted)
    assert f"the run {run.id} had ended already: cancelled." in outcome.sentence
    assert "resume" not in outcome.sentence


def test_an_error_that_an_interrupt_caused_is_an_interrupt(site: planning.RunContext, observer: Observer) -> None:
    run = begun(site, observer)

    def fail_at_cleaning_up() -> None:
        try:
            interrupt()
        finally:
            raise OSError("the temporary file is gone")

    outcome = following.perform(site, run.id, ALICE.name, observer, sleep=Pauses([fail_at_cleaning_up]))
    assert isinstance(outcome, following.Interrupted)


def test_a_worker_takes_the_run_by_the_same_attempt(
    world: World, site: planning.RunContext, observer: Observer
) -> None:
    run = begun(site, observer)
    worker = Worker(world.stack, (site.environment,), site.store, BOB, observer, catalogue)
    assert worker.run_once() is False, "it waits for approval"
    approve(site, run)
    assert worker.run_once() is True
    assert observer.notes[-1].startswith(f"{run.id}: succeeded.")
    assert world.effects() == ["one one=1"]
