"""Being with a run until it has ended, whoever performs it: this process, another one, or nobody yet.

The one loop that commands, the worker and services share. It says what happens to an observer, waits for approvals,
follows a run that another process holds, and returns what became of it. What is shown of that, and which exit code it
is, the caller decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omc.engine import approvals, execution, heartbeats, journal, processes
from omc.engine.actors import Actor
from omc.engine.github import ExternalApproval
from omc.engine.planning import RunContext
from omc.engine.runner import Reporter
from omc.engine.transitions import State
from omc.facts.home import settle_record
from omc.interrupts import reraise_interrupts
from omc.model.plan import Plan
from omc.store.models import Run

POLL_INTERVAL = 1.0
"""Seconds between looks whether a run that waits for approval may begin."""
FOLLOW_INTERVAL = 0.5
"""Seconds between looks at a run that another process holds."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The run has come to its end: its verdict and sentence say how."""

    run: Run


@dataclass(frozen=True, slots=True)
class Stale:
    """The facts have changed since the plan was made, so the run has ended before its first step."""

    sentence: str
    plan: Plan | None
    """The plan as it would be now; None where there is none."""


@dataclass(frozen=True, slots=True)
class AwaitsApproval:
    """The run may not begin yet: people are to approve it, or another change is to end first."""

    sentence: str


@dataclass(frozen=True, slots=True)
class HeldElsewhere:
    """Another process has the run."""

    sentence: str = ""
    """Where it was taken from this process: that."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody interrupted the wait, or the work. A run that hasn't ended is kept as it is, to be resumed."""

    sentence: str


def start(
    site: RunContext, plan: Plan, actor: Actor, observer: Reporter, approved: Sequence[ExternalApproval] = ()
) -> Run:
    """Write the plan down as a run, with the approvals that were given elsewhere. ``Refused`` while another change of
    the environment is active."""
    settle_record(site.store, site.reads, actor.name)
    run = journal.create(site.store, plan, actor, site.environment.approvals)
    observer.note(f"Run {run.id} by {actor.words}")
    approvals.record_given(site.store, run.id, approved)
    return run


def perform(
    site: RunContext,
    run_id: str,
    actor: str,
    observer: Reporter,
    *,
    wait: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Ended | Stale | AwaitsApproval | Interrupted:
    """Be with a run until it has ended, performing it where nobody else does.

    ``wait``: also for approvals; else ``AwaitsApproval`` is returned. Raises ``RunPaused`` where this process can't
    continue it, and ``Altered`` where it isn't what was approved.
    """
    try:
        with reraise_interrupts():
            return _until_ended(site, run_id, actor, observer, wait, sleep)
    except KeyboardInterrupt:
        return Interrupted(_interrupted(site, run_id))


def attempt(
    site: RunContext, run_id: str, actor: str, observer: Reporter, sleep: Callable[[float], None] = time.sleep
) -> Ended | Stale | AwaitsApproval | HeldElsewhere:
    """Perform the run if it may begin and nobody holds it; waits for nothing else. Raises as ``perform`` does."""
    run = execution.read(site, run_id)
    if run.state == State.AWAITING:
        run = approvals.ready_if_approved(site.store, run_id, actor)
    if run.state == State.AWAITING:
        return AwaitsApproval(_what_it_waits_for(site, run))
    if run.state == State.ENDED:
        return Ended(run)
    try:
        if execution.execute(site, run_id, actor, observer, sleep=sleep):
            return Ended(execution.read(site, run_id))
        return HeldElsewhere()
    except execution.Stale as error:
        return Stale(error.message, error.plan)
    except execution.NotApproved as error:
        return AwaitsApproval(error.message)
    except journal.LostLease as error:
        return HeldElsewhere(error.message)


def _until_ended(
    site: RunContext, run_id: str, actor: str, observer: Reporter, wait: bool, sleep: Callable[[float], None]
) -> Ended | Stale | AwaitsApproval:
    follower = Follower(site, run_id, observer)
    message = ""
    while True:
        outcome = attempt(site, run_id, actor, observer, sleep)
        if isinstance(outcome, HeldElsewhere):
            if outcome.sentence:
                observer.note(outcome.sentence)
            follower.look()
            sleep(FOLLOW_INTERVAL)
            continue
        if not isinstance(outcome, AwaitsApproval):
            return outcome
        if outcome.sentence != message:
            observer.note(outcome.sentence)
            if not message and site.store.place.folder is not None and not site.environment.is_local:
                observer.note(
                    f"The record is in {site.store.place}, so only people at this machine can approve. For a team, set "
                    "[store] url in omc.toml."
                )
            message = outcome.sentence
        if not wait:
            return outcome
        observer.waiting("waiting for approval; Ctrl-C leaves the run as it is")
        sleep(POLL_INTERVAL)


def _what_it_waits_for(site: RunContext, run: Run) -> str:
    with site.store.reading() as session:
        waits = approvals.in_words(run, approvals.valid_approvals(session, run, site.store.now()))
    return f"{waits} Plan {run.plan_hash[:12]}; see omc runs show {run.id}."


def _interrupted(site: RunContext, run_id: str) -> str:
    run = execution.read(site, run_id)
    if run.state == State.ENDED:
        return f"Interrupted; the run {run.id} had ended already: {run.verdict}. {run.sentence}"
    with site.store.reading() as session:
        working = bool(heartbeats.living_workers(session))
    more = "A worker is running and continues it. " if working else ""
    return (
        f"Interrupted. The run {run.id} stays as it is ({run.state}). {more}To continue it here: omc runs resume "
        f"{run.id}. To end it: omc runs cancel {run.id}"
    )


class Follower:
    """Says what another process does with a run, each thing once."""

    def __init__(self, site: RunContext, run_id: str, observer: Reporter) -> None:
        self._site, self._run, self._observer = site, run_id, observer
        self._said: dict[tuple[str, int], str] = {}
        self._holder: str | None = None

    def look(self) -> None:
        """Say what is new since the last look."""
        with self._site.store.reading() as session:
            run = journal.find(session, self._run)
            steps = journal.steps_of(session, self._run)
        if run.holder and run.holder != self._holder:
            self._holder = run.holder
            self._observer.note(f"{processes.shown(run.holder)} has the run; following it.")
        for row in steps:
            key, message = (row.phase, row.number), row.verdict or row.state
            if row.state != "pending" and self._said.get(key) != message:
                self._said[key] = message
                self._observer.note(f"[{row.phase} {row.number}] {row.name}: {message}. {row.sentence or ''}".rstrip())
