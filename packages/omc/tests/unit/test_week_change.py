"""A figure has changed since the week before by one rule, and by nothing less."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from omc.model.week_change import DAY, HOUR, WEEK, change, shift_of, step_of

BEGIN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def days(before: Sequence[float | None], now: Sequence[float | None]) -> list[tuple[datetime, float]]:
    """Two figures a day, whose mean is the given one."""
    found = []
    for begin, values in ((BEGIN - WEEK, before), (BEGIN, now)):
        for number, value in enumerate(values):
            if value is not None:
                found += [(begin + number * DAY, value - 1), (begin + number * DAY + HOUR, value + 1)]
    return found


@pytest.mark.parametrize(
    ("before", "now", "counts"),
    [
        ([10] * 7, [20] * 7, True),
        ([10] * 7, [5] * 7, True),
        ([10, 10, 10, 10, 10, 3, 3], [20, 20, 20, 20, 20, 6, 3], True),  # a weekend meets a weekend
        ([10] * 7, [20, 20, 20, 20, 20, 20, 2], True),  # six of seven
        ([0] * 7, [20] * 7, True),  # something where nothing was
        ([10] * 7, [12] * 7, False),  # less than a quarter
        ([10] * 7, [90, 10, 10, 10, 10, 10, 10], False),  # one bad day
        ([10] * 7, [20, 20, 20, 20, 5, 5, 20], False),  # five of seven
        ([1] * 7, [4] * 7, False),  # less than the least amount
        ([None] * 7, [20] * 7, False),
        ([10] * 4 + [None] * 3, [20] * 7, False),  # too few to compare
        ([10] * 7, [10] * 7, False),
        ([], [], False),
    ],
)
def test_a_change_counts_if_it_is_large_and_the_same_way_on_nearly_every_day(
    before: list[float | None], now: list[float | None], counts: bool
) -> None:
    found = change(days(before, now), BEGIN, WEEK, percent=25, least=5)
    assert found.counts is counts
    assert found.rose == (counts and (found.now or 0) > (found.before or 0))
    assert found.fell == (counts and not found.rose)


def test_nothing_to_compare_with_is_not_unchanged() -> None:
    found = change(days([None] * 7, [20] * 7), BEGIN, WEEK, percent=25, least=5)
    assert (found.is_known, found.before, found.now, found.percent) == (False, None, 20, None)


@pytest.mark.parametrize(
    ("since", "shift", "step"),
    [
        (timedelta(hours=24), WEEK, HOUR),
        (timedelta(days=7), WEEK, DAY),
        (timedelta(days=8), 2 * WEEK, DAY),
        (timedelta(days=30), 5 * WEEK, DAY),
    ],
)
def test_a_period_is_compared_with_the_same_weekdays(since: timedelta, shift: timedelta, step: timedelta) -> None:
    assert shift_of(since) == shift
    assert step_of(since) == step
