"""Who may let a run begin: counted by the policy of its environment, bound to the plan's hash, and never one's own.

They guard against haste and against mistakes, not against somebody who holds the same AWS credentials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from omc.config.model import ApprovalPolicy
from omc.config.people import canonical_name
from omc.engine import journal
from omc.engine.actors import Actor
from omc.engine.github import ExternalApproval
from omc.engine.integrity import require_unaltered
from omc.engine.transitions import State
from omc.errors import Refused, WrongUse
from omc.incidents.document import state_of
from omc.incidents.model import BREAK_GLASS, Incident
from omc.model.plan import Risk
from omc.store import incidents, runs
from omc.store.eventlog import Conflict
from omc.store.models import Approval, Run
from omc.store.opened import Store, Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """Going ahead without the approvals that the policy wants."""

    reason: str
    incident: int
    """The number of an incident that is open in the run's environment; how bad it is, its record says."""


@dataclass(frozen=True, slots=True)
class Emergency:
    """A break-glass that may be: why, and in which SEV-1."""

    reason: str
    incident: Incident


def valid_approvals(session: Session, run: Run, now: datetime) -> list[Approval]:
    """The approvals of the run's plan that count now: not expired, and a break-glass only while its SEV-1 lasts."""
    rows = session.execute(
        select(Approval)
        .where(Approval.run == run.id, Approval.plan_hash == run.plan_hash, Approval.lost_at.is_(None))
        .order_by(Approval.at)
    ).scalars()
    return [row for row in rows if now < row.expires_at and (row.incident is None or _lasts(session, run, row))]


def _lasts(session: Session, run: Run, approval: Approval) -> bool:
    """Whether its SEV-1 has been one ever since. What lapsed stays so, also where the incident is opened again: then it
    is asked for again."""
    found = incidents.find(session, run.environment, int(approval.incident or 0))
    return (
        found is not None
        and found.is_open
        and found.severity == BREAK_GLASS
        and not found.has_lapsed_since(approval.at)
    )


def is_approved(run: Run, approvals: Sequence[Approval]) -> bool:
    """Whether they let the run begin."""
    return len(_others(run, approvals)) >= run.approvals_needed or any(approval.break_glass for approval in approvals)


def missing(run: Run, approvals: Sequence[Approval]) -> int:
    """How many more people must say yes."""
    return 0 if is_approved(run, approvals) else run.approvals_needed - len(_others(run, approvals))


def _others(run: Run, approvals: Sequence[Approval]) -> set[str]:
    """The people who said yes, each once whatever the door, and never whoever asked."""
    people = {approval.person or _person(approval.by) for approval in approvals}
    return people - {run.actor_person or _person(run.actor)}


def _person(name: str) -> str:
    """Of a row that was written before people were."""
    return canonical_name(name.removeprefix("github:"))


def approve(
    store: Store,
    run_id: str,
    actor: Actor,
    policy: ApprovalPolicy,
    *,
    break_glass: BreakGlass | None = None,
    plan_hash: str | None = None,
) -> Run:
    """One person's yes; the run as it is afterwards. ``Refused`` says why it doesn't count.

    ``plan_hash`` is the beginning of the hash that the person has looked at, where they say so.
    """
    return _twice(lambda: _approve(store, run_id, actor, policy, break_glass, plan_hash))


def _approve(
    store: Store,
    run_id: str,
    actor: Actor,
    policy: ApprovalPolicy,
    break_glass: BreakGlass | None,
    plan_hash: str | None,
) -> Run:
    if not actor.is_certain:
        raise Refused(f"An approval must belong to a person, and omc can't tell who this is: {actor.words}.")
    with store.transaction(actor.name) as transaction:
        run = _locked(transaction, run_id)
        require_unaltered(transaction.session, run)
        _require_waiting(run, plan_hash)
        emergency = _emergency(transaction, run, policy, break_glass) if break_glass else None
        if emergency is None:
            _refuse_own(run, actor)
        _give(transaction, run, actor, emergency)
        _make_ready(transaction, run)
        return run


def refuse(store: Store, run_id: str, actor: Actor, reason: str, plan_hash: str | None = None) -> Run:
    """One person's no: the run ends before it began. The run as it is then. ``plan_hash`` as for a yes. Whoever asked
    for the change may take it back so too."""
    if not reason.strip():
        raise WrongUse("Say why: whoever asked for the change reads it.")

    def attempt() -> Run:
        with store.transaction(actor.name) as transaction:
            run = _locked(transaction, run_id)
            require_unaltered(transaction.session, run)
            _require_waiting(run, plan_hash)
            run.cancelled_by = actor.name
            transaction.record("run.refused", run, reason=reason)
            sentence = f"{actor.words} refused it: {' '.join(reason.split()).rstrip('.')}. Nothing was changed."
            journal.end_unbegun(transaction, run, sentence)
            return run

    return _twice(attempt)


def _require_waiting(run: Run, plan_hash: str | None) -> None:
    """Whether a yes or a no to this plan can be said."""
    if run.state != State.AWAITING:
        raise WrongUse(f"The run {run.id} doesn't wait for an approval: it {_state_in_words(run)}.")
    if plan_hash is not None and (len(plan_hash) < 8 or not run.plan_hash.startswith(plan_hash.lower())):
        raise Refused(
            f"The plan of {run.id} has the hash {run.plan_hash[:12]} and not {plan_hash}; look at it again: "
            f"omc runs show {run.id}"
        )


def record_given(store: Store, run_id: str, provided: Sequence[ExternalApproval]) -> None:
    """Write down approvals that were given elsewhere, and let the run be ready if they are enough."""
    if provided:
        _twice(lambda: _record_given(store, run_id, provided))


def _record_given(store: Store, run_id: str, provided: Sequence[ExternalApproval]) -> Run:
    with store.transaction(provided[0].by) as transaction:
        run = _locked(transaction, run_id)
        for each in provided:
            person = Actor(each.by, each.link, each.known, each.of)
            _refuse_own(run, person)
            _give(transaction, run, person)
        _make_ready(transaction, run)
        return run


def ready_if_approved(store: Store, run_id: str, actor: str) -> Run:
    """Let a waiting run be ready if it may: somebody approved it, or what was in its way has ended."""

    def look() -> Run:
        with store.transaction(actor) as transaction:
            run = _locked(transaction, run_id)
            if run.state == State.AWAITING:
                _make_ready(transaction, run)
            return run

    return _twice(look)


def _twice(attempt: object) -> Run:
    """What happens in the same instant, another run that becomes ready or an incident that ends, is seen at the second
    look."""
    assert callable(attempt)  # noqa: S101
    try:
        run: Run = attempt()
    except (IntegrityError, Conflict):
        run = attempt()
    return run


def _locked(transaction: Transaction, run_id: str) -> Run:
    found = journal.find(transaction.session, run_id)
    run = transaction.session.get(Run, found.id, with_for_update=True, populate_existing=True)
    assert run is not None  # runs are never deleted  # noqa: S101
    return run


def _refuse_own(run: Run, actor: Actor) -> None:
    if actor.person != (run.actor_person or _person(run.actor)):
        return
    who = f"{actor.name} asked for {run.id}"
    if actor.name != run.actor:
        who = f"{actor.name} is the same person as {run.actor}, who asked for {run.id},"
    raise Refused(f"{who} and can't approve it too. Ask another person: omc approve {run.id}")


def _emergency(transaction: Transaction, run: Run, policy: ApprovalPolicy, glass: BreakGlass) -> Emergency:
    """Why the approvals may be passed over. ``Refused`` where they may not."""
    if run.risk != Risk.HIGH or not policy.break_glass:
        raise Refused(
            f"The policy of {run.environment} allows no break-glass for a plan of {run.risk} risk. It needs approvals: "
            f"omc approve {run.id}"
        )
    if len(glass.reason.strip()) < 10:
        raise WrongUse('Break-glass needs a reason that others can read later: --break-glass "…"')
    named = f"incident {glass.incident} of {run.environment}"
    opening = f'omc incident open --env {run.environment} --severity {BREAK_GLASS} "what users suffer"'
    incident = incidents.unchanged(transaction, run.environment, glass.incident)
    if incident is None:
        raise Refused(
            f"Break-glass is for a SEV-{BREAK_GLASS} that is open, and there is no {named}. Open it: {opening}"
        )
    if not incident.is_open:
        raise Refused(
            f"Break-glass is for a SEV-{BREAK_GLASS} that is open, and {named} is {state_of(incident)}. Is it another? "
            f"{opening}"
        )
    if incident.severity != BREAK_GLASS:
        raise Refused(
            f"Break-glass is for a SEV-{BREAK_GLASS}, and {named} is a SEV-{incident.severity}. Ask for an approval: "
            f"omc approve {run.id}. If it has become worse: omc incident severity {incident.number} {BREAK_GLASS} "
            f"--env {run.environment}"
        )
    return Emergency(glass.reason, incident)


def _give(transaction: Transaction, run: Run, actor: Actor, emergency: Emergency | None = None) -> None:
    session, now = transaction.session, transaction.at
    approval = session.execute(
        select(Approval).where(
            Approval.run == run.id, Approval.plan_hash == run.plan_hash, Approval.person == actor.person
        )
    ).scalar_one_or_none()
    if approval is not None and emergency is None and approval in valid_approvals(session, run, now):
        before = f", as {approval.by}" if approval.by != actor.name else ""
        raise Refused(
            f"{actor.name} has approved {run.id} already{before}; it wants {run.approvals_needed} different people."
        )
    if approval is None:
        approval = Approval(run=run.id, plan_hash=run.plan_hash, by=actor.name, person=actor.person)
        session.add(approval)
    approval.by, approval.known = actor.name, actor.words
    approval.link, approval.at, approval.lost_at = actor.link, now, None
    approval.expires_at = now + timedelta(minutes=run.approvals_expire_minutes)
    approval.break_glass = approval.incident = None
    details: dict[str, object] = {}
    if emergency is not None:
        approval.break_glass, approval.incident = emergency.reason, str(emergency.incident.number)
        details = {"severity": emergency.incident.severity, "approvals_passed_over": run.approvals_needed}
    transaction.record("approval.break_glass" if emergency else "approval.given", approval, **details)


def _make_ready(transaction: Transaction, run: Run) -> None:
    """Unless approvals are missing, or another change is active: then it becomes ready when that has ended."""
    if not is_approved(run, valid_approvals(transaction.session, run, transaction.at)):
        return
    if runs.active(transaction.session, run.environment) is None:
        run.state = State.READY
        transaction.record("run.ready", run)


def _state_in_words(run: Run) -> str:
    if run.state == State.ENDED:
        return f"has ended ({run.verdict})"
    return f"is {run.state}"


def in_words(run: Run, approvals: Sequence[Approval]) -> str:
    """What a waiting run waits for."""
    more = missing(run, approvals)
    if not more:
        return "It is approved, and waits until another change of the environment has ended."
    people = "one other person" if more == 1 else f"{more} other people"
    provided = (
        f" Approved by {', '.join(approval.known or approval.by for approval in approvals)}." if approvals else ""
    )
    return f"It waits for {people} to approve it: omc approve {run.id}.{provided}"


def expiry_in_words(approval: Approval) -> str:
    return f"{approval.expires_at.astimezone(UTC):%H:%M} UTC"
