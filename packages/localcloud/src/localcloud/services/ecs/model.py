"""What ECS keeps: clusters, task definitions, services with their deployments and revisions, tasks.

Plain records that go into the snapshot as they are. What runs (processes, pipes, threads) is not here, and neither
is any decision about them: see ``decide`` and ``decide_task``.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from localcloud.core.cloud import partition_of

KEEP_STOPPED_SECONDS: Final = 3600
"""Stopped tasks are described for one hour ("Stopped tasks currently appear in the returned results for at least one
hour", API reference of DescribeTasks)."""
KEEP_EVENTS: Final = 100
"""Service events kept ("up to 100 of the latest events", API reference of Service)."""
DEFAULT_STOP_TIMEOUT: Final = 30
"""Seconds between SIGTERM and SIGKILL (ECS_CONTAINER_STOP_TIMEOUT)."""


class Status(StrEnum):
    """A task's ``lastStatus``, in the order of its life."""

    PROVISIONING = "PROVISIONING"
    PENDING = "PENDING"
    ACTIVATING = "ACTIVATING"
    RUNNING = "RUNNING"
    DEACTIVATING = "DEACTIVATING"
    STOPPING = "STOPPING"
    DEPROVISIONING = "DEPROVISIONING"
    STOPPED = "STOPPED"


STARTING: Final = frozenset({Status.PROVISIONING, Status.PENDING, Status.ACTIVATING})


class Rollout(StrEnum):
    """A deployment's ``rolloutState``."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class StopCode(StrEnum):
    """A stopped task's ``stopCode``."""

    FAILED_TO_START = "TaskFailedToStart"
    ESSENTIAL_EXITED = "EssentialContainerExited"
    USER = "UserInitiated"
    SCHEDULER = "ServiceSchedulerInitiated"
    TERMINATION = "TerminationNotice"


@dataclass(slots=True)
class Cluster:
    name: str
    arn: str
    status: str = "ACTIVE"
    settings: list[dict[str, str]] = field(default_factory=list)
    configuration: dict[str, Any] = field(default_factory=dict)
    capacity_providers: list[str] = field(default_factory=list)
    default_strategy: list[dict[str, Any]] = field(default_factory=list)
    service_connect: dict[str, str] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)

    @property
    def insights(self) -> bool:
        return any(s["name"] == "containerInsights" and s["value"] != "disabled" for s in self.settings)


@dataclass(slots=True)
class TaskDefinition:
    arn: str
    family: str
    revision: int
    body: dict[str, Any]
    """The API's ``TaskDefinition`` as it is described."""
    tags: list[dict[str, str]]

    @property
    def containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.body["containerDefinitions"]
        return found

    @property
    def active(self) -> bool:
        return bool(self.body["status"] == "ACTIVE")


@dataclass(slots=True)
class Event:
    id: str
    at: datetime
    message: str


@dataclass(slots=True)
class Revision:
    """A service revision: what a deployment was to bring about. Never changed once made."""

    arn: str
    created_at: datetime
    spec: dict[str, Any]
    """Task definition, network, launch type … in the API's names."""


@dataclass(slots=True)
class Deployment:
    """One entry of a service's ``deployments``."""

    id: str
    revision: Revision
    service_deployment: str
    """ARN of the service deployment that it belongs to (a rollback belongs to the one that it undoes)."""
    created_at: datetime
    updated_at: datetime
    primary: bool = True
    rollout: Rollout = Rollout.IN_PROGRESS
    reason: str = ""
    failed: int = 0
    """Consecutive failed tasks."""
    rollback: bool = False
    frozen: bool = False
    """Starts no more tasks: it failed, and there was nothing to go back to."""
    healthy_once: bool = False

    @property
    def task_definition(self) -> str:
        return str(self.revision.spec["taskDefinition"])


@dataclass(slots=True)
class ServiceDeployment:
    """One entry of a service's history of deployments (``ListServiceDeployments``)."""

    arn: str
    target: str
    """ARN of the revision to be reached."""
    sources: list[str]
    created_at: datetime
    status: str = "PENDING"
    status_reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stopped_at: datetime | None = None
    updated_at: datetime | None = None
    rollback_reason: str = ""
    rollback_started_at: datetime | None = None
    rollback_revision: str = ""
    breaker: str = "DISABLED"
    alarms: str = "DISABLED"
    alarm_names: list[str] = field(default_factory=list)
    triggered_alarms: list[str] = field(default_factory=list)
    failures: int = 0
    threshold: int = 0
    configuration: dict[str, Any] = field(default_factory=dict)
    requested: int = 0
    """Tasks wanted of the target, and below what ran at its end."""
    final_running: int = 0


@dataclass(slots=True)
class Service:
    name: str
    arn: str
    cluster: str
    """The cluster's name."""
    created_at: datetime
    created_by: str
    desired: int
    spec: dict[str, Any]
    """What ``CreateService`` and ``UpdateService`` set, in the API's names; the revision's part is in there too."""
    status: str = "ACTIVE"
    tags: list[dict[str, str]] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    """The primary first."""
    events: list[Event] = field(default_factory=list)
    """Latest first."""
    revisions: list[Revision] = field(default_factory=list)
    history: list[ServiceDeployment] = field(default_factory=list)
    """Latest first."""
    steady: bool = False
    failures: int = 0
    """Tasks in a row that stopped before they were healthy; sets the pause before the next start."""
    not_before: float = 0.0
    """Unix time before which no task is started."""
    inactive_at: datetime | None = None

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    def revision(self, arn: str) -> Revision | None:
        return next((revision for revision in self.revisions if revision.arn == arn), None)

    def service_deployment(self, arn: str) -> ServiceDeployment | None:
        return next((found for found in self.history if found.arn == arn), None)


@dataclass(slots=True)
class Container:
    name: str
    arn: str
    image: str
    essential: bool
    digest: str = ""
    runtime_id: str = ""
    status: str = "PENDING"
    exit_code: int | None = None
    reason: str = ""
    health: str = "UNKNOWN"


@dataclass(slots=True)
class Interface:
    """The task's network interface."""

    eni: str
    subnet: str
    address: str
    """In the VPC: what the API shows."""
    mac: str
    zone: str
    attachment: str


@dataclass(slots=True)
class Target:
    """A place in a target group that a task takes."""

    group: str
    port: int
    registered: bool = False
    state: str = ""
    """As the load balancer last said."""
    reason: str = ""


@dataclass(slots=True)
class Task:
    id: str
    arn: str
    cluster: str
    task_definition: str
    group: str
    created_at: datetime
    containers: list[Container]
    cpu: int
    """CPU units."""
    memory: int
    """MiB."""
    spec: dict[str, Any]
    """Network configuration, overrides, launch type, platform version, ``enableExecuteCommand``."""
    service: str = ""
    """ARN of its service; empty for a task that was run on its own."""
    deployment: str = ""
    started_by: str = ""
    tags: list[dict[str, str]] = field(default_factory=list)
    status: Status = Status.PROVISIONING
    wanted: bool = True
    """``desiredStatus`` is RUNNING."""
    version: int = 1
    interface: Interface | None = None
    targets: list[Target] = field(default_factory=list)
    launched: bool = False
    """Its processes were started (or their start failed, see ``stop_code``)."""
    launching: bool = False
    ended: bool = False
    """None of its processes is left."""
    ending: bool = False
    ever_healthy: bool = False
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    stopped_at: datetime | None = None
    deregistered_at: float = 0.0
    stop_code: StopCode | None = None
    stopped_reason: str = ""
    health_checked: bool = False
    """An essential container has a health check, so that ``healthStatus`` can be other than UNKNOWN."""

    @property
    def health(self) -> str:
        states = {container.health for container in self.containers if container.essential}
        if "UNHEALTHY" in states:
            return "UNHEALTHY"
        return "HEALTHY" if "HEALTHY" in states else "UNKNOWN"


@dataclass(slots=True)
class State:
    """All that ECS keeps, in one place for the snapshot."""

    clusters: dict[str, Cluster] = field(default_factory=dict)
    definitions: dict[str, dict[int, TaskDefinition]] = field(default_factory=dict)
    last_revision: dict[str, int] = field(default_factory=dict)
    """Highest revision ever given in a family: numbers are not used again."""
    services: dict[str, Service] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    account_settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Names:
    """Makes ARNs of one account and region."""

    account: str
    region: str

    @property
    def partition(self) -> str:
        return partition_of(self.region)

    def arn(self, *parts: str) -> str:
        return f"arn:{self.partition}:ecs:{self.region}:{self.account}:{'/'.join(parts)}"


def new_task_id() -> str:
    return secrets.token_hex(16)


def new_number() -> str:
    """Nineteen digits, as in ``ecs-svc/1234567890123456789``."""
    return str(10**18 + secrets.randbelow(9 * 10**18))


def new_short_id() -> str:
    """As in the names of service deployments: 21 characters."""
    return secrets.token_urlsafe(16)[:21].replace("-", "x").replace("_", "y")


def deployment_percents(spec: Mapping[str, Any]) -> tuple[int, int]:
    """(minimumHealthyPercent, maximumPercent) of a service, with ECS's defaults for rolling updates."""
    configuration = spec.get("deploymentConfiguration", {})
    return configuration.get("minimumHealthyPercent", 100), configuration.get("maximumPercent", 200)
