"""Whether a figure has changed since the week before: one rule for all of the performance review. Pure.

A period is cut into days (a short one into hours), and each is compared with the same one a whole number of weeks
before, so that a Monday meets a Monday. A change counts if all of this holds:

- at least ``MIN_PAIRS`` of them have a figure on both sides,
- in at least ``SAME_WAY`` of these it moved the same way,
- the medians differ by at least the given share, and
- by at least the given amount, since a share of nearly nothing is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean, median

WEEK = timedelta(days=7)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MIN_PAIRS = 5
SAME_WAY = 0.8
"""Of seven days six: if nothing had changed, so many would go one way by chance in one week of eight, and by a fifth at
once hardly ever."""
Points = Sequence[tuple[datetime, float]]
"""A time and a figure, oldest first."""


@dataclass(frozen=True, slots=True)
class Change:
    """Two periods compared."""

    before: float | None
    """Median of the days before; None: no figure."""
    now: float | None
    pairs: int
    """Days (or hours) that could be compared."""
    moved: int
    """Of these, those in which it moved the way of the medians."""
    counts: bool
    is_daily: bool = True

    @property
    def is_known(self) -> bool:
        return self.pairs >= MIN_PAIRS

    @property
    def rose(self) -> bool:
        return self.counts and (self.now or 0.0) > (self.before or 0.0)

    @property
    def fell(self) -> bool:
        return self.counts and not self.rose

    @property
    def percent(self) -> float | None:
        """By how much; None where there was nothing before, or nothing is known."""
        return 100 * (self.now / self.before - 1) if self.before and self.now is not None else None


def shift_of(since: timedelta) -> timedelta:
    """How much earlier the period before lies: whole weeks, and at least the period itself."""
    return WEEK * max(1, math.ceil(since / WEEK))


def step_of(since: timedelta) -> timedelta:
    """What a period is cut into."""
    return DAY if since >= MIN_PAIRS * DAY else HOUR


def change(points: Points, begin: datetime, since: timedelta, *, percent: float, least: float) -> Change:
    """Of one series over both periods. ``begin`` is that of the later one, ``since`` its length."""
    now = _steps(points, begin, since)
    before = _steps(points, begin - shift_of(since), since)
    both = [(before[number], now[number]) for number in sorted(now.keys() & before.keys())]
    if not both:
        return Change(_middle(before.values()), _middle(now.values()), 0, 0, False, step_of(since) == DAY)
    old, new = median(each for each, _ in both), median(each for _, each in both)
    moved = sum(1 for left, right in both if (right - left) * (new - old) > 0)
    counts = (
        len(both) >= MIN_PAIRS
        and moved >= SAME_WAY * len(both)
        and abs(new - old) >= max(least, old * percent / 100)
        and new != old
    )
    return Change(old, new, len(both), moved, counts, step_of(since) == DAY)


def _middle(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None


def _steps(points: Points, begin: datetime, length: timedelta) -> dict[int, float]:
    """By the number of the day or hour: the mean of its figures."""
    step, found = step_of(length), dict[int, list[float]]()
    for at, value in points:
        if begin <= at < begin + length:
            found.setdefault(int((at - begin) / step), []).append(value)
    return {number: fmean(values) for number, values in found.items()}
