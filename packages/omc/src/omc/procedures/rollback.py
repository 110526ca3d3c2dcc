"""Roll back: what is being deployed is stopped and taken back; what was deployed is replaced by what was good before.

Good is what was verified in this environment. The services of a release go back together, in reverse order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from omc.config import Environment, Service
from omc.errors import Refused
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.candidates import Candidates
from omc.facts.connections import Connections
from omc.facts.definitions import Definition, Definitions
from omc.facts.deployments import History, ServiceDeployment
from omc.facts.incidents import OpenIncidents
from omc.facts.quotas import Quotas
from omc.facts.releases import Ledger
from omc.facts.requirements import CandidateNeeds, Requirements
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.subnets import Subnets
from omc.model.arguments.base import Late, output_of
from omc.model.arguments.ecs import RegisterRevision, RollService, StopDeployment
from omc.model.arguments.releases import RecordRelease
from omc.model.plan import Plan, Risk, Step, step
from omc.model.requests import RollbackRequest
from omc.procedures import preflight
from omc.procedures.candidates import Candidate, candidates, last_rollback, reach, stays
from omc.procedures.definition_changes import changes
from omc.procedures.deploy_steps import ROLL_DEADLINE, digests_of
from omc.procedures.preconditions.images import NOT_ROLLED_BACK, SCHEMA, VERIFIED
from omc.procedures.preconditions.situation import Objection, OngoingWork, Situation, rolled
from omc.procedures.preconditions.table import Verb
from omc.procedures.preconditions.tasks import IMAGES
from omc.procedures.rollback_ways import (
    ServiceRollback,
    chosen_services,
    nothing_known_good,
    recorded_release,
    ways_back,
)
from omc.redaction import without_secrets
from omc.times import format_duration, format_time


def plan_rollback(
    request: RollbackRequest,
    environment: Environment,
    scope: Scope,
    services: Services,
    definitions: Definitions,
    history: History,
    found: Candidates,
    ledger: Ledger,
    needs: CandidateNeeds,
    alarms: Alarms,
    subnets: Subnets,
    connections: Connections,
    quotas: Quotas,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """The plan of ``omc rollback``."""
    chosen = chosen_services(request, environment)
    known = preflight.require_services((service.name for service in chosen), environment, services)
    for service in chosen:
        preflight.running_revision(known[service.name], definitions)
    ways = list(ways_back(request, environment, chosen, known, definitions, history, found, ledger, scope))
    if not ways:
        raise Refused(nothing_known_good(environment, chosen, known, definitions, history, ledger, scope))
    ways.reverse()  # a release is undone in the reverse order of its making
    stops = ways[0].continues is not None  # then all of them are
    judged = preflight.examine(
        Verb.STOP if stops else Verb.ROLLBACK,
        Situation(
            environment=environment,
            scope=scope,
            work=tuple(_work(way, history, found) for way in ways),
            services=services,
            history=history,
            requirements=Requirements(needs.problems),
            subnets=subnets,
            connections=connections,
            quotas=quotas,
            alarms=alarms,
            incidents=incidents,
            active=active,
        ),
        request.override,
        _own(ways, history, found, ledger),
    )
    return Plan(
        procedure="rollback",
        environment=environment.name,
        request={**asdict(request), "services": list(request.services)},
        title=f"Roll back {_title(ways)} in {environment.name}",
        risk=Risk.HIGH,
        steps=tuple(_steps(ways, definitions, environment)),
        preconditions={
            "running": {way.service.name: way.now.name for way in ways},
            "continues": {way.service.name: way.continues.arn for way in ways if way.continues},
            "registered": [way.service.name for way in ways if way.registers],
        },
        notes=(
            *judged.overridden,
            *judged.notes,
            *_notes(environment, scope, chosen, ways, definitions, history, found, ledger),
        ),
        refusals=judged.refusals,
        undo_on_failure=False,
    )


def _work(way: ServiceRollback, history: History, found: Candidates) -> OngoingWork:
    starts = _starts(way, history, found)
    return OngoingWork(way.running, starts) if way.continues else rolled(way.running, starts)


def _starts(way: ServiceRollback, history: History, found: Candidates) -> Definition | None:
    """What is gone back to: of a deployment that is stopped, what ECS completed last."""
    if way.back is not None:
        return way.back
    left = next((each.left for each in history.of[way.service.name] if each.left), "")
    return found.definitions.get(left)


def _own(
    ways: list[ServiceRollback], history: History, found: Candidates, ledger: Ledger
) -> dict[str, list[Objection]]:
    """What only a rollback asks: of the revisions that it goes back to."""
    starts = [(way, definition) for way in ways if (definition := _starts(way, history, found))]
    own = {
        IMAGES: [
            Objection(
                f"The image {', '.join(missing)} of {definition.name} is no longer in the registry, so its "
                "tasks couldn't "
                "start.",
                "Push it again.",
            )
            for _, definition in starts
            if (missing := found.missing_images(definition.images))
        ]
    }
    back = [(way, way.back) for way in ways if way.back is not None]
    if back:
        floor = ledger.schema_floor
        own[SCHEMA] = [
            Objection(
                f"{definition.name} was made for schema {way.schema}, and a migration since removed what code before "
                f"schema {floor} needs.",
                "Go forward instead.",
            )
            for way, definition in back
            if floor is not None and way.schema is not None and way.schema < floor
        ]
        own[VERIFIED] = [
            Objection(f"{definition.name} was never verified in this environment.")
            for way, definition in back
            if way.candidate is None
        ]
        own[NOT_ROLLED_BACK] = [
            Objection(f"{definition.name} was rolled back from before.")
            for way, definition in back
            if way.candidate is not None and way.candidate.rolled_back_from
        ]
    return own


def _steps(ways: list[ServiceRollback], definitions: Definitions, environment: Environment) -> Iterator[Step]:
    for way in ways:
        if way.registers and way.back:
            yield _register(way, way.back)
    for way in ways:
        yield _stop(way, way.continues, environment) if way.continues else _roll(way, environment)
    revisions: dict[str, Late[str]] = {name: definition.name for name, definition in definitions.running.items()}
    revisions |= {way.service.name: output_of(_name(way), "task_definition") for way in ways}
    yield step(
        "record",
        RecordRelease(
            services=revisions,
            commits={},
            schema=None,
            schema_floor=None,
            proof={way.service.name: output_of(_name(way), "healthy_seconds") for way in ways},
        ),
        title="Record what serves now",
        deadline=120.0,
    )


def _name(way: ServiceRollback) -> str:
    return f"{'stop' if way.continues else 'roll'}-{way.service.name}"


def _register(way: ServiceRollback, back: Definition) -> Step:
    return step(
        f"register-{way.service.name}",
        RegisterRevision(
            service=way.service.name,
            definition=without_secrets(back.body),
            source=back.name,
            tags=back.tags_to_copy,
        ),
        title=f"Register {back.name} again: it is {back.status}",
        deadline=120.0,
    )


def _roll(way: ServiceRollback, environment: Environment) -> Step:
    assert way.back is not None  # else it is stopped  # noqa: S101
    return step(
        _name(way),
        RollService(
            service=way.service.name,
            task_definition=way.revision,
            digests=digests_of(way.back),
            back=True,
            settle_seconds=environment.settle_seconds,
        ),
        title=f"Put {way.service.name} back on {way.back.name}, and watch until all of it serves",
        before=way.now.name,
        after=way.back.name,
        deadline=ROLL_DEADLINE,
    )


def _stop(way: ServiceRollback, continues: ServiceDeployment, environment: Environment) -> Step:
    return step(
        _name(way),
        StopDeployment(
            service=way.service.name,
            service_deployment=continues.arn,
            failing=continues.task_definition,
            settle_seconds=environment.settle_seconds,
        ),
        title=f"Stop the deployment of {continues.task_definition} to {way.service.name}; ECS rolls it back",
        before=continues.task_definition,
        after="what ran before",
        deadline=ROLL_DEADLINE,
    )


def _title(ways: list[ServiceRollback]) -> str:
    return ", ".join(f"{way.service.name} to {way.back.name}" if way.back else way.service.name for way in ways)


def _notes(
    environment: Environment,
    scope: Scope,
    chosen: list[Service],
    ways: list[ServiceRollback],
    definitions: Definitions,
    history: History,
    found: Candidates,
    ledger: Ledger,
) -> Iterator[str]:
    for way in ways:
        if way.candidate and not way.candidate.watched:
            yield _untrusted(way.candidate)
        if way.service.name in history.read_back_to:
            yield reach(way.running, history, environment.time_zone)
    for way in ways:
        if last := last_rollback(stays(way.service.name, history, ledger)):
            bad, at = last
            when = format_time(at, environment.time_zone)
            yield f"{way.service.name} was already rolled back from {bad}, {when}; this goes back further."
    for way in ways:
        if way.back is not None:
            yield from (f"{way.service.name}: {line}" for line in changes(way.now.body, way.back.body))
    moved = {way.service.name for way in ways}
    yield from (f"{service.name} stays on {definitions.running[service.name].name}." for service in chosen
                if service.name not in moved)  # fmt: skip
    for way in ways:
        for candidate in candidates(way.service.name, way.now.name, history, ledger, scope.now):
            yield _told(candidate, way, environment, found, ledger)
    yield from drift(ways, definitions, environment)


def _untrusted(candidate: Candidate) -> str:
    """What is trusted less than a release that was watched, and why it is chosen."""
    name = candidate.task_definition
    if candidate.release is None:
        return f"{name} was never released by omc: that ECS completed its deployment is all that is known of it."
    if "unhealthy" in candidate.release.proof:
        return f"{name} ran, but was not healthy when it was released: {candidate.release.proof['unhealthy']}."
    return (
        f"{name} ran, but unwatched: it was never compared with what was there before by the load balancer's figures."
    )


def _told(
    candidate: Candidate, way: ServiceRollback, environment: Environment, found: Candidates, ledger: Ledger
) -> str:
    """A candidate with its proof, in a line."""
    name = candidate.task_definition
    definition = found.definitions.get(name)
    recorded = recorded_release(way.service.name, name, ledger)
    when = format_time(candidate.verified, environment.time_zone)
    known = f"ECS completed it {when}"
    if candidate.release:
        known = f"{candidate.release.status} {when}, release {candidate.release.number}"
        if candidate.watched and candidate.release.is_rollback:
            known = f"gone back to {when}, release {candidate.release.number}, and watched when it was released"
    parts = [
        known,
        f"served {format_duration(candidate.served)}",
        definition.status if definition else _untold(name, found),
    ]
    if definition:
        missing = found.missing_images(definition.images)
        there = "image in the registry" if found.all_looked_up(definition.images) else "image not looked up"
        parts.append(f"image gone: {', '.join(missing)}" if missing else there)
    if recorded and recorded.schema is not None:
        parts.append(f"schema {recorded.schema}")
    if ledger.schema_floor is not None:
        parts.append(f"schema floor {ledger.schema_floor}")
    if candidate.rolled_back_from:
        parts.append("was rolled back from")
    mark = "→ " if way.back and way.back.name == name else "  "
    return f"{mark}candidate {name}: {', '.join(parts)}."


def _untold(name: str, found: Candidates) -> str:
    """What is known of a revision that has no definition: that ECS has none, or that it wasn't asked."""
    return "gone from ECS" if name in found.looked_up else "not looked up"


def drift(ways: list[ServiceRollback], definitions: Definitions, environment: Environment) -> Iterator[str]:
    """What Terraform would make of it: nothing where its modules ignore which revision a service runs, as omc's do."""
    if environment.has_usual_root:
        yield (
            "Terraform ignores which revision a service runs (ignore_changes), so an apply does not undo this rollback."
        )
    elif environment.has_terraform:
        yield "An apply of Terraform undoes this rollback, unless its code ignores which revision a service runs."
    for way in ways:
        applied = definitions.applied.get(way.service.name)
        if applied and way.back and applied.is_newer_than(way.back):
            yield (
                f"Terraform's newest revision {applied.name} is newer than {way.back.name}: the next deployment "
                f"of {way.service.name} brings its changes back, unless it has --keep-definition."
            )
