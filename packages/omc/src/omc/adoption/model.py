"""What was found of a stack in an account, as plain values. Reading it is ``omc.adoption.discovery``'s matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Gap:
    """What couldn't be read, and so isn't known."""

    what: str
    """``databases``."""
    why: str
    """A sentence."""
    action: str | None = None
    """The IAM action that is missing, where that is the reason."""


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container of a task definition."""

    name: str
    ports: tuple[int, ...] = ()
    log_group: str | None = None
    """By the options of awslogs or of firelens; None where it logs to something that isn't CloudWatch Logs."""
    log_driver: str = ""
    essential: bool = True
    is_router: bool = False
    """Firelens' own: it carries the others' logs."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = ()
    """Names of variables whose values AWS doesn't tell."""
    image: str = ""


@dataclass(frozen=True, slots=True)
class FoundService:
    """An ECS service with what its task definition says."""

    name: str
    cluster: str
    family: str = ""
    """Empty where the service has no task definition of its own, or it can't be read."""
    containers: tuple[FoundContainer, ...] = ()
    targets: tuple[tuple[str, str, int], ...] = ()
    """Target group's ARN, container and port of each entry."""
    tags: Mapping[str, str] = field(default_factory=dict)
    launch: str = ""
    """FARGATE, EC2, EXTERNAL, or the names of capacity providers."""
    controller: str = "ECS"
    scheduling: str = "REPLICA"
    desired: int = 0

    @property
    def serving(self) -> FoundContainer | None:
        """The container that does the service's work: the one behind the load balancer; else the one named like the
        family or the service; else the first essential one that carries no logs."""
        by_name = {each.name: each for each in self.containers}
        for _, container, _ in self.targets:
            if container in by_name:
                return by_name[container]
        rest = [each for each in self.containers if each.essential and not each.is_router] or list(self.containers)
        named = [each for each in rest if each.name in (self.family, self.name) or self.name.endswith(f"-{each.name}")]
        return next(iter([*named, *[each for each in rest if each.ports], *rest]), None)

    @property
    def port(self) -> int | None:
        container = self.serving
        for _, name, port in self.targets:
            if container and name == container.name:
                return port
        return container.ports[0] if container and container.ports else None


@dataclass(frozen=True, slots=True)
class FoundCluster:
    name: str
    arn: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A target group."""

    name: str
    arn: str
    balancers: tuple[str, ...] = ()
    """ARNs."""
    vpc: str = ""


@dataclass(frozen=True, slots=True)
class FoundBalancer:
    name: str
    arn: str
    kind: str = "application"
    scheme: str = ""
    vpc: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundStore:
    """A database or a cache."""

    name: str
    kind: str
    """``instance`` or ``cluster``; ``group``, ``serverless`` or ``alone``."""
    engine: str = ""
    endpoints: tuple[str, ...] = ()
    vpc: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundScaling:
    """Within which limits a service's count is kept, and by what."""

    cluster: str
    service: str
    minimum: int
    maximum: int
    cpu_target: float | None = None
    memory_target: float | None = None
    others: tuple[str, ...] = ()
    """What else moves it: metrics of further target tracking, names of step policies."""


@dataclass(frozen=True, slots=True)
class FoundAlarm:
    name: str
    topics: tuple[str, ...] = ()
    """Names of the SNS topics to which its changes go."""
    about: tuple[str, ...] = ()
    """Values of its dimensions."""


@dataclass(frozen=True, slots=True)
class FoundSchedule:
    """What starts tasks by the clock or by an event."""

    name: str
    """Of a schedule outside of the group ``default``: ``group/name``."""
    cluster: str
    family: str
    expression: str = ""
    containers: tuple[FoundContainer, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundState:
    """A Terraform state in S3."""

    bucket: str
    key: str

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found in one region of one account."""

    account: str
    region: str
    clusters: tuple[FoundCluster, ...] = ()
    services: tuple[FoundService, ...] = ()
    groups: tuple[FoundGroup, ...] = ()
    balancers: tuple[FoundBalancer, ...] = ()
    databases: tuple[FoundStore, ...] = ()
    caches: tuple[FoundStore, ...] = ()
    scalings: tuple[FoundScaling, ...] = ()
    alarms: tuple[FoundAlarm, ...] = ()
    schedules: tuple[FoundSchedule, ...] = ()
    log_groups: frozenset[str] = frozenset()
    """Those that exist, of the ones that were asked for."""
    buckets: tuple[str, ...] = ()
    states: tuple[FoundState, ...] = ()
    dashboards: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    calls: int = 0

    def lacks(self, what: str) -> bool:
        """Whether this couldn't be read, so that its absence means nothing."""
        return any(gap.what == what for gap in self.gaps)

    def group(self, arn: str) -> FoundGroup | None:
        return next((each for each in self.groups if each.arn == arn), None)

    def scaling(self, service: FoundService) -> FoundScaling | None:
        wanted = (service.cluster, service.name)
        return next((each for each in self.scalings if (each.cluster, each.service) == wanted), None)


def group_name(arn: str) -> str:
    """A target group's name, which its ARN has: ``…:targetgroup/acme-api/0123456789abcdef``."""
    return arn.split("targetgroup/")[-1].partition("/")[0]
