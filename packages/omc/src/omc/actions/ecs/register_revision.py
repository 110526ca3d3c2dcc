"""``ecs.register_revision``: a new revision of a task definition, exactly as the plan shows it.

Outputs: ``task_definition`` (``family:revision``) and ``arn``. Nothing undoes it: a revision that no service runs
costs nothing, and deregistering is what ``omc releases prune`` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Interrupted, Outcome, Verdict, register
from omc.config import Environment
from omc.facts.definitions import NEWEST, RUN_TAG, STEP_TAG, describe_definition, describe_definitions
from omc.facts.services import short_name
from omc.model.arguments.ecs import RegisterRevision
from omc.model.plan import Json, canonical
from omc.output import shell_word
from omc.redaction import REDACTED, restored


def _is_applied(context: Context, arguments: RegisterRevision) -> bool:
    """Among the newest revisions of the family: the one that carries this run and this step."""
    if "task_definition" in context.state:
        return True
    family = arguments.definition["family"]
    response = context.gateway.client("ecs").list_task_definitions(familyPrefix=family, sort="DESC", maxResults=NEWEST)
    for found in describe_definitions(context.gateway, response["taskDefinitionArns"]).values():
        if (found.tags.get(RUN_TAG), found.tags.get(STEP_TAG)) == (context.run, context.step):
            context.checkpoint({"task_definition": found.name, "arn": found.arn})
            return True
    return False


def _apply(context: Context, arguments: RegisterRevision) -> Mapping[str, Json]:
    tags = dict(arguments.tags) | {RUN_TAG: context.run, STEP_TAG: context.step}
    wire: Any = {**_whole(context, arguments), "tags": [{"key": key, "value": value} for key, value in tags.items()]}
    arn = context.gateway.client("ecs").register_task_definition(**wire)["taskDefinition"]["taskDefinitionArn"]
    return {"task_definition": short_name(arn), "arn": arn}


def _whole(context: Context, arguments: RegisterRevision) -> Mapping[str, Any]:
    """The definition with the values that no plan and no record holds, from the revision that it was made of."""
    definition, source = arguments.definition, arguments.source
    if REDACTED not in canonical(definition):
        return definition
    found = describe_definition(context.gateway, source) if source else None
    whole = restored(definition, found.body) if found else definition
    if REDACTED in canonical(whole) and (found is None or REDACTED not in canonical(found.body)):
        raise Interrupted(
            Verdict.FAILED,
            f"The secret values of {definition['family']} can no longer be read from {source or 'anywhere'}: "
            "nothing was registered. Make a new plan.",
            {},
            has_begun=False,
        )
    return whole


def _poll(context: Context, arguments: RegisterRevision) -> Outcome:
    name = context.state["task_definition"]
    outputs = {"task_definition": name, "arn": context.state["arn"]}
    return Outcome(Verdict.SUCCEEDED, f"{name} is registered.", outputs, outputs)


def _commands(environment: Environment, arguments: RegisterRevision) -> Sequence[str]:
    body = json.dumps(arguments.definition, separators=(",", ":"))
    source = f"   # where it says {REDACTED}: the value of {arguments.source}" if REDACTED in body else ""
    variable = f"REGISTER_{arguments.service}_TASK_DEFINITION".upper().replace("-", "_")  # later lines name it so
    return [
        f"{variable}=$(aws ecs register-task-definition --cli-input-json {shell_word(body)} "
        f"--region {environment.region} --query taskDefinition.taskDefinitionArn --output text){source}"
    ]


ACTION = register(Action(RegisterRevision, _apply, _is_applied, _poll, _commands))
