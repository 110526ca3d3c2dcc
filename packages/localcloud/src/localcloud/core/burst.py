"""CPU credits of burstable instances: earned by the hour, spent by the CPU that the real processes use.

A credit is one vCPU at full speed for a minute. Figures of t3 and t4g are those of the EC2 user guide, Key concepts for
burstable performance instances. An instance begins with all that it can hold, as one that has run for a day. Credits
are told, not enforced: nothing is slowed here.
"""

from __future__ import annotations

from collections.abc import Mapping

AN_HOUR: Mapping[str, float] = {
    "nano": 6,
    "micro": 12,
    "small": 24,
    "medium": 24,
    "large": 36,
    "xlarge": 96,
    "2xlarge": 192,
}
"""Earned, by size."""
HOURS_HELD = 24
"""What it can hold are the credits of a day."""


def most(instance_class: str) -> float | None:
    """What a class such as ``db.t4g.micro`` can hold; None where it lives on no credits."""
    _, _, rest = instance_class.partition(".")
    family, _, size = rest.partition(".")
    earned = AN_HOUR.get(size) if family.startswith("t") else None
    return None if earned is None else earned * HOURS_HELD


def balance(instance_class: str, before: float | None, seconds: float, cpu_seconds: float) -> float | None:
    """The credits after so many seconds of which so many were spent by a vCPU. ``before`` None: it has just begun."""
    held = most(instance_class)
    if held is None:
        return None
    earned = held / HOURS_HELD * seconds / 3600
    return min(held, max(0.0, (held if before is None else before) + earned - cpu_seconds / 60))
