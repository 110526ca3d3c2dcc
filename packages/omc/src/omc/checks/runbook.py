"""The runbook's sections that findings point to: one table, checked against docs/runbook by a test."""

from __future__ import annotations

import re
from dataclasses import replace

from omc.checks.finding import Procedure
from omc.checks.issues import ISSUES
from omc.config.tables import RunbookTable

DOCUMENTS = "docs/runbook"

MORNING_CHECKS = Procedure("Morning checks", f"{DOCUMENTS}/daily-operations.md#morning-checks")
WEEKLY_COSTS = Procedure("Cost review", f"{DOCUMENTS}/daily-operations.md#cost-review", "omc check weekly costs")
WEEKLY_SECURITY = Procedure(
    "Security review", f"{DOCUMENTS}/daily-operations.md#security-review", "omc check weekly security"
)
WEEKLY_PERFORMANCE = Procedure(
    "Performance review", f"{DOCUMENTS}/daily-operations.md#performance-review", "omc check weekly performance"
)
MAINTENANCE = Procedure("Maintenance windows", f"{DOCUMENTS}/maintenance.md#maintenance-windows")
DEPLOYMENTS = Procedure("Emergency rollback", f"{DOCUMENTS}/deployment.md#emergency-rollback")
DEPLOYMENT = Procedure("Standard deployment", f"{DOCUMENTS}/deployment.md#standard-deployment")
SCALING = Procedure("Scaling operations", f"{DOCUMENTS}/deployment.md#scaling-operations")
INFRASTRUCTURE = Procedure("Via manual workflow dispatch", f"{DOCUMENTS}/deployment.md#via-manual-workflow-dispatch")
RESTART = Procedure("Restart", f"{DOCUMENTS}/deployment.md#restart")
ALERT_RESPONSE = Procedure("Alert response", f"{DOCUMENTS}/alerts.md#alert-response")
HIGH_ERROR_RATE = Procedure("High error rate (5xx)", f"{DOCUMENTS}/alerts.md#high-error-rate-5xx")
SERVICE_UNHEALTHY = Procedure("Service unhealthy", f"{DOCUMENTS}/alerts.md#service-unhealthy")
LOG_ANALYSIS = Procedure("Log analysis", f"{DOCUMENTS}/alerts.md#log-analysis")
TASKS_RESTARTING = Procedure(
    "ECS tasks keep restarting", f"{DOCUMENTS}/troubleshooting.md#issue-ecs-tasks-keep-restarting"
)
DATABASE_TIMEOUT = Procedure(
    "Database connection timeout", f"{DOCUMENTS}/troubleshooting.md#issue-database-connection-timeout"
)
USERS_CANT_REACH = Procedure(
    "Users can't reach the application", f"{DOCUMENTS}/troubleshooting.md#issue-users-cant-reach-the-application"
)
DEPENDENCY_DOWN = Procedure(
    "A dependency is unavailable", f"{DOCUMENTS}/troubleshooting.md#issue-a-dependency-is-unavailable"
)
CONNECTION_FAILURES = Procedure("Database connection failures", f"{DOCUMENTS}/alerts.md#database-connection-failures")
CACHE_FAILURES = Procedure(
    "Redis connection failures", f"{DOCUMENTS}/troubleshooting.md#issue-redis-connection-failures"
)
CACHE_HIT_RATE = Procedure("Redis cache hit rate low", f"{DOCUMENTS}/alerts.md#redis-cache-hit-rate-low")
CACHE_UNREACHABLE = Procedure(
    "Redis connection failures", f"{DOCUMENTS}/troubleshooting.md#issue-redis-connection-failures"
)
NAT_COSTS = Procedure("High NAT gateway costs", f"{DOCUMENTS}/troubleshooting.md#issue-high-nat-gateway-costs")
FIRST_DAY = Procedure("The first day in an account", f"{DOCUMENTS}/daily-operations.md#the-first-day-in-an-account")
BY_DOCUMENT = {
    procedure.document: procedure
    for procedure in (ALERT_RESPONSE, HIGH_ERROR_RATE, SERVICE_UNHEALTHY, TASKS_RESTARTING, DATABASE_TIMEOUT)
}
"""Those that an alarm's tag may name."""


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def placed(procedure: Procedure, runbook: RunbookTable) -> Procedure:
    """A section where the team's runbook has it, by the name that it has there; omc's own where omc.toml names none."""
    title, address = section_of(procedure.document, procedure.title, runbook)
    return replace(procedure, title=title, document=address)


def section_of(document: str, title: str, runbook: RunbookTable) -> tuple[str, str]:
    """Title and address of a section of omc's runbook (``docs/runbook/alerts.md#…``) in the team's."""
    path, _, name = document.partition("#")
    issue = next((short for short, each in ISSUES.items() if each.document == document), "")
    own = runbook.titles.get(issue) or runbook.titles.get(name)
    if runbook.address is None:
        return own or title, document
    section = anchor(own) if own else name
    base = f"{runbook.address}{path.rpartition('/')[2]}" if runbook.address.endswith("/") else runbook.address
    return own or title, f"{base}#{section}" if section else base
