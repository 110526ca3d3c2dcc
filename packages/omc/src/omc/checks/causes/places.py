"""Where in the stack a finding is, and what suffers when a place is ill.

users → load balancer → targets → services → tasks → secrets, image, database, cache, other dependencies
"""

from __future__ import annotations

from collections.abc import Iterable

from omc.checks.finding import Finding
from omc.config import Environment
from omc.config.stores import cache_name, database_name
from omc.facts.alarms import Alarm

OF_SERVICES = frozenset({"services-running", "rollouts", "failed-tasks", "task-starts"})
"""Checks whose subject is a service."""
HAS_NO_CAUSE = frozenset({"pending-changes", "metrics-fresh", "backups-verified"})
"""Checks that report what is to come or can't be measured: no cause is looked for behind them."""
PLACES = {
    "load-balancer": "load-balancer",
    "error-rate": "load-balancer",
    "recent-errors": "logs/{}",
    "secret-rotation": "secrets/{}",
    "data-fresh": "data-fresh/{}",
    "targets": "targets/{}",
    "alarms": "alarms/{}",
}
"""For checks that give no place: the place that follows from the name of what they are about."""

KINDS = {**dict.fromkeys(OF_SERVICES, "services"), "recent-errors": "logs", "secret-rotation": "secrets"}
"""Where a check that found nothing has looked."""


def place_of_finding(finding: Finding) -> str:
    """The finding's own place; for a check that gives none, what follows from its name and subject."""
    if finding.place:
        return finding.place
    if finding.subject.startswith("all "):
        return KINDS.get(finding.check, finding.check)
    if finding.check in OF_SERVICES:
        return f"services/{finding.subject}"
    return PLACES.get(finding.check, f"{finding.check}/{{}}").format(finding.subject)


def service_at(place: str, environment: Environment) -> str:
    """The service that a place belongs to: by its name, its target group's or its log group's; else empty."""
    kind, _, name = place.partition("/")
    for service in environment.services:
        if name in (service.name, *service.target_groups, service.log_group) and kind in (
            *("services", "targets", "users", "data-fresh", "logs"),
        ):
            return service.name
    return ""


def watched_by(alarm: Alarm, environment: Environment) -> frozenset[str]:
    """The places that an alarm is about, by the dimensions of its metrics; else by its name."""
    parts = {part for value in alarm.dimensions for part in value.split("/")}
    found = {
        f"services/{service.name}"
        for service in environment.services
        if service.ecs_service in parts or parts.intersection(service.target_groups)
    }
    words = alarm.name.removeprefix(environment.alarm_prefix).split("-")
    database, cache = database_name(environment), cache_name(environment)
    is_its_own = database not in (environment.cluster, environment.prefix)
    if database and database in alarm.dimensions and (is_its_own or _DATABASE & set(words)):
        found.add("database")
    if cache and any(part == cache or part.startswith(f"{cache}-0") for part in parts):
        found.add("cache")
    if not found:
        found |= {f"services/{service.name}" for service in environment.services if service.name in words}
        found |= {"database"} if _DATABASE & set(words) else set()
        found |= {"cache"} if _CACHE & set(words) else set()
    return frozenset(found or {"load-balancer"})


_DATABASE, _CACHE = {"rds", "database", "db", "postgres"}, {"redis", "cache", "elasticache", "valkey"}
"""Words of alarms' names."""
DEPTH = ("users", "alarms", "load-balancer", "data-fresh", "logs", "targets", "services")
"""From what users see down to what makes it so; a place that isn't here lies deeper than all of these."""


def depth_of(place: str) -> int:
    kind = place.partition("/")[0]
    return DEPTH.index(kind) if kind in DEPTH else len(DEPTH)


def suffers(place: str, root: str, environment: Environment, alarms: Iterable[Alarm] = ()) -> bool:
    """Whether ``place`` may be ill because ``root`` is."""
    if place == root:
        return True
    if place == "users":  # nobody gets in at all: what is behind the load balancer isn't even asked
        return root == "load-balancer" or root.startswith("infrastructure")
    kind, _, name = place.partition("/")
    if kind == "alarms":
        watched = frozenset[str]().union(*(watched_by(each, environment) for each in alarms if each.name == name))
        return any(suffers(each, root, environment) for each in watched or {"load-balancer"})
    of_root, of_place = service_at(root, environment), service_at(place, environment)
    if depth_of(root) == len(DEPTH):  # a dependency, a secret, the infrastructure: any service may rest on it
        return kind in DEPTH or (place in ("database", "cache") and root not in ("database", "cache"))
    if of_root and of_place:
        return of_root == of_place and depth_of(place) <= depth_of(root)
    return depth_of(place) < depth_of(root)
