"""``ecs.deregister``: make one revision INACTIVE. Only ``omc releases prune`` asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.facts.definitions import describe_definition
from omc.model.arguments.base import known
from omc.model.arguments.ecs import Deregister
from omc.model.plan import Json


def _is_applied(context: Context, arguments: Deregister) -> bool:
    found = describe_definition(context.gateway, known(arguments.task_definition))
    return found is None or found.status != "ACTIVE"


def _apply(context: Context, arguments: Deregister) -> Mapping[str, Json]:
    context.gateway.client("ecs").deregister_task_definition(taskDefinition=known(arguments.task_definition))
    return {}


def _poll(context: Context, arguments: Deregister) -> Outcome:
    return Outcome(Verdict.SUCCEEDED, f"{known(arguments.task_definition)} is deregistered.")


def _commands(environment: Environment, arguments: Deregister) -> Sequence[str]:
    return [
        f"aws ecs deregister-task-definition --task-definition {known(arguments.task_definition)} "
        f"--region {environment.region}"
    ]


ACTION = register(Action(Deregister, _apply, _is_applied, _poll, _commands))
