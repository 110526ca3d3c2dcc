"""Nested values as text: a line for each leaf, and a short form of it."""

from __future__ import annotations

from typing import Any


def leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Nested facts as one line each: ``backend.running``."""
    if not isinstance(value, dict):
        return [(name, value)]
    return [leaf for key, item in value.items() for leaf in leaves(item, f"{name}.{key}" if name else str(key))]


def short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(short(item) for item in value) or "(none)"
    return "(none)" if value is None else str(value)
