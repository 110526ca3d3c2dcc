"""Killed at any moment, paused past its lease, cut off from its database: effects happen once, the run goes on."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omc.engine import worker
from omc.store import embedded
from omc.store.runs import LEASE
from support.engine_world import World
from support.waiting import eventually


def finish(world: World, *, before: int) -> dict[str, Any]:
    """Whatever is left to do after the kill, as a person would do it."""
    found = world.runs()
    if len(found) == before:
        return {}  # it died before there was a run
    if found[0]["state"] != "ended":
        world.omc("runs", "resume", found[0]["run"])
    return world.runs()[0]


@pytest.mark.parametrize("fails", [False, True])
def test_killed_at_every_moment_each_effect_happens_once(world: World, fails: bool) -> None:
    """Before and after each commit, and before and after each effect; also while it undoes."""
    moment = 0
    while True:
        moment += 5 if fails else 2
        (world.folder / "effects").unlink(missing_ok=True)
        (world.folder / "values.json").unlink(missing_ok=True)
        world.trouble("outcome two", *(["failed"] if fails else []))
        before = len(world.runs())
        killed = world.start(
            "fake", "--env", "local", "one=1", "two=2", "--yes", FAKE_POINTS="1", FAKE_DIE_AT=str(moment)
        ).done()
        if killed.returncode != -signal.SIGKILL:
            assert killed.returncode == (4 if fails else 0), killed.stderr
            break  # it came to its end before that moment: every moment was tried
        run = finish(world, before=before)
        if not run:
            assert world.effects() == []
            continue
        expected = ["one one=1", "two two=2", *(["two two=None", "one one=None"] if fails else [])]
        assert (world.effects(), run["verdict"]) == (expected, "rolled back" if fails else "succeeded"), moment
    assert moment > 30
    proof = world.proof()
    assert proof.returncode == 0, proof.stdout


def test_a_worker_takes_over_within_ten_seconds_of_a_kill(world: World) -> None:
    """Ten is what the lease and a look for work come to; this machine's own slowness is not counted."""
    assert LEASE + worker.POLL_INTERVAL < 10
    (world.folder / "hold two").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--yes")
    eventually("the second step is watched", lambda: world.is_held("two"))
    process = world.start("worker", "--env", "local", who="worker")
    eventually("the worker works", lambda: "works for local" in process.err.read_text())
    holder = world.runs()[0]["holder"]
    first.send(signal.SIGKILL)
    (world.folder / "hold two").unlink()
    eventually("the run has ended", lambda: world.runs()[0]["state"] == "ended")
    assert world.runs()[0]["verdict"] == "succeeded"
    assert [event["details"].get("over_from") for event in _events(world) if event["kind"] == "run.taken"] == [
        None,
        holder,
    ]
    assert world.effects() == ["one one=1", "two two=2"]
    listed = world.omc("runs", "list", "--output", "json").json
    assert listed["workers"] == 1
    process.send(signal.SIGTERM)
    assert process.done().returncode == 0
    assert world.omc("runs", "list", "--output", "json").json["workers"] == 0


@pytest.mark.parametrize("moment", ["look two", "watch one"])
def test_a_paused_runner_that_wakes_up_neither_writes_nor_performs(world: World, moment: str) -> None:
    world.trouble(moment, "stop")
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--yes")
    eventually("the runner is paused", lambda: (world.folder / "stopped").exists() and _state(first.pid) == "T")
    lapses = world.runs()[0]["lease_until"]
    second = world.omc("runs", "resume", world.last_run(), who="bob")
    assert second.returncode == 0, second.stderr
    assert datetime.now(UTC) > lapses, "it was taken over before the lease had run out"
    effects, events = world.effects(), _events(world)
    first.send(signal.SIGCONT)
    done = first.done()
    assert "taken over" in done.stderr
    assert done.returncode == 0  # it says how the run ended in the other's hands
    assert effects == world.effects() == ["one one=1", "two two=2"]
    assert events == _events(world)
    assert world.proof().returncode == 0


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _events(world: World) -> list[dict[str, Any]]:
    recorded: list[dict[str, Any]] = world.omc("audit", "show", "--last", "1000", "--output", "json").json
    return recorded


def test_a_runner_starts_its_database_again_when_somebody_kills_it(world: World) -> None:
    (world.folder / "hold one").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--yes", OMC_STORE_URL="")
    eventually("the first step has its effect", world.effects)
    server = embedded._living(world.folder / "state" / "omc" / "data")
    assert server is not None
    os.kill(server, signal.SIGKILL)
    (world.folder / "hold one").unlink()
    done = first.done()
    assert done.returncode == 0, done.stderr
    assert world.effects() == ["one one=1", "two two=2"]
    proof = world.omc("audit", "verify", OMC_STORE_URL="")
    assert proof.returncode == 0, proof.stdout
    assert embedded._living(world.folder / "state" / "omc" / "data") is None


def test_a_runner_survives_the_loss_of_its_connections(world: World, server: Any) -> None:
    (world.folder / "hold one").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--yes")
    eventually("the first step has its effect", lambda: world.effects())
    for _ in range(3):
        with embedded.connect(server.data) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'omc'")
        time.sleep(0.2)
    (world.folder / "hold one").unlink()
    done = first.done()
    assert done.returncode == 0, done.stderr
    assert world.effects() == ["one one=1", "two two=2"]
