"""Whether a release that has been rolled serves as a healthy service does. Pure judgement, asked again and again.

It is judged against health: the figures of the last release that was verified without failures, and limits that hold
whatever was before. What was there just before the release says two things more: what the release changed for the
worse, and, where that was an incident, whether the release helps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from omc.config import Thresholds
from omc.facts.releases import Ledger

SLOWER = 2.0
"""A 95th percentile this many times that of a healthy release, and above ``slow_seconds``, is too slow."""
MORE_ERRORS = 2.0
"""This many percentage points of 5xx more than a healthy release had are too many, where they are …"""
COUNTED_ERRORS = 10
"""… at least so many answers. Both are judgement, without a source: less than the alarm's five percent, and more than a
few requests of a quiet service that fail by chance."""
WATCHED_MINUTES = 3
"""Whole minutes of the load balancer's figures without which a release is not verified: as many as its alarms need."""
LOCAL_WATCHED_SECONDS = 60.0
"""In the local cloud, whose figures come every ten seconds: a shorter watch verifies nothing."""
WORSE = 2.0
"""In an incident: this many times the errors, or this many times fewer good answers, is worse; this many times fewer
errors, or answers this many times faster, is better."""


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

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Readings:
        """What ``asdict`` gave, of this omc or an older one."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})


@dataclass(frozen=True, slots=True)
class Health:
    """How a healthy service was: the figures by which a release was verified."""

    readings: Readings
    release: int
    verified: str
    """When, ISO 8601."""


class State(StrEnum):
    """What the watch of a release comes to."""

    HEALTHY = "healthy"
    UNCOMPARED = "not compared"
    """Nothing speaks against it, and there were too few answers to say more."""
    BETTER = "better than the incident, not healthy"
    UNHEALED = "as bad as before"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class Judged:
    """A state with its sentence."""

    state: State
    sentence: str


def enough_to_judge(now: Readings, limits: Thresholds, seconds: float) -> bool:
    """Whether there was the traffic without which error rate and latency say nothing."""
    return now.requests >= max(1.0, limits.requests_floor * min(1.0, seconds / 60))


def health_of(ledger: Ledger, limits: Thresholds) -> Health | None:
    """The figures of the newest release that was verified without failures; None where there is none."""
    for release in ledger.releases:
        after, seconds = release.proof.get("after"), float(release.proof.get("seconds") or 0.0)
        if not release.is_verified or not isinstance(after, Mapping):
            continue
        readings = Readings.from_json(after)
        if enough_to_judge(readings, limits, seconds) and not unhealthy(readings, None, limits, seconds):
            return Health(readings, release.number, release.verified.isoformat())
    return None


def unhealthy(now: Readings, health: Health | None, limits: Thresholds, seconds: float) -> list[str]:
    """How the figures of users' answers differ from those of a healthy service, a sentence each.

    ``seconds``: the length of the stretch that ``now`` covers, for the floor of requests a minute.
    """
    if not enough_to_judge(now, limits, seconds):
        return []
    found = []
    known = health.readings if health else Readings()
    errors = now.requests * now.error_percent / 100
    of = f"{now.error_percent:.1f} % of {now.requests:.0f} answers are 5xx"
    if now.error_percent > limits.error_percent:
        found.append(f"{of}, above {limits.error_percent:g} %")
    elif health and now.error_percent > known.error_percent + MORE_ERRORS and errors >= COUNTED_ERRORS:
        found.append(f"{of}, and {known.error_percent:.1f} % when release {health.release} was verified")
    slow, limit = now.p95_seconds, max(limits.slow_seconds, SLOWER * (known.p95_seconds or 0.0))
    if slow is not None and slow > limit:
        found.append(f"the slowest 5 % of answers take {slow:.2f} s or more, above {limit:.2f} s")
    return found


def regression(
    before: Readings, now: Readings, limits: Thresholds, seconds: float, health: Health | None = None
) -> str:
    """Why the release must be rolled back at once, in a sentence; empty while nothing calls for it.

    In an incident it isn't rolled back for what was as bad before it, only for what it makes worse.
    """
    fresh = sorted(set(now.firing) - set(before.firing))
    if fresh:
        return f"{'Alarms' if len(fresh) > 1 else 'Alarm'} {', '.join(fresh)} fired during the release."
    for service, failed in now.failed_tasks.items():
        if failed >= min(limits.failed_tasks, max(1, now.desired.get(service, 1))):
            return f"{failed} task{'s' if failed != 1 else ''} of the new {service} failed during the release."
    found = unhealthy(now, health, limits, seconds)
    if not found:
        return ""
    if not in_incident(before, limits):
        return f"{_capital(found[0])}; before, {_of(before)}."
    if not _made_worse(before, now, limits):
        return ""
    return f"{_capital(found[0])}; in the incident before it {_of(before)}."


def in_incident(before: Readings, limits: Thresholds) -> bool:
    """Whether users were served badly before the release already."""
    return bool(unhealthy(before, None, limits, seconds=60))


def judged(
    before: Readings,
    recent: Readings,
    limits: Thresholds,
    seconds: float,
    health: Health | None = None,
    heeded: Collection[str] = (),
) -> Judged:
    """What the watch comes to at its end, where nothing has ended it earlier.

    ``recent``: the newest stretch of it, ``seconds`` long, since a fix takes a while to be seen. ``heeded``: the
    services' deployment alarms; one that rang before and still rings is not healthy.
    """
    found = unhealthy(recent, health, limits, seconds)
    rings = sorted(set(recent.firing) & set(before.firing) & set(heeded))
    found += [f"alarm {name} fired before and still does" for name in rings]
    figures = figures_of(recent)
    if not found and not enough_to_judge(recent, limits, seconds):
        return Judged(State.UNCOMPARED, f"with only {recent.requests:.0f} answers, error rate and latency could not be "
                      "compared with anything")  # fmt: skip
    if not found:
        if health:
            than = f"as healthy as release {health.release} when it was verified ({figures_of(health.readings)})"
        else:
            than = "within the limits of omc.toml; no earlier release was verified here to compare it with"
        healed = f", and the incident before it ({_of(before)}) is over" if in_incident(before, limits) else ""
        return Judged(State.HEALTHY, f"{than}: {figures}{healed}")
    why = "; ".join(found)
    if not in_incident(before, limits) and not rings:
        return Judged(State.WORSE, f"{why}; before, {_of(before)}")
    if in_incident(before, limits) and _made_better(before, recent, limits):
        return Judged(State.BETTER, f"better than the incident before it ({_of(before)}), but not healthy: {why}")
    return Judged(State.UNHEALED, f"no better than the incident before it ({_of(before)}): {why}")


def figures_of(readings: Readings) -> str:
    """``0.1 % of 412 answers 5xx, 95th percentile 0.08 s``."""
    parts = [f"{readings.error_percent:.1f} % of {readings.requests:.0f} answers 5xx"]
    parts += [f"95th percentile {readings.p95_seconds:.2f} s"] if readings.p95_seconds is not None else []
    return ", ".join(parts)


def _of(before: Readings) -> str:
    if not before.requests:
        return "nothing was asked"
    slow = "" if before.p95_seconds is None else f", 95th percentile {before.p95_seconds:.2f} s"
    return f"it was {before.error_percent:.1f} %{slow}"


def _made_worse(before: Readings, now: Readings, limits: Thresholds) -> bool:
    if now.error_percent > max(limits.error_percent, WORSE * before.error_percent):
        return True
    good, was_good = 100 - now.error_percent, 100 - before.error_percent
    if now.error_percent > limits.error_percent and good * WORSE < was_good:
        return True
    slow = now.p95_seconds
    return slow is not None and slow > max(limits.slow_seconds, WORSE * (before.p95_seconds or 0.0))


def _made_better(before: Readings, now: Readings, limits: Thresholds) -> bool:
    """In what was bad, so many times less of it; and in nothing that was good, bad."""
    errors_were_bad = before.error_percent > limits.error_percent
    slow, was_slow = now.p95_seconds or 0.0, before.p95_seconds or 0.0
    better = []
    if errors_were_bad:
        better.append(now.error_percent * WORSE <= before.error_percent)
    elif now.error_percent > limits.error_percent:
        return False
    if was_slow > limits.slow_seconds:
        better.append(slow * WORSE <= was_slow)
    elif slow > limits.slow_seconds:
        return False
    return bool(better) and all(better)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
