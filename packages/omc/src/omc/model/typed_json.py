"""Frozen dataclasses as JSON and back, each field checked against its annotation.

For values that are kept and read back, maybe by another version of omc: what doesn't fit is a ``Misfit`` with its
place, never a value of the wrong type. Fields may be JSON's own types, ``datetime`` (with its zone), enums,
dataclasses, ``tuple[X, ...]``, ``Mapping[str, X]``, and ``None`` beside any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


class Misfit(ValueError):
    """A document isn't what the dataclass says: ``steps.1.count: "x" is no int``."""


def to_json(value: Any) -> Any:
    """A dataclass's fields, or a value of one, as JSON has them. ``TypeError`` for what can't be read back."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError(f"{value} has no time zone, so it isn't a definite moment.")
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [to_json(item) for item in value]
    raise TypeError(f"{type(value).__name__} can't be kept as JSON.")


def from_json(kind: type[Value], document: Any) -> Value:
    """The dataclass that ``to_json`` made this document from. ``Misfit`` where it is no such thing: a field is missing,
    unknown, or of another type."""
    made: Value = _read(kind, document, "")
    return made


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any, place: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return _first_that_fits(inner, value, place)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, value, place)
    if origin is tuple or (isinstance(origin, type) and issubclass(origin, Sequence)):
        if not isinstance(value, list):
            raise _misfit(place, value, "list")
        return tuple(_read(inner[0], item, f"{place}.{number}") for number, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _misfit(place, value, "object")
        return {name: _read(inner[1], item, f"{place}.{name}") for name, item in value.items()}
    return _scalar(kind, value, place)


def _scalar(kind: Any, value: Any, place: str) -> Any:
    if kind is NoneType:
        if value is None:
            return None
    elif kind is datetime:
        if isinstance(value, str) and (moment := _moment(value)) is not None:
            return moment
    elif issubclass(kind, Enum):
        if any(value == each.value for each in kind):
            return kind(value)
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif type(value) is kind:
        return value
    raise _misfit(place, value, kind.__name__)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _first_that_fits(kinds: Sequence[Any], value: Any, place: str) -> Any:
    for kind in kinds:
        try:
            return _read(kind, value, place)
        except Misfit:
            continue
    raise _misfit(place, value, " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds))


def _dataclass(kind: type, value: Any, place: str) -> Any:
    if not isinstance(value, Mapping):
        raise _misfit(place, value, kind.__name__)
    known = {each.name: each for each in fields(kind)}
    for name in value:
        if name not in known:
            raise Misfit(f"{_below(place, name)}: {kind.__name__} has no such field")
    hints = _hints(kind)
    found = {name: _read(hints[name], item, _below(place, name)) for name, item in value.items()}
    for name, each in known.items():
        if name not in found and each.default is MISSING and each.default_factory is MISSING:
            raise Misfit(f"{_below(place, name)} is missing")
    return kind(**found)


def _below(place: str, name: str) -> str:
    return f"{place}.{name}".lstrip(".")


def _misfit(place: str, value: Any, wanted: str) -> Misfit:
    return Misfit(f"{place.lstrip('.') or 'the document'}: {value!r:.60} is no {wanted}")
