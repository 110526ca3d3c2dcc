"""Nested values as text and as a document's fields: a line for each leaf."""

from __future__ import annotations

from typing import Any

from omc.output.document import Field


def leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Nested facts as one line each: ``backend.running``."""
    if not isinstance(value, dict):
        return [(name, value)]
    return [leaf for key, item in value.items() for leaf in leaves(item, f"{name}.{key}" if name else str(key))]


def short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(short(item) for item in value) or "(none)"
    return "(none)" if value is None else str(value)


def fields_of(value: Any) -> tuple[Field, ...]:
    """A nested value as fields, one a leaf."""
    return tuple(
        Field(name, [short(item) for item in leaf] if isinstance(leaf, list) else short(leaf))
        for name, leaf in leaves(value)
    )
