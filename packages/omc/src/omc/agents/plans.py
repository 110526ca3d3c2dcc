"""Tools that plan: what a deployment, a scaling or a rollback would do now. A plan is made from fresh facts, shown, and
gone: it is written nowhere, so that there is nothing that could be approved or performed."""

from __future__ import annotations

from typing import Any

from omc.agents.arguments import PlanDeploy, PlanRollback, PlanScale
from omc.agents.context import CallContext
from omc.config import Environment
from omc.engine import planning
from omc.errors import NothingToDo, Unknown
from omc.model.requests import DeployRequest, RollbackRequest, ScaleRequest
from omc.output.document import Document, Notice, Paragraph, Status
from omc.procedures import catalogue
from omc.procedures.plan_document import plan_document

DRY_RUN = Notice(
    Status("dry run"),
    "Nothing was changed and nothing was written down. Only a person can have this performed, with omc's own commands.",
)


def plan_deploy(context: CallContext, request: PlanDeploy) -> Document:
    wanted = DeployRequest(images=request.images, force_new=list(request.force_new))
    return _planned(context, context.environment(request.env), "deploy", wanted)


def plan_scale(context: CallContext, request: PlanScale) -> Document:
    wanted = ScaleRequest(request.service, request.count, request.minimum, request.maximum)
    return _planned(context, context.environment(request.env), "scale", wanted)


def plan_rollback(context: CallContext, request: PlanRollback) -> Document:
    wanted = RollbackRequest(services=list(request.services), to=request.to)
    return _planned(context, context.environment(request.env), "rollback", wanted)


def _planned(context: CallContext, environment: Environment, procedure: str, request: Any) -> Document:
    """What would write gets the gateway that only reads, and the store that refuses to be written."""
    with context.store(environment) as store:
        if store is None:
            raise Unknown(
                f"Nothing of {environment.name} was ever recorded, so there is no plan: a plan rests on releases, runs "
                "and incidents. Any change on the command line, also with --dry-run, begins the record."
            )
        gateway = context.gateway(environment)
        site = planning.RunContext(context.stack, environment, store, gateway, gateway, catalogue)
        try:
            plan = planning.make(site, procedure, request)
        except NothingToDo as nothing:
            return Document("", (Paragraph(nothing.message),))
    document = plan_document(plan, (), environment)
    return Document(document.title, (DRY_RUN, *document.blocks), document.subtitle, document.verdict, document.data)
