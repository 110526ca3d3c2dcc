"""Figures of the database, the cache and the services' memory, minute by minute around now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import HALF, within
from omc.facts.followup.data_stores import DataStores
from omc.facts.scope import Scope
from omc.facts.serverless import DIMENSIONS

MINUTES = 30
"""How far back is looked: long enough to see what was usual before."""
VOLUME_CREDITS = ("EBSByteBalance%", "EBSIOBalance%", "BurstBalance")
"""Of a small class's way to its volume, and of a gp2 volume, in percent."""
CREDITS = (*VOLUME_CREDITS, "CPUCreditBalance")
"""The least of each minute counts."""
DATABASE = (
    *("DatabaseConnections", "CPUUtilization", "FreeStorageSpace", "FreeableMemory", "DiskQueueDepth"),
    *("MaximumUsedTransactionIDs", *CREDITS),
)
CACHE = (
    *("Evictions", "DatabaseMemoryUsagePercentage", "CurrConnections"),
    *("CacheHits", "CacheMisses", "EngineCPUUtilization"),
)
SUMMED = frozenset({"Evictions", "CacheHits", "CacheMisses"})
SERVERLESS = {"Evictions": "Sum", "CacheHits": "Sum", "CacheMisses": "Sum", "CurrConnections": "Maximum"}
"""Of a serverless cache, which has no memory and no processor of its own (ElastiCache's user guide, "Serverless
metrics and events")."""
Points = tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, slots=True)
class Gauges:
    """Each metric's minutes, oldest first. A metric without datapoints is left out."""

    database: Mapping[str, Points] = field(default_factory=dict)
    cache: Mapping[str, Points] = field(default_factory=dict)
    """Of all nodes: the greatest of each minute, or the sum of what is counted."""
    memory: Mapping[str, Points] = field(default_factory=dict)
    """By service: the fullest task's memory, percent of what it may use."""
    reading: Reading = NO_READING


@reads
def read_gauges(aws: Gateway, environment: Environment, scope: Scope, stores: DataStores) -> Gauges:
    """One GetMetricData for all of them."""
    wanted: list[tuple[str, str, str, Sequence[tuple[str, str]], str]] = [
        (
            "database",
            name,
            "AWS/RDS",
            [("DBInstanceIdentifier", stores.database.instance or stores.database.name)],
            "Minimum" if name in CREDITS else "Maximum",
        )
        for name in DATABASE
        if stores.database.name
    ]
    if environment.cache_serverless and stores.cache.exists:
        wanted += [
            ("cache", name, "AWS/ElastiCache", [(dimension, environment.cache_serverless)], statistic)
            for dimension in DIMENSIONS
            for name, statistic in SERVERLESS.items()
        ]
    for member in stores.cache.members or ():
        statistic = {name: "Sum" if name in SUMMED else "Maximum" for name in CACHE}
        wanted += [("cache", name, "AWS/ElastiCache", [("CacheClusterId", member)], statistic[name]) for name in CACHE]
    wanted += [
        (
            "memory",
            service.name,
            "AWS/ECS",
            [("ClusterName", service.cluster), ("ServiceName", service.ecs_service)],
            "Maximum",
        )
        for service in environment.services
    ]
    queries: Any = [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": "MemoryUtilization" if kind == "memory" else name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
                },
                "Period": 60,
                "Stat": statistic,
            },
        }
        for number, (kind, name, namespace, dimensions, statistic) in enumerate(wanted)
    ]

    def read() -> Gauges:
        series: dict[tuple[str, str], dict[datetime, float]] = {}
        pages: Any = (
            aws.client("cloudwatch")
            .get_paginator("get_metric_data")
            .paginate(
                MetricDataQueries=queries,
                StartTime=(scope.now - timedelta(minutes=MINUTES)).replace(second=0, microsecond=0),
                EndTime=(scope.now + timedelta(minutes=1)).replace(second=0, microsecond=0),
                ScanBy="TimestampAscending",
            )
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                kind, name = wanted[int(result["Id"][1:])][:2]
                points = series.setdefault((kind, name), {})
                for at, value in zip(result["Timestamps"], result["Values"], strict=True):
                    moment = at.astimezone(UTC)
                    known = points.get(moment)
                    added = value if known is None else known + value if name in SUMMED else max(known, value)
                    points[moment] = added
        found: dict[str, dict[str, Points]] = {"database": {}, "cache": {}, "memory": {}}
        for (kind, name), points in series.items():
            if points:
                found[kind][name] = tuple(sorted(points.items()))
        return Gauges(found["database"], found["cache"], found["memory"])

    return within(HALF, "the figures of database and cache", read)
