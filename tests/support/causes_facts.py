"""Literal facts of stories in which something is wrong, and what the causes make of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omc.checks.cache import cache_items
from omc.checks.causes import explained
from omc.checks.finding import Finding, Level
from omc.checks.tasks import failed_tasks
from omc.config import Environment, load
from omc.facts.followup.data_stores import DataStores, Store
from omc.facts.followup.group_rules import GroupRules, Rule
from omc.facts.followup.lock_waits import DatabaseLoad
from omc.facts.logs import ErrorGroup, RecentErrors
from omc.facts.scope import Scope
from omc.facts.services import Deployment, EcsService, Services
from omc.facts.tasks import Container, StoppedTask, StoppedTasks
from omc.facts.traffic import CacheMinute, MetricsAge

STAGING = load(Path(__file__).parents[2] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
DATABASE, CACHE = "10.0.21.5", "10.0.22.9"
BACKEND_LOG = "/ecs/ohmycoins-staging/backend"


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def service(name: str = "backend", revision: int = 7, **more: Any) -> EcsService:
    running = more.pop("running", 2)
    rollout = more.pop("rollout", "COMPLETED")
    created = more.pop("created", ago(days=2))
    primary = Deployment(
        "ecs-svc/1", "PRIMARY", rollout, "", 2, running, 0, more.pop("failed", 0), f"b:{revision}", created, created
    )
    network = {"awsvpcConfiguration": {"securityGroups": [f"sg-{name}"]}}
    made = EcsService(name, "ACTIVE", 2, running, 0, f"b:{revision}", (primary,), (), network=network)
    return replace(made, **more)


def task(number: int = 1, revision: int = 7, **more: Any) -> StoppedTask:
    provided: dict[str, Any] = {
        "id": f"{number:032x}",
        "service": "backend",
        "task_definition": f"b:{revision}",
        "stop_code": "EssentialContainerExited",
        "reason": "Essential container in task exited",
        "containers": (Container("backend", 1, ""),),
        "started": ago(seconds=70),
        "stopped": ago(seconds=30),
    }
    return StoppedTask(**(provided | more))


def unpulled(number: int = 1, revision: int = 8, image: str = "reg.example.com/backend:x") -> StoppedTask:
    reason = f"CannotPullContainerError: pull image manifest has been retried: {image}: not found"
    containers = (Container("backend", None, ""),)
    return task(number, revision, stop_code="TaskFailedToStart", reason=reason, containers=containers, started=None)


def ill(number: int = 1, revision: int = 7) -> StoppedTask:
    reason = "Task failed ELB health checks in (target-group x)"
    return task(number, revision, stop_code="ServiceSchedulerInitiated", reason=reason, containers=())


def errors(line: str, count: int = 40, **more: Any) -> RecentErrors:
    provided = {"first": ago(minutes=2), "last": ago(seconds=3), "resumed": ago(minutes=2)} | more
    return RecentErrors((ErrorGroup(BACKEND_LOG, line, count, sample=line, streams=2, **provided),), scanned=900)


def stores(**more: Any) -> DataStores:
    database = Store("ohmycoins-staging", True, "available", DATABASE, 5432, ("sg-database",), "db-1")
    cache = Store(
        "ohmycoins-staging-redis", True, "available", CACHE, 6379, ("sg-cache",), members={"r-001": "available"}
    )
    return DataStores(replace(database, **more.pop("database", {})), replace(cache, **more.pop("cache", {})), **more)


def rules(*without: str) -> GroupRules:
    """Backend to database and cache, both ways; without those of ``from>to``."""
    found = [Rule("sg-backend", False, "tcp", 8000, 8000, peer="sg-balancer")]
    found.append(Rule("sg-frontend", False, "tcp", 80, 80, peer="sg-balancer"))
    for one, other, port in (("backend", "database", 5432), ("backend", "cache", 6379)):
        found.append(Rule(f"sg-{one}", True, "tcp", port, port, peer=f"sg-{other}"))
        if f"{one}>{other}" not in without:
            found.append(Rule(f"sg-{other}", False, "tcp", port, port, peer=f"sg-{one}"))
    return GroupRules(tuple(found), ("sg-backend", "sg-frontend", "sg-database", "sg-cache"))


def load_of(**more: Any) -> DatabaseLoad:
    counters = {"db.User.numbackends": 8.0, "db.User.max_connections": 80.0} | more.pop("counters", {})
    return DatabaseLoad(**({"counters": counters, "newest": ago(seconds=20)} | more))


def items(*values: float, removed: float = 0.0) -> Finding:
    """What the check says of a cache that held so many items in the last minutes, the newest last."""
    cache_minutes = tuple(CacheMinute(at, value, value, removed) for at, value in minutes(*values))
    [found] = cache_items(MetricsAge((), cache_minutes), None, STAGING, Scope(NOW))
    return found


def minutes(*values: float) -> tuple[tuple[datetime, float], ...]:
    return tuple((ago(minutes=len(values) - number), value) for number, value in enumerate(values))


SERVED = Finding("users-served", FAIL, "backend", "It answers 503.", place="users/backend")
TARGETS = Finding("targets", FAIL, "ohmycoins-staging-backend", "0 of 2 targets are healthy.")
RATE = Finding("error-rate", FAIL, "load balancer", "40 % of the answers were 5xx.", place="load-balancer")
SHORT = Finding("services-running", FAIL, "backend", "0 of 2 tasks run.")
ROLLOUT = Finding("rollouts", FAIL, "backend", "The deployment of b:8 is failing.")
STALE = Finding("data-fresh", FAIL, "backend", "Its data is 2 h old.")
NO_CACHE = Finding("dependencies", FAIL, "cache", "backend says that its cache is unavailable.", place="cache")
NO_EXCHANGE = Finding("dependencies", WARN, "exchange", "backend says that its exchange is down.", place="exchange")
LOGS = Finding("recent-errors", WARN, BACKEND_LOG, "40 errors.")
FRONTEND = Finding("targets", FAIL, "ohmycoins-staging-frontend", "0 of 2 targets are healthy.")
ALL_ILL = (SERVED, TARGETS, RATE, LOGS)


def run(findings: tuple[Finding, ...], facts: list[Any]) -> tuple[Finding, ...]:
    provided = {Environment: STAGING, Scope: Scope(NOW)}
    readings = {type(fact): fact for fact in facts}
    readings.setdefault(Services, Services((service(), service("frontend", 3))))
    stopped = readings.get(StoppedTasks)
    if stopped:
        findings = (*findings, *failed_tasks(stopped, readings[Services], STAGING, Scope(NOW)))
    return explained(findings, readings, provided)
