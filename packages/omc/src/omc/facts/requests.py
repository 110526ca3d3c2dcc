"""How many requests each target group got, in steps of five minutes: now, in the hours before, and a day ago."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.load_balancers import LoadBalancers, TargetGroup, TargetGroups
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

STEP = timedelta(minutes=5)
BACK = timedelta(hours=31)
"""A day, the six hours before it in which a silence may have begun, and one hour more."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Of each target group of the environment, by ARN: start of a step to the requests in it. Steps without any are
    left out, as CloudWatch does."""

    by_group: Mapping[str, Mapping[datetime, float]]
    reading: Reading = NO_READING


@reads
def read_requests(aws: Gateway, load_balancers: LoadBalancers, groups: TargetGroups, scope: Scope) -> Requests:
    """``RequestCount`` of every group behind each of its load balancers; of one that none sends to now, behind each of
    the environment's."""
    ours = [balancer.arn for balancer in load_balancers.load_balancers if balancer.kind == "application"]
    wanted = [(group, arn) for group in groups.groups for arn in (group.balancers or ours)]
    begin = scope.now - BACK
    begin = begin.replace(minute=begin.minute - begin.minute % 5, second=0, microsecond=0)
    series = metric_data(aws, [_query(number, *one) for number, one in enumerate(wanted)], begin, scope.now)
    found: dict[str, dict[datetime, float]] = {group.arn: {} for group in groups.groups}
    for number, (group, _) in enumerate(wanted):
        for at, value in series.get(f"r{number}", []):
            found[group.arn][at] = found[group.arn].get(at, 0.0) + value
    return Requests(found)


def _query(number: int, group: TargetGroup, balancer: str) -> MetricDataQueryTypeDef:
    return {
        "Id": f"r{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ApplicationELB",
                "MetricName": "RequestCount",
                "Dimensions": [
                    {"Name": "TargetGroup", "Value": group.arn.rpartition(":")[2]},
                    {"Name": "LoadBalancer", "Value": balancer.partition(":loadbalancer/")[2]},
                ],
            },
            "Period": int(STEP.total_seconds()),
            "Stat": "Sum",
        },
    }
