"""ECS services: what is wanted, what runs, and the deployments and events between the two."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import DeploymentTypeDef, DescribeServicesResponseTypeDef, ServiceTypeDef

SERVICES_A_CALL = 10
"""DescribeServices takes so many names."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One of a service's deployments; the newest is PRIMARY."""

    id: str
    status: str
    """PRIMARY, ACTIVE or INACTIVE."""
    rollout: str | None
    """IN_PROGRESS, COMPLETED or FAILED; None where ECS doesn't say (no circuit breaker, another controller)."""
    rollout_reason: str
    desired: int
    running: int
    pending: int
    failed: int
    task_definition: str
    """``family:revision``."""
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the service's event log, in ECS's own words."""

    at: datetime
    message: str

    @property
    def words(self) -> str:
        """Without the service's name, with which each begins, and without a full stop."""
        return re.sub(r"^\(service [^)]*\) ", "", self.message).rstrip(".")


@dataclass(frozen=True, slots=True)
class EcsService:
    """A service as ECS tells it."""

    name: str
    """omc's own word for it: ECS's is ``Environment.in_ecs``."""
    status: str
    """ACTIVE, DRAINING or INACTIVE."""
    desired: int
    running: int
    pending: int
    task_definition: str
    deployments: tuple[Deployment, ...]
    events: tuple[Event, ...]
    """Newest first; ECS keeps a hundred."""
    network: Mapping[str, Any] = field(default_factory=dict)
    """``networkConfiguration`` as ECS takes it: subnets, security groups."""
    launch: Mapping[str, Any] = field(default_factory=dict)
    """``launchType`` or ``capacityProviderStrategy``, and ``platformVersion``: what another task of it needs."""
    breaker: bool = False
    """ECS gives up on a deployment whose tasks fail, and rolls back."""
    alarms: tuple[str, ...] = ()
    """Alarms at which ECS rolls a deployment back."""
    alarms_off: tuple[str, ...] = ()
    """Alarms that are named for that, but turned off."""
    most_percent: int = 200
    """Tasks while a deployment goes on, percent of the desired."""
    controller: str = "ECS"
    """Who deploys: ECS, CODE_DEPLOY or EXTERNAL."""
    strategy: str = "ROLLING"
    """How ECS deploys: ROLLING, BLUE_GREEN, LINEAR or CANARY."""
    scheduling: str = "REPLICA"
    """REPLICA or DAEMON: so many tasks, or one an instance."""
    target_groups: tuple[str, ...] = ()
    """ARNs."""
    alternates: Mapping[str, str] = field(default_factory=dict)
    """Of a blue/green service: each target group's ARN to that of the other one of the pair."""
    created: datetime | None = None
    unlisted: frozenset[str] = frozenset()
    """Of ``events``, ``deployments``, ``loadBalancers`` those that this answer lacks: what rests on them is unknown."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """``deploymentConfiguration`` as ECS answers it."""
    grace: int = 0
    """Seconds after a task's start in which ECS doesn't heed the load balancer's health checks."""

    @property
    def subnets(self) -> tuple[str, ...]:
        """Where its tasks are put."""
        return tuple(self.network.get("awsvpcConfiguration", {}).get("subnets", ()))

    @property
    def security_groups(self) -> tuple[str, ...]:
        """Of its tasks."""
        return tuple(self.network.get("awsvpcConfiguration", {}).get("securityGroups", ()))


@dataclass(frozen=True, slots=True)
class Services:
    """The environment's services that ECS knows, and those that it doesn't."""

    services: tuple[EcsService, ...]
    missing: tuple[str, ...] = ()
    cluster_missing: bool = False
    """There is no cluster that the environment names for itself, or for one of its services: ``missing_clusters``."""
    missing_clusters: tuple[str, ...] = ()
    reading: Reading = NO_READING


@reads
def read_services(aws: Gateway, environment: Environment) -> Services:
    """Every service of the stack file, ten a call in each cluster."""
    by_cluster: dict[str, dict[str, str]] = {}
    for service in environment.services:
        by_cluster.setdefault(service.cluster, {})[service.ecs_service] = service.name

    def ask(cluster: str) -> list[EcsService] | None:
        try:
            return services_of(aws, cluster, list(by_cluster[cluster]))
        except NotFound:
            return None

    answers = dict(zip(by_cluster, parallel_map(ask, list(by_cluster)), strict=True))
    found = {
        by_cluster[cluster][each.name]: replace(each, name=by_cluster[cluster][each.name])
        for cluster, services in answers.items()
        for each in services or ()
        if each.name in by_cluster[cluster]
    }
    gone = tuple(cluster for cluster, services in answers.items() if services is None)
    wanted = [service.name for service in environment.services]
    return Services(
        services=tuple(found[name] for name in wanted if name in found),
        missing=tuple(name for name in wanted if name not in found),
        cluster_missing=bool(gone),
        missing_clusters=gone,
    )


def services_of(aws: Gateway, cluster: str, names: Sequence[str]) -> list[EcsService]:
    """Those that ECS knows of these services, by its own names, ten a call. ``NotFound`` where there is no such
    cluster."""

    def describe(some: Sequence[str]) -> DescribeServicesResponseTypeDef:
        return aws.client("ecs").describe_services(cluster=cluster, services=list(some))

    answers = parallel_map(describe, batches(names, SERVICES_A_CALL))
    return [_service(service) for answer in answers for service in answer["services"]]


def describe_service(aws: Gateway, name: str) -> EcsService | None:
    """One service, fresh; None where there is none of that name."""
    cluster, ecs_service = aws.environment.in_ecs(name)
    records = aws.client("ecs").describe_services(cluster=cluster, services=[ecs_service])["services"]
    return replace(_service(records[0]), name=name) if records and records[0]["status"] != "INACTIVE" else None


def _service(record: ServiceTypeDef) -> EcsService:
    entry: Mapping[str, Any] = record
    configuration = record.get("deploymentConfiguration", {})
    breaker, alarms = configuration.get("deploymentCircuitBreaker", {}), configuration.get("alarms", {})
    heeded = bool(alarms.get("enable") and alarms.get("rollback"))
    return EcsService(
        name=record["serviceName"],
        status=record["status"],
        desired=record["desiredCount"],
        running=record["runningCount"],
        pending=record["pendingCount"],
        task_definition=short_name(record.get("taskDefinition", "")),
        deployments=tuple(_deployment(deployment) for deployment in record.get("deployments", [])),
        events=tuple(Event(event["createdAt"].astimezone(UTC), event["message"]) for event in record.get("events", [])),
        network=record.get("networkConfiguration", {}),
        launch={
            key: entry[key] for key in ("launchType", "capacityProviderStrategy", "platformVersion") if key in entry
        },
        breaker=bool(breaker.get("enable") and breaker.get("rollback")),
        alarms=tuple(alarms.get("alarmNames", [])) if heeded else (),
        alarms_off=() if heeded else tuple(alarms.get("alarmNames", [])),
        most_percent=configuration.get("maximumPercent", 200),
        controller=record.get("deploymentController", {}).get("type", "ECS"),  # ECS's own defaults, where it is silent
        strategy=str(configuration.get("strategy", "ROLLING")),
        scheduling=record.get("schedulingStrategy", "REPLICA"),
        target_groups=tuple(
            balancer["targetGroupArn"] for balancer in record.get("loadBalancers", []) if "targetGroupArn" in balancer
        ),
        alternates=_alternates(entry),
        created=record["createdAt"].astimezone(UTC) if "createdAt" in record else None,
        unlisted=_unlisted(entry),
        configuration=configuration,
        grace=record.get("healthCheckGracePeriodSeconds", 0),
    )


def _unlisted(record: Mapping[str, Any]) -> frozenset[str]:
    """A load balancer's entry names a target group, or a Classic Load Balancer."""
    missing = {name for name in ("events", "deployments", "loadBalancers") if name not in record}
    entries = record.get("loadBalancers", [])
    if not all("targetGroupArn" in entry or "loadBalancerName" in entry for entry in entries):
        missing.add("loadBalancers")
    return frozenset(missing)


def _alternates(record: Mapping[str, Any]) -> dict[str, str]:
    pairs = (
        (balancer.get("targetGroupArn", ""), balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn"))
        for balancer in record.get("loadBalancers", [])
    )
    return {group: other for group, other in pairs if group and other}


def _deployment(record: DeploymentTypeDef) -> Deployment:
    return Deployment(
        id=record["id"],
        status=record["status"],
        rollout=record.get("rolloutState"),
        rollout_reason=record.get("rolloutStateReason", ""),
        desired=record["desiredCount"],
        running=record["runningCount"],
        pending=record["pendingCount"],
        failed=record.get("failedTasks", 0),
        task_definition=short_name(record["taskDefinition"]),
        created=record["createdAt"].astimezone(UTC),
        updated=record["updatedAt"].astimezone(UTC),
    )


def short_name(arn: str) -> str:
    """What follows the last slash of an ARN: ``ohmycoins-backend:7``, a task's id."""
    return arn.rpartition("/")[2]
