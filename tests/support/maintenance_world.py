"""Maintenances of the engine's fake world: planned and approved in this process, performed here or by commands."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from omc.config import Environment, Stack, load
from omc.engine import following, planning
from omc.engine.actors import Actor
from omc.engine.planning import RunContext
from omc.engine.runner import NullReporter
from omc.maintenance.definition import from_text, request_of, time_of
from omc.maintenance.desk import Desk
from omc.maintenance.model import Maintenance
from omc.maintenance.plan import Decision, Wait
from omc.maintenance.records import of_environment, read
from omc.maintenance.run import Performer
from omc.model.maintenance import MaintenanceRequest
from omc.procedures import catalogue
from omc.store.opened import Store
from support.engine_world import World

TITLE = "Newer values"
FILE = f"""
title = "{TITLE}"
watch_minutes = 0.001
silence = [["name=rds-*"], ["service=backend"]]
[[step]]
procedure = "fake"
request = {{ values = {{ one = "1" }} }}
[[step]]
procedure = "fake"
request = {{ values = {{ two = "2" }} }}
"""
"""Two steps that omc performs and can take back."""
SOON = timedelta(seconds=2)


def quick_stack(world: World) -> Stack:
    """The world's stack, in which figures are there at once."""
    file = world.stack.file
    text = file.read_text()
    if "[maintenance]" not in text:
        file.write_text(f"{text}\n[maintenance]\nmeasure_seconds = 1\n")
    return load(file)


@dataclass
class Clock:
    """The store's time, which a test moves."""

    now: datetime
    stands: bool = True

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Operator:
    """Somebody at a maintenance, in this process."""

    stack: Stack
    store: Store
    environment: str = "local"
    name: str = "alice"
    number: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def site(self) -> RunContext:
        return planning.run_context(self.stack, self.settings, self.store, catalogue)

    @property
    def settings(self) -> Environment:
        return self.stack.environments[self.environment]

    @property
    def desk(self) -> Desk:
        return Desk(self.store, self.stack, self.environment, self.number, self.name)

    @property
    def found(self) -> Maintenance:
        return read(self.store, self.environment, self.number)

    def plan(
        self,
        text: str = FILE,
        override: str = "",
        change: Callable[[MaintenanceRequest], MaintenanceRequest] = lambda request: request,
    ) -> Operator:
        """Plan one and have it approved, as the commands do."""
        site, written = self.site, from_text(text)
        begin, end = time_of(written, self.settings, self.store.now())
        request, _ = request_of(site, written, begin, end, override)
        plan = planning.make(site, "maintenance", change(request))
        run = following.start(site, plan, Actor(self.name), NullReporter())
        following.perform(site, run.id, self.name, NullReporter(), wait=False)
        self.number = of_environment(self.store, self.environment)[0].number
        return self

    def signed(self, *items: str) -> Operator:
        for item in items:
            self.desk.sign(item, "I looked")
        return self

    def performer(self) -> Performer:
        return Performer(self.site, self.number, Actor(self.name), NullReporter())

    def work(self, clock: Clock | None = None, most: int = 20) -> Decision:
        """Until people are needed, or it is over; time passes by the clock where there is one."""
        for _ in range(most):
            decision = self.performer().work()
            if clock is None or not isinstance(decision, Wait):
                return decision
            clock.now = max(clock.now + SOON, decision.until)
        return decision


def forget_effects(world: World) -> None:
    """Of the case before."""
    for name in ("effects", "values.json"):
        with suppress(FileNotFoundError):
            (world.folder / name).unlink()
