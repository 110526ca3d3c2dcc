"""The table of timers, read: what is to be done later, and the ways back on which ECS was told to heed no alarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from omc.store.models import Run, StepRow, Timer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PENDING, DONE, FAILED, CANCELLED = "pending", "done", "failed", "cancelled"
LOOKED_AT = 20
"""Runs, the newest: what an older one left off has been applied over since."""


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
        .where(Run.environment == environment, Run.procedure == "scale", Run.verdict == "succeeded")
        .order_by(Run.created_at.desc())
        .limit(LOOKED_AT)
    )
    return list(session.execute(query).scalars())


def steps_with_alarms_off(session: Session, environment: str) -> list[tuple[Run, StepRow]]:
    """Steps that turned a service's deployment alarms off, newest first; whether they are off still, ECS knows."""
    newest = select(Run.id).where(Run.environment == environment).order_by(Run.created_at.desc()).limit(LOOKED_AT)
    query = (
        select(Run, StepRow)
        .join(StepRow, StepRow.run == Run.id)
        .where(Run.id.in_(newest.scalar_subquery()))
        .order_by(Run.created_at.desc(), StepRow.number.desc())
    )
    return [(run, step) for run, step in session.execute(query) if (step.checkpoint or {}).get("alarms")]
