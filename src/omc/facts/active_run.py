"""The change that is active in the environment, and whether anybody works on it. Its table is in ``omc.store``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from omc.facts.collector import UNREAD, Reading, reads
from omc.stack import Environment
from omc.store.database import Store

ANY = "any"
"""For a caller that sees to it by itself that no other run is active."""


@dataclass(frozen=True, slots=True)
class OwnRun:
    """The run that a plan is made again for; it isn't in its own way. ``ANY``: none is."""

    id: str = ""


@dataclass(frozen=True, slots=True)
class RunUnderWay:
    """A run that has not ended."""

    id: str
    title: str
    actor: str
    state: str
    """ready, running or undoing."""
    since: datetime
    not_heard_of: timedelta | None
    """How long ago its runner was heard of last, where its lease has run out since; None while somebody works on it."""

    @property
    def waits(self) -> bool:
        """It may begin, and nobody has begun it."""
        return self.state == "ready"


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """At most one."""

    run: RunUnderWay | None = None
    reading: Reading = UNREAD


@reads
def read_active_run(store: Store, environment: Environment, own: OwnRun) -> ActiveRun:
    """From omc's own database: nothing is asked of AWS."""
    from omc.store.runs import LEASE, active

    with store.reading() as session:
        run = active(session, environment.name)
        if run is None or own.id in (ANY, run.id):
            return ActiveRun()
        heard = run.lease_until - timedelta(seconds=LEASE) if run.holder and run.lease_until else None
        now = store.now()
        silent = now - heard if heard and run.lease_until and run.lease_until < now else None
        since = (run.started_at or run.created_at).astimezone(UTC)
        return ActiveRun(RunUnderWay(run.id, run.title, run.actor_known or run.actor, run.state, since, silent))
