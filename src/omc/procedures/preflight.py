"""What is looked at before anything of a deployment is done: each a sentence why not, with what to do about it.

Pure judgement of facts. A ``Refusal`` that may be overridden becomes a note when the person says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from omc.checks.service_kinds import unsupported
from omc.facts.alarms import Alarms
from omc.facts.connections import Connections, connections_of
from omc.facts.definitions import Definition
from omc.facts.deployed_images import DeployedImages
from omc.facts.deployments import History
from omc.facts.images import Wanted
from omc.facts.incidents import OpenIncidents
from omc.facts.releases import Ledger
from omc.facts.requirements import Requirements, needs_of
from omc.facts.scaling import Scaling
from omc.facts.scope import Scope
from omc.facts.services import EcsService
from omc.facts.subnets import Subnets
from omc.incidents.severities import SEVERITIES
from omc.procedures import readings
from omc.procedures.candidates import Setback, setbacks
from omc.stack import Environment
from omc.times import moment

PROCESSORS = {"X86_64": "amd64", "ARM64": "arm64"}
"""What ECS calls a processor, to what a registry calls it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not."""

    sentence: str
    overridable: bool = False


def sorted_out(refusals: Iterable[Refusal], override: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(refusals, notes): what was overridden, with the reason, is a note."""
    stand: list[str] = []
    notes: list[str] = []
    for refusal in refusals:
        if refusal.overridable and override:
            notes.append(f"Overridden ({override}): {refusal.sentence}")
        elif refusal.overridable:
            stand.append(f'{refusal.sentence} Do it all the same: --override "why"')
        else:
            stand.append(refusal.sentence)
    return tuple(dict.fromkeys(stand)), tuple(notes)


def service_refusals(service: EcsService, history: History) -> Iterator[Refusal]:
    """The service itself: there, wanted, deployed by ECS, and not being deployed to just now."""
    if service.status != "ACTIVE":
        yield Refusal(f"{service.name} is {service.status}, not ACTIVE.")
    yield from kind_refusals(service)
    if service.desired == 0:
        yield Refusal(f"{service.name} is scaled to zero, so a release of it can't be verified. Scale it up first.")
    if goes_on := history.under_way(service.name):
        status = goes_on.status.lower().replace("_", " ")
        yield Refusal(
            f"A deployment of {goes_on.task_definition} to {service.name} is {status}. Wait for it, or roll it back.",
            overridable=True,
        )


def kind_refusals(service: EcsService) -> Iterator[Refusal]:
    """A kind of service that omc can't judge. Every command that changes one asks this."""
    if why := unsupported(service):
        yield Refusal(why)


def image_refusals(service: str, wanted: Wanted, definition: Definition, *, allow_tag: bool) -> Iterator[Refusal]:
    """The image: named so that it can't change, and built for the processor."""
    if wanted.image is None:
        return
    if wanted.tags_move and "sha256:" not in wanted.asked and not allow_tag:
        yield Refusal(
            f"{wanted.image.repository} lets tags be moved, so {wanted.asked} may be another image tomorrow. "
            f"Name it by its digest, {wanted.image.digest}, or say --allow-tag."
        )
    platform = definition.body.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    needed = PROCESSORS.get(platform, platform.lower())
    if wanted.image.architectures and needed not in wanted.image.architectures:
        built = " and ".join(wanted.image.architectures)
        yield Refusal(f"The image for {service} is built for {built}, but its tasks run on {needed}. Build one for it.")


def rolled_back_refusals(
    service: str,
    wanted: Wanted,
    history: History,
    ledger: Ledger,
    deployed: DeployedImages,
    environment: Environment,
) -> Iterator[Refusal]:
    """An image that ran here, or was about to, and was taken back: by ECS, by omc or by a person.

    What is pushed next deploys the head of the code again, and nothing else knows that this image was bad. One that was
    deployed again since, and stayed, is good again.
    """
    if wanted.image is None:
        return
    last: Setback | None = None
    for revision, _, setback in setbacks(service, history, ledger):
        if wanted.image.digest in deployed.digests(revision):
            last = setback
    if last is not None:
        when = moment(last.at, environment.time_zone)
        why = f" ({last.why})" if last.why else ""
        yield Refusal(
            f"That image of {service}, {wanted.image.digest[:19]}, was rolled back from {when}{why}: it was in "
            f"{last.task_definition}.",
            overridable=True,
        )


def schema_refusals(service: str, wanted: Wanted, ledger: Ledger) -> Iterator[Refusal]:
    """An image that was released before, for a schema that a migration since has taken away."""
    floor, image = ledger.schema_floor, wanted.image
    if floor is None or image is None:
        return
    for release in ledger.releases:
        then = release.services.get(service)
        if then is None or release.schema is None or image.pinned not in then.images.values():
            continue
        if release.schema < floor:
            yield Refusal(
                f"That image of {service} was release {release.number}, made for schema {release.schema}, and a "
                f"migration since removed what code before schema {floor} needs.",
                overridable=True,
            )
        return


def requirement_refusals(definition: Definition, requirements: Requirements) -> Iterator[Refusal]:
    """Secrets, log groups and roles that the new revision names."""
    for _, name in needs_of(definition):
        if name in requirements.problems:
            yield Refusal(f"{requirements.problems[name]} {definition.body['family']} can't start without it.")


def room_refusals(
    rolled: Mapping[str, Definition],
    services: Iterable[EcsService],
    subnets: Subnets,
    connections: Connections,
) -> Iterator[Refusal]:
    """Addresses and database connections for the old and the new tasks together. ``rolled``: the new definitions."""
    open_connections = 0
    for service in services:
        each = connections.each_task.get(service.name, 0)
        open_connections += service.desired * each
        if service.name not in rolled:
            continue
        extra = math.ceil(service.desired * (service.most_percent - 100) / 100)
        open_connections += extra * connections_of(rolled[service.name])
        free = subnets.free(service.name)
        if service.name in subnets.of and free < extra:
            yield Refusal(
                f"While it is rolled, {service.name} needs {extra} more addresses and its subnets have {free} free.",
                overridable=True,
            )
    if connections.limit is not None and open_connections > connections.limit:
        yield Refusal(
            f"Old and new tasks together open up to {open_connections} database connections, but PostgreSQL takes "
            f"{connections.limit}: the new tasks would fail. Scale in first.",
            overridable=True,
        )


def autoscaler_refusals(services: Iterable[EcsService], scaling: Scaling) -> Iterator[Refusal]:
    """An autoscaler that is about to change the count would change it in the middle of the deployment."""
    for service in services:
        target = scaling.of(service.name)
        if target is None or target.suspended or target.minimum <= service.desired <= target.maximum:
            continue
        yield Refusal(
            f"{service.name} wants {service.desired} tasks, but its autoscaler keeps {target.minimum} to "
            f"{target.maximum} and is about to change that. Wait until it has.",
            overridable=True,
        )


def autoscaler_notes(services: Iterable[EcsService], scaling: Scaling) -> Iterator[str]:
    for service in services:
        target = scaling.of(service.name)
        if target and target.suspended:
            yield f"The autoscaler of {service.name} is suspended: nothing scales it out while it is rolled."


def room_notes(connections: Connections) -> Iterator[str]:
    if connections.limit is None and connections.each_task:
        yield readings.note(Connections, connections.why_unknown)


def alarm_refusals(alarms: Alarms, environment: Environment) -> Iterator[Refusal]:
    """Alarms that fire already hide what the deployment does."""
    firing = sorted(alarm.name for alarm in alarms.alarms if is_firing(alarm.name, alarms, environment))
    if firing:
        yield Refusal(f"{_listed('Alarm', firing)} already: look at that first.", overridable=True)


def alarm_notes(alarms: Alarms, services: Iterable[EcsService], environment: Environment) -> Iterator[str]:
    """ECS heeds no deployment alarm of a service while one of them fires as the deployment begins, or if turned off."""
    for service in services:
        if service.alarms_off:
            yield (
                f"ECS will not roll {service.name} back for {', '.join(service.alarms_off)}: its deployment alarms "
                "are turned off. Terraform turns them on again."
            )
        firing = [name for name in service.alarms if is_firing(name, alarms, environment)]
        if firing:
            yield (
                f"ECS will not roll {service.name} back for any alarm: {_listed('alarm', firing)} already, and then "
                "it heeds none of the service's deployment alarms."
            )


def is_firing(name: str, alarms: Alarms, environment: Environment) -> bool:
    found = next((alarm for alarm in alarms.alarms if alarm.name == name), None)
    ours = name.startswith(environment.alarm_prefix)
    return bool(found and ours and found.state == "ALARM" and found.acts)


def _listed(what: str, names: list[str]) -> str:
    return f"{what} {names[0]} fires" if len(names) == 1 else f"{what}s {', '.join(names)} fire"


def incident_refusals(incidents: OpenIncidents) -> Iterator[Refusal]:
    """A bad incident that is open: whoever deals with it must know what changes, and that nothing else does."""
    for incident in incidents.incidents:
        if SEVERITIES[incident.severity].stops_deployments:
            yield Refusal(
                f"{incident.title} is open: until it is resolved, nothing but its fix is deployed.",
                overridable=True,
            )


def incident_notes(incidents: OpenIncidents) -> Iterator[str]:
    for incident in incidents.incidents:
        if not SEVERITIES[incident.severity].stops_deployments:
            yield f"{incident.title} is open."


def calendar_refusals(environment: Environment, scope: Scope) -> Iterator[Refusal]:
    """Freezes of omc.toml, and its maintenance window where deployments have to wait for it."""
    for freeze in environment.freezes:
        if freeze.begin <= scope.now < freeze.end:
            until = moment(freeze.end, environment.time_zone)
            yield Refusal(f"{environment.name} is frozen until {until}: {freeze.reason}.", overridable=True)

    window = environment.maintenance_window
    if window and window.required and (opens := _opens(environment, scope)):
        yield Refusal(
            f"{environment.name} is deployed to in its maintenance window only, which is closed; the next one opens "
            f"at {opens}.",
            overridable=True,
        )


def calendar_notes(environment: Environment, scope: Scope) -> Iterator[str]:
    window = environment.maintenance_window
    if window and not window.required and (opens := _opens(environment, scope)):
        yield f"The maintenance window is closed; the next one opens at {opens}."


def _opens(environment: Environment, scope: Scope) -> str:
    """When the next maintenance window opens; empty where none is wanted, or it is open."""
    window = environment.maintenance_window
    if window is None:
        return ""
    begin, end = window.next_after(scope.now)
    return "" if begin <= scope.now < end else moment(begin, environment.time_zone)
