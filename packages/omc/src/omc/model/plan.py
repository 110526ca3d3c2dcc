"""A plan: what would be done, in what order, and based on what. Pure data, printable, and bound by its hash.

Two plans with the same hash do the same to the same world; approvals name the hash, and a plan that comes out
differently when it is made again (the facts changed) is stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from omc.errors import Altered
from omc.model.arguments import base
from omc.model.arguments.base import Arguments

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


DEADLINE = 900.0
"""Seconds that a step has where its plan says nothing else."""


class Risk(StrEnum):
    """What a plan may cost if it is wrong. omc.toml says by environment how many approvals each wants."""

    LOW = "low"
    """Undone in a minute and bounded: restart, scale within the limits, deploy through the circuit breaker."""
    HIGH = "high"
    """Changes what serves users, or what holds data: rollback, scale beyond the limits, apply."""
    DESTRUCTIVE = "destructive"
    """Can't be undone: destroy, replacing a data store."""


@dataclass(frozen=True, slots=True)
class Undo:
    """The action that takes a performed step back."""

    action: str
    arguments: Mapping[str, Json]
    description: str
    """``back to ohmycoins-backend:7``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action and what it is for. Performing it twice does what performing it once does."""

    name: str
    """Unique in the plan, short, stable: ``register-backend``. Outputs are referred to by it."""
    action: str
    """The key of an action in ``omc.actions``: ``ecs.roll_service``."""
    arguments: Mapping[str, Json]
    """Those of its action as JSON, as they are hashed and kept. Planners give them typed: ``step``."""
    title: str
    """What it does, in plain words, for a person at 3 a.m."""
    before: str = ""
    after: str = ""
    """What changes: ``ohmycoins-backend:7`` to ``ohmycoins-backend:8``; empty where nothing does."""
    undo: Undo | None = None
    """Performed in reverse order, for the steps that took effect, when the plan fails and ``undo_on_failure``."""
    deadline: float = DEADLINE
    """Seconds from its start after which a step that hasn't come to an end is *unknown*."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that a step changes, with all of its values, for a person who approves it."""

    headline: str
    values: tuple[tuple[str, str, str, str, bool], ...]
    """Of each its path, its text before and after, a remark, and whether it is only for those who want everything."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a procedure decided."""

    procedure: str
    """The key in ``omc.procedures``: deploy, rollback, scale …"""
    environment: str
    request: Mapping[str, Json]
    """What the person asked for; with it and fresh facts the plan is made again."""
    title: str
    risk: Risk
    steps: tuple[Step, ...]
    preconditions: Mapping[str, Json] = field(default_factory=dict)
    """The facts that it depends on: running revisions, digests, limits. No times, no counts
    that change by themselves."""
    notes: tuple[str, ...] = ()
    """What a person should know before saying yes; not part of the hash."""
    refusals: tuple[str, ...] = ()
    """Why it must not be performed as things are, each with what to do about it. Shown by a dry run; with any, the
    engine refuses to start. An override that the procedure allows turns one into a note, and is part of ``asked``."""
    undo_on_failure: bool = True
    details: tuple[Detail, ...] = ()
    """What the steps change, value by value, secrets left out; not part of the hash."""

    @property
    def hash(self) -> str:
        """SHA-256 of what is done to what, and based on what."""
        return fingerprint(
            {
                "procedure": self.procedure,
                "environment": self.environment,
                "request": self.request,
                "risk": self.risk,
                "steps": [_step(step) for step in self.steps],
                "preconditions": self.preconditions,
                "refusals": list(self.refusals),
                "undo_on_failure": self.undo_on_failure,
            }
        )


def step(
    name: str,
    arguments: Arguments,
    title: str,
    *,
    before: str = "",
    after: str = "",
    undo: Undo | None = None,
    deadline: float = DEADLINE,
) -> Step:
    """A step of a plan. Which action it is follows from its arguments."""
    return Step(name, arguments.ACTION, base.to_json(arguments), title, before, after, undo, deadline)


def undo_by(arguments: Arguments, description: str) -> Undo:
    """What takes a step back."""
    return Undo(arguments.ACTION, base.to_json(arguments), description)


def resolve(arguments: Json, outputs: Mapping[str, Mapping[str, Json]]) -> Any:
    """The arguments with every ``output_of`` replaced. Raises ``KeyError`` for an output that isn't there."""
    if isinstance(arguments, Mapping):
        if set(arguments) == {"output_of", "key"}:
            return outputs[str(arguments["output_of"])][str(arguments["key"])]
        return {key: resolve(value, outputs) for key, value in arguments.items()}
    if isinstance(arguments, Sequence) and not isinstance(arguments, str):
        return [resolve(value, outputs) for value in arguments]
    return arguments


def canonical(value: Json) -> str:
    """The one JSON text of a value: sorted keys, no spaces. Raises ``TypeError`` for what JSON doesn't hold."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: Json) -> str:
    """SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def to_json(plan: Plan) -> dict[str, Json]:
    """The whole plan as JSON, as it is stored."""
    return {
        "procedure": plan.procedure,
        "environment": plan.environment,
        "request": plan.request,
        "title": plan.title,
        "risk": plan.risk.value,
        "steps": [_step(step) | {"title": step.title, "deadline": step.deadline} for step in plan.steps],
        "preconditions": plan.preconditions,
        "notes": list(plan.notes),
        "refusals": list(plan.refusals),
        "undo_on_failure": plan.undo_on_failure,
        "details": [
            {"headline": one.headline, "values": [list(value) for value in one.values]} for one in plan.details
        ],
    }


def from_json(record: Mapping[str, Any]) -> Plan:
    """What ``to_json`` gave. ``Altered`` where it is something else."""
    try:
        steps = tuple(
            Step(**{**step, "undo": Undo(**step["undo"]) if step["undo"] else None}) for step in record["steps"]
        )
        texts = {key: tuple(record[key]) for key in ("notes", "refusals")}
        details = tuple(
            Detail(one["headline"], tuple((*value,) for value in one["values"])) for one in record.get("details", ())
        )
        return Plan(**{**record, **texts, "risk": Risk(record["risk"]), "steps": steps, "details": details})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Altered(
            "The plan in omc's own record is not one that this omc writes: it was changed, or another omc wrote it. "
            "Nothing was done because of it. See: omc audit verify"
        ) from error


def _step(step: Step) -> dict[str, Json]:
    undo = step.undo
    return {
        "name": step.name,
        "action": step.action,
        "arguments": step.arguments,
        "before": step.before,
        "after": step.after,
        "undo": {"action": undo.action, "arguments": undo.arguments, "description": undo.description} if undo else None,
    }
