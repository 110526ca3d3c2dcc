"""What became of a deployment, judged from one reading: never success unless it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omc.actions.action import Context, Verdict, action_named
from omc.actions.ecs.run_task import message_of, schema_of
from omc.actions.ecs.verdict import Expected, Judgement, all_healthy, judge
from omc.facts.deployments import ServiceDeployment
from omc.facts.load_balancers import Target
from omc.facts.rollouts import Rollout
from omc.facts.services import Deployment
from omc.facts.tasks import RunningTask
from omc.model.arguments.ecs import RollService, RunTask
from omc.procedures.definition_changes import changes, with_image
from support import release_facts as example

NEW, OLD = "ohmycoins-backend:8", "ohmycoins-backend:7"
EXPECTED = Expected("backend", NEW, {"backend": example.digest("b")})
OURS = "arn:ours"


def ours(status: str, **more: Any) -> ServiceDeployment:
    return replace(example.deployed(NEW, 0, status, **more), arn=OURS)


def task(number: int, revision: str = NEW, letter: str = "b", status: str = "RUNNING") -> RunningTask:
    images = {"backend": example.pinned("backend", letter)}
    digests = {"backend": example.digest(letter)}
    return RunningTask(f"task{number}", revision, status, "HEALTHY", images, digests, (f"10.0.0.{number}",))


def target(number: int, state: str = "healthy") -> Target:
    return Target(f"10.0.0.{number}", 8000, state, "", "")


def rollout(deployment: ServiceDeployment | None, **more: Any) -> Rollout:
    """Two tasks of the new revision, healthy."""
    record: dict[str, Any] = {
        "service": example.service("backend", 8),
        "ours": deployment,
        "newest": deployment,
        "tasks": (task(1), task(2)),
        "targets": (target(1), target(2)),
    }
    return Rollout(**(record | more))


def judged(deployment: ServiceDeployment | None, **more: Any) -> Judgement:
    return judge(rollout(deployment, **more), EXPECTED, OURS)


def test_completed_with_the_right_image_on_healthy_targets_is_success() -> None:
    assert judged(ours("SUCCESSFUL")) == Judgement(
        Verdict.SUCCEEDED, f"backend runs {NEW} on 2 tasks, 2 targets healthy."
    )


def test_a_deployment_that_goes_on_tells_how_far_it_is() -> None:
    deployments = (
        Deployment("1", "PRIMARY", "IN_PROGRESS", "", 2, 1, 1, 1, NEW, example.NOW, example.NOW),
        Deployment("0", "ACTIVE", "COMPLETED", "", 2, 2, 0, 0, OLD, example.NOW, example.NOW),
    )
    service = example.service("backend", 8)
    found = judged(ours("IN_PROGRESS"), service=replace(service, deployments=deployments))
    assert found == Judgement(
        None, "backend: 1 of 2 new tasks run, 1 starting, 1 failed, 2 old, 2 of 2 targets healthy"
    )


@pytest.mark.parametrize("status", ["PENDING", "IN_PROGRESS", "SUCCESSFUL", "STOPPED", "ROLLBACK_IN_PROGRESS"])
@pytest.mark.parametrize("minutes", [1, 60, 100_000])
def test_a_list_that_lags_behind_supersedes_nothing(status: str, minutes: int) -> None:
    """ListServiceDeployments may not show ours yet: the one before is no successor, whatever became of it."""
    found = judged(ours(status), newest=example.deployed(OLD, minutes))
    assert found.verdict is not Verdict.SUPERSEDED
    assert found == judged(ours(status))


def test_a_service_that_lags_behind_is_no_success_yet() -> None:
    found = judged(ours("SUCCESSFUL"), service=example.service("backend", 7))
    assert found == Judgement(None, f"backend: its primary deployment is of {OLD}")


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        (ours("ROLLBACK_SUCCESSFUL", back_to=OLD, breaker="TRIGGERED", rollback_reason="tasks failed to start"),
         "circuit breaker: tasks failed to start"),
        (ours("ROLLBACK_SUCCESSFUL", back_to=OLD, alarms=("5xx", "unhealthy")), "alarm 5xx, unhealthy"),
        (ours("ROLLBACK_SUCCESSFUL", back_to=OLD), "ECS gives no reason"),
    ],
)  # fmt: skip
def test_ecs_settled_on_the_old_revision_is_rolled_back_with_why(deployment: ServiceDeployment, expected: str) -> None:
    """Everything is stable and healthy, on what ran before."""
    old = (task(1, OLD, "a"), task(2, OLD, "a"))
    found = judged(deployment, service=example.service("backend", 7), tasks=old)
    assert found == Judgement(Verdict.ROLLED_BACK, f"ECS rolled backend back to {OLD}: {expected}.")


def test_a_rollback_under_way_is_no_verdict_yet() -> None:
    assert judged(ours("ROLLBACK_IN_PROGRESS", back_to=OLD)).verdict is None


def test_a_rollback_that_failed_is_a_failure() -> None:
    assert judged(ours("ROLLBACK_FAILED", back_to=OLD)).verdict is Verdict.FAILED


def test_stopped_by_another_deployment_is_superseded_and_stopped_by_hand_failed() -> None:
    theirs = example.deployed("ohmycoins-backend:9", 0, "IN_PROGRESS")
    found = judged(ours("STOPPED"), newest=theirs)
    assert found.verdict is Verdict.SUPERSEDED
    assert "another deployment, of ohmycoins-backend:9, took its place" in found.sentence
    assert judged(ours("STOPPED")).verdict is Verdict.FAILED


def test_superseded_even_where_ours_was_completed_first() -> None:
    assert judged(ours("SUCCESSFUL"), newest=example.deployed(OLD, 0)).verdict is Verdict.SUPERSEDED


@pytest.mark.parametrize(
    "more",
    [
        {"tasks": (task(1),)},
        {"tasks": (task(1), task(2, OLD, "a"))},
        {"tasks": (task(1), task(2, NEW, "a"))},
        {"tasks": (task(1), task(2, status="PENDING"))},
        {"targets": (target(1), target(2, "initial"))},
        {"targets": (target(1),)},
        {"service": replace(example.service("backend", 8), deployments=example.service("backend", 7).deployments)},
    ],
    ids=["a task lacks", "an old task", "another image", "starts", "target not healthy", "target lacks", "primary"],
)
def test_completed_is_not_enough(more: dict[str, Any]) -> None:
    assert judged(ours("SUCCESSFUL"), **more).verdict is None


def test_nothing_wanted_is_no_success() -> None:
    found = judged(ours("SUCCESSFUL"), service=example.service("backend", 8, desired=0), tasks=(), targets=())
    assert found.verdict is Verdict.FAILED
    assert "scaled to zero" in found.sentence


def test_a_service_that_is_gone_and_a_deployment_that_is_not_reported() -> None:
    assert judged(ours("IN_PROGRESS"), service=None).verdict is Verdict.FAILED
    assert judged(None).verdict is None


def test_what_runs_already_is_judged_by_what_runs() -> None:
    there = rollout(None)
    assert judge(there, EXPECTED, "").verdict is Verdict.SUCCEEDED
    assert judge(replace(there, tasks=(task(1, OLD, "a"),)), EXPECTED, "").verdict is None


def test_all_healthy_is_seen_while_old_tasks_still_go() -> None:
    leaving = (task(1), task(2), task(3, OLD, "a"))
    assert all_healthy(rollout(ours("IN_PROGRESS"), tasks=leaving), EXPECTED)
    assert not all_healthy(rollout(ours("IN_PROGRESS"), targets=(target(1), target(3))), EXPECTED)


def test_what_a_migration_says_of_the_schema() -> None:
    line = '{"level": "INFO", "message": "the schema is at version 7; code for version 5 or newer works with it"}'
    assert schema_of(["applying", line]) == {"schema": 7, "schema_floor": 5}
    assert schema_of(["the schema is at version 7"]) == {"schema": 7, "schema_floor": None}
    assert schema_of(["done"]) == {"schema": None, "schema_floor": None}
    assert message_of(line).startswith("the schema is at")
    assert message_of("plain") == "plain"


def test_changes_of_a_definition_are_lines_whatever_the_order() -> None:
    before = example.definition("backend", 7, "a", A="1", B="2").body
    after: dict[str, Any] = with_image(example.definition("backend", 7, "a", B="3", C="4").body, "backend", "x")
    after["cpu"] = "512"
    assert changes(before, after) == [
        "backend.environment.A: 1 → nothing",
        "backend.environment.B: 2 → 3",
        "backend.environment.C: nothing → 4",
        f"backend.image: {example.pinned('backend', 'a')} → x",
        "cpu: 256 → 512",
    ]
    shuffled = {**before, "containerDefinitions": [dict(reversed(list(before["containerDefinitions"][0].items())))]}
    shuffled["containerDefinitions"][0]["environment"] = list(
        reversed(before["containerDefinitions"][0]["environment"])
    )
    assert changes(before, shuffled) == []
    with pytest.raises(KeyError):
        with_image(before, "sidecar", "x")


def unwatched(action: str, memory: dict[str, Any]) -> str:
    nothing: Any = None
    context = Context(
        gateway=nothing,
        environment=example.environment(),
        run="r",
        step="s",
        token="t",
        now=lambda: example.NOW,
        checkpoint=memory.update,
        state=memory,
        report=lambda _: None,
        cancelled=lambda: True,
        store=None,  # type: ignore[arg-type]  # nothing of it is in the record
    )
    arguments = {
        "ecs.roll_service": RollService(service="backend", task_definition="ohmycoins-backend:7", digests={}),
        "ecs.run_task": RunTask(
            task_definition="ohmycoins-migrate:1",
            container="c",
            command=(),
            network={},
            launch={},
            what="the migration",
        ),
    }
    return action_named(action).pending_notice(context, arguments[action])


def test_of_a_task_that_nobody_waits_for_any_more_it_is_said_that_it_runs() -> None:
    message = unwatched("ecs.run_task", {"task": "arn:aws:ecs:ap-southeast-2:123456789012:task/ohmycoins/0a1b2c"})
    assert message.startswith("Its task 0a1b2c isn't stopped by this: it still ran when ECS was last asked.")
    assert "aws ecs wait tasks-stopped --cluster ohmycoins-" in message
    assert "--tasks 0a1b2c --region ap-southeast-2" in message


def test_of_a_way_back_that_nobody_watches_any_more_it_is_said_that_its_alarms_are_off() -> None:
    assert unwatched("ecs.roll_service", {"deployment": OURS}) == ""
    message = unwatched("ecs.roll_service", {"deployment": OURS, "alarms": {"enable": True}})
    assert message.startswith("The deployment alarms of backend are off during its rollback.")
