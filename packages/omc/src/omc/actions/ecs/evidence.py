"""Why a deployment failed, as a person would look it up: events, stopped tasks by cause, exit codes, last words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omc.actions.action import Context
from omc.actions.ecs.run_task import message_of
from omc.errors import OmcError
from omc.facts.rollouts import Rollout
from omc.facts.task_logs import last_lines_if_readable
from omc.facts.tasks import StoppedTask, read_stopped_tasks
from omc.judgement.task_causes import Cause, cause_of, is_failure
from omc.model.plan import Json

EVENTS = 25
CLOCKS = timedelta(seconds=5)
"""This machine's clock may be so far ahead of ECS's."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What the tasks of a revision died of."""

    text: str
    """``3 tasks: Essential container in task exited; backend exited with 1. Last it said: …``; empty: none failed."""
    evidence: Mapping[str, Json]


def why_it_failed(context: Context, rollout: Rollout, task_definition: str, since: datetime) -> Failure:
    """Failed tasks of the revision that stopped since then, the most frequent cause first."""
    events = [
        f"{event.at:%H:%M:%S} {event.message}"
        for event in (rollout.service.events if rollout.service else ())
        if event.at >= since - CLOCKS
    ][:EVENTS]
    try:
        stopped = read_stopped_tasks(context.gateway, context.environment).tasks
    except OmcError as error:
        return Failure("", {"events": events, "stopped_tasks": f"could not be read: {error.message}"})
    failed = [task for task in stopped if task.task_definition == task_definition and is_failure(task)]
    groups: dict[Cause, list[StoppedTask]] = {}
    for task in failed:
        groups.setdefault(cause_of(task), []).append(task)
    records: list[Json] = []
    text = ""
    for cause, tasks in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines = _last_words(context, tasks)
        codes = sorted({c.exit_code for task in tasks for c in task.containers if c.exit_code is not None})
        records.append({"cause": cause.text, "tasks": len(tasks), "exit_codes": codes, "log": lines[-20:]})
        if not text:
            message = f" Its last line: {message_of(_telling(lines))}" if lines else ""
            text = f"{len(tasks)} task{'s' if len(tasks) != 1 else ''}: {cause.text.rstrip('.')}.{message}"
    return Failure(text, {"events": events, "stopped_tasks": records})


def _last_words(context: Context, tasks: list[StoppedTask]) -> list[str]:
    """Of the newest task that wrote anything, for the container that ended it."""
    for task in tasks[:3]:
        guilty = [container for container in task.containers if container.exit_code] or list(task.containers)
        for container in guilty:
            if lines := last_lines_if_readable(context.gateway, task.task_definition, container.name, task.id):
                return lines
    return []


def _telling(lines: list[str]) -> str:
    """The last line that says something: a traceback ends with its error, a JSON log with its level."""
    errors = [line for line in lines if '"ERROR"' in line or '"CRITICAL"' in line]
    return errors[-1] if errors and lines[-1].startswith("{") else lines[-1]


def as_json(rollout: Rollout) -> dict[str, Any]:
    """The reading itself, for the record."""
    service, deployment = rollout.service, rollout.ours
    return {
        "service_deployment": deployment.arn if deployment else None,
        "status": deployment.status if deployment else None,
        "status_reason": deployment.reason if deployment else None,
        "desired": service.desired if service else None,
        "running": service.running if service else None,
        "tasks": {task.id: task.task_definition for task in rollout.tasks},
        "targets": {f"{target.id}:{target.port}": target.state for target in rollout.targets},
    }
