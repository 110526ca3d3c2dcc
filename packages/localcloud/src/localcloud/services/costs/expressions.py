"""Filters and groups of Cost Explorer: which lines of the ledger an expression means, and which group a line is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from localcloud.core.billing import Item
from localcloud.core.registry import AwsError
from localcloud.services.costs.periods import invalid

Wanted: TypeAlias = "Callable[[Item], bool]"

GROUPED = ("SERVICE", "USAGE_TYPE", "OPERATION", "REGION", "LINKED_ACCOUNT", "INSTANCE_TYPE", "RECORD_TYPE")
"""Dimensions that are known here; AWS has more."""
DIMENSION_OPTIONS = {"EQUALS", "CASE_SENSITIVE"}
TAG_OPTIONS = {"EQUALS", "ABSENT", "CASE_SENSITIVE"}
PARTS = ("Or", "And", "Not", "Dimensions", "Tags", "CostCategories", "ProductAttributes")


@dataclass(frozen=True, slots=True)
class Location:
    """Where everything is charged."""

    account: str
    region: str


def value(item: Item, dimension: str, place: Location) -> str:
    """An item's value of a dimension of ``GROUPED``."""
    if dimension == "SERVICE":
        return item.service
    if dimension == "USAGE_TYPE":
        return item.usage_type
    if dimension == "OPERATION":
        return item.operation or "NoOperation"
    if dimension == "REGION":
        return place.region
    if dimension == "LINKED_ACCOUNT":
        return place.account
    if dimension == "RECORD_TYPE":
        return "Usage"
    instance = item.usage_type.partition(":")[2]
    return instance if instance.startswith(("db.", "cache.")) else "NoInstanceType"


def check_dimension(dimension: str) -> None:
    if dimension not in GROUPED:
        raise invalid(f"Dimension {dimension} is not allowed.")


def wanted(expression: Mapping[str, Any] | None, place: Location) -> Wanted:
    """What a filter lets through; AWS's error for one that can't be."""
    if not expression:
        return lambda _: True
    parts = [name for name in PARTS if name in expression]
    if len(parts) != 1:
        raise invalid("Expression should have exactly one of Or, And, Not, Dimensions, Tags or CostCategories as root.")
    part, inner = parts[0], expression[parts[0]]
    if part in ("And", "Or"):
        if len(inner) < 2:
            raise invalid(f"{part} expression should have at least 2 expressions.")
        each = [wanted(one, place) for one in inner]
        joined = all if part == "And" else any
        return lambda item: joined(passes(item) for passes in each)
    if part == "Not":
        passes = wanted(inner, place)
        return lambda item: not passes(item)
    if part == "Dimensions":
        return _dimension(inner, place)
    if part == "Tags":
        return _tag(inner)
    raise invalid(f"localcloud knows no {part}: there are none here.")


def _dimension(request: Mapping[str, Any], place: Location) -> Wanted:
    dimension = str(request.get("Key", ""))
    check_dimension(dimension)
    _check_options(request, DIMENSION_OPTIONS, "Dimensions")
    values = frozenset(request.get("Values", ()))
    if not values:
        raise invalid(f"Dimension {dimension} needs at least one value.")
    return lambda item: value(item, dimension, place) in values


def _tag(request: Mapping[str, Any]) -> Wanted:
    key = str(request.get("Key", ""))
    options = _check_options(request, TAG_OPTIONS, "Tags")
    values = frozenset(request.get("Values", ()))
    if "ABSENT" in options:
        return lambda item: key not in dict(item.tags)
    if not values:
        raise invalid(f"Tag {key} needs at least one value.")
    # An empty value means lines that don't have the tag, as in GetTags' answers.
    return lambda item: dict(item.tags).get(key, "") in values


def _check_options(request: Mapping[str, Any], allowed: set[str], what: str) -> Sequence[str]:
    options: Sequence[str] = request.get("MatchOptions", ())
    for option in options:
        if option not in allowed:
            raise invalid(f"MatchOption {option} is not allowed for {what}; use {', '.join(sorted(allowed))}.")
    return options


@dataclass(frozen=True, slots=True)
class Grouping:
    """One entry of GroupBy."""

    tag: bool
    key: str

    def of(self, item: Item, place: Location) -> str:
        return f"{self.key}${dict(item.tags).get(self.key, '')}" if self.tag else value(item, self.key, place)


def groupings(requested: Sequence[Mapping[str, str]]) -> tuple[Grouping, ...]:
    """What to group by; AWS's error for what can't be grouped by."""
    if len(requested) > 2:
        raise invalid("GroupBy supports at most 2 groups.")
    found = []
    for each in requested:
        kind, key = each.get("Type", ""), each.get("Key", "")
        if kind not in ("DIMENSION", "TAG"):
            raise AwsError("ValidationException", f"localcloud can't group by {kind or 'nothing'}.")
        if kind == "DIMENSION" and key not in GROUPED:
            raise invalid(f"Group Definition dimension {key} is not allowed.")
        found.append(Grouping(kind == "TAG", key))
    if len(set(found)) < len(found):
        raise invalid("GroupBy has the same group twice.")
    return tuple(found)
