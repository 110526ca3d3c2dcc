"""Whether users are served again: the checks of the morning that say so, without those that look at anything else.

An incident isn't over because an alarm went quiet: a metric that is no longer published ends an alarm too.
"""

from __future__ import annotations

from datetime import timedelta

from omc.aws.gateway import Gateway, access_to
from omc.checks.dependencies import dependencies
from omc.checks.finding import Finding, Level
from omc.checks.freshness import data_fresh
from omc.checks.load_balancing import error_rate, load_balancer, targets
from omc.checks.run import CheckList, run_checks
from omc.checks.services import services_running, task_starts
from omc.checks.users import users_served
from omc.config import Environment
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.store.location import StoreLocation
from omc.store.opened import Store

HEALTH = CheckList(
    "Health",
    (users_served, dependencies, services_running, task_starts, load_balancer, targets, error_rate, data_fresh),
)
SINCE = timedelta(hours=1)


def read_health(environment: Environment, store: Store) -> tuple[str, ...]:
    """What is wrong or unknown just now, a sentence each; empty: all is well. Raises ``OmcError`` where AWS can't be
    asked at all."""
    gateway = Gateway(environment, access_to(environment))
    report = run_checks(HEALTH, Facts(gateway, Scope(store.now(), SINCE), {StoreLocation: store.place}))
    return tuple(_sentence(each) for each in report.findings if not each.is_past and each.level in _NOT_WELL)


_NOT_WELL = (Level.FAIL, Level.UNKNOWN)


def _sentence(finding: Finding) -> str:
    unknown = "unknown: " if finding.level is Level.UNKNOWN else ""
    return f"{unknown}{finding.place or finding.subject}: {finding.sentence}"
