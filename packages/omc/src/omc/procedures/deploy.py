"""Deploy: other images, or new tasks of the same ones, as one release of the services together.

Register, migrate, roll in the order of omc.toml, watch, protect, record. What fails is undone in reverse order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from omc.config import Environment
from omc.errors import NothingToDo, WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.connections import Connections
from omc.facts.definitions import Definitions
from omc.facts.deployed_images import DeployedImages
from omc.facts.deployments import History
from omc.facts.images import WantedImages
from omc.facts.incidents import OpenIncidents
from omc.facts.quotas import Quotas
from omc.facts.releases import Ledger
from omc.facts.requirements import Requirements
from omc.facts.scaling import Scaling
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnets
from omc.model.plan import Json, Plan, Risk
from omc.model.requests import DeployRequest
from omc.procedures import preflight
from omc.procedures.definition_changes import changes
from omc.procedures.deploy_changes import Change, changes_of
from omc.procedures.deploy_steps import migrates, migrating, missing_migration, short, steps_of, watch_of
from omc.procedures.preconditions import images as of_images
from omc.procedures.preconditions.images import MIGRATION, NAMED, NOT_ROLLED_BACK, PROCESSOR, SCHEMA
from omc.procedures.preconditions.situation import Objection, OngoingWork, Situation, rolled
from omc.procedures.preconditions.table import Verb


def plan_deploy(
    request: DeployRequest,
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
    quotas: Quotas,
    current: StandingImages,
    active: ActiveRun,
) -> Plan:
    """The plan of ``omc deploy``."""
    _check_use(request, environment)
    work = list(changes_of(request, environment, services, definitions, images))
    if not work:
        runs = ", ".join(f"{name} runs {definitions.running[name].name}" for name in request.images)
        raise NothingToDo(f"Nothing to deploy: {runs} with that very image. New tasks without a change: --force-new")
    own = _own(request, environment, work, definitions, images, history, ledger, deployed)
    found = preflight.examine(
        Verb.DEPLOY,
        Situation(
            environment=environment,
            scope=scope,
            work=tuple(_work(request, work, definitions)),
            services=services,
            history=history,
            requirements=requirements,
            images=current,
            subnets=subnets,
            connections=connections,
            quotas=quotas,
            scaling=scaling,
            alarms=alarms,
            incidents=incidents,
            active=active,
        ),
        request.override,
        own,
    )
    watch = watch_of(request, environment, work, ledger, incidents, taken_back=bool(own[NOT_ROLLED_BACK]))
    return Plan(
        procedure="deploy",
        environment=environment.name,
        request=_plain(request),
        title=_title(work, environment),
        risk=Risk.LOW if all(change.running.breaker for change in work) else Risk.HIGH,
        steps=tuple(steps_of(request, environment, work, definitions, images, watch)),
        preconditions={
            "running": {name: definition.name for name, definition in definitions.running.items()},
            "taken": {change.service.name: change.taken.name for change in work if change.taken},
        },
        notes=(*found.overridden, *_notes(work, images, ledger), *found.notes),
        refusals=found.refusals,
    )


def _work(request: DeployRequest, work: list[Change], definitions: Definitions) -> Iterator[OngoingWork]:
    """What starts: the new tasks, and those of migrations that have a family of their own."""
    for change in work:
        yield rolled(change.running, change.new)
        if migrates(request, change) and change.service.migrate_family and (task := migrating(change, definitions)):
            yield OngoingWork(change.running, task)


def _own(
    request: DeployRequest,
    environment: Environment,
    work: list[Change],
    definitions: Definitions,
    images: WantedImages,
    history: History,
    ledger: Ledger,
    deployed: DeployedImages,
) -> dict[str, list[Objection]]:
    """What only a deployment asks: of the images that it names, and of its migrations."""
    wanted = [(change, images.of[change.service.name]) for change in work if change.service.name in images.of]
    return {
        NAMED: [
            objection for _, each in wanted if not request.allow_tag for objection in of_images.named_by_a_tag(each)
        ],
        PROCESSOR: [
            objection
            for change, each in wanted
            for objection in of_images.built_for_another(change.service.name, each, change.new)
        ],
        NOT_ROLLED_BACK: [
            objection
            for change, each in wanted
            if change.differs
            for objection in of_images.rolled_back(change.service.name, each, history, ledger, deployed, environment)
        ],
        SCHEMA: [objection for name, each in images.of.items() for objection in of_images.too_old(name, each, ledger)],
        MIGRATION: [
            Objection(missing_migration(change.service))
            for change in work
            if migrates(request, change) and change.service.migrate_family and migrating(change, definitions) is None
        ],
    }


def _plain(request: DeployRequest) -> Mapping[str, Json]:
    return {**asdict(request), "images": dict(request.images), "force_new": list(request.force_new)}


def _check_use(request: DeployRequest, environment: Environment) -> None:
    there = [service.name for service in preflight.named_services([*request.images, *request.force_new], environment)]
    if not request.images and not request.force_new:
        raise WrongUse(f"Say what to deploy: --image {there[0]}=REFERENCE, or --force-new {there[0]}.")


def _title(work: list[Change], environment: Environment) -> str:
    parts = [
        f"{change.service.name} {short(change.new.images[change.service.container])}"
        if change.differs
        else f"new tasks of {change.service.name}"
        for change in work
    ]
    return f"Deploy {', '.join(parts)} to {environment.name}"


def _notes(work: list[Change], images: WantedImages, ledger: Ledger) -> Iterator[str]:
    for change in work:
        wanted = images.of.get(change.service.name)
        if wanted and wanted.image and "sha256:" not in wanted.requested:
            yield (
                f"{wanted.requested} is {wanted.image.digest} now; that digest is what will run, wherever the tag goes."
            )
        if wanted and wanted.image and not wanted.image.architectures:
            untold = f"The registry doesn't say which processor the image of {change.service.name} was built for."
            yield f"{untold} {wanted.image.why_unknown}".rstrip()
        if change.unfinished and not change.has_failed:
            yield change.unfinished
        if change.unfinished and not change.differs:
            yield f"The same image of {change.service.name} is deployed again."
        if change.taken:
            yield f"{change.old.name} runs; this also brings what Terraform has changed since, in {change.taken.name}."
        shown = f"{change.service.container}.image: "  # the step says it, shorter
        lines = (line for line in changes(change.old.body, change.new.body) if not line.startswith(shown))
        yield from (f"{change.service.name}: {line}" for line in lines)
        if not change.old.is_active:
            yield (
                f"{change.old.name}, which runs, is {change.old.status}: somebody deregistered it, and ECS "
                "can't be updated "
                f"to a deregistered revision. The way back: omc rollback {change.service.name} --to {change.old.name}"
            )
    if not ledger.releases:
        yield "No release has been verified here yet; until this one is, a rollback relies on ECS's own history."
