"""The network ACLs of the VPC in which services, load balancer, database and cache are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import HALF, within
from omc.facts.followup.data_stores import DataStores
from omc.facts.load_balancers import LoadBalancers
from omc.facts.services import Services


@dataclass(frozen=True, slots=True)
class AclRule:
    """An entry of a network ACL, for IPv4."""

    number: int
    """The lowest that matches decides; 32767 is the last one, ``*``, which denies everything."""
    is_egress: bool
    allows: bool
    protocol: str
    """IANA's number, ``6`` for TCP; ``-1`` for all."""
    cidr: str
    first: int = 0
    last: int = 65535


@dataclass(frozen=True, slots=True)
class SubnetAcl:
    """A subnet, and the network ACL that is in force there."""

    id: str
    cidr: str
    acl: str


@dataclass(frozen=True, slots=True)
class NetworkAcls:
    rules: Mapping[str, tuple[AclRule, ...]] = field(default_factory=dict)
    """By ACL, in the order in which AWS evaluates them."""
    subnets: Mapping[str, SubnetAcl] = field(default_factory=dict)
    """By id, of the whole VPC."""
    database: tuple[str, ...] = ()
    """Ids of the subnets that it is in."""
    cache: tuple[str, ...] = ()
    balancers: tuple[str, ...] = ()
    reading: Reading = NO_READING

    def of(self, ids: Iterable[str]) -> tuple[SubnetAcl, ...]:
        """Those of these subnets that are known."""
        return tuple(self.subnets[each] for each in ids if each in self.subnets)


@reads
def read_network_acls(
    aws: Gateway, stores: DataStores, services: Services, balancers: LoadBalancers | None
) -> NetworkAcls:
    """Two calls side by side, and one for the cache's subnets; none where nothing says which VPC it is."""
    of_balancers = tuple(
        zone["SubnetId"]
        for one in (balancers.load_balancers if balancers else ())
        for zone in (balancers.every.get(one.name, {}).get("AvailabilityZones") or () if balancers else ())
        if zone.get("SubnetId")
    )
    of_tasks = [subnet for service in services.services for subnet in service.subnets]
    known = [*of_tasks, *of_balancers, *stores.database.subnets]
    if not known:
        return NetworkAcls()

    def read() -> NetworkAcls:
        ec2 = aws.client("ec2")
        vpc = stores.database.vpc or str(ec2.describe_subnets(SubnetIds=known[:1])["Subnets"][0]["VpcId"])
        here: Any = [{"Name": "vpc-id", "Values": [vpc]}]
        pages_of_acls = ec2.get_paginator("describe_network_acls")
        pages_of_subnets = ec2.get_paginator("describe_subnets")
        parts: list[Callable[[], Any]] = [
            lambda: [one for page in pages_of_acls.paginate(Filters=here) for one in page["NetworkAcls"]],
            lambda: [one for page in pages_of_subnets.paginate(Filters=here) for one in page["Subnets"]],
            lambda: _of_group(aws, stores.cache.subnet_group),
        ]
        acls, subnets, cache = parallel_map(lambda part: part(), parts)
        in_force = {one["SubnetId"]: acl["NetworkAclId"] for acl in acls for one in acl["Associations"]}
        return NetworkAcls(
            {acl["NetworkAclId"]: _rules(acl) for acl in acls},
            {
                one["SubnetId"]: SubnetAcl(one["SubnetId"], one["CidrBlock"], in_force[one["SubnetId"]])
                for one in subnets
                if one["SubnetId"] in in_force and one.get("CidrBlock")  # an IPv6-only subnet has none
            },
            stores.database.subnets,
            cache,
            of_balancers,
        )

    return within(HALF, "the network ACLs", read)


def _of_group(aws: Gateway, name: str) -> tuple[str, ...]:
    if not name:
        return ()
    response: Any = aws.client("elasticache").describe_cache_subnet_groups(CacheSubnetGroupName=name)
    return tuple(one["SubnetIdentifier"] for group in response["CacheSubnetGroups"] for one in group["Subnets"])


def _rules(acl: Mapping[str, Any]) -> tuple[AclRule, ...]:
    found = []
    for one in acl["Entries"]:
        if not one.get("CidrBlock"):  # of IPv6
            continue
        ports = one.get("PortRange") or {}
        found.append(
            AclRule(
                int(one["RuleNumber"]),
                bool(one["Egress"]),
                one["RuleAction"] == "allow",
                str(one["Protocol"]),
                one["CidrBlock"],
                int(ports.get("From", 0)),
                int(ports.get("To", 65535)),
            )
        )
    return tuple(sorted(found, key=lambda rule: rule.number))
