"""What a table of preconditions is made of: rows, columns, and what an objection means in each cell.

The rows stand beside their functions, in the modules of this package; ``omc.procedures.preflight`` walks through them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from omc.procedures.preconditions.situation import Objection, Situation


class Verb(StrEnum):
    """What is about to be done: a column. A command may be one or another, by what it is asked for."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    STOP = "rollback of a deployment in progress"
    RESTART = "restart"
    OUT = "scale out"
    IN = "scale in, set limits"
    MIGRATE = "migrate"
    APPLY = "infra apply"
    DESTROY = "infra destroy"
    PRUNE = "releases prune"
    BACKUP = "backup create, verify, prune"
    RESTORE = "backup restore"
    DATABASE = "database"
    CACHE = "cache"
    MAINTENANCE = "maintenance plan"


VERBS: Mapping[str, tuple[Verb, ...]] = {
    "deploy": (Verb.DEPLOY,),
    "rollback": (Verb.ROLLBACK, Verb.STOP),
    "restart": (Verb.RESTART,),
    "scale": (Verb.OUT, Verb.IN),
    "run-task": (Verb.MIGRATE,),
    "migrate": (Verb.MIGRATE,),
    "infra-apply": (Verb.APPLY,),
    "infra-destroy": (Verb.DESTROY,),
    "prune": (Verb.PRUNE,),
    "backup-create": (Verb.BACKUP,),
    "backup-prune": (Verb.BACKUP,),
    "backup-sweep": (Verb.BACKUP,),
    "backup-verify": (Verb.BACKUP,),
    "backup-restore": (Verb.RESTORE,),
    "maintenance": (Verb.MAINTENANCE,),
    "database-reboot": (Verb.DATABASE,),
    "database-storage": (Verb.DATABASE,),
    "database-parameter": (Verb.DATABASE,),
    "database-rotate": (Verb.DATABASE,),
    "database-certificate": (Verb.DATABASE,),
    "database-apply": (Verb.DATABASE,),
    "database-cleanup": (Verb.DATABASE,),
    "database-class": (Verb.DATABASE,),
    "database-upgrade": (Verb.DATABASE,),
    "cache-failover": (Verb.CACHE,),
    "cache-reboot": (Verb.CACHE,),
    "cache-apply": (Verb.CACHE,),
    "cache-upgrade": (Verb.CACHE,),
    "cache-valkey": (Verb.CACHE,),
    "cache-scale": (Verb.CACHE,),
}
"""By procedure of the catalogue. Any command's own task is started as a migration's is."""


class Answer(StrEnum):
    """What an objection means to a verb."""

    REFUSE = "refused"
    OVERRIDE = "refused without --override"
    NOTE = "noted"
    SKIP = "does not apply"


@dataclass(frozen=True, slots=True)
class Cell:
    """With the reason where it isn't obvious; what doesn't apply always has one."""

    answer: Answer
    why: str = ""


@dataclass(frozen=True, slots=True)
class Precondition:
    """A row."""

    holds: str
    """What is so where nothing is objected."""
    objections: Callable[[Situation], Iterator[Objection]] | None
    """None: only the command itself knows, and brings what it finds."""
    reads: tuple[type, ...]
    """A verb that it means something to must read one of these facts."""
    cells: Mapping[Verb, Cell]


DEPLOY, ROLLBACK, STOP, RESTART, OUT, IN, MIGRATE, APPLY, DESTROY, PRUNE, BACKUP, RESTORE, DATABASE, CACHE = (
    each for each in Verb if each is not Verb.MAINTENANCE
)
BACK, SCALE, TERRAFORM = (ROLLBACK, STOP), (OUT, IN), (APPLY, DESTROY)
UPKEEP = (DATABASE, CACHE)
REFUSE, OVERRIDE, NOTE = Cell(Answer.REFUSE), Cell(Answer.OVERRIDE), Cell(Answer.NOTE)


BY_STEP = Cell(Answer.SKIP, "each of its steps is looked at by itself when it begins")


def skip(why: str) -> Cell:
    return Cell(Answer.SKIP, why)


def note(why: str) -> Cell:
    return Cell(Answer.NOTE, why)


def override(why: str) -> Cell:
    return Cell(Answer.OVERRIDE, why)


def cells(by_verbs: Mapping[tuple[Verb, ...], Cell]) -> dict[Verb, Cell]:
    """Each verb's cell. ``ValueError`` where a verb has two or none; scheduling a maintenance needs none."""
    verbs = [verb for some in by_verbs for verb in some]
    if sorted(dict.fromkeys([*verbs, Verb.MAINTENANCE])) != sorted(Verb) or len(set(verbs)) < len(verbs):
        raise ValueError(f"a row must name each verb once, not {verbs}")
    found = {Verb.MAINTENANCE: BY_STEP} | {verb: cell for some, cell in by_verbs.items() for verb in some}
    return {verb: found[verb] for verb in Verb}


NO_TASKS = skip("it starts no tasks")
TERRAFORMS = skip("Terraform makes, changes and removes such things itself")
NO_IMAGE = skip("it names no image")
RAN_HERE = skip("what it starts has run here")
IN_NEED = note("it is what one does in an incident")
SERVES_ON = skip("nothing that serves changes")
ROLLED_LAST = skip("the database is what is changed; its services are only given new tasks at the end")
STAYING = skip("tasks stay and connect again; what a rotation restarts is judged by its own steps")
