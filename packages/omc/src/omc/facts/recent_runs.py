"""What omc itself changed lately in this environment, of its own record. Nothing is asked of AWS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.scope import Scope
from omc.store.opened import Store


@dataclass(frozen=True, slots=True)
class RecentRun:
    """One run."""

    id: str
    procedure: str
    """``deploy``, ``infra-apply``, ``scale`` …"""
    title: str
    who: str
    at: datetime
    outcome: str
    """Its verdict; else its state, as it isn't over."""


@dataclass(frozen=True, slots=True)
class RecentRuns:
    """The newest first."""

    runs: tuple[RecentRun, ...]
    reading: Reading = NO_READING


@reads
def read_recent_runs(store: Store, environment: Environment, scope: Scope) -> RecentRuns:
    """Those that were made within the scope."""
    from omc.store.runs import runs_since

    with store.reading() as session:
        return RecentRuns(
            tuple(
                RecentRun(run.id, run.procedure, run.title, run.actor, run.created_at, run.verdict or run.state)
                for run in runs_since(session, environment.name, scope.now - scope.since)
            )
        )
