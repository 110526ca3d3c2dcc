"""The table of timers: what is to be done later; and the rollbacks for which ECS was told to ignore alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from omc.errors import WrongUse
from omc.store import homes
from omc.store.ids import as_typed, unused_id
from omc.store.models import Run, StepRow, Timer
from omc.store.opened import Store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PENDING, DONE, FAILED, CANCELLED = "pending", "done", "failed", "cancelled"
LOOKED_AT = 20
"""How many of the newest runs are looked at: what an older one left behind has been applied over since."""


def pending(session: Session, environments: Sequence[str] | None = None) -> list[Timer]:
    """Those to come, the next first."""
    query = select(Timer).where(Timer.state == PENDING).order_by(Timer.due_at)
    if environments is not None:
        query = query.where(Timer.environment.in_(environments))
    return list(session.execute(query).scalars())


def scaled(session: Session, environment: str) -> list[Run]:
    """Runs of ``omc scale`` that succeeded, newest first."""
    query = (
        select(Run)
        .where(
            Run.environment == environment,
            Run.procedure == "scale",
            Run.verdict == "succeeded",
            Run.created_at >= homes.since(session, environment),
        )
        .order_by(Run.created_at.desc())
        .limit(LOOKED_AT)
    )
    return list(session.execute(query).scalars())


def steps_with_alarms_off(session: Session, environment: str) -> list[tuple[Run, StepRow]]:
    """Steps that turned a service's deployment alarms off, newest first; only ECS knows whether they are still off."""
    ours = (Run.environment == environment, Run.created_at >= homes.since(session, environment))
    newest = select(Run.id).where(*ours).order_by(Run.created_at.desc()).limit(LOOKED_AT)
    query = (
        select(Run, StepRow)
        .join(StepRow, StepRow.run == Run.id)
        .where(Run.id.in_(newest.scalar_subquery()))
        .order_by(Run.created_at.desc(), StepRow.number.desc())
    )
    return [(run, step) for run, step in session.execute(query) if (step.checkpoint or {}).get("alarms")]


def set_timer(
    store: Store,
    environment: str,
    procedure: str,
    request: Mapping[str, Any],
    due_at: datetime,
    *,
    why: str,
    actor: str,
    made_by: str | None = None,
) -> Timer:
    """Have ``procedure`` done for ``request`` from ``due_at`` on. ``made_by`` is the run that it belongs to; asking
    twice for the same thing from the same run gives the one timer that there is."""
    with store.transaction(actor) as transaction:
        session = transaction.session
        if made_by is not None:
            there = session.execute(
                select(Timer).where(Timer.made_by == made_by, Timer.procedure == procedure, Timer.state == PENDING)
            ).scalars()
            for timer in there:
                if timer.request == request:
                    return timer
        timer = Timer(
            id=unused_id(session, transaction.at),
            environment=environment,
            procedure=procedure,
            request=dict(request),
            why=why,
            due_at=due_at,
            actor=actor,
            made_by=made_by,
            state=PENDING,
        )
        session.add(timer)
        transaction.record("timer.set", timer)
        return timer


def cancel(store: Store, timer_id: str, actor: str) -> Timer:
    """Cancel a timer, so that it will not be carried out."""
    with store.transaction(actor) as transaction:
        timer = transaction.session.get(Timer, as_typed(timer_id), with_for_update=True)
        if timer is None:
            raise WrongUse(f"There is no run and no timer {timer_id}. See: omc runs list")
        if timer.state != PENDING:
            raise WrongUse(f"The timer {timer.id} is {timer.state} already.")
        timer.state, timer.cancelled_by = CANCELLED, actor
        transaction.record("timer.cancelled", timer)
        return timer
