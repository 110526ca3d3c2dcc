"""All that the store holds of one run, read at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from omc.engine.journal import find, steps_of
from omc.store.models import Approval, AuditEvent, Run, StepRow
from omc.store.opened import Store


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run with its steps and approvals."""

    run: Run
    steps: tuple[StepRow, ...]
    """Those of the plan, then the undos; each in order."""
    approvals: tuple[Approval, ...]
    head: str
    """The hash of the run's last event in the record."""


def run_details(store: Store, run_id: str) -> RunDetails:
    """The account of the run of this id. ``WrongUse`` where there is none."""
    with store.reading() as session:
        run = find(session, run_id)
        approvals = session.execute(select(Approval).where(Approval.run == run.id).order_by(Approval.at)).scalars()
        head = session.execute(
            select(AuditEvent.hash).where(AuditEvent.run == run.id).order_by(AuditEvent.number.desc()).limit(1)
        ).scalar_one_or_none()
        return RunDetails(run, tuple(steps_of(session, run.id)), tuple(approvals), head or "")
