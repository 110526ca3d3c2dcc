"""What new tasks need: their image, secrets, log groups and roles; addresses, database connections, vCPUs."""

from __future__ import annotations

from collections.abc import Iterator

from omc.facts.candidates import Candidates
from omc.facts.connections import Connections, PerTask, connections_of
from omc.facts.definitions import Definition
from omc.facts.quotas import Quotas
from omc.facts.requirements import CandidateNeeds, Requirements, needs_of
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnets
from omc.output.text import counted, verb
from omc.procedures import readings
from omc.procedures.preconditions.situation import Objection, OngoingWork, Situation
from omc.procedures.preconditions.table import (
    BACKUP,
    DEPLOY,
    IN,
    IN_NEED,
    MIGRATE,
    NO_TASKS,
    NOTE,
    OUT,
    OVERRIDE,
    PRUNE,
    REFUSE,
    RESTART,
    RESTORE,
    ROLLBACK,
    ROLLED_LAST,
    SCALE,
    STAYING,
    STOP,
    TERRAFORM,
    TERRAFORMS,
    UPKEEP,
    Precondition,
    cells,
    note,
    override,
    skip,
)


def images(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        if now.images is None or work.starts is None:
            continue
        for image in work.starts.images.values():
            if problem := now.images.problems.get(image):
                yield Objection(f"{problem} {_named(work.starts)} can't start without it.", "Push it again.")


def requirements(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        if now.requirements is None or work.starts is None:
            continue
        for _, name in needs_of(work.starts):
            if problem := now.requirements.problems.get(name):
                yield Objection(f"{problem} {_named(work.starts)} can't start without it.")


def addresses(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        name = work.service.name
        if now.subnets is None or name not in now.subnets.of or now.subnets.free(name) >= work.more:
            continue
        each = ", ".join(f"{subnet.zone} {subnet.free}" for subnet in now.subnets.of[name])
        yield Objection(
            f"{counted(work.more, 'more task')} of {name} {verb(work.more, 'needs', 'need')} {work.more} "
            "addresses, and its subnets have "
            f"{now.subnets.free(name)} left ({each})."
        )


def connections(now: Situation) -> Iterator[Objection]:
    """Database connections of the old and the new tasks together."""
    if now.connections is None or now.connections.limit is None or now.services is None:
        return
    open_connections = sum(
        service.desired * now.connections.each_task.get(service.name, 0) for service in now.services.services
    )
    open_connections += sum(work.more * (_per_task(now, work).count or 0) for work in now.work if work.starts)
    if open_connections > now.connections.limit:
        yield Objection(
            f"Old and new tasks together open up to {open_connections} database connections, but PostgreSQL takes "
            f"{now.connections.limit}: the new tasks would fail.",
            "Scale in first.",
        )


def known_limit(now: Situation) -> Iterator[Objection]:
    """Neither the limit nor what a task opens is taken for enough where it isn't known."""
    known = now.connections
    if known is None:
        return
    using = [work for work in now.work if work.service.name in {*known.each_task, *known.unknown}]
    if using and known.limit is None and known.why_unknown:
        yield Objection(readings.note(Connections, known.why_unknown))
    for work in now.work:
        name = work.service.name
        why = known.unknown.get(name) or (_per_task(now, work).why_unknown if work.starts else "")
        if why:
            yield Objection(readings.note(Connections, f"how many a task of {name} opens is unknown, since {why}"))


def _per_task(now: Situation, work: OngoingWork) -> PerTask:
    configured = next((each for each in now.environment.services if each.name == work.service.name), None)
    if work.starts is None or (configured and work.starts.family == configured.migrate_family):
        return PerTask(0)  # a migration's is one of those that are reserved for it
    return connections_of(work.starts, configured)


def quota(now: Situation) -> Iterator[Objection]:
    """Fargate's vCPUs, of old and new tasks together."""
    if now.quotas is None or now.quotas.vcpus is None:
        return
    wanted, parts = now.quotas.wanted, []
    for work in now.work:
        each = now.quotas.each_task.get(work.service.name, 0.0)
        if work.more > 0 and each:
            wanted += work.more * each
            parts.append(f"{counted(work.more, 'more task')} of {work.service.name} ({each:g} vCPUs each)")
    if parts and wanted > now.quotas.vcpus:
        yield Objection(
            f"{' and '.join(parts)} make {wanted:g} vCPUs, {now.quotas.wanted:g} of them now, more than the "
            f"{now.quotas.vcpus:g} that Fargate gives this account.",
            "Ask AWS for more: Service Quotas, L-3032A538.",
        )


def _named(definition: Definition) -> str:
    """The family alone of a revision that is yet to be registered."""
    return definition.name if definition.revision else definition.family


IMAGES = "the images of new tasks are in the registry"
CONNECTIONS = "the database takes the connections of old and new tasks"

ROWS: tuple[Precondition, ...] = (
    Precondition(
        IMAGES,
        images,
        (StandingImages, Candidates),
        cells(
            {
                (DEPLOY, RESTART, OUT, MIGRATE): REFUSE,
                (ROLLBACK,): override("it may be pushed meanwhile, and there may be nothing else to go back to"),
                (STOP,): note("what still runs serves on, but a task of it that ends is not replaced"),
                (IN,): note("it starts none, but tasks that stop can't be started again"),
                TERRAFORM: TERRAFORMS,
                (PRUNE,): NO_TASKS,
                (BACKUP,): NO_TASKS,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "the secrets, parameters, log groups and roles of new tasks exist",
        requirements,
        (Requirements, CandidateNeeds),
        cells(
            {
                (DEPLOY, RESTART, OUT, MIGRATE): REFUSE,
                (ROLLBACK,): override("it may be created meanwhile, and there may be nothing else to go back to"),
                (STOP,): note("what still runs serves on, but a task of it that ends is not replaced"),
                (IN,): note("it starts none, but tasks that stop can't be started again"),
                TERRAFORM: TERRAFORMS,
                (PRUNE,): NO_TASKS,
                (BACKUP,): NO_TASKS,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "the subnets have addresses for new tasks",
        addresses,
        (Subnets,),
        cells(
            {
                (DEPLOY, RESTART, OUT): OVERRIDE,
                (ROLLBACK, MIGRATE): note("each task that ends frees an address"),
                (STOP, IN): skip("tasks stop, and few or none start"),
                TERRAFORM: TERRAFORMS,
                (PRUNE,): NO_TASKS,
                (BACKUP,): NO_TASKS,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        CONNECTIONS,
        connections,
        (Connections,),
        cells(
            {
                (DEPLOY, RESTART, OUT): OVERRIDE,
                (IN,): override("of the maximum, where that is raised"),
                (ROLLBACK,): IN_NEED,
                (STOP,): skip("tasks stop, and few or none start"),
                (MIGRATE,): skip("it opens one of those that are reserved for it"),
                TERRAFORM: TERRAFORMS,
                (PRUNE,): NO_TASKS,
                (BACKUP,): NO_TASKS,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "the database's limit of connections is known, and how many a task opens",
        known_limit,
        (Connections,),
        cells(
            {
                (DEPLOY, ROLLBACK, RESTART, *SCALE): NOTE,
                (STOP, MIGRATE): skip("its connections are not counted"),
                TERRAFORM: TERRAFORMS,
                (PRUNE,): NO_TASKS,
                (BACKUP,): NO_TASKS,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "Fargate's quota has vCPUs for new tasks",
        quota,
        (Quotas,),
        cells(
            {
                (DEPLOY, RESTART, OUT): OVERRIDE,
                (ROLLBACK,): IN_NEED,
                (STOP, IN): skip("tasks stop, and few or none start"),
                (MIGRATE,): skip("it is one task, for minutes"),
                TERRAFORM: TERRAFORMS,
                (PRUNE,): NO_TASKS,
                (BACKUP,): NO_TASKS,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
)
