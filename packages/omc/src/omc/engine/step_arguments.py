"""Whether the steps of a plan that was read back are what this omc's actions take."""

from __future__ import annotations

from omc.actions.action import action_named
from omc.errors import Altered
from omc.model.plan import Plan
from omc.model.registry import NotRegistered
from omc.model.typed_json import Misfit


def misfit_of(plan: Plan, *, also_unknown: bool) -> str:
    """The first step or undo that no action takes as it is, and why; empty: there is none.

    ``also_unknown``: an action that this omc doesn't have is one too. Else it is for the runner to say, at that step,
    since what was done before it can be taken back.
    """
    for step in plan.steps:
        sides = [(f'step "{step.name}"', step.action, step.arguments)]
        if step.undo:
            sides.append((f'undo of the step "{step.name}"', step.undo.action, step.undo.arguments))
        for where, action, arguments in sides:
            try:
                action_named(action).read(arguments)
            except Misfit as error:
                return f"{where} ({action}): {error}"
            except (NotRegistered, ImportError):
                if also_unknown:
                    return f"{where}: this omc has no action {action}"
    return ""


def require_performable(plan: Plan, run: str) -> None:
    """Raises ``Altered``, with which a run ends, where a step's arguments are not what its action takes."""
    if found := misfit_of(plan, also_unknown=False):
        raise Altered(
            f"This omc can't perform the run {run} ({plan.procedure}), whose plan another version made: {found}. See "
            f"what was done (omc runs show {run}), then make the plan again."
        )
