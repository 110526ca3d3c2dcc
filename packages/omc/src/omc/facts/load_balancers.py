"""The load balancer, its target groups, and the health of every target in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.scope import Scope

if TYPE_CHECKING:
    from types_boto3_elbv2.type_defs import TargetHealthDescriptionTypeDef

PAGE = 400
"""The most that ELB returns per page."""


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    name: str
    dimension: str
    """As CloudWatch names it: ``app/ohmycoins-staging/50dc6c495c0c9188``."""
    dns_name: str
    state: str
    """active, provisioning, active_impaired or failed; empty where ELB doesn't tell."""
    reason: str
    arn: str = ""
    kind: str = "application"
    """application, network or gateway."""
    is_internal: bool = False
    """Its name resolves to addresses of the VPC, which can be reached only from inside."""


@dataclass(frozen=True, slots=True)
class LoadBalancers:
    """Those of the environment."""

    load_balancers: tuple[LoadBalancer, ...]
    every: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """All of the account's, by name, in ELB's own words."""
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class Target:
    id: str
    """An address."""
    port: int
    state: str
    """initial, healthy, unhealthy, draining, unused or unavailable."""
    reason: str
    """ELB's code, such as ``Target.Timeout``."""
    description: str


@dataclass(frozen=True, slots=True)
class TargetGroup:
    name: str
    arn: str
    is_used: bool
    """A load balancer sends to it."""
    balancers: tuple[str, ...] = ()
    """ARNs of those that do."""


@dataclass(frozen=True, slots=True)
class TargetGroups:
    """Those of the environment: behind its load balancer, or named as its own."""

    groups: tuple[TargetGroup, ...]
    every: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """All of the account's, by name, in ELB's own words."""
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class GroupHealth:
    group: TargetGroup
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """Every target of every target group."""

    groups: tuple[GroupHealth, ...]
    reading: Reading = NO_READING


@reads
def read_load_balancers(aws: Gateway, environment: Environment) -> LoadBalancers:
    """All of the account's, a page of 400 at a time; kept are the environment's."""
    found: list[LoadBalancer] = []
    every: dict[str, Mapping[str, Any]] = {}
    pages = aws.client("elbv2").get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": PAGE})
    for page in pages:
        for payload in page["LoadBalancers"]:
            every[payload["LoadBalancerName"]] = dict(payload)
            if _is_ours(payload["LoadBalancerName"], environment):
                state = payload.get("State", {})
                found.append(
                    LoadBalancer(
                        name=payload["LoadBalancerName"],
                        dimension=payload["LoadBalancerArn"].partition(":loadbalancer/")[2],
                        dns_name=payload.get("DNSName", ""),
                        state=state.get("Code", ""),
                        reason=state.get("Reason", ""),
                        arn=payload["LoadBalancerArn"],
                        kind=payload.get("Type", "application"),
                        is_internal=payload.get("Scheme") == "internal",
                    )
                )
    return LoadBalancers(tuple(found), every)


@reads
def read_target_groups(aws: Gateway, environment: Environment, scope: Scope) -> TargetGroups:
    """All of the account's, a page of 400 at a time; kept are the environment's (of the services asked for)."""
    found: list[TargetGroup] = []
    every: dict[str, Mapping[str, Any]] = {}
    names = {name for service in environment.services for name in service.target_groups}
    pages = aws.client("elbv2").get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": PAGE})
    for page in pages:
        for payload in page["TargetGroups"]:
            every[payload["TargetGroupName"]] = dict(payload)
            name, behind = payload["TargetGroupName"], payload["LoadBalancerArns"]
            ours = any(_is_ours(arn.split("/")[2], environment) for arn in behind) or _is_ours(name, environment)
            if name in names or (ours and not scope.is_part):
                found.append(
                    TargetGroup(name, payload["TargetGroupArn"], is_used=bool(behind), balancers=tuple(behind))
                )
    return TargetGroups(tuple(sorted(found, key=lambda group: group.name)), every)


@reads
def read_target_health(aws: Gateway, groups: TargetGroups) -> TargetHealth:
    """One call a target group; ELB has no other way."""

    healths = parallel_map(lambda group: GroupHealth(group, describe_targets(aws, group.arn)), groups.groups)
    return TargetHealth(tuple(healths))


def describe_targets(aws: Gateway, arn: str) -> tuple[Target, ...]:
    """The targets of one target group, fresh; none where it was deleted since it was listed."""
    try:
        records = aws.client("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    except NotFound:
        return ()
    return tuple(_target(target) for target in records)


def _target(record: TargetHealthDescriptionTypeDef) -> Target:
    health = record["TargetHealth"]
    return Target(
        id=record["Target"]["Id"],
        port=record["Target"].get("Port", 0),
        state=health.get("State", "unavailable"),
        reason=health.get("Reason", ""),
        description=health.get("Description", ""),
    )


def _is_ours(name: str, environment: Environment) -> bool:
    if not environment.has_load_balancer:
        return False
    if environment.load_balancer is not None and name == environment.load_balancer:
        return True
    return name == environment.prefix or name.startswith(environment.prefix + "-")
