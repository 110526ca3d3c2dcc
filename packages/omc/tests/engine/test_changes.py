"""A change from the question to the verdict: planned, asked, performed, undone, cancelled, recorded."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from omc.store import embedded
from support.commands import CommandResult
from support.engine_world import World
from support.waiting import eventually


def steps(document: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(step["phase"], step["name"], step["verdict"]) for step in document["run"]["steps"]]


def test_a_plan_is_performed_in_order_and_the_record_is_unbroken(world: World) -> None:
    done = world.set("one=1", "two=2", more=("--chained", "--output", "json"))
    assert done.returncode == 0, done.stderr
    assert world.effects() == ["one one=1", "two two=2", "copy copy=arn:fake:one"]
    run = done.json["run"]
    assert (run["verdict"], run["actor"], run["exit_code"]) == ("succeeded", "github:alice", 0)
    assert run["steps"][0]["evidence"] == {"value": "1", "password": "[redacted]"}
    assert run["plan"]["hash"] == done.json["plan"]["hash"]
    assert done.json["plan"]["commands"] == [
        "fake set --in local one=1",
        "fake set --in local two=2",
        "fake set --in local copy=$ONE_ARN",
    ]
    proof = world.proof()
    assert proof.returncode == 0, proof.stdout
    assert "UNBROKEN: " in proof.stdout


def test_a_dry_run_shows_the_plan_and_changes_nothing(world: World) -> None:
    done = world.omc("fake", "--env", "local", "one=1", "--dry-run")
    assert done.returncode == 0
    for part in ("Set one", "risk low", "None → 1", "undo: one back to None", "not real", "--explain"):
        assert part in done.stdout
    by_hand = "fake set --in local one=1"
    assert by_hand not in done.stdout
    assert by_hand in world.omc("fake", "--env", "local", "one=1", "--dry-run", "--explain").stdout
    assert (world.effects(), world.runs()) == ([], [])


def test_refusals_are_shown_and_nothing_begins(world: World) -> None:
    for more in ((), ("--dry-run",)):
        done = world.omc("fake", "--env", "local", "one=broken", "--yes", *more)
        assert done.returncode == 1
        assert "Refused: one must not be broken." in done.stdout
    assert (world.effects(), world.runs()) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--env", "local"], "say --yes"),
        (["--env", "production", "--yes"], "--confirm production"),
        (["--env", "production", "--yes", "--confirm", "staging"], "is not the environment that would be changed"),
        (["--env", "staging", "--yes", "--risk", "destructive"], "--confirm staging"),
    ],
)
def test_nobody_to_ask_is_a_wrong_use(world: World, arguments: list[str], expected: str) -> None:
    done = world.omc("fake", "one=1", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert expected in done.stderr
    assert world.effects() == []


def test_what_could_not_be_asked_is_asked_again_and_done_once(world: World) -> None:
    world.trouble("look one", "throttled")
    world.trouble("perform one", "unreachable")
    world.trouble("after one", "cut")  # the effect took place, the answer got lost
    world.trouble("watch one", "throttled")
    done = world.set("one=1", more=("--output", "json"))
    assert done.returncode == 0, done.stderr
    assert world.effects() == ["one one=1"]
    assert done.json["run"]["steps"][0]["attempts"] == 4


@pytest.mark.parametrize(
    ("moment", "word", "code", "expected"),
    [
        ("perform two", "refused", 4, "ValidationException"),
        ("perform two", "denied", 4, "not allowed"),
        ("perform two", "odd", 4, "said  and ? and password=[redacted]"),
        ("perform two", "bug", 3, "ZeroDivisionError"),
        ("look two", "bug", 4, "ZeroDivisionError"),
        ("watch two", "bug", 3, "ZeroDivisionError"),
        ("watch two", "refused", 3, "no way to find out how it went"),
        ("outcome two", "failed", 4, "two failed"),
        ("outcome two", "rolled-back", 4, "two rolled-back"),
        ("outcome two", "superseded", 5, "two superseded"),
        ("outcome two", "unknown", 3, "two unknown"),
    ],
)
def test_every_way_to_go_wrong_has_its_verdict(world: World, moment: str, word: str, code: int, expected: str) -> None:
    world.trouble(moment, word)
    done = world.set("one=1", "two=2", more=("--output", "json"))
    assert done.returncode == code, done.stderr
    assert expected in done.json["run"]["sentence"]
    undone = [step for step in done.json["run"]["steps"] if step["phase"] == "undo"]
    assert bool(undone) == (code == 4)
    assert world.values()["one"] == (None if code == 4 else "1")
    assert world.proof().returncode == 0


def test_a_failure_is_undone_in_reverse(world: World) -> None:
    world.trouble("outcome three", "wait", "failed")
    done = world.set("one=1", "two=2", "three=3", more=("--output", "json"))
    assert done.returncode == 4
    assert world.effects()[3:] == ["three three=None", "two two=None", "one one=None"]
    assert "Undone: three back to None, two back to None, one back to None." in done.json["run"]["sentence"]


def test_a_first_step_that_is_refused_changed_nothing(world: World) -> None:
    world.trouble("perform one", "refused")
    done = world.set("one=1", more=("--output", "json"))
    assert done.returncode == 1
    assert done.json["run"]["sentence"].endswith("Nothing was changed.")


def test_an_undo_that_fails_is_no_rollback(world: World) -> None:
    world.trouble("perform two", "refused")
    world.trouble("outcome one", "succeeded", "failed")
    done = world.set("one=1", "two=2", more=("--output", "json"))
    assert done.returncode == 1
    assert "Undoing one did not work" in done.json["run"]["sentence"]


def test_without_undo_on_failure_what_was_done_stays_and_is_reported(world: World) -> None:
    world.trouble("outcome two", "failed")
    done = world.set("one=1", "two=2", more=("--no-undo", "--output", "json"))
    assert done.returncode == 1
    assert "Still done: Set one to 1. Begun, and done at least in part: Set two to 2." in done.json["run"]["sentence"]
    assert world.values() == {"one": "1", "two": "2"}


def test_a_step_past_its_deadline_is_unknown_and_says_why(world: World) -> None:
    (world.folder / "hold one").touch()
    done = world.set("one=1", more=("--deadline", "0.3", "--output", "json"))
    assert (done.returncode, done.json["run"]["verdict"]) == (3, "unknown")
    assert "not known after 0 s" in done.json["run"]["sentence"]
    world.trouble("look two", *["unreachable"] * 20)
    done = world.set("two=2", more=("--deadline", "0.6", "--output", "json"))
    assert done.returncode == 3
    assert "does not answer" in done.json["run"]["sentence"]
    assert world.effects() == ["one one=1"]


def test_expired_credentials_keep_the_run_for_later(world: World) -> None:
    world.trouble("perform one", "expired")
    done = world.set("one=1")
    assert done.returncode == 3
    assert "omc runs resume" in done.stderr
    assert world.runs()[0]["state"] == "running"
    assert world.omc("runs", "resume", world.last_run()).returncode == 0
    assert world.effects() == ["one one=1"]


def test_only_one_change_at_a_time_in_an_environment(world: World) -> None:
    (world.folder / "hold one").touch()
    first = world.start("fake", "--env", "local", "one=1", "--yes")
    eventually("the first step has its effect", lambda: world.effects())
    run = world.last_run()
    second = world.set("two=2", who="bob")
    assert second.returncode == 1
    assert f"local is being changed already: {run} (Set one) by github:alice since" in second.stderr
    assert f"omc runs cancel {run}" in second.stderr
    other = world.set("three=3", env="staging")
    assert other.returncode == 0, other.stderr
    (world.folder / "hold one").unlink()
    assert first.done().returncode == 0


def test_a_run_that_is_cancelled_undoes_what_it_did(world: World) -> None:
    (world.folder / "hold two").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--yes")
    eventually("both steps have their effects", lambda: len(world.effects()) == 2)
    cancelled = world.omc("runs", "cancel", world.last_run(), who="bob")
    assert cancelled.returncode == 0, cancelled.stderr
    done = first.done()
    assert done.returncode == 4
    assert "cancelled while it was under way" in done.stdout
    assert world.values() == {"one": None, "two": None}
    assert world.proof().returncode == 0


def test_cancelled_without_undo_says_what_stays(world: World) -> None:
    (world.folder / "hold one").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--no-undo", "--yes")
    eventually("the first step has its effect", lambda: world.effects())
    assert world.omc("runs", "cancel", world.last_run()).returncode == 0
    done = first.done()
    assert done.returncode == 7
    assert "Begun, and done at least in part: Set one to 1." in done.stdout
    again = world.omc("runs", "cancel", world.last_run())
    assert again.returncode == 2
    assert "has ended (cancelled)" in again.stderr


def test_what_goes_on_unwatched_is_reported(world: World) -> None:
    for step in ("one", "two"):
        (world.folder / f"goes on {step}").touch()
        (world.folder / f"hold {step}").touch()
    first = world.start("fake", "--env", "local", "one=1", "--no-undo", "--yes", "--output", "json")
    eventually("the first step has its effect", world.effects)
    assert world.omc("runs", "cancel", world.last_run()).returncode == 0
    message = (
        "Set one to 1: cancelled while it was under way. one goes on. Begun, and done at least in part: Set one to 1."
    )
    assert first.done().json["run"]["sentence"] == message
    late = world.set("two=2", more=("--deadline", "0.3", "--no-undo", "--output", "json"))
    assert "nothing says that it failed. two goes on." in late.json["run"]["sentence"]


def test_a_cancel_is_seen_while_an_effect_takes_long(world: World) -> None:
    """What it did of it stays and is said; the steps before it are taken back."""
    (world.folder / "long two").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--yes")
    eventually("both steps have their effects", lambda: len(world.effects()) == 2)
    assert world.omc("runs", "cancel", world.last_run()).returncode == 0
    done = first.done()
    assert done.returncode == 4, done.stderr
    assert "Set two to 2: cancelled; two is half set. Undone: one back to None." in done.stdout
    assert world.effects() == ["one one=1", "two two=2", "one one=None"]
    assert world.proof().returncode == 0


def test_of_a_run_that_was_cut_short_it_is_not_said_that_nothing_was_changed(world: World) -> None:
    (world.folder / "long one").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--yes", "--output", "json")
    eventually("the first step has its effect", world.effects)
    assert world.omc("runs", "cancel", world.last_run()).returncode == 0
    done = first.done()
    assert (done.returncode, done.json["run"]["sentence"]) == (7, "Set one to 1: cancelled; one is half set.")
    assert world.effects() == ["one one=1"]


def test_after_an_effect_that_could_not_be_stopped_the_next_is_not_begun(world: World) -> None:
    (world.folder / "long one").touch()
    (world.folder / "deaf").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--no-undo", "--yes", "--output", "json")
    eventually("the first step has its effect", world.effects)
    assert world.omc("runs", "cancel", world.last_run(), "--no-wait").returncode == 0
    (world.folder / "long one").unlink()
    done = first.done()
    assert (done.returncode, done.json["run"]["sentence"]) == (7, "Cancelled. Still done: Set one to 1.")
    assert steps(done.json) == [("perform", "one", "succeeded"), ("perform", "two", None)]


def test_undoing_is_not_cancelled(world: World) -> None:
    (world.folder / "hold two").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--yes")
    eventually("both steps have their effects", lambda: len(world.effects()) == 2)
    (world.folder / "long one").touch()
    cancel = world.start("runs", "cancel", world.last_run())
    eventually("the first step is undone", lambda: world.effects()[-1] == "one one=None")
    (world.folder / "long one").unlink()
    assert first.done().returncode == 4
    assert cancel.done().returncode == 0
    assert world.values() == {"one": None, "two": None}


def test_a_record_that_does_not_answer_ends_no_effect(world: World, server: Any) -> None:
    (world.folder / "long one").touch()
    first = world.start("fake", "--env", "local", "one=1", "--yes")
    eventually("the first step has its effect", world.effects)
    connections = "FROM pg_stat_activity WHERE application_name = 'omc'"
    for _ in range(3):
        with embedded.connect(server.data) as connection:
            old = connection.execute(f"SELECT pid, pg_terminate_backend(pid) {connections}").fetchall()
            gone = [pid for pid, _ in old]
            eventually(
                "omc has connected again",
                lambda: connection.execute(f"SELECT 1 {connections} AND pid <> ALL (%s)", [gone]).fetchone(),  # noqa: B023
            )
    (world.folder / "long one").unlink()
    done = first.done()
    assert done.returncode == 0, done.stderr
    assert world.effects() == ["one one=1"]


def test_ctrl_c_leaves_a_run_that_is_resumed(world: World) -> None:
    (world.folder / "hold one").touch()
    first = world.start("fake", "--env", "local", "one=1", "two=2", "--yes")
    eventually("the first step is watched", lambda: world.is_held("one"))
    first.send(signal.SIGINT)
    done = first.done()
    assert done.returncode == 130
    run = world.last_run()
    assert f"omc runs resume {run}" in done.stderr
    (world.folder / "hold one").unlink()
    resumed = world.omc("runs", "resume", run[:5], "--output", "json")
    assert resumed.returncode == 0, resumed.stderr
    assert world.effects() == ["one one=1", "two two=2"]
    assert world.omc("runs", "resume", run).returncode == 2


def test_an_ended_run_is_taken_back_by_another(world: World) -> None:
    world.set("one=1", "two=2")
    first = world.last_run()
    shown = world.omc("runs", "undo", first, "--dry-run")
    assert "two back to None" in shown.stdout
    done = world.omc("runs", "undo", first, "--yes", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert (world.values(), done.json["run"]["undo_of"]) == ({"one": None, "two": None}, first)
    world.trouble("perform three", "refused")
    world.set("three=3")
    refused = world.omc("runs", "undo", world.last_run(), "--yes")
    assert refused.returncode == 1
    assert "left nothing that can be undone" in refused.stderr


def test_a_stale_plan_is_refused_and_shown_anew(world: World) -> None:
    world.set("one=1")
    waiting = world.start("fake", "--env", "production", "one=2", "--risk", "high", "--yes", "--confirm", "production")
    eventually("the second run is in the store", lambda: len(world.runs()) == 2)
    run = world.last_run()
    world.set("one=3")
    assert world.omc("approve", run, who="bob").returncode == 0
    done = waiting.done()
    assert done.returncode == 1
    assert "It would now be" in done.stdout
    assert "3 → 2" in done.stdout
    assert world.values() == {"one": "3"}
    shown = world.omc("runs", "show", run, "--output", "json").json
    assert shown["approvals"][0]["lost_at"] is not None
    assert "stale" in shown["sentence"]
    assert world.proof().returncode == 0


def test_show_and_list_in_every_form(world: World) -> None:
    world.trouble("outcome two", "failed")
    world.set("one=1", "two=2")
    run = world.last_run()
    table, markdown = (
        world.omc("runs", "show", run).stdout,
        world.omc("runs", "show", run, "--output", "markdown").stdout,
    )
    for text in (table, markdown):
        for part in (
            run,
            "GitHub user alice, confirmed",
            "two failed.",
            "it broke",
            "None → 1",
        ):
            assert part in text, text
    assert f"| {run} | local | rolled back |" in world.omc("runs", "list", "--output", "markdown").stdout
    assert world.omc("runs", "list", "--env", "staging").stdout.strip() == "No run yet."
    missing = world.omc("runs", "show", "zzzzzzzz")
    assert (missing.returncode, missing.stderr) == (2, "omc: There is no run zzzzzzzz. See: omc runs list\n")


def test_undoing_looks_first_whether_a_later_run_has_changed_the_same(world: World) -> None:
    def undo(run: str, *more: str) -> CommandResult:
        return world.omc("runs", "undo", run, "--yes", *more)

    world.set("one=1")
    first = world.last_run()
    world.set("two=2")  # another thing
    world.set("one=5")
    later = world.last_run()
    refused = undo(first)
    assert refused.returncode == 1
    assert f"omc runs undo {later}" in refused.stdout
    assert "has changed one since" in refused.stdout
    assert world.values()["one"] == "5"
    assert undo(later).returncode == 0
    assert world.values()["one"] == "1"
    done = undo(first)  # what came later is undone
    assert done.returncode == 0, done.stdout
    assert world.values()["one"] is None
