"""What users got in one stretch of time: how many answers, how many of them 5xx, and how slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from omc.aws.gateway import Gateway
from omc.facts.load_balancers import LoadBalancer
from omc.facts.metric_data import metric_data
from omc.facts.traffic import COUNTS

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

ERRORS = ("HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count")
LATENCY = "TargetResponseTime"


@dataclass(frozen=True, slots=True)
class Period:
    """Of one datapoint of CloudWatch's."""

    at: datetime
    total: float
    errors: float
    p95_seconds: float | None


@dataclass(frozen=True, slots=True)
class Answers:
    """All load balancers of the environment together."""

    total: float
    errors: float
    p95_seconds: float | None
    """The slowest period's 95th percentile of the targets' response times; None: nothing was measured."""
    whole_periods: int = 0
    """Periods in which CloudWatch counts any answer and that lie within the stretch from begin to end."""
    periods: tuple[Period, ...] = ()
    """One by one, the newest last; those without any answer are left out."""

    @property
    def error_percent(self) -> float:
        return 100 * self.errors / self.total if self.total else 0.0

    def newest(self, count: int) -> Answers:
        """The answers of the newest ``count`` periods in which CloudWatch counts any."""
        return of_periods(self.periods[-count:])


def of_periods(periods: Sequence[Period]) -> Answers:
    """Taken together."""
    return Answers(
        total=sum(period.total for period in periods),
        errors=sum(period.errors for period in periods),
        p95_seconds=max((period.p95_seconds for period in periods if period.p95_seconds is not None), default=None),
        periods=tuple(periods),
    )


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
    names = {query["Id"]: str(query["MetricStat"]["Metric"]["MetricName"]) for query in queries}
    counts: dict[datetime, float] = {}
    errors: dict[datetime, float] = {}
    slow: dict[datetime, float] = {}
    for identifier, points in metric_data(aws, queries, begin, end).items():
        name = names[identifier]
        for at, value in points:
            if name == LATENCY:
                slow[at] = max(value, slow.get(at, 0.0))
                continue
            counts[at] = counts.get(at, 0.0) + value
            errors[at] = errors.get(at, 0.0) + (value if name in ERRORS else 0.0)
    periods = [Period(at, counts.get(at, 0.0), errors.get(at, 0.0), slow.get(at)) for at in sorted({*counts, *slow})]
    return replace(of_periods(periods), whole_periods=len([at for at in counts if at >= asked_from]))


def tells_of_hosts(aws: Gateway, load_balancers: Sequence[LoadBalancer], begin: datetime, end: datetime) -> bool:
    """Whether CloudWatch has a count of healthy targets of each load balancer. It gets one whether anybody asks for a
    page or not, so without one CloudWatch is silent, not the users."""
    queries: Any = [
        {
            "Id": f"h{number}",
            "Expression": 'SEARCH(\'{AWS/ApplicationELB,LoadBalancer,TargetGroup} MetricName="HealthyHostCount" '
            f"LoadBalancer=\"{balancer.dimension}\"', 'SampleCount', 10)",
        }
        for number, balancer in enumerate(load_balancers)
    ]
    messages: set[str] = set()
    pages = (  # a search that finds no metric may have no result at all: that is no, too
        aws.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(MetricDataQueries=queries, StartTime=begin, EndTime=end)
    )
    for page in pages:
        messages |= {str(result["Id"]) for result in page["MetricDataResults"] if result["Values"]}
    return len(messages) == len(queries)


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
