"""From what was asked to a plan: read the facts that the procedure needs, and call it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import timedelta
from typing import Any, Protocol, TypeAlias

from omc.actions.action import action_named
from omc.aws.gateway import Gateway, access_to
from omc.config import Environment, Stack
from omc.engine.journal import UNDO  # with it come omc.engine.heartbeats, which reads the active run
from omc.engine.step_arguments import misfit_of
from omc.engine.superseded import looked_at
from omc.engine.undoing import UndoRequest, left_by, plan_of
from omc.errors import OmcError, Refused, Unknown, WrongUse
from omc.facts.active_run import OwnRun
from omc.facts.collector import Unavailable, dependencies
from omc.facts.home import require_own_record
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.model.arguments.base import OutputOf
from omc.model.plan import Plan, canonical, from_json, to_json
from omc.redaction import without_secrets
from omc.store.opened import Store

Without: TypeAlias = Callable[[type, str], tuple[Any, str] | None]
"""From a fact that can't be read, and why, to what a planner gets in its place and a note; None: there is no plan."""


class Procedures(Protocol):
    """Which procedures there are, handed in from above: ``omc.procedures.catalogue`` is one."""

    def planner(self, procedure: str, /) -> Callable[..., Plan]:
        """The function that plans a procedure. Raises ``KeyError`` for one that doesn't exist."""

    def request_type(self, procedure: str, /) -> type[Any]:
        """The class of what a procedure is asked for."""

    def without(self, fact: type, why: str, /) -> tuple[Any, str] | None:
        """What a planner gets in place of a fact that can't be read, and a note; None: there is no plan without it."""

    def schedules(self, environment: Environment, /) -> Iterable[tuple[str, timedelta, str]]:
        """What comes round by itself in an environment: the procedure, how often, and why."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a plan is made for and performed in."""

    stack: Stack
    environment: Environment
    store: Store
    reads: Gateway
    writes: Gateway
    procedures: Procedures


def run_context(stack: Stack, environment: Environment, store: Store, procedures: Procedures) -> RunContext:
    access = access_to(environment)
    return RunContext(
        stack, environment, store, Gateway(environment, access), Gateway(environment, access, writes=True), procedures
    )


def make(site: RunContext, procedure: str, request: Any, own_run: str = "") -> Plan:
    """The plan of a procedure, from fresh facts.

    Given to facts and planners by type: the stack, the environment, the open store, the gateway that only reads, the
    moment (``Scope``), and what was asked. ``own_run``: the run that the plan is made again for.
    """
    require_own_record(site.store, site.reads)
    if procedure == UNDO:
        undo = plan_of(site.store, request)
        if found := misfit_of(undo, also_unknown=True):
            raise Refused(
                f"This omc can't undo the run {request.run}, whose plan another version made: {found}. Nothing was "
                f"changed. Undo it with that version, or by hand: omc runs show {request.run}"
            )
        return looked_at(undo, left_by(site.store, request), site.reads, site.store, site.stack)
    provided = {Stack: site.stack, Store: site.store, OwnRun: OwnRun(own_run), type(request): request}
    facts = Facts(site.reads, Scope(site.store.now(), timedelta(hours=24)), provided)
    return plan_from(site.procedures.planner(procedure), facts, site.procedures.without)


def plan_from(planner: Callable[..., Plan], facts: Facts, without: Without) -> Plan:
    """What a planner makes of ``facts``: the one way from facts to a plan, also where no run follows.

    Raises ``Unknown`` where a fact that is needed can't be read: then there is no plan. What the planner does without
    is for ``without`` to say; the plan notes it.
    """
    known = {**facts.read([planner]), **facts.provided}
    arguments: dict[str, Any] = {}
    notes: list[str] = []
    for name, need in dependencies(planner).items():
        fact = known[need]
        if isinstance(fact, Unavailable):
            spared = without(need, fact.error.message)
            if spared is None:
                raise _without(fact)
            fact, note = spared
            notes.append(note)
        arguments[name] = fact
    plan = planner(**arguments)
    if notes:
        plan = replace(plan, notes=(*plan.notes, *notes))
    plan = _without_secrets(plan)
    _check(plan)
    return plan


def _without_secrets(plan: Plan) -> Plan:
    """A plan is printed, approved and kept, so it holds no secret. ``Refused`` where a step could not do without."""
    whole = to_json(plan)
    kept: dict[str, Any] = without_secrets(whole)
    if canonical(kept) == canonical(whole):
        return plan
    for step, left in zip(plan.steps, kept["steps"], strict=True):
        undo = (step.undo.arguments, left["undo"]["arguments"]) if step.undo else ({}, {})
        if canonical(step.arguments) != canonical(left["arguments"]) or canonical(undo[0]) != canonical(undo[1]):
            raise Refused(
                f'The step "{step.name}" would be given what looks like a secret, and a plan keeps none. Put it into '
                "Secrets Manager or a parameter that the task reads, and name that instead."
            )
    return from_json(kept)


def request_from(procedures: Procedures, procedure: str, record: Mapping[str, Any]) -> Any:
    """What was asked, from JSON."""
    if procedure == UNDO:
        return UndoRequest(**record)
    try:
        return procedures.request_type(procedure)(**record)
    except (KeyError, ModuleNotFoundError) as error:
        raise WrongUse(f"This omc has no procedure {procedure}. Update it.") from error


def _without(fact: Unavailable) -> OmcError:
    """The reader's own error where it ends a command in the right way, with what follows from it."""
    error = fact.error
    if isinstance(error, Unknown):
        error.message = f"{error.message} There is no plan, and nothing was changed."
        return error
    return error


def _check(plan: Plan) -> None:
    names = [step.name for step in plan.steps]
    if len(set(names)) != len(names):
        raise RuntimeError(f"Two steps of {plan.procedure} have one name: {names}")
    if found := misfit_of(plan, also_unknown=True):
        raise Refused(
            f"The plan of {plan.procedure} came out wrong, which is a bug of omc: {found}. Nothing was changed. "
            "Please report it."
        )


def commands(plan: Plan, environment: Environment) -> list[str]:
    """The plan by hand: each step's aws and terraform commands. What only a step finds out is written $STEP_KEY."""
    lines: list[str] = []
    for step in plan.steps:
        action = action_named(step.action)
        lines += action.commands(environment, _with_variables(action.read(step.arguments)))
    return lines


def _with_variables(value: Any) -> Any:
    """Outputs of steps, before there are any, as names of shell variables."""
    if isinstance(value, Mapping) and set(value) == {"output_of", "key"}:
        value = OutputOf(str(value["output_of"]), str(value["key"]))
    if isinstance(value, OutputOf):
        return "$" + f"{value.output_of}_{value.key}".upper().replace("-", "_")
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _with_variables(getattr(value, each.name)) for each in fields(value)})
    if isinstance(value, tuple | list):
        return tuple(_with_variables(item) for item in value)
    if isinstance(value, Mapping):
        return {name: _with_variables(item) for name, item in value.items()}
    return value
