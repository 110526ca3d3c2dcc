"""CPU credits are earned by the hour and spent by the CPU that is used, between none and those of a day."""

from __future__ import annotations

import pytest

from localcloud.core.burst import balance, cpu_baseline, is_held, most, volume_balance, volume_baseline


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


def test_a_baseline_is_what_is_earned() -> None:
    assert cpu_baseline("db.t4g.micro") == pytest.approx(0.2)  # a tenth of each of its two vCPUs
    assert cpu_baseline("db.m6g.large") is None
    assert [is_held(each) for each in ("db.t2.micro", "db.t3.micro", "cache.t2.micro")] == [True, False, False]


def test_a_volume_has_its_most_for_half_an_hour_and_its_baseline_without_an_end() -> None:
    micro, baseline = "db.t4g.micro", volume_baseline("db.t4g.micro") or 0.0
    assert baseline == pytest.approx(87e6 / 8)
    assert volume_balance(micro, None, 60, 0) == 100
    assert volume_balance(micro, None, 1800, 2085e6 / 8 * 1800) == pytest.approx(0)
    assert volume_balance(micro, 40, 60, baseline * 60) == pytest.approx(40)
    assert volume_balance("db.m6g.large", None, 60, 0) is None
