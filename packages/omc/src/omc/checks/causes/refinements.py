"""What is known beside a task's own words: how long its start takes, what its readiness asks for, which of its
containers ended first."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from omc.checks.causes import failures as why
from omc.checks.causes.failures import Failure, exited_with
from omc.checks.causes.model import Situation
from omc.config import Service
from omc.facts.dependencies import Dependencies, Dependency
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.starts import HEALTH, Starts
from omc.facts.load_balancers import TargetGroups
from omc.facts.services import Services
from omc.facts.tasks import Container, StoppedTask

REFUSED = re.compile(r"5\d\d")
STOPPED_WITH_THE_TASK = frozenset({137, 143})
"""Exit codes of containers that are told to stop since another one has ended."""
LATE = timedelta(minutes=1)
"""A task that health checks end in its start doesn't live longer than its start and this."""


def refined(situation: Situation, task: StoppedTask, failure: Failure) -> Failure:
    """The failure, or the better reason that other readings give."""
    service = next((each for each in situation.environment.services if each.name == task.service), None)
    if service is None:
        return failure
    return (
        _slow_start(situation, service, task, failure)
        or _not_ready(situation, service, failure)
        or _side_car(situation, service, task, failure)
        or failure
    )


def _slow_start(situation: Situation, service: Service, task: StoppedTask, failure: Failure) -> Failure | None:
    starts = situation.fact(Starts)
    measured = starts.seconds.get(service.name, ()) if starts else ()
    if (
        not measured
        or failure.kind not in (why.HEALTH, why.HANGS)
        or not task.started
        or not HEALTH.search(task.reason)
    ):
        return None
    slowest, lived = max(measured), (task.stopping or task.stopped) - task.started
    if starts and task.id in starts.unready and failure.message is None and not failure.line:
        late = f"{lived.total_seconds():.0f} s after its start it had not said that it serves, which others say after "
        return Failure(why.SLOW_START, "", f"{late}{slowest:.0f} s at most, and its health checks ended it")
    if lived > timedelta(seconds=slowest) + LATE:
        return None  # it had started, and was ill later
    took = f"its start takes {slowest:.0f} s"
    given = allowed(situation, service) if "ELB" in task.reason else None
    if given is None:
        if lived.total_seconds() >= slowest:
            return None
        return Failure(why.SLOW_START, "", f"{took}, and its health checks end it after {lived.total_seconds():.0f} s")
    seconds, how = given
    if slowest <= seconds:
        return None
    return Failure(why.SLOW_START, "", f"{took}, and the load balancer's checks give it {seconds:.0f} s ({how})")


def allowed(situation: Situation, service: Service) -> tuple[float, str] | None:
    """Seconds that a task has until failed checks end it, and what makes them; None where a part isn't known."""
    groups, services = situation.fact(TargetGroups), situation.fact(Services)
    every = [groups.every.get(name, {}) for name in service.target_groups] if groups else []
    own = next((each for each in services.services if each.name == service.name), None) if services else None
    checks = [
        (int(each.get("HealthCheckIntervalSeconds") or 0), int(each.get("UnhealthyThresholdCount") or 0))
        for each in every
    ]
    if own is None or not checks or not all(interval and number for interval, number in checks):
        return None
    interval, number = min(checks, key=lambda check: check[0] * check[1])  # the strictest of them ends a task
    how = f"a grace period of {own.grace} s, then {number} failed checks {interval} s apart"
    return own.grace + interval * number, how


def _not_ready(situation: Situation, service: Service, failure: Failure) -> Failure | None:
    if failure.kind != why.HEALTH or not REFUSED.fullmatch(failure.what) or failure.message is not None:
        return None
    pages = situation.fact(Dependencies)
    missed = (
        [each for each in pages.found if each.service == service.name and each.bad and each.report.name]
        if pages
        else []
    )
    if not missed:
        return None
    worst: Dependency = max(missed, key=lambda each: each.bad / each.answers)
    place = worst.place
    text = (
        f"the load balancer's health checks got {failure.what}, since its readiness asks for its {worst.report.name}, "
    )
    return replace(failure, kind=why.NOT_READY, what=place, text=f"{text}which is {worst.report.word}")


def _side_car(situation: Situation, service: Service, task: StoppedTask, failure: Failure) -> Failure | None:
    if task.stop_code != "EssentialContainerExited" or failure.kind in (why.MEMORY_OF_CONTAINER, why.MEMORY_OF_TASK):
        return None
    words = situation.fact(LastWords)
    revision = (words.revisions if words else {}).get(task.task_definition, RevisionDetails())
    main = next((each for each in task.containers if each.name == service.container), None)
    if main is None or main.exit_code not in (None, 0, *STOPPED_WITH_THE_TASK):
        return None
    ended = [each for each in task.containers if each is not main and _ended_by_itself(each, revision)]
    if not ended:
        return None
    first = ended[0]
    how = exited_with(first, revision) if first.exit_code else f"{first.name} ended by itself, with 0"
    quoted = f'; it said last: "{failure.line}"' if failure.line and failure.message is None else ""
    quoted = f'; it said: "{failure.line}"' if failure.message else quoted
    text = f"its essential side-car {how}, and the task ends with it{quoted}"
    return Failure(why.SIDECAR, f"{first.name} {first.exit_code}", text, None, failure.line)


def _ended_by_itself(container: Container, revision: RevisionDetails) -> bool:
    if container.exit_code is None or container.exit_code in STOPPED_WITH_THE_TASK:
        return False
    is_essential = container.name in revision.essential
    return is_essential or (bool(container.exit_code) and not revision.essential)
