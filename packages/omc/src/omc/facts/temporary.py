"""What omc itself has changed outside of the code: limits, for a while or for good, and alarms for a rollback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.store.opened import Store

if TYPE_CHECKING:
    from omc.store.models import Run


@dataclass(frozen=True, slots=True)
class ScaledForAWhile:
    """``omc scale --for``, until its timer is due."""

    service: str
    timer: str
    who: str
    until: datetime
    now: tuple[int, ...]
    """Lowest and highest count that it set; one number for a service without an autoscaler."""
    back: tuple[int | None, ...]
    """What they are set back to."""

    @property
    def words(self) -> str:
        """``backend is kept at 4-10 tasks``."""
        return f"{self.service} is kept at {'-'.join(map(str, self.now))} tasks"


@dataclass(frozen=True, slots=True)
class ScaledForGood:
    """``omc scale`` without a time: until the code says the same, it is drift whose author is known."""

    service: str
    run: str
    who: str
    at: datetime
    limits: tuple[int, int]
    """Lowest and highest count that it set."""


@dataclass(frozen=True, slots=True)
class AlarmsOff:
    """A run turned a service's deployment alarms off for its rollback; ECS knows whether they are still off."""

    service: str
    run: str
    who: str
    since: datetime
    is_under_way: bool


@dataclass(frozen=True, slots=True)
class Temporary:
    """All of it, of one environment, as this record knows it."""

    scaled: tuple[ScaledForAWhile, ...] = ()
    alarms_off: tuple[AlarmsOff, ...] = ()
    unknown: str = ""
    """Why it isn't known; empty: it is."""
    reading: Reading = NO_READING
    for_good: tuple[ScaledForGood, ...] = ()
    """The newest of each service, where no timer gives it back."""

    def of(self, service: str) -> ScaledForAWhile | None:
        return next((one for one in self.scaled if one.service == service), None)

    def alarms_of(self, service: str) -> AlarmsOff | None:
        return next((one for one in self.alarms_off if one.service == service), None)


@reads
def read_temporary(store: Store, environment: Environment) -> Temporary:
    """From omc's own record: nothing is asked of AWS."""
    from omc.store import timers

    with store.reading() as session:
        scaled = tuple(
            _scaled(timer.id, timer.actor, timer.due_at, timer.request)
            for timer in timers.pending(session, [environment.name])
            if timer.procedure == "scale" and timer.request.get("gives_back")
        )
        alarms = tuple(
            AlarmsOff(
                _service(run.plan, step.name),
                run.id,
                run.actor,
                step.performed_at or step.intended_at or run.created_at,
                run.state != "ended",
            )
            for run, step in timers.steps_with_alarms_off(session, environment.name)
        )
        for_good = {
            one.service: one for run in reversed(timers.scaled(session, environment.name)) for one in _set_by(run)
        }
    return Temporary(scaled, alarms, for_good=tuple(for_good.values()))


def _set_by(run: Run) -> Iterator[ScaledForGood]:
    """The limits that a run of ``omc scale`` left behind."""
    steps = run.plan.get("steps", ())
    if any(step["action"] == "timers.set" for step in steps):
        return
    for step in steps:
        payload = step.get("arguments") or {}
        if payload.get("minimum") is not None and payload.get("maximum") is not None:  # what sets limits has both
            limits = int(payload["minimum"]), int(payload["maximum"])
            yield ScaledForGood(str(payload["service"]), run.id, run.actor, run.ended_at or run.created_at, limits)


def _scaled(timer: str, who: str, until: datetime, request: Mapping[str, Any]) -> ScaledForAWhile:
    count = request.get("count")
    back = (request.get("minimum"), request.get("maximum")) if count is None else (count,)
    return ScaledForAWhile(request["service"], timer, who, until, tuple(request["gives_back"]), back)


def _service(plan: Mapping[str, Any], name: str) -> str:
    """The service that a step of this name rolls, forwards or as an undo."""
    for step in plan.get("steps", ()):
        if step["name"] == name:
            sides = (step.get("arguments"), (step.get("undo") or {}).get("arguments"))
            return next((str(side["service"]) for side in sides if side and "service" in side), "")
    return ""
