"""How much each of the environment's log groups takes in and holds, and for how long it keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import BadAnswer
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

MAX_PAGES = 40
"""Fifty groups each."""
DAY = 86400


@dataclass(frozen=True, slots=True)
class GroupVolume:
    name: str
    retention_days: int | None
    """None: lines are kept for ever."""
    stored_bytes: float
    """Compressed, as AWS charges for them."""
    taken_in: float | None
    """Bytes in the period; None: CloudWatch has no figure."""
    before: float | None
    """The same in the period before."""
    is_infrequent: bool = False
    """Of the class that costs half and can't do all."""


@dataclass(frozen=True, slots=True)
class LogVolumes:
    groups: tuple[GroupVolume, ...]
    reading: Reading = NO_READING


@reads
def read_log_volumes(aws: Gateway, environment: Environment, scope: Scope) -> LogVolumes:
    """One listing of all groups, of which those that bear the environment's name are kept; one metric a group."""
    records: list[Any] = []
    for number, page in enumerate(aws.client("logs").get_paginator("describe_log_groups").paginate()):
        if number >= MAX_PAGES:
            raise BadAnswer(f"The account has more than {MAX_PAGES * 50} log groups; omc looks through no more.")
        records += page["logGroups"]
    ours = [one for one in records if environment.prefix in one.get("logGroupName", "")]
    end = scope.now.replace(hour=0, minute=0, second=0, microsecond=0)
    span = max(timedelta(days=1), scope.since)
    queries = [_query(f"b{number}", one["logGroupName"]) for number, one in enumerate(ours)]
    series = metric_data(aws, queries, end - 2 * span, end) if queries else {}
    found = []
    for number, one in enumerate(ours):
        points = series[f"b{number}"]
        now = [value for at, value in points if at >= end - span]
        before = [value for at, value in points if at < end - span]
        found.append(
            GroupVolume(
                one["logGroupName"],
                one.get("retentionInDays"),
                float(one.get("storedBytes", 0)),
                sum(now) if points else None,
                sum(before) if before else None,
                one.get("logGroupClass") == "INFREQUENT_ACCESS",
            )
        )
    return LogVolumes(tuple(found))


def _query(identifier: str, group: str) -> MetricDataQueryTypeDef:
    return {
        "Id": identifier,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/Logs",
                "MetricName": "IncomingBytes",
                "Dimensions": [{"Name": "LogGroupName", "Value": group}],
            },
            "Period": DAY,
            "Stat": "Sum",
        },
    }
