"""What went through the NAT gateways, by the address at its other end, from the VPC's flow log.

A gateway's interface logs each flow twice: between the task and the gateway, and between the gateway and the outside
(Amazon VPC user guide, "Traffic through a NAT gateway"). Only the second is counted. S3's and DynamoDB's addresses are
those of AWS's prefix lists, which gateway endpoints are made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.flow_log import flow_logs
from omc.facts.followup.budget import within
from omc.facts.followup.insights import query
from omc.facts.scope import Scope
from omc.model.networks import INTERNET, kind_of

BUDGET = 60.0
"""Seconds. A week of a small stack's flow log is read in a few."""
DESTINATIONS = 1000
"""Rows that are asked for, the largest first."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One address outside."""

    address: str
    bytes: float
    """Both ways."""
    service: str = ""
    """``s3`` or ``dynamodb``; empty for any other."""


@dataclass(frozen=True, slots=True)
class NatTraffic:
    """Of all the environment's NAT gateways together."""

    gateways: tuple[str, ...]
    """Ids."""
    zones: int = 0
    """In how many zones they, or rather their subnets, are."""
    peers: tuple[Peer, ...] | None = None
    """Largest first; None: the VPC has no flow log in CloudWatch Logs that covers the gateways."""
    endpoints: tuple[str, ...] = ()
    """Services that the VPC has an endpoint for, ``s3``, ``ecr.dkr``."""
    log_group: str = ""
    reading: Reading = NO_READING

    @property
    def total(self) -> float:
        return sum(peer.bytes for peer in self.peers or ())

    def of(self, service: str) -> float:
        return sum(peer.bytes for peer in self.peers or () if peer.service == service)


@reads
def read_nat_traffic(aws: Gateway, environment: Environment, scope: Scope) -> NatTraffic:
    """Four listings, and one query over the period. Logs Insights is paid by the gigabyte that it scans."""
    ec2 = aws.client("ec2")
    states: Any = [{"Name": "state", "Values": ["available"]}]
    every: list[Any] = []
    for page in ec2.get_paginator("describe_nat_gateways").paginate(Filters=states):
        every += page["NatGateways"]
    ours = [one for one in every if environment.prefix in _name(one)]
    if not ours:
        return NatTraffic(())
    vpcs = sorted({one["VpcId"] for one in ours})
    of_vpc: Any = [{"Name": "vpc-id", "Values": vpcs}]
    endpoints = [
        one
        for page in ec2.get_paginator("describe_vpc_endpoints").paginate(Filters=of_vpc)
        for one in page["VpcEndpoints"]
    ]
    services = tuple(sorted({_service(one["ServiceName"], environment.region) for one in endpoints}))
    addresses = [address for one in ours for address in one["NatGatewayAddresses"]]
    ids, zones = tuple(one["NatGatewayId"] for one in ours), len({one["SubnetId"] for one in ours})
    group = next((each.log_group for each in flow_logs(aws) if each.resource in vpcs), "")
    if not group:
        return NatTraffic(ids, zones, None, services)
    text = _query(
        [address["NetworkInterfaceId"] for address in addresses], [address["PrivateIp"] for address in addresses]
    )
    try:
        rows = within(
            BUDGET,
            "the flow log's traffic of the NAT gateways",
            lambda: query(aws, group, text, scope.now - scope.since, scope.now),
        )
    except NotFound:
        return NatTraffic(ids, zones, None, services, group)
    lists = ec2.describe_prefix_lists()["PrefixLists"]
    known = [
        (_service(one["PrefixListName"], environment.region), ip_network(cidr))
        for one in lists
        for cidr in one.get("Cidrs", ())
        if ":" not in cidr
    ]
    return NatTraffic(ids, zones, peers_of(rows, known), services, group)


def peers_of(rows: Sequence[Mapping[str, str]], known: Sequence[tuple[str, Any]]) -> tuple[Peer, ...]:
    """Each outside address once, its bytes of both ways added, the largest first."""
    found: dict[str, float] = {}
    for row in rows:
        outside = [each for each in (row.get("srcAddr", ""), row.get("dstAddr", "")) if _is_outside(each)]
        if outside:
            found[outside[-1]] = found.get(outside[-1], 0.0) + float(row.get("bytes") or 0)
    ordered = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Peer(address, count, _service_at(address, known)) for address, count in ordered)


def _is_outside(text: str) -> bool:
    return kind_of(text) == INTERNET and ":" not in text


def _service_at(address: str, known: Sequence[tuple[str, IPv4Network]]) -> str:
    at = IPv4Address(address)
    return next((service for service, network in known if at in network), "")


def _query(interfaces: Sequence[str], addresses: Sequence[str]) -> str:
    gateways, own = (
        " or ".join(f'{field} = "{each}"' for each in values)
        for field, values in (("interfaceId", interfaces), ("srcAddr", addresses))
    )
    theirs = own.replace("srcAddr", "dstAddr")
    return (
        f'filter ({gateways}) and ({own} or {theirs}) and action = "ACCEPT" '
        f"| stats sum(bytes) as bytes by srcAddr, dstAddr | sort bytes desc | limit {DESTINATIONS}"
    )


def _service(name: str, region: str) -> str:
    """``s3`` of ``com.amazonaws.ap-southeast-2.s3``."""
    return name.partition(f"{region}.")[2] or name


def _name(record: Mapping[str, Any]) -> str:
    return next((str(tag["Value"]) for tag in record.get("Tags", ()) if tag["Key"] == "Name"), "")
