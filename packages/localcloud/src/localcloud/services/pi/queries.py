"""From AWS's parameters to spans, groups and filters; what AWS refuses is refused here, in its words where known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud.core import paging
from localcloud.core.registry import AwsError
from localcloud.services.pi.catalogue import COUNTERS, DIMENSIONS, GROUPS, LOADS, PERIODS, STATISTICS
from localcloud.services.pi.store import KEPT, Load, Span

MAX_RESULTS = 25
"""Items on a page, and keys of a group."""
MAX_POINTS = 10_100
"""Points of one series: seven days by minute."""
WANTED_POINTS = 150
"""Where no period is given AWS aims at 100 to 200 points."""
MAX_BYTES = 500
"""Of a dimension's value in an answer; the whole of a statement is asked by GetDimensionKeyDetails."""


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    statistic: str

    @property
    def is_load(self) -> bool:
        return self.name in LOADS


@dataclass(frozen=True, slots=True)
class Group:
    """What to split by: the names of dimensions, and how many of the largest keys to answer."""

    dimensions: tuple[str, ...]
    limit: int


def invalid(message: str) -> AwsError:
    return AwsError("InvalidArgumentException", message)


def constraint(parameter: str) -> AwsError:
    message = f"Validation error(s) detected: Value at '{parameter}' failed to satisfy constraints."
    return invalid(message)


def metric(full: str) -> Metric:
    """``db.load.avg`` and the like."""
    name, _, statistic = full.rpartition(".")
    if statistic not in STATISTICS:
        raise invalid(
            f"The specified statistic is not a known statistic: {full} must end in one of avg, min, max, sum."
        )
    if name in LOADS:
        if statistic != "avg":
            raise invalid(f"The specified statistic is not valid for {name}: only avg is.")
    elif name not in COUNTERS:
        raise invalid(f"This metric is not a known metric: {full} is not valid for current resource")
    return Metric(name, statistic)


def group(request: Mapping[str, Any]) -> Group:
    name = request["Group"]
    if name not in GROUPS:
        raise invalid(f"This group is not a known group: {name} is not valid for current resource")
    dimensions = tuple(request.get("Dimensions") or GROUPS[name])
    for each in dimensions:
        if each not in GROUPS[name]:
            raise invalid(f"This dimension is not a known dimension of group {name}: {each}")
    limit = int(request.get("Limit") or MAX_RESULTS)
    if not 1 <= limit <= MAX_RESULTS:
        raise constraint("limit")
    return Group(dimensions, limit)


def filters(request: Mapping[str, str] | None) -> dict[str, str]:
    for name in request or {}:
        if name not in DIMENSIONS:
            raise invalid(f"This dimension is not a known dimension: {name} is not valid for current resource")
    return dict(request or {})


def span(params: Mapping[str, Any], now: datetime) -> Span:
    """The time asked for, widened to whole periods."""
    begin, end = _aware(params["StartTime"]), _aware(params["EndTime"])
    if begin >= end:
        raise invalid("The StartTime must be earlier than the EndTime.")
    period = params.get("PeriodInSeconds") or _period((end - begin).total_seconds(), (now - begin).total_seconds())
    if period not in PERIODS:
        raise invalid(f"The specified period is not valid: {period} is none of {', '.join(map(str, PERIODS))}.")
    if begin < now - timedelta(seconds=KEPT[60] + period):
        raise invalid("The StartTime is earlier than the retention period of 7 days.")
    first = math.floor(begin.timestamp() / period) * period
    last = math.ceil(end.timestamp() / period) * period
    if (last - first) // period > MAX_POINTS:
        message = (
            f"The period {period} gives {(last - first) // period} data points; at most {MAX_POINTS} are returned."
        )
        raise invalid(f"{message} Ask for a longer period or a shorter time.")
    return Span(first, last, period)


def _period(seconds: float, age: float) -> int:
    """The period that comes closest to the wanted number of points, of those that are kept for this age."""
    kept = [each for each in PERIODS if each > 1 or age <= KEPT[1]]
    return min(kept, key=lambda each: abs(math.log(max(1.0, seconds / each) / WANTED_POINTS)))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def select(load: Load, wanted: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """The keys that pass the filters."""
    return {
        key: dimensions
        for key, dimensions in load.keys.items()
        if all(dimensions.get(name) == value for name, value in wanted.items())
    }


def split(load: Load, keys: Mapping[int, Mapping[str, str]], by: Group) -> list[tuple[dict[str, str], list[int]]]:
    """The keys gathered by the group's dimensions, the busiest first. Sessions that have none of them are in none."""
    found: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for key, dimensions in keys.items():
        named = tuple((name, dimensions[name]) for name in by.dimensions if name in dimensions)
        if named:
            found.setdefault(named, []).append(key)
    ranked = sorted(found.items(), key=lambda item: (-total(load, item[1]), item[0]))
    return [({name: _cut(value) for name, value in named}, members) for named, members in ranked[: by.limit]]


def total(load: Load, keys: Sequence[int]) -> float:
    """Average active sessions of these keys over the whole time that was sampled."""
    samples = sum(load.samples.values())
    return sum(sum(load.sessions[key].values()) for key in keys) / samples if samples else 0.0


def series(load: Load, keys: Sequence[int]) -> dict[int, float]:
    """Average active sessions by slot; no value where nothing was sampled."""
    return {
        slot: sum(load.sessions[key].get(slot, 0) for key in keys) / samples for slot, samples in load.samples.items()
    }


def _cut(value: str) -> str:
    return value.encode()[:MAX_BYTES].decode(errors="ignore")


def paged(items: list[Any], params: Mapping[str, Any], key: str, default: int = MAX_RESULTS) -> dict[str, Any]:
    """One page, with ``NextToken`` where there is more."""
    size = int(params.get("MaxResults") or default)
    if not 1 <= size <= MAX_RESULTS:
        raise constraint("maxResults")
    shown, following = paging.page(items, params.get("NextToken"), size, invalid("The NextToken is not valid."))
    return {key: shown} | ({"NextToken": following} if following else {})
