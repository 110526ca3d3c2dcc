"""All that the store holds of one run, read at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from omc.engine.heartbeats import living_workers
from omc.engine.journal import find, steps_of
from omc.store.models import Approval, AuditEvent, Run, StepRow, Timer
from omc.store.opened import Store
from omc.store.timers import PENDING


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run with its steps and approvals."""

    run: Run
    steps: tuple[StepRow, ...]
    """Those of the plan, then the undos; each in order."""
    approvals: tuple[Approval, ...]
    head: str
    """The hash of the run's last event in the record."""
    timers: tuple[Timer, ...] = ()
    """Those that it set and that are still to come."""
    workers: int = 0
    """How many workers are alive, to perform them."""


def run_details(store: Store, run_id: str) -> RunDetails:
    """The account of the run of this id. ``WrongUse`` where there is none."""
    with store.reading() as session:
        run = find(session, run_id)
        approvals = session.execute(select(Approval).where(Approval.run == run.id).order_by(Approval.at)).scalars()
        head = session.execute(
            select(AuditEvent.hash).where(AuditEvent.run == run.id).order_by(AuditEvent.number.desc()).limit(1)
        ).scalar_one_or_none()
        timers = tuple(
            session.scalars(select(Timer).where(Timer.made_by == run.id, Timer.state == PENDING).order_by(Timer.due_at))
        )
        workers = len(living_workers(session)) if timers else 0
        return RunDetails(run, tuple(steps_of(session, run.id)), tuple(approvals), head or "", timers, workers)
