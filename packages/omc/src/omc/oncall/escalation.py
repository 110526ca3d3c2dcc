"""Who is paged when, step by step, once an alarm comes in: the chain of ``[on_call]`` over the rotas. Pure.

Two clocks. Until somebody acknowledges, each rung of the chain is paged at its time, and all of them again at the end.
From the acknowledgement on, the next rung is paged when the incident isn't mitigated in time. A SEV-1 pages the whole
chain at once. A SEV-3's clocks run in business hours only. A rung that reaches nobody is skipped at once: the wait for
its answer is left out, so that those after it come earlier by that much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from omc.model.people import ContactMethod, Person
from omc.oncall.business import BusinessHours
from omc.oncall.model import Rota, Shift
from omc.oncall.problems import Kind, Verified, confirmed, reachability
from omc.oncall.schedule import on_call
from omc.times import format_time

EVERYBODY_AT_ONCE, IN_BUSINESS_HOURS = 1, 3
"""Severities whose demands differ (docs/runbook, incident-response.md#severity-levels)."""


class Clock(StrEnum):
    """What runs out when a step is due."""

    ACKNOWLEDGE = "acknowledge"
    MITIGATE = "mitigate"


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the chain. At most one of ``rota`` and ``person`` is set; without, nobody is known by it."""

    role: str
    name: str
    """As omc.toml names it, for people."""
    after: timedelta
    """Without an acknowledgement."""
    rota: str | None = None
    person: Person | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """``[on_call]``: the chain and both clocks."""

    rungs: tuple[Rung, ...]
    everyone_again: timedelta
    mitigation: timedelta
    business: BusinessHours


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


def escalation(policy: Policy, world: World, severity: int, at: datetime) -> Escalation:
    """The steps of an alarm that comes in at a moment, until everybody was paged again."""
    is_limited = severity >= IN_BUSINESS_HOURS
    starts = policy.business.begin_of_next(at) if is_limited else at
    steps: list[Step] = []
    saved = timedelta(0)  # what skipped rungs leave out
    pending: timedelta | None = None  # the time of the rung that was just skipped
    for number, rung in enumerate(policy.rungs):
        if pending is not None:
            saved += rung.after - pending
        after = timedelta(0) if severity <= EVERYBODY_AT_ONCE else rung.after - saved
        step = _step(policy, world, number, starts, after, is_limited=is_limited)
        pending = rung.after if step.is_skipped else None
        steps.append(step)
    steps.append(_everybody_again(policy, world, starts, is_limited=is_limited))
    waits = None
    if starts > at:
        zone = policy.business.zone
        waits = f"A SEV-{severity} waits for business hours: {format_time(starts, zone)}."
    return Escalation(severity, at, starts, tuple(steps), waits)


def mitigation_step(policy: Policy, world: World, severity: int, rung: int, acknowledged_at: datetime) -> Step | None:
    """Whom an incident pages that was acknowledged by a rung (or anybody: -1) and isn't mitigated in time: the next
    rung that reaches somebody. None after the last one: then there is nobody left to join."""
    is_limited = severity >= IN_BUSINESS_HOURS
    skipped: list[str] = []
    for number in range(rung + 1, len(policy.rungs)):
        step = _step(policy, world, number, acknowledged_at, policy.mitigation, is_limited=is_limited)
        if not step.is_skipped:
            reasons = (*skipped, *step.unreachable)
            return Step(step.at, step.after, Clock.MITIGATE, number, step.role, step.targets, None, reasons)
        skipped.append(step.skipped or "")
    return None


def empty_rungs(policy: Policy, world: World, at: datetime) -> tuple[tuple[Rung, str], ...]:
    """The rungs that would reach nobody at a moment, with the reason."""
    found = []
    for rung in policy.rungs:
        targets, reasons = targets_of(rung, world, at)
        if not targets:
            found.append((rung, " ".join(reasons)))
    return tuple(found)


def _step(policy: Policy, world: World, number: int, starts: datetime, after: timedelta, *, is_limited: bool) -> Step:
    rung = policy.rungs[number]
    due = policy.business.later(starts, after) if is_limited else starts + after
    targets, reasons = targets_of(rung, world, due)
    skipped = None if targets else " ".join(reasons)
    return Step(due, after, Clock.ACKNOWLEDGE, number, rung.role, targets, skipped, reasons if targets else ())


def _everybody_again(policy: Policy, world: World, starts: datetime, *, is_limited: bool) -> Step:
    after = policy.everyone_again
    due = policy.business.later(starts, after) if is_limited else starts + after
    targets: dict[str, Target] = {}
    for rung in policy.rungs:
        for target in targets_of(rung, world, due)[0]:
            targets.setdefault(target.person, target)
    skipped = None if targets else "Nobody in the whole chain can be reached."
    return Step(due, after, Clock.ACKNOWLEDGE, len(policy.rungs), "everybody again", tuple(targets.values()), skipped)


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
