"""Reading what whoever starts a fault has chosen. Each refusal names the setting and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localcloud.core.registry import AwsError


def number(settings: Mapping[str, str], key: str, least: float, most: float) -> float:
    """A number between two bounds, both included."""
    try:
        value = float(settings[key])
    except (TypeError, ValueError, OverflowError):
        value = float("nan")
    if not least <= value <= most:
        raise AwsError(
            "ValidationError", f"{key} is a number from {least:g} to {most:g}, not {str(settings[key])[:80]!r}."
        )
    return value


def choice(settings: Mapping[str, str], key: str, allowed: Sequence[str]) -> str:
    """One of these words."""
    if settings[key] not in allowed:
        raise AwsError("ValidationError", f"{key} is one of {', '.join(allowed)}, not {str(settings[key])[:80]!r}.")
    return settings[key]
