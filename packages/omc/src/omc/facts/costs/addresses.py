"""Public IPv4 addresses in the region: each is paid by the hour, used or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads


@dataclass(frozen=True, slots=True)
class PublicAddress:
    address: str
    used_by: str
    """``load balancer``, ``NAT gateway``, ``task`` or EC2's own word for the interface; empty: nothing holds it."""
    allocation: str = ""
    """``eipalloc-…`` of an elastic one, else empty."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class PublicAddresses:
    """All of the account's in the region: an idle one belongs to no VPC."""

    addresses: tuple[PublicAddress, ...]
    reading: Reading = NO_READING


@reads
def read_public_addresses(aws: Gateway) -> PublicAddresses:
    """One call for elastic addresses, and a listing of the interfaces that have any public address."""
    ec2 = aws.client("ec2")
    elastic: dict[str, Any] = {one["PublicIp"]: one for one in ec2.describe_addresses()["Addresses"]}
    found: dict[str, PublicAddress] = {}
    for page in ec2.get_paginator("describe_network_interfaces").paginate():
        for interface in page["NetworkInterfaces"]:
            for each in interface["PrivateIpAddresses"]:
                address = each.get("Association", {}).get("PublicIp", "")
                if address:
                    used_by = _used_by(interface.get("InterfaceType", ""), interface.get("Description", ""))
                    found[address] = _address(address, used_by, elastic.get(address))
    for address, record in elastic.items():
        used_by = "network interface" if record.get("AssociationId") else ""
        found.setdefault(address, _address(address, used_by, record))
    return PublicAddresses(tuple(found[address] for address in sorted(found)))


def _address(address: str, used_by: str, record: Any) -> PublicAddress:
    tags = {tag["Key"]: tag["Value"] for tag in (record or {}).get("Tags", ())}
    return PublicAddress(address, used_by, (record or {}).get("AllocationId", ""), tags.get("Name", ""))


def _used_by(kind: str, description: str) -> str:
    if description.startswith("ELB "):
        return "load balancer"
    if kind == "nat_gateway":
        return "NAT gateway"
    if description.startswith("arn:") and ":ecs:" in description:
        return "task"
    return {"RDSNetworkInterface": "database"}.get(description, kind or "network interface")
