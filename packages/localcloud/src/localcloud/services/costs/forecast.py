"""Forecasts: the days to come cost what the last thirty did on average, give or take their spread.

AWS uses a model of its own; this one is stated, so that a rehearsal can reckon with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, stdev

LEAST_DAYS = 7
DAYS = 30
DEFAULT_LEVEL = 80
"""Per cent that the interval holds where the caller doesn't say."""


@dataclass(frozen=True, slots=True)
class Forecast:
    mean: float
    lower: float
    upper: float


def forecast(daily: Sequence[float], days: float, level: int = DEFAULT_LEVEL) -> Forecast:
    """Of so many days to come, after these days (at least two).

    The interval holds ``level`` per cent where days are independent and normal: it counts the days' own spread and
    that of their mean.
    """
    mean = fmean(daily)
    z = NormalDist().inv_cdf(0.5 + level / 200)
    spread = z * stdev(daily) * sqrt(days + days * days / len(daily))
    return Forecast(mean * days, max(0.0, mean * days - spread), mean * days + spread)
