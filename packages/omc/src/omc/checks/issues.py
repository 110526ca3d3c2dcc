"""The runbook's issues by the short names that commands take: where each shows, and the section that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue of the runbook's."""

    title: str
    places: tuple[str, ...]
    """How the places begin at which it shows."""
    document: str
    elsewhere: str = ""
    """The command that answers it, where a diagnosis doesn't."""


_TROUBLE = "docs/runbook/troubleshooting.md"
_ALERTS = "docs/runbook/alerts.md"
ISSUES: Mapping[str, Issue] = {
    "tasks-restarting": Issue(
        "ECS tasks keep restarting", ("services/", "targets/"), f"{_TROUBLE}#issue-ecs-tasks-keep-restarting"
    ),
    "users": Issue(
        "Users can't reach the application",
        ("users", "load-balancer", "targets/", "data-fresh/"),
        f"{_TROUBLE}#issue-users-cant-reach-the-application",
    ),
    "dependency": Issue(
        "A dependency is unavailable",
        ("dependencies", "dependency", ""),
        f"{_TROUBLE}#issue-a-dependency-is-unavailable",
    ),
    "database": Issue(
        "Database connection timeout",
        ("database", "logs/", "data-fresh/"),
        f"{_TROUBLE}#issue-database-connection-timeout",
    ),
    "redis": Issue("Redis connection failures", ("cache",), f"{_TROUBLE}#issue-redis-connection-failures"),
    "errors": Issue("High error rate (5xx)", ("load-balancer", "users", "logs/"), f"{_ALERTS}#high-error-rate-5xx"),
    "unhealthy": Issue("Service unhealthy", ("services/", "targets/"), f"{_ALERTS}#service-unhealthy"),
    "cpu": Issue("High CPU usage", ("alarms/", "services/"), f"{_ALERTS}#high-cpu-usage"),
    "cache-hit-rate": Issue("Redis cache hit rate low", ("cache", "alarms/"), f"{_ALERTS}#redis-cache-hit-rate-low"),
    "nat-costs": Issue(
        "High NAT gateway costs",
        (),
        f"{_TROUBLE}#issue-high-nat-gateway-costs",
        "omc check weekly costs --env {env}   and   omc logs top-talkers --env {env}",
    ),
}
