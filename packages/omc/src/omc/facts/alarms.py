"""CloudWatch alarms, metric and composite, with the tags of those that are in ALARM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import CompositeAlarmTypeDef, MetricAlarmTypeDef

PAGE = 100
"""The most that DescribeAlarms returns per page."""
AUTOSCALING_PREFIX = "TargetTracking-"
"""Alarms that target tracking makes for itself; the low ones stay in ALARM while there is little load."""


@dataclass(frozen=True, slots=True)
class Alarm:
    name: str
    arn: str
    kind: str
    """metric or composite."""
    state: str
    """OK, ALARM or INSUFFICIENT_DATA."""
    since: datetime
    reason: str
    acts: bool
    """Its actions are enabled, and there is one for ALARM."""
    suppressed_by: str
    """The alarm that holds a composite's actions back just now; else empty."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Read for alarms in ALARM only; keys in small letters."""
    suppression: str = ""
    """Why they are held back: Alarm, WaitPeriod or ExtensionPeriod."""
    dimensions: tuple[str, ...] = ()
    """Values of the dimensions of all its metrics: what it watches."""
    actions: tuple[str, ...] = ()
    """ARNs of what is told when it goes to ALARM, whether or not its actions are enabled."""
    record: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """All that CloudWatch says of it, in its own words."""

    @property
    def is_switched_off(self) -> bool:
        """There is an action for ALARM, and none is taken."""
        return bool(self.actions) and not self.acts


@dataclass(frozen=True, slots=True)
class Alarms:
    """All of the account's alarms but autoscaling's own."""

    alarms: tuple[Alarm, ...]
    autoscaling: int = 0
    """How many alarms of target tracking were left out."""
    wanting: tuple[str, ...] = ()
    """What target tracking's own alarms, in ALARM, want more of: ``service/ohmycoins-staging/backend``."""
    reading: Reading = NO_READING


@reads
def read_alarms(aws: Gateway) -> Alarms:
    """A hundred alarms a call; then one call for the tags of each that is in ALARM."""
    cloudwatch = aws.client("cloudwatch")
    alarms: list[Alarm] = []
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"], PaginationConfig={"PageSize": PAGE}
    )
    for page in pages:
        alarms += [_alarm(payload, "metric") for payload in page.get("MetricAlarms", [])]
        alarms += [_alarm(response, "composite") for response in page.get("CompositeAlarms", [])]
    ours = [alarm for alarm in alarms if not alarm.name.startswith(AUTOSCALING_PREFIX)]

    def with_tags(alarm: Alarm) -> Alarm:
        if alarm.state != "ALARM":
            return alarm
        tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm.arn)["Tags"]
        return replace(alarm, tags={tag["Key"].lower(): tag["Value"] for tag in tags})

    firing = iter(parallel_map(with_tags, [alarm for alarm in ours if alarm.state == "ALARM"]))
    tagged = [next(firing) if alarm.state == "ALARM" else alarm for alarm in ours]
    wanting = sorted({_wants_more(alarm) for alarm in alarms if alarm.state == "ALARM"} - {""})
    ordered = tuple(sorted(tagged, key=lambda alarm: alarm.name))
    return Alarms(ordered, autoscaling=len(alarms) - len(ours), wanting=tuple(wanting))


def read_alarm(aws: Gateway, name: str) -> Alarm | None:
    """One alarm, without its tags; None where there is none of this name."""
    answer = aws.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    found = [_alarm(payload, "metric") for payload in answer.get("MetricAlarms", [])]
    found += [_alarm(payload, "composite") for payload in answer.get("CompositeAlarms", [])]
    return found[0] if found else None


def _wants_more(alarm: Alarm) -> str:
    """``TargetTracking-service/ohmycoins-staging/backend-AlarmHigh-…`` is the service's; empty for any other alarm."""
    name, found, _ = alarm.name.removeprefix(AUTOSCALING_PREFIX).partition("-AlarmHigh-")
    return name if found and alarm.name.startswith(AUTOSCALING_PREFIX) else ""


def _alarm(record: MetricAlarmTypeDef | CompositeAlarmTypeDef, kind: str) -> Alarm:
    entry: Mapping[str, Any] = record
    since = record.get("StateTransitionedTimestamp") or record["StateUpdatedTimestamp"]
    suppression = str(entry.get("ActionsSuppressedBy", ""))
    return Alarm(
        name=record["AlarmName"],
        arn=record["AlarmArn"],
        kind=kind,
        state=record["StateValue"],
        since=since.astimezone(UTC),
        reason=record.get("StateReason", ""),
        acts=bool(record.get("ActionsEnabled") and record.get("AlarmActions")),
        suppressed_by=str(entry.get("ActionsSuppressor", "its suppressor")).rpartition(":")[2] if suppression else "",
        suppression=suppression,
        dimensions=_dimensions(entry),
        actions=tuple(record.get("AlarmActions", [])),
        record=entry,
    )


def _dimensions(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Of the one metric, or of those of an expression."""
    metrics = [record, *(query.get("MetricStat", {}).get("Metric", {}) for query in record.get("Metrics", []))]
    values = (dimension["Value"] for metric in metrics for dimension in metric.get("Dimensions", []))
    return tuple(dict.fromkeys(values))
