"""Work that is announced: the last word holds, in whichever order words come."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

from omc.maintenance.announced import coming, latest
from omc.model.planned import Planned

NOW = datetime(2026, 11, 30, 1, tzinfo=UTC)
RETIREMENT = Planned(
    "w1", "health", "staging", "ohmycoins-staging|backend", "AWS_ECS_TASK_PATCHING_RETIREMENT",
    NOW + timedelta(days=7), None, at=NOW,
)  # fmt: skip


def test_the_announcement_that_was_made_last_holds() -> None:
    moved = replace(RETIREMENT, start=NOW + timedelta(days=9), at=NOW + timedelta(hours=1))
    over = replace(moved, is_over=True, at=NOW + timedelta(hours=2))
    undated = replace(RETIREMENT, start=None, at=None)
    for order in permutations([RETIREMENT, moved, over, undated]):
        assert latest(order) == over
    assert latest([undated]) == undated
    assert latest([]) is None


def test_what_comes_is_listed_the_next_first_and_what_is_over_not_at_all() -> None:
    later = replace(RETIREMENT, id="w2", start=NOW + timedelta(days=9))
    sometime = replace(RETIREMENT, id="w3", start=None)
    over = replace(RETIREMENT, id="w4", is_over=True)
    ended = replace(RETIREMENT, id="w5", end=NOW)
    announced = {each.id: each for each in (sometime, later, over, ended, RETIREMENT)}
    assert [each.id for each in coming(announced, NOW)] == ["w1", "w2", "w3"]
