"""Tasks that were stopped by a person, by scaling or by AWS, and tasks that were killed while they stopped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.places import OF_SERVICES
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import SCALING, TASKS_RESTARTING
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.last_writes import Write
from omc.facts.services import EcsService, Services
from omc.facts.tasks import StoppedTask, StoppedTasks
from omc.judgement.task_causes import Blame, blame

SHOWN = 3
REPLACED = timedelta(minutes=2)
"""This long after the last of them, a service that runs all its tasks is well again: what goes on has another cause."""
LATELY = timedelta(minutes=30)
"""A stop longer ago than this explains nothing of now."""
CUT_OFF = timedelta(minutes=7)
"""A kill so long ago is still in the five minutes of answers of which the error rate is told, and not longer."""
DEPLOYED = timedelta(minutes=15)
"""Tasks that stop within this time after a deployment began are what it replaces."""
KILLED = 137
STOP_TIMEOUT = 30
"""Seconds between SIGTERM and SIGKILL where a container sets none, on Fargate. Source: Amazon ECS Developer Guide,
Task definition parameters, stopTimeout."""
BY_AWS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), text)
    for pattern, text in (
        (r"SpotInterruption|Spot", "AWS took the Spot capacity back"),
        (r"retirement|scheduled for retire", "AWS retired what it ran on"),
        (r"maintenance", "AWS performed maintenance on what it ran on"),
        (r"InfrastructureHealth|unhealthy|impaired", "what it ran on was ill"),
        (r"terminated|Host EC2", "the instance that it ran on was ended"),
        (r"DRAINING", "the instance that it ran on was drained"),
        (r"TerminationNotice", "AWS gave notice that what it ran on ends"),
    )
)
"""By stop code and reason, the first that fits."""
HURT = frozenset({*OF_SERVICES, "targets", "users-served", "error-rate", "alarms", "data-fresh", "recent-errors"})


def stopped_on_purpose(situation: Situation) -> Iterator[Cause]:
    """Tasks whose stop is nobody's failure, where something suffers."""
    stopped, services = situation.fact(StoppedTasks), situation.fact(Services)
    for service in services.services if stopped and services else ():
        mine = [task for task in stopped.tasks if task.service == service.name] if stopped else []
        by_aws = [task for task in mine if blame(task) is Blame.AWS]
        by_person = [task for task in mine if blame(task) is Blame.WANTED and task.stop_code == "UserInitiated"]
        by_scaling = [task for task in mine if _is_scaled_in(task, service)]
        if by_aws:
            yield _by_aws(situation, service, by_aws)
        if by_person:
            yield _by_person(situation, service, by_person)
        if by_scaling or not service.desired:
            yield from _by_scaling(situation, service, by_scaling)


def _is_scaled_in(task: StoppedTask, service: EcsService) -> bool:
    """ECS says the same of tasks that a deployment replaces: those are of another revision, or stop just after one
    began. A deployment that began after the stop may be the way back to its revision from one that is forgotten."""
    if blame(task) is not Blame.WANTED or "scaling activity" not in task.reason.lower():
        return False
    began = max((each.created for each in service.deployments), default=None)
    is_deployed = began is not None and abs(task.stopped - began) <= DEPLOYED
    return task.task_definition == service.task_definition and not is_deployed


def _ended(situation: Situation, service: EcsService, newest: datetime) -> datetime | None:
    is_well = service.running >= service.desired > 0
    return newest if is_well and situation.scope.now - newest > REPLACED else None


def _made(
    situation: Situation,
    service: EcsService,
    tasks: Sequence[StoppedTask],
    name: str,
    sentence: str,
    write: Write | None = None,
) -> Cause:
    newest = max((task.stopped for task in tasks), default=write.at if write else situation.scope.now)
    ended = _ended(situation, service, newest)
    reading = reading_of(situation.fact(StoppedTasks))
    return Cause(
        name=name,
        place=f"services/{service.name}",
        subject=service.name,
        sentence=f"{sentence} {service.running} of {service.desired} tasks run{' again' if ended else ''}.",
        evidence=(
            *(Evidence(_told(situation, task), reading) for task in tasks[:SHOWN]),
            *situation.by_whom(write),
        ),
        level=Level.WARN if ended or service.running else Level.FAIL,
        procedure=TASKS_RESTARTING if name != "stopped-by-scaling" else SCALING,
        since=min((task.stopped for task in tasks), default=newest),
        ended=ended,
        services=frozenset({service.name}),
        also=frozenset({"services/AWS"}) if name == "stopped-by-aws" else frozenset(),
        checks=HURT,
        yields=True,
    )


def _by_aws(situation: Situation, service: EcsService, tasks: Sequence[StoppedTask]) -> Cause:
    newest = tasks[0]
    words = f"{newest.stop_code} {newest.reason}"
    why = next((text for pattern, text in BY_AWS if pattern.search(words)), "AWS took away what it ran on")
    sentence = f"AWS stopped {_number(tasks)} of {service.name}, the newest {situation.ago(newest.stopped)}: {why}."
    return _made(situation, service, tasks, "stopped-by-aws", sentence)


def _by_person(situation: Situation, service: EcsService, tasks: Sequence[StoppedTask]) -> Cause:
    newest = tasks[0]
    write = situation.changed(("StopTask",), *(task.id for task in tasks))
    who = write.who if write else "A person or a tool"
    reason = newest.reason.rstrip(".")
    words = f', with the reason "{reason}"' if reason and "stopped by user" not in reason.lower() else ""
    sentence = f"{who} stopped {_number(tasks)} of {service.name}, the newest {situation.ago(newest.stopped)}{words}."
    return _made(situation, service, tasks, "stopped-by-person", sentence, write)


def _by_scaling(situation: Situation, service: EcsService, tasks: Sequence[StoppedTask]) -> Iterator[Cause]:
    """What suffers began after it, and the service wants fewer tasks than before."""
    write = situation.service_changed(service.name)
    at = max((task.stopped for task in tasks), default=write.at if write else None)
    if at is None or situation.scope.now - at > LATELY or service.running > service.desired:
        return
    by = f" {write.who} asked for it, {situation.ago(write.at)} (UpdateService)." if write else ""
    fewer = f"scaled to {service.desired}" if service.desired else "scaled to zero and serves nobody"
    stopped = f", and {_number(tasks)} stopped, the newest {situation.ago(tasks[0].stopped)}" if tasks else ""
    sentence = f"{service.name} was {fewer}{stopped}.{by}"
    yield _made(situation, service, tasks, "stopped-by-scaling", sentence, write)


def killed_at_stop(situation: Situation) -> Iterator[Cause]:
    """Tasks that were to stop and didn't in the time that they had: the requests that they served were cut off."""
    stopped, words = situation.fact(StoppedTasks), situation.fact(LastWords)
    settings = situation.fact(BalancerSettings)
    delays, services = settings.delays if settings else {}, situation.fact(Services)
    well = {each.name for each in (services.services if services else ()) if each.running >= each.desired > 0}
    for service in situation.environment.services:
        killed = [
            (task, limit)
            for task in (stopped.tasks if stopped else ())
            if task.service == service.name in well and situation.scope.now - task.stopped <= CUT_OFF
            if (limit := _killed_after(task, words.revisions if words else {})) is not None
        ]
        if not killed:
            continue
        newest, limit = max(killed, key=lambda each: each[0].stopped)
        later = [at for at, value in (settings.bad_gateways if settings else ()) if value]
        if any(at > newest.stopped + REPLACED for at in later):
            continue  # what fails now fails without them
        number = "1 task" if len(killed) == 1 else f"{len(killed)} tasks"
        delay = max((delays[name] for name in service.target_groups if name in delays), default=None)
        drains = f"the target group drains for {delay:.0f} s" if delay is not None else ""
        yield Cause(
            name="stop-timeout",
            place=f"services/{service.name}",
            subject=service.name,
            sentence=f"{number} of {service.name} {'was' if len(killed) == 1 else 'were'} killed (137), the newest "
            f"{situation.ago(newest.stopped)}: told to stop, and not at an end within the stopTimeout of {limit} s. "
            "Requests that were still served were cut off.",
            evidence=(
                *(Evidence(_told(situation, task), reading_of(stopped)) for task, _ in killed[:SHOWN]),
                *((Evidence(drains, reading_of(settings)),) if drains else ()),
            ),
            level=Level.WARN,
            procedure=TASKS_RESTARTING,
            since=min(task.stopping or task.stopped for task, _ in killed),
            services=frozenset({service.name}),
            is_direct=False,
            checks=frozenset({"error-rate", "users-served", "recent-errors", "alarms"}),
            yields=True,
        )


def _killed_after(task: StoppedTask, revisions: Mapping[str, RevisionDetails]) -> int | None:
    """The stop timeout that it used up; None for a task that ended in time, was ill, or ended by itself."""
    if blame(task) is Blame.TASK or task.stop_code == "EssentialContainerExited":
        return None
    revision = revisions.get(task.task_definition, RevisionDetails())
    for container in task.containers:
        if container.exit_code != KILLED or "memory" in f"{container.reason} {task.reason}".lower():
            continue
        limit = revision.stop_timeouts.get(container.name, STOP_TIMEOUT)
        took = (task.ended - task.stopping).total_seconds() if task.ended and task.stopping else None
        if took is None or took >= limit - 2:
            return limit
    return None


def _number(tasks: Sequence[StoppedTask]) -> str:
    return "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"


def _told(situation: Situation, task: StoppedTask) -> str:
    codes = ", ".join(f"{each.name} {each.exit_code}" for each in task.containers if each.exit_code is not None)
    ended = f" (exit codes: {codes})" if codes else ""
    return (
        f"task {task.id} ({task.task_definition}) stopped {situation.when(task.stopped)}: {task.stop_code}, "
        f"{task.reason}{ended}"
    )
