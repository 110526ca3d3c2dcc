"""Checks of the services' logs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import LOG_ANALYSIS
from omc.checks.spec import check
from omc.checks.users import is_well_served
from omc.config import Environment
from omc.facts.logs import ROWS, ErrorGroup, RecentErrors
from omc.facts.probes import Probes
from omc.facts.scope import Scope
from omc.times import format_duration, format_time

LIVE = timedelta(minutes=2)
"""An error last written longer ago than this is over; one first written since then is new."""
SERVED = timedelta(minutes=1)
"""The same where users are served well meanwhile."""


def live(probes: Probes | None, service: str) -> timedelta:
    """How long an error line of a service says something about the present: shorter if its users are served well."""
    return SERVED if probes is not None and is_well_served(probes, service) else LIVE


@check(
    "recent-errors",
    title="Errors in the logs, grouped by message",
    question="Which errors are in the services' logs, how often, and do they continue?",
    severity=Level.FAIL,
    runbook=LOG_ANALYSIS,
)
def recent_errors(
    errors: RecentErrors, environment: Environment, scope: Scope, probes: Probes | None = None
) -> Iterator[Finding]:
    services = {service.log_group: service.name for service in environment.services}
    by_log: dict[str, list[ErrorGroup]] = {}
    for group in errors.groups:
        by_log.setdefault(group.log_group, []).append(group)
    for name in errors.missing:
        sentence = f"The log group {name} does not exist, so its errors are not known."
        evidence = (Evidence(f"{name}: not found", errors.reading),)
        yield Finding("recent-errors", Level.UNKNOWN, name, sentence, evidence, LOG_ANALYSIS, place=f"logs/{name}")
    for name, all_groups in by_log.items():
        length = live(probes, services.get(name, ""))
        going_on = [group for group in all_groups if scope.now - group.last <= length]
        over = [group for group in all_groups if group not in going_on]
        groups = [*sorted(going_on, key=partial(_urgency, scope.now)), *sorted(over, key=partial(_urgency, scope.now))]
        ended = None if going_on else max(group.last for group in groups)
        now = sum(group.count for group in going_on)
        count = sum(group.count for group in groups)
        kinds = "of one kind" if len(groups) == 1 else f"of {len(groups)} kinds"
        beyond = f" (among the newest {ROWS:,} of {errors.matched:,} lines)" if errors.matched > ROWS else ""
        which = "new" if _is_new(groups[0], scope.now) and len(groups) > 1 else "most often"
        lines = "1 error" if count == 1 else f"{count:,} errors"
        yield Finding(
            check="recent-errors",
            level=Level.FAIL if now >= environment.thresholds.log_errors else Level.WARN,
            subject=name,
            sentence=f"{lines} {kinds} in the last {format_duration(scope.since)}{beyond}; {which}: {groups[0].shape}",
            evidence=tuple(Evidence(_told(group, environment), errors.reading) for group in groups),
            procedure=LOG_ANALYSIS,
            place=f"logs/{name}",
            since=min(group.resumed or group.first for group in going_on or groups),
            ended=ended,
        )
    if not by_log and not errors.missing:
        if errors.scanned:
            level, sentence = (
                Level.OK,
                f"No error in the last {format_duration(scope.since)} ({errors.scanned:,} lines looked at).",
            )
        else:
            level, sentence = Level.WARN, f"Nothing at all was logged in the last {format_duration(scope.since)}."
        evidence = (Evidence(f"{errors.matched} lines matched of {errors.scanned}", errors.reading),)
        procedure = None if level is Level.OK else LOG_ANALYSIS
        yield Finding("recent-errors", level, "all services", sentence, evidence, procedure)


def _is_new(group: ErrorGroup, now: datetime) -> bool:
    return now - (group.resumed or group.first) <= LIVE


def _urgency(now: datetime, group: ErrorGroup) -> tuple[bool, int]:
    """What is new in the last minutes first; then the most frequent."""
    return not _is_new(group, now), -group.count


def _told(group: ErrorGroup, environment: Environment) -> str:
    last = format_time(group.last, environment.time_zone)
    tasks = "1 task" if group.streams == 1 else f"{group.streams} tasks"
    sample = " ".join(group.sample.split())
    if group.count == 1:
        return f"once, {last}: {sample}"
    first = format_time(group.first, environment.time_zone)
    return f"{group.count:,} times in {tasks}, {first} to {last}; newest: {sample}"
