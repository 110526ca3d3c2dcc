"""Whose doing it is that a task stopped: a table over ECS's stop codes and its documented reasons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import botocore.session
import pytest

from omc.checks.finding import Level
from omc.checks.tasks import failed_tasks
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.tasks import Container, StoppedTask, StoppedTasks
from omc.judgement.task_causes import STOP_CODES, Blame, blame, is_failure
from support import release_facts as example

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
MAINTENANCE = "ECS is performing maintenance on the underlying infrastructure hosting the task"
TASK, WANTED, AWS = Blame.TASK, Blame.WANTED, Blame.AWS


def stopped(code: str, reason: str = "", exit_code: int | None = 143, service: str | None = "backend") -> StoppedTask:
    containers = (Container("backend", exit_code, ""),)
    return StoppedTask("a" * 32, service, "ohmycoins-backend:7", code, reason, containers, NOW, NOW)


def test_every_stop_code_of_ecs_is_judged() -> None:
    """Fails when ECS's model gains a value: it must be decided whose doing that one is."""
    model = botocore.session.get_session().get_service_model("ecs")
    assert set(model.shape_for("TaskStopCode").metadata["enum"]) == set(STOP_CODES)


@pytest.mark.parametrize(
    ("code", "reason", "whose"),
    [
        ("InfrastructureHealth", "The host is unhealthy", AWS),
        ("InfrastructureHealth", "Task failed container health checks", AWS),
        ("InfrastructureHealth", "", AWS),
        ("SpotInterruption", "Your Spot Task was interrupted.", AWS),
        ("TerminationNotice", "Your Spot Task was interrupted.", AWS),
        ("EssentialContainerExited", "Your Spot Task was interrupted.", AWS),
        ("ServiceSchedulerInitiated", MAINTENANCE, AWS),
        ("ServiceSchedulerInitiated", f"Service backend: {MAINTENANCE}", AWS),
        ("UserInitiated", MAINTENANCE, AWS),
        ("", MAINTENANCE, AWS),
        ("ServiceSchedulerInitiated", "The task is scheduled for retirement", AWS),
        ("ServiceSchedulerInitiated", "service: container instance is in DRAINING state", AWS),
        ("ServiceSchedulerInitiated", "Host EC2 (instance i-0123456789abcdef0) terminated.", AWS),
        ("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)", WANTED),
        ("UserInitiated", "Task stopped by user", WANTED),
        ("UserInitiated", "", WANTED),
        ("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group arn)", TASK),
        ("ServiceSchedulerInitiated", "Task failed container health checks", TASK),
        ("UserInitiated", "Task failed container health checks", TASK),
        ("EssentialContainerExited", "Essential container in task exited", TASK),
        ("TaskFailedToStart", "CannotPullContainerError: not found", TASK),
        ("TaskFailedToStart", "ResourceInitializationError: unable to pull secrets", TASK),
        ("SomethingNew", "ECS has a new word", TASK),
        ("", "", TASK),
    ],
)
def test_whose_doing_it_was(code: str, reason: str, whose: Blame) -> None:
    assert blame(stopped(code, reason)) is whose
    assert is_failure(stopped(code, reason)) is (whose is TASK)


def test_a_one_off_task_that_ended_with_0_is_no_failure() -> None:
    assert blame(stopped("EssentialContainerExited", "Essential container in task exited", 0, None)) is WANTED
    assert blame(stopped("EssentialContainerExited", "Essential container in task exited", 1, None)) is TASK
    assert blame(stopped("EssentialContainerExited", "Essential container in task exited", 0)) is TASK


def test_the_morning_check_tells_aws_from_a_failure() -> None:
    taken = tuple(stopped("InfrastructureHealth", "The host is unhealthy") for _ in range(5))
    whole, environment, scope = Services((example.service("backend", 7),)), example.environment(), Scope(NOW)
    found = list(failed_tasks(StoppedTasks(taken), whole, environment, scope))
    assert [(finding.level, finding.subject) for finding in found] == [(Level.OK, "AWS"), (Level.OK, "all services")]
    assert found[0].sentence.startswith("AWS ended 5 tasks in the last hour, which is no failure of theirs: The host")

    short = Services((replace(example.service("backend", 7), running=1),))
    found = list(failed_tasks(StoppedTasks(taken), short, environment, scope))
    assert found[0].level is Level.WARN
    assert found[0].sentence.endswith("They are not replaced yet.")

    both = (*taken, stopped("EssentialContainerExited", "Essential container in task exited", 1))
    found = list(failed_tasks(StoppedTasks(both), whole, environment, Scope(NOW + timedelta(minutes=1))))
    assert [(finding.level, finding.subject) for finding in found] == [(Level.WARN, "backend"), (Level.OK, "AWS")]
