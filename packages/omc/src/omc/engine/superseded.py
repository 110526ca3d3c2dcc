"""Whether what an undo would take back is still there: what ECS and the autoscaler have now, beside what the run left.

omc's own later runs are found in the record (``undoing``); this is for what others have changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Stack
from omc.facts.collector import Unavailable
from omc.facts.scaling import Scaling
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.source import Facts
from omc.model.plan import Plan
from omc.store.opened import Store

ROLL, SCALE = "ecs.roll_service", "scaling.set"
"""The actions whose effect is looked at, by name: nothing of them is performed here."""


def looked_at(undo: Plan, left: Plan, reads: Gateway, store: Store, stack: Stack) -> Plan:
    """The plan with what was changed since by others: as a refusal; as a note where that can't be read. ``left``: the
    plan of the run that is undone."""
    steps = [step for step in undo.steps if step.action in (ROLL, SCALE)]
    if not steps:
        return undo
    facts = Facts(reads, Scope(store.now(), timedelta(hours=24)), {Stack: stack, Store: store})
    found = facts.read([_wanted])
    services, scaling = found[Services], found[Scaling]
    unread = [one.error.message for one in (services, scaling) if isinstance(one, Unavailable)]
    if unread:
        note = f"Not checked, whether it is still as the run left it. {' '.join(unread)}"
        return replace(undo, notes=(*undo.notes, note))
    before = {f"undo-{step.name}": step.arguments for step in left.steps}
    changed = tuple(
        sentence
        for step in steps
        for sentence in _changed(step.action, before.get(step.name, {}), step.arguments, services, scaling)
    )
    return replace(undo, refusals=(*undo.refusals, *changed))


def _wanted(services: Services, scaling: Scaling) -> None:
    """Names the facts."""


def _changed(
    action: str, left: Mapping[str, Any], back: Mapping[str, Any], services: Services, scaling: Scaling
) -> Iterator[str]:
    name = str(back.get("service", ""))
    service = next((each for each in services.services if each.name == name), None)
    if service is None:
        return
    if action == ROLL:
        known = {left.get("task_definition"), back.get("task_definition"), *(back.get("instead_of") or ())}
        if all(isinstance(one, str) for one in known if one) and service.task_definition not in known:
            yield (
                f"{name} is on {service.task_definition} now, which this run didn't put there: somebody has changed it "
                f"since. To go back from that: omc rollback {name}"
            )
    elif target := scaling.of(name):
        limits = [(one.get("minimum"), one.get("maximum")) for one in (left, back)]
        if (target.minimum, target.maximum) not in limits:
            yield (
                f"{name}'s limits are {target.minimum}-{target.maximum} now, which this run didn't set: somebody has "
                f"changed them since. To set others: omc scale {name} --min COUNT --max COUNT"
            )
