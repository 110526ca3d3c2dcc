"""ECS tasks: those of a service that run, and those that stopped, which ECS remembers for an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.services import short_name
from omc.times import in_utc

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import DescribeTasksResponseTypeDef, TaskTypeDef

TASKS_A_CALL = 100
"""DescribeTasks takes so many, and ListTasks gives so many a page."""
FEW_SERVICES = 10
"""Up to this many are each asked for their own tasks."""


@dataclass(frozen=True, slots=True)
class Container:
    """How one container of a task ended."""

    name: str
    exit_code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class StoppedTask:
    """A task that runs no more, and what ECS says of why."""

    id: str
    service: str | None
    """omc's word for it; ``cluster/name`` of one that isn't the stack file's. None for a task that no service started,
    such as a migration."""
    task_definition: str
    stop_code: str
    reason: str
    containers: tuple[Container, ...]
    started: datetime | None
    """None where it never got as far."""
    stopped: datetime
    stopping: datetime | None = None
    """When it was to stop; None where ECS doesn't say."""
    ended: datetime | None = None
    """When the last of its containers had ended."""


@dataclass(frozen=True, slots=True)
class StoppedTasks:
    """All stopped tasks of the environment's clusters that ECS still remembers, newest first."""

    tasks: tuple[StoppedTask, ...]
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task that is wanted, and how far it has come."""

    id: str
    task_definition: str
    """``family:revision``."""
    status: str
    """PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING …"""
    health: str
    """HEALTHY, UNHEALTHY or UNKNOWN: of its containers' own checks."""
    images: Mapping[str, str]
    """Each container's image as it was named."""
    digests: Mapping[str, str]
    """Each container's image as it was pulled, where ECS tells."""
    addresses: tuple[str, ...] = ()
    created: datetime | None = None
    started: datetime | None = None
    """None while it is starting. Its secrets were read between ``created`` and this moment."""


def list_running_tasks(aws: Gateway, service: str) -> tuple[RunningTask, ...]:
    """The tasks of a service that should run: one listing, then a hundred a call."""
    ecs, (cluster, ecs_service) = aws.client("ecs"), aws.environment.in_ecs(service)
    arns = [
        arn
        for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, serviceName=ecs_service)
        for arn in page["taskArns"]
    ]
    answers = parallel_map(
        lambda some: ecs.describe_tasks(cluster=cluster, tasks=list(some)), batches(arns, TASKS_A_CALL)
    )
    return tuple(_running(task) for answer in answers for task in answer["tasks"])


def running_tasks_of(aws: Gateway, services: Sequence[str]) -> dict[str, tuple[RunningTask, ...]]:
    """The tasks of each service that should run. A few services are asked for one by one, since a cluster may hold much
    else; for many, the clusters' tasks are listed once."""
    if len(services) <= FEW_SERVICES:
        found = parallel_map(lambda name: list_running_tasks(aws, name), services)
        return dict(zip(services, found, strict=True))
    named = {aws.environment.in_ecs(name): name for name in services}
    by_service: dict[str, list[RunningTask]] = {name: [] for name in services}
    for cluster in dict.fromkeys(cluster for cluster, _ in named):
        for task in tasks_of_cluster(aws, cluster):
            group = task.get("group", "").removeprefix("service:")
            by_service.get(named.get((cluster, group), ""), []).append(_running(task))
    return {name: tuple(tasks) for name, tasks in by_service.items()}


def tasks_of_cluster(
    aws: Gateway, cluster: str, status: Literal["RUNNING", "STOPPED"] = "RUNNING", family: str = ""
) -> list[TaskTypeDef]:
    """All that should run there (of a family), or those that stopped and ECS still remembers: a listing, then a hundred
    a call. ``NotFound`` where there is no such cluster."""
    ecs = aws.client("ecs")
    wanted: Any = {"family": family} if family else {}
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status, **wanted)
    arns = [arn for page in pages for arn in page["taskArns"]]

    def describe(some: Sequence[str]) -> DescribeTasksResponseTypeDef:
        return ecs.describe_tasks(cluster=cluster, tasks=list(some))

    return [task for answer in parallel_map(describe, batches(arns, TASKS_A_CALL)) for task in answer["tasks"]]


def _running(record: TaskTypeDef) -> RunningTask:
    containers = record.get("containers", [])
    return RunningTask(
        id=short_name(record["taskArn"]),
        task_definition=short_name(record["taskDefinitionArn"]),
        status=record.get("lastStatus", ""),
        health=record.get("healthStatus", "UNKNOWN"),
        images={container.get("name", ""): container.get("image", "") for container in containers},
        digests={c.get("name", ""): c["imageDigest"] for c in containers if "imageDigest" in c},
        addresses=tuple(
            detail.get("value", "")
            for attachment in record.get("attachments", [])
            for detail in attachment.get("details", [])
            if detail.get("name") == "privateIPv4Address"
        ),
        created=in_utc(record.get("createdAt")),
        started=in_utc(record.get("startedAt")),
    )


def tasks_started_by(aws: Gateway, cluster: str, started_by: str, family: str) -> tuple[str, ...]:
    """ARNs of tasks with that ``startedBy``: those that run, else those of the family that stopped within the hour.

    ListTasks takes ``startedBy`` alone or not at all, and then lists running tasks only; of stopped ones DescribeTasks
    tells it.
    """
    ecs = aws.client("ecs")
    pages = ecs.get_paginator("list_tasks")
    running = tuple(arn for page in pages.paginate(cluster=cluster, startedBy=started_by) for arn in page["taskArns"])
    if running:
        return running
    stopped = [
        arn
        for page in pages.paginate(cluster=cluster, family=family, desiredStatus="STOPPED")
        for arn in page["taskArns"]
    ]
    answers = parallel_map(
        lambda some: ecs.describe_tasks(cluster=cluster, tasks=list(some)), batches(stopped, TASKS_A_CALL)
    )
    return tuple(
        task["taskArn"] for answer in answers for task in answer["tasks"] if task.get("startedBy") == started_by
    )


@reads
def read_stopped_tasks(aws: Gateway, environment: Environment) -> StoppedTasks:
    """One listing for each of the environment's clusters, then a hundred tasks a call."""

    found = parallel_map(lambda cluster: stopped_tasks_of(aws, cluster), environment.clusters)
    tasks = [task for some in found for task in some]
    return StoppedTasks(tuple(sorted(tasks, key=lambda task: task.stopped, reverse=True)))


def stopped_tasks_of(aws: Gateway, cluster: str, family: str = "") -> list[StoppedTask]:
    """A cluster's (of a family), newest first; none where there is no such cluster."""
    try:
        records = tasks_of_cluster(aws, cluster, "STOPPED", family)
    except NotFound:
        return []
    found = [_task(each, cluster, aws.environment) for each in records if each["lastStatus"] == "STOPPED"]
    return sorted(found, key=lambda task: task.stopped, reverse=True)


def _task(record: TaskTypeDef, cluster: str, environment: Environment) -> StoppedTask:
    started = record.get("startedAt")
    stopped = record.get("stoppedAt") or record.get("stoppingAt") or record["createdAt"]
    return StoppedTask(
        id=short_name(record["taskArn"]),
        service=_service_of(record.get("group", ""), cluster, environment),
        task_definition=short_name(record["taskDefinitionArn"]),
        stop_code=record.get("stopCode", ""),
        reason=record.get("stoppedReason", ""),
        containers=tuple(
            Container(container.get("name", ""), container.get("exitCode"), container.get("reason", ""))
            for container in record.get("containers", [])
        ),
        started=in_utc(started),
        stopped=stopped.astimezone(UTC),
        stopping=in_utc(record.get("stoppingAt")),
        ended=in_utc(record.get("executionStoppedAt")),
    )


def _service_of(group: str, cluster: str, environment: Environment) -> str | None:
    """By a task's group, ``service:acme-api``."""
    kind, _, ecs_service = group.partition(":")
    if kind != "service":
        return None
    own = environment.service_in(cluster, ecs_service)
    return own.name if own else f"{cluster}/{ecs_service}"
