"""Kinds of causes that a diagnosis looks for: what would show them, and whom they could hurt.

A kind whose facts were all read, and of which no cause was found, is ruled out; one whose facts could not be read, or
show nothing since what they are read from is switched off, is not seen. The names are those of causes
(``checks/causes``), by how they begin; a test holds the table against them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omc.facts.alarms import Alarms
from omc.facts.dependencies import Dependencies
from omc.facts.expected import Expected
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.clients import Clients
from omc.facts.followup.data_stores import DataStores
from omc.facts.followup.database_log import DatabaseLog
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.group_rules import GroupRules
from omc.facts.followup.last_words import LastWords
from omc.facts.followup.last_writes import LastWrites
from omc.facts.followup.lock_waits import DatabaseLoad
from omc.facts.followup.network_acls import NetworkAcls
from omc.facts.followup.rejects import Rejects
from omc.facts.followup.starts import Starts
from omc.facts.logs import RecentErrors
from omc.facts.requests import Requests
from omc.facts.scaling import Scaling
from omc.facts.services import Services
from omc.facts.tasks import StoppedTasks

TASKS = ("services/", "targets/", "users", "data-fresh/", "alarms/", "load-balancer")
ANSWERS = ("users", "alarms/", "load-balancer")
STORES = (*TASKS, "database", "cache", "logs/")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of cause."""

    title: str
    names: tuple[str, ...]
    """How the names of its causes begin."""
    facts: tuple[type, ...]
    """All of them show whether it is there."""
    hurts: tuple[str, ...]
    """How the places begin of what it could bring about."""


KINDS = (
    Kind(
        "tasks that can't start or end by themselves",
        (
            *("image-", "secret-", "log-group-", "start-command", "role-"),
            *("wrong-processor", "task-", "container-", "health-checks", "sidecar-", "volume-"),
        ),
        (StoppedTasks, Services, LastWords),
        TASKS,
    ),
    Kind("a start that takes longer than health checks give it", ("start-too-slow",), (Starts, StoppedTasks), TASKS),
    Kind(
        "capacity, quotas and addresses for new tasks",
        ("no-free-", "no-capacity", "quota-"),
        (Services, StoppedTasks),
        TASKS,
    ),
    Kind("tasks stopped by a person, by scaling or by AWS", ("stopped-",), (StoppedTasks, Services), TASKS),
    Kind("tasks killed before they had finished", ("stop-timeout",), (StoppedTasks, LastWords), ANSWERS),
    Kind("idle connections that end too soon", ("keep-alive",), (BalancerSettings, LastWords), ANSWERS),
    Kind("a deployment that waits", ("deployment-",), (Services, StoppedTasks), ("services/", "targets/", "alarms/")),
    Kind("scaling that can't follow", ("scaling-",), (Scaling, Alarms), TASKS),
    Kind("more requests than usual", ("traffic-",), (Requests,), TASKS),
    Kind("one client that sends most requests", ("noisy-",), (Clients,), ANSWERS),
    Kind("AWS that refuses too many calls", ("aws-",), (RecentErrors, Services), STORES),
    Kind(
        "a deployment that made it worse",
        ("release-", *("database-missed-by-release", "cache-missed-by-release")),
        (Services, StoppedTasks),
        TASKS,
    ),
    Kind(
        "the database's state",
        (
            "database-gone",
            "database-not-available",
            "database-restarted",
            "database-down",
            "database-storage-full",
            "database-hangs",
            "database-read-only",
        ),
        (DataStores, Gauges),
        STORES,
    ),
    Kind(
        "locks and load in the database",
        ("database-locked", "database-busy", "database-slow"),
        (DatabaseLoad, DatabaseLog),
        STORES,
    ),
    Kind(
        "credits that the database lives on",
        ("database-credits",),
        (Gauges, DataStores),
        STORES,
    ),
    Kind(
        "dead rows that slow statements down, and transaction ids that run out",
        ("database-dead-rows", "database-transaction-ids"),
        (DatabaseLog, Gauges),
        STORES,
    ),
    Kind("the database's connections", ("database-connection", "database-pool"), (DatabaseLoad, DataStores), STORES),
    Kind(
        "logins and rights in the database",
        ("database-password", "database-schema", "database-wrong-name", "denied"),
        (RecentErrors, LastWords),
        STORES,
    ),
    Kind("the cache", ("cache-",), (DataStores, Gauges), STORES),
    Kind(
        "security groups",
        ("balancer-closed", "tasks-closed", "tasks-shut-in", "database-closed", "cache-closed"),
        (GroupRules,),
        STORES,
    ),
    Kind(
        "network ACLs", ("balancer-denied", "tasks-denied", "database-denied", "cache-denied"), (NetworkAcls,), STORES
    ),
    Kind("connections that were rejected", (), (Rejects,), STORES),
    Kind(
        "listeners, rules and settings that are not as the Terraform has them",
        ("targets-taken-away", "expected", "listeners", "load-balancer"),
        (Expected,),
        ("users", "load-balancer", "targets/", "services/"),
    ),
    Kind(
        "what services depend on beyond database and cache",
        ("server-", "dependency-"),
        (Dependencies,),
        STORES,
    ),
    Kind("a change by somebody just before", ("changed-",), (LastWrites,), STORES),
    Kind("alarms that ring", (), (Alarms,), ()),
)

_NO_FLOW_LOG = "The VPC has no flow log in CloudWatch Logs, which would show them."
_NO_LOAD = "The database has no Performance Insights: performance_insights_enabled = true on the instance."
_NO_LOG = 'RDS exports no PostgreSQL log: enabled_cloudwatch_logs_exports = ["postgresql"] on the instance.'
_NO_STATE = "omc.toml names no state of Terraform's to compare with: terraform_state."
_NO_LINES = "The services logged nothing at all in this time."
BLIND: Mapping[type, Callable[[Any], str]] = {
    Rejects: lambda fact: "" if fact.log_group else _NO_FLOW_LOG,
    Clients: lambda fact: "" if fact.log_group else _NO_FLOW_LOG,
    DatabaseLoad: lambda fact: _NO_LOAD if fact.is_off else "",
    DatabaseLog: lambda fact: "" if fact.exists else _NO_LOG,
    Expected: lambda fact: "" if fact.is_states else fact.problem or _NO_STATE,
    RecentErrors: lambda fact: "" if fact.scanned else _NO_LINES,
}
"""Facts that can be read and still show nothing, to why that is so and what would switch it on; empty: they show."""


def blind(kind: Kind, readings: Mapping[type, Any]) -> list[str]:
    """Why facts of this kind that were read show nothing."""
    found = (BLIND[fact](readings[fact]) for fact in kind.facts if fact in BLIND and type(readings.get(fact)) is fact)
    return [why for why in found if why]
