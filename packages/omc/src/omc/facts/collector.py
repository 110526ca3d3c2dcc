"""From functions to the facts they need: each read once, side by side, with the calls it rests on.

A function, be it a check or a reader, names what it needs by its parameters' types. What can't be read becomes
``Unavailable`` and everything that needs it is not known; nothing else suffers. A function that can do without a fact
says so by ``Fact | None``, and gets None where it could not be read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeAlias, TypeVar, get_args, get_type_hints

from omc.aws.calls import Call, recording
from omc.aws.gateway import Gateway
from omc.errors import OmcError, WrongUse, contained, lacking

Calls: TypeAlias = tuple[Call, ...]
Reader = TypeVar("Reader", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Reading:
    """When a fact was read, and by which calls."""

    at: datetime
    calls: tuple[Call, ...] = ()


NO_READING = Reading(datetime.fromtimestamp(0, UTC))
"""Of a fact that was written down (in a test), not read."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A fact that could not be read, and why."""

    fact: type
    error: OmcError
    reading: Reading


Readings = Mapping[type, Any]
"""Each fact's type to the fact, or to ``Unavailable``."""

_READERS: dict[type, Callable[..., Any]] = {}
_ROUNDS: dict[type, int] = {}
"""Of the facts that take more than one."""


def reads(reader: Reader) -> Reader:
    """Mark the function below as the reader of the fact that it returns."""
    fact = get_type_hints(reader)["return"]
    if fact in _READERS:
        raise RuntimeError(f"{fact.__name__} has two readers")
    _READERS[fact] = reader
    return reader


def reads_in(rounds: int) -> Callable[[Reader], Reader]:
    """Like ``reads``, for a reader that asks so many times, each answer leading to the next: it begins earlier."""

    def marked(reader: Reader) -> Reader:
        _ROUNDS[get_type_hints(reader)["return"]] = rounds
        return reads(reader)

    return marked


@cache
def dependencies(function: Callable[..., Any]) -> Mapping[str, type]:
    """A function's parameters and the types of what it needs for them."""
    return {name: kind for name, (kind, _) in _dependencies(function).items()}


def arguments_from(function: Callable[..., Any], values: Mapping[type, Any]) -> dict[str, Any]:
    """A function's arguments from ``values``; None for an optional fact that could not be read."""
    return {
        name: None if is_optional and isinstance(values[kind], Unavailable) else values[kind]
        for name, (kind, is_optional) in _dependencies(function).items()
    }


@cache
def _dependencies(function: Callable[..., Any]) -> Mapping[str, tuple[Any, bool]]:
    """By parameter: the type, and whether the function can do without."""
    hints = get_type_hints(function)
    found: dict[str, tuple[Any, bool]] = {}
    for name in inspect.signature(function).parameters:
        kinds = [kind for kind in get_args(hints[name]) if kind is not NoneType]
        is_optional = isinstance(hints[name], UnionType) and len(kinds) == 1
        found[name] = (kinds[0], True) if is_optional else (hints[name], False)
    return found


def collect(functions: Iterable[Callable[..., Any]], known: Mapping[type, Any]) -> Readings:
    """All that ``functions`` need and that isn't ``known``, read side by side.

    Every fact has a thread of its own, which first waits for the facts that its reader needs; so a chain of facts
    takes as long as its own calls, whatever else goes on. ``WrongUse`` (another account's credentials) ends all of it.
    """
    wanted = {fact: function.__name__ for function in functions for fact in dependencies(function).values()}
    return _collect(wanted, known)


def collect_facts(facts: Iterable[type], known: Mapping[type, Any]) -> Readings:
    """As ``collect``: these facts, and all that they rest on."""
    return _collect(dict.fromkeys(facts, "a caller"), known)


def _collect(wanted: Mapping[type, str], known: Mapping[type, Any]) -> Readings:
    """``wanted``: each fact, and who needs it."""
    order = _in_order(wanted, known)
    if not order:
        return {}
    if any(Gateway in dependencies(_READERS[fact]).values() for fact in order) and Gateway in known:
        known[Gateway].log_in()
    futures: dict[type, Future[Any]] = {}
    with ThreadPoolExecutor(len(order), "fact") as pool:
        for fact in order:
            futures[fact] = pool.submit(copy_context().run, _read, fact, known, futures)
        return {fact: future.result() for fact, future in futures.items()}


def _in_order(wanted: Mapping[type, str], known: Mapping[type, Any]) -> list[type]:
    """The facts needed, those that others rest on first, and the longest way first."""
    order: list[type] = []

    def add(fact: type, by: str) -> None:
        if fact in known or fact in order:
            return
        if fact not in _READERS:
            raise RuntimeError(f"Nothing reads {fact.__name__}, which {by} needs")
        for need in dependencies(_READERS[fact]).values():
            add(need, _READERS[fact].__name__)
        order.append(fact)

    for fact, by in wanted.items():
        add(fact, by)
    return _longest_first(order)


def _longest_first(order: Sequence[type]) -> list[type]:
    """By how many rounds of questions follow, a fact's own included; so still none before those that it rests on.

    Threads begin one after another, and a client is made for each service: the end waits for what begins last.
    """
    rounds: dict[type, int] = dict.fromkeys(order, 0)
    for fact in reversed(order):
        rounds[fact] += _ROUNDS.get(fact, 1)
        for need in dependencies(_READERS[fact]).values():
            if need in rounds:
                rounds[need] = max(rounds[need], rounds[fact])
    return sorted(order, key=rounds.__getitem__, reverse=True)


def _read(fact: type, known: Mapping[type, Any], futures: Mapping[type, Future[Any]]) -> Any:
    reader = _READERS[fact]
    wanted = dependencies(reader).values()
    arguments = arguments_from(
        reader, {need: known[need] if need in known else futures[need].result() for need in wanted}
    )
    for value in arguments.values():
        if isinstance(value, Unavailable):
            return Unavailable(fact, value.error, value.reading)
    at = datetime.now(UTC)
    with recording() as calls:
        try:
            value = reader(**arguments)
        except WrongUse:
            raise
        except OmcError as error:
            return Unavailable(fact, error, Reading(at, tuple(calls)))
        except KeyError as error:
            return Unavailable(fact, lacking(error, fact.__name__), Reading(at, tuple(calls)))
        except Exception as error:  # noqa: BLE001 - a mistake in one reader costs what it reads, never the report
            return Unavailable(fact, contained(f"the reading of {fact.__name__}", error), Reading(at, tuple(calls)))
        return replace(value, reading=Reading(at, tuple(calls) or _calls_below(arguments)))


def _calls_below(arguments: Mapping[str, Any]) -> tuple[Call, ...]:
    """What a fact rests on that is made of other facts alone."""
    readings = (getattr(value, "reading", None) for value in arguments.values())
    return tuple(call for reading in readings if isinstance(reading, Reading) for call in reading.calls)
