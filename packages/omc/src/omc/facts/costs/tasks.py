"""How large the services' tasks are, how many ran, and how much of their CPU and memory they used, hour by hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definition, Definitions
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

HOUR = 3600
SAMPLES_AN_HOUR = 60
"""ECS publishes CPUUtilization once a minute for each task of a service, so that an hour's SampleCount by sixty is how
many ran (Amazon ECS developer guide, "Service RUNNING task count")."""
FIGURES = {
    "tasks": ("CPUUtilization", "SampleCount"),
    "cpu": ("CPUUtilization", "Average"),
    "cpu_most": ("CPUUtilization", "Maximum"),
    "memory_most": ("MemoryUtilization", "Maximum"),
}


@dataclass(frozen=True, slots=True)
class UsedHour:
    """One hour of a service; percent of what a task has."""

    at: datetime
    tasks: float
    """On average."""
    cpu: float
    cpu_most: float
    """Of the busiest task in its busiest minute."""
    memory_most: float


@dataclass(frozen=True, slots=True)
class TaskUse:
    """One service."""

    service: str
    cpu_units: int
    """1,024 are one vCPU."""
    memory_mib: int
    architecture: str
    """``X86_64`` or ``ARM64``."""
    on_spot: bool
    """Some of its tasks run on FARGATE_SPOT."""
    desired: int
    stop_timeout: int | None
    """Seconds that its containers get between SIGTERM and SIGKILL, the shortest; None: ECS's default of 30."""
    system: str = "LINUX"
    hours: tuple[UsedHour, ...] = ()
    """Oldest first; hours without a figure are left out."""


@dataclass(frozen=True, slots=True)
class TasksUsed:
    """Services that run on Fargate."""

    services: tuple[TaskUse, ...]
    reading: Reading = NO_READING


@reads
def read_tasks_used(
    aws: Gateway, environment: Environment, services: Services, definitions: Definitions, scope: Scope
) -> TasksUsed:
    """Four metrics a service, by the hour, in one call for a hundred services."""
    known = [(one, definitions.running[one.name]) for one in services.services if one.name in definitions.running]
    on_fargate = [(service, definition) for service, definition in known if _is_fargate(service)]
    queries = [
        _query(environment, service.name, f"{name}_{number}", *figure)
        for number, (service, _) in enumerate(on_fargate)
        for name, figure in FIGURES.items()
    ]
    end = scope.now.replace(minute=0, second=0, microsecond=0)
    begin = end - max(scope.since, timedelta(hours=1))
    series = metric_data(aws, queries, begin, end) if queries else {}
    found = []
    for number, (service, definition) in enumerate(on_fargate):
        by_name = {name: dict(series[f"{name}_{number}"]) for name in FIGURES}
        hours = tuple(
            UsedHour(
                at,
                count / SAMPLES_AN_HOUR,
                *(by_name[name].get(at, 0.0) for name in ("cpu", "cpu_most", "memory_most")),
            )
            for at, count in sorted(by_name["tasks"].items())
        )
        found.append(_use(service, definition, hours))
    return TasksUsed(tuple(found))


def _is_fargate(service: EcsService) -> bool:
    providers = [one["capacityProvider"] for one in service.launch.get("capacityProviderStrategy", ())]
    return (
        all(one.startswith("FARGATE") for one in providers)
        if providers
        else (service.launch.get("launchType", "FARGATE") == "FARGATE")
    )


def _use(service: EcsService, definition: Definition, hours: tuple[UsedHour, ...]) -> TaskUse:
    platform = definition.body.get("runtimePlatform", {})
    providers = service.launch.get("capacityProviderStrategy", ())
    stops = [one["stopTimeout"] for one in definition.body["containerDefinitions"] if "stopTimeout" in one]
    return TaskUse(
        service=service.name,
        cpu_units=int(definition.body["cpu"]),
        memory_mib=int(definition.body["memory"]),
        architecture=platform.get("cpuArchitecture", "X86_64"),
        on_spot=any(one["capacityProvider"] == "FARGATE_SPOT" for one in providers),
        desired=service.desired,
        stop_timeout=min(stops, default=None),
        system=platform.get("operatingSystemFamily", "LINUX"),
        hours=hours,
    )


def _query(
    environment: Environment, service: str, identifier: str, metric: str, statistic: str
) -> MetricDataQueryTypeDef:
    cluster, ecs_service = environment.in_ecs(service)
    return {
        "Id": identifier,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ECS",
                "MetricName": metric,
                "Dimensions": [
                    {"Name": "ClusterName", "Value": cluster},
                    {"Name": "ServiceName", "Value": ecs_service},
                ],
            },
            "Period": HOUR,
            "Stat": statistic,
        },
    }
