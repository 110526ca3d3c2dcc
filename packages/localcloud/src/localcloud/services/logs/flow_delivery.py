"""Where VPC flow log records go: the flow logs that EC2 knows, matched with log groups.

Whoever sees flows calls ``Logs.put_flows``. moto keeps the flow logs' definitions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcloud.core.flow import DEFAULT_FORMAT, FlowRecord, line, stream
from localcloud.core.interfaces import LogSink

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@dataclass(frozen=True, slots=True)
class Destination:
    """One flow log that delivers to a log group."""

    resource: str
    """The VPC, subnet or network interface whose flows are recorded."""
    group: str
    layout: str
    traffic: str
    """``ALL``, ``ACCEPT`` or ``REJECT``."""

    def takes(self, record: FlowRecord) -> bool:
        return self.traffic in ("ALL", "ACCEPT" if record.accepted else "REJECT")


def destinations(cloud: Cloud) -> list[Destination]:
    """The flow logs that deliver to CloudWatch Logs."""
    with cloud.lock:
        flows = list(getattr(cloud.moto("ec2"), "flow_logs", {}).values())
        return [
            Destination(flow.resource_id, group, flow.log_format or DEFAULT_FORMAT, flow.traffic_type)
            for flow in flows
            if (group := group_of(flow.log_group_name, flow.log_destination)) is not None
        ]


def publish(cloud: Cloud, resources: Collection[str], records: Sequence[FlowRecord]) -> None:
    """Write flows of an interface to every flow log of one of ``resources`` (the interface, its subnet, its VPC).

    The events' time is the end of each record's interval.
    """
    logs = cloud.part(LogSink)
    for destination in destinations(cloud):
        if destination.resource not in resources:
            continue
        streams: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for record in records:
            if destination.takes(record):
                streams[stream(record)].append((record.end * 1000, line(record, destination.layout)))
        for name, events in streams.items():
            logs.put(destination.group, name, events)


def group_of(name: str | None, destination: str | None) -> str | None:
    """The log group's name; None for a flow log that delivers elsewhere (S3)."""
    if name:
        return name
    if destination and ":log-group:" in destination:
        return destination.split(":log-group:")[1].removesuffix(":*")
    return None
