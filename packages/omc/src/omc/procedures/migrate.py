"""Migrating without a deployment: the schema and the database users, brought to what the applied infrastructure says.

A new environment needs it once, before its first tasks can serve. Elsewhere it does nothing that is done already.
"""

from __future__ import annotations

from omc.config import Environment, Service
from omc.errors import Refused, WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.definitions import Definition, Definitions
from omc.facts.incidents import OpenIncidents
from omc.facts.requirements import Requirements
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnets
from omc.model.plan import Plan, Risk
from omc.model.requests import MigrateRequest
from omc.procedures import preflight
from omc.procedures.deploy_steps import migration_step, missing_migration
from omc.procedures.preconditions.situation import OngoingWork, Situation
from omc.procedures.preconditions.table import Verb


def migrate(
    request: MigrateRequest,
    environment: Environment,
    scope: Scope,
    services: Services,
    definitions: Definitions,
    requirements: Requirements,
    current: StandingImages,
    alarms: Alarms,
    subnets: Subnets,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """A service after the other, each in a task of its own."""
    migrating = _chosen(request, environment)
    known = preflight.require_services((service.name for service in migrating), environment, services)
    chosen = [(service, known[service.name], _found(service, definitions)) for service in migrating]
    names = [definition.name for _, _, definition in chosen]
    found = preflight.examine(
        Verb.MIGRATE,
        Situation(
            environment=environment,
            scope=scope,
            work=tuple(OngoingWork(running, definition, more=1) for _, running, definition in chosen),
            services=services,
            requirements=requirements,
            images=current,
            subnets=subnets,
            alarms=alarms,
            incidents=incidents,
            active=active,
        ),
        request.override,
    )
    return Plan(
        procedure="migrate",
        environment=environment.name,
        request={"services": list(request.services), "override": request.override},
        title=f"Migrate the database of {environment.name} with {' and '.join(names)}",
        risk=Risk.LOW,
        steps=tuple(migration_step(service, running, definition.name) for service, running, definition in chosen),
        preconditions={"task_definitions": {service.name: definition.name for service, _, definition in chosen}},
        notes=(*found.overridden, *found.notes),
        refusals=found.refusals,
        undo_on_failure=False,  # a migration that fails is rolled back in the database
    )


def _chosen(request: MigrateRequest, environment: Environment) -> list[Service]:
    known = [service.name for service in environment.services if service.migrate]
    if not known:
        raise WrongUse(f"No service of {environment.name} has a migration in omc.toml: there is nothing to run.")
    for service in preflight.named_services(request.services, environment):
        if request.services and not service.migrate:
            raise WrongUse(f"{service.name} has no migration in omc.toml; there is one of {', '.join(known)}.")
    return [service for service in preflight.named_services(request.services, environment) if service.name in known]


def _found(service: Service, definitions: Definitions) -> Definition:
    """The revision that migrates."""
    found = (definitions.migrating if service.migrate_family else definitions.running).get(service.name)
    if found is None or service.container not in found.images:
        raise Refused(missing_migration(service))
    return found
