"""What CloudWatch tells EventBridge of an alarm: "Alarm State Change", whether or not its actions are enabled, and
"Alarm Configuration Change".

Source of both shapes: CloudWatch's guide, "Alarm events and EventBridge".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.core.interfaces import EventBus
from localcloud.services.cloudwatch.decide import timestamp

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

SOURCE = "aws.cloudwatch"
_COMPOSITE = ("AlarmRule", "ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
_METRIC = ("EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData")
_ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")


def state_changed(cloud: Cloud, alarm: Mapping[str, Any], before: tuple[str, str, str, datetime], at: datetime) -> None:
    """``alarm``: as DescribeAlarms has it after the change; ``before``: state, reason, the reason's data, and when."""
    state = _state(alarm["StateValue"], alarm["StateReason"], alarm.get("StateReasonData", ""), at)
    if alarm.get("ActionsSuppressedBy"):
        state["actionsSuppressedBy"] = alarm["ActionsSuppressedBy"]
        state["actionsSuppressedReason"] = alarm["ActionsSuppressedReason"]
    detail = {
        "alarmName": alarm["AlarmName"],
        "state": state,
        "previousState": _state(*before),
        "configuration": {**_watched(alarm), **_description(alarm)},
    }
    _tell(cloud, "CloudWatch Alarm State Change", alarm, detail, at)


def configured(
    cloud: Cloud, alarm: Mapping[str, Any], operation: str, at: datetime, before: Mapping[str, Any] | None = None
) -> None:
    """It was created, updated or deleted; ``before``: as it was until then, where it was updated."""
    detail: dict[str, Any] = {
        "alarmName": alarm["AlarmName"],
        "operation": operation,
        "state": {"value": alarm["StateValue"], "timestamp": timestamp(alarm["StateUpdatedTimestamp"])},
        "configuration": _configuration(alarm),
    }
    if before is not None:
        detail["previousConfiguration"] = _configuration(before)
    _tell(cloud, "CloudWatch Alarm Configuration Change", alarm, detail, at)


def _tell(cloud: Cloud, detail_type: str, alarm: Mapping[str, Any], detail: Mapping[str, Any], at: datetime) -> None:
    if cloud.has(EventBus):
        cloud.part(EventBus).tell(SOURCE, detail_type, [alarm["AlarmArn"]], detail, at=at)


def _state(value: str, reason: str, data: str, at: datetime) -> dict[str, str]:
    found = {"value": value, "reason": reason, "reasonData": data, "timestamp": timestamp(at)}
    return {name: each for name, each in found.items() if each}


def _configuration(alarm: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{_small(name): alarm[name] for name in _METRIC if alarm.get(name) is not None},
        **_watched(alarm),
        "alarmName": alarm["AlarmName"],
        **_description(alarm),
        "actionsEnabled": alarm["ActionsEnabled"],
        "timestamp": timestamp(alarm["AlarmConfigurationUpdatedTimestamp"]),
        **{_small(name): alarm[name] for name in _ACTIONS},
    }


def _description(alarm: Mapping[str, Any]) -> dict[str, str]:
    return {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}


def _watched(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of a metric alarm, the rule of a composite one."""
    if "AlarmRule" in alarm:
        return {_small(name): alarm[name] for name in _COMPOSITE if alarm.get(name) is not None}
    if alarm.get("Metrics"):
        return {"metrics": [_query(query) for query in alarm["Metrics"]]}
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    measured = _metric(alarm.get("Namespace"), alarm.get("MetricName"), alarm.get("Dimensions") or ())
    stat = {"metric": measured, "period": alarm.get("Period"), "stat": statistic}
    return {"metrics": [{"id": _id(alarm["AlarmArn"]), "metricStat": stat, "returnData": True}]}


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": query["Id"]}
    for name in ("Expression", "Label"):
        if query.get(name):
            found[_small(name)] = query[name]
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        measured = _metric(metric.get("Namespace"), metric.get("MetricName"), metric.get("Dimensions") or ())
        found["metricStat"] = {"metric": measured, "period": stat["Period"], "stat": stat["Stat"]}
    found["returnData"] = query.get("ReturnData") is not False
    return found


def _metric(namespace: str | None, name: str | None, dimensions: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Unlike in a topic's message the dimensions are an object."""
    pairs = {pair["Name"]: pair["Value"] for pair in dimensions}
    return {"dimensions": pairs, "name": name, "namespace": namespace}


def _id(arn: str) -> str:
    """CloudWatch gives a metric that was put without an id one of its own."""
    digits = hashlib.sha256(arn.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _small(name: str) -> str:
    """``okActions`` of ``OKActions``, ``alarmRule`` of ``AlarmRule``."""
    return f"ok{name[2:]}" if name.startswith("OK") else f"{name[0].lower()}{name[1:]}"
