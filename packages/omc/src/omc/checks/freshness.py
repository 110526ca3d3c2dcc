"""Checks that what is looked at is fresh: the data that users see, and the metrics that alarms rest on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import DATABASE_TIMEOUT, MORNING_CHECKS, USERS_CANT_REACH
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.data_age import DataAge, ServiceData
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.traffic import MetricsAge
from omc.output.text import counted, verb
from omc.times import format_duration, format_time


@check(
    "data-fresh",
    title="Age of the data that users see",
    question="Is the data that users see as new as it should be?",
    severity=Level.FAIL,
    runbook=DATABASE_TIMEOUT,
)
def data_fresh(data: DataAge, environment: Environment) -> Iterator[Finding]:
    oldest = timedelta(seconds=environment.thresholds.data_age_seconds)
    for service in data.services:
        if service.age_seconds is None:
            level, sentence, since = Level.UNKNOWN, f"The age of its data is not known: {service.problem}", None
        else:
            age = timedelta(seconds=service.age_seconds)
            level = Level.FAIL if age > oldest else Level.OK
            than = f", older than {format_duration(oldest)}" if level is Level.FAIL else ""
            sentence = f"Its data is {format_duration(age)} old{than}."
            since = data.reading.at - (age - oldest) if level is Level.FAIL else None
        yield Finding(
            check="data-fresh",
            level=level,
            subject=service.service,
            sentence=sentence,
            evidence=(Evidence(f"GET {service.url}: data_age_seconds {_told(service)}", data.reading),),
            procedure=None if level is Level.OK else DATABASE_TIMEOUT if service.is_answered else USERS_CANT_REACH,
            place=f"data-fresh/{service.service}" if service.is_answered else f"users/{service.service}",
            since=since,
        )


def _told(service: ServiceData) -> str:
    return "unknown" if service.age_seconds is None else f"{service.age_seconds:g}"


@check(
    "metrics-fresh",
    title="Age of CloudWatch's metrics",
    question="Does CloudWatch have fresh metrics, so that its alarms and rates mean something?",
    severity=Level.UNKNOWN,
    runbook=MORNING_CHECKS,
)
def metrics_fresh(metrics: MetricsAge, services: Services, environment: Environment, scope: Scope) -> Iterator[Finding]:
    running = {service.name for service in services.services if service.running}
    oldest = timedelta(seconds=environment.thresholds.metrics_age_seconds)
    fresh: list[timedelta] = []
    for metric in metrics.metrics:
        if metric.service not in running:
            continue
        age = scope.now - metric.newest if metric.newest else None
        if age is not None and age <= oldest:
            fresh.append(age)
            continue
        message = "" if age is not None else " of the last hour"
        last = format_time(metric.newest, environment.time_zone) if metric.newest else "not in the last hour"
        yield Finding(
            check="metrics-fresh",
            level=Level.UNKNOWN,
            subject=metric.service,
            sentence=f"CloudWatch has no fresh CPUUtilization{message}: its alarms and rates say nothing now.",
            evidence=(Evidence(f"newest CPUUtilization of {metric.service}: {last}", metrics.reading),),
            procedure=MORNING_CHECKS,
            since=metric.newest,
        )
    if fresh:
        yield Finding(
            check="metrics-fresh",
            level=Level.OK,
            subject="CloudWatch",
            sentence=f"CloudWatch's newest metric is {format_duration(min(fresh))} old.",
            evidence=(
                Evidence(
                    f"{counted(len(fresh), 'service')} {verb(len(fresh), 'has', 'have')} a fresh CPUUtilization",
                    metrics.reading,
                ),
            ),
        )
