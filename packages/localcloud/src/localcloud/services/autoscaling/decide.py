"""Decisions of autoscaling, pure: what is measured in, the count to set out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def tracked(current: int, value: float, target: float) -> int:
    """The count at which the metric would be at its target, if the same load spread evenly."""
    return math.ceil(current * value / target) if target > 0 else current


@dataclass(frozen=True, slots=True)
class Decision:
    """The count to set, or why it stays (a ``NotScaledReason`` code; empty while a cooldown runs)."""

    count: int | None = None
    code: str = ""


def scale_out(current: int, base: int, value: float, goal: float, maximum: int, *, cooling: bool) -> Decision:
    """Above the target: at least one more. During a cooldown only what goes beyond the scale-out that began it."""
    wanted = max(tracked(base if cooling else current, value, goal), 0 if cooling else current + 1)
    wanted = min(wanted, maximum)
    if wanted > current:
        return Decision(wanted)
    if cooling:
        return Decision()
    return Decision(code="AlreadyAtMaxCapacity" if current >= maximum else "AlreadyAtDesiredCapacity")


def scale_in(current: int, values: Sequence[tuple[float, float]], minimum: int, *, cooling: bool) -> Decision:
    """Below the target of every policy, given as (value, target): what the neediest of them wants."""
    if cooling:
        return Decision()
    if current <= minimum:
        return Decision(code="AlreadyAtMinCapacity")
    wanted = max(minimum, *(tracked(current, value, goal) for value, goal in values))
    return Decision(wanted) if wanted < current else Decision(code="AlreadyAtDesiredCapacity")
