"""What a deployment changes: by service, the revision that runs and the one that is to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from omc.config import Environment, Service
from omc.errors import Refused
from omc.facts.definitions import Definition, Definitions
from omc.facts.images import WantedImages
from omc.facts.services import EcsService, Services
from omc.model.arguments.base import Late, output_of
from omc.model.requests import DeployRequest
from omc.procedures.definition_changes import with_image
from omc.procedures.preconditions.services import rollout_of
from omc.procedures.preflight import named_services, require_services, running_revision


@dataclass(frozen=True, slots=True)
class Change:
    """What a deployment does to one service."""

    service: Service
    running: EcsService
    old: Definition
    new: Definition
    """Not registered yet where ``registers``: then its name is the family alone."""
    taken: Definition | None
    """The revision of Terraform's whose changes are taken up."""
    unfinished: str = ""
    """Why the service doesn't serve from the revision that it is on; empty where it does."""

    @property
    def has_failed(self) -> bool:
        """The newest deployment of the service failed."""
        return rollout_of(self.running).failed is not None

    @property
    def differs(self) -> bool:
        return self.new.body != self.old.body

    @property
    def registers(self) -> bool:
        """ECS deploys no revision that was deregistered, even if it runs: it is registered anew."""
        return self.differs or not self.old.is_active

    @property
    def revision(self) -> Late[str]:
        """As an argument of a step."""
        return output_of(f"register-{self.service.name}", "task_definition") if self.registers else self.old.name

    @property
    def after(self) -> str:
        return f"{self.service.family}:next" if self.registers else f"{self.old.name}, new tasks"


def changes_of(
    request: DeployRequest, environment: Environment, services: Services, definitions: Definitions, images: WantedImages
) -> Iterator[Change]:
    """In the order of omc.toml. A service that runs the image already is left out. Raises ``Refused``."""
    chosen = named_services([*request.images, *request.force_new], environment)
    known = require_services((service.name for service in chosen), environment, services)
    for service in chosen:
        old = running_revision(known[service.name], definitions)
        image = old.images.get(service.container)
        if image is None:
            raise Refused(f"{old.name} has no container {service.container}; say in omc.toml which one it is.")
        if service.name in request.images:
            wanted = images.of[service.name]
            if wanted.image is None:
                raise Refused(f"{wanted.requested} can't be deployed to {service.name}: {wanted.problem}")
            image = wanted.image.pinned
        taken = _taken(request, old, definitions.applied.get(service.name))
        body = with_image((taken or old).body, service.container, image)
        unfinished = _unfinished(known[service.name])
        if body == old.body and service.name not in request.force_new and not unfinished:
            continue
        new = replace(old, name=f"{service.family}:0", body=body, tags=(taken or old).tags)
        yield Change(service, known[service.name], old, new, taken, unfinished)


def _unfinished(service: EcsService) -> str:
    """Why the newest deployment hasn't put the service on its revision, as a sentence; empty where it has.

    ECS leaves a deployment that failed as the service's PRIMARY where there is no earlier one to go back to, as in an
    environment whose first migration took longer than the circuit breaker's patience.
    """
    primary = next((deployment for deployment in service.deployments if deployment.status == "PRIMARY"), None)
    if primary is None or primary.rollout == "COMPLETED":
        return ""
    if primary.rollout == "FAILED":
        reason = f" ({primary.rollout_reason.rstrip('.')})" if primary.rollout_reason else ""
        return f"The last deployment of {service.name}, of {primary.task_definition}, failed{reason}."
    others = [each for each in service.deployments if each is not primary and each.running]
    if others:
        still = ", ".join(f"{each.running} of {each.task_definition}" for each in others)
        return f"{service.name} is on {primary.task_definition}, but other tasks still run: {still}."
    return ""


def _taken(request: DeployRequest, old: Definition, applied: Definition | None) -> Definition | None:
    """A revision of Terraform's that is newer than the running one: a deployment is how its changes reach the tasks."""
    if request.keep_definition or applied is None or not applied.is_active or not applied.is_newer_than(old):
        return None
    return applied
