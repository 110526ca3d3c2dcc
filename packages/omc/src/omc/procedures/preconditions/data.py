"""The data itself: whether what is about to be changed could be had back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from omc.config import Environment
from omc.facts.backups import Backups
from omc.facts.scope import Scope
from omc.procedures.preconditions.situation import Objection
from omc.procedures.preconditions.table import (
    BACK,
    BACKUP,
    CACHE,
    DATABASE,
    DEPLOY,
    MIGRATE,
    OVERRIDE,
    PRUNE,
    RESTART,
    RESTORE,
    SCALE,
    TERRAFORM,
    Precondition,
    cells,
    skip,
)

OLDEST = timedelta(days=1)


def no_backup(backups: Backups, environment: Environment, scope: Scope) -> Iterator[Objection]:
    """Neither a snapshot nor a point in time from the last day."""
    moments = [one.taken_at for one in backups.usable if one.taken_at]
    moments += [backups.latest] if backups.latest else []
    if not any(scope.now - each <= OLDEST for each in moments):
        yield Objection(
            f"There is no backup of {environment.database} from the last day.",
            f"Take one first: omc backup create --env {environment.name}",
        )


RECENT_BACKUP = "a backup of the database is not older than a day, before a new class or version"

ROWS: tuple[Precondition, ...] = (
    Precondition(
        RECENT_BACKUP,
        None,
        (Backups,),
        cells(
            {
                (DATABASE,): OVERRIDE,
                (CACHE,): skip("it holds copies alone"),
                (DEPLOY, *BACK, RESTART, *SCALE, PRUNE): skip("the database stays as it is"),
                (MIGRATE,): skip("what a migration may remove is judged when it is written"),
                TERRAFORM: skip("its plan names what replaces data"),
                (BACKUP,): skip("it is what takes them"),
                (RESTORE,): skip("it starts from one, and keeps the old instance"),
            }
        ),
    ),
)
