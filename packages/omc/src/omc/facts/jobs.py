"""Jobs of omc.toml that a schedule starts: the schedule itself, those of their tasks that ECS still knows, and what
CloudWatch has counted of their starts, which lasts longer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.model import Job
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope
from omc.facts.services import short_name
from omc.facts.tasks import StoppedTask, stopped_tasks_of, tasks_of_cluster

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COUNTED = {
    "AWS/Events": ("RuleName", "Invocations", ("FailedInvocations",)),
    "AWS/Scheduler": ("ScheduleGroup", "InvocationAttemptCount", ("TargetErrorCount", "InvocationDroppedCount")),
}
"""Dimension, starts and failed starts by namespace. Scheduler counts by group alone (EventBridge's user guide,
"Monitoring Amazon EventBridge"; Scheduler's, "Monitoring with Amazon CloudWatch"). A figure that is 0 isn't sent."""
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNITS = {"minute": timedelta(minutes=1), "hour": HOUR, "day": DAY}


@dataclass(frozen=True, slots=True)
class Schedule:
    """An EventBridge rule, or a schedule of EventBridge Scheduler."""

    expression: str
    """``rate(5 minutes)``, ``cron(0 3 * * ? *)``; empty for a rule that waits for events."""
    is_enabled: bool
    group: str = ""
    """Of EventBridge Scheduler's; empty for a rule."""

    @property
    def every(self) -> timedelta | None:
        """The time between two starts of a rate; None for any other."""
        found = _RATE.fullmatch(self.expression)
        return int(found[1]) * _UNITS[found[2]] if found else None

    @property
    def window(self) -> timedelta:
        """A time in which it starts something once at least, as far as its expression tells; a day at least."""
        if self.every is not None:
            return max(DAY, self.every + HOUR)
        fields = self.expression.removeprefix("cron(").rstrip(")").split()
        if not self.expression.startswith("cron(") or len(fields) < 5:
            return DAY
        _, _, day, month, weekday = fields[:5]
        for field, days in ((month, 366), (day, 32), (weekday, 8)):
            if field not in ("*", "?"):
                return days * DAY
        return DAY


@dataclass(frozen=True, slots=True)
class Starts:
    """What CloudWatch has counted in the schedule's window: of the rule, or of all schedules of the group."""

    started: int
    failed: int


@dataclass(frozen=True, slots=True)
class JobState:
    """One job with a schedule."""

    schedule: Schedule | None
    """None: there is neither a rule nor a schedule of that name."""
    running: tuple[str, ...]
    """Tasks of its family that run now."""
    stopped: tuple[StoppedTask, ...]
    """Those that ended within the hour for which ECS remembers them, newest first."""
    starts: Starts | None = None
    """None: not asked, since ECS still knows a task of it, or nothing starts it."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """By name, those of omc.toml that have a schedule."""

    of: Mapping[str, JobState]
    reading: Reading = NO_READING


@reads
def read_jobs(aws: Gateway, environment: Environment, scope: Scope) -> Jobs:
    """For each job its schedule, in one call or two, and its tasks; for those of which ECS knows none, in one call more
    what CloudWatch has counted. Nothing is asked where no job has a schedule."""
    scheduled = [job for job in environment.jobs if job.schedule]
    states = parallel_map(lambda job: _state(aws, job), scheduled)
    found = {job.name: state for job, state in zip(scheduled, states, strict=True)}
    return Jobs(found | _counted(aws, {job.name: job for job in scheduled}, found, scope))


def _state(aws: Gateway, job: Job) -> JobState:
    ended = tuple(stopped_tasks_of(aws, job.cluster, job.family))
    try:
        running = tuple(short_name(task["taskArn"]) for task in tasks_of_cluster(aws, job.cluster, family=job.family))
    except NotFound:
        running = ()
    return JobState(_schedule(aws, job), running, ended)


def _schedule(aws: Gateway, job: Job) -> Schedule | None:
    group, _, own = job.schedule_path.partition("/")
    if job.schedule == own:  # without a group it may be a rule of EventBridge's
        for rule in aws.client("events").list_rules(NamePrefix=own)["Rules"]:
            if rule["Name"] == own:
                return Schedule(rule.get("ScheduleExpression", ""), rule.get("State") != "DISABLED")
    try:
        found = aws.client("scheduler").get_schedule(GroupName=group, Name=own)
    except NotFound:
        return None
    return Schedule(found.get("ScheduleExpression", ""), found.get("State") != "DISABLED", group)


def _counted(aws: Gateway, jobs: Mapping[str, Job], found: Mapping[str, JobState], scope: Scope) -> dict[str, JobState]:
    uncertain = {
        name: state.schedule
        for name, state in found.items()
        if state.schedule and state.schedule.is_enabled and not (state.stopped or state.running)
    }
    queries = {
        f"j{number}_{place}": (name, metric, query)
        for number, (name, schedule) in enumerate(uncertain.items())
        for place, (metric, query) in enumerate(_queries(jobs[name], schedule))
    }
    if not queries:
        return {}
    begin = scope.now - max(schedule.window for schedule in uncertain.values())
    wanted: Any = [{"Id": identifier, **query} for identifier, (_, _, query) in queries.items()]
    sums: dict[str, dict[str, int]] = {name: {} for name in uncertain}
    for identifier, points in metric_data(aws, wanted, begin, scope.now).items():
        name, metric, query = queries[identifier]
        since = scope.now - uncertain[name].window - timedelta(seconds=query["MetricStat"]["Period"])
        sums[name][metric] = int(sum(value for at, value in points if at >= since))
    return {name: replace(found[name], starts=_starts(uncertain[name], figures)) for name, figures in sums.items()}


def _kind(schedule: Schedule) -> tuple[str, str, Sequence[str]]:
    return COUNTED["AWS/Scheduler" if schedule.group else "AWS/Events"]


def _queries(job: Job, schedule: Schedule) -> list[tuple[str, Any]]:
    dimension, started, failed = _kind(schedule)
    value = schedule.group or str(job.schedule)
    period = 86400 if schedule.window > 8 * DAY else 3600
    return [
        (
            metric,
            {
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Scheduler" if schedule.group else "AWS/Events",
                        "MetricName": metric,
                        "Dimensions": [{"Name": dimension, "Value": value}],
                    },
                    "Period": period,
                    "Stat": "Sum",
                }
            },
        )
        for metric in (started, *failed)
    ]


def _starts(schedule: Schedule, figures: Mapping[str, int]) -> Starts:
    _, started, failed = _kind(schedule)
    return Starts(figures[started], sum(figures[each] for each in failed))
