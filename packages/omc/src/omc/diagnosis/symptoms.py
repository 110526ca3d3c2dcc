"""What may be asked about: the runbook's issues, an alarm, a place, or whatever is wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from omc.checks.causes.places import place_of_finding
from omc.checks.finding import Finding
from omc.config import Environment
from omc.errors import WrongUse, did_you_mean


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


def is_asked_about(finding: Finding, symptom: str, environment: Environment) -> bool:
    """Whether a symptom is among what was asked about. Nothing asked: all are."""
    if not symptom:
        return True
    place = place_of_finding(finding)
    if issue := ISSUES.get(symptom):
        return any(place.startswith(begin) for begin in issue.places)
    names = {symptom, f"alarms/{symptom}", f"alarms/{environment.alarm_prefix}{symptom}"}
    return (
        place in names
        or place.startswith(f"{symptom.rstrip('/')}/")
        or finding.check == symptom
        or (place.rpartition("/")[2] == symptom)
    )


def require_known(symptom: str, findings: Iterable[Finding], environment: Environment) -> None:
    """Raises ``WrongUse`` for a symptom that is neither an issue nor anything that was looked at."""
    if not symptom or symptom in ISSUES:
        return
    everything = list(findings)
    if any(is_asked_about(each, symptom, environment) for each in everything):
        return
    places = sorted({place_of_finding(each) for each in everything if place_of_finding(each)})
    known = [*ISSUES, *places, *(each.partition("/")[2] for each in places)]
    raise WrongUse(
        f'Nothing that was looked at in {environment.name} is called "{symptom}".{did_you_mean(symptom, known)} '
        f"Issues: {', '.join(ISSUES)}; or a place or an alarm that the morning check names."
    )
