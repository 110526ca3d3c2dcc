"""The worker: performs runs that nobody performs, and timers that are due, until it is told to stop."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Select, func, select, update

from omc.config import Environment, Stack
from omc.engine import approvals, following, journal, planning, processes, record_heads, schedules, timers
from omc.engine.actors import Actor
from omc.engine.planning import Procedures, RunContext
from omc.engine.runner import Reporter
from omc.engine.transitions import State
from omc.errors import OmcError
from omc.store.audit import Head
from omc.store.embedded import StoreUnreachable
from omc.store.models import Run, WorkerRow
from omc.store.opened import Store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

POLL_INTERVAL = 1.0
"""Seconds between looks for work; with the lease of six it makes a takeover within ten."""
HEARTBEAT_TTL = 10.0
"""Seconds for which a worker counts as alive after it was last seen."""
KEEP_HEADS = 60.0
"""Seconds between looks whether the record has grown, so that its head is kept outside of it."""
KEEP_SCHEDULES = 60.0
"""Seconds between looks whether what comes round by itself has its timer."""
RETRY_DELAY = 20.0
"""Seconds until a run that this worker can't go on with (it lacks credentials) is tried again."""


@dataclass(slots=True)
class Worker:
    """A worker of one store: the environments whose record is in it."""

    stack: Stack
    environments: tuple[Environment, ...]
    store: Store
    actor: Actor
    reporter: Reporter
    procedures: Procedures
    beside: Callable[[str, Callable[[], RunContext]], bool] = lambda *_: False
    """What else is due in an environment, of those above who made this worker; whether there was anything. It gets the
    environment's name, and its context when it wants it."""
    stopping: threading.Event = field(default_factory=threading.Event)
    _put_off: dict[str, float] = field(default_factory=dict)
    _kept: dict[str, Head] = field(default_factory=dict)
    """The head that was kept last outside of the record, for each environment."""
    _keep_again: float = 0.0
    _schedule_again: float = 0.0

    def run_forever(self) -> None:
        """Work until ``stopping`` is set, or this is interrupted. A store that is gone is waited for."""
        with self._registered():
            while not self.stopping.is_set():
                try:
                    busy = self.run_once()
                except StoreUnreachable as error:
                    self.reporter.waiting(error.message)
                    self.stopping.wait(POLL_INTERVAL)
                    self.store.revive()
                    busy = False
                if not busy:
                    self._keep_heads()
                    self._keep_schedules()
                    self.stopping.wait(POLL_INTERVAL)

    def run_once(self) -> bool:
        """Perform one run or timer that is due; whether there was one."""
        names = [environment.name for environment in self.environments]
        with self.store.reading() as session:
            waiting = [run.id for run in _approved(session, names)]
            found = [run for run in journal.claimable(session) if run.environment in names]
        for run in waiting:
            self._quietly(run, lambda run=run: approvals.ready_if_approved(self.store, run, self.actor.name))  # type: ignore[misc]
        for run_found in found:
            if self._put_off.get(run_found.id, 0.0) <= time.monotonic() and self._perform(run_found):
                return True
        return self._timer(names) or any(self._beside(name) for name in names)

    def _beside(self, name: str) -> bool:
        return self._quietly(f"beside {name}", lambda: self.beside(name, lambda: self._site(name)))

    def _perform(self, run: Run) -> bool:
        def attempt() -> bool:
            self.reporter.note(f"{run.id}: {run.title} ({run.environment}, {run.state})")
            outcome = following.attempt(self._site(run.environment), run.id, self.actor.name, self.reporter)
            if isinstance(outcome, following.Ended):
                self.reporter.note(f"{run.id}: {outcome.run.verdict}. {outcome.run.sentence}")
            elif outcome.sentence:
                self.reporter.note(f"{run.id}: {outcome.sentence}")
            return outcome != following.HeldElsewhere()

        return self._quietly(run.id, attempt)

    def _quietly(self, run: str, work: Callable[[], object]) -> bool:
        """A run that can't be continued must not keep the worker from the others."""
        try:
            return bool(work())
        except StoreUnreachable:
            raise
        except OmcError as error:
            self.reporter.note(f"{run}: {error.message}")
        self._put_off[run] = time.monotonic() + RETRY_DELAY
        return False

    def _timer(self, names: list[str]) -> bool:
        timer = timers.take_due(self.store, names, processes.this_process())
        if timer is None:
            return False
        self.reporter.note(f"{timer.id} is due: {timer.why}")
        run = timers.make_run(self._site(timer.environment), timer)
        if run is None:
            return True
        return self._perform(run)

    def _keep_heads(self) -> None:
        """What was recorded since, also without a run: an incident, an approval, a cancelled timer."""
        if time.monotonic() < self._keep_again:
            return
        self._keep_again = time.monotonic() + KEEP_HEADS
        for environment in self.environments:
            try:
                site = self._site(environment.name)
                head = record_heads.current(site)
                if head is None or self._kept.get(environment.name) == head:
                    continue
                problems = record_heads.keep(site, head)
                for problem in problems:
                    self.reporter.note(f"{environment.name}: {problem}")
                if not problems:  # else the same head is tried again
                    self._kept[environment.name] = head
            except StoreUnreachable:
                raise
            except OmcError as error:
                self.reporter.note(f"{environment.name}: The record's head was not kept outside of it: {error.message}")

    def _keep_schedules(self) -> None:
        """What comes round by itself has a timer."""
        if time.monotonic() < self._schedule_again:
            return
        self._schedule_again = time.monotonic() + KEEP_SCHEDULES
        wanted = [
            schedules.Schedule(environment.name, procedure, every, why)
            for environment in self.environments
            for procedure, every, why in self.procedures.schedules(environment)
        ]
        for timer in schedules.keep(self.store, wanted, self.actor.name):
            self.reporter.note(f"{timer.id}: {timer.why}, next on {timer.due_at:%Y-%m-%d %H:%M} UTC")

    def _site(self, name: str) -> RunContext:
        environment = next(each for each in self.environments if each.name == name)
        return planning.run_context(self.stack, environment, self.store, self.procedures)

    @contextmanager
    def _registered(self) -> Iterator[None]:
        """Be known as a worker, so that others can say whether one runs."""
        name = processes.this_process()
        worker = WorkerRow(
            id=name, host=socket.gethostname(), pid=os.getpid(), actor=self.actor.name, started_at=self.store.now()
        )
        with self.store.transaction(self.actor.name) as transaction:
            worker.seen_until = transaction.session.execute(_seen_until()).scalar_one()
            transaction.session.merge(worker)
        ending = threading.Event()
        thread = threading.Thread(target=self._stay_seen, args=[name, ending], name="worker", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join(1.0)
            with suppress(StoreUnreachable):  # it counts as dead in some seconds by itself
                self._seen(name, timedelta(0))

    def _stay_seen(self, name: str, ending: threading.Event) -> None:
        while not ending.wait(HEARTBEAT_TTL / 4):
            try:
                self._seen(name, timedelta(seconds=HEARTBEAT_TTL))
            except StoreUnreachable:
                continue

    def _seen(self, name: str, until: timedelta) -> None:
        with self.store.transaction() as transaction:
            transaction.session.execute(
                update(WorkerRow).where(WorkerRow.id == name).values(seen_until=func.clock_timestamp() + until)
            )


def _seen_until() -> Select[datetime]:
    return select(func.clock_timestamp() + timedelta(seconds=HEARTBEAT_TTL))


def _approved(session: Session, names: list[str]) -> list[Run]:
    """Waiting runs of these environments; whether they may begin is looked at under their lock."""
    return list(
        session.execute(
            select(Run).where(Run.state == State.AWAITING, Run.environment.in_(names)).order_by(Run.created_at)
        ).scalars()
    )
