"""Checks of traffic that is missing: a service that usually gets requests and now gets hardly any.

It is reported only if the hour before had traffic, and so had the same hours of the day before, where that is known:
not at night, not for a new environment, not for metrics that are merely late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import MORNING_CHECKS, USERS_CANT_REACH
from omc.checks.spec import check
from omc.checks.users import is_well_served
from omc.config import Environment
from omc.facts.load_balancers import TargetGroups
from omc.facts.probes import Probes
from omc.facts.requests import STEP, Requests
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.traffic import MetricsAge
from omc.times import format_duration, format_time

LATE = timedelta(minutes=2)
"""How late CloudWatch gets a load balancer's figures; what is newer isn't counted yet."""
FRESH = timedelta(minutes=7)
"""If no service has a metric as new as this, the figures are late and the silence is CloudWatch's."""
HOUR, QUARTER = 12, 3
"""Steps before a silence that say what is usual."""
MAX_WIDTH = 72
"""The most steps of a silence: after six hours nobody can say whether it is the night or a Sunday."""
QUIET = 0.1
"""Share of the usual below which it is quiet: omc's own requests and health checks of others go on."""
MIN_REQUESTS = 10.0
"""Requests in a step, usually; of a service with fewer, five minutes without one mean nothing."""
EXPECTED = 30.0
"""Requests that a silence must have missed to count: fewer may be missing by chance."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Silence:
    since: datetime
    until: datetime
    usual: float
    """Requests in a step of the hour before."""
    came: float
    """Requests in all of it."""


@check(
    "traffic-usual",
    title="Traffic: whether it is missing where there should be some",
    question="Does traffic reach the services as it usually does?",
    severity=Level.FAIL,
    runbook=USERS_CANT_REACH,
)
def traffic_usual(
    requests: Requests,
    groups: TargetGroups,
    services: Services,
    metrics: MetricsAge,
    probes: Probes | None,
    environment: Environment,
    scope: Scope,
) -> Iterator[Finding]:
    if not environment.has_load_balancer:
        return
    end = _floor(scope.now - LATE)
    newest = max((metric.newest for metric in metrics.metrics if metric.newest), default=None)
    by_service = requests_by_service(requests, groups, services, environment)
    is_fresh = newest is not None and scope.now - newest <= FRESH
    silent = (
        {name: found for name, counts in by_service.items() if (found := _silence(counts, end))} if is_fresh else {}
    )
    for name, found in silent.items():
        well = probes is not None and is_well_served(probes, name)
        minute = timedelta(minutes=1) / STEP
        came = "No request has" if found.came == 0 else f"Hardly a request ({found.came:.0f}) has"
        but = " Its pages answer from here." if well else ""
        yield Finding(
            check="traffic-usual",
            level=Level.WARN if well else Level.FAIL,
            subject=name,
            sentence=f"{came} reached it for {format_duration(found.until - found.since)}, "
            f"where {found.usual * minute:.0f} a "
            f"minute came in the hour before.{but}",
            evidence=(
                Evidence(
                    f"RequestCount from {format_time(found.since, environment.time_zone)}: "
                    f"{found.came:.0f}; in each five "
                    f"minutes of the hour before: {found.usual:.0f}",
                    requests.reading,
                ),
            ),
            procedure=USERS_CANT_REACH,
            place=f"users/{name}",
            since=found.since,
        )
    if silent:
        return
    recent = sum(counts.get(end - STEP, 0.0) for counts in by_service.values())
    yield Finding(
        check="traffic-usual",
        level=Level.OK if is_fresh else Level.UNKNOWN,
        subject="traffic",
        sentence="No service misses the requests that it usually gets."
        if is_fresh
        else "CloudWatch's newest figures are late, so that missing requests can't be told from missing figures.",
        evidence=(Evidence(f"{recent:.0f} requests in the newest whole five minutes", requests.reading),),
        procedure=None if is_fresh else MORNING_CHECKS,
        place="users",
    )


def requests_by_service(
    requests: Requests, groups: TargetGroups, services: Services, environment: Environment
) -> dict[str, dict[datetime, float]]:
    """By service: requests of all of its target groups; of a blue/green pair those of both."""
    by_name = {group.name: group.arn for group in groups.groups}
    arns: dict[str, set[str]] = {
        service.name: {by_name[name] for name in service.target_groups if name in by_name}
        for service in environment.services
    }
    for service in services.services:
        arns.setdefault(service.name, set()).update((*service.target_groups, *service.alternates.values()))
    found: dict[str, dict[datetime, float]] = {}
    for name, some in arns.items():
        counts = found.setdefault(name, {})
        for arn in some:
            for at, value in requests.by_group.get(arn, {}).items():
                counts[at] = counts.get(at, 0.0) + value
    return found


def _silence(counts: Mapping[datetime, float], end: datetime) -> _Silence | None:
    """The longest stretch of quiet steps up to ``end`` after an hour of traffic; None where it is no surprise."""
    found: _Silence | None = None
    came = 0.0
    loudest = 0.0
    for length in range(1, MAX_WIDTH + 1):
        since = end - length * STEP
        step = counts.get(since, 0.0)
        came, loudest = came + step, max(loudest, step)
        before = [counts.get(since - number * STEP, 0.0) for number in range(1, HOUR + 1)]
        usual = min(median(before), median(before[:QUARTER]))  # what fades away was on its way out already
        if usual >= MIN_REQUESTS and usual * length >= EXPECTED and loudest <= QUIET * usual:
            found = _Silence(since, end, usual, came)
    return found if found and not _was_so_yesterday(counts, found) else None


def _was_so_yesterday(counts: Mapping[datetime, float], found: _Silence) -> bool:
    """A day before at the same hours hardly anybody came either. Without any figure so old it isn't known."""
    known = [at for at in counts if at <= found.since - DAY + STEP * HOUR]
    if not known:
        return False
    steps = _steps(found.since - DAY, found.until - DAY)
    return sum(counts.get(at, 0.0) for at in steps) <= QUIET * found.usual * len(steps)


def _steps(begin: datetime, end: datetime) -> Sequence[datetime]:
    return [begin + number * STEP for number in range(int((end - begin) / STEP))]


def _floor(at: datetime) -> datetime:
    return at.replace(minute=at.minute - at.minute % 5, second=0, microsecond=0)
