"""Figures of charts as text: rounded for people, and as bars of characters."""

from __future__ import annotations

from collections.abc import Sequence

from omc.output.document import Chart

_BARS = "▁▂▃▄▅▆▇█"
MISSING = "·"
"""In a sparkline: no figure there."""


def figure(value: float | None, unit: str = "") -> str:
    """``1,234.5 USD``; three digits of what is small. Nothing known is said as such."""
    if value is None:
        return "not known"
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    text = f"{value:,.{digits}f}"
    return f"{text} {unit}" if unit else text


def sparkline(values: Sequence[float | None], top: float) -> str:
    """One character for each value, from nought to ``top``."""
    if top <= 0:
        return "".join(MISSING if value is None else _BARS[0] for value in values)
    steps = len(_BARS) - 1
    return "".join(
        MISSING if value is None else _BARS[min(steps, max(0, round(value / top * steps)))] for value in values
    )


def top_of(chart: Chart) -> float:
    """The greatest value of all its series; nought where none has any."""
    return max((value for series in chart.series for value in series.values if value is not None), default=0.0)


def last_of(values: Sequence[float | None]) -> float | None:
    """The newest value that is known."""
    return next((value for value in reversed(values) if value is not None), None)
