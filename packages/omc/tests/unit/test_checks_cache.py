"""A cache that was emptied is said, for as long as it is felt; one that ages, is small, new or silent is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.checks.cache import cache_items, emptied
from omc.checks.finding import Finding, Level
from omc.config import load
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.facts.traffic import CacheMinute, MetricsAge, read_metrics_age
from support.fake_gateway import FakeGateway

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
OK, WARN, UNKNOWN = Level.OK, Level.WARN, Level.UNKNOWN
THERE = Pending((), cache={"ReplicationGroupCreateTime": NOW - timedelta(days=9)})
JUST_MADE = Pending((), cache={"ReplicationGroupCreateTime": NOW - timedelta(minutes=4)})
NONE = Pending(())


def minutes(*values: float | None, removed: float = 0.0, newest: float = 1.0) -> tuple[CacheMinute, ...]:
    """A minute each, the last of them so many minutes ago; None: CloudWatch has no figure of it."""
    begin = NOW - timedelta(minutes=newest + len(values) - 1)
    records = enumerate(values)
    return tuple(CacheMinute(begin + timedelta(minutes=at), v, v, removed) for at, v in records if v is not None)


def cache_finding(cache_minutes: tuple[CacheMinute, ...], pending: Pending | None = THERE) -> Finding:
    [found] = cache_items(MetricsAge((), cache_minutes), pending, STAGING, Scope(NOW))
    assert found.evidence
    assert found.place == "cache"
    return found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((800, 810, 12), (810, 12)),
        ((800, 0, 700), (800, 0)),
        ((800, 500, 40), (800, 40)),  # a script that deletes key by key
        ((800, 810, 12, 40, 60), (810, 12)),
        ((400, 6, 300, 2), (400, 2)),  # twice: the newest
        ((800, 500), None),
        ((800, 700, 600, 500, 400), None),
        ((10, 0), None),
        ((0, 0, 0), None),
        ((5, 800), None),
        ((), None),
        ((800,), None),
        ((800, None, None, None, None, None, None, 10), None),  # who knows what was between
    ],
)
def test_a_cache_that_was_emptied(values: tuple[float | None, ...], found: tuple[float, float] | None) -> None:
    response = emptied(minutes(*values), NOW)
    assert (response and (response.before, response.after)) == found
    assert emptied(minutes(*values, newest=60), NOW) is None, "that is long over"


@pytest.mark.parametrize(
    ("removed", "is_told"),
    [(0.0, True), (40.0, True), (400.0, False), (9000.0, False)],
    ids=["nothing expired", "a few did", "half of them did", "everything does all the time"],
)
def test_items_that_expire_or_are_evicted_are_not_deleted(removed: float, is_told: bool) -> None:
    cache_minutes = minutes(800, 810, 12, removed=removed / 2)
    assert (emptied(cache_minutes, NOW) is not None) is is_told


def test_a_minute_that_begins_full_and_ends_empty_tells_of_both() -> None:
    """Where a minute is measured more than once, as on one machine."""
    shape = [(0.0, 0.0), (306.0, 0.0), (307.0, 1.0), (4.0, 0.0), (5.0, 0.0)]
    begin = NOW - timedelta(minutes=len(shape))
    cache_minutes = [
        CacheMinute(begin + timedelta(minutes=at), most, least, 45.0) for at, (most, least) in enumerate(shape)
    ]
    found = emptied(cache_minutes, NOW)
    assert found is not None
    assert (found.at, found.before, found.after, found.back) == (NOW - timedelta(minutes=3), 306.0, 1.0, None)
    assert emptied(cache_minutes[:2], NOW) is None, "it fills"


@pytest.mark.parametrize("step", [50, 100, 200, 400, 800])
def test_a_cache_that_ages_until_it_is_empty_is_not_emptied(step: int) -> None:
    assert emptied(minutes(*range(800, -1, -step), removed=float(step)), NOW) is None


def test_it_is_reported_as_on_then_as_past_then_not_at_all() -> None:
    on = cache_finding(minutes(800, 810, 12))
    assert (on.level, on.ended, on.since) == (WARN, None, NOW - timedelta(minutes=1))
    assert on.sentence == "The cache was emptied 1 min ago: from 810 items to 12."
    full = cache_finding(minutes(800, 810, 12, 790))
    assert (full.level, full.ended) == (WARN, NOW - timedelta(minutes=1))
    assert full.sentence.endswith("It has filled again.")
    slow = cache_finding(minutes(800, 810, 12, 20, 25, 30, 31))
    assert (slow.level, slow.ended) == (WARN, NOW - timedelta(minutes=5) + timedelta(minutes=3))
    over = cache_finding(minutes(800, 810, 12, *[30] * 20))
    assert (over.level, over.sentence) == (OK, "It holds 30 items.")


@pytest.mark.parametrize(
    ("expected", "pending", "level", "part"),
    [
        (minutes(40, 40), THERE, OK, "holds 40 items"),
        (minutes(0, 0), THERE, OK, "holds 0 items"),
        (minutes(40, newest=9), THERE, OK, "holds 40 items"),
        (minutes(40, newest=11), THERE, UNKNOWN, "no count of its items for 11 min"),
        ((), THERE, UNKNOWN, "no count of its items in the last hour"),
        ((), JUST_MADE, OK, "It is new"),
        ((), NONE, OK, "There is no cache"),
        ((), None, UNKNOWN, "whether it holds any is unknown"),
        (minutes(40), None, OK, "holds 40 items"),
    ],
)
def test_a_cache_of_which_there_is_nothing_to_say(
    expected: tuple[CacheMinute, ...], pending: Pending | None, level: Level, part: str
) -> None:
    found = cache_finding(expected, pending)
    assert (found.level, found.procedure is None) == (level, level is OK)
    assert part in found.sentence


def answer(params: dict[str, Any]) -> dict[str, Any]:
    """Node 001 was emptied in the newest minute; node 002 is being made; there are no others."""
    items = {"001": [12.0, 810.0], "002": [0.0, 0.0]}
    results = []
    for query in params["MetricDataQueries"]:
        metric = query["MetricStat"]["Metric"]
        [*_, dimension] = metric["Dimensions"]
        node = dimension["Value"].rpartition("-")[2]
        values = items.get(node, []) if metric["MetricName"] == "CurrItems" else [3.0, 5.0] if node in items else []
        if metric["Namespace"] == "AWS/ECS":
            values = [1.0, 1.0]
        times = [NOW - timedelta(minutes=number) for number in range(1, len(values) + 1)]
        results.append({"Id": query["Id"], "Timestamps": times, "Values": values, "StatusCode": "Complete"})
    return {"MetricDataResults": results}


def test_all_nodes_are_asked_with_the_services_in_one_call() -> None:
    requested: list[Any] = []

    def metric_data(params: Any) -> Any:
        requested.append(params)
        return answer(params)

    gateway = FakeGateway({("cloudwatch", "get_metric_data"): metric_data}, STAGING)
    found = read_metrics_age(gateway, STAGING, Scope(NOW))
    assert len(requested) == 1
    assert [replace(each) for each in found.cache] == [
        CacheMinute(NOW - timedelta(minutes=2), 810.0, 810.0, 20.0),
        CacheMinute(NOW - timedelta(minutes=1), 12.0, 12.0, 12.0),
    ]
    assert {each.newest for each in found.metrics} == {NOW - timedelta(minutes=1)}
