"""What every command that changes something looks at first: one list of preconditions, and by command what each means.

Why they differ: a deployment can wait, so what it would run into refuses it. A rollback, a restart and a scale out are
what one does *in* an incident, so the incident itself only shows in their notes; they are refused for what would make
them fail. The rows are in ``omc.procedures.preconditions``; docs/preflight.md is made of them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from omc.config import Environment, Service
from omc.errors import Refused, WrongUse, did_you_mean
from omc.facts.definitions import Definition, Definitions
from omc.facts.deployments import History
from omc.facts.services import EcsService, Services
from omc.procedures.preconditions import circumstances, data, images, tasks
from omc.procedures.preconditions import services as of_services
from omc.procedures.preconditions.situation import Objection, Situation
from omc.procedures.preconditions.table import Answer, Precondition, Verb

TABLE: tuple[Precondition, ...] = (*circumstances.ROWS, *of_services.ROWS, *images.ROWS, *tasks.ROWS, *data.ROWS)
"""In the order in which a plan names what speaks against it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not."""

    sentence: str
    overridable: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What the list says of a change."""

    refusals: tuple[str, ...]
    overridden: tuple[str, ...]
    """What would have been refused, with the reason that was given."""
    notes: tuple[str, ...]


def examine(
    verb: Verb, now: Situation, override: str = "", own: Mapping[str, Iterable[Objection]] | None = None
) -> Found:
    """Every row of the table that means something to the verb, in the table's order.

    ``own``: by ``holds``, the objections that the command itself brings. ``KeyError`` for a row that doesn't exist or
    isn't the verb's.
    """
    brought = {name: list(objections) for name, objections in (own or {}).items()}
    refusals: list[Refusal] = []
    notes: list[str] = []
    for row in TABLE:
        answer = row.cells[verb].answer
        mine = brought.pop(row.holds, []) if answer is not Answer.SKIP else []
        if answer is Answer.SKIP:
            continue
        for objection in [*(row.objections(now) if row.objections else ()), *mine]:
            if answer is Answer.NOTE:
                notes.append(objection.sentence)
            else:
                refusals.append(Refusal(objection.whole, overridable=answer is Answer.OVERRIDE))
    if brought:
        raise KeyError(f"no rows of {verb}: {sorted(brought)}")
    stand, overridden = kept_or_overridden(refusals, override)
    return Found(stand, overridden, tuple(dict.fromkeys(notes)))


def kept_or_overridden(refusals: Iterable[Refusal], override: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
    return tuple(dict.fromkeys(stand)), tuple(dict.fromkeys(notes))


def named_services(names: Sequence[str], environment: Environment, every: str = "") -> list[Service]:
    """Those of omc.toml that were named, in its order; all where none was. ``WrongUse`` for another.

    ``every``: a word that names all of them too.
    """
    there = {service.name: service for service in environment.services}
    for name in names:
        if name not in there and name != every:
            raise WrongUse(
                f'{environment.name} has no service "{name}"; it has {", ".join(there)}.'
                f"{did_you_mean(name, list(there))}"
            )
    return [service for name, service in there.items() if not names or every in names or name in names]


def require_services(names: Iterable[str], environment: Environment, services: Services) -> dict[str, EcsService]:
    """What ECS says of them. ``Refused``, in one sentence, where one of them isn't there or is being deleted."""
    for name in names:
        if why := of_services.absent(name, environment, services):
            raise Refused(why)
    return {service.name: service for service in services.services}


def running_revision(service: EcsService, definitions: Definitions) -> Definition:
    """``Refused`` where ECS doesn't know what the service runs."""
    found = definitions.running.get(service.name)
    if found is None:
        raise Refused(
            f"ECS doesn't know {service.task_definition or 'any task definition'}, which {service.name} is on. Put the "
            "service on a revision that is there first (aws ecs update-service), then try again."
        )
    return found


def service_refusals(service: EcsService, history: History) -> Iterator[Refusal]:
    """What a deployment is refused for by the service alone: the table's rows for one service, without an environment.

    For scripts that ask of one service; omc's own commands walk through the whole table."""
    if service.status != "ACTIVE":
        yield Refusal(f"{service.name} is {service.status}, not ACTIVE.")
    answers = {row.objections: row.cells[Verb.DEPLOY].answer for row in of_services.ROWS}
    for row, objections in (
        (of_services.kinds, of_services.kind(service)),
        (of_services.wanted, of_services.zero(service)),
        (of_services.deploying, of_services.in_progress(service, history)),
    ):
        for objection in objections if answers[row] in (Answer.REFUSE, Answer.OVERRIDE) else ():
            yield Refusal(objection.whole, overridable=answers[row] is Answer.OVERRIDE)
