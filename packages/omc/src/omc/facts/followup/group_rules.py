"""The rules of the security groups of the load balancer, the tasks, the database and the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import HALF, within
from omc.facts.followup.data_stores import DataStores
from omc.facts.load_balancers import LoadBalancer, LoadBalancers
from omc.facts.services import Services


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a security group."""

    group: str
    is_egress: bool
    protocol: str
    """``tcp``, ``udp``, ``-1`` for all …"""
    first: int
    last: int
    """Ports; -1 for all."""
    cidr: str = ""
    peer: str = ""
    """The id of the group that it lets in or out to; else empty."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class GroupRules:
    """Of the groups asked for, each with its name."""

    rules: tuple[Rule, ...]
    groups: tuple[str, ...] = ()
    """Ids of the groups whose rules these are; one without any rule is here too."""
    reading: Reading = NO_READING


@reads
def read_group_rules(
    aws: Gateway, stores: DataStores, services: Services, balancers: LoadBalancers | None
) -> GroupRules:
    """One call for all groups of load balancer, tasks, database and cache, a page of a thousand rules at a time."""
    of_tasks = [group for service in services.services for group in service.security_groups]
    of_balancers = [
        group for one in (balancers.load_balancers if balancers else ()) for group in groups_of_balancer(balancers, one)
    ]
    groups = tuple(dict.fromkeys([*of_tasks, *stores.database.groups, *stores.cache.groups, *of_balancers]))
    if not groups:
        return GroupRules(())

    def read() -> GroupRules:
        pages = (
            aws.client("ec2")
            .get_paginator("describe_security_group_rules")
            .paginate(Filters=[{"Name": "group-id", "Values": list(groups)}])
        )
        return GroupRules(tuple(_rule(payload) for page in pages for payload in page["SecurityGroupRules"]), groups)

    return within(HALF, "the rules of the security groups", read)


def groups_of_balancer(balancers: LoadBalancers | None, one: LoadBalancer) -> tuple[str, ...]:
    """Ids; none of a load balancer without security groups."""
    return tuple((balancers.every.get(one.name, {}) if balancers else {}).get("SecurityGroups") or ())


def _rule(payload: Any) -> Rule:
    return Rule(
        group=payload.get("GroupId", ""),
        is_egress=bool(payload.get("IsEgress")),
        protocol=str(payload.get("IpProtocol", "-1")),
        first=int(payload.get("FromPort", -1)),
        last=int(payload.get("ToPort", -1)),
        cidr=payload.get("CidrIpv4") or payload.get("CidrIpv6") or "",
        peer=(payload.get("ReferencedGroupInfo") or {}).get("GroupId", ""),
        description=payload.get("Description", ""),
    )
