"""Procedures that come round by themselves: a timer for the next time, set by whichever worker looks first.

When that is follows from the record: so long after the last run, whoever asked for it. One that was refused is tried
again a day later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from omc.store.ids import unused_id
from omc.store.models import Run, Timer
from omc.store.opened import Store
from omc.store.timers import FAILED, PENDING

RETRY_DELAY = timedelta(days=1)
"""After a time that was refused."""
FIRST = timedelta(minutes=10)
"""After which something that was never done is done: not in the moment in which a worker starts."""
_LOCK = 0x6F6D6307
"""The class of the advisory locks under which workers look, one an environment."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is to be done so often in an environment."""

    environment: str
    procedure: str
    every: timedelta
    why: str


def keep(store: Store, schedules: Iterable[Schedule], actor: str) -> list[Timer]:
    """Set the timers that are missing; which those are."""
    return [timer for one in schedules if (timer := _keep(store, one, actor)) is not None]


def _keep(store: Store, one: Schedule, actor: str) -> Timer | None:
    with store.transaction(actor) as transaction:
        session = transaction.session
        session.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(one.environment))))
        of_it = (Timer.environment == one.environment, Timer.procedure == one.procedure)
        if session.scalar(select(Timer.id).where(*of_it, Timer.state == PENDING).limit(1)) is not None:
            return None
        ran = session.scalar(
            select(func.max(Run.created_at)).where(Run.environment == one.environment, Run.procedure == one.procedure)
        )
        refused = session.scalar(select(func.max(Timer.due_at)).where(*of_it, Timer.state == FAILED))
        due = ran + one.every if ran is not None else transaction.at + FIRST
        if refused is not None and (ran is None or refused > ran):
            due = refused + min(RETRY_DELAY, one.every)
        timer = Timer(
            id=unused_id(session, transaction.at),
            environment=one.environment,
            procedure=one.procedure,
            request={},
            why=one.why,
            due_at=max(due, transaction.at),
            actor=actor,
            made_by=None,
            state=PENDING,
        )
        session.add(timer)
        transaction.record("timer.set", timer)
        return timer
