"""Checks of tasks that stopped: which of them failed, and why, grouped by cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import TASKS_RESTARTING
from omc.checks.services import HEALED, is_rolling_back
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.facts.tasks import StoppedTask, StoppedTasks
from omc.judgement.task_causes import Blame, Cause, blame, cause_of, is_failure
from omc.times import format_duration, format_time

SOONEST = timedelta(seconds=90)
"""A service doesn't count as well again any sooner than this after its last failure."""
LIVED = timedelta(seconds=150)
"""It never has to run longer than this to count as well again, if no other task has failed since."""


@check(
    "failed-tasks",
    title="Failed tasks of the last hour, by cause",
    question="Did tasks fail in the last hour, and why?",
    severity=Level.FAIL,
    runbook=TASKS_RESTARTING,
)
def failed_tasks(
    stopped: StoppedTasks, services: Services, environment: Environment, scope: Scope
) -> Iterator[Finding]:
    requested = {service.name for service in environment.services}
    short = {service.name for service in services.services if service.running < service.desired}
    known = {service.name: service for service in services.services}
    alike: dict[Cause, list[StoppedTask]] = {}
    judged = [task for task in stopped.tasks if task.service in requested or not scope.is_part]
    for task in judged:
        if is_failure(task):
            alike.setdefault(cause_of(task), []).append(task)
    groups = [(cause, some, is_before) for cause, tasks in alike.items() for some, is_before in spells(tasks)]
    for cause, tasks, is_before in sorted(groups, key=lambda group: (group[2], -len(group[1]))):
        still = cause.service in short or cause.service is None
        often = len(tasks) >= environment.thresholds.failed_tasks
        number = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
        newest = format_duration(scope.now - tasks[0].stopped)
        ended = healed(known.get(cause.service), tasks, scope) if cause.service else went_well(tasks, stopped.tasks)
        ended = tasks[0].stopped if is_before else ended
        yield Finding(
            check="failed-tasks",
            level=Level.FAIL if (still or often) and not ended else Level.WARN,
            subject=cause.service or f"one-off {tasks[0].task_definition}",
            sentence=f"{number} failed, the newest {newest} ago: {cause.text}.",
            evidence=tuple(Evidence(_told(task, environment), stopped.reading) for task in tasks),
            procedure=TASKS_RESTARTING,
            place=f"services/{cause.service}" if cause.service else f"tasks/{tasks[0].task_definition}",
            since=min(task.stopped for task in tasks),
            ended=ended,
        )
    taken = [task for task in judged if blame(task) is Blame.AWS]
    if taken:
        yield _taken_by_aws(taken, stopped, short, environment)
    if not groups:
        yield Finding(
            check="failed-tasks",
            level=Level.OK,
            subject="all services",
            sentence="No task failed in the last hour, which is as long as ECS remembers.",
            evidence=(Evidence(f"{len(stopped.tasks)} stopped tasks, none of them a failure", stopped.reading),),
        )


def spells(tasks: Sequence[StoppedTask]) -> Iterator[tuple[list[StoppedTask], bool]]:
    """A service's tasks that failed alike, newest first: the last spell, then all before it (True). Five
    minutes without such a failure separate two spells."""
    cut = next((n for n, (one, other) in enumerate(pairwise(tasks), 1) if one.stopped - other.stopped > HEALED), None)
    cut = cut if tasks[0].service else None  # those of one's own are apart anyway
    yield list(tasks[:cut]), False
    if cut is not None:
        yield list(tasks[cut:]), True


def healed(service: EcsService | None, tasks: Sequence[StoppedTask], scope: Scope) -> datetime | None:
    """When these tasks (newest first) stopped failing. None while it goes on.

    It is over when all wanted tasks run, and the revision that failed isn't the service's any more, or had no failure
    for about twice as long as most of those tasks lived and all were apart, five minutes at most."""
    if service is None:
        return None
    if not service.desired:
        return tasks[0].stopped if scope.now - tasks[0].stopped > SOONEST else None  # none is wanted, so none fails
    started = min((each.created for each in service.deployments), default=None)
    if started and tasks[0].stopped < started - HEALED:
        return tasks[0].stopped  # of a time before all that goes on
    failed = {task.task_definition for task in tasks}
    for each in service.deployments:
        continues = each.rollout in ("IN_PROGRESS", "FAILED") and each.task_definition in failed
        if (continues or is_rolling_back(each)) and tasks[0].stopped >= each.created - HEALED:
            return None
    current = {deployment.task_definition for deployment in service.deployments} or {service.task_definition}
    mine = [task for task in tasks if task.task_definition in current]
    if not mine:
        return tasks[0].stopped  # a revision that nobody wants any more; why tasks are lacking now is another question
    if service.running < service.desired:
        return None
    lives = sorted(task.stopped - task.started for task in mine if task.started)
    lived = lives[len(lives) // 2] if lives else timedelta(0)  # most lived no longer; the first may have, for days
    apart = max((one.stopped - other.stopped for one, other in pairwise(mine)), default=timedelta(0))
    if scope.now - mine[0].stopped > min(max(min(2 * lived, LIVED), 2 * apart, SOONEST), HEALED):
        return tasks[0].stopped
    return None


def went_well(failed: Sequence[StoppedTask], stopped: Sequence[StoppedTask]) -> datetime | None:
    """When one-off tasks, such as migrations, were run again and ended well: the last family's. None while one of the
    failed families (newest task first, like all stopped tasks) has had no such run since."""
    ends = []
    for family in {_family(task) for task in failed}:
        newest = max(task.stopped for task in failed if _family(task) == family)
        again = [
            task.stopped
            for task in stopped
            if task.service is None and _family(task) == family and task.stopped > newest and _ended_well(task)
        ]
        if not again:
            return None
        ends.append(min(again))
    return max(ends, default=None)


def _family(task: StoppedTask) -> str:
    return task.task_definition.rpartition(":")[0]


def _ended_well(task: StoppedTask) -> bool:
    return bool(task.containers) and all(container.exit_code == 0 for container in task.containers)


def _taken_by_aws(
    taken: list[StoppedTask], stopped: StoppedTasks, short: set[str], environment: Environment
) -> Finding:
    """Maintenance, a sick host, Spot: worth a look only where nothing has taken the tasks' place yet."""
    waits = any(task.service in short for task in taken)
    number = "1 task" if len(taken) == 1 else f"{len(taken)} tasks"
    why = cause_of(taken[0]).text
    return Finding(
        check="failed-tasks",
        level=Level.WARN if waits else Level.OK,
        subject="AWS",
        sentence=f"AWS ended {number} in the last hour, which is no failure of theirs: {why}."
        + (" They are not replaced yet." if waits else ""),
        evidence=tuple(Evidence(_told(task, environment), stopped.reading) for task in taken),
        procedure=TASKS_RESTARTING if waits else None,
    )


def _told(task: StoppedTask, environment: Environment) -> str:
    lived = f"ran {format_duration(task.stopped - task.started)}" if task.started else "never started"
    when = format_time(task.stopped, environment.time_zone)
    return f"task {task.id} ({task.task_definition}), {lived}, stopped {when}: {task.stop_code}, {task.reason}"
