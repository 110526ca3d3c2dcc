"""The course of a run, as pure functions: what comes next, and what it all came to. No database, no AWS, no clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from omc.actions.action import READ_ONLY, Verdict
from omc.model.plan import Plan, Step


class State(StrEnum):
    """Where a run is."""

    AWAITING = "awaiting approval"
    READY = "ready"
    """May begin; nothing was done yet."""
    RUNNING = "running"
    UNDOING = "undoing"
    ENDED = "ended"


ACTIVE = (State.READY, State.RUNNING, State.UNDOING)
"""At most one run of an environment is in one of these."""


class StepState(StrEnum):
    """Where a step is. Each is written down before what follows it happens."""

    PENDING = "pending"
    INTENDED = "intended"
    """Its effect may or may not be there: only the world knows."""
    PERFORMED = "performed"
    """Its effect is there; it is being watched."""
    ENDED = "ended"


class Phase(StrEnum):
    """What a step of a run is for."""

    PERFORM = "perform"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class StepStatus:
    """How far one step, or one undo, has come."""

    name: str
    state: StepState = StepState.PENDING
    performed: bool = False
    """Whether it is known that its effect took place."""
    verdict: Verdict | None = None
    sentence: str = ""
    cut_short: bool = False
    """Whether some of its effect may be there although it didn't take place as a whole."""


@dataclass(frozen=True, slots=True)
class RunStep:
    """Go on with this step (counted from 1)."""

    phase: Phase
    number: int


@dataclass(frozen=True, slots=True)
class RollBack:
    """Begin to undo: the names of the steps, in the order in which they are taken back."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The run is at its end."""

    verdict: Verdict
    sentence: str


Decision = RunStep | RollBack | End

UNDONE_AFTER = (Verdict.FAILED, Verdict.ROLLED_BACK, Verdict.CANCELLED)
"""Verdicts of a step after which the steps before it are taken back. Not after *unknown*, since nobody knows what is
there; not after *superseded*, since what is there is somebody else's."""


def decide(
    plan: Plan, state: State, steps: Sequence[StepStatus], undos: Sequence[StepStatus] = (), *, cancelled: bool = False
) -> Decision:
    """What a runner does next with a run that is running or undoing."""
    if state is State.UNDOING:
        for number, mark in enumerate(undos, start=1):
            if mark.state is not StepState.ENDED:
                return RunStep(Phase.UNDO, number)
            if mark.verdict is not Verdict.SUCCEEDED:
                break
        return _after_undoing(plan, steps, undos)
    for number, mark in enumerate(steps, start=1):
        if mark.state is StepState.ENDED:
            if mark.verdict is Verdict.SUCCEEDED:
                continue
            return _after_failure(plan, steps, mark)
        if cancelled and mark.state is StepState.PENDING:
            return _after_failure(plan, steps, StepStatus(mark.name, StepState.ENDED, verdict=Verdict.CANCELLED))
        return RunStep(Phase.PERFORM, number)
    last = steps[-1].sentence if steps else "There was nothing to do."
    return End(Verdict.SUCCEEDED, last)


def to_roll_back(plan: Plan, steps: Sequence[StepStatus]) -> tuple[str, ...]:
    """The steps that took effect and have an undo, the latest first. What ECS took back itself isn't among them."""
    undoable = {step.name for step in plan.steps if step.undo}
    return tuple(
        mark.name
        for mark in reversed(steps)
        if mark.name in undoable and mark.performed and mark.verdict is not Verdict.ROLLED_BACK
    )


def _after_failure(plan: Plan, steps: Sequence[StepStatus], bad: StepStatus) -> Decision:
    verdict = bad.verdict or Verdict.UNKNOWN
    if plan.undo_on_failure and verdict in UNDONE_AFTER and (names := to_roll_back(plan, steps)):
        return RollBack(names)
    message = bad.sentence or ("Cancelled." if verdict is Verdict.CANCELLED else f"{bad.name}: {verdict}.")
    changing = {step.name for step in plan.steps if step.action not in READ_ONLY}
    untouched = not any(mark.performed or mark.cut_short for mark in steps if mark.name in changing)
    if verdict in (Verdict.FAILED, Verdict.CANCELLED) and untouched:
        return End(verdict, f"{message} Nothing was changed.")
    return End(verdict, " ".join([message, *what_stays(plan, steps, gone=())]))


def _after_undoing(plan: Plan, steps: Sequence[StepStatus], undos: Sequence[StepStatus]) -> End:
    bad = next((mark for mark in steps if mark.verdict not in (None, Verdict.SUCCEEDED)), None)
    message = bad.sentence if bad and bad.sentence else "Cancelled."
    undone = tuple(mark.name for mark in undos if mark.verdict is Verdict.SUCCEEDED)
    taken_over = tuple(mark.name for mark in undos if mark.verdict is Verdict.SUPERSEDED)
    stays = what_stays(plan, steps, gone=(*undone, *taken_over))
    failed = next((mark for mark in undos if mark.verdict is not Verdict.SUCCEEDED), None)
    if failed is None:
        words = {step.name: step.undo.description for step in plan.steps if step.undo}
        back = ", ".join(words[name] for name in undone)
        return End(Verdict.ROLLED_BACK, " ".join([message, f"Undone: {back}.", *stays]))
    verdict = Verdict.UNKNOWN if failed.verdict is Verdict.UNKNOWN else Verdict.FAILED
    return End(verdict, " ".join([message, f"Undoing {failed.name} did not work: {failed.sentence}", *stays]))


def what_stays(plan: Plan, steps: Sequence[StepStatus], gone: Collection[str]) -> list[str]:
    """What took effect and is still there, in words: what is done, and what was only begun. Not what merely looked,
    what ECS took back itself, nor what somebody else's change has taken the place of."""
    known = {step.name: step for step in plan.steps}
    left = [
        mark
        for mark in steps
        if mark.performed
        and mark.name not in gone
        and known[mark.name].action not in READ_ONLY
        and mark.verdict not in (Verdict.ROLLED_BACK, Verdict.SUPERSEDED)
    ]
    whole = [_short(known[mark.name]) for mark in left if mark.verdict is Verdict.SUCCEEDED]
    started = [_short(known[mark.name]) for mark in left if mark.verdict is not Verdict.SUCCEEDED]
    messages = [f"Still done: {'; '.join(whole)}."] if whole else []
    return [*messages, f"Begun, and done at least in part: {'; '.join(started)}."] if started else messages


def _short(step: Step) -> str:
    """Its title without what it waits for: that is over."""
    return step.title.partition(", and ")[0] or step.name
