"""What all arguments of actions have in common: as JSON in a plan, checked when they are read back, and values that an
earlier step of the plan finds out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, TypeVar, Union

from omc.model import typed_json

Value = TypeVar("Value")
Kind = TypeVar("Kind", bound="Arguments")


class Arguments:
    """The arguments of one action. A subclass is a frozen dataclass, and belongs to one action.

    A field without a default is in each plan. One that has a default is left out of a plan where it has that value, as
    a plan of an older omc may lack it.
    """

    __slots__ = ()
    ACTION: ClassVar[str]
    """The key of the action in ``omc.actions``: ``ecs.roll_service``."""


@dataclass(frozen=True, slots=True)
class OutputOf:
    """A value that the step of this name finds out under ``key``, as an argument of a later one."""

    output_of: str
    key: str


Late = Union[OutputOf, Value]  # noqa: UP007 - "|" makes no alias of a type variable
"""A value that the plan holds, or names as the output of an earlier step. An action finds the value (``known``)."""


def output_of(step: str, key: str) -> OutputOf:
    """A value that an earlier step finds out, as an argument of a later one."""
    return OutputOf(step, key)


def known(value: OutputOf | Value) -> Value:
    """The value, in an action: the runner has put in what earlier steps found out. ``TypeError`` where it hasn't."""
    if isinstance(value, OutputOf):
        raise TypeError(f"The output {value.key} of the step {value.output_of} was not filled in.")
    return value


def to_json(arguments: Arguments) -> dict[str, Any]:
    """As a plan keeps them; what has its default is left out."""
    kept = {}
    for each in fields(arguments):  # type: ignore[arg-type]  # each subclass is a dataclass
        value = getattr(arguments, each.name)
        default = each.default if each.default_factory is MISSING else each.default_factory()
        if default is MISSING or value != default:
            kept[each.name] = typed_json.to_json(value)
    return kept


def from_json(kind: type[Kind], record: Mapping[str, Any]) -> Kind:
    """What ``to_json`` gave. ``Misfit`` where a field is missing, unknown or of another type, with its place."""
    return typed_json.from_json(kind, record)
