"""Conditions on alerts: what they mean, and what is none."""

from __future__ import annotations

import pytest

from omc.errors import WrongUse
from omc.model.matchers import Matcher, all_match, parse, parse_all

LABELS = {"name": "rds-no-data", "severity": "2", "service": "", "path": "[a]*"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name=rds-no-data", True),
        ("name=rds-*", True),
        ("name=*-data", True),
        ("name=rds-?o-data", True),
        ("name=RDS-*", False),
        ("name!=rds-*", False),
        ("name!=alb-*", True),
        ("service=", True),
        ("unknown=", True),
        ("unknown=x", False),
        ("unknown!=x", True),
        ("severity!=3", True),
        ("path=[a]*", True),
        ("name=[r]ds*", False),
    ],
)
def test_a_condition_holds_or_does_not(text: str, expected: bool) -> None:
    assert parse(text).matches(LABELS) is expected
    assert str(parse(text)) == text


@pytest.mark.parametrize("text", ["", "name", "=x", "name~x", "na me=x", "name=" + "x" * 300, "name=" + "*" * 9])
def test_what_is_no_condition_is_wrong_use(text: str) -> None:
    with pytest.raises(WrongUse, match="is no condition on alerts"):
        parse(text)


def test_the_same_conditions_in_another_order_are_the_same_and_none_matches_nothing() -> None:
    assert parse_all(["b=1", "a!=2", "b=1"]) == parse_all(["a!=2", "b=1"])
    assert parse_all(["a!=2"]) == (Matcher("a", "2", is_negative=True),)
    assert all_match(parse_all(["name=rds-*", "severity=2"]), LABELS)
    assert not all_match(parse_all(["name=rds-*", "severity=3"]), LABELS)
    assert not all_match((), LABELS)


def test_many_stars_take_no_long_time() -> None:
    assert not parse("name=" + "*a" * 8 + "b").matches({"name": "a" * 4000})
