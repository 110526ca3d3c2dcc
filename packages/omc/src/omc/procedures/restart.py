"""Restarting services: new tasks of the same revision, rolled as a deployment is. Needed after a secret was rotated,
since a task reads its secrets when it starts."""

from __future__ import annotations

from omc.config import Environment
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.connections import Connections
from omc.facts.definitions import Definition, Definitions
from omc.facts.incidents import OpenIncidents
from omc.facts.quotas import Quotas
from omc.facts.requirements import Requirements
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnets
from omc.model.arguments.ecs import RollService
from omc.model.plan import DEADLINE, Plan, Risk, Step, step
from omc.model.requests import RestartRequest
from omc.procedures import preflight
from omc.procedures.deploy_steps import digests_of
from omc.procedures.preconditions.situation import Situation, rolled
from omc.procedures.preconditions.table import Verb

ALL = "all"


def restart(
    request: RestartRequest,
    environment: Environment,
    scope: Scope,
    services: Services,
    definitions: Definitions,
    requirements: Requirements,
    current: StandingImages,
    alarms: Alarms,
    subnets: Subnets,
    connections: Connections,
    quotas: Quotas,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """A service after the other, in omc.toml's order, so that one that fails leaves the others alone."""
    names = [service.name for service in preflight.named_services(request.services, environment, ALL)]
    known = preflight.require_services(names, environment, services)
    chosen = [(known[name], preflight.running_revision(known[name], definitions)) for name in names]
    running = {service.name: service.task_definition for service, _ in chosen}
    found = preflight.examine(
        Verb.RESTART,
        Situation(
            environment=environment,
            scope=scope,
            work=tuple(rolled(service, definition) for service, definition in chosen),
            services=services,
            requirements=requirements,
            images=current,
            subnets=subnets,
            connections=connections,
            quotas=quotas,
            alarms=alarms,
            incidents=incidents,
            active=active,
        ),
        request.override,
    )
    return Plan(
        procedure="restart",
        environment=environment.name,
        request={"services": list(request.services), "override": request.override},
        title=f"Restart {' and '.join(running)}: new tasks of the same revision",
        risk=Risk.LOW,
        steps=tuple(new_tasks(service, definition, environment) for service, definition in chosen),
        preconditions={"task_definitions": dict(running)},
        notes=(*found.overridden, *found.notes),
        refusals=found.refusals,
        undo_on_failure=False,  # there is nothing to go back to: the revision stays the same
    )


def new_tasks(
    service: EcsService,
    definition: Definition,
    environment: Environment,
    *,
    title: str = "",
    deadline: float = DEADLINE,
) -> Step:
    """All tasks of a service replaced by new ones of the same revision."""
    return step(
        f"restart-{service.name}",
        RollService(
            service=service.name,
            task_definition=service.task_definition,
            digests=digests_of(definition),
            force_new=True,
            instead_of=(service.task_definition,),
            settle_seconds=environment.settle_seconds,
        ),
        title=title or f"Replace all tasks of {service.name} by new ones of {service.task_definition}",
        deadline=deadline,
    )
