"""What has an address of a flow log: a task of a service, a load balancer, a NAT gateway, the internet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.model.networks import INTERNET, PRIVATE, kind_of

ADDRESSES_A_CALL = 200
"""Values of one filter of DescribeNetworkInterfaces."""
TASKS_A_CALL = 100


def read_names(aws: Gateway, environment: Environment, vpc: str, addresses: Iterable[str]) -> dict[str, str]:
    """An address to what has it now, of the environment's VPC; those that nothing has are left out."""
    wanted = sorted({address for address in addresses if kind_of(address)})
    if not wanted:
        return {}
    found = _interfaces(aws, vpc, wanted)
    return found | {address: name for address, name in _tasks(aws, environment).items() if address in wanted}


def _interfaces(aws: Gateway, vpc: str, wanted: list[str]) -> dict[str, str]:
    ec2 = aws.client("ec2")
    found: dict[str, str] = {}
    inside = [address for address in wanted if kind_of(address) == PRIVATE]
    outside = [address for address in wanted if kind_of(address) == INTERNET]
    questions = [("addresses.private-ip-address", some) for some in batches(inside, ADDRESSES_A_CALL)]
    questions += [("association.public-ip", some) for some in batches(outside, ADDRESSES_A_CALL)]

    def ask(question: tuple[str, Any]) -> list[Mapping[str, Any]]:
        name, values = question
        filters: Any = [{"Name": name, "Values": list(values)}, *([{"Name": "vpc-id", "Values": [vpc]}] if vpc else [])]
        pages = ec2.get_paginator("describe_network_interfaces").paginate(Filters=filters)
        return [record for page in pages for record in page["NetworkInterfaces"]]

    for records in parallel_map(ask, questions):
        for record in records:
            for part in record.get("PrivateIpAddresses", ()):
                found[part.get("PrivateIpAddress", "")] = _interface(record)
                if public := part.get("Association", {}).get("PublicIp"):
                    found[public] = _interface(record)
    return {address: name for address, name in found.items() if address in wanted}


def _interface(record: Mapping[str, Any]) -> str:
    """By AWS's own descriptions of the interfaces that its services make."""
    description, kind = str(record.get("Description", "")), str(record.get("InterfaceType", ""))
    tags = {tag.get("Key"): tag.get("Value", "") for tag in record.get("TagSet", ())}
    identity = str(record.get("NetworkInterfaceId", ""))
    if kind == "nat_gateway" or description.startswith("Interface for NAT Gateway"):
        return f"NAT gateway {description.rpartition(' ')[2]}".strip()
    if description.startswith("ELB "):
        parts = description.removeprefix("ELB ").split("/")
        return f"load balancer {parts[1] if len(parts) > 1 else parts[0]}"
    if description == "RDSNetworkInterface":
        return "RDS"
    if description.startswith("ElastiCache"):
        return f"ElastiCache {description.removeprefix('ElastiCache').strip(' +')}".strip()
    if kind == "vpc_endpoint" or description.startswith("VPC Endpoint Interface"):
        return f"VPC endpoint {description.rpartition(' ')[2]}".strip()
    if ":attachment/" in description:
        return f"a task ({identity})"
    return tags.get("Name") or (f"{identity}: {description}" if description else identity)


def _tasks(aws: Gateway, environment: Environment) -> dict[str, str]:
    """Of tasks that run, and of those that ECS remembers for an hour."""
    ecs = aws.client("ecs")

    def listed(where: tuple[str, Any]) -> list[str]:
        cluster, state = where
        pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=state)
        return [arn for page in pages for arn in page["taskArns"]]

    places = [(cluster, state) for cluster in environment.clusters for state in ("STOPPED", "RUNNING")]
    arns: dict[str, list[str]] = {}
    for (cluster, _), some in zip(places, parallel_map(listed, places), strict=True):
        arns.setdefault(cluster, []).extend(some)
    wanted = [(cluster, some) for cluster, every in arns.items() for some in batches(every, TASKS_A_CALL)]

    def describe(what: tuple[str, Any]) -> list[Mapping[str, Any]]:
        return list(ecs.describe_tasks(cluster=what[0], tasks=list(what[1]))["tasks"])

    found: dict[str, str] = {}
    for records in parallel_map(describe, wanted):
        for record in records:
            group = str(record.get("group", ""))
            what = f"service {group.removeprefix('service:')}" if group.startswith("service:") else group or "a task"
            for attachment in record.get("attachments", ()):
                for detail in attachment.get("details", ()):
                    if detail.get("name") == "privateIPv4Address":
                        found[detail.get("value", "")] = f"{what}, task {str(record['taskArn']).rpartition('/')[2][:8]}"
    return found
