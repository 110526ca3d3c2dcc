"""CPU credits are earned by the hour and spent by the CPU that is used, between none and those of a day."""

from __future__ import annotations

import pytest

from localcloud.core.burst import balance, most


@pytest.mark.parametrize(
    ("instance_class", "held"),
    [
        ("db.t4g.micro", 288),
        ("cache.t3.small", 576),
        ("db.t3.2xlarge", 4608),
        ("db.m6g.large", None),
        ("db.serverless", None),
        ("", None),
    ],
)
def test_what_a_class_can_hold(instance_class: str, held: float | None) -> None:
    assert most(instance_class) == held


@pytest.mark.parametrize(
    ("before", "seconds", "used", "after"),
    [
        (None, 5, 0, 288),
        (100, 3600, 0, 112),
        (100, 3600, 720, 100),  # a tenth of two vCPUs is what a micro earns
        (100, 3600, 7200, 0),
        (287, 36000, 0, 288),
    ],
)
def test_a_balance(before: float | None, seconds: float, used: float, after: float) -> None:
    assert balance("db.t4g.micro", before, seconds, used) == pytest.approx(after)
