"""What is performed is what was approved: any change of a run behind omc's back is refused, and nothing is done."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from omc.engine import approvals, integrity, journal, planning
from omc.engine.actors import Actor
from omc.engine.execution import execute
from omc.engine.runner import NullReporter
from omc.engine.transitions import Phase, State
from omc.engine.worker import Worker
from omc.errors import Altered
from omc.procedures import catalogue
from omc.store.database import open_store
from omc.store.models import Run
from omc.store.opened import Store
from omc.store.timers import set_timer
from support.engine_world import World
from support.fake_world import Asked

ALICE, BOB = Actor("alice"), Actor("bob")
WHO_WORKS = {"fence", "holder", "lease_until"}
"""Columns of ``runs`` that say who performs it, and decide nothing about what is done."""


def site_of(world: World, store: Store, name: str = "production") -> planning.RunContext:
    return planning.run_context(world.stack, world.stack.environments[name], store, catalogue)


def planned(site: planning.RunContext, **request: Any) -> Run:
    """A run that asks for an approval, and has it."""
    plan = planning.make(site, "fake", Asked({"one": 1, "two": 2}, "high", **request))
    run = journal.create(site.store, plan, ALICE, site.environment.approvals)
    approvals.approve(site.store, run.id, BOB, site.environment.approvals)
    return run


def write(world: World, statement: str, *values: Any) -> int:
    with psycopg.connect(world.place.url or "", autocommit=True) as connection:
        return connection.execute(statement, values).rowcount


def rows(world: World, table: str, run: str) -> list[dict[str, Any]]:
    with psycopg.connect(world.place.url or "", row_factory=dict_row) as connection:
        key = "id" if table == "runs" else "run"
        query = sql.SQL("SELECT * FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(key))
        return connection.execute(query, [run]).fetchall()


def is_refused(store: Store, run: str) -> bool:
    """As the engine looks at each turn; what no longer can be read at all is refused as well."""
    try:
        with store.reading() as session:
            integrity.require_unaltered(session, journal.find(session, run))
    except Altered as error:
        return error.exit_code == 1 and "\n" not in error.message
    return False


ATTACKS: Sequence[tuple[str, str]] = [
    ("another value", """UPDATE runs SET plan = replace(plan, '"value":1', '"value":9')"""),
    ("another action", """UPDATE runs SET plan = replace(plan, 'fake.set', 'ecs.roll_service')"""),
    ("another undo", """UPDATE runs SET plan = replace(plan, '"value":null', '"value":9')"""),
    ("a longer deadline", """UPDATE runs SET plan = replace(plan, '60.0', '61.0')"""),
    ("another title", """UPDATE runs SET plan = replace(plan, 'Set one to 1', 'Set one to 7')"""),
    ("another note", """UPDATE runs SET plan = replace(plan, 'is not real', 'is real')"""),
    ("no longer JSON", "UPDATE runs SET plan = left(plan, 80)"),
    ("no longer a plan", "UPDATE runs SET plan = '[]'"),
    ("no steps", """UPDATE runs SET plan = '{"steps": null}'"""),
    ("another hash", "UPDATE runs SET plan_hash = repeat('0', 64)"),
    ("fewer approvals", "UPDATE runs SET approvals_needed = 0"),
    ("a longer approval", "UPDATE approvals SET expires_at = expires_at + interval '1 year'"),
    ("another approver", "UPDATE approvals SET person = 'alice', by = 'alice'"),
    ("an approval of nobody's", "INSERT INTO approvals (run, plan_hash, by, at, expires_at) "
     "SELECT id, plan_hash, 'carol', now(), now() + interval '1 hour' FROM runs"),
    ("no steps left", "DELETE FROM steps"),
    ("one step less", "DELETE FROM steps WHERE number = 2"),
    ("one step more", "INSERT INTO steps SELECT run, phase, 3, name, state, attempts, checkpoint, verdict, sentence, "
     "evidence, outputs FROM steps WHERE number = 1"),
    ("steps in another order", "UPDATE steps SET name = CASE name WHEN 'one' THEN 'two' ELSE 'one' END"),
    ("a step that is done", "UPDATE steps SET state = 'ended', verdict = 'succeeded' WHERE number = 1"),
    ("another checkpoint", """UPDATE steps SET checkpoint = '{"before": 9}' WHERE number = 1"""),
    ("another environment", "UPDATE runs SET environment = 'staging'"),
    ("another procedure", "UPDATE runs SET procedure = 'deploy'"),
]  # fmt: skip


@pytest.mark.parametrize("statement", [attack[1] for attack in ATTACKS], ids=[attack[0] for attack in ATTACKS])
def test_a_run_that_was_changed_is_refused_before_its_first_step(world: World, statement: str) -> None:
    with open_store(world.place) as store:
        run = planned(site_of(world, store))
    assert write(world, statement) > 0
    refused = world.omc("runs", "resume", run.id)
    assert (refused.returncode, refused.stderr.count("\n"), world.effects()) == (1, 1, []), refused.stderr
    assert "changed" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert world.proof().returncode == 1


def test_a_run_that_waits_cannot_be_let_go_by_its_row(world: World) -> None:
    with open_store(world.place) as store:
        site = site_of(world, store)
        plan = planning.make(site, "fake", Asked({"one": 1}, "high"))
        run = journal.create(store, plan, ALICE, site.environment.approvals)
        write(world, "UPDATE runs SET state = 'ready'")
        with pytest.raises(Altered, match=f"^The run {run.id} isn't the one .* state in runs was changed"):
            execute(site, run.id, "mallory", NullReporter())
        with store.reading() as session:
            ended = journal.find(session, run.id)
        assert (ended.state, ended.verdict) == (State.ENDED, "failed")
        other = journal.create(store, plan, ALICE, site.environment.approvals)
        write(world, f"UPDATE runs SET plan = replace(plan, '\"value\":1', '\"value\":9') WHERE id = '{other.id}'")
        with pytest.raises(Altered):
            approvals.approve(store, other.id, BOB, site.environment.approvals)
    assert world.effects() == []


def test_a_run_that_was_changed_half_way_is_not_gone_on_with(world: World) -> None:
    world.trouble("watch one", "die")
    arguments = ("fake", "--env", "production", "one=1", "two=2", "--yes", "--confirm", "production")
    world.omc(*arguments)
    run = world.last_run()
    write(world, 'UPDATE runs SET plan = replace(plan, \'"value":"2"\', \'"value":"9"\')')
    refused = world.omc("runs", "resume", run)
    assert (refused.returncode, refused.stderr.count("changed behind omc's back")) == (1, 1), refused.stderr
    assert world.effects() == ["one one=1"]
    [row] = world.runs()
    assert (row["state"], row["verdict"]) == ("ended", "unknown")  # what it had done can't be told from its rows
    assert world.set("three=3", env="production").returncode == 0  # the environment can be changed again


def test_an_undo_rests_on_what_was_done_and_not_on_what_a_row_says(world: World) -> None:
    world.set("one=1", "two=2", env="production")
    run = world.last_run()
    write(world, "UPDATE steps SET checkpoint = '{\"before\": 9}' WHERE number = 1")
    refused = world.omc("runs", "undo", run, "--yes", "--confirm", "production")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
    assert world.effects() == ["one one=1", "two two=2"]


def test_undoing_is_held_against_the_record_too(world: World) -> None:
    with open_store(world.place) as store:
        site = site_of(world, store)
        run = planned(site)
        lease = journal.claim(store, run.id, "alice")
        assert lease is not None
        journal.begin(lease, "alice")
        journal.begin_undo(lease, "alice", ["one"])
        journal.release(lease, "alice")
        write(world, "UPDATE steps SET name = 'two' WHERE phase = 'undo'")
        with pytest.raises(Altered, match="name in steps was changed"):
            execute(site, run.id, "alice", NullReporter())
    assert world.effects() == []


def test_a_timer_that_was_changed_is_not_done(world: World) -> None:
    with open_store(world.place) as store:
        site = site_of(world, store, "staging")
        due = store.now()
        right, wrong = (
            set_timer(store, "staging", "fake", asdict(Asked({key: 1})), due, why="later", actor="alice")
            for key in ("one", "two")
        )
        write(world, f"UPDATE timers SET request = replace(request, 'two', 'six') WHERE id = '{wrong.id}'")
        worker = Worker(world.stack, (site.environment,), store, ALICE, NullReporter(), catalogue)
        while worker.run_once():
            pass
    assert world.effects() == ["one one=1"]
    with psycopg.connect(world.place.url or "", row_factory=dict_row) as connection:
        kept = {row["id"]: row for row in connection.execute("SELECT * FROM timers").fetchall()}
    assert kept[right.id]["state"] == "done"
    assert kept[wrong.id]["state"] == "failed"
    assert "request in timers was changed behind omc's back" in kept[wrong.id]["sentence"]


def _other(value: Any) -> Any:
    """Another value of the same kind."""
    if value is None or isinstance(value, str):
        return f"{value or ''}x"
    return value + 1 if isinstance(value, int) else value.replace(year=2001)


@pytest.mark.parametrize("table", ["runs", "steps", "approvals"])
def test_every_column_counts(world: World, table: str) -> None:
    with open_store(world.place) as store:
        run = planned(site_of(world, store))
        [row, *_] = rows(world, table, run.id)
        for column, value in row.items():
            if column in {*WHO_WORKS, "id", "run"}:
                continue
            times = {"started_at", "ended_at", "intended_at", "performed_at", "lost_at"}
            other = "2001-01-01T00:00:00Z" if column in times else _other(value)
            numbered = " AND number = 1" if table == "steps" else ""
            key = "id" if table == "runs" else "run"
            where = f"WHERE {key} = '{run.id}'{numbered}"
            try:
                write(world, f"UPDATE {table} SET {column} = %s {where}", other)
            except psycopg.IntegrityError:
                continue  # undo_of, number: the database itself refuses
            assert is_refused(store, run.id), column
            write(world, f"UPDATE {table} SET {column} = %s {where}", value)
            assert not is_refused(store, run.id), column


def test_every_byte_of_the_plan_and_of_what_steps_found_out_counts(world: World) -> None:
    """A sample of bytes, each put to another; what still means the same JSON is the same."""
    with open_store(world.place) as store:
        run = planned(site_of(world, store))
        lease = journal.claim(store, run.id, "alice")
        assert lease is not None
        found = {"arn": "arn:fake:one", "before": None, "count": 3}
        journal.intend(lease, "alice", Phase.PERFORM, 1)
        journal.performed(lease, "alice", Phase.PERFORM, 1, found, already=False)
        chance = random.Random(9)
        places: list[tuple[str, str, Callable[[], str]]] = [
            ("runs", "plan", lambda: rows(world, "runs", run.id)[0]["plan"]),
            (
                "steps",
                "checkpoint",
                lambda: next(r["checkpoint"] for r in rows(world, "steps", run.id) if r["number"] == 1),
            ),
        ]
        for table, column, read in places:
            text = read()
            where = f"WHERE {'id' if table == 'runs' else 'run'} = '{run.id}'" + (
                "" if table == "runs" else " AND number = 1"
            )
            numbers = range(len(text)) if len(text) < 100 else chance.sample(range(len(text)), 150)
            for number in numbers:
                letter = chance.choice([each for each in '09az"\\{[,: ' if each != text[number]])
                changed = text[:number] + letter + text[number + 1 :]
                try:
                    same = json.loads(changed) == json.loads(text)
                except ValueError:
                    same = False
                write(world, f"UPDATE {table} SET {column} = %s {where}", changed)
                assert is_refused(store, run.id) or same, changed
            write(world, f"UPDATE {table} SET {column} = %s {where}", text)
            assert not is_refused(store, run.id)
