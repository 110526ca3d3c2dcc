"""What is lost later, as lines: functions from facts, each of which is read by itself when an incident opens, and the
diagnosis of that moment.

ECS forgets stopped tasks within the hour, and a service's events after a hundred of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.diagnosis.document import lines_of
from omc.diagnosis.run import diagnose
from omc.errors import Unknown
from omc.facts.api_changes import ApiChanges
from omc.facts.deployments import History
from omc.facts.logs import RecentErrors
from omc.facts.recent_runs import RecentRuns
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.tasks import StoppedTask, StoppedTasks
from omc.facts.traffic import Traffic
from omc.store.opened import Store
from omc.times import format_time

MAX_ITEMS = 40
"""Lines of one kind that an incident keeps: the newest."""
MAX_LINE = 400
EVENTS_A_SERVICE = 15


def stopped_tasks(stopped: StoppedTasks, environment: Environment) -> tuple[str, ...]:
    """Each with ECS's code and reason, and how its containers ended."""
    return tuple(
        f"{_time(task.stopped, environment)}: {task.service or 'no service'} {task.task_definition} {task.id}: "
        f"{task.stop_code or 'no code'}, {task.reason or 'no reason'}{_containers(task)}"
        for task in stopped.tasks
    )


def _time(at: datetime | None, environment: Environment) -> str:
    return format_time(at, environment.time_zone) if at is not None else "at an unknown time"


def _containers(task: StoppedTask) -> str:
    ended = [
        f"{each.name} {'no exit code' if each.exit_code is None else f'exit code {each.exit_code}'}"
        + (f" ({each.reason})" if each.reason else "")
        for each in task.containers
    ]
    return f"; {', '.join(ended)}" if ended else ""


def service_events(services: Services, environment: Environment) -> tuple[str, ...]:
    """The newest events of each service."""
    events = [
        (event.at, service.name, event.message)
        for service in services.services
        for event in service.events[:EVENTS_A_SERVICE]
    ]
    return tuple(f"{_time(at, environment)}: {name}: {message}" for at, name, message in sorted(events, reverse=True))


def task_counts(services: Services) -> tuple[str, ...]:
    """How many tasks each service wants, has and starts."""
    return tuple(
        f"{each.name}: {each.running} of {each.desired} run, {each.pending} start, {each.task_definition}"
        for each in services.services
    )


def error_samples(errors: RecentErrors, environment: Environment) -> tuple[str, ...]:
    """The newest line of each kind of error, the most frequent first."""
    missing = tuple(f"unknown: the log group {name} doesn't exist" for name in errors.missing)
    found = tuple(
        f"{group.count} times in {group.log_group}, last {_time(group.last, environment)}: {group.sample}"
        for group in errors.groups
    )
    return missing + found


def metrics(traffic: Traffic, scope: Scope, environment: Environment) -> tuple[str, ...]:
    """Requests and failures of each of the last minutes, the newest first."""
    return tuple(
        f"{_time(minute.at, environment)}: {minute.total:.0f} requests, {minute.errors:.0f} failed "
        f"({minute.percent:.1f} %)"
        for minute in reversed(traffic.minutes)
        if minute.at <= scope.now
    )


def recent_deployments(history: History, scope: Scope, environment: Environment) -> tuple[str, ...]:
    """ECS's own history of each service."""
    found = [
        (each.created, name, each)
        for name, deployments in history.of.items()
        for each in deployments
        if each.created >= scope.now - scope.since
    ]
    return tuple(
        f"{_time(at, environment)}: {name}: {each.task_definition or 'unknown revision'} {each.status}"
        + (f", {each.reason}" if each.reason else "")
        for at, name, each in sorted(found, key=lambda one: one[:2], reverse=True)
    )


def terraform_applies(runs: RecentRuns, environment: Environment) -> tuple[str, ...]:
    """What omc applied by Terraform."""
    return _runs(runs, environment, lambda procedure: procedure.startswith("infra-"))


def changes_by_omc(runs: RecentRuns, environment: Environment) -> tuple[str, ...]:
    """What else omc did: deployments, scalings, restarts, ways back."""
    return _runs(runs, environment, lambda procedure: not procedure.startswith("infra-"))


def _runs(runs: RecentRuns, environment: Environment, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(
        f"{_time(run.at, environment)}: {run.title} by {run.who}: {run.outcome} ({run.id})"
        for run in runs.runs
        if wanted(run.procedure)
    )


def api_changes(changes: ApiChanges, environment: Environment) -> tuple[str, ...]:
    """Calls that changed something in the account, by anybody."""
    return tuple(
        f"{_time(each.at, environment)}: {each.service} {each.operation} by {each.who}"
        + (f", refused: {each.error}" if each.error else "")
        for each in changes.changes
    )


def diagnosis(gateway: Gateway, store: Store, scope: Scope) -> tuple[str, ...]:
    """Why it is broken, as ``omc diagnose`` says it: causes with their path, what was ruled out, what was not seen."""
    found = diagnose(gateway, since=scope.since, place=store.place)
    if not found.report.heard_from_aws:
        unread = dict.fromkeys(each.sentence for each in found.report.findings if each.unread)
        raise Unknown(" ".join(list(unread)[:3]))
    return lines_of(found)


EVIDENCE: Mapping[str, Callable[..., tuple[str, ...]]] = {
    "stopped tasks": stopped_tasks,
    "service events": service_events,
    "tasks": task_counts,
    "error samples": error_samples,
    "metrics": metrics,
    "recent deployments": recent_deployments,
    "terraform applies": terraform_applies,
    "changes by omc": changes_by_omc,
    "api changes": api_changes,
    "diagnosis": diagnosis,
}
"""By ``Captured.what``, what is lost first before what stays longer."""
