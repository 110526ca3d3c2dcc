"""Deploy: other images, or new tasks of the same ones, as one release of the services together.

Register, migrate, roll in the order of omc.toml, watch, protect, record. What fails is undone in reverse order.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from omc.errors import NothingToDo, Refused, WrongUse
from omc.facts.alarms import Alarms
from omc.facts.connections import Connections
from omc.facts.definitions import Definition, Definitions
from omc.facts.deployed_images import DeployedImages
from omc.facts.deployments import History
from omc.facts.images import WantedImages, parse
from omc.facts.incidents import OpenIncidents
from omc.facts.releases import Ledger
from omc.facts.requirements import Requirements
from omc.facts.scaling import Scaling
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.facts.subnets import Subnets
from omc.procedures import preflight
from omc.procedures.asking import Deploy
from omc.procedures.definition_changes import changes, with_image
from omc.procedures.plan import Json, Plan, Risk, Step, Undo, output_of
from omc.procedures.settling import health_of
from omc.redaction import without_secrets
from omc.stack import Environment, Service

ROLL_DEADLINE = 1800.0
"""Seconds: three failing starts with a start period of a minute, and the way back, take ECS most of half an hour."""
MIGRATION_DEADLINE = 3600.0


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
    def differs(self) -> bool:
        return self.new.body != self.old.body

    @property
    def registers(self) -> bool:
        """ECS deploys no revision that was deregistered, even if it runs: it is registered anew."""
        return self.differs or not self.old.is_active

    @property
    def revision(self) -> Json:
        """As an argument of a step."""
        return output_of(f"register-{self.service.name}", "task_definition") if self.registers else self.old.name

    @property
    def after(self) -> str:
        return f"{self.service.family}:next" if self.registers else f"{self.old.name}, new tasks"


def plan_deploy(
    asked: Deploy,
    environment: Environment,
    scope: Scope,
    services: Services,
    definitions: Definitions,
    images: WantedImages,
    requirements: Requirements,
    history: History,
    alarms: Alarms,
    subnets: Subnets,
    connections: Connections,
    scaling: Scaling,
    ledger: Ledger,
    deployed: DeployedImages,
    incidents: OpenIncidents,
) -> Plan:
    """The plan of ``omc deploy``."""
    _check_use(asked, environment)
    work = list(_changes(asked, environment, services, definitions, images))
    if not work:
        runs = ", ".join(f"{name} runs {definitions.running[name].name}" for name in asked.images)
        raise NothingToDo(f"Nothing to deploy: {runs} with that very image. New tasks without a change: --force-new")
    rolled = {change.service.name: change.new for change in work}
    taken_back = [
        refusal
        for change in work
        if change.differs and change.service.name in images.of
        for refusal in preflight.rolled_back_refusals(
            change.service.name, images.of[change.service.name], history, ledger, deployed, environment
        )
    ]
    refusals = [
        *preflight.incident_refusals(incidents),
        *preflight.calendar_refusals(environment, scope),
        *(refusal for change in work for refusal in preflight.service_refusals(change.running, history)),
        *(
            refusal
            for change in work
            if change.service.name in images.of
            for refusal in preflight.image_refusals(
                change.service.name, images.of[change.service.name], change.new, allow_tag=asked.allow_tag
            )
        ),
        *taken_back,
        *(refusal for name, wanted in images.of.items() for refusal in preflight.schema_refusals(name, wanted, ledger)),
        *(refusal for change in work for refusal in preflight.requirement_refusals(change.new, requirements)),
        *(refusal for change in work for refusal in _migration_refusals(asked, change, definitions, requirements)),
        *preflight.room_refusals(rolled, services.services, subnets, connections),
        *preflight.autoscaler_refusals((change.running for change in work), scaling),
        *preflight.alarm_refusals(alarms, environment),
    ]
    stand, overridden = preflight.sorted_out(refusals, asked.override)
    watch = _watch(asked, environment, work, ledger, incidents, taken_back=bool(taken_back))
    steps = list(_steps(asked, environment, work, definitions, images, watch))
    return Plan(
        procedure="deploy",
        environment=environment.name,
        asked=_plain(asked),
        title=_title(work, environment),
        risk=Risk.LOW if all(change.running.breaker for change in work) else Risk.HIGH,
        steps=tuple(steps),
        rests_on={
            "running": {name: definition.name for name, definition in definitions.running.items()},
            "taken": {change.service.name: change.taken.name for change in work if change.taken},
        },
        notes=(*overridden, *_notes(environment, scope, work, images, alarms, connections, scaling, ledger, incidents)),
        refusals=stand,
    )


def _plain(asked: Deploy) -> Mapping[str, Json]:
    return {**asdict(asked), "images": dict(asked.images), "force_new": list(asked.force_new)}


def _check_use(asked: Deploy, environment: Environment) -> None:
    there = [service.name for service in environment.services]
    for name in (*asked.images, *asked.force_new):
        if name not in there:
            raise WrongUse(f'{environment.name} has no service "{name}"; it has {", ".join(there)}.')
    if not asked.images and not asked.force_new:
        raise WrongUse(f"Say what to deploy: --image {there[0]}=REFERENCE, or --force-new {there[0]}.")


def _changes(
    asked: Deploy, environment: Environment, services: Services, definitions: Definitions, images: WantedImages
) -> Iterator[Change]:
    """In the order of omc.toml. A service that runs the image already is left out. Raises ``Refused``."""
    known = {service.name: service for service in services.services}
    for service in environment.services:
        if service.name not in asked.images and service.name not in asked.force_new:
            continue
        if service.name not in known or service.name not in definitions.running:
            raise Refused(f"There is no service {service.name} in the cluster {environment.cluster}.")
        old = definitions.running[service.name]
        image = old.images.get(service.container)
        if image is None:
            raise Refused(f"{old.name} has no container {service.container}; say in omc.toml which one it is.")
        if service.name in asked.images:
            wanted = images.of[service.name]
            if wanted.image is None:
                raise Refused(f"{wanted.asked} can't be deployed to {service.name}: {wanted.problem}")
            image = wanted.image.pinned
        taken = _taken(asked, old, definitions.applied.get(service.name))
        body = with_image((taken or old).body, service.container, image)
        unfinished = _unfinished(known[service.name])
        if body == old.body and service.name not in asked.force_new and not unfinished:
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


def _taken(asked: Deploy, old: Definition, applied: Definition | None) -> Definition | None:
    """A revision of Terraform's that is newer than the running one: a deployment is how its changes reach the tasks."""
    if asked.keep_definition or applied is None or not applied.is_active or not applied.is_newer_than(old):
        return None
    return applied


def _watch(
    asked: Deploy,
    environment: Environment,
    work: list[Change],
    ledger: Ledger,
    incidents: OpenIncidents,
    *,
    taken_back: bool,
) -> Step:
    """The watch against health; longer where it is to be a fix, unless the person says how long."""
    seconds, longer = float(environment.release_watch_seconds), float(environment.incident_watch_seconds)
    why = ""
    if taken_back:
        seconds, why = longer, ", since the image was rolled back from before"
    elif incidents.incidents:
        seconds, why = longer, f", since {incidents.incidents[0].title} is open"
    if asked.watch_seconds is not None:
        seconds = longer = asked.watch_seconds
        why = ""
    health = health_of(ledger, environment.thresholds)
    against = f"release {health.release} when it was verified" if health else "the limits of omc.toml"
    if_incident = "" if longer == seconds else f" ({longer:g} s if users are served badly before it)"
    return Step(
        name="watch",
        action="cloudwatch.settle",
        arguments={
            "seconds": seconds,
            "incident_seconds": longer,
            "before": output_of("before", "reading"),
            "health": asdict(health) if health else None,
            "services": {change.service.name: change.revision for change in work},
        },
        title=f"Watch errors, latency, alarms and tasks for {seconds:g} s{if_incident}{why}, against {against}",
        deadline=longer + 300,
    )


def _steps(
    asked: Deploy,
    environment: Environment,
    work: list[Change],
    definitions: Definitions,
    images: WantedImages,
    watch: Step,
) -> Iterator[Step]:
    yield Step("before", "cloudwatch.note_before", {}, "Note how it is now: alarms, errors, latency", deadline=120.0)
    for change in work:
        if change.registers:
            yield _register(change)
    migrated = None
    for change in work:
        if migrates(asked, change):
            *registered, migrated = _migrate(change, definitions)
            yield from registered
            yield migrated
    for change in work:
        yield _roll(change, environment)
    yield watch
    for change in work:
        yield from _protect(change)
    yield _record(work, definitions, images, migrated)


def _register(change: Change) -> Step:
    old = change.old
    title = f"Register a revision of {change.service.family} with the new image"
    return Step(
        name=f"register-{change.service.name}",
        action="ecs.register_revision",
        arguments={
            "service": change.service.name,
            "definition": without_secrets(change.new.body),
            "source": (change.taken or old).name,
            "tags": dict(change.new.tags_to_copy),
        },
        title=title if change.differs else f"Register {old.name} anew: it is {old.status}",
        before=_short(old.images[change.service.container]) if change.differs else "",
        after=_short(change.new.images[change.service.container]) if change.differs else "",
        deadline=120.0,
    )


def migrates(asked: Deploy, change: Change) -> bool:
    """Also where the same image is deployed again because it never got to serve: its migration may not have ended."""
    return bool(asked.migrate and change.service.migrate and (change.differs or change.unfinished))


def _migration_refusals(
    asked: Deploy, change: Change, definitions: Definitions, requirements: Requirements
) -> Iterator[preflight.Refusal]:
    """Where migrations have a family of their own: it exists, and so does all that it names."""
    if not migrates(asked, change) or not change.service.migrate_family:
        return
    found = definitions.migrating.get(change.service.name)
    if found is None or change.service.container not in found.images:
        yield preflight.Refusal(missing_migration(change.service))
    else:
        yield from preflight.requirement_refusals(found, requirements)


def missing_migration(service: Service) -> str:
    return (
        f"The migration of {service.name} has no task definition {service.migrate_family or service.family} with a "
        f"container {service.container}. It is Terraform's: apply the infrastructure first (omc infra apply)."
    )


def _migrate(change: Change, definitions: Definitions) -> Iterator[Step]:
    """The migration with the new image: of the new revision, or of its own family's."""
    name, family = change.service.name, change.service.migrate_family
    revision = change.revision
    if family:
        revision = yield from _register_migration(change, definitions.migrating.get(name))
    yield migration_step(change.service, change.running, revision)


def _register_migration(change: Change, found: Definition | None) -> Generator[Step, None, Json]:
    """Yields the step that registers a revision, where one is needed; returns what the migration runs."""
    name, container = change.service.name, change.service.container
    if found is None or container not in found.images:
        return f"{change.service.migrate_family} (missing)"  # the plan is refused for it
    body = with_image(found.body, container, change.new.images[container])
    if body == found.body:
        return found.name
    step = Step(
        name=f"register-migrate-{name}",
        action="ecs.register_revision",
        arguments={"service": f"migrate-{name}", "definition": body, "tags": dict(found.tags_to_copy)},
        title=f"Register a revision of {change.service.migrate_family} with the new image",
        before=_short(found.images[container]),
        after=_short(change.new.images[container]),
        deadline=120.0,
    )
    yield step
    return output_of(step.name, "task_definition")


def migration_step(service: Service, running: EcsService, revision: Json) -> Step:
    """Run a service's migration with a revision, where its tasks run."""
    return Step(
        name=f"migrate-{service.name}",
        action="ecs.run_task",
        arguments={
            "task_definition": revision,
            "container": service.container,
            "command": list(service.migrate),
            "network": dict(running.network),
            "launch": dict(running.launch),
            "what": f"the migration of {service.name}",
        },
        title=f"Migrate the database in a task of its own: {' '.join(service.migrate)}",
        deadline=MIGRATION_DEADLINE,
    )


def _roll(change: Change, environment: Environment) -> Step:
    name = change.service.name
    back = Undo(
        action="ecs.roll_service",
        arguments={
            "service": name,
            "task_definition": change.old.name,
            "digests": digests_of(change.old),
            "instead_of": [change.revision],
            "back": True,
            "settle_seconds": environment.settle_seconds,
        },
        words=f"back to {change.old.name}",
    )
    return Step(
        name=f"roll-{name}",
        action="ecs.roll_service",
        arguments={
            "service": name,
            "task_definition": change.revision,
            "digests": digests_of(change.new),
            "force_new": not change.registers,
        },
        title=f"Roll {name}, and watch until it is known what became of it",
        before=change.old.name,
        after=change.after,
        undo=back if change.differs and change.old.is_active else None,
        deadline=ROLL_DEADLINE,
    )


def _protect(change: Change) -> Iterator[Step]:
    image = parse(change.new.images[change.service.container])
    if image and image.repository and image.digest:
        yield Step(
            name=f"protect-{change.service.name}",
            action="ecr.protect_image",
            arguments={"repository": image.repository, "digest": image.digest},
            title=f"Keep the image of {change.service.name} from expiring: it may be rolled back to",
            deadline=120.0,
        )


def _record(work: list[Change], definitions: Definitions, images: WantedImages, migrated: Step | None) -> Step:
    revisions: dict[str, Json] = {name: definition.name for name, definition in definitions.running.items()}
    revisions |= {change.service.name: change.revision for change in work}
    return Step(
        name="record",
        action="releases.record",
        arguments={
            "services": revisions,
            "commits": {name: wanted.image.commit for name, wanted in images.of.items() if wanted.image},
            "schema": output_of(migrated.name, "schema") if migrated else None,
            "schema_floor": output_of(migrated.name, "schema_floor") if migrated else None,
            "proof": output_of("watch", "proof"),
        },
        title="Write the release into the ledger, with how it was watched",
        deadline=120.0,
    )


def digests_of(definition: Definition) -> dict[str, Json]:
    """The digest of each container whose image is pinned by one."""
    parsed = {container: parse(image) for container, image in definition.images.items()}
    return {container: image.digest for container, image in parsed.items() if image and image.digest}


def _title(work: list[Change], environment: Environment) -> str:
    parts = [
        f"{change.service.name} {_short(change.new.images[change.service.container])}"
        if change.differs
        else f"new tasks of {change.service.name}"
        for change in work
    ]
    return f"Deploy {', '.join(parts)} to {environment.name}"


def _short(image: str) -> str:
    """``ohmycoins/backend@sha256:ad1285657c95``."""
    reference = parse(image)
    if reference is None or not reference.digest:
        return image
    return f"{reference.repository}@{reference.digest[:19]}"


def _notes(
    environment: Environment,
    scope: Scope,
    work: list[Change],
    images: WantedImages,
    alarms: Alarms,
    connections: Connections,
    scaling: Scaling,
    ledger: Ledger,
    incidents: OpenIncidents,
) -> Iterator[str]:
    for change in work:
        wanted = images.of.get(change.service.name)
        if wanted and wanted.image and "sha256:" not in wanted.asked:
            yield f"{wanted.asked} is {wanted.image.digest} now; that digest is what will run, wherever the tag goes."
        if wanted and wanted.image and not wanted.image.architectures:
            untold = f"The registry doesn't tell for which processor the image of {change.service.name} was built."
            yield f"{untold} {wanted.image.why_unknown}".rstrip()
        if change.unfinished:
            again = "" if change.differs else " So the same image is deployed again."
            yield f"{change.unfinished}{again}"
        if change.taken:
            yield f"{change.old.name} runs; what Terraform changed in {change.taken.name} since is taken up with it."
        shown = f"{change.service.container}.image: "  # the step says it, shorter
        lines = (line for line in changes(change.old.body, change.new.body) if not line.startswith(shown))
        yield from (f"{change.service.name}: {line}" for line in lines)
        if not change.running.breaker:
            yield f"{change.service.name} has no circuit breaker that rolls back: ECS will not give up by itself."
        if not change.old.is_active:
            yield (
                f"{change.old.name}, which runs, is {change.old.status}: somebody deregistered it, and ECS does not go "
                f"back to it by an update. The way back: omc rollback {change.service.name} --to {change.old.name}"
            )
    yield from preflight.alarm_notes(alarms, (change.running for change in work), environment)
    yield from preflight.autoscaler_notes((change.running for change in work), scaling)
    yield from preflight.incident_notes(incidents)
    yield from preflight.calendar_notes(environment, scope)
    yield from preflight.room_notes(connections)
    if not ledger.releases:
        yield "No release was verified here yet; going back rests on ECS's own history until this one is."
