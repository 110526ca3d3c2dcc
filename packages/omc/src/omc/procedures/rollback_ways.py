"""How each service gets back: by stopping the deployment that goes on, or to which revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from omc.config import Environment, Service
from omc.errors import Refused, WrongUse
from omc.facts.candidates import Candidates, is_revision_number, named_revision
from omc.facts.definitions import Definition, Definitions
from omc.facts.deployments import ROLLED_BACK, History, ServiceDeployment
from omc.facts.releases import Ledger
from omc.facts.scope import Scope
from omc.facts.services import EcsService
from omc.model.arguments.base import Late, output_of
from omc.model.plan import canonical
from omc.model.releases import Release
from omc.model.requests import RollbackRequest
from omc.procedures import preflight
from omc.procedures.candidates import Candidate, candidates, last_good, last_release, reach
from omc.redaction import REDACTED

ALL = "all"


@dataclass(frozen=True, slots=True)
class ServiceRollback:
    """How one service gets back."""

    service: Service
    running: EcsService
    now: Definition
    back: Definition | None
    """What it goes back to; None where ECS decides that, of a deployment that is stopped."""
    continues: ServiceDeployment | None
    """The deployment that is stopped."""
    candidate: Candidate | None
    schema: int | None = None

    @property
    def registers(self) -> bool:
        return self.back is not None and not self.back.is_active

    @property
    def revision(self) -> Late[str]:
        if self.registers:
            return output_of(f"register-{self.service.name}", "task_definition")
        return self.back.name if self.back else ""


def chosen_services(request: RollbackRequest, environment: Environment) -> list[Service]:
    named = [] if ALL in request.services else [*request.services]
    chosen = preflight.named_services(request.services, environment, ALL)
    return _of_revision(request.to, chosen, named=bool(named)) if request.to else chosen


def _of_revision(to: str, chosen: list[Service], *, named: bool) -> list[Service]:
    """The one service that a revision belongs to."""
    if is_revision_number(to) and len(chosen) == 1:
        return chosen
    if is_revision_number(to):
        raise WrongUse(f"Say of which service {to} is a revision: omc rollback {chosen[0].name} --to {to}")
    family, _, number = to.rpartition("/")[2].partition(":")
    if not is_revision_number(number):
        raise WrongUse(f'"{to}" is no revision: allowed are a number or family:number.')
    fits = [service for service in chosen if service.family == family]
    if not fits:
        whose = f"{chosen[0].name}'s family is {chosen[0].family}" if named else "no service has that family"
        raise WrongUse(f"{to} is a revision of another family: {whose}.")
    return fits


def ways_back(
    request: RollbackRequest,
    environment: Environment,
    chosen: list[Service],
    known: Mapping[str, EcsService],
    definitions: Definitions,
    history: History,
    found: Candidates,
    ledger: Ledger,
    scope: Scope,
) -> Iterator[ServiceRollback]:
    running = {name: definition.name for name, definition in definitions.running.items()}
    in_flight = [service for service in chosen if history.under_way(service.name)]
    together = len(chosen) > 1 and not in_flight
    release = last_release(running, ledger) if together and not request.to else None
    for service in chosen:
        name = service.name
        now, continues = definitions.running[name], history.under_way(name)
        if in_flight and not request.to:
            if continues is not None:
                yield _stopped(service, known[name], now, continues, history, environment)
            continue
        listed = candidates(name, now.name, history, ledger, scope.now)
        target = _target(request, service, listed, release)
        if target is None or target == now.name:
            if request.to:
                raise Refused(f"{name} runs {target} already; there is nothing to go back to.")
            continue
        recorded = recorded_release(name, target, ledger)
        back = found.definitions.get(target) or _from_record(target, recorded)
        if back is None:
            raise Refused(_not_there(target, found))
        if not back.arn and REDACTED in canonical(back.body):
            raise Refused(
                f"{target} was deleted, and omc's record, from which it would be registered again, keeps no "
                "secrets, of "
                "which its environment had some. Deploy its image to the running revision instead: omc deploy --image "
                f"{name}={back.images.get(service.container, 'REFERENCE')}"
            )
        candidate = next((each for each in listed if each.task_definition == target), None)
        schema = recorded.schema if recorded else None
        yield ServiceRollback(service, known[name], now, back, None, candidate, schema)


def _not_there(target: str, found: Candidates) -> str:
    if found.looked_up and target not in found.looked_up:
        return f"{target} is too old to have been looked up. To go back to it, name it: --to {target}"
    return f"{target} doesn't exist, and omc has no record from which to register it again."


def _stopped(
    service: Service,
    running: EcsService,
    now: Definition,
    continues: ServiceDeployment,
    history: History,
    environment: Environment,
) -> ServiceRollback:
    if continues.status in ROLLED_BACK:
        raise Refused(f"The deployment of {continues.task_definition} to {service.name} is being rolled back already.")
    if not any(deployment.left for deployment in history.of[service.name]):
        raise Refused(
            f"{service.name} can't go back: none of the deployments that were read was completed, so there is "
            "no known good "
            f"revision. {reach(running, history, environment.time_zone)}"
        )
    return ServiceRollback(service, running, now, None, continues, None)


def _target(request: RollbackRequest, service: Service, listed: list[Candidate], release: Release | None) -> str | None:
    if request.to:
        return named_revision(request.to, service.family)
    if release is not None:
        return release.services[service.name].task_definition if service.name in release.services else None
    good = last_good(listed)
    return good.task_definition if good else None


def recorded_release(service: str, revision: str, ledger: Ledger) -> Release | None:
    there = (each for each in ledger.releases if service in each.services)
    return next((each for each in there if each.services[service].task_definition == revision), None)


def _from_record(name: str, release: Release | None) -> Definition | None:
    """A revision that ECS has forgotten, from the ledger."""
    if release is None:
        return None
    then = next(each for each in release.services.values() if each.task_definition == name)
    return Definition(name, "", "DELETED", then.definition) if then.definition else None


def nothing_known_good(
    environment: Environment,
    chosen: list[Service],
    known: Mapping[str, EcsService],
    definitions: Definitions,
    history: History,
    ledger: Ledger,
    scope: Scope,
) -> str:
    names = ", ".join(service.name for service in chosen)
    bad = [
        candidate.task_definition
        for service in chosen
        for candidate in candidates(service.name, definitions.running[service.name].name, history, ledger, scope.now)
        if candidate.rolled_back_from
    ]
    also = f" ({', '.join(bad)} ran, but was rolled back from.)" if bad else ""
    read = " ".join(reach(known[service.name], history, environment.time_zone) for service in chosen)
    return (
        f"There is no known good revision to roll {names} back to: neither omc's record nor the part of ECS's "
        "history that was read "
        f"has another revision that was completed here. {read}{also} To go back to one anyway: omc rollback "
        f"{chosen[0].name} --to REVISION"
    )
