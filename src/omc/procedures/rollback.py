"""Roll back: what is being deployed is stopped and taken back; what was deployed is replaced by what was good before.

Good is what was verified in this environment. The services of a release go back together, in reverse order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from omc.errors import Refused, WrongUse
from omc.facts.candidates import Candidates, is_revision_number, named_revision
from omc.facts.definitions import Definition, Definitions
from omc.facts.deployments import ROLLED_BACK, History, ServiceDeployment
from omc.facts.releases import Ledger, Release
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.procedures.asking import Rollback
from omc.procedures.candidates import Candidate, candidates, last_good, last_release, last_rollback, reach, stays
from omc.procedures.definition_changes import changes
from omc.procedures.deploy import ROLL_DEADLINE, digests_of
from omc.procedures.plan import Json, Plan, Risk, Step, canonical, output_of
from omc.procedures.preflight import Refusal, kind_refusals, sorted_out
from omc.redaction import REDACTED, without_secrets
from omc.stack import Environment, Service
from omc.times import moment, span

ALL = "all"


@dataclass(frozen=True, slots=True)
class Way:
    """How one service gets back."""

    service: Service
    running: EcsService
    now: Definition
    back: Definition | None
    """What it goes back to; None where ECS decides that, of a deployment that is stopped."""
    goes_on: ServiceDeployment | None
    """The deployment that is stopped."""
    candidate: Candidate | None
    schema: int | None = None

    @property
    def registers(self) -> bool:
        return self.back is not None and not self.back.is_active

    @property
    def revision(self) -> Json:
        if self.registers:
            return output_of(f"register-{self.service.name}", "task_definition")
        return self.back.name if self.back else ""


def plan_rollback(
    asked: Rollback,
    environment: Environment,
    scope: Scope,
    services: Services,
    definitions: Definitions,
    history: History,
    found: Candidates,
    ledger: Ledger,
) -> Plan:
    """The plan of ``omc rollback``."""
    chosen = _chosen(asked, environment)
    known = {service.name: service for service in services.services}
    for service in chosen:
        if service.name not in known or service.name not in definitions.running:
            raise Refused(f"There is no service {service.name} in the cluster {environment.cluster}.")
    ways = list(_ways(asked, environment, chosen, known, definitions, history, found, ledger, scope))
    if not ways:
        raise Refused(_nothing_known_good(environment, chosen, known, definitions, history, ledger, scope))
    ways.reverse()  # a release is undone in the reverse order of its making
    stand, overridden = sorted_out(
        (refusal for way in ways for refusal in _refusals(way, found, ledger)), asked.override
    )
    return Plan(
        procedure="rollback",
        environment=environment.name,
        asked={**asdict(asked), "services": list(asked.services)},
        title=f"Roll back {_title(ways)} in {environment.name}",
        risk=Risk.HIGH,
        steps=tuple(_steps(ways, definitions, environment)),
        rests_on={
            "running": {way.service.name: way.now.name for way in ways},
            "goes_on": {way.service.name: way.goes_on.arn for way in ways if way.goes_on},
            "registered": [way.service.name for way in ways if way.registers],
        },
        notes=(*overridden, *_notes(environment, scope, chosen, ways, definitions, history, found, ledger)),
        refusals=stand,
        undo_on_failure=False,
    )


def _chosen(asked: Rollback, environment: Environment) -> list[Service]:
    there = {service.name: service for service in environment.services}
    names = [name for name in asked.services if name != ALL] if ALL not in asked.services else []
    for name in names:
        if name not in there:
            raise WrongUse(f'{environment.name} has no service "{name}"; it has {", ".join(there)}, or say {ALL}.')
    chosen = [service for service in environment.services if not names or service.name in names]
    if asked.to:
        chosen = _of_revision(asked.to, chosen, named=bool(names))
    return chosen


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


def _ways(
    asked: Rollback,
    environment: Environment,
    chosen: list[Service],
    known: Mapping[str, EcsService],
    definitions: Definitions,
    history: History,
    found: Candidates,
    ledger: Ledger,
    scope: Scope,
) -> Iterator[Way]:
    running = {name: definition.name for name, definition in definitions.running.items()}
    in_flight = [service for service in chosen if history.under_way(service.name)]
    together = len(chosen) > 1 and not in_flight
    release = last_release(running, ledger) if together and not asked.to else None
    for service in chosen:
        name = service.name
        now, goes_on = definitions.running[name], history.under_way(name)
        if in_flight and not asked.to:
            if goes_on is not None:
                yield _stopped(service, known[name], now, goes_on, history, environment)
            continue
        listed = candidates(name, now.name, history, ledger, scope.now)
        target = _target(asked, service, listed, release)
        if target is None or target == now.name:
            if asked.to:
                raise Refused(f"{name} runs {target} already; there is nothing to go back to.")
            continue
        recorded = _recorded(name, target, ledger)
        back = found.definitions.get(target) or _from_record(target, recorded)
        if back is None:
            raise Refused(_not_there(target, found))
        if not back.arn and REDACTED in canonical(back.body):
            raise Refused(
                f"{target} was deleted, and the ledger that it would be made anew from keeps no secrets, of which "
                "its environment had some. Deploy its image to the running revision instead: omc deploy --image "
                f"{name}={back.images.get(service.container, 'REFERENCE')}"
            )
        candidate = next((each for each in listed if each.task_definition == target), None)
        schema = recorded.schema if recorded else None
        yield Way(service, known[name], now, back, None, candidate, schema)


def _not_there(target: str, found: Candidates) -> str:
    if found.looked_up and target not in found.looked_up:
        return f"{target} lies too far back to have been looked up. To go to it, name it: --to {target}"
    return f"{target} doesn't exist, and the ledger has no record of it to make it anew from."


def _stopped(
    service: Service,
    running: EcsService,
    now: Definition,
    goes_on: ServiceDeployment,
    history: History,
    environment: Environment,
) -> Way:
    if goes_on.status in ROLLED_BACK:
        raise Refused(f"The deployment of {goes_on.task_definition} to {service.name} is being rolled back already.")
    if not any(deployment.left for deployment in history.of[service.name]):
        raise Refused(
            f"{service.name} can't go back: of the deployments that were read none was completed, so nothing is known "
            f"good. {reach(running, history, environment.time_zone)}"
        )
    return Way(service, running, now, None, goes_on, None)


def _target(asked: Rollback, service: Service, listed: list[Candidate], release: Release | None) -> str | None:
    if asked.to:
        return named_revision(asked.to, service.family)
    if release is not None:
        return release.services[service.name].task_definition if service.name in release.services else None
    good = last_good(listed)
    return good.task_definition if good else None


def _recorded(service: str, revision: str, ledger: Ledger) -> Release | None:
    there = (each for each in ledger.releases if service in each.services)
    return next((each for each in there if each.services[service].task_definition == revision), None)


def _from_record(name: str, release: Release | None) -> Definition | None:
    """A revision that ECS has forgotten, from the ledger."""
    if release is None:
        return None
    then = next(each for each in release.services.values() if each.task_definition == name)
    return Definition(name, "", "DELETED", then.definition) if then.definition else None


def _nothing_known_good(
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
        f"Nothing is known good to roll {names} back to: neither the ledger nor what was read of ECS's history has "
        f"another revision that was completed here. {read}{also} To go to one all the same: omc rollback "
        f"{chosen[0].name} --to REVISION"
    )


def _refusals(way: Way, found: Candidates, ledger: Ledger) -> Iterator[Refusal]:
    name = way.service.name
    yield from kind_refusals(way.running)
    if way.running.desired == 0:
        yield Refusal(
            f"{name} is scaled to zero, so it can't be seen whether the old revision runs. Scale it up first."
        )
    if way.back is None:
        return
    if missing := found.missing_images(way.back.images):
        what = f"The image {', '.join(missing)} of {way.back.name} is no longer in the registry"
        yield Refusal(f"{what}: its tasks could not start. Push it again.", overridable=True)
    floor = ledger.schema_floor
    if floor is not None and way.schema is not None and way.schema < floor:
        yield Refusal(
            f"{way.back.name} was made for schema {way.schema}, and a migration since removed what code before "
            f"schema {floor} needs. Go forward instead.",
            overridable=True,
        )
    if way.candidate is None:
        yield Refusal(f"{way.back.name} was never verified in this environment.", overridable=True)
    elif way.candidate.rolled_back_from:
        yield Refusal(f"{way.back.name} was rolled back from before.", overridable=True)


def _steps(ways: list[Way], definitions: Definitions, environment: Environment) -> Iterator[Step]:
    for way in ways:
        if way.registers and way.back:
            yield _register(way, way.back)
    for way in ways:
        yield _stop(way, way.goes_on, environment) if way.goes_on else _roll(way, environment)
    revisions: dict[str, Json] = {name: definition.name for name, definition in definitions.running.items()}
    revisions |= {way.service.name: output_of(_name(way), "task_definition") for way in ways}
    yield Step(
        name="record",
        action="releases.record",
        arguments={
            "services": revisions,
            "commits": {},
            "schema": None,
            "schema_floor": None,
            "proof": {way.service.name: output_of(_name(way), "healthy_seconds") for way in ways},
        },
        title="Write into the ledger what serves now",
        deadline=120.0,
    )


def _name(way: Way) -> str:
    return f"{'stop' if way.goes_on else 'roll'}-{way.service.name}"


def _register(way: Way, back: Definition) -> Step:
    return Step(
        name=f"register-{way.service.name}",
        action="ecs.register_revision",
        arguments={
            "service": way.service.name,
            "definition": without_secrets(back.body),
            "source": back.name,
            "tags": dict(back.tags_to_copy),
        },
        title=f"Register {back.name} anew: it is {back.status}",
        deadline=120.0,
    )


def _roll(way: Way, environment: Environment) -> Step:
    assert way.back is not None  # else it is stopped  # noqa: S101
    return Step(
        name=_name(way),
        action="ecs.roll_service",
        arguments={
            "service": way.service.name,
            "task_definition": way.revision,
            "digests": digests_of(way.back),
            "back": True,
            "settle_seconds": environment.settle_seconds,
        },
        title=f"Put {way.service.name} back on {way.back.name}, and watch until all of it serves",
        before=way.now.name,
        after=way.back.name,
        deadline=ROLL_DEADLINE,
    )


def _stop(way: Way, goes_on: ServiceDeployment, environment: Environment) -> Step:
    return Step(
        name=_name(way),
        action="ecs.stop_deployment",
        arguments={
            "service": way.service.name,
            "service_deployment": goes_on.arn,
            "failing": goes_on.task_definition,
            "settle_seconds": environment.settle_seconds,
        },
        title=f"Stop the deployment of {goes_on.task_definition} to {way.service.name}; ECS rolls it back",
        before=goes_on.task_definition,
        after="what ran before",
        deadline=ROLL_DEADLINE,
    )


def _title(ways: list[Way]) -> str:
    return ", ".join(f"{way.service.name} to {way.back.name}" if way.back else way.service.name for way in ways)


def _notes(
    environment: Environment,
    scope: Scope,
    chosen: list[Service],
    ways: list[Way],
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
            when = moment(at, environment.time_zone)
            yield f"{way.service.name} was rolled back from {bad} already, {when}; this goes back further."
    for way in ways:
        if way.back is not None:
            yield from (f"{way.service.name}: {line}" for line in changes(way.now.body, way.back.body))
    moved = {way.service.name for way in ways}
    yield from (f"{service.name} stays on {definitions.running[service.name].name}." for service in chosen
                if service.name not in moved)  # fmt: skip
    for way in ways:
        for candidate in candidates(way.service.name, way.now.name, history, ledger, scope.now):
            yield _told(candidate, way, environment, found, ledger)
    yield from drift(ways, definitions)


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


def _told(candidate: Candidate, way: Way, environment: Environment, found: Candidates, ledger: Ledger) -> str:
    """A candidate with its proof, in a line."""
    name = candidate.task_definition
    definition = found.definitions.get(name)
    recorded = _recorded(way.service.name, name, ledger)
    when = moment(candidate.verified, environment.time_zone)
    known = f"ECS completed it {when}"
    if candidate.release:
        known = f"{candidate.release.standing} {when}, release {candidate.release.number}"
        if candidate.watched and candidate.release.is_rollback:
            known = f"gone back to {when}, release {candidate.release.number}, and watched when it was released"
    parts = [
        known,
        f"served {span(candidate.served)}",
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


def drift(ways: list[Way], definitions: Definitions) -> Iterator[str]:
    """What Terraform would make of it: nothing, since it ignores which revision a service runs."""
    yield ("Terraform ignores which revision a service runs (ignore_changes), so an apply does not undo this rollback.")
    for way in ways:
        applied = definitions.applied.get(way.service.name)
        if applied and way.back and applied.is_newer_than(way.back):
            yield (
                f"Terraform's newest revision {applied.name} is newer than {way.back.name}: the next deployment of "
                f"{way.service.name} takes its changes up again, unless --keep-definition is said."
            )
