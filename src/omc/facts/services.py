"""ECS services: what is wanted, what runs, and the deployments and events between the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from omc.aws.batches import batches
from omc.aws.calls import side_by_side
from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.collector import UNREAD, Reading, reads
from omc.stack import Environment

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


@dataclass(frozen=True, slots=True)
class EcsService:
    """A service as ECS tells it."""

    name: str
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
    untold: frozenset[str] = frozenset()
    """Of ``events``, ``deployments``, ``loadBalancers`` those that this answer lacks: what rests on them is unknown."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """``deploymentConfiguration`` as ECS answers it."""


@dataclass(frozen=True, slots=True)
class Services:
    """The environment's services that ECS knows, and those that it doesn't."""

    services: tuple[EcsService, ...]
    missing: tuple[str, ...] = ()
    cluster_missing: bool = False
    reading: Reading = UNREAD


@reads
def read_services(aws: Gateway, environment: Environment) -> Services:
    """Every service of the stack file, ten a call."""
    wanted = [service.name for service in environment.services]
    try:
        found = {service.name: service for service in services_of(aws, environment.cluster, wanted)}
    except NotFound:
        return Services((), tuple(wanted), cluster_missing=True)
    return Services(
        services=tuple(found[name] for name in wanted if name in found),
        missing=tuple(name for name in wanted if name not in found),
    )


def services_of(aws: Gateway, cluster: str, names: Sequence[str]) -> list[EcsService]:
    """Those that ECS knows of these services, ten a call. ``NotFound`` where there is no such cluster."""

    def describe(some: Sequence[str]) -> DescribeServicesResponseTypeDef:
        return aws.client("ecs").describe_services(cluster=cluster, services=list(some))

    answers = side_by_side(describe, batches(names, SERVICES_A_CALL))
    return [_service(service) for answer in answers for service in answer["services"]]


def describe_service(aws: Gateway, name: str) -> EcsService | None:
    """One service, fresh; None where there is none of that name."""
    told = aws.client("ecs").describe_services(cluster=aws.environment.cluster, services=[name])["services"]
    return _service(told[0]) if told and told[0]["status"] != "INACTIVE" else None


def _service(told: ServiceTypeDef) -> EcsService:
    said: Mapping[str, Any] = told
    configuration = told.get("deploymentConfiguration", {})
    breaker, alarms = configuration.get("deploymentCircuitBreaker", {}), configuration.get("alarms", {})
    heeded = bool(alarms.get("enable") and alarms.get("rollback"))
    return EcsService(
        name=told["serviceName"],
        status=told["status"],
        desired=told["desiredCount"],
        running=told["runningCount"],
        pending=told["pendingCount"],
        task_definition=short_name(told.get("taskDefinition", "")),
        deployments=tuple(_deployment(deployment) for deployment in told.get("deployments", [])),
        events=tuple(Event(event["createdAt"].astimezone(UTC), event["message"]) for event in told.get("events", [])),
        network=told.get("networkConfiguration", {}),
        launch={key: said[key] for key in ("launchType", "capacityProviderStrategy", "platformVersion") if key in said},
        breaker=bool(breaker.get("enable") and breaker.get("rollback")),
        alarms=tuple(alarms.get("alarmNames", [])) if heeded else (),
        alarms_off=() if heeded else tuple(alarms.get("alarmNames", [])),
        most_percent=configuration.get("maximumPercent", 200),
        controller=told.get("deploymentController", {}).get("type", "ECS"),  # ECS's own defaults, where it is silent
        strategy=str(configuration.get("strategy", "ROLLING")),
        scheduling=told.get("schedulingStrategy", "REPLICA"),
        target_groups=tuple(
            balancer["targetGroupArn"] for balancer in told.get("loadBalancers", []) if "targetGroupArn" in balancer
        ),
        alternates=_alternates(said),
        created=told["createdAt"].astimezone(UTC) if "createdAt" in told else None,
        untold=_untold(said),
        configuration=configuration,
    )


def _untold(said: Mapping[str, Any]) -> frozenset[str]:
    """A load balancer's entry names a target group, or a Classic Load Balancer."""
    missing = {name for name in ("events", "deployments", "loadBalancers") if name not in said}
    entries = said.get("loadBalancers", [])
    if not all("targetGroupArn" in entry or "loadBalancerName" in entry for entry in entries):
        missing.add("loadBalancers")
    return frozenset(missing)


def _alternates(said: Mapping[str, Any]) -> dict[str, str]:
    pairs = (
        (balancer.get("targetGroupArn", ""), balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn"))
        for balancer in said.get("loadBalancers", [])
    )
    return {group: other for group, other in pairs if group and other}


def _deployment(told: DeploymentTypeDef) -> Deployment:
    return Deployment(
        id=told["id"],
        status=told["status"],
        rollout=told.get("rolloutState"),
        rollout_reason=told.get("rolloutStateReason", ""),
        desired=told["desiredCount"],
        running=told["runningCount"],
        pending=told["pendingCount"],
        failed=told.get("failedTasks", 0),
        task_definition=short_name(told["taskDefinition"]),
        created=told["createdAt"].astimezone(UTC),
        updated=told["updatedAt"].astimezone(UTC),
    )


def short_name(arn: str) -> str:
    """What follows the last slash of an ARN: ``ohmycoins-backend:7``, a task's id."""
    return arn.rpartition("/")[2]
