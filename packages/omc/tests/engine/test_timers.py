"""Timers: due when the clock says so, taken exactly once, cancellable."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omc.engine import journal, planning, schedules, timers
from omc.engine.actors import Actor
from omc.engine.runner import NullReporter
from omc.engine.worker import Worker
from omc.procedures import catalogue
from omc.store.opened import Store
from omc.store.timers import pending, set_timer
from support import fake_world
from support.engine_world import World, opened_at

if TYPE_CHECKING:
    import pytest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALICE = Actor("alice")


def worker(world: World, store: Store) -> Worker:
    return Worker(
        world.stack, (world.stack.environments["production"],), store, Actor("worker"), NullReporter(), catalogue
    )


def set_one(store: Store, key: str = "one", *, after: float = 3600, risk: str = "high") -> str:
    request = fake_world.Asked({key: "1"}, risk)
    due = NOON + timedelta(seconds=after)
    return set_timer(store, "production", "fake", asdict(request), due, why=f"{key} again", actor="alice").id


def all_done(work: Worker, *, most: int = 20) -> None:
    for _ in range(most):
        if not work.run_once():
            return


def with_clock(world: World, now: list[datetime]) -> Callable[[], datetime]:
    return lambda: now[0]


def test_a_timer_becomes_a_run_when_it_is_due_and_needs_no_new_approval(world: World) -> None:
    now = [NOON]
    with opened_at(world.place, with_clock(world, now)) as store:
        set_one(store)
        all_done(worker(world, store))
        assert world.effects() == []
        now[0] += timedelta(days=730)  # nobody was there for two years
        all_done(worker(world, store))
        all_done(worker(world, store))
    assert world.effects() == ["one one=1"]
    run = world.runs()[0]
    assert (run["verdict"], run["actor"]) == ("succeeded", "alice")
    assert world.proof().returncode == 0


def test_two_workers_do_each_timer_once(world: World) -> None:
    keys = ["a", "b", "c", "d"]
    with opened_at(world.place, lambda: NOON) as store:
        for number, key in enumerate(keys):
            set_one(store, key, after=number - 10.0)
        workers = [worker(world, store), worker(world, store)]
        with ThreadPoolExecutor(2) as pool:
            for each in pool.map(lambda work: all_done(work), workers):
                assert each is None
        with store.reading() as session:
            put_off = [timer.id for timer in pending(session)]
    # Whoever finds the environment busy puts its timer off; nothing is done twice in any case.
    assert len(world.effects()) == len(set(world.effects())) == len(keys) - len(put_off)


def test_a_timer_is_listed_and_cancelled(world: World) -> None:
    with opened_at(world.place, lambda: NOON) as store:
        timer = set_one(store)
    listed = world.omc("runs", "list")
    assert timer in listed.stdout
    assert "omc worker" in listed.stdout
    cancelled = world.omc("runs", "cancel", timer, "--env", "production")
    assert cancelled.returncode == 0, cancelled.stderr
    assert world.omc("runs", "list", "--output", "json").json["timers"] == []
    with opened_at(world.place, lambda: NOON + timedelta(days=1)) as store:
        all_done(worker(world, store))
    assert world.effects() == []
    assert world.omc("runs", "cancel", timer, "--env", "production").returncode == 2
    assert world.proof().returncode == 0


def test_one_that_is_refused_ends_and_one_whose_facts_are_missing_is_tried_later(world: World) -> None:
    with opened_at(world.place, lambda: NOON) as store:
        request = fake_world.Asked({"one": "broken"})
        set_timer(store, "production", "fake", asdict(request), NOON, why="never", actor="alice")
        all_done(worker(world, store))
        with store.reading() as session:
            assert pending(session) == []
        Path(world.folder / "trouble facts").write_text("unreachable")
        set_one(store, after=-1)
        all_done(worker(world, store))
        with store.reading() as session:
            [timer] = pending(session)
        assert "does not answer" in (timer.sentence or "")
    assert world.effects() == []


def test_asking_twice_for_the_same_timer_of_a_run_gives_one(world: World) -> None:
    request = fake_world.Asked({"one": "1"})
    with opened_at(world.place, lambda: NOON) as store:
        made = {
            set_timer(store, "local", "fake", asdict(request), NOON, why="", actor="alice", made_by="0vqk3m7x").id
            for _ in range(3)
        }
    assert len(made) == 1


def test_a_timer_that_another_change_kept_waiting_is_put_off_even_where_that_ends_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_at(world.place, lambda: NOON) as store:
        site = planning.run_context(world.stack, world.stack.environments["production"], store, catalogue)
        plan = planning.make(site, "fake", fake_world.Asked({"other": "1"}))
        other = journal.create(store, plan, ALICE, site.environment.approvals)
        set_one(store, after=0)
        refuse = journal.ensure_no_active_run

        def refuse_and_end(*arguments: Any) -> None:
            try:
                refuse(*arguments)
            finally:
                journal.cancel(store, other.id, "alice")

        timer = timers.take_due(store, ["production"], "worker")
        assert timer is not None
        with monkeypatch.context() as ending:
            ending.setattr(journal, "ensure_no_active_run", refuse_and_end)
            assert timers.make_run(site, timer) is None
        with store.reading() as session:
            [put_off] = pending(session)
        assert "is being changed" in (put_off.sentence or "")


def test_each_timer_of_a_second_has_an_id_of_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second has a thousand; here it has one."""
    monkeypatch.setattr(secrets, "choice", lambda letters: letters[0])
    with opened_at(world.place, lambda: NOON) as store:
        assert len({set_one(store, key) for key in ("a", "b", "c")}) == 3


def test_what_omc_changed_for_a_while_is_read_from_its_record(world: World) -> None:
    """Limits that a timer gives back; deployment alarms that a step remembers to have turned off; nothing of others."""
    from omc.facts.temporary import AlarmsOff, ScaledForAWhile, read_temporary
    from omc.model.plan import Plan, Risk, Step
    from omc.model.requests import ScaleRequest as Scale
    from omc.store.models import StepRow

    environment = world.stack.environments["production"]
    steps = tuple(Step(f"back-{name}", "ecs.roll_service", {"service": name}, "") for name in ("backend", "frontend"))
    plan = Plan("rollback", "production", {}, "Back", Risk.LOW, steps)
    due = NOON + timedelta(hours=2)
    with opened_at(world.place, with_clock(world, [NOON])) as store:
        set_one(store)
        made: dict[str, str] = {}
        for name, gives_back in (("backend", (4, 10)), ("frontend", ())):
            request = Scale(name, minimum=2, maximum=10, gives_back=gives_back)
            timer = set_timer(store, "production", "scale", asdict(request), due, why="", actor="alice")
            made[name] = timer.id
        run = journal.create(store, plan, ALICE, environment.approvals)
        with store.transaction() as transaction:
            row = transaction.session.query(StepRow).filter_by(run=run.id, name="back-backend").one()
            row.checkpoint, row.performed_at = {"alarms": {"enable": True}}, NOON
            transaction.record("step.remembered", row)
        found = read_temporary(store, environment)
    assert found.scaled == (ScaledForAWhile("backend", made["backend"], "alice", due, (4, 10), (2, 10)),)
    assert found.alarms_off == (AlarmsOff("backend", run.id, "alice", NOON, is_under_way=True),)


def test_what_comes_round_has_one_timer_however_many_look_and_the_next_is_after_the_last_time(world: World) -> None:
    now, weekly = [NOON], schedules.Schedule("production", "fake", timedelta(days=7), "each week")
    with opened_at(world.place, with_clock(world, now)) as store:
        with ThreadPoolExecutor(4) as pool:
            set_by = list(pool.map(lambda _: schedules.keep(store, [weekly], "worker"), range(4)))
        [timer] = [timer for found in set_by for timer in found]
        assert timer.due_at == NOON + schedules.FIRST
        timers._finish(store, timer, "failed", "An incident is open.")
        now[0] += timedelta(hours=1)
        [again] = schedules.keep(store, [weekly], "worker")
        assert again.due_at == timer.due_at + schedules.RETRY_DELAY, "what was refused is tried a day later"
        assert schedules.keep(store, [weekly], "worker") == []
