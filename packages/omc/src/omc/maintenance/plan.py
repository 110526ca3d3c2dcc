"""What comes next in a maintenance: a pure function of what has happened and of the time.

Whoever is alive asks it, does that one thing, and writes down in one transaction what came of it; who was slower gets a
conflict and asks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from omc.maintenance.checklist import ITEMS, Part
from omc.maintenance.model import ItemStatus, Maintenance, RunBegan, StepStatus, request_of, step_purpose, undo_purpose

WATCH_INTERVAL = timedelta(minutes=1)
"""Between two looks at the figures while it is watched: a load balancer's come by the minute."""


@dataclass(frozen=True, slots=True)
class Perform:
    """Find out by software whether an item of the checklist holds, or make it so."""

    item: str


@dataclass(frozen=True, slots=True)
class BeginStep:
    """Plan a step from fresh facts, and make a run of it."""

    step: int

    @property
    def purpose(self) -> str:
        return step_purpose(self.step)


@dataclass(frozen=True, slots=True)
class BeginUndo:
    """Plan the undo of a step, and make a run of it; or write down that nothing takes it back."""

    step: int

    @property
    def purpose(self) -> str:
        return undo_purpose(self.step)


@dataclass(frozen=True, slots=True)
class Follow:
    """Have the run under way brought to its end, and write down how it ended."""

    active: RunBegan
    is_to_end: bool = False
    """Whether it is to be cancelled: the maintenance was aborted."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Compare with the baseline: after a step, or in the watch (0)."""

    step: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Hold the alerts that were named, until the window's end."""


@dataclass(frozen=True, slots=True)
class EndSilences:
    """Have what is held told."""

    why: str


@dataclass(frozen=True, slots=True)
class RecordOverrun:
    """The window has ended before the last step did."""


@dataclass(frozen=True, slots=True)
class BeginWatch:
    """From now on it is watched."""


@dataclass(frozen=True, slots=True)
class End:
    """Nothing is left to do."""

    verdict: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done before then."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class AwaitPerson:
    """A person has to do something first."""

    why: str
    do: str
    """The command, without ``--env``."""
    until: datetime | None = None
    """When it is to be looked at again whatever people do."""
    is_stopped: bool = False
    """Whether something went wrong; else it is a person's turn."""


@dataclass(frozen=True, slots=True)
class Over:
    """It has ended."""


Decision: TypeAlias = (
    Perform
    | BeginStep
    | BeginUndo
    | Follow
    | Measure
    | Silence
    | EndSilences
    | RecordOverrun
    | BeginWatch
    | End
    | Wait
    | AwaitPerson
    | Over
)
IDLE = (Wait, AwaitPerson, Over)
"""Decisions of which nothing follows now."""


def decide(now_is: Maintenance, now: datetime, settle: timedelta = timedelta(0)) -> Decision:
    """What comes next. ``settle``: how long after a step its figures say something."""
    if now_is.is_over:
        return Over()
    if _overruns(now_is, now):
        return RecordOverrun()
    if now_is.aborted_at is not None:
        return _undoing(now_is)
    if now_is.started_at is None:
        command = f"omc maintenance start {now_is.number}"
        return AwaitPerson(f"{_capital(now_is.name)} hasn't been started.", command)
    if now_is.active is not None:
        return Follow(now_is.active)
    if now_is.stopped:
        return _stopped(now_is)
    return _before(now_is, now) or _during(now_is, now, settle) or _after(now_is, now)


def _overruns(found: Maintenance, now: datetime) -> bool:
    if found.started_at is None or found.overran_at is not None or now < found.end:
        return False
    if found.aborted_at is not None:
        return found.active is not None or bool(_to_undo(found))
    return not found.are_steps_over


def _stopped(found: Maintenance) -> AwaitPerson:
    number = found.number
    until = found.end if found.overran_at is None and not found.are_steps_over else None
    ways = f"omc maintenance start {number} --resume --reason WHY, or omc maintenance abort {number} --reason WHY"
    failed = [name for name, state in found.items.items() if state.status is ItemStatus.FAILED]
    if failed:
        ways = f"omc maintenance sign {number} {failed[0]} --evidence TEXT, or {ways}"
    return AwaitPerson(found.stopped, ways, until, is_stopped=True)


def _before(found: Maintenance, now: datetime) -> Decision | None:
    *early, last = [item.name for item in ITEMS if item.part is Part.BEFORE]
    for item in early:
        if not found.items[item].holds:
            return Perform(item)
    if found.items[last].holds:
        return None
    if now < found.begin:
        return Wait(found.begin, "The window isn't open yet.")
    return Perform(last)


def _during(found: Maintenance, now: datetime, settle: timedelta) -> Decision | None:
    if now < found.begin and any(each.status is StepStatus.OPEN for each in found.steps):
        return Wait(found.begin, "The window isn't open yet.")  # the last item was signed before
    if not found.were_silenced and found.scheduled.silences and now < found.end and not found.are_steps_over:
        return Silence()
    for number, state in enumerate(found.steps, 1):
        if state.status is StepStatus.OPEN:
            wanted = request_of(found, number)
            if wanted.procedure:
                return BeginStep(number)
            do = f"omc maintenance sign {found.number} {number} --evidence TEXT"
            until = found.end if found.overran_at is None else None
            return AwaitPerson(f"Step {number} is a person's: {wanted.title}", do, until)
        if not state.is_measured:
            ready = (state.at or now) + settle
            return Measure(number) if now >= ready else Wait(ready, f"The figures after step {number} come in.")
    return None


def _after(found: Maintenance, now: datetime) -> Decision:
    for item in ("healthy", "errors"):
        if not found.items[item].holds:
            return Perform(item)
    if found.silences:
        return EndSilences("The work is done.")
    if not found.items["watch"].holds:
        if found.watch_until is None:
            return BeginWatch()
        if now >= found.watch_until:
            return Perform("watch")
        again = (found.measured_at or found.started_at or now) + WATCH_INTERVAL
        if now >= again:
            return Measure(0)
        return Wait(min(again, found.watch_until), "It is watched.")
    if not found.items["all-clear"].holds:
        return Perform("all-clear")
    if not found.items["runbook"].holds:
        finish = f"omc maintenance finish {found.number}"
        do = f"{finish} --runbook TEXT, or {finish} --runbook-is-right"
        return AwaitPerson("All is done but the runbook: say what is to change in it.", do)
    return End("succeeded")


def _undoing(found: Maintenance) -> Decision:
    if found.active is not None:
        return Follow(found.active, is_to_end=not found.active.purpose.startswith("undo/"))
    if left := _to_undo(found):
        return BeginUndo(left[-1])
    if found.silences:
        return EndSilences("The maintenance was aborted.")
    return End("aborted" if found.started_at is not None else "called off")


def _to_undo(found: Maintenance) -> list[int]:
    """The steps of which something may be there and that nobody has taken back."""
    done = (StepStatus.DONE, StepStatus.FAILED, StepStatus.RUNNING, StepStatus.UNDOING)
    return [number for number, state in enumerate(found.steps, 1) if state.was_begun and state.status in done]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
