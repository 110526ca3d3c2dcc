"""Tools that plan: what a deployment, a scaling or a rollback would do now. A plan is made from fresh facts, shown, and
gone: it is written nowhere, so that there is nothing that could be approved or performed."""

from __future__ import annotations

from typing import Any

from omc.agents.arguments import PlanDeploy, PlanRollback, PlanScale
from omc.agents.site import Site
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


def plan_deploy(site: Site, asked: PlanDeploy) -> Document:
    request = DeployRequest(images=asked.images, force_new=list(asked.force_new))
    return _planned(site, site.environment(asked.env), "deploy", request)


def plan_scale(site: Site, asked: PlanScale) -> Document:
    request = ScaleRequest(asked.service, asked.count, asked.minimum, asked.maximum)
    return _planned(site, site.environment(asked.env), "scale", request)


def plan_rollback(site: Site, asked: PlanRollback) -> Document:
    request = RollbackRequest(services=list(asked.services), to=asked.to)
    return _planned(site, site.environment(asked.env), "rollback", request)


def _planned(site: Site, environment: Environment, procedure: str, request: Any) -> Document:
    """What would write gets the gateway that only reads, and the store that refuses to be written."""
    with site.store(environment) as store:
        if store is None:
            raise Unknown(
                f"Nothing of {environment.name} was ever recorded, so there is no plan: a plan rests on releases, runs "
                "and incidents. Any changing command of omc with --dry-run begins the record."
            )
        gateway = site.gateway(environment)
        context = planning.RunContext(site.stack, environment, store, gateway, gateway, catalogue)
        try:
            plan = planning.make(context, procedure, request)
        except NothingToDo as nothing:
            return Document("", (Paragraph(nothing.message),))
    document = plan_document(plan, (), environment)
    return Document(document.title, (DRY_RUN, *document.blocks), document.subtitle, document.verdict, document.data)
