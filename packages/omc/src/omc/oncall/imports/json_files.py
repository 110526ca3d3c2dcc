"""JSON exports as they are found: one document, a page of a list, a list, several files of them together. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from omc.oncall.clock import local_of
from omc.oncall.imports.draft import MAX_BYTES, WrongFile, known_zone
from omc.times import zone_named

MAX_NESTING = 8
LISTS = ("data", "results", "schedules", "schedule", "users", "on_call_shifts", "shifts", "overrides", "user")
"""The keys under which exports hold what they are about."""


def read_json(content: bytes) -> Any:
    """The document. ``WrongFile`` where it is none."""
    if len(content) > MAX_BYTES:
        raise WrongFile(f"The file has {len(content)} bytes; at most {MAX_BYTES} are read.")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise WrongFile(f"This is no JSON: {' '.join(str(error).split())[:120]}.") from error


def items_of(document: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The objects of a document that stand for something by themselves: in lists, under the usual keys, or alone."""
    if depth > MAX_NESTING:
        return
    if isinstance(document, list):
        for each in document:
            yield from items_of(each, depth + 1)
    elif isinstance(document, Mapping):
        is_wrapper = not ({"id", "name", "type"} & set(document))
        for key in LISTS:
            if is_wrapper and isinstance(document.get(key), list | Mapping):
                yield from items_of(document[key], depth + 1)
        if not is_wrapper:
            yield document


def objects(value: Any) -> list[Mapping[str, Any]]:
    """A list's objects; what else is in it, and what is no list, are none."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def wall(at: datetime, zone: str) -> datetime:
    """What a clock in a zone shows at a moment, without fractions."""
    return local_of(at, zone_named(zone)).replace(microsecond=0)


def zone_or(value: Any, default: str, notes: list[str], what: str) -> str:
    """A zone's name, if there is such a zone."""
    if value is None or value == "":
        return default
    zone = known_zone(str(value))
    if zone is None:
        notes.append(f"The time zone {str(value)[:60]!r} of {what} isn't known; {default} is used.")
        return default
    return zone.key


def positive(value: Any, what: str) -> int:
    """A whole number above 0. ``ValueError`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{what} is {value!r:.40}, not a whole number above 0")
    return value


def rotated(groups: Sequence[tuple[str, ...]], start: int) -> tuple[tuple[str, ...], ...]:
    """The groups, from the one at ``start`` on."""
    return (*groups[start:], *groups[:start])
