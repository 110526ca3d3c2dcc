"""The plan that takes an ended run back: the undos of the steps that took effect, the latest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omc.actions.action import Verdict
from omc.engine.integrity import require_unaltered
from omc.engine.journal import UNDO, find, steps_of
from omc.engine.transitions import Phase, State, StepState, StepStatus, what_stays
from omc.errors import Refused
from omc.model.plan import Plan, Risk, Step, from_json, resolve
from omc.store.models import Run, StepRow
from omc.store.opened import Store

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
    return Plan(
        procedure=UNDO,
        environment=run.environment,
        request={"run": run.id},
        title=f"Undo {run.id}: {run.title}",
        risk=Risk(run.risk),
        steps=tuple(steps),
        preconditions={"plan": run.plan_hash, "ended": _ended(run)},
        notes=_left(plan, done, {*undone, *(step.name.removeprefix("undo-") for step in steps)}),
        undo_on_failure=False,
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
