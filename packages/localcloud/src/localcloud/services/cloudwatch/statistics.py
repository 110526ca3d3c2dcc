"""Statistics of one period of one metric: what is kept of the samples, and every statistic CloudWatch computes of it.

Here are the summary of a period, its merging, its compact form on disk and the statistics by name (``Average``,
``p99.9``, ``tm90``, ``PR(0:1)``). Storing and choosing periods is ``store``'s business.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

MOST_VALUES = 1000
"""Distinct values kept exactly of one period; beyond it they are put into bins of 1 % (AWS's own are about as wide)."""

UNKNOWN = b""
"""On disk: the distribution isn't known, since a statistic set was put. NULL means that it follows from the rest."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The samples of one period. ``values`` is (value, count) ascending, or None where nobody told them."""

    count: float
    total: float
    minimum: float
    maximum: float
    values: tuple[tuple[float, float], ...] | None

    @classmethod
    def of(cls, values: Mapping[float, float]) -> Summary:
        """Of raw values and how often each occurred."""
        pairs = tuple(sorted(values.items()))
        count = sum(count for _, count in pairs)
        total = math.fsum(value * count for value, count in pairs)
        return cls(count, total, pairs[0][0], pairs[-1][0], pairs)

    @classmethod
    def of_set(cls, count: float, total: float, minimum: float, maximum: float) -> Summary:
        """Of a statistic set. Its distribution is known only where all samples are equal (as in AWS)."""
        known = count == 1 or minimum == maximum
        return cls(count, total, minimum, maximum, ((minimum, count),) if known else None)


def merge(one: Summary, other: Summary) -> Summary:
    values: tuple[tuple[float, float], ...] | None = None
    if one.values is not None and other.values is not None:
        values = _merged(one.values, other.values)
    return Summary(
        one.count + other.count,
        one.total + other.total,
        min(one.minimum, other.minimum),
        max(one.maximum, other.maximum),
        values,
    )


def _merged(*parts: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    counts: dict[float, float] = {}
    for part in parts:
        for value, count in part:
            counts[value] = counts.get(value, 0.0) + count
    return _thinned(tuple(sorted(counts.items())))


def _thinned(pairs: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    width = math.log(1.01)
    while len(pairs) > MOST_VALUES:
        bins: dict[tuple[int, int], tuple[float, float]] = {}
        for value, count in pairs:
            key = (0, 0) if value == 0 else (1 if value > 0 else -1, round(math.log(abs(value)) / width))
            total, weight = bins.get(key, (0.0, 0.0))
            bins[key] = (total + value * count, weight + count)
        pairs = tuple(sorted((total / weight, weight) for total, weight in bins.values()))
        width *= 2
    return pairs


def encode(summary: Summary) -> bytes | None:
    """The distribution as it lies on disk; count, total, minimum and maximum lie beside it."""
    if summary.values is None:
        return UNKNOWN
    if len(summary.values) == 1:
        return None
    return array("d", [number for pair in _thinned(summary.values) for number in pair]).tobytes()


def decode(count: float, total: float, minimum: float, maximum: float, values: bytes | None) -> Summary:
    if values is None:
        return Summary(count, total, minimum, maximum, ((minimum, count),))
    if values == UNKNOWN:
        return Summary(count, total, minimum, maximum, None)
    numbers = array("d")
    numbers.frombytes(values)
    return Summary(count, total, minimum, maximum, tuple(zip(numbers[::2], numbers[1::2], strict=True)))


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic by its parsed name. Bounds are shares (0 to 1) where ``share``, else values."""

    kind: str
    low: float | None = None
    high: float | None = None
    share: bool = True

    @property
    def needs_values(self) -> bool:
        return self.kind not in _SIMPLE


_SIMPLE = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_SHORT = re.compile(r"(?P<kind>p|tm|wm|tc|ts)(?P<share>\d{1,2}(\.\d{1,10})?|100)$")
_RANGE = re.compile(r"(?P<kind>TM|WM|TC|TS|PR)\((?P<low>[\d.]*)(?P<lp>%?):(?P<high>[\d.]*)(?P<hp>%?)\)$")


@lru_cache(maxsize=512)
def parse_statistic(name: str) -> Statistic | None:
    """The statistic of this name, or None where CloudWatch has none of that name."""
    if name in _SIMPLE:
        return Statistic(name)
    if name == "IQM":
        return Statistic("TM", 0.25, 0.75)
    if short := _SHORT.match(name):
        share = float(short["share"]) / 100
        kind = short["kind"].upper()
        return Statistic("P", share, share) if kind == "P" else Statistic(kind, None, share)
    found = _RANGE.match(name)
    if found is None or not (found["low"] or found["high"]):
        return None
    shares = bool(found["lp"] or found["hp"])
    if shares and found["kind"] == "PR":
        return None
    try:
        low, high = (float(found[side]) if found[side] else None for side in ("low", "high"))
    except ValueError:
        return None
    if shares:
        low, high = (None if bound is None else bound / 100 for bound in (low, high))
    return Statistic(found["kind"], low, high, shares)


def value_of(statistic: Statistic, summary: Summary) -> float | None:
    """The statistic of this period; None where it cannot be known (percentiles of a statistic set)."""
    match statistic.kind:
        case "SampleCount":
            return summary.count
        case "Average":
            return summary.total / summary.count if summary.count else None
        case "Sum":
            return summary.total
        case "Minimum":
            return summary.minimum
        case "Maximum":
            return summary.maximum
    if not summary.values:
        return None
    if statistic.kind == "P":
        return percentile(summary, statistic.high or 0.0)
    return _trimmed(statistic, summary)


def percentile(summary: Summary, share: float) -> float:
    """The value below which this share of the samples lies, interpolated between the two samples beside it."""
    values = summary.values or ()
    position = share * (summary.count - 1)
    before = math.floor(position)
    found: list[float] = []
    seen = 0.0
    for value, count in values:
        seen += count
        while len(found) < 2 and before + len(found) < seen:
            found.append(value)
        if len(found) == 2:
            break
    if not found:
        return summary.maximum
    low, high = found[0], found[-1]
    return min(max(low + (high - low) * (position - before), summary.minimum), summary.maximum)


def _trimmed(statistic: Statistic, summary: Summary) -> float | None:
    values = summary.values or ()
    low, high = statistic.low, statistic.high
    if statistic.share:
        # A whole bound is no bound: rounding must not cut off the smallest or greatest sample.
        low = None if not low else percentile(summary, low)
        high = None if high is None or high >= 1 else percentile(summary, high)
    lowest = -math.inf if low is None else low
    highest = math.inf if high is None else high
    if statistic.kind == "WM":
        return math.fsum(min(max(value, lowest), highest) * count for value, count in values) / summary.count
    inside = [(value, count) for value, count in values if lowest <= value <= highest]
    count = math.fsum(count for _, count in inside)
    match statistic.kind:
        case "TC":
            return count
        case "PR":
            return 100 * count / summary.count
        case "TS":
            return math.fsum(value * weight for value, weight in inside)
        case _:
            return math.fsum(value * weight for value, weight in inside) / count if count else None
