"""NAT gateways: what flowed through them, as the metrics of AWS/NATGateway and as costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from localcloud.core.billing import EC2_OTHER, GIB, Item, tags_of
from localcloud.core.connections import Moved
from localcloud.core.flow import FlowRecord
from localcloud.core.interfaces import CostCounter, MetricSink
from localcloud.services.vpc.reachability import Subnet, VpcSnapshot

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

NAMESPACE = "AWS/NATGateway"
UNITS = {
    "BytesOutToDestination": "Bytes",
    "BytesInFromDestination": "Bytes",
    "BytesOutToSource": "Bytes",
    "BytesInFromSource": "Bytes",
    "PacketsOutToDestination": "Count",
    "PacketsInFromDestination": "Count",
    "PacketsOutToSource": "Count",
    "PacketsInFromSource": "Count",
    "ConnectionAttemptCount": "Count",
    "ConnectionEstablishedCount": "Count",
    "ErrorPortAllocation": "Count",
    "IdleTimeoutCount": "Count",
    "PacketsDropCount": "Count",
}
"""Every count of a NAT gateway; those that nothing here can cause are 0, as AWS publishes them."""


def counts(moved: Moved) -> dict[str, int]:
    """What these bytes add. What comes in from one side goes out to the other."""
    return {
        "BytesInFromSource": moved.bytes_sent,
        "BytesOutToDestination": moved.bytes_sent,
        "BytesInFromDestination": moved.bytes_received,
        "BytesOutToSource": moved.bytes_received,
        "PacketsInFromSource": moved.packets_sent,
        "PacketsOutToDestination": moved.packets_sent,
        "PacketsInFromDestination": moved.packets_received,
        "PacketsOutToSource": moved.packets_received,
    }


def publish(cloud: Cloud, world: VpcSnapshot, counted: Mapping[str, Counter[str]], active: Mapping[str, int]) -> None:
    """An interval's metrics of every NAT gateway that is there, and the charge for the bytes that it processed."""
    for identifier, gateway in world.nats.items():
        if not gateway.available:
            continue
        held = counted.get(identifier, Counter())
        if cloud.has(MetricSink):
            put = cloud.part(MetricSink).put
            dimensions = {"NatGatewayId": identifier}
            for name, unit in UNITS.items():
                put(NAMESPACE, name, dimensions, float(held[name]), unit=unit)
            put(NAMESPACE, "ActiveConnectionCount", dimensions, float(active.get(identifier, 0)), unit="Count")
        moved = held["BytesInFromSource"] + held["BytesInFromDestination"]
        if moved and cloud.has(CostCounter):
            item = Item(EC2_OTHER, "APS2-NatGateway-Bytes", "NatGateway", _tags(cloud, identifier))
            cloud.part(CostCounter).count(item, moved / GIB)


def _tags(cloud: Cloud, identifier: str) -> tuple[tuple[str, str], ...]:
    with cloud.lock:
        gateway = cloud.moto("ec2").nat_gateways.get(identifier)
        held = gateway.get_tags() if gateway else []
    return tags_of([{"Key": tag["key"], "Value": tag["value"]} for tag in held])


def placed(record: FlowRecord, subnet: Subnet) -> FlowRecord:
    """The record with the ids of its subnet and VPC, for formats that ask for them."""
    return replace(record, more={**record.more, "subnet-id": subnet.id, "vpc-id": subnet.vpc})
