"""The steps of a deployment: register, migrate, roll in the order of omc.toml, watch, protect, record."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, replace

from omc.config import Environment, Service
from omc.facts.definitions import Definition, Definitions
from omc.facts.images import WantedImages, parse
from omc.facts.incidents import OpenIncidents
from omc.facts.releases import Ledger
from omc.facts.services import EcsService
from omc.judgement.bake import health_of
from omc.model.arguments.base import Late, output_of
from omc.model.arguments.cloudwatch import NoteBefore, Settle
from omc.model.arguments.ecr import ProtectImage
from omc.model.arguments.ecs import RegisterRevision, RollService, RunTask
from omc.model.arguments.releases import RecordRelease
from omc.model.plan import Step, step, undo_by
from omc.model.requests import DeployRequest
from omc.procedures.definition_changes import with_image
from omc.procedures.deploy_changes import Change
from omc.redaction import without_secrets

ROLL_DEADLINE = 1800.0
"""Seconds: three failing starts with a start period of a minute, and the way back, take ECS most of half an hour."""
MIGRATION_DEADLINE = 3600.0


def watch_of(
    request: DeployRequest,
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
    if request.watch_seconds is not None:
        seconds = longer = request.watch_seconds
        why = ""
    health = health_of(ledger, environment.thresholds)
    against = f"release {health.release} when it was verified" if health else "the limits of omc.toml"
    if_incident = "" if longer == seconds else f" ({longer:g} s if users are served badly before it)"
    return step(
        "watch",
        Settle(
            seconds=seconds,
            incident_seconds=longer,
            before=output_of("before", "reading"),
            health=asdict(health) if health else None,
            services={change.service.name: change.revision for change in work},
        ),
        title=f"Watch errors, latency, alarms and tasks for {seconds:g} s{if_incident}{why}, against {against}",
        deadline=longer + 300,
    )


def steps_of(
    request: DeployRequest,
    environment: Environment,
    work: list[Change],
    definitions: Definitions,
    images: WantedImages,
    watch: Step,
) -> Iterator[Step]:
    yield step("before", NoteBefore(), "Note how it is now: alarms, errors, latency", deadline=120.0)
    for change in work:
        if change.registers:
            yield _register(change)
    migrated = None
    for change in work:
        if migrates(request, change):
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
    return step(
        f"register-{change.service.name}",
        RegisterRevision(
            service=change.service.name,
            definition=without_secrets(change.new.body),
            source=(change.taken or old).name,
            tags=change.new.tags_to_copy,
        ),
        title=title if change.differs else f"Register {old.name} again: it is {old.status}",
        before=short(old.images[change.service.container]) if change.differs else "",
        after=short(change.new.images[change.service.container]) if change.differs else "",
        deadline=120.0,
    )


def migrates(request: DeployRequest, change: Change) -> bool:
    """Also where the same image is deployed again because it never got to serve: its migration may not have ended."""
    return bool(request.migrate and change.service.migrate and (change.differs or change.unfinished))


def migrating(change: Change, definitions: Definitions) -> Definition | None:
    """What a migration in a family of its own will run: its revision of now with the new image; None without one."""
    found = definitions.migrating.get(change.service.name)
    container = change.service.container
    if found is None or container not in found.images:
        return None
    return replace(found, body=with_image(found.body, container, change.new.images[container]))


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


def _register_migration(change: Change, found: Definition | None) -> Generator[Step, None, Late[str]]:
    """Yields the step that registers a revision, where one is needed; returns what the migration runs."""
    name, container = change.service.name, change.service.container
    if found is None or container not in found.images:
        return f"{change.service.migrate_family} (missing)"  # the plan is refused for it
    body = with_image(found.body, container, change.new.images[container])
    if body == found.body:
        return found.name
    register = step(
        f"register-migrate-{name}",
        RegisterRevision(service=f"migrate-{name}", definition=body, tags=found.tags_to_copy),
        title=f"Register a revision of {change.service.migrate_family} with the new image",
        before=short(found.images[container]),
        after=short(change.new.images[container]),
        deadline=120.0,
    )
    yield register
    return output_of(register.name, "task_definition")


def migration_step(service: Service, running: EcsService, revision: Late[str]) -> Step:
    """Run a service's migration with a revision, where its tasks run."""
    return step(
        f"migrate-{service.name}",
        RunTask(
            task_definition=revision,
            container=service.container,
            command=tuple(service.migrate),
            network=running.network,
            launch=running.launch,
            cluster=service.cluster,
            what=f"the migration of {service.name}",
        ),
        title=f"Migrate the database in a task of its own: {' '.join(service.migrate)}",
        deadline=MIGRATION_DEADLINE,
    )


def _roll(change: Change, environment: Environment) -> Step:
    name = change.service.name
    back = undo_by(
        RollService(
            service=name,
            task_definition=change.old.name,
            digests=digests_of(change.old),
            instead_of=(change.revision,),
            back=True,
            settle_seconds=environment.settle_seconds,
        ),
        f"back to {change.old.name}",
    )
    return step(
        f"roll-{name}",
        RollService(
            service=name,
            task_definition=change.revision,
            digests=digests_of(change.new),
            force_new=not change.registers,
        ),
        title=f"Roll {name}, and watch until the outcome is known",
        before=change.old.name,
        after=change.after,
        undo=back if change.differs and change.old.is_active else None,
        deadline=ROLL_DEADLINE,
    )


def _protect(change: Change) -> Iterator[Step]:
    image = parse(change.new.images[change.service.container])
    if image and image.repository and image.digest:
        yield step(
            f"protect-{change.service.name}",
            ProtectImage(repository=image.repository, digest=image.digest),
            title=f"Keep the image of {change.service.name} from expiring, so that it can be rolled back to",
            deadline=120.0,
        )


def _record(work: list[Change], definitions: Definitions, images: WantedImages, migrated: Step | None) -> Step:
    revisions: dict[str, Late[str]] = {name: definition.name for name, definition in definitions.running.items()}
    revisions |= {change.service.name: change.revision for change in work}
    return step(
        "record",
        RecordRelease(
            services=revisions,
            commits={name: wanted.image.commit for name, wanted in images.of.items() if wanted.image},
            schema=output_of(migrated.name, "schema") if migrated else None,
            schema_floor=output_of(migrated.name, "schema_floor") if migrated else None,
            proof=output_of("watch", "proof"),
        ),
        title="Record the release, and how it was watched",
        deadline=120.0,
    )


def digests_of(definition: Definition) -> dict[str, str]:
    """The digest of each container whose image is pinned by one."""
    parsed = {container: parse(image) for container, image in definition.images.items()}
    return {container: image.digest for container, image in parsed.items() if image and image.digest}


def short(image: str) -> str:
    """``ohmycoins/backend@sha256:ad1285657c95``."""
    reference = parse(image)
    if reference is None or not reference.digest:
        return image
    return f"{reference.repository}@{reference.digest[:19]}"
