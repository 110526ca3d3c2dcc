"""The detector of cost anomalies: a day of a service that costs far more than the four weeks before it.

Expected is the median of up to 28 days before (at least ten). A day is anomalous where it exceeds that by more than
three times the spread (median absolute deviation, scaled to a standard deviation), by more than a tenth, and by more
than a dollar. Anomalous days that follow each other are one anomaly, judged by the days before its first. Only days
that are over are looked at. AWS's own detector is a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

LOOK_BACK = 28
LEAST_DAYS = 10
SPREADS = 3.0
LEAST_SHARE = 0.1
LEAST_DOLLARS = 1.0
NORMAL = 1.4826
"""A normal distribution's standard deviation in median absolute deviations."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    first: date
    last: date
    actual: float
    expected: float
    largest: float
    """The worst day's excess, USD."""

    @property
    def impact(self) -> float:
        return self.actual - self.expected


def find(daily: Mapping[date, float]) -> list[Anomaly]:
    """The anomalies of one series of daily costs. Days that are missing between the first and the last cost nothing."""
    if not daily:
        return []
    first, last = min(daily), max(daily)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    costs = [daily.get(each, 0.0) for each in days]
    usual = list[float]()
    found = list[Anomaly]()
    run = list[tuple[int, float]]()
    for number, cost in enumerate(costs):
        before = usual[-LOOK_BACK:]
        if len(before) >= LEAST_DAYS and _exceeds(cost, before):
            run.append((number, median(before)))
            continue
        if run:
            found.append(_anomaly(run, days, costs))
            run = []
        usual.append(cost)
    return [*found, _anomaly(run, days, costs)] if run else found


def _exceeds(cost: float, before: Sequence[float]) -> bool:
    expected = median(before)
    spread = NORMAL * median(abs(each - expected) for each in before)
    return cost - expected > max(SPREADS * spread, LEAST_SHARE * expected, LEAST_DOLLARS)


def _anomaly(run: Sequence[tuple[int, float]], days: Sequence[date], costs: Sequence[float]) -> Anomaly:
    numbers = [number for number, _ in run]
    return Anomaly(
        days[numbers[0]],
        days[numbers[-1]],
        sum(costs[number] for number in numbers),
        sum(expected for _, expected in run),
        max(costs[number] - expected for number, expected in run),
    )
