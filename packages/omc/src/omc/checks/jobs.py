"""Jobs that a schedule starts: whether the last run was started, and how it ended.

ECS keeps stopped tasks for an hour. Of what ended before, CloudWatch knows that it was started, and whether a start
failed: how it ended isn't kept, and the finding says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import TASKS_RESTARTING
from omc.checks.spec import check
from omc.config import Environment
from omc.config.model import Job
from omc.facts.jobs import Jobs, JobState, Schedule, Starts
from omc.facts.scope import Scope
from omc.judgement.task_causes import cause_of
from omc.output.text import counted
from omc.times import format_duration

REMEMBERED = timedelta(hours=1)
"""For which ECS keeps a stopped task (DescribeTasks)."""


@check(
    "jobs",
    title="Jobs: the last scheduled run",
    question="Was each scheduled job started, and did it end with 0?",
    severity=Level.FAIL,
    runbook=TASKS_RESTARTING,
)
def jobs(jobs: Jobs, environment: Environment, scope: Scope) -> Iterator[Finding]:
    for job in environment.jobs:
        if job.name not in jobs.of:
            continue
        level, sentence = _judged(job, jobs.of[job.name], scope)
        schedule = jobs.of[job.name].schedule
        evidence = (
            f"{job.schedule}: {schedule.expression or 'no times'}" if schedule else f"no rule and no {job.schedule}"
        )
        yield Finding(
            check="jobs",
            level=level,
            subject=job.name,
            sentence=sentence,
            evidence=(Evidence(evidence, jobs.reading),),
            procedure=None if level is Level.OK else TASKS_RESTARTING,
            place=f"jobs/{job.name}",
        )


def _judged(job: Job, state: JobState, scope: Scope) -> tuple[Level, str]:
    if state.schedule is None:
        sentence = f"Nothing starts it: there is neither an EventBridge rule nor a schedule {job.schedule}."
        return Level.FAIL, sentence
    if not state.schedule.is_enabled:
        return Level.WARN, f"Nothing starts it: {job.schedule} is disabled."
    if state.stopped:
        newest = state.stopped[0]
        ago = format_duration(scope.now - newest.stopped)
        code = next((each.exit_code for each in newest.containers if each.name == job.container), None)
        if code == 0:
            return Level.OK, f"Its last run ended with 0, {ago} ago."
        return Level.FAIL, f"Its last run, {ago} ago, failed: {cause_of(newest).text.rstrip('.')}."
    if state.running:
        return Level.OK, "It runs now."
    if is_often(state.schedule) and not (state.starts and state.starts.failed):
        within = f"{state.schedule.expression} should have started it"
        return Level.FAIL, f"No task of it ran in the last hour, in which {within}."
    return _by_starts(job, state.schedule, state.starts)


def _by_starts(job: Job, schedule: Schedule, starts: Starts | None) -> tuple[Level, str]:
    not_kept = f"How its last run ended isn't kept: ECS forgets a task after an hour. Its log is {job.log_group}."
    within = f"in the last {format_duration(schedule.window)}"
    if starts is None or not (starts.started or starts.failed):
        return Level.UNKNOWN, f"CloudWatch knows of no start of it {within}. {not_kept}"
    group = f"With all of the group {schedule.group} it" if schedule.group else "It"
    if starts.failed:
        return Level.FAIL, f"{group} was to be started {within}, and {counted(starts.failed, 'start')} failed."
    return Level.OK, f"{group} was started {counted(starts.started, 'time')} {within}, and no start failed. {not_kept}"


def is_often(schedule: Schedule) -> bool:
    """Whether it starts something at least twice in the time for which ECS remembers."""
    return schedule.every is not None and 2 * schedule.every <= REMEMBERED
