"""What users got in one stretch of time: how many answers, how many of them 5xx, and how slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from omc.aws.gateway import Gateway
from omc.facts.load_balancers import LoadBalancer
from omc.facts.traffic import COUNTS

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

ERRORS = ("HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count")
LATENCY = "TargetResponseTime"


@dataclass(frozen=True, slots=True)
class Answers:
    """All load balancers of the environment together."""

    total: float
    errors: float
    p95_seconds: float | None
    """The slowest period's 95th percentile of the targets' response times; None: nothing was measured."""
    whole_periods: int = 0
    """Periods of which CloudWatch tells any answer, and which lie within the stretch from begin to end."""

    @property
    def error_percent(self) -> float:
        return 100 * self.errors / self.total if self.total else 0.0


def read_answers(
    aws: Gateway, load_balancers: Sequence[LoadBalancer], begin: datetime, end: datetime, period: int = 60
) -> Answers:
    """From ``begin`` to ``end``, in whole periods (seconds); CloudWatch has a load balancer's figures a minute late."""
    asked_from, begin, end = begin, _floor(begin, period), _floor(end, period)
    if not load_balancers or begin >= end:
        return Answers(0, 0, None)
    queries = [
        _query(f"m{number}_{place}", balancer, metric, "p95" if metric == LATENCY else "Sum", period)
        for number, balancer in enumerate(load_balancers)
        for place, metric in enumerate((*COUNTS.values(), LATENCY))
    ]
    names = {query["Id"]: query["MetricStat"]["Metric"]["MetricName"] for query in queries}
    found: dict[str, list[float]] = {}
    told_of: set[datetime] = set()
    pages = (
        aws.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(MetricDataQueries=queries, StartTime=begin, EndTime=end)
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            name = str(names[result["Id"]])
            found.setdefault(name, []).extend(result["Values"])
            if name != LATENCY:
                told_of |= {at for at in result["Timestamps"] if at >= asked_from}
    return Answers(
        total=sum(sum(values) for name, values in found.items() if name != LATENCY),
        errors=sum(sum(found.get(name, [])) for name in ERRORS),
        p95_seconds=max(found.get(LATENCY, []), default=None),
        whole_periods=len(told_of),
    )


def tells_of_hosts(aws: Gateway, load_balancers: Sequence[LoadBalancer], begin: datetime, end: datetime) -> bool:
    """Whether CloudWatch has a count of healthy targets of each load balancer. It gets one whether anybody asks for a
    page or not, so that silence is CloudWatch's and not the users'."""
    queries: Any = [
        {
            "Id": f"h{number}",
            "Expression": 'SEARCH(\'{AWS/ApplicationELB,LoadBalancer,TargetGroup} MetricName="HealthyHostCount" '
            f"LoadBalancer=\"{balancer.dimension}\"', 'SampleCount', 10)",
        }
        for number, balancer in enumerate(load_balancers)
    ]
    told: set[str] = set()
    pages = (
        aws.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(MetricDataQueries=queries, StartTime=begin, EndTime=end)
    )
    for page in pages:
        told |= {str(result["Id"]) for result in page["MetricDataResults"] if result["Values"]}
    return len(told) == len(queries)


def _query(identifier: str, balancer: LoadBalancer, metric: str, statistic: str, period: int) -> Any:
    query: MetricDataQueryTypeDef = {
        "Id": identifier,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ApplicationELB",
                "MetricName": metric,
                "Dimensions": [{"Name": "LoadBalancer", "Value": balancer.dimension}],
            },
            "Period": period,
            "Stat": statistic,
        },
    }
    return query


def _floor(moment: datetime, period: int) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() // period * period, moment.tzinfo)
