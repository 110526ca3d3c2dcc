"""Who is paged when, step by step, once an alarm comes in: the chain of ``[on_call]`` over the rotas. Pure.

When each rung is due says ``omc.judgement.escalation``, by which a responder pages too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from omc.judgement.escalation import Clocks, Rung, climb
from omc.model.people import ContactMethod, Person
from omc.oncall.model import Rota, Shift
from omc.oncall.problems import Kind, Verified, confirmed, reachability
from omc.oncall.schedule import on_call
from omc.times import format_time


class Clock(StrEnum):
    """What runs out when a step is due."""

    ACKNOWLEDGE = "acknowledge"
    MITIGATE = "mitigate"


@dataclass(frozen=True, slots=True)
class World:
    """All that a step depends on beside the time."""

    rotas: Mapping[str, Rota]
    persons: Mapping[str, Person]
    verified: Verified = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who is paged in a step."""

    person: str
    name: str
    methods: tuple[ContactMethod, ...]
    """In the order in which they are tried: those that are confirmed first."""
    warning: str | None = None
    """Why the page may not arrive, in a sentence."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: when it is due, and whom it pages."""

    at: datetime
    after: timedelta
    """Since the clock started; business hours only, where only they count."""
    clock: Clock
    rung: int
    """Counts from 0; the number of rungs for the step that pages everybody again."""
    role: str
    targets: tuple[Target, ...]
    skipped: str | None = None
    """Why it pages nobody, in a sentence; the next step is due at the same moment then."""
    unreachable: tuple[str, ...] = ()
    """Those of its people whom nothing reaches, in sentences, where others of it are paged."""

    @property
    def is_skipped(self) -> bool:
        return self.skipped is not None


@dataclass(frozen=True, slots=True)
class Escalation:
    """What an alarm leads to as long as nobody answers."""

    severity: int
    since: datetime
    """When the alarm came."""
    starts_at: datetime
    """When the clocks start: for a SEV-3 outside of business hours, when these begin."""
    steps: tuple[Step, ...]
    waits_for: str | None = None
    """Why it doesn't start at once, in a sentence."""

    @property
    def first_page(self) -> datetime | None:
        """None: nobody would be paged."""
        return next((step.at for step in self.steps if step.targets), None)


def escalation(clocks: Clocks, world: World, severity: int, at: datetime) -> Escalation:
    """The steps of an alarm that comes in at a moment, until everybody was paged again."""
    starts = clocks.starts(severity, at)
    found: dict[int, Step] = {}
    for due in climb(clocks, severity, starts, lambda rung, _: found[rung.step].is_skipped):
        targets, reasons = targets_of(due.rung, world, due.at)
        found[due.rung.step] = _step(due.at, due.after, Clock.ACKNOWLEDGE, due.rung, targets, reasons)
    again = _everybody_again(clocks, world, severity, starts)
    waits = None
    if starts > at:
        waits = f"A SEV-{severity} waits for business hours: {format_time(starts, clocks.zone)}."
    return Escalation(severity, at, starts, (*found.values(), again), waits)


def mitigation_step(clocks: Clocks, world: World, severity: int, rung: int, acknowledged_at: datetime) -> Step | None:
    """Whom an incident pages that was acknowledged by a rung (or anybody: -1) and isn't mitigated in time: the next
    rung that reaches somebody. None after the last one: then there is nobody left to join."""
    due_at = clocks.clock(severity)(acknowledged_at, clocks.mitigation)
    skipped: list[str] = []
    for each in clocks.chain[rung + 1 :]:
        targets, reasons = targets_of(each, world, due_at)
        if targets:
            return _step(due_at, clocks.mitigation, Clock.MITIGATE, each, targets, (*skipped, *reasons))
        skipped.append(" ".join(reasons))
    return None


def empty_rungs(clocks: Clocks, world: World, at: datetime) -> tuple[tuple[Rung, str], ...]:
    """The rungs that would reach nobody at a moment, with the reason."""
    found = []
    for rung in clocks.chain:
        targets, reasons = targets_of(rung, world, at)
        if not targets:
            found.append((rung, " ".join(reasons)))
    return tuple(found)


def _step(
    at: datetime, after: timedelta, clock: Clock, rung: Rung, targets: tuple[Target, ...], reasons: tuple[str, ...]
) -> Step:
    skipped = None if targets else " ".join(reasons)
    return Step(at, after, clock, rung.step, rung.role, targets, skipped, reasons if targets else ())


def _everybody_again(clocks: Clocks, world: World, severity: int, starts: datetime) -> Step:
    due_at = clocks.clock(severity)(starts, clocks.again)
    targets: dict[str, Target] = {}
    for rung in clocks.chain:
        for target in targets_of(rung, world, due_at)[0]:
            targets.setdefault(target.person, target)
    skipped = None if targets else "Nobody in the whole chain can be reached."
    number, everybody = len(clocks.chain), tuple(targets.values())
    return Step(due_at, clocks.again, Clock.ACKNOWLEDGE, number, "everybody again", everybody, skipped)


def targets_of(rung: Rung, world: World, at: datetime) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """Whom a rung pages at a moment, and in sentences who or what of it reaches nobody."""
    if rung.person is not None:
        people: Sequence[tuple[str, Person | None]] = [(rung.person.id, rung.person)]
    elif rung.rota is None:
        return (), (f"{rung.name} is neither a rota nor a person: set one of the two for it in on_call.chain.",)
    elif rung.rota not in world.rotas:
        return (), (f"There is no rota {rung.rota}: omc oncall now lists those that there are.",)
    else:
        rota = world.rotas[rung.rota]
        tile = on_call(rota, at)
        if not isinstance(tile, Shift):
            return (), (f"Nobody is on call in {rota.name} at {format_time(at, rota.zone)}: {tile.reason}.",)
        people = [(name, world.persons.get(name)) for name in tile.people]
    targets, reasons = [], []
    for name, person in people:
        problem = reachability(person, name, world.verified)
        if person is None or not person.contacts:
            reasons.append(problem[1] if problem else "")
            continue
        methods = confirmed(person, world.verified)
        methods += tuple(each for each in person.contacts if each not in methods)
        warning = (
            problem[1] if problem and problem[0] is Kind.UNVERIFIED and not confirmed(person, world.verified) else None
        )
        targets.append(Target(person.id, person.name, methods, warning))
    return tuple(targets), tuple(reasons)
