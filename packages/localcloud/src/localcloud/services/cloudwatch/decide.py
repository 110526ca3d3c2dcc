"""Judges one metric alarm: datapoints and settings in, state and AWS's words for it out. Pure: no clock, no store.

The rules are those of the CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data": more periods
are looked at than the alarm evaluates; real datapoints come first and missing ones are filled in as few times as
possible; the alarm doesn't go to ALARM prematurely when data is intermittent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

EXTRA_PERIODS = 2
"""Periods looked at beyond EvaluationPeriods: the documentation's examples evaluate 3 and look at 5."""

COMPARISONS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": ("greater than or equal to", lambda value, threshold: value >= threshold),
    "GreaterThanThreshold": ("greater than", lambda value, threshold: value > threshold),
    "LessThanThreshold": ("less than", lambda value, threshold: value < threshold),
    "LessThanOrEqualToThreshold": ("less than or equal to", lambda value, threshold: value <= threshold),
}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


@dataclass(frozen=True, slots=True)
class Criteria:
    """What an alarm compares. ``to_alarm`` is M where it was given, else None (all N)."""

    comparison: str
    threshold: float
    periods: int
    to_alarm: int | None
    missing: str
    period: int
    statistic: str | None = None
    unit: str | None = None

    @property
    def needed(self) -> int:
        return self.to_alarm or self.periods

    def breaches(self, value: float) -> bool:
        return COMPARISONS[self.comparison][1](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Point:
    """One period of the evaluation range; ``value`` is None where it is missing."""

    at: int
    value: float | None
    samples: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """``state`` is None where the alarm keeps the state that it has."""

    state: str | None
    reason: str
    data: str


def state_of(criteria: Criteria, points: Sequence[Point]) -> tuple[str | None, list[Point], int]:
    """State, the real datapoints that it rests on (oldest first), and how many missing ones were filled in.

    ``points`` is the evaluation range, oldest first, without the periods in which nobody measured (the cloud was
    down): those are not missing data. While they leave fewer periods than the alarm evaluates, only a majority that
    they could not overturn counts.
    """
    real = [point for point in points if point.value is not None]
    used = real[-criteria.periods :]
    filled = min(criteria.periods - len(used), len(points) - len(real))
    unmeasured = criteria.periods - len(used) - filled
    breaching = sum(criteria.breaches(point.value) for point in used if point.value is not None)
    if filled and criteria.missing == "breaching":
        breaching += filled
    if breaching >= criteria.needed:
        return "ALARM", used, filled
    if unmeasured:
        good = len(used) + (filled if criteria.missing in ("breaching", "notBreaching") else 0) - breaching
        return ("OK" if good > criteria.periods - criteria.needed else None), used, filled
    if filled == 0 or criteria.missing in ("breaching", "notBreaching"):
        return "OK", used, filled
    if not real:
        return (None if criteria.missing == "ignore" else "INSUFFICIENT_DATA"), used, filled
    if breaching < len(used):
        return "OK", used, filled
    # All that there is breaches, but it is less than M. Intermittent data must not alarm too early: only when the
    # oldest breaching datapoint is at least M periods old is it sure that the missing ones won't come.
    age = len(points) - next(number for number, point in enumerate(points) if point.value is not None)
    if criteria.missing == "missing" and age >= criteria.needed:
        return "ALARM", used, filled
    return None, used, filled


def judge(criteria: Criteria, points: Sequence[Point], now: datetime) -> Judgement:
    state, used, filled = state_of(criteria, points)
    return Judgement(state, _reason(criteria, state, used, filled), _data(criteria, points, used, now))


def _reason(criteria: Criteria, state: str | None, used: Sequence[Point], filled: int) -> str:
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_count(filled, 'datapoint')} {_was(filled)} unknown."
    treated = ""
    if filled and criteria.missing in ("breaching", "notBreaching"):
        word = "Breaching" if criteria.missing == "breaching" else "NonBreaching"
        treated = f" and {_count(filled, 'missing datapoint')} {_was(filled)} treated as [{word}]"
    if not used:
        return (
            f"Threshold Crossed: no datapoints were received for {_count(criteria.periods, 'period')}"
            f"{treated.replace(' and ', ' and ', 1)}."
        )
    crossed = state == "ALARM"
    points = [point for point in used if point.value is not None and criteria.breaches(point.value) == crossed]
    if not points:
        # The real datapoints all lie on the other side; the missing ones decided.
        crossed, points = not crossed, list(used)
    shown = ", ".join(f"{java_double(point.value or 0.0)} ({_day(point.at)})" for point in reversed(points))
    relation = f"{'' if crossed else 'not '}{COMPARISONS[criteria.comparison][0]}"
    compared = f"[{shown}] {_was(len(points))} {relation} the threshold ({java_double(criteria.threshold)}){treated}"
    if criteria.to_alarm is None:
        return f"Threshold Crossed: {_count(len(points), 'datapoint')} {compared}."
    least = criteria.needed if state == "ALARM" else criteria.periods - criteria.needed + 1
    change = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(points)} out of the last {criteria.periods} datapoints {compared}"
        f" (minimum {_count(least, 'datapoint')} for {change} transition)."
    )


def _data(criteria: Criteria, points: Sequence[Point], used: Sequence[Point], now: datetime) -> str:
    data: dict[str, Any] = {"version": "1.0", "queryDate": timestamp(now)}
    if used:
        data["startDate"] = timestamp(datetime.fromtimestamp(used[0].at, UTC))
    if criteria.unit:
        data["unit"] = criteria.unit
    if criteria.statistic:
        data["statistic"] = criteria.statistic
    data["period"] = criteria.period
    data["recentDatapoints"] = [point.value for point in used]
    data["threshold"] = criteria.threshold
    records = list(reversed(points))[: criteria.periods] if not used else list(reversed(used))
    data["evaluatedDatapoints"] = [
        {
            "timestamp": timestamp(datetime.fromtimestamp(point.at, UTC)),
            **({"sampleCount": point.samples} if point.samples is not None else {}),
            **({"value": point.value} if point.value is not None else {}),
        }
        for point in records
    ]
    return json.dumps(data, separators=(",", ":"))


def timestamp(at: datetime) -> str:
    """As in StateReasonData and notifications: ``2026-11-23T12:01:00.000+0000``."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def java_double(value: float) -> str:
    """A number as CloudWatch writes it (Java's): 7.0, 1.50785441792E10."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    digits, exponent = f"{value:.17e}".split("e")
    for precision in range(1, 18):
        digits, exponent = f"{value:.{precision}e}".split("e")
        if float(f"{digits}e{exponent}") == value:
            break
    return f"{digits}E{int(exponent)}"


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
