"""How a table of omc.toml and a key of it are declared: what msgspec holds, and what people are told of it."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any

from msgspec import Meta, Struct


class ClockTime(time):
    """A time of day, as TOML's own ``02:00:00`` or as the text ``"02:00"``."""


def key(
    description: str,
    *,
    pattern: str | None = None,
    least: float | None = None,
    most: float | None = None,
    allowed: str | None = None,
    unit: str | None = None,
    default: str | None = None,
    example: Any = None,
    **more: Any,
) -> Meta:
    """What a key is: its limits, which msgspec holds, and for people what it means, its unit and an example.

    ``pattern`` is of the whole text; it must mean the same in Python and in JavaScript, so no ``\\d`` and no ``\\w``.
    ``default`` says in words what follows from other keys; ``allowed`` is how a mistake is answered.
    """
    whole = None if pattern is None else rf"^(?:{pattern})$(?!\n)"  # Python's $ also stands before a last line break
    notes = {"allowed": allowed, "unit": unit, "default": default}
    limits: dict[str, Any] = {"pattern": whole, "ge": least, "le": most, **more}
    return Meta(
        description=description,
        examples=None if example is None else [example],
        extra={name: note for name, note in notes.items() if note is not None},
        **limits,
    )


NAME = r"[A-Za-z0-9][A-Za-z0-9._/-]*"
PATH = r"/\S*"
A_ZONE = 'a time zone such as Australia/Sydney, an offset such as "+10:00", UTC, or AEST (UTC+10 all year)'
"""What each key that names a time zone may be; ``omc.times.zone_named`` reads it."""
Identifier = Annotated[
    str,
    key(
        "A name that you choose.",
        pattern=r"[a-z][a-z0-9-]{0,31}",
        allowed="small letters, digits and hyphens, 32 at most, a letter first",
    ),
]


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: a key that it doesn't name is a mistake."""
