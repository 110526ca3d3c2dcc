"""The services themselves: of a kind that omc knows, wanted, and what their deployments do just now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omc.config import Environment
from omc.errors import did_you_mean
from omc.facts.definitions import Definitions
from omc.facts.deployments import History
from omc.facts.scaling import Scaling
from omc.facts.services import Deployment, EcsService, Services
from omc.judgement.service_kinds import unsupported
from omc.output.text import counted
from omc.procedures.preconditions.situation import Objection, Situation
from omc.procedures.preconditions.table import (
    APPLY,
    BACK,
    BACKUP,
    DEPLOY,
    DESTROY,
    IN,
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
    SERVES_ON,
    STAYING,
    STOP,
    TERRAFORM,
    TERRAFORMS,
    UPKEEP,
    Answer,
    Cell,
    Precondition,
    cells,
    note,
    override,
    skip,
)


@dataclass(frozen=True, slots=True)
class Rollout:
    """What the newest deployment of a service does."""

    under_way: str = ""
    """The revision that is being deployed; empty where none is."""
    status: str = ""
    """How far that is: ``in progress``, ``rollback in progress``."""
    failed: Deployment | None = None
    """The newest one, where it failed: ECS starts no more tasks of it, so it is not under way."""


def rollout_of(service: EcsService, history: History | None = None) -> Rollout:
    """From the service's own deployments, and from ECS's history of them where it was read.

    ECS leaves a deployment that failed as PRIMARY where it has none to go back to; what it replaced may still run
    beside it.
    """
    if continues := history.under_way(service.name) if history else None:
        return Rollout(continues.task_definition or "a revision", continues.status.lower().replace("_", " "))
    primary = next((each for each in service.deployments if each.status == "PRIMARY"), None)
    if primary is not None and primary.rollout == "FAILED":
        return Rollout(failed=primary)
    moving = next((each for each in service.deployments if each.rollout == "IN_PROGRESS"), None)
    if moving is None and primary is not None and primary.rollout is None:
        moving = primary if any(each.running for each in service.deployments if each is not primary) else None
    return Rollout(moving.task_definition, "in progress") if moving else Rollout()


def absent(name: str, environment: Environment, services: Services) -> str:
    """Why a service can't be changed since ECS doesn't have it; empty where it has."""
    found = next((service for service in services.services if service.name == name), None)
    cluster = environment.in_ecs(name)[0]
    where = f"in the cluster {cluster}"
    if found is not None and found.status == "ACTIVE":
        return ""
    if found is not None and found.status == "DRAINING":
        return f"The service {name} {where} is being deleted (DRAINING)."
    if services.cluster_missing and cluster in (services.missing_clusters or (cluster,)):
        return f"There is no service {name}: the cluster {cluster} does not exist."
    if found is not None:
        return f"There is no service {name} {where} any more: it was deleted ({found.status})."
    there = [service.name for service in services.services if service.status == "ACTIVE"]
    others = f"of those in omc.toml it has {', '.join(there)}" if there else "it has none of those in omc.toml"
    return (
        f"There is no service {environment.called(name)} {where}; {others}.{did_you_mean(name, there)} "
        f"Create it: omc infra apply --env {environment.name}"
    )


def there(now: Situation) -> Iterator[Objection]:
    """What a command is about, as far as it can say so in a plan."""
    for name in now.names if now.services else ():
        if now.services and (why := absent(name, now.environment, now.services)):
            yield Objection(why)


def kinds(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        yield from kind(work.service)


def kind(service: EcsService) -> Iterator[Objection]:
    """A kind of service that omc can't judge."""
    if why := unsupported(service):
        yield Objection(why)


def wanted(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        yield from zero(work.service)


def zero(service: EcsService) -> Iterator[Objection]:
    if service.desired == 0:
        yield Objection(
            f"{service.name} is scaled to zero, so it can't be seen whether new tasks of it run.",
            f"Scale it up first: omc scale {service.name} COUNT",
        )


def deploying(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        yield from in_progress(work.service, now.history)


def in_progress(service: EcsService, history: History | None) -> Iterator[Objection]:
    found = rollout_of(service, history)
    if found.under_way:
        yield Objection(
            f"A deployment of {found.under_way} to {service.name} is {found.status}.",
            "Wait for it, or go back: omc rollback",
        )


def deployed_badly(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        if failed := rollout_of(work.service, now.history).failed:
            reason = f" ({failed.rollout_reason.rstrip('.')})" if failed.rollout_reason else ""
            yield Objection(
                f"The last deployment of {work.service.name}, of {failed.task_definition}, failed{reason}: "
                "ECS starts no more tasks of it until there is another deployment."
            )


def objections(now: Situation) -> Iterator[Objection]:
    """An answer that lacks the deployments is no answer that there are none."""
    for work in now.work:
        service = work.service
        if "deployments" in service.unlisted or not service.deployments:
            yield Objection(
                f"Whether {service.name} is being deployed is not known: ECS's answer contains no deployment of it."
            )


def whole(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        service = work.service
        if service.running < service.desired:
            yield Objection(
                f"Only {service.running} of {service.desired} tasks of {service.name} run now. "
                "New ones run only where "
                "the cause is gone."
            )


def breakers(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        if not work.service.breaker:
            yield Objection(
                f"{work.service.name} has no circuit breaker that rolls back: ECS will not give up by itself."
            )


def registered(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        if work.starts is not None and not work.starts.is_active:
            name = work.service.name
            yield Objection(
                f"{work.starts.name} of {name} is {work.starts.status}: somebody deregistered it, and ECS no "
                "longer accepts "
                "it.",
                f"Register it again, with new tasks: omc deploy --force-new {name}",
            )


def autoscalers(now: Situation) -> Iterator[Objection]:
    """An autoscaler that is about to change the count would change it in the middle of a deployment."""
    for work in now.work:
        service, target = work.service, now.scaling.of(work.service.name) if now.scaling else None
        if target is None or target.suspended or target.minimum <= service.desired <= target.maximum:
            continue
        yield Objection(
            f"{service.name} wants {counted(service.desired, 'task')}, but its autoscaler keeps {target.minimum} to "
            f"{target.maximum} and is about to change that.",
            "Wait until it has.",
        )


def suspended(now: Situation) -> Iterator[Objection]:
    for work in now.work:
        target = now.scaling.of(work.service.name) if now.scaling else None
        if target and target.suspended:
            yield Objection(f"The autoscaler of {work.service.name} is suspended, so it won't follow the load.")


KEEPS_TASKS = "a service of production keeps tasks"

ROWS: tuple[Precondition, ...] = (
    Precondition(
        "the service exists and is ACTIVE",
        there,
        (Services,),
        cells(
            {
                (DEPLOY, *BACK, RESTART, *SCALE, MIGRATE): REFUSE,
                (PRUNE,): Cell(Answer.REFUSE, "what runs is not known, so neither is what nobody needs"),
                (APPLY,): skip("an apply makes what is missing"),
                (DESTROY,): skip("it goes either way"),
                (BACKUP,): skip("its task definition is what is needed, and that is looked at"),
                (RESTORE,): REFUSE,
                UPKEEP: skip("a database and a cache can be maintained without a service"),
            }
        ),
    ),
    Precondition(
        "the service is of a kind that omc knows",
        kinds,
        (Services,),
        cells(
            {
                (DEPLOY, *BACK, RESTART, *SCALE, PRUNE): Cell(Answer.REFUSE, "omc's verdict on it would be wrong"),
                (MIGRATE,): skip("a migration is a task of its own beside the service"),
                TERRAFORM: TERRAFORMS,
                (BACKUP,): SERVES_ON,
                (RESTORE,): Cell(Answer.REFUSE, "omc's verdict on it would be wrong"),
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "the service is not scaled to zero",
        wanted,
        (Services,),
        cells(
            {
                (DEPLOY, *BACK, RESTART): Cell(Answer.REFUSE, "nothing would show whether it worked"),
                SCALE: skip("it is what sets the count"),
                (MIGRATE,): skip("a migration is a task of its own beside the service"),
                TERRAFORM: TERRAFORMS,
                (PRUNE,): NO_TASKS,
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        KEEPS_TASKS,
        None,
        (Services,),
        cells(
            {
                (IN,): override("there may be a reason to serve nobody"),
                (DEPLOY, *BACK, RESTART, OUT, MIGRATE, PRUNE): skip("it leaves the count alone, or raises it"),
                TERRAFORM: skip("the count is not Terraform's after the service is made"),
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "no deployment of the service is in progress",
        deploying,
        (Services,),
        cells(
            {
                (DEPLOY, RESTART): override("it would take the other one's place"),
                (APPLY,): override("of a service that the plan changes; of another it says nothing"),
                SCALE: note("ECS goes on with the new count"),
                (MIGRATE,): note("a new environment's first tasks wait for their migration"),
                (ROLLBACK,): note("without --to it is what is stopped"),
                (STOP,): skip("it is what is stopped"),
                (DESTROY,): skip("it goes either way"),
                (PRUNE,): skip("revisions in a deployment are kept"),
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: override("tasks that start while it is away fail, and their deployment with them"),
            }
        ),
    ),
    Precondition(
        "the last deployment of the service did not fail",
        deployed_badly,
        (Services,),
        cells(
            {
                (DEPLOY,): note("another one is the way out"),
                (RESTART,): note("its tasks may fail again, but the cause may be gone"),
                SCALE: note("where none came before it, ECS starts no more tasks"),
                (ROLLBACK, MIGRATE): note("it may be why"),
                (APPLY,): note("of a service that the plan changes"),
                (STOP,): skip("one is in progress"),
                (DESTROY,): skip("it goes either way"),
                (PRUNE,): skip("revisions in a deployment are kept"),
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "ECS says which deployments the service has",
        objections,
        (Services,),
        cells(
            {
                (DEPLOY, RESTART, *SCALE): NOTE,
                (APPLY,): note("of a service that the plan changes"),
                BACK: skip("ECS's own history is read, without which there is no plan"),
                (MIGRATE,): skip("a migration is a task of its own beside the service"),
                (DESTROY,): skip("it goes either way"),
                (PRUNE,): skip("ECS's own history is read, without which there is no plan"),
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: NOTE,
            }
        ),
    ),
    Precondition(
        "all tasks that are wanted run",
        whole,
        (Services,),
        cells(
            {
                (DEPLOY, RESTART, OUT): NOTE,
                BACK: skip("that is why one goes back"),
                (IN,): NO_TASKS,
                (MIGRATE,): skip("a new environment's first tasks wait for their migration"),
                TERRAFORM: TERRAFORMS,
                (PRUNE,): NO_TASKS,
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: NOTE,
            }
        ),
    ),
    Precondition(
        "ECS gives up by itself on a deployment that fails",
        breakers,
        (Services,),
        cells(
            {
                (DEPLOY, ROLLBACK, RESTART): NOTE,
                (STOP, *SCALE, MIGRATE, *TERRAFORM, PRUNE): skip("it begins no deployment"),
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "the revision that runs is registered",
        registered,
        (Definitions,),
        cells(
            {
                (RESTART, MIGRATE): Cell(Answer.REFUSE, "ECS takes no revision that was deregistered"),
                (DEPLOY, ROLLBACK): skip("it registers the revision again"),
                (STOP,): skip("ECS goes back by itself"),
                SCALE: skip("ECS still starts tasks of it where the service is on it already"),
                TERRAFORM: TERRAFORMS,
                (PRUNE,): skip("it is what deregisters, and keeps what runs"),
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "the autoscaler is not about to change the count",
        autoscalers,
        (Scaling,),
        cells(
            {
                (DEPLOY,): OVERRIDE,
                (*BACK, RESTART): skip("ECS replaces the tasks at whatever count, and nobody waits in an incident"),
                SCALE: skip("it is what sets the count"),
                (MIGRATE, PRUNE): NO_TASKS,
                TERRAFORM: TERRAFORMS,
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
    Precondition(
        "the autoscaler is not suspended",
        suspended,
        (Scaling,),
        cells(
            {
                (DEPLOY, *SCALE): NOTE,
                (*BACK, RESTART): skip("ECS replaces the tasks at whatever count, and nobody waits in an incident"),
                (MIGRATE, PRUNE): NO_TASKS,
                TERRAFORM: TERRAFORMS,
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
)
