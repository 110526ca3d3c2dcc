"""Where VPC flow log records go: the flow logs that EC2 knows, matched with log groups.

``publish`` is the joint for whoever sees flows. moto keeps the flow logs' definitions, and looks for their groups
among its own, which has none; ``DescribeFlowLogs`` is corrected here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, Call, patch_response
from localcloud.services.logs.component import Logs
from localcloud.services.logs.flow import DEFAULT_FORMAT, FlowRecord, line, stream

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
            if (group := _group(flow.log_group_name, flow.log_destination)) is not None
        ]


def publish(cloud: Cloud, resources: Collection[str], records: Sequence[FlowRecord]) -> None:
    """Write flows of an interface to every flow log of one of ``resources`` (the interface, its subnet, its VPC).

    The events' time is the end of each record's interval.
    """
    logs = cloud.part(Logs)
    for destination in destinations(cloud):
        if destination.resource not in resources:
            continue
        streams: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for record in records:
            if destination.takes(record):
                streams[stream(record)].append((record.end * 1000, line(record, destination.layout)))
        for name, events in streams.items():
            logs.put(destination.group, name, events)


@patch_response("ec2", "DescribeFlowLogs")
def describe_flow_logs(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """Whether delivery works depends on our groups."""
    logs = cloud.part(Logs)
    for flow in answer.get("FlowLogs", []):
        group = _group(flow.get("LogGroupName"), flow.get("LogDestination"))
        if group is None:
            continue
        if group in logs.groups:
            flow["DeliverLogsStatus"] = "SUCCESS"
            flow.pop("DeliverLogsErrorMessage", None)
        else:
            flow["DeliverLogsStatus"] = "FAILED"
            flow["DeliverLogsErrorMessage"] = "Access error"
    return answer


def _group(name: str | None, destination: str | None) -> str | None:
    """The log group's name; None for a flow log that delivers elsewhere (S3)."""
    if name:
        return name
    if destination and ":log-group:" in destination:
        return destination.split(":log-group:")[1].removesuffix(":*")
    return None
