"""Whether what is well stays so: new tasks must stay well for a settle time before a step says that they are.

A task that exits after some seconds is RUNNING in between, with nothing or nobody that has checked it yet. So one look
at a good moment proves nothing: the same tasks must have been well at every look for as long as their checks take to
see what is wrong with them (``settle_seconds`` in omc.toml).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from omc.actions.action import Context
from omc.facts.definitions import describe_definition
from omc.facts.tasks import RunningTask, StoppedTask, read_stopped_tasks
from omc.judgement.task_causes import is_failure

GIVE_UP_AFTER = 3
"""Tasks that failed since the step began. ECS goes on trying for ever; waiting gains nothing."""
CLOCKS = timedelta(seconds=5)
"""This machine's clock may be so far ahead of ECS's."""


def seconds_left(context: Context, tasks: Sequence[RunningTask], since: datetime, seconds: float) -> float:
    """How long the tasks still have to stay well; 0: they have. To be asked at each look at which all is well.

    Tasks that ran before the step began (``since``) have proved themselves. A new one among them begins the time again.
    """
    if all(task.started is not None and task.started < since - CLOCKS for task in tasks):
        return 0.0
    now, ids = context.now(), sorted(task.id for task in tasks)
    began = context.state.get("well_since")
    if began is None or not set(ids) <= set(context.state.get("well_tasks", ())):
        first = context.state.get("first_well") or now.isoformat()
        context.checkpoint({"well_since": now.isoformat(), "well_tasks": ids, "first_well": first})
        return seconds
    return max(0.0, seconds - (now - datetime.fromisoformat(began)).total_seconds())


def not_well(context: Context) -> None:
    """At a look at which something is not well: the time begins again."""
    if context.state.get("well_since") is not None:
        context.checkpoint({"well_since": None})


def lost(context: Context, service: str, task_definition: str) -> list[StoppedTask]:
    """Tasks of the revision that failed since all of it was well for the first time; none where it never was."""
    first = context.state.get("first_well")
    return failed_since(context, service, datetime.fromisoformat(first), task_definition) if first else []


def unchecked(context: Context, tasks: Sequence[RunningTask]) -> str:
    """What the tasks' containers' own checks say against them; empty where they are content, or there are none."""
    sick = [task for task in tasks if task.health == "UNHEALTHY"]
    if sick:
        return f"{len(sick)} of {len(tasks)} tasks are UNHEALTHY by their containers' checks"
    waiting = [task for task in tasks if task.health != "HEALTHY" and _is_checked(context, task.task_definition)]
    if waiting:
        return f"{len(waiting)} of {len(tasks)} tasks have not passed their containers' checks yet"
    return ""


def _is_checked(context: Context, task_definition: str) -> bool:
    """Whether a container of the revision has a check of its own. A revision never changes: asked once."""
    known = dict(context.state.get("checked", {}))
    if task_definition not in known:
        found = describe_definition(context.gateway, task_definition)
        containers = found.body.get("containerDefinitions", []) if found else []
        known[task_definition] = any(container.get("healthCheck") for container in containers)
        context.checkpoint({"checked": known})
    return bool(known[task_definition])


def failed_since(context: Context, service: str, since: datetime, task_definition: str = "") -> list[StoppedTask]:
    """Tasks of the service (and of the revision, where one is named) that failed since then."""
    stopped = read_stopped_tasks(context.gateway, context.environment).tasks
    return [
        task
        for task in stopped
        if task.service == service
        and task.stopped >= since
        and task_definition in ("", task.task_definition)
        and is_failure(task)
    ]
