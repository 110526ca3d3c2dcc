"""Whether a run is performed just now: by when its runner was heard of last, not by the state that it was left in.

A runner renews its lease every two seconds. One that has died leaves ``running`` behind, for whoever looks next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from omc.config import Environment
from omc.engine import processes
from omc.engine.transitions import ACTIVE, State
from omc.facts.active_run import ANY, ActiveRun, OwnRun
from omc.facts.collector import reads
from omc.facts.workers import Workers
from omc.store.models import Run, WorkerRow
from omc.store.opened import Store
from omc.store.runs import LEASE, active
from omc.times import format_duration

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What is true of a run at one moment."""

    state: str
    """For a table: its verdict, its state, or what became of it since."""
    sentence: str = ""
    """With what to do about it; empty where it goes on, waits or has ended."""
    at: datetime | None = None
    """When its runner was heard of last; None where none has it."""

    @property
    def is_active(self) -> bool:
        return not self.sentence


def status_of(run: Run, now: datetime) -> RunStatus:
    """``now``: by the store's clock, as the lease is."""
    if run.state not in ACTIVE:
        return RunStatus(run.verdict or run.state)
    resume = f"omc runs resume {run.id} --env {run.environment}"
    if run.holder is None or run.lease_until is None:
        if run.state == State.READY:
            return RunStatus(run.state, f"Nobody has started it. Start it: {resume}")
        return RunStatus("left", f"No process is performing it: its own gave it up. Continue it: {resume}")
    at = run.lease_until - timedelta(seconds=LEASE)
    if processes.is_known_dead(run.holder):
        return RunStatus("dead", f"{_who(run)} has ended without it. Take it over with: {resume}", at)
    if run.lease_until <= now:
        silent = format_duration(now - at)
        return RunStatus("silent", f"{_who(run)} hasn't been heard of for {silent}. Take it over with: {resume}", at)
    return RunStatus(run.state, at=at)


def _who(run: Run) -> str:
    who = processes.shown(run.holder or "")
    return f"{who[:1].upper()}{who[1:]}, which performed it,"


def conflict_message(run: Run, now: datetime) -> str:
    """Why no other change may begin. ``now``: by the store's clock."""
    since, heard = run.started_at or run.created_at, status_of(run, now)
    started = (
        f"{run.environment} is being changed already: {run.id} ({run.title}) by {run.actor} since "
        f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    )
    if not heard.is_active:
        return f"{started} hasn't ended. {heard.sentence}. Or end it: omc runs cancel {run.id}"
    return (
        f"{started} is {run.state}. Wait for it (omc runs show {run.id}), continue "
        f"it (omc runs resume {run.id}) or end it (omc runs cancel {run.id})."
    )


@reads
def read_active_run(store: Store, environment: Environment, own: OwnRun) -> ActiveRun:
    """From omc's own database: nothing is asked of AWS."""
    with store.reading() as session:
        run = active(session, environment.name)
        if run is None or own.id in (ANY, run.id):
            return ActiveRun()
        return ActiveRun(conflict_message(run, store.now()))


@reads
def read_workers(store: Store) -> Workers:
    """From omc's own database: nothing is asked of AWS."""
    with store.reading() as session:
        return Workers(tuple(f"{each.host}, process {each.pid}" for each in living_workers(session)))


def living_workers(session: Session) -> list[WorkerRow]:
    """The workers that are alive."""
    return list(
        session.execute(
            select(WorkerRow).where(WorkerRow.seen_until > func.clock_timestamp()).order_by(WorkerRow.started_at)
        ).scalars()
    )
