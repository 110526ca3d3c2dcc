"""The images that a deployment names: how, for which processor, and what became of them here before."""

from __future__ import annotations

from collections.abc import Iterator

from omc.config import Environment
from omc.facts.candidates import Candidates
from omc.facts.definitions import Definition, Definitions
from omc.facts.deployed_images import DeployedImages
from omc.facts.deployments import History
from omc.facts.images import Wanted, WantedImages
from omc.facts.releases import Ledger
from omc.procedures.candidates import Setback, setbacks
from omc.procedures.preconditions.situation import Objection
from omc.procedures.preconditions.table import (
    BACK,
    BACKUP,
    CACHE,
    DATABASE,
    DEPLOY,
    MIGRATE,
    NO_IMAGE,
    OVERRIDE,
    PRUNE,
    RAN_HERE,
    REFUSE,
    RESTART,
    RESTORE,
    ROLLBACK,
    SCALE,
    STOP,
    TERRAFORM,
    UPKEEP,
    Answer,
    Cell,
    Precondition,
    Verb,
    cells,
    note,
    skip,
)
from omc.times import format_time

PROCESSORS = {"X86_64": "amd64", "ARM64": "arm64"}
"""What ECS calls a processor, to what a registry calls it."""


def named_by_a_tag(wanted: Wanted) -> Iterator[Objection]:
    if wanted.image and wanted.tags_move and "sha256:" not in wanted.requested:
        yield Objection(
            f"{wanted.image.repository} lets tags be moved, so {wanted.requested} may be another image tomorrow.",
            f"Name it by its digest, {wanted.image.digest}, or say --allow-tag.",
        )


def built_for_another(service: str, wanted: Wanted, definition: Definition) -> Iterator[Objection]:
    """For another processor than the tasks run on."""
    if wanted.image is None:
        return
    platform = definition.body.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    needed = PROCESSORS.get(platform, platform.lower())
    if wanted.image.architectures and needed not in wanted.image.architectures:
        built = " and ".join(wanted.image.architectures)
        yield Objection(
            f"The image for {service} is built for {built}, but its tasks run on {needed}.", "Build one for it."
        )


def rolled_back(
    service: str,
    wanted: Wanted,
    history: History,
    ledger: Ledger,
    deployed: DeployedImages,
    environment: Environment,
) -> Iterator[Objection]:
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
    undone = deployed.undone.get((service, wanted.image.digest))
    if last is None and undone is not None:
        when = format_time(undone.at, environment.time_zone)
        yield Objection(
            f"That image of {service}, {wanted.image.digest[:19]}, was undone by omc {when} (run {undone.run}): "
            f"{undone.why.rstrip('.')}."
        )
    if last is not None:
        when = format_time(last.at, environment.time_zone)
        why = f" ({last.why})" if last.why else ""
        yield Objection(
            f"That image of {service}, {wanted.image.digest[:19]}, was rolled back from {when}{why}: it was in "
            f"{last.task_definition}."
        )


def too_old(service: str, wanted: Wanted, ledger: Ledger) -> Iterator[Objection]:
    """An image that was released before, for a schema that a migration since has taken away."""
    floor, image = ledger.schema_floor, wanted.image
    if floor is None or image is None:
        return
    for release in ledger.releases:
        then = release.services.get(service)
        if then is None or release.schema is None or image.pinned not in then.images.values():
            continue
        if release.schema < floor:
            yield Objection(
                f"That image of {service} was release {release.number}, made for schema {release.schema}, and a "
                f"migration since removed what code before schema {floor} needs."
            )
        return


NAMED = "the image is named so that it can't change"
PROCESSOR = "the image is built for the tasks' processor"
NOT_ROLLED_BACK = "what is deployed was not rolled back from before"
VERIFIED = "what is gone back to was verified here"
SCHEMA = "the code fits the database's schema"
MIGRATION = "a migration has its task definition"

ROWS: tuple[Precondition, ...] = (
    Precondition(
        NAMED,
        None,
        (WantedImages,),
        cells(
            {
                (DEPLOY,): Cell(Answer.REFUSE, "--allow-tag accepts a tag"),
                tuple(verb for verb in Verb if verb is not DEPLOY): NO_IMAGE,
            }
        ),
    ),
    Precondition(
        PROCESSOR,
        None,
        (WantedImages,),
        cells(
            {
                (DEPLOY,): REFUSE,
                (*BACK, RESTART, *SCALE, MIGRATE): RAN_HERE,
                (*TERRAFORM, PRUNE): NO_IMAGE,
                (BACKUP, RESTORE, *UPKEEP): NO_IMAGE,
            }
        ),
    ),
    Precondition(
        NOT_ROLLED_BACK,
        None,
        (DeployedImages, Candidates),
        cells(
            {
                (DEPLOY, ROLLBACK): OVERRIDE,
                (STOP,): skip("ECS goes back to what it completed last"),
                (RESTART, *SCALE, MIGRATE): skip("what it starts is there already"),
                (*TERRAFORM, PRUNE): NO_IMAGE,
                (BACKUP, RESTORE, *UPKEEP): NO_IMAGE,
            }
        ),
    ),
    Precondition(
        VERIFIED,
        None,
        (Candidates,),
        cells(
            {
                (ROLLBACK,): OVERRIDE,
                (DEPLOY,): skip("a deployment verifies it"),
                (STOP,): skip("ECS goes back to what it completed last"),
                (RESTART, *SCALE, MIGRATE, *TERRAFORM, PRUNE): skip("it goes back to nothing"),
                (BACKUP, RESTORE, *UPKEEP): NO_IMAGE,
            }
        ),
    ),
    Precondition(
        SCHEMA,
        None,
        (Ledger,),
        cells(
            {
                (DEPLOY, ROLLBACK): OVERRIDE,
                (STOP,): skip("it is what ran a moment ago, and ECS decides"),
                (RESTART, *SCALE): skip("the same code runs already"),
                (MIGRATE,): skip("it is what brings the schema to the code"),
                (*TERRAFORM, PRUNE): NO_IMAGE,
                (BACKUP, RESTORE, *UPKEEP): NO_IMAGE,
            }
        ),
    ),
    Precondition(
        MIGRATION,
        None,
        (Definitions,),
        cells(
            {
                (DEPLOY, MIGRATE): REFUSE,
                (BACKUP, RESTORE): Cell(Answer.REFUSE, "a restored database is looked at by a task of it"),
                (DATABASE,): note("a new connection is tried by a task of it"),
                (CACHE,): skip("no task of it is run"),
                (*BACK, RESTART, *SCALE, *TERRAFORM, PRUNE): skip("it migrates nothing"),
            }
        ),
    ),
)
