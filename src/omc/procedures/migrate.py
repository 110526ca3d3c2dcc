"""Migrating without a deployment: the schema and the database users, brought to what the applied infrastructure says.

A new environment needs it once, before its first tasks can serve. Elsewhere it does nothing that is done already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omc.errors import Refused, WrongUse
from omc.facts.definitions import Definition, Definitions
from omc.facts.requirements import Requirements
from omc.facts.services import EcsService, Services
from omc.procedures import preflight
from omc.procedures.deploy import migration_step, missing_migration
from omc.procedures.plan import Plan, Risk
from omc.stack import Environment, Service
from omc.stack.section import meant


@dataclass(frozen=True, slots=True)
class Asked:
    """``omc migrate``."""

    services: Sequence[str] = ()
    """None named: every service that has a migration."""


def migrate(
    asked: Asked, environment: Environment, services: Services, definitions: Definitions, requirements: Requirements
) -> Plan:
    """A service after the other, each in a task of its own."""
    chosen = [
        (service, *_found(service, environment, services, definitions)) for service in _chosen(asked, environment)
    ]
    names = [definition.name for _, _, definition in chosen]
    return Plan(
        procedure="migrate",
        environment=environment.name,
        asked={"services": list(asked.services)},
        title=f"Migrate the database of {environment.name} with {' and '.join(names)}",
        risk=Risk.LOW,
        steps=tuple(migration_step(service, running, definition.name) for service, running, definition in chosen),
        rests_on={"task_definitions": {service.name: definition.name for service, _, definition in chosen}},
        refusals=tuple(
            refusal.sentence
            for _, _, definition in chosen
            for refusal in preflight.requirement_refusals(definition, requirements)
        ),
        undo_on_failure=False,  # a migration that fails is rolled back in the database
    )


def _chosen(asked: Asked, environment: Environment) -> list[Service]:
    known = {service.name: service for service in environment.services if service.migrate}
    for name in asked.services:
        if name not in known:
            there = ", ".join(known) or "none"
            raise WrongUse(
                f'No service "{name}" in omc.toml has a migration; there are {there}.{meant(name, list(known))}'
            )
    if not known:
        raise WrongUse(f"No service of {environment.name} has a migration in omc.toml: there is nothing to run.")
    return [service for name, service in known.items() if not asked.services or name in asked.services]


def _found(
    service: Service, environment: Environment, services: Services, definitions: Definitions
) -> tuple[EcsService, Definition]:
    """Where the service's tasks run, and the revision that migrates."""
    running = next((each for each in services.services if each.name == service.name), None)
    if running is None:
        raise Refused(f"There is no service {service.name} in the cluster {environment.cluster}.")
    found = (definitions.migrating if service.migrate_family else definitions.running).get(service.name)
    if found is None or service.container not in found.images:
        raise Refused(missing_migration(service))
    return running, found
