"""Records of autoscaling, and its decisions as pure functions: what is measured in, the count to set out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

DIMENSION: Final = "ecs:service:DesiredCount"
PREDEFINED: Final = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}
DEFAULT_COOLDOWN: Final = 300
"""Seconds, out and in, for ECS (API reference of TargetTrackingScalingPolicyConfiguration)."""
HIGH_PERIODS, LOW_PERIODS, PERIOD_SECONDS, LOW_SHARE = 3, 15, 60, 0.9
"""The alarms as AWS makes them: above the target for 3 minutes; below nine tenths of it for 15."""
KEEP_ACTIVITIES: Final = timedelta(weeks=6)
MOST_ACTIVITIES: Final = 500


PRINCIPAL: Final = "ecs.application-autoscaling.amazonaws.com"


@dataclass(slots=True)
class ScalableTarget:
    resource: str
    """``service/<cluster>/<service>``."""
    arn: str
    minimum: int
    maximum: int
    role: str
    created_at: datetime
    suspended: dict[str, bool] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    scaled_out_at: datetime | None = None
    out_cooldown: float = 0.0
    out_base: int = 0
    """What the count was before the scale-out whose cooldown runs."""
    scaled_in_at: datetime | None = None
    in_cooldown: float = 0.0


@dataclass(slots=True)
class Policy:
    name: str
    arn: str
    resource: str
    configuration: dict[str, Any]
    created_at: datetime
    alarms: list[dict[str, str]] = field(default_factory=list)
    """The high one first."""


@dataclass(slots=True)
class Activity:
    id: str
    resource: str
    description: str
    cause: str
    started_at: datetime
    wanted: int
    status: str = "InProgress"
    message: str = ""
    ended_at: datetime | None = None
    not_scaled: dict[str, Any] | None = None


@dataclass(slots=True)
class State:
    targets: dict[str, ScalableTarget] = field(default_factory=dict)
    policies: dict[tuple[str, str], Policy] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)
    """Latest first."""


# --- decisions


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
