"""Restarting services: new tasks of the same revision, rolled as a deployment is. Needed after a secret was rotated,
since a task reads its secrets when it starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omc.errors import Refused, WrongUse
from omc.facts.definitions import Definitions
from omc.facts.services import EcsService, Services
from omc.procedures.plan import Json, Plan, Risk, Step
from omc.procedures.preflight import kind_refusals
from omc.stack import Environment
from omc.stack.section import meant

ALL = "all"


@dataclass(frozen=True, slots=True)
class Asked:
    """``omc restart``."""

    services: Sequence[str] = ()
    """None named, or ``all``: every service."""


def restart(asked: Asked, environment: Environment, services: Services, definitions: Definitions) -> Plan:
    """A service after the other, in omc.toml's order, so that one that fails leaves the others alone."""
    chosen = _chosen(asked, environment, services)
    running = {service.name: service.task_definition for service in chosen}
    return Plan(
        procedure="restart",
        environment=environment.name,
        asked={"services": list(asked.services)},
        title=f"Restart {' and '.join(running)}: new tasks of the same revision",
        risk=Risk.LOW,
        steps=tuple(_step(service, definitions, environment) for service in chosen),
        rests_on={"task_definitions": dict(running)},
        notes=tuple(_notes(chosen)),
        refusals=tuple(_refusals(chosen, definitions)),
        undo_on_failure=False,  # there is nothing to go back to: the revision stays the same
    )


def _chosen(asked: Asked, environment: Environment, services: Services) -> list[EcsService]:
    known = [service.name for service in environment.services]
    names = [name for name in asked.services if name != ALL]
    for name in names:
        if name not in known:
            raise WrongUse(
                f'There is no service "{name}" in omc.toml; there are {", ".join(known)}.{meant(name, known)}'
            )
    found = {service.name: service for service in services.services if service.status == "ACTIVE"}
    wanted = [name for name in known if not names or ALL in asked.services or name in names]
    for name in wanted:
        if name not in found:
            raise Refused(f"There is no active service {name} in the cluster {environment.cluster}.")
    return [found[name] for name in wanted]


def _step(service: EcsService, definitions: Definitions, environment: Environment) -> Step:
    definition = definitions.running.get(service.name)
    images = definition.images if definition else {}
    digests: dict[str, Json] = {
        container: image.partition("@")[2] for container, image in images.items() if "@" in image
    }
    return Step(
        name=f"restart-{service.name}",
        action="ecs.roll_service",
        arguments={
            "service": service.name,
            "task_definition": service.task_definition,
            "digests": digests,
            "force_new": True,
            "instead_of": [service.task_definition],
            "settle_seconds": environment.settle_seconds,
        },
        title=f"Replace all tasks of {service.name} by new ones of {service.task_definition}",
    )


def _refusals(chosen: Sequence[EcsService], definitions: Definitions) -> Iterator[str]:
    for service in chosen:
        yield from (refusal.sentence for refusal in kind_refusals(service))
        definition = definitions.running.get(service.name)
        if definition is not None and not definition.is_active:
            yield (
                f"{service.name} runs {definition.name}, which is {definition.status}: somebody deregistered it, and "
                f"ECS deploys it no more. Register it anew, with new tasks: omc deploy --force-new {service.name}"
            )
        if len(service.deployments) > 1 or any(each.rollout == "IN_PROGRESS" for each in service.deployments):
            yield (
                f"A deployment of {service.name} is in progress, and a restart would take its place. Wait until it "
                "has ended, or go back: omc rollback."
            )
        if service.desired == 0:
            yield f"{service.name} is scaled to zero: there is nothing to restart. Scale it first: omc scale."


def _notes(chosen: Sequence[EcsService]) -> Iterator[str]:
    for service in chosen:
        if service.running < service.desired:
            yield (
                f"Only {service.running} of {service.desired} tasks of {service.name} run now. A restart helps where "
                "their cause is gone; ECS keeps the old ones until new ones are healthy."
            )
        if not service.breaker:
            yield f"{service.name} has no deployment circuit breaker: if new tasks fail, ECS goes on trying."
