"""CloudWatch's figures of the database, the cache and the target groups, hour by hour over the period and the one
before, which lies whole weeks earlier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import within
from omc.facts.load_balancers import TargetGroup, TargetGroups
from omc.facts.metric_data import metric_data
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.model.week_change import Change, Points, change, shift_of

HOUR = 3600
BUDGET = 20.0
"""Seconds for all of it: some hundred series of some hundred hours are a handful of calls."""
DATABASE: Sequence[tuple[str, str]] = (
    *(("DBLoad", "Average"), ("DBLoadCPU", "Average"), ("DBLoadNonCPU", "Average")),
    *(("DatabaseConnections", "Maximum"), ("MaximumUsedTransactionIDs", "Maximum")),
    *(("CPUUtilization", "Average"), ("CPUCreditBalance", "Minimum"), ("BurstBalance", "Minimum")),
    *(("EBSIOBalance%", "Minimum"), ("EBSByteBalance%", "Minimum")),
)
"""A metric and its statistic. Source: RDS user guide, CloudWatch metrics for Amazon RDS (namespace AWS/RDS); DBLoad and
its parts are there where Performance Insights is on."""
NODE: Sequence[tuple[str, str]] = (
    *(("CacheHits", "Sum"), ("CacheMisses", "Sum"), ("Evictions", "Sum"), ("KeyBasedCmds", "Sum")),
    *(("CurrItems", "Maximum"), ("BytesUsedForCache", "Maximum"), ("DatabaseMemoryUsagePercentage", "Maximum")),
    ("CPUCreditBalance", "Minimum"),
)
"""Of each node. Source: ElastiCache user guide, Metrics for Valkey and Redis OSS, and Host-level metrics."""
TARGETS: Sequence[tuple[str, str]] = (
    *(("TargetResponseTime", "p50"), ("TargetResponseTime", "p95"), ("TargetResponseTime", "p99")),
    ("RequestCount", "Sum"),
)
"""Of each target group. Source: Elastic Load Balancing user guide, CloudWatch metrics for your Application Load
Balancer."""
Key = tuple[str, str, str]
"""Of what, metric, statistic: ``("database", "DBLoad", "Average")``."""
DATABASE_PLACE = "database"


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """Each series over both periods, oldest first; one without a figure isn't there."""

    begin: datetime
    """Of the period that is reviewed: a whole hour."""
    since: timedelta
    series: Mapping[Key, Points] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    """The cache's members."""
    groups: tuple[str, ...] = ()
    """Target groups that a load balancer sends to."""
    reading: Reading = NO_READING

    def now(self, place: str, metric: str, statistic: str) -> Points:
        """The period's figures of one series."""
        return [(at, value) for at, value in self.series.get((place, metric, statistic), ()) if at >= self.begin]

    def before(self, place: str, metric: str, statistic: str) -> Points:
        """Those of the period before."""
        begin = self.begin - shift_of(self.since)
        points = self.series.get((place, metric, statistic), ())
        return [(at, value) for at, value in points if begin <= at < begin + self.since]

    def change(self, place: str, metric: str, statistic: str, *, percent: float, least: float) -> Change:
        """Both compared, by the rule of ``omc.model.week_change``."""
        points = self.series.get((place, metric, statistic), ())
        return change(points, self.begin, self.since, percent=percent, least=least)

    def of_nodes(self, metric: str, statistic: str) -> Points:
        """All nodes of the cache: what is counted is added up, of the rest the greatest counts."""
        found: dict[datetime, float] = {}
        for node in self.nodes:
            for at, value in self.series.get((node, metric, statistic), ()):
                known = found.get(at, 0.0)
                found[at] = known + value if statistic == "Sum" else max(known, value)
        return sorted(found.items())


@reads
def read_week_figures(aws: Gateway, scope: Scope, pending: Pending, groups: TargetGroups) -> WeekFigures:
    """GetMetricData, five hundred series a call. The hour that has begun counts: a young stack has no other."""
    end = scope.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(seconds=HOUR)
    begin = end - scope.since
    nodes = tuple((pending.cache or {}).get("MemberClusters") or ())
    used = tuple(group for group in groups.groups if group.balancers)
    wanted: list[tuple[Key, str, dict[str, str]]] = []
    if pending.database is not None:
        dimensions = {"DBInstanceIdentifier": str(pending.database["DBInstanceIdentifier"])}
        wanted += [((DATABASE_PLACE, *each), "AWS/RDS", dimensions) for each in DATABASE]
    for node in nodes:
        wanted += [((node, *each), "AWS/ElastiCache", {"CacheClusterId": node}) for each in NODE]
    for group in used:
        wanted += [((group.name, *each), "AWS/ApplicationELB", _dimensions(group)) for each in TARGETS]
    queries: Any = [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                },
                "Period": HOUR,
                "Stat": statistic,
            },
        }
        for number, ((_, metric, statistic), namespace, dimensions) in enumerate(wanted)
    ]
    first = begin - shift_of(scope.since)
    found = within(BUDGET, "the figures of both weeks", lambda: metric_data(aws, queries, first, end))
    series = {
        wanted[int(identifier[1:])][0]: tuple(sorted((at.astimezone(UTC), value) for at, value in points))
        for identifier, points in found.items()
        if points
    }
    return WeekFigures(begin, scope.since, series, nodes, tuple(group.name for group in used))


def _dimensions(group: TargetGroup) -> dict[str, str]:
    return {
        "TargetGroup": group.arn.rpartition(":")[2],
        "LoadBalancer": group.balancers[0].partition(":loadbalancer/")[2],
    }
