"""One run from its claim to its verdict in this process: approved still, not stale, then performed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from omc.actions.action import Verdict
from omc.engine import approvals, integrity, journal, planning, record_heads
from omc.engine.journal import Lease, LostLease
from omc.engine.planning import RunContext
from omc.engine.runner import Reporter, Runner, RunPaused
from omc.engine.transitions import State
from omc.errors import Altered, OmcError, Refused, Unknown
from omc.model.plan import Plan
from omc.store.embedded import StoreUnreachable
from omc.store.models import Run


class Stale(Refused):
    """The facts have changed since the plan was made: it was not begun."""

    def __init__(self, message: str, plan: Plan | None) -> None:
        super().__init__(message)
        self.plan = plan
        """The plan as it would be now."""


class NotApproved(Refused):
    """The approvals have lapsed before the run began; it waits again."""


def execute(
    site: RunContext, run: str, actor: str, reporter: Reporter, *, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Claim the run and perform it to its end; whether it could be claimed.

    Raises ``Stale``, ``NotApproved``, ``Stuck`` (kept, to be resumed) and ``LostLease``. On any way out by an error the
    run is let go, so that another may go on at once.
    """
    lease = journal.claim(site.store, run, actor)
    if lease is None:
        return False
    try:
        _begin(site, lease, actor)
        Runner(site, lease, actor, reporter, sleep).execute()
    except LostLease:
        raise
    except Altered as error:
        _end_altered(lease, actor, error)
        raise
    except BaseException:
        release(lease, actor)
        raise
    for problem in record_heads.keep(site):
        reporter.note(problem)
    return True


def release(lease: Lease, actor: str) -> None:
    """So that nobody has to wait for the lease to run out; where the store is gone it runs out by itself."""
    with suppress(StoreUnreachable):
        journal.release(lease, actor)


def _end_altered(lease: Lease, actor: str, error: Altered) -> None:
    """A run that may not go on must not keep its environment from being changed. What a run had done before it was
    altered can't be told from its rows."""
    with suppress(StoreUnreachable, LostLease, Altered), lease.store.reading() as session:
        has_begun = journal.find(session, lease.run).started_at is not None
        verdict = Verdict.UNKNOWN if has_begun else Verdict.FAILED
        journal.end_stale(lease, actor, verdict.value, error.message)


def _begin(site: RunContext, lease: Lease, actor: str) -> None:
    with site.store.reading() as session:
        run = journal.find(session, lease.run)
        integrity.require_unaltered(session, run)
    if run.state != State.READY:
        return
    with site.store.reading() as session:
        approved = approvals.is_approved(run, approvals.valid_approvals(session, run, site.store.now()))
    if not approved:
        journal.await_again(lease, actor, "the approvals have expired")
        raise NotApproved(
            f"The approvals of {run.id} have expired, or the SEV-1 of its break-glass was resolved. It needs new ones: "
            f"omc approve {run.id}"
        )
    with lease.kept():
        _refuse_stale(site, lease, actor, run)
    lease.check()
    journal.begin(lease, actor)


def _refuse_stale(site: RunContext, lease: Lease, actor: str, run: Run) -> None:
    try:
        fresh = planning.make(
            site, run.procedure, planning.request_from(site.procedures, run.procedure, run.plan["request"]), run.id
        )
    except Unknown as error:
        raise RunPaused(
            f"{error.message} The run {run.id} hasn't begun; try again with omc runs resume {run.id}, or end it with "
            f"omc runs cancel {run.id}"
        ) from error
    except OmcError as error:
        sentence = f"{error.message} Nothing was changed."
        journal.end_stale(lease, actor, Verdict.FAILED.value, sentence)
        raise Stale(sentence, None) from error
    if fresh.hash == run.plan_hash and not fresh.refusals:
        return
    why = " ".join(fresh.refusals) or "what it was based on has changed since it was made"
    sentence = (
        f"The plan is stale: {why}. Nothing was changed." if not fresh.refusals else f"{why} Nothing was changed."
    )
    journal.end_stale(lease, actor, Verdict.FAILED.value, sentence)
    raise Stale(sentence, fresh)


def read(site: RunContext, run: str) -> Run:
    with site.store.reading() as session:
        return journal.find(session, run)
