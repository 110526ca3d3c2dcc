"""What is performed is what was approved: a run whose rows were changed behind omc's back is refused.

Each row is held against the record, in which every change of every column stands, and the plan against the hash that
was approved. Whoever rewrites the record as well, chain and all, is found out by its head that was kept elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from omc.errors import Altered
from omc.model.plan import from_json
from omc.store import audit
from omc.store.models import Approval, AuditEvent, Run, StepRow, Timer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def require_unaltered(session: Session, run: Run) -> None:
    """``Altered`` unless the run, its plan, steps and approvals are what omc wrote."""
    steps = session.execute(select(StepRow).where(StepRow.run == run.id)).scalars()
    approvals = session.execute(select(Approval).where(Approval.run == run.id)).scalars()
    events = session.execute(select(AuditEvent).where(AuditEvent.run == run.id).order_by(AuditEvent.number)).scalars()
    what = audit.altered([run, *steps, *approvals], list(events), Run, StepRow, Approval)
    if not what and from_json(run.plan).hash != run.plan_hash:
        what = "plan in runs"
    if what:
        raise Altered(
            f"The run {run.id} isn't the one that was planned and approved: {what} was changed behind omc's back. "
            f"Nothing was done because of it. What else was changed: omc audit verify"
        )


def require_unaltered_timer(session: Session, timer: Timer) -> None:
    """``Altered`` unless the timer is what the run that made it was approved for."""
    key = f'"key":["{timer.id}"]'
    events = session.execute(
        select(AuditEvent)
        .where(AuditEvent.kind.startswith("timer."), AuditEvent.body.contains(key))
        .order_by(AuditEvent.number)
    ).scalars()
    if what := audit.altered([timer], list(events), Timer):
        raise Altered(
            f"The timer {timer.id} isn't the one that was approved: {what} was changed behind omc's back. Nothing was "
            "done because of it. What else was changed: omc audit verify"
        )
