"""The record: unbroken as long as nobody touches it, and every way of touching it is found."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from omc.store import embedded
from omc.store.redaction import REDACTED, plain, without_secrets
from support.engine_world import World


def tamper(world: World, server: Any, *statements: str) -> None:
    """As whoever owns the database could."""
    with embedded.connect(server.data, _database(world)) as connection:
        connection.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
        for statement in statements:
            connection.execute(statement.encode())
        connection.execute("ALTER TABLE audit_log ENABLE TRIGGER USER")


def _database(world: World) -> str:
    return (world.place.url or "").partition("@/")[2].partition("?")[0]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "UPDATE audit_log SET body = replace(body, 'alice', 'mallory') WHERE number = 1",
            "Event 1 (record begun) was changed",
        ),
        ("UPDATE audit_log SET kind = 'run.ended' WHERE number = 2", "its kind was changed"),
        ("DELETE FROM audit_log WHERE number = 4", "Event 4 is missing"),
        ("DELETE FROM audit_log WHERE number > 6", "is not what the record says"),
        ("UPDATE runs SET actor = 'mallory'", "actor is not what the record says"),
        ("UPDATE steps SET verdict = 'failed'", "verdict is not what the record says"),
        ("DELETE FROM steps", "is in the record but was deleted"),
        ("UPDATE runs SET plan = replace(plan, 'Set one', 'Set two')", "plan is not what the record says"),
    ],
)
def test_whoever_touches_the_record_is_found_out(world: World, server: Any, statement: str, expected: str) -> None:
    world.set("one=1")
    assert world.proof().returncode == 0
    tamper(world, server, statement)
    proof = world.proof()
    assert proof.returncode == 1
    assert expected in proof.stdout


def test_a_tail_cut_off_with_its_rows_is_found_by_the_head_that_was_kept(world: World, server: Any) -> None:
    world.set("one=1")
    world.set("two=2")
    head = world.omc("audit", "verify", "--output", "json").json["stores"][0]["head"]
    last = world.last_run()
    assert world.omc("audit", "verify", "--env", "local", "--expect", head).returncode == 0
    tamper(
        world,
        server,
        f"DELETE FROM audit_log WHERE run = '{last}'",
        f"DELETE FROM steps WHERE run = '{last}'",
        f"DELETE FROM runs WHERE id = '{last}'",
    )
    assert world.proof().returncode == 0  # nothing in the database tells any more
    proof = world.omc("audit", "verify", "--env", "local", "--expect", head)
    assert proof.returncode == 1
    assert "cut off" in proof.stdout


def test_the_database_itself_refuses_to_change_the_record(world: World, server: Any) -> None:
    world.set("one=1")
    for statement in ("UPDATE audit_log SET kind = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with (
            embedded.connect(server.data, _database(world)) as connection,
            pytest.raises(psycopg.Error, match="append"),
        ):
            connection.execute(statement.encode())


def test_no_secret_gets_into_the_record_or_onto_the_screen(world: World, server: Any) -> None:
    done = world.set("one=1")
    assert done.returncode == 0
    with embedded.connect(server.data, _database(world)) as connection:
        events = connection.execute("SELECT body FROM audit_log").fetchall()
    assert events
    assert not [body for (body,) in events if "hunter2" in body]
    shown = world.omc("runs", "show", world.last_run(), "--output", "json").stdout
    assert "hunter2" not in done.stdout + done.stderr + shown
    assert world.proof().returncode == 0


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"password": "x", "DB_PASSWORD": "y", "nested": {"apiKey": "z"}}, False),
        ({"name": "DATABASE_PASSWORD", "value": "x"}, False),
        ({"credentials": {"inner": "x"}}, False),
        ({"url": "postgresql://omc:x@host/omc"}, False),
        ({"line": "login with AKIAIOSFODNN7EXAMPLE"}, False),
        ({"line": "curl -H token=x"}, False),
        ({"SecretArn": "arn:aws:secretsmanager:x"}, True),
        ({"secret": "arn:aws:secretsmanager:x"}, True),
        ({"secret_name": "x", "nextToken": "x"}, True),
        ({"image": "1.dkr.ecr.ap-southeast-2.amazonaws.com/x@sha256:" + "a" * 64}, True),
        ({"name": "backend", "value": "x"}, True),
    ],
)
def test_what_looks_like_a_secret_is_left_out_and_nothing_else(value: Any, kept: bool) -> None:
    found = without_secrets(value)
    assert (found == value) is kept
    assert (REDACTED in str(found)) is not kept
    assert without_secrets(found) == found


def test_whatever_an_action_finds_can_be_written_down() -> None:
    import json
    from datetime import UTC, datetime

    found = plain({"at": datetime(2026, 1, 1, tzinfo=UTC), "n": float("nan"), "s": {"x"}, 1: (1, b"a")})
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "at": "2026-01-01T00:00:00+00:00",
        "n": "nan",
        "s": ["x"],
        "1": [1, "b'a'"],
    }
