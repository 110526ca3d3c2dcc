"""Jobs of omc.toml that a schedule starts: the schedule itself, and those of their tasks that ECS still knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.model import Job
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.services import short_name
from omc.facts.tasks import StoppedTask, stopped_tasks_of, tasks_of_cluster


@dataclass(frozen=True, slots=True)
class Schedule:
    """An EventBridge rule, or a schedule of EventBridge Scheduler."""

    expression: str
    """``rate(5 minutes)``, ``cron(0 3 * * ? *)``; empty for a rule that waits for events."""
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class JobState:
    """One job with a schedule."""

    schedule: Schedule | None
    """None: there is neither a rule nor a schedule of that name."""
    running: tuple[str, ...]
    """Tasks of its family that run now."""
    stopped: tuple[StoppedTask, ...]
    """Those that ended within the hour for which ECS remembers them, newest first."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """By name, those of omc.toml that have a schedule."""

    of: Mapping[str, JobState]
    reading: Reading = NO_READING


@reads
def read_jobs(aws: Gateway, environment: Environment) -> Jobs:
    """For each job its schedule, in one call or two, and its tasks; nothing is asked where no job has a schedule."""
    scheduled = [job for job in environment.jobs if job.schedule]
    states = parallel_map(lambda job: _state(aws, job), scheduled)
    return Jobs({job.name: state for job, state in zip(scheduled, states, strict=True)})


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
    return Schedule(found.get("ScheduleExpression", ""), found.get("State") != "DISABLED")
