"""How long the targets took to answer, minute by minute: percentiles of each target group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import BUDGET, within
from omc.facts.followup.gauges import Points
from omc.facts.load_balancers import TargetGroups
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope

MINUTES = 45
"""How far back is looked: a deployment of the last quarter of an hour, and the half hour before it."""
STATISTICS = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds, oldest first; minutes in which no target answered are left out."""

    of: Mapping[tuple[str, str], Points] = field(default_factory=dict)
    """By a target group's ARN and the statistic."""
    reading: Reading = NO_READING


@reads
def read_latencies(aws: Gateway, groups: TargetGroups, scope: Scope) -> Latencies:
    """One GetMetricData. Source of the metric: Elastic Load Balancing user guide, CloudWatch metrics."""
    wanted = [(group, statistic) for group in groups.groups if group.balancers for statistic in STATISTICS]
    if not wanted:
        return Latencies()
    queries: Any = [
        {
            "Id": f"l{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": "TargetResponseTime",
                    "Dimensions": [
                        {"Name": "TargetGroup", "Value": group.arn.rpartition(":")[2]},
                        {"Name": "LoadBalancer", "Value": group.balancers[0].partition(":loadbalancer/")[2]},
                    ],
                },
                "Period": 60,
                "Stat": statistic,
            },
        }
        for number, (group, statistic) in enumerate(wanted)
    ]
    begin = (scope.now - timedelta(minutes=MINUTES)).replace(second=0, microsecond=0)
    series = within(BUDGET, "the targets' response times", lambda: metric_data(aws, queries, begin, scope.now))
    found: dict[tuple[str, str], tuple[tuple[datetime, float], ...]] = {}
    for number, (group, statistic) in enumerate(wanted):
        if points := series.get(f"l{number}", ()):
            found[group.arn, statistic] = tuple(sorted((at.astimezone(UTC), value) for at, value in points))
    return Latencies(found)
