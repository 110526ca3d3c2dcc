"""Timers: what is to be done at a later moment, as rows that whichever worker is alive then takes, exactly once.

A timer becomes an ordinary run, planned from the facts of that moment. It needs no approval of its own: it was part of
what was approved with the run that made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError

from omc.engine import journal, planning
from omc.engine.actors import Actor
from omc.engine.integrity import require_unaltered_timer
from omc.engine.planning import RunContext
from omc.errors import OmcError, OtherRecord, Refused, Unknown, WrongUse
from omc.facts.active_run import ANY
from omc.store import runs
from omc.store.models import Run, Timer
from omc.store.opened import Store, Transaction
from omc.store.redaction import sentence_of
from omc.store.timers import DONE, FAILED, PENDING

CLAIM_TTL = 60.0
"""Seconds that a worker has to make a timer's plan before another may try."""
RETRY_DELAY = 30.0
"""Seconds until a timer whose facts couldn't be read, or whose environment is being changed, is tried again."""


def take_due(store: Store, environments: Sequence[str], holder: str) -> Timer | None:
    """A timer that is due, for this worker alone; ``now`` is the store's clock."""
    with store.transaction() as transaction:
        timer = transaction.session.execute(
            select(Timer)
            .where(
                Timer.state == PENDING,
                Timer.environment.in_(environments),
                Timer.due_at <= transaction.at,
                or_(Timer.lease_until.is_(None), Timer.lease_until < func.clock_timestamp()),
            )
            .order_by(Timer.due_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).scalar_one_or_none()
        if timer is not None:
            _hold(transaction, timer, holder, CLAIM_TTL)
        return timer


def _hold(transaction: Transaction, timer: Timer, holder: str, seconds: float) -> None:
    timer.holder = holder
    timer.lease_until = transaction.session.execute(
        select(func.clock_timestamp() + timedelta(seconds=seconds))
    ).scalar_one()


def make_run(site: RunContext, timer: Timer) -> Run | None:
    """The run that a due timer becomes; None where it has to wait, or can't be done and says why."""
    try:
        with site.store.reading() as session:
            require_unaltered_timer(session, timer)
        request = planning.request_from(site.procedures, timer.procedure, timer.request)
        plan = planning.make(site, timer.procedure, request, ANY)  # whoever is active is waited for, below
    except (Unknown, OtherRecord) as error:  # another's record: its own worker makes the run
        _put_off(site.store, timer, error.message)
        return None
    except OmcError as error:
        if isinstance(error, WrongUse) or not _is_in_the_way(site.store, timer.environment):
            _finish(site.store, timer, FAILED, error.message)
        else:
            _put_off(site.store, timer, error.message)
        return None
    try:
        journal.ensure_no_active_run(site.store, timer.environment)
    except Refused as error:  # also where the other change ends in this instant: the timer must not get lost
        _put_off(site.store, timer, error.message)
        return None
    if plan.refusals:
        _finish(site.store, timer, FAILED, " ".join(plan.refusals))
        return None
    policy = site.environment.approvals
    try:
        with site.store.transaction(timer.actor) as transaction:
            row = transaction.session.get(Timer, timer.id, with_for_update=True)
            if row is None or row.state != PENDING or row.holder != timer.holder:
                return None
            run = journal.create(
                site.store, plan, Actor(timer.actor), policy, timer=timer.id, approved_before=True, within=transaction
            )
            row.state, row.run = DONE, run.id
            transaction.record("timer.done", row)
            return run
    except IntegrityError:  # another change became active in this instant
        _put_off(site.store, timer, "another change is active")
        return None


def _is_in_the_way(store: Store, environment: str) -> bool:
    with store.reading() as session:
        return runs.active(session, environment) is not None


def _put_off(store: Store, timer: Timer, why: str) -> None:
    with store.transaction() as transaction:
        row = transaction.session.get(Timer, timer.id, with_for_update=True)
        if row is not None and row.state == PENDING and row.holder == timer.holder:
            _hold(transaction, row, row.holder or "", RETRY_DELAY)
            if row.sentence != (masked := sentence_of(why)):
                row.sentence = masked
                transaction.record("timer.put_off", row)


def _finish(store: Store, timer: Timer, state: str, sentence: str) -> None:
    with store.transaction(timer.actor) as transaction:
        row = transaction.session.get(Timer, timer.id, with_for_update=True)
        if row is not None and row.state == PENDING:
            row.state, row.sentence = state, sentence
            transaction.record("timer.failed", row)
