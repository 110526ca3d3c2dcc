"""What is worth reading once something is wrong: functions whose parameters name the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from omc.checks.causes.places import HAS_NO_CAUSE, OF_SERVICES, place_of_finding
from omc.checks.finding import Finding, Level
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.clients import Clients
from omc.facts.followup.data_stores import DataStores
from omc.facts.followup.database_log import DatabaseLog
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.group_rules import GroupRules
from omc.facts.followup.last_words import LastWords
from omc.facts.followup.last_writes import LastWrites
from omc.facts.followup.latencies import Latencies
from omc.facts.followup.lock_waits import DatabaseLoad
from omc.facts.followup.network_acls import NetworkAcls
from omc.facts.followup.rejects import Rejects
from omc.facts.followup.request_clients import RequestClients
from omc.facts.followup.starts import Starts
from omc.facts.quotas import Quotas
from omc.facts.requests import Requests
from omc.facts.scaling import Scaling
from omc.facts.subnets import Subnets

Question = Callable[..., Any]


def what_tasks_said(words: LastWords) -> None:
    """Last lines and exit codes of tasks that stopped."""


def what_was_changed(writes: LastWrites) -> None:
    """CloudTrail's last writes."""


def how_the_stores_are(stores: DataStores, gauges: Gauges) -> None:
    """Status, events and figures of database and cache."""


def what_sessions_wait_for(load: DatabaseLoad, log: DatabaseLog) -> None:
    """Performance Insights, and the database's own log."""


def what_is_let_through(rules: GroupRules, acls: NetworkAcls, rejects: Rejects) -> None:
    """Rules of security groups and network ACLs, and what they refused."""


def how_they_start_and_scale(starts: Starts, scaling: Scaling) -> None:
    """How long tasks take to start, and what moves their number."""


def what_the_balancer_gives(settings: BalancerSettings, latencies: Latencies) -> None:
    """The load balancer's timeouts, the answers that it gave itself, and how long its targets took."""


def who_asks(requests: Requests, clients: Clients, senders: RequestClients) -> None:
    """How many requests come, and from whom."""


def what_room_is_left(quotas: Quotas, subnets: Subnets) -> None:
    """The account's vCPUs and the subnets' addresses, where a task couldn't be placed."""


_OF_TASKS = (what_tasks_said, what_was_changed)
_OF_STORES = (
    *(what_tasks_said, how_the_stores_are, what_sessions_wait_for, what_is_let_through, what_was_changed),
    *(how_they_start_and_scale, what_the_balancer_gives),
)
_OF_USERS = (*_OF_STORES, who_asks)
QUESTIONS: tuple[tuple[str, tuple[Question, ...]], ...] = (
    ("services/", _OF_STORES),
    ("targets/", _OF_USERS),
    ("users/", _OF_USERS),
    ("load-balancer", _OF_USERS),
    ("logs/", _OF_STORES),
    ("data-fresh/", _OF_STORES),
    ("alarms/", _OF_USERS),
    ("database", _OF_STORES),
    ("cache", _OF_STORES),
    ("secrets/", _OF_TASKS),
    ("infrastructure/", (what_was_changed,)),
    ("", (what_was_changed, *_OF_USERS)),
)
"""What is read for a place, by the beginning of its name; the first that fits."""


def follow_up(findings: Iterable[Finding]) -> tuple[Question, ...]:
    """What names a cause and costs little, for the places where something is wrong. Empty for a healthy stack."""
    request: dict[Question, None] = {}
    for finding in findings:
        if is_trouble(finding) or (finding.is_past and finding.check in OF_SERVICES):
            place = place_of_finding(finding)
            request |= dict.fromkeys(next(questions for begin, questions in QUESTIONS if place.startswith(begin)))
            if finding.check == "task-starts":
                request[what_room_is_left] = None
    return tuple(request)


def is_trouble(finding: Finding) -> bool:
    """Something is wrong now, of a kind that has a cause to be looked for."""
    return (
        finding.level in (Level.WARN, Level.FAIL)
        and finding.ended is None
        and not finding.unread
        and finding.check not in HAS_NO_CAUSE
    )
