"""How many requests the load balancers got in the period, and in the one before: what a rise of costs may follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.costs.spending import LATE
from omc.facts.load_balancers import LoadBalancers
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

DAY = 86400


@dataclass(frozen=True, slots=True)
class RequestWeeks:
    """The same days as the spending's."""

    now: float
    before: float
    reading: Reading = NO_READING

    @property
    def rise(self) -> float | None:
        """0.25 for a quarter more; None: nothing came before."""
        return self.now / self.before - 1 if self.before else None


@reads
def read_request_weeks(aws: Gateway, load_balancers: LoadBalancers, scope: Scope) -> RequestWeeks:
    """One metric a load balancer, by the day."""
    queries: list[MetricDataQueryTypeDef] = [
        {
            "Id": f"r{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": "RequestCount",
                    "Dimensions": [{"Name": "LoadBalancer", "Value": balancer.dimension}],
                },
                "Period": DAY,
                "Stat": "Sum",
            },
        }
        for number, balancer in enumerate(load_balancers.load_balancers)
    ]
    end = (scope.now - LATE).replace(hour=0, minute=0, second=0, microsecond=0)
    span = timedelta(days=max(1, scope.since.days))
    series = metric_data(aws, queries, end - 2 * span, end) if queries else {}
    points = [point for some in series.values() for point in some]
    now = sum(value for at, value in points if at >= end - span)
    return RequestWeeks(now, sum(value for _, value in points) - now)
