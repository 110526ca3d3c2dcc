"""What the load balancer answered, minute by minute, and how old the newest metrics are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.load_balancers import LoadBalancer, LoadBalancers
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope
from omc.facts.serverless import DIMENSIONS

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
NODES = 6
"""A replication group with one shard has a primary and at most five replicas, ``NAME-001`` to ``NAME-006``."""
CACHE = (("CurrItems", "Maximum"), ("CurrItems", "Minimum"), ("Reclaimed", "Sum"), ("Evictions", "Sum"))
"""Of each node: its items in the fullest and the emptiest moment of a minute, and those that expired or were evicted in
it."""


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
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class ServiceMetric:
    """When CloudWatch last got a metric of a service."""

    service: str
    newest: datetime | None
    """Begin of the newest minute with a CPUUtilization; None: none within the hour."""


@dataclass(frozen=True, slots=True)
class CacheMinute:
    """One minute of the cache."""

    at: datetime
    most: float
    """Items of the fullest node in its fullest moment: a replica that is just being made has none yet."""
    least: float
    """Items of the fullest node in its emptiest moment. ElastiCache measures once a minute, so that both are mostly the
    same."""
    removed: float
    """Items that expired, or for which there was no room."""


@dataclass(frozen=True, slots=True)
class MetricsAge:
    """The newest metric of each service, and the cache's items minute by minute.

    ECS publishes CPUUtilization every minute for whatever runs, ElastiCache CurrItems."""

    metrics: tuple[ServiceMetric, ...]
    cache: tuple[CacheMinute, ...] = ()
    """Oldest first, of the last hour. Empty: there is no cache, or CloudWatch has no figure of it."""
    reading: Reading = NO_READING


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
    """The newest minute in which each service's CPU was measured, five hundred services a call; the cache's items with
    the first of them."""
    queries: list[MetricDataQueryTypeDef] = [
        {
            "Id": f"c{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ECS",
                    "MetricName": "CPUUtilization",
                    "Dimensions": [
                        {"Name": "ClusterName", "Value": service.cluster},
                        {"Name": "ServiceName", "Value": service.ecs_service},
                    ],
                },
                "Period": PERIOD,
                "Stat": "SampleCount",
            },
        }
        for number, service in enumerate(environment.services)
    ]
    places = _cache_places(environment)
    of_cache = {f"i{number}_{place}": metric for place in range(len(places)) for number, metric in enumerate(CACHE)}
    queries += [_cache_query(places[int(each.partition("_")[2])], each, *metric) for each, metric in of_cache.items()]
    series = _metric_data(aws, queries, scope.now - FRESHNESS_PERIOD, scope.now)
    return MetricsAge(
        tuple(
            ServiceMetric(service.name, max((at for at, _ in series.get(f"c{number}", [])), default=None))
            for number, service in enumerate(environment.services)
        ),
        _cache_minutes((of_cache[each], points) for each, points in series.items() if each in of_cache),
    )


def _cache_places(environment: Environment) -> list[tuple[str, str]]:
    """Dimensions by which CloudWatch may have the cache: those of its nodes, or of the serverless one as a whole."""
    if environment.cache:
        return [("CacheClusterId", f"{environment.cache}-{node:03d}") for node in range(1, NODES + 1)]
    return [(dimension, name) for name in (environment.cache_serverless,) if name for dimension in DIMENSIONS]


def _cache_query(place: tuple[str, str], identifier: str, metric: str, statistic: str) -> MetricDataQueryTypeDef:
    return {
        "Id": identifier,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ElastiCache",
                "MetricName": metric,
                "Dimensions": [{"Name": place[0], "Value": place[1]}],
            },
            "Period": PERIOD,
            "Stat": statistic,
        },
    }


def _cache_minutes(
    records: Iterable[tuple[tuple[str, str], Sequence[tuple[datetime, float]]]],
) -> tuple[CacheMinute, ...]:
    found: dict[str, dict[datetime, float]] = {"Maximum": {}, "Minimum": {}, "Sum": {}}
    for (_, statistic), points in records:
        values = found[statistic]
        for at, value in points:
            known = values.get(at, 0.0)
            values[at] = known + value if statistic == "Sum" else max(known, value)
    least, removed = found["Minimum"], found["Sum"]
    return tuple(
        CacheMinute(at, most, least.get(at, most), removed.get(at, 0.0))
        for at, most in sorted(found["Maximum"].items())
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
