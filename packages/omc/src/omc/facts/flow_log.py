"""Where the environment's VPC has its flow log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment


@dataclass(frozen=True, slots=True)
class FlowLog:
    log_group: str
    """Empty: the environment has none in CloudWatch Logs."""
    resource: str = ""
    """The VPC, subnet or interface that it records."""


def find_flow_log(aws: Gateway, environment: Environment) -> FlowLog:
    """One call: the flow log whose log group has the environment's prefix as a part of its name."""
    records: Any = aws.client("ec2").describe_flow_logs()["FlowLogs"]
    for record in records:
        name = _log_group(record)
        if environment.prefix in name.split("/"):
            return FlowLog(name, str(record.get("ResourceId", "")))
    return FlowLog("")


def _log_group(record: Mapping[str, Any]) -> str:
    if record.get("LogDestinationType", "cloud-watch-logs") != "cloud-watch-logs":
        return ""
    return str(record.get("LogGroupName") or str(record.get("LogDestination", "")).partition(":log-group:")[2])
