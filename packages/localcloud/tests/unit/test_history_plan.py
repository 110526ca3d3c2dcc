"""A described month becomes the same month each time, and what can't be understood is refused in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from localcloud.history.plan import plan

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
CALL = {"service": "ec2", "operation": "RunInstances", "caller": "user jo"}
METRIC = {"namespace": "A", "name": "B", "value": 10, "noise": 0.5, "samples": 3, "days": [2, 0]}
FLOW = {"source": "nat", "destination": "203.0.113.10", "bytes": 1000, "per_day": 4, "days": [10, 0]}


def test_the_same_description_gives_the_same_month_and_another_seed_another() -> None:
    described = {"seed": 1, "calls": [CALL | {"per_day": 3, "days": [5, 1]}], "metrics": [METRIC], "flows": [FLOW]}
    made = plan(described, NOW)
    assert made == plan(described, NOW)
    assert made != plan(described | {"seed": 2}, NOW)
    assert (len(made.calls), len(made.hours), len(made.flows)) == (12, 48, 40)
    assert all(NOW - timedelta(days=5) <= call.at <= NOW - timedelta(days=1) for call in made.calls)
    assert len({call.id for call in made.calls}) == 12
    assert [each.at for each in made.flows] == sorted(each.at for each in made.flows)


def test_a_spike_holds_for_its_days_and_is_named() -> None:
    spike = {"days_ago": 1, "days": 0.5, "factor": 10}
    made = plan({"metrics": [METRIC | {"noise": 0, "samples": 1, "spike": spike, "anomaly": "loud"}]}, NOW)
    loud = [each.at for each in made.hours if each.values == (100.0,)]
    assert len(loud) == 12
    assert min(loud) >= NOW - timedelta(days=1)
    assert {each.values for each in made.hours} == {(10.0,), (100.0,)}
    assert made.anomalies == ("loud",)


def test_costs_go_on_as_their_page_takes_them() -> None:
    usage = {"usage_type": "APS2-NatGateway-Hours", "quantity": 24, "days": 10, "anomaly": "x"}
    made = plan({"costs": [usage], "move_calls_days": 40}, NOW)
    expected = {"usage_type": "APS2-NatGateway-Hours", "quantity": 24}
    assert made.costs == {"days": 10, "clear": True, "usage": [expected]}
    assert made.moved == timedelta(days=40)


@pytest.mark.parametrize(
    ("described", "why"),
    [
        ({"cost": []}, "there is no cost, only"),
        ({"calls": {}}, r"calls is a list of tables \(\[\[calls\]\]\)"),
        ({"calls": [CALL | {"days_ago": 1, "who": "jo"}]}, "there is no who in calls"),
        ({"calls": [{"service": "ec2", "days_ago": 1, "caller": "root"}]}, "operation is missing in"),
        ({"metrics": [METRIC | {"days": [0, 2]}]}, "to a later day"),
        ({"metrics": [METRIC | {"days": [400, 2]}]}, "at most 90 days ago"),
        ({"metrics": [METRIC | {"days": 3}]}, "days has two numbers"),
        ({"metrics": [METRIC | {"samples": 0}]}, "samples is a number from 1"),
        ({"metrics": [METRIC | {"value": "much"}]}, "value is a number that isn't negative"),
        ({"metrics": [METRIC | {"spike": {"factor": 2}}]}, "a spike has days_ago, factor"),
        ({"flows": [FLOW | {"per_day": 1_000_000}]}, "more than 300,000"),
    ],
)
def test_what_cannot_be_understood_is_refused(described: dict[str, Any], why: str) -> None:
    with pytest.raises(AwsError, match="The month can't be seeded: ") as refused:
        plan(described, NOW)
    assert refused.match(why)
