"""Every write to a run and its steps, each with its event in the record, and refused to who lost the run's lease."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError

from omc.actions.action import Outcome
from omc.config.model import ApprovalPolicy
from omc.engine import processes
from omc.engine.actors import Actor
from omc.engine.heartbeats import conflict_message
from omc.engine.transitions import ACTIVE, Phase, State, StepState
from omc.errors import OmcError, Refused, WrongUse
from omc.model.plan import Plan, to_json
from omc.store import runs
from omc.store.clock import boot_clock
from omc.store.embedded import StoreUnreachable
from omc.store.ids import as_typed, unused_id
from omc.store.models import Approval, Run, StepRow
from omc.store.opened import Store, Transaction
from omc.store.redaction import plain
from omc.store.runs import LEASE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

RENEW = 2.0
"""Seconds between such words."""
SAFETY_MARGIN = 0.5
"""Seconds before the end of its lease from which a runner no longer begins anything."""
UNDO = "undo"
"""The procedure that takes an ended run back; its facts are in the store."""


class LostLease(OmcError):
    """Another process has taken the run over; this one must do nothing more with it."""


@dataclass(slots=True)
class Lease:
    """A runner's hold on its run. Renewed by a thread of its own while ``kept``."""

    store: Store
    run: str
    fence: int
    holder: str
    deadline: float
    """By ``boot_clock``: until then nobody else takes the run."""
    lost: bool = False

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew it every two seconds."""
        ending = threading.Event()
        thread = threading.Thread(target=self._keep, args=[ending], name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join(1.0)

    def _keep(self, ending: threading.Event) -> None:
        pause = RENEW
        while not ending.wait(pause) and not self.lost:
            try:
                self.renew()
                pause = RENEW
            except StoreUnreachable:
                pause = 0.5

    def renew(self) -> None:
        began = boot_clock()
        with self.store.transaction() as transaction:
            done = transaction.session.execute(
                update(Run)
                .where(Run.id == self.run, Run.fence == self.fence, Run.holder == self.holder)
                .values(lease_until=func.clock_timestamp() + timedelta(seconds=LEASE))
            )
        if not done.rowcount:  # type: ignore[attr-defined]
            self.lost = True
        elif not self.lost:
            self.deadline = began + LEASE - SAFETY_MARGIN

    def check(self) -> None:
        """Right before an effect: that the run is still ours. Raises ``LostLease``.

        A process that slept past its lease asks again; it goes on only if nobody has taken the run in the meantime.
        """
        if not self.lost and boot_clock() >= self.deadline:
            self.renew()
        if self.lost:
            raise lost(self.run)


def lost(run: str) -> LostLease:
    return LostLease(
        f"Another process has taken over the run {run}; this one did nothing more. See: omc runs show {run}"
    )


def create(
    store: Store,
    plan: Plan,
    actor: Actor,
    policy: ApprovalPolicy,
    *,
    timer: str | None = None,
    approved_before: bool = False,
    within: Transaction | None = None,
) -> Run:
    """Write the run down with its plan. ``Refused`` names the change that is active where there is one.

    ``approved_before``: its approval was given with what made it: with the run that made its timer, or with its
    maintenance. ``within``: part of this transaction.
    """
    if plan.refusals:
        raise Refused(" ".join(plan.refusals))
    needed = 0 if approved_before else int(getattr(policy, plan.risk.value))
    now = store.now()
    run = Run(
        environment=plan.environment,
        procedure=plan.procedure,
        title=plan.title,
        risk=plan.risk.value,
        plan=to_json(plan),
        plan_hash=plan.hash,
        actor=actor.name,
        actor_link=actor.link,
        actor_known=actor.words,
        actor_person=actor.person,
        undo_of=plan.request["run"] if plan.procedure == UNDO else None,
        timer=timer,
        approvals_needed=needed,
        approvals_expire_minutes=policy.expires_minutes,
        state=State.AWAITING if needed else State.READY,
        created_at=now,
        fence=0,
    )

    def write(transaction: Transaction) -> None:
        run.id = unused_id(transaction.session, now)
        rows = [
            StepRow(run=run.id, phase=Phase.PERFORM, number=number, name=step.name, state=StepState.PENDING)
            for number, step in enumerate(plan.steps, start=1)
        ]
        transaction.session.add(run)
        transaction.record("run.planned", run, approved_before=approved_before)
        transaction.session.add_all(rows)
        for row in rows:
            transaction.record("step.planned", row)

    if within is not None:
        write(within)
        return run
    ensure_no_active_run(store, plan.environment)
    try:
        with store.transaction(actor.name) as transaction:
            write(transaction)
    except IntegrityError:
        ensure_no_active_run(store, plan.environment)
        raise
    return run


def ensure_no_active_run(store: Store, environment: str, but: str | None = None) -> None:
    """``Refused`` with one sentence if a change is active in the environment."""
    with store.reading() as session:
        run = runs.active(session, environment)
    if run is not None and run.id != but:
        raise Refused(conflict_message(run, store.now()))


def find(session: Session, run: str) -> Run:
    """The run of this id, or of an id that begins so and is the only one."""
    typed = as_typed(run)
    found = session.get(Run, typed)
    if found is not None:
        return found
    like = session.execute(select(Run).where(Run.id.startswith(typed, autoescape=True)).limit(2)).scalars().all()
    if len(like) == 1 and len(typed) >= 4:
        return like[0]
    raise WrongUse(f"There is no run {run}. See: omc runs list")


def steps_of(session: Session, run: str, phase: Phase | None = None) -> list[StepRow]:
    query = select(StepRow).where(StepRow.run == run).order_by(StepRow.phase, StepRow.number)
    if phase is not None:
        query = query.where(StepRow.phase == phase)
    return list(session.execute(query).scalars())


# -- the lease ----------------------------------------------------------------------------------------------------


def claim(store: Store, run: str, actor: str) -> Lease | None:
    """Take the run for this process; None where it isn't to be had: ended, waiting, or another's who is alive."""
    holder = processes.this_process()
    began = boot_clock()
    with store.transaction(actor) as transaction:
        session = transaction.session
        lapsed = or_(Run.lease_until.is_(None), Run.lease_until < func.clock_timestamp())
        row = session.execute(
            select(Run, lapsed.label("lapsed"))
            .where(Run.id == run, Run.state.in_(ACTIVE))
            .with_for_update(skip_locked=True)
        ).first()
        if row is None or not (row.lapsed or processes.is_known_dead(row.Run.holder or "")):
            return None
        taken: Run = row.Run
        before = taken.holder
        taken.fence += 1
        taken.holder = holder
        taken.lease_until = session.execute(select(func.clock_timestamp() + timedelta(seconds=LEASE))).scalar_one()
        transaction.record("run.taken", taken, **({"over_from": before} if before else {}))
        fence = taken.fence
    return Lease(store, run, fence, holder, began + LEASE - SAFETY_MARGIN)


def claimable(session: Session) -> list[Run]:
    """Runs that nobody performs just now, the oldest first."""
    rows = session.execute(
        select(Run, or_(Run.lease_until.is_(None), Run.lease_until < func.clock_timestamp()).label("lapsed"))
        .where(Run.state.in_(ACTIVE))
        .order_by(Run.created_at)
    )
    return [row.Run for row in rows if row.lapsed or processes.is_known_dead(row.Run.holder or "")]


def release(lease: Lease, actor: str) -> None:
    """Let the run go, so that another may go on with it at once. No harm where it is another's already."""
    try:
        with held(lease, actor) as (transaction, run):
            run.holder, run.lease_until = None, None
            transaction.record("run.released", run)
    except LostLease:
        pass


@contextmanager
def held(lease: Lease, actor: str) -> Iterator[tuple[Transaction, Run]]:
    """A transaction in which the run is ours: the fence is checked under the lock that the writes need."""
    with lease.store.transaction(actor) as transaction:
        run = transaction.session.get(Run, lease.run, with_for_update=True)
        if run is None or run.fence != lease.fence or run.holder != lease.holder:
            lease.lost = True
            raise lost(lease.run)
        yield transaction, run


# -- what a runner writes -----------------------------------------------------------------------------------------


def begin(lease: Lease, actor: str) -> None:
    """The first step may be done from now on."""
    with held(lease, actor) as (transaction, run):
        if run.state == State.READY:
            run.state = State.RUNNING
            run.started_at = transaction.at
            transaction.record("run.began", run)


def await_again(lease: Lease, actor: str, why: str) -> None:
    """Back to waiting: the approvals have expired before it began."""
    with held(lease, actor) as (transaction, run):
        run.state, run.holder, run.lease_until = State.AWAITING, None, None
        transaction.record("run.awaits", run, why=why)


def intend(lease: Lease, actor: str, phase: Phase, number: int) -> StepRow:
    """Write down that the step's effect is about to be made, once more."""
    with held(lease, actor) as (transaction, _):
        row = _step(transaction.session, lease.run, phase, number)
        row.state = StepState.INTENDED
        row.attempts += 1
        row.intended_at = row.intended_at or transaction.at
        transaction.record("step.intended", row)
        return row


def checkpoint(lease: Lease, actor: str, phase: Phase, number: int, more: Mapping[str, Any]) -> Mapping[str, Any]:
    """Merge into the step's memory; what it holds now."""
    with held(lease, actor) as (transaction, _):
        row = _step(transaction.session, lease.run, phase, number)
        row.checkpoint = {**row.checkpoint, **plain(more)}
        transaction.record("step.remembered", row)
        memory: Mapping[str, Any] = row.checkpoint
        return memory


def performed(
    lease: Lease, actor: str, phase: Phase, number: int, found: Mapping[str, Any], *, already: bool
) -> StepRow:
    """The step's effect is there; ``already``: it was when we looked."""
    with held(lease, actor) as (transaction, _):
        row = _step(transaction.session, lease.run, phase, number)
        row.state = StepState.PERFORMED
        row.performed_at = transaction.at
        row.checkpoint = {**row.checkpoint, **plain(found)}
        transaction.record("step.performed", row, already=already)
        return row


def concluded(lease: Lease, actor: str, phase: Phase, number: int, outcome: Outcome) -> None:
    """The step is at its end."""
    with held(lease, actor) as (transaction, _):
        row = _step(transaction.session, lease.run, phase, number)
        row.state = StepState.ENDED
        row.verdict = outcome.verdict.value
        row.sentence = outcome.sentence
        row.evidence = plain(outcome.evidence)
        row.outputs = plain(outcome.outputs)
        row.ended_at = transaction.at
        transaction.record("step.ended", row)


def begin_undo(lease: Lease, actor: str, names: Sequence[str]) -> None:
    """From now on the run takes these steps back, in this order."""
    with held(lease, actor) as (transaction, run):
        if run.state != State.RUNNING:
            return
        run.state = State.UNDOING
        transaction.record("run.undoes", run, steps=list(names))
        for number, name in enumerate(names, start=1):
            row = StepRow(run=run.id, phase=Phase.UNDO, number=number, name=name, state=StepState.PENDING)
            transaction.session.add(row)
            transaction.record("step.planned", row)


def end(lease: Lease, actor: str, verdict: str, sentence: str) -> None:
    """The run is over."""
    with held(lease, actor) as (transaction, run):
        _end(transaction, run, verdict, sentence)


def _end(transaction: Transaction, run: Run, verdict: str, sentence: str) -> None:
    run.state, run.verdict, run.sentence = State.ENDED, verdict, sentence
    run.ended_at = transaction.at
    run.holder, run.lease_until = None, None
    transaction.record("run.ended", run)


def end_stale(lease: Lease, actor: str, verdict: str, sentence: str) -> None:
    """The run is over before it began, and whoever approved its plan has approved nothing."""
    with held(lease, actor) as (transaction, run):
        for approval in transaction.session.execute(
            select(Approval).where(Approval.run == run.id, Approval.lost_at.is_(None))
        ).scalars():
            approval.lost_at = transaction.at
            transaction.record("approval.lost", approval)
        _end(transaction, run, verdict, sentence)


def cancel(store: Store, run_id: str, actor: str) -> Run:
    """Ask the run to end as soon as it can; one that hasn't begun ends at once. The run as it is now."""
    with store.transaction(actor) as transaction:
        run = transaction.session.get(Run, find(transaction.session, run_id).id, with_for_update=True)
        assert run is not None  # it was found in this transaction and is never deleted  # noqa: S101
        if run.state == State.ENDED:
            raise WrongUse(f"The run {run.id} has ended ({run.verdict}). To take it back: omc runs undo {run.id}")
        if run.state == State.UNDOING:
            raise WrongUse(f"The run {run.id} is already being undone. See: omc runs show {run.id}")
        run.cancelled_by = actor
        transaction.record("run.cancelled", run)
        if run.state in (State.AWAITING, State.READY):
            end_unbegun(transaction, run, "Cancelled before it began. Nothing was changed.")
        return run


def end_unbegun(transaction: Transaction, run: Run, sentence: str) -> None:
    """A run that hasn't begun never will."""
    run.fence += 1  # a runner that is just about to begin is too late
    _end(transaction, run, "cancelled", sentence)


def _step(session: Session, run: str, phase: Phase, number: int) -> StepRow:
    row = session.get(StepRow, (run, phase.value, number))
    assert row is not None  # written with the plan, never deleted  # noqa: S101
    return row
