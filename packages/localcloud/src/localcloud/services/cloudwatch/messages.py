"""The messages that alarms send: CloudWatch's notification JSON and its subject, from an alarm as it is described.

Sending them is ``services.messaging``'s business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.services.cloudwatch.alarms import Notice
from localcloud.services.cloudwatch.decide import timestamp
from localcloud.services.cloudwatch.model import COMPOSITE

MOST_SUBJECT = 100
"""Characters that SNS takes as a subject."""

_REGIONS = {
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ap-southeast-4": "Asia Pacific (Melbourne)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-west-1": "EU (Ireland)",
    "us-east-1": "US East (N. Virginia)",
    "us-west-2": "US West (Oregon)",
}
_STATISTICS = {
    "SampleCount": "SAMPLE_COUNT",
    "Average": "AVERAGE",
    "Sum": "SUM",
    "Minimum": "MINIMUM",
    "Maximum": "MAXIMUM",
}


def subject(notice: Notice, region: str) -> str:
    name = str(notice.alarm["AlarmName"])
    place = _REGIONS.get(region, region)
    frame = f'{notice.new_state}: "" in {place}'
    return f'{notice.new_state}: "{name[: MOST_SUBJECT - len(frame)]}" in {place}'


def message(notice: Notice, account: str, region: str) -> str:
    """The JSON text of a notification, in the shape and order that CloudWatch sends."""
    alarm = notice.alarm
    record: dict[str, Any] = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription"),
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": timestamp(alarm["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": notice.new_state,
        "NewStateReason": notice.reason,
        "StateChangeTime": timestamp(notice.at),
        "Region": _REGIONS.get(region, region),
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": notice.old_state,
        "OKActions": alarm["OKActions"],
        "AlarmActions": alarm["AlarmActions"],
        "InsufficientDataActions": alarm["InsufficientDataActions"],
    }
    if notice.kind == COMPOSITE:
        record["AlarmRule"] = alarm["AlarmRule"]
        record["TriggeringChildren"] = [
            {"Arn": child["arn"], "State": {"Value": child["state"]["value"], "Timestamp": child["state"]["timestamp"]}}
            for child in json.loads(notice.reason_data or "{}").get("triggeringAlarms", [])
        ]
    else:
        record["Trigger"] = _trigger(alarm)
    return json.dumps(record, separators=(",", ":"))


def _trigger(alarm: Mapping[str, Any]) -> dict[str, Any]:
    trigger: dict[str, Any] = {}
    metrics = alarm.get("Metrics")
    if not metrics:
        extended = alarm.get("ExtendedStatistic")
        trigger |= {"MetricName": alarm["MetricName"], "Namespace": alarm["Namespace"]}
        trigger |= (
            {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": extended}
            if extended
            else {"StatisticType": "Statistic", "Statistic": _STATISTICS[alarm["Statistic"]]}
        )
        trigger |= {"Unit": alarm.get("Unit"), "Dimensions": _dimensions(alarm["Dimensions"])}
    trigger["Period"] = alarm.get("Period") or _period(metrics or ())
    trigger["EvaluationPeriods"] = alarm["EvaluationPeriods"]
    if alarm.get("DatapointsToAlarm") is not None:
        trigger["DatapointsToAlarm"] = alarm["DatapointsToAlarm"]
    trigger |= {
        "ComparisonOperator": alarm["ComparisonOperator"],
        "Threshold": float(alarm["Threshold"]),
        "TreatMissingData": alarm.get("TreatMissingData") or "missing",
        "EvaluateLowSampleCountPercentile": alarm.get("EvaluateLowSampleCountPercentile") or "",
    }
    if metrics:
        trigger["Metrics"] = [_query(query) for query in metrics]
    return trigger


def _period(metrics: Sequence[Mapping[str, Any]]) -> int:
    periods = [query["MetricStat"]["Period"] for query in metrics if query.get("MetricStat")]
    return int(periods[0]) if periods else 300


def _dimensions(dimensions: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{"value": pair["Value"], "name": pair["Name"]} for pair in dimensions]


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    returned = query.get("ReturnData")
    record: dict[str, Any] = {"Id": query["Id"]}
    if query.get("Expression"):
        record = {"Expression": query["Expression"], **record}
    if query.get("Label"):
        record["Label"] = query["Label"]
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        record["MetricStat"] = {
            "Metric": {
                "Dimensions": _dimensions(metric.get("Dimensions") or ()),
                "MetricName": metric.get("MetricName"),
                "Namespace": metric.get("Namespace"),
            },
            "Period": stat["Period"],
            "Stat": stat["Stat"],
        }
    record["ReturnData"] = True if returned is None else returned
    return record
