"""CPU credits of burstable instances: earned by the hour, spent by the CPU that the real processes use.

A credit is one vCPU at full speed for a minute. Figures of t3 and t4g are those of the EC2 user guide, Key concepts for
burstable performance instances. An instance begins with all that it can hold, as one that has run for a day.

RDS's t3 and t4g are in unlimited mode: without credits they go on, and what they lack is charged; its t2 are held to
their baseline (RDS user guide, DB instance class types). Small classes also have a bucket for the speed of their
volumes: when that is empty, reads and writes are held to the class's baseline, whatever its CPU credits. RDS's are held
here too, by ``core.brake``; a cache node's credits are only told.
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


MEGABIT = 1e6 / 8
VOLUME: Mapping[str, tuple[float, float]] = {
    f"{family}.{size}": (baseline * MEGABIT, most * MEGABIT)
    for family in ("t3", "t4g")
    for sizes, baseline, most in (
        (("micro",), 87, 2085),
        (("small",), 174, 2085),
        (("medium",), 347, 2085),
        (("large", "xlarge", "2xlarge"), 695, 2780),
    )
    for size in sizes
}
"""Bytes a second: the baseline, and the most, as EC2's DescribeInstanceTypes has them (EbsOptimizedInfo,
BaselineBandwidthInMbps and MaximumBandwidthInMbps). That RDS's class of the same name has the same is assumed."""
AT_MOST = 1800
"""Seconds for which a full bucket gives the most: EC2 user guide, Amazon EBS-optimized instance types, has half an hour
at least once in a day. That it fills by what the baseline leaves is assumed."""


def volume_baseline(instance_class: str) -> float | None:
    """Bytes a second that are always to be had; None where it isn't known of the class."""
    found = VOLUME.get(instance_class.partition(".")[2])
    return None if found is None else found[0]


def volume_balance(instance_class: str, before: float | None, seconds: float, moved: float) -> float | None:
    """Percent of the bucket after so many seconds in which so many bytes were read and written."""
    found = VOLUME.get(instance_class.partition(".")[2])
    if found is None:
        return None
    baseline, greatest = found
    spent = 100 * (moved - baseline * seconds) / ((greatest - baseline) * AT_MOST)
    return min(100.0, max(0.0, (100.0 if before is None else before) - spent))


def cpu_baseline(instance_class: str) -> float | None:
    """vCPUs that its credits earn without an end; None where it lives on no credits."""
    held = most(instance_class)
    return None if held is None else held / HOURS_HELD / 60


def is_held(instance_class: str) -> bool:
    """Whether a database is slowed without CPU credits, rather than charged."""
    return instance_class.startswith("db.t2.")


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
