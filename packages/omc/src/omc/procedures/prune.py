"""Prune: deregister revisions that nobody would go back to. Nothing else in omc ever deregisters one.

Kept: what runs or is going to, in whatever deployment or task; the newest verified releases; the last that ECS knows
good; and the newest that Terraform made, which its state names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from omc.config import Environment
from omc.errors import NothingToDo, WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.definitions import Definitions
from omc.facts.deployments import History
from omc.facts.incidents import OpenIncidents
from omc.facts.registered import Registered
from omc.facts.releases import Ledger
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.model.arguments.ecs import Deregister
from omc.model.plan import Plan, Risk, step
from omc.model.requests import PruneRequest
from omc.output.text import counted
from omc.procedures import preflight
from omc.procedures.candidates import candidates, last_good
from omc.procedures.preconditions.situation import OngoingWork, Situation
from omc.procedures.preconditions.table import Verb


def plan_prune(
    request: PruneRequest,
    environment: Environment,
    scope: Scope,
    services: Services,
    definitions: Definitions,
    history: History,
    registered: Registered,
    ledger: Ledger,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """The plan of ``omc releases prune``."""
    if request.keep < 1:
        raise WrongUse("Keep at least one release: --keep 1")
    kept = dict(_kept(request, scope, services, definitions, history, registered, ledger))
    gone = [name for names in registered.active.values() for name in names if name not in kept]
    if not gone:
        raise NothingToDo(f"Nothing to prune: each of the {len(kept)} registered revisions is still needed.")
    found = preflight.examine(
        Verb.PRUNE,
        Situation(
            environment=environment,
            scope=scope,
            work=tuple(OngoingWork(service) for service in services.services),
            names=tuple(service.name for service in environment.services),
            services=services,
            incidents=incidents,
            active=active,
        ),
    )
    return Plan(
        procedure="prune",
        environment=environment.name,
        request=asdict(request),
        title=f"Deregister {counted(len(gone), 'revision')} in {environment.name}",
        risk=Risk.LOW,
        steps=tuple(
            step(
                f"deregister-{name.replace(':', '-')}",
                Deregister(task_definition=name),
                title=f"Deregister {name}",
                before="ACTIVE",
                after="INACTIVE",
                deadline=120.0,
            )
            for name in gone
        ),
        preconditions={"kept": dict(sorted(kept.items()))},
        refusals=found.refusals,
        notes=(
            *found.notes,
            *(f"{name} stays: {why}." for name, why in sorted(kept.items())),
            "Running tasks go on with a revision that is deregistered; it is registered anew when it is gone back to.",
        ),
    )


def _kept(
    request: PruneRequest,
    scope: Scope,
    services: Services,
    definitions: Definitions,
    history: History,
    registered: Registered,
    ledger: Ledger,
) -> Iterator[tuple[str, str]]:
    """(revision, why). The weightiest reason comes last, so that it is the one that a dictionary keeps."""
    there = {name for names in registered.active.values() for name in names}
    for release in reversed(ledger.releases[: request.keep]):
        for service in release.services.values():
            if service.task_definition in there:
                yield service.task_definition, f"release {release.number}"
    for service_now in services.services:
        name = service_now.name
        running = definitions.running[name].name if name in definitions.running else ""
        found = candidates(name, running, history, ledger, scope.now)
        good = [candidate.task_definition for candidate in found if not candidate.rolled_back_from][:1]
        if trusted := last_good(found):
            good.append(trusted.task_definition)
        yield from ((name_of_it, "the last that was good before") for name_of_it in good if name_of_it in there)
    for definition in definitions.applied.values():
        yield definition.name, "Terraform's newest"
    for definition in definitions.migrating.values():
        yield definition.name, "the next migration starts from it"
    for name in registered.used_by_tasks:
        yield name, "a task runs it"
    yield from _in_service(services, definitions, history)


def _in_service(services: Services, definitions: Definitions, history: History) -> Iterator[tuple[str, str]]:
    for service in services.services:
        for deployment in service.deployments:
            yield deployment.task_definition, "it is being deployed"
        if continues := history.under_way(service.name):
            yield from ((name, "it is in flight") for name in (continues.task_definition, continues.back_to) if name)
    running: Mapping[str, str] = {name: definition.name for name, definition in definitions.running.items()}
    yield from ((name, f"{service_name} runs it") for service_name, name in running.items())
