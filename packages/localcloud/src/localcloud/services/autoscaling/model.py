"""Records of autoscaling, and the figures that AWS documents for it."""

from __future__ import annotations

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
