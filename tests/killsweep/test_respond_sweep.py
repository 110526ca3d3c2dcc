"""A sample of Respond's kill sweep: each kind of commit and of send, on one of its sides; all points are
``make kill-sweep-respond``."""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path

import pytest

from killsweep.respond import DOORS_DAY, Greedy, ground_ready, is_channel, is_commit, is_door, sweep
from killsweep.wire import ERROR, KILL, RESTART, Point

pytestmark = pytest.mark.timeout(900)

MUST_BE_SWEPT = (
    "commit: delete deadlines, insert deadlines, insert events, insert outbox",
    "commit: insert alerts, insert deadlines, insert events, insert inbox",
    "commit: update outbox",
    "POST /pages",
    "POST /v2/enqueue",
    "SQS DeleteMessageBatch",
)
"""Ingest, escalate, page, and what they send. All others are found as well; these show that the gate sees anything."""
DOORS = ("HTTP alertmanager", "HTTP signed", "HTTP sns", "SMTP DATA", "SNS Publish")
"""What only the other day has."""


def is_sampled(point: Point) -> bool:
    return point.side == ("before", "after")[zlib.crc32(point.label.encode()) % 2]


def test_whoever_is_killed_wherever_no_page_is_lost_and_one_that_comes_twice_has_its_key() -> None:
    plans = [
        Greedy(KILL, is_sampled, each_time=False, most=8),
        Greedy(RESTART, is_commit, each_time=False, most=1),
        Greedy(ERROR, is_channel, each_time=False, most=4),
    ]
    # The folder's name is short, since the address of a socket in it must be.
    with tempfile.TemporaryDirectory(prefix="omc-") as folder, ground_ready(Path(folder)) as ground:
        result = sweep(ground, plans[:1], note=lambda _: None)
        for plan in plans[1:]:
            plan.begin()
            result.add(ground.run(plan, seed=result.runs))
        # The other ways in and out, each kind killed once; their commits are as those above.
        ground.day = DOORS_DAY
        at_doors = Greedy(KILL, lambda point: is_sampled(point) and is_door(point), each_time=False, most=8)
        doors = sweep(ground, [at_doors], most_runs=1, note=lambda _: None)
    print(result.table(), doors.table(), sep="\n")
    assert (doors.lost, doors.other_key, doors.wrong) == ([], [], [])
    assert set(DOORS) <= {point for point, _, _ in at_doors.done}
    assert (result.lost, result.other_key, result.wrong) == ([], [], [])
    assert set(MUST_BE_SWEPT) <= result.labels
    assert result.kinds[KILL] >= len(result.labels) - 2, "each kind once, but for those of which one side is no point"
    assert min(result.kinds[RESTART], result.kinds[ERROR]) > 0
