"""What the load balancer answered, minute by minute, and how old the newest metrics are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from omc.aws.gateway import Gateway
from omc.facts.collector import UNREAD, Reading, reads
from omc.facts.load_balancers import LoadBalancer, LoadBalancers
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope
from omc.stack import Environment

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

PERIOD = 60
FRESHNESS_PERIOD = timedelta(hours=1)
"""How far back the newest CPU reading is looked for."""
COUNTS = {
    "t2": "HTTPCode_Target_2XX_Count",
    "t3": "HTTPCode_Target_3XX_Count",
    "t4": "HTTPCode_Target_4XX_Count",
    "t5": "HTTPCode_Target_5XX_Count",
    "e5": "HTTPCode_ELB_5XX_Count",
}
"""RequestCount only counts what targets answered, so the total is the sum of these (as in the alarm)."""


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of a load balancer's answers."""

    at: datetime
    total: float
    errors: float

    @property
    def percent(self) -> float:
        return 100 * self.errors / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Minutes in which something was answered, oldest first, all load balancers together."""

    minutes: tuple[Minute, ...]
    reading: Reading = UNREAD


@dataclass(frozen=True, slots=True)
class ServiceMetric:
    """When CloudWatch last heard of a service."""

    service: str
    newest: datetime | None
    """Begin of the newest minute with a CPUUtilization; None: none within the hour."""


@dataclass(frozen=True, slots=True)
class MetricsAge:
    """The newest metric of each service. ECS publishes CPUUtilization every minute for whatever runs."""

    metrics: tuple[ServiceMetric, ...]
    reading: Reading = UNREAD


@reads
def read_traffic(aws: Gateway, load_balancers: LoadBalancers, scope: Scope) -> Traffic:
    """Total and errors of each minute, by the expressions of the alarm."""
    queries = [
        query
        for number, load_balancer in enumerate(load_balancers.load_balancers)
        for query in _answer_queries(number, load_balancer)
    ]
    series = _metric_data(aws, queries, scope.now - scope.since, scope.now)
    totals: dict[datetime, list[float]] = {}
    for identifier, points in series.items():
        for at, value in points:
            totals.setdefault(at, [0.0, 0.0])[identifier.startswith("errors")] += value
    minutes = (Minute(at, total, errors) for at, (total, errors) in sorted(totals.items()))
    return Traffic(tuple(minute for minute in minutes if minute.total))


@reads
def read_metrics_age(aws: Gateway, environment: Environment, scope: Scope) -> MetricsAge:
    """The newest minute in which each service's CPU was measured, five hundred services a call."""
    queries: list[MetricDataQueryTypeDef] = [
        {
            "Id": f"c{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ECS",
                    "MetricName": "CPUUtilization",
                    "Dimensions": [
                        {"Name": "ClusterName", "Value": environment.cluster},
                        {"Name": "ServiceName", "Value": service.name},
                    ],
                },
                "Period": PERIOD,
                "Stat": "SampleCount",
            },
        }
        for number, service in enumerate(environment.services)
    ]
    series = _metric_data(aws, queries, scope.now - FRESHNESS_PERIOD, scope.now)
    return MetricsAge(
        tuple(
            ServiceMetric(service.name, max((at for at, _ in series.get(f"c{number}", [])), default=None))
            for number, service in enumerate(environment.services)
        )
    )


def _answer_queries(number: int, load_balancer: LoadBalancer) -> list[MetricDataQueryTypeDef]:
    ids = {short: f"{short}_{number}" for short in COUNTS}
    counts: list[MetricDataQueryTypeDef] = [
        {
            "Id": ids[short],
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "LoadBalancer", "Value": load_balancer.dimension}],
                },
                "Period": PERIOD,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }
        for short, metric in COUNTS.items()
    ]
    total = "+".join(f"FILL({identifier},0)" for identifier in ids.values())
    errors = f"FILL({ids['t5']},0)+FILL({ids['e5']},0)"
    return [
        *counts,
        {"Id": f"total_{number}", "Expression": total, "Label": "total"},
        {"Id": f"errors_{number}", "Expression": errors, "Label": "errors"},
    ]


def _metric_data(
    aws: Gateway, queries: Sequence[MetricDataQueryTypeDef], begin: datetime, end: datetime
) -> dict[str, list[tuple[datetime, float]]]:
    """Each query's points. Begin and end are whole minutes, since CloudWatch is quicker and exact with those."""
    begin, end = _whole_minute(begin), _whole_minute(end) + timedelta(minutes=1)
    series = metric_data(aws, queries, begin, end, ScanBy="TimestampDescending")
    return {identifier: [(at.astimezone(UTC), value) for at, value in points] for identifier, points in series.items()}


def _whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
