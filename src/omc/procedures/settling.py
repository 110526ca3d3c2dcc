"""Whether a release that has been rolled is as good as what was there before. Pure judgement, asked again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from omc.stack import Thresholds

SLOWER = 2.0
"""So many times slower than before …"""
SLOW_SECONDS = 1.0
"""… and above this, as the 95th percentile, is too slow."""
WATCHED_MINUTES = 3
"""Whole minutes of the load balancer's figures without which a release is not verified: as many as its alarms need."""
WORSE = 2.0
"""An error rate that was above the limit before must have grown so many times to be the release's fault."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Figures of a stretch of time. As JSON it goes from one step of a plan to another."""

    firing: Sequence[str] = ()
    """Alarms of the environment that are in ALARM and act."""
    requests: float = 0
    error_percent: float = 0
    p95_seconds: float | None = None
    failed_tasks: Mapping[str, int] = field(default_factory=dict)
    """By service, tasks of the new revision that failed since it was rolled."""
    desired: Mapping[str, int] = field(default_factory=dict)


def enough_to_judge(now: Readings, limits: Thresholds, seconds: float) -> bool:
    """Whether there was the traffic without which error rate and latency say nothing."""
    return now.requests >= limits.requests_floor * min(1.0, seconds / 60)


def worse(before: Readings, now: Readings, limits: Thresholds, seconds: float) -> str:
    """Why the release is not good, in a sentence; empty while nothing says so.

    ``seconds``: the length of the stretch that ``now`` covers, for the floor of requests a minute.
    """
    fresh = sorted(set(now.firing) - set(before.firing))
    if fresh:
        return f"{'Alarms' if len(fresh) > 1 else 'Alarm'} {', '.join(fresh)} fired since."
    for service, failed in now.failed_tasks.items():
        if failed >= min(limits.failed_tasks, max(1, now.desired.get(service, 1))):
            return f"{failed} task{'s' if failed != 1 else ''} of the new {service} failed since."
    enough = enough_to_judge(now, limits, seconds)
    if enough and now.error_percent > max(limits.error_percent, WORSE * before.error_percent):
        return (
            f"{now.error_percent:.1f} % of {now.requests:.0f} answers are 5xx, above {limits.error_percent:g} %; "
            f"before it were {before.error_percent:.1f} %."
        )
    slow = now.p95_seconds
    if enough and slow is not None and slow > max(SLOW_SECONDS, SLOWER * (before.p95_seconds or 0)):
        earlier = "not measured" if before.p95_seconds is None else f"{before.p95_seconds:.2f} s"
        return f"The slowest 5 % of answers take {slow:.2f} s or more; before: {earlier}."
    return ""
