"""Where flow logs are written: the environment's own, and those of a VPC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omc.aws.gateway import Gateway
from omc.config import Environment


@dataclass(frozen=True, slots=True)
class FlowLog:
    log_group: str
    """Empty: there is none in CloudWatch Logs."""
    resource: str = ""
    """The VPC, subnet or interface that it records."""


def flow_logs(aws: Gateway) -> Iterator[FlowLog]:
    """All of the region that go to CloudWatch Logs."""
    for page in aws.client("ec2").get_paginator("describe_flow_logs").paginate():
        for record in page["FlowLogs"]:
            if record.get("LogDestinationType", "cloud-watch-logs") != "cloud-watch-logs":
                continue
            group = record.get("LogGroupName") or record.get("LogDestination", "").partition(":log-group:")[2]
            if group:
                yield FlowLog(group, record.get("ResourceId", ""))


def find_flow_log(aws: Gateway, environment: Environment) -> FlowLog:
    """The flow log whose log group has the environment's prefix as a part of its name."""
    ours = (each for each in flow_logs(aws) if environment.prefix in each.log_group.split("/"))
    return next(ours, FlowLog(""))
