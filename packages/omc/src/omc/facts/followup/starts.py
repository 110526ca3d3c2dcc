"""How long tasks took from their start until they said that they serve, where health checks ended some of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definition, describe_definition
from omc.facts.followup.budget import BUDGET, within
from omc.facts.services import Services
from omc.facts.task_logs import log_options
from omc.facts.tasks import StoppedTasks, list_running_tasks

TASKS = 3
"""Tasks of one service that are measured, of those that run and of those that were ended each."""
NEVER = inf
"""What a task that speaks, and never says that it serves, took to say so."""
LINES = 200
"""Lines from a task's first on in which it says that it serves, if at all."""
READY = re.compile(
    r"application startup complete|uvicorn running on|\blistening (?:on|at)\b|listening at:|now listening|"
    r"server (?:is )?(?:listening|started|running|up)|started \S+ in [\d.,]+ ?s|ready to (?:accept|serve)|"
    r"\bserving (?:on|at|http)|accepting connections|start-?up (?:is )?complete|ready for (?:requests|connections)",
    re.IGNORECASE,
)
"""How uvicorn, gunicorn, Node, Go's and Java's servers say that they serve."""
HEALTH = re.compile(r"failed (?:ELB|container) health checks", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Starts:
    seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By service: from a task's start to its first line that says that it serves, of each task that said so."""
    unready: frozenset[str] = frozenset()
    """Tasks that health checks ended, and that said something, but not that they serve."""
    reading: Reading = NO_READING


@reads
def read_starts(aws: Gateway, stopped: StoppedTasks, services: Services) -> Starts:
    """Of services of which health checks ended a task; of no other is anything asked."""
    ended = {task.service for task in stopped.tasks if HEALTH.search(task.reason)}
    wanted = [service.name for service in services.services if service.name in ended]
    if not wanted:
        return Starts()

    def read() -> Starts:
        found = parallel_map(lambda name: _of(aws, name, stopped), wanted)
        served = {name: seconds for name, (seconds, _) in zip(wanted, found, strict=True) if seconds}
        return Starts(served, frozenset(task for _, unready in found for task in unready))

    return within(BUDGET, "how long the tasks take to start", read)


def _of(aws: Gateway, service: str, stopped: StoppedTasks) -> tuple[tuple[float, ...], list[str]]:
    """Seconds, and the tasks that were ended before they said that they serve."""
    ended = [
        (task.id, task.task_definition, task.started)
        for task in stopped.tasks
        if task.service == service and task.started and HEALTH.search(task.reason)
    ][:TASKS]
    tasks = (
        ended
        + [(task.id, task.task_definition, task.started) for task in list_running_tasks(aws, service) if task.started][
            :TASKS
        ]
    )
    names = list(dict.fromkeys(revision for _, revision, _ in tasks))
    definitions = dict(zip(names, parallel_map(lambda name: describe_definition(aws, name), names), strict=True))
    measured = parallel_map(lambda task: _measured(aws, definitions[task[1]], task[0], task[2]), tasks)
    found = tuple(sorted(each for each in measured if each is not None and each < NEVER))
    return found, [task for (task, _, _), seconds in zip(ended, measured, strict=False) if seconds == NEVER]


def _measured(aws: Gateway, definition: Definition | None, task: str, started: datetime | None) -> float | None:
    for container in definition.body["containerDefinitions"] if definition and started else ():
        options = log_options(definition, container["name"]) if definition else {}
        group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
        if not group or not prefix or started is None:
            continue
        try:
            answer = aws.client("logs").get_log_events(
                logGroupName=group,
                logStreamName=f"{prefix}/{container['name']}/{task}",
                limit=LINES,
                startFromHead=True,
            )
        except NotFound:
            continue
        lines: list[tuple[float, str]] = [
            (each.get("timestamp", 0) / 1000, each.get("message", "")) for each in answer["events"]
        ]
        if (at := first_ready(lines)) is not None:
            return max(0.0, at - started.astimezone(UTC).timestamp())
        if lines:
            return NEVER
    return None


def first_ready(lines: Sequence[tuple[float, str]]) -> float | None:
    """When a task first said that it serves, of (seconds, line)."""
    return next((at for at, line in lines if READY.search(line)), None)
