"""The plan that takes an ended run back: the undos of the steps that took effect, the latest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from omc.actions.action import Verdict
from omc.engine.integrity import require_unaltered
from omc.engine.journal import UNDO, find, steps_of
from omc.engine.transitions import Phase, State, StepState, StepStatus, what_stays
from omc.errors import OmcError, Refused
from omc.model.plan import Plan, Risk, Step, from_json, resolve
from omc.store.models import Run, StepRow
from omc.store.opened import Store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SUCCEEDED = "succeeded"
LOOKED_AT = 200
"""Newer runs that are looked through."""
CUT_SHORT = "cut_short"
"""In the evidence of a step: some of its effect may be there although it didn't take place as a whole."""


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """Which run is to be taken back."""

    run: str


def plan_of(store: Store, request: UndoRequest) -> Plan:
    """The plan. ``Refused`` where the run hasn't ended, or left nothing that could be taken back."""
    with store.reading() as session:
        run = find(session, request.run)
        require_unaltered(session, run)
        done = steps_of(session, run.id, Phase.PERFORM)
        undone = {row.name for row in steps_of(session, run.id, Phase.UNDO) if row.verdict == "succeeded"}
    if run.state != State.ENDED:
        raise Refused(
            f"The run {run.id} is {run.state}. Only an ended run is undone; end it with: omc runs cancel {run.id}"
        )
    plan = from_json(run.plan)
    outputs = outputs_of(done)
    specified = {step.name: step for step in plan.steps}
    left = {step.name: _left_by(step, outputs) for step in plan.steps}
    steps = [
        _undo(specified[row.name], outputs)
        for row in reversed(done)
        if row.performed_at is not None
        and row.verdict != "rolled back"
        and row.name not in undone
        and specified[row.name].undo
    ]
    if not steps:
        raise Refused(f"The run {run.id} ({run.title}) left nothing that can be undone.")
    with store.reading() as session:
        newer = _newer(session, run, {left[step.name.removeprefix("undo-")] for step in steps} - {None})
    return Plan(
        procedure=UNDO,
        environment=run.environment,
        request={"run": run.id},
        title=f"Undo {run.id}: {run.title}",
        risk=Risk(run.risk),
        steps=tuple(steps),
        preconditions={"plan": run.plan_hash, "ended": _ended(run)},
        notes=_left(plan, done, {*undone, *(step.name.removeprefix("undo-") for step in steps)}),
        refusals=newer,
        undo_on_failure=False,
    )


def left_by(store: Store, request: UndoRequest) -> Plan:
    """The plan of the run that is to be undone, with what its steps found out."""
    with store.reading() as session:
        run = find(session, request.run)
        outputs = outputs_of(steps_of(session, run.id, Phase.PERFORM))
    plan = from_json(run.plan)
    return replace(plan, steps=tuple(replace(step, arguments=_resolved(step, outputs)) for step in plan.steps))


def _resolved(step: Step, outputs: Mapping[str, dict[str, Any]]) -> Mapping[str, Any]:
    """As they are where a step that they name found nothing out."""
    try:
        found: Mapping[str, Any] = resolve(step.arguments, outputs)
    except (KeyError, OmcError):
        return step.arguments
    return found


Left = tuple[str, str]
"""What a step changes: its action, and the one thing that its arguments name."""
THINGS = ("service", "instance", "group", "key")
"""Arguments that name what a step changes."""
SHOWN = 3


def _left_by(step: Step, outputs: Mapping[str, dict[str, Any]]) -> Left | None:
    """None for a step that names nothing by itself, or whose arguments only turned out later and are gone."""
    arguments = _resolved(step, outputs)
    name = next((arguments[each] for each in THINGS if isinstance(arguments.get(each), str)), None)
    return (step.action, name) if name else None


def _newer(session: Session, run: Run, left: set[Left | None]) -> tuple[str, ...]:
    """Runs that have changed the same since, and weren't undone: to undo this one would go back past them."""
    query = select(Run).where(
        Run.environment == run.environment, Run.created_at > run.created_at, Run.id != run.id, Run.procedure != UNDO
    )
    later = session.execute(query.order_by(Run.created_at.desc()).limit(LOOKED_AT)).scalars().all()
    gone = set(session.execute(select(Run.undo_of).where(Run.procedure == UNDO, Run.verdict == SUCCEEDED)).scalars())
    found = []
    for each in later:
        done = {row.name for row in steps_of(session, each.id, Phase.PERFORM) if row.performed_at is not None}
        back = {row.name for row in steps_of(session, each.id, Phase.UNDO) if row.verdict == SUCCEEDED}
        touched = {_left_by(step, {}) for step in from_json(each.plan).steps if step.name in done - back}
        if each.id not in gone and (same := touched & left):
            found.append((each, sorted({name for one in same if one for name in one[1:]})))
    return tuple(
        f"The run {each.id} ({each.title}, {each.verdict or each.state}, by {each.actor}) has changed "
        f"{' and '.join(names)} since: undoing {run.id} would go back past it. Undo that one first (omc runs undo "
        f"{each.id}), or change {' and '.join(names)} to what it should be now."
        for each, names in found[:SHOWN]
    )


def _undo(step: Step, outputs: dict[str, dict[str, Any]]) -> Step:
    assert step.undo is not None  # the caller has looked  # noqa: S101
    arguments: dict[str, Any] = resolve(step.undo.arguments, outputs)
    return Step(
        name=f"undo-{step.name}",
        action=step.undo.action,
        arguments=arguments,
        title=step.undo.description,
        before=step.after,
        after=step.before,
        deadline=step.deadline,
    )


def _ended(run: Run) -> str:
    return run.ended_at.isoformat() if run.ended_at else ""


def _left(plan: Plan, done: list[StepRow], gone: set[str]) -> tuple[str, ...]:
    """What nothing takes back. ``gone``: what is undone already, or will be by this plan."""
    stays = what_stays(plan, [step_status(row) for row in done], gone)
    return tuple(f"Can't be undone. {sentence}" for sentence in stays)


def step_status(row: StepRow) -> StepStatus:
    """What the rows of a step come to for ``course``."""
    return StepStatus(
        row.name,
        StepState(row.state),
        row.performed_at is not None,
        Verdict(row.verdict) if row.verdict else None,
        row.sentence or "",
        CUT_SHORT in (row.evidence or {}),
    )


def outputs_of(rows: list[StepRow]) -> dict[str, dict[str, Any]]:
    """What each step found out, for the arguments that name it."""
    return {row.name: {**row.checkpoint, **row.outputs} for row in rows}
