"""ECS Exec: whether the services allow it, and whether its agent runs in each container of their running tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.services import Services, short_name
from omc.facts.tasks import TASKS_A_CALL

AGENT = "ExecuteCommandAgent"


@dataclass(frozen=True, slots=True)
class TaskAgent:
    task: str
    enabled: bool | None
    """None where ECS doesn't tell."""
    states: Mapping[str, str]
    """By container: RUNNING, PENDING, STOPPED; containers for which ECS names no agent are left out."""


@dataclass(frozen=True, slots=True)
class ExecAgents:
    """By service: of its tasks that run."""

    of: Mapping[str, tuple[TaskAgent, ...]]
    reading: Reading = NO_READING


@reads
def read_exec_agents(aws: Gateway, services: Services) -> ExecAgents:
    """A listing a service, then a hundred tasks a call."""
    names = [service.name for service in services.services]
    return ExecAgents(dict(zip(names, parallel_map(lambda name: _agents(aws, name), names), strict=True)))


def _agents(aws: Gateway, service: str) -> tuple[TaskAgent, ...]:
    ecs, (cluster, ecs_service) = aws.client("ecs"), aws.environment.in_ecs(service)
    arns = [
        arn
        for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, serviceName=ecs_service)
        for arn in page["taskArns"]
    ]
    answers = parallel_map(
        lambda some: ecs.describe_tasks(cluster=cluster, tasks=list(some)), batches(arns, TASKS_A_CALL)
    )
    records: list[Any] = [task for answer in answers for task in answer["tasks"]]
    return tuple(
        TaskAgent(short_name(task["taskArn"]), task.get("enableExecuteCommand"), _states(task))
        for task in records
        if task.get("lastStatus") == "RUNNING"
    )


def _states(task: Any) -> dict[str, str]:
    return {
        container.get("name", ""): agent.get("lastStatus", "")
        for container in task.get("containers", [])
        for agent in container.get("managedAgents", [])
        if agent.get("name") == AGENT
    }
