"""AWS's services are late with their metrics, or send none. What comes late is all there later; what was not sent is
never there. Metrics that the application puts itself are as ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from localcloud.faults import values
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.services.cloudwatch import Metrics

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

NAMESPACES = {
    "alb": "AWS/ApplicationELB",
    "ecs": "AWS/ECS",
    "container_insights": "ECS/ContainerInsights",
    "rds": "AWS/RDS",
    "elasticache": "AWS/ElastiCache",
}
DEFAULTS = {"alb": 180, "ecs": 120, "container_insights": 240, "rds": 120, "elasticache": 120}
"""Seconds. AWS promises no time: these are of the order that its users report, and differ so that no two sources of one
alarm arrive together."""
MAX_SECONDS = 7200


def _start_late(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    memory: Memory = {"late": {source: values.number(settings, source, 0, MAX_SECONDS) for source in NAMESPACES}}
    _keep_late(cloud, memory)
    return memory


def _keep_late(cloud: Cloud, memory: Memory) -> None:
    cloud.part(Metrics).store.late = {NAMESPACES[source]: delay for source, delay in memory["late"].items()}


def _stop_late(cloud: Cloud, _: Memory) -> None:
    cloud.part(Metrics).store.late = {}


def _start_missing(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    sources = [
        values.choice({"source": each}, "source", ("all", *NAMESPACES)) for each in settings["source"].split(",")
    ]
    memory: Memory = {"source": ",".join(sources)}
    _keep_missing(cloud, memory)
    return memory


def _keep_missing(cloud: Cloud, memory: Memory) -> None:
    sources = memory["source"].split(",")
    chosen = NAMESPACES.values() if "all" in sources else [NAMESPACES[source] for source in sources]
    cloud.part(Metrics).withheld = frozenset(chosen)


def _stop_missing(cloud: Cloud, _: Memory) -> None:
    cloud.part(Metrics).withheld = frozenset()


FAULTS = (
    Fault(
        "late-metrics",
        "AWS's services send their metrics minutes after they were measured, each by a delay of its own.",
        "The newest datapoints are missing and come later; alarms and autoscaling act late or on missing data.",
        _start_late,
        _stop_late,
        {
            source: Setting(str(seconds), f"seconds until {NAMESPACES[source]} can be read, 0 to {MAX_SECONDS}")
            for source, seconds in DEFAULTS.items()
        },
        _keep_late,
    ),
    Fault(
        "missing-metrics",
        "AWS's services send no metrics at all while it lasts.",
        "No datapoints since then, and none later; alarms go where their treatment of missing data sends them.",
        _start_missing,
        _stop_missing,
        {"source": Setting("all", f"whose metrics: all, or some of {', '.join(NAMESPACES)}, with commas between")},
        _keep_missing,
    ),
)
