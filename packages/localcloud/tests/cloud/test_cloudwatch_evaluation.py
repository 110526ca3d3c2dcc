"""How one alarm is judged: the examples of the CloudWatch user guide, and the words that CloudWatch uses."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from localcloud.services.cloudwatch.decide import Criteria, Point, java_double, judge, state_of

START = int(datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp())
NOW = datetime(2026, 11, 23, 12, 5, 3, 250_000, tzinfo=UTC)
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def datapoints(drawing: str) -> list[Point]:
    """``0`` is a good datapoint, ``X`` a breaching one, ``-`` a missing one; the newest stands last."""
    values = {"0": 1.0, "X": 9.0, "-": None}
    return [Point(START + 60 * number, values[sign], 1.0) for number, sign in enumerate(drawing.split())]


def criteria(periods: int = 3, to_alarm: int | None = 3, missing: str = "missing") -> Criteria:
    return Criteria("GreaterThanThreshold", 5.0, periods, to_alarm, missing, 60, "Average")


# "Configuring how CloudWatch alarms treat missing data", both tables; None is "retain current state".
THREE_OF_THREE = {
    "0 - X - X": ("OK", "OK", "OK", "OK"),
    "0 - - - -": ("OK", "OK", "OK", "OK"),
    "- - - - -": ("INSUFFICIENT_DATA", None, "ALARM", "OK"),
    "0 X X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "- - X - -": ("ALARM", None, "ALARM", "OK"),
}
TWO_OF_THREE = {
    "0 - X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 0 X 0 X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 - X - -": ("OK", "OK", "ALARM", "OK"),
    "- - - - 0": ("OK", "OK", "ALARM", "OK"),
    "- - - X -": ("ALARM", None, "ALARM", "OK"),
}
DOCUMENTED = [
    (drawing, to_alarm, missing, expected)
    for to_alarm, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    for drawing, states in table.items()
    for missing, expected in zip(TREATMENTS, states, strict=True)
]


@pytest.mark.parametrize(("drawing", "to_alarm", "missing", "expected"), DOCUMENTED)
def test_the_documented_examples(drawing: str, to_alarm: int, missing: str, expected: str | None) -> None:
    state, _, _ = state_of(criteria(to_alarm=to_alarm, missing=missing), datapoints(drawing))
    assert state == expected


@pytest.mark.parametrize("drawing", ["- - - - X", "- - - X -"])
def test_intermittent_data_does_not_alarm_prematurely(drawing: str) -> None:
    assert state_of(criteria(), datapoints(drawing))[0] is None


def test_a_breaching_datapoint_as_old_as_m_alarms_though_the_rest_is_missing() -> None:
    assert state_of(criteria(), datapoints("- - X - -"))[0] == "ALARM"


@pytest.mark.parametrize(
    ("drawing", "missing", "expected"),
    [
        ("-", "breaching", None),
        ("- -", "breaching", "ALARM"),
        ("X -", "notBreaching", None),
        ("0 0", "missing", "OK"),
        ("0", "missing", None),
        ("", "breaching", None),
        ("X X", "missing", "ALARM"),
        ("0 - X", "breaching", "ALARM"),
    ],
)
def test_what_was_not_measured_decides_nothing(drawing: str, missing: str, expected: str | None) -> None:
    """After a start only the periods since then are there: fewer than the three of a two-of-three alarm."""
    state, _, _ = state_of(criteria(to_alarm=2, missing=missing), datapoints(drawing))
    assert state == expected


def test_one_of_one_looks_no_further_than_the_newest_real_datapoint() -> None:
    assert state_of(criteria(periods=1, to_alarm=1), datapoints("X X 0"))[0] == "OK"
    assert state_of(criteria(periods=1, to_alarm=1, missing="breaching"), datapoints("0 - -"))[0] == "OK"
    assert state_of(criteria(periods=1, to_alarm=1, missing="breaching"), datapoints("- - -"))[0] == "ALARM"


def test_the_reason_of_an_alarm_names_its_datapoints_newest_first() -> None:
    points = [Point(START, 7.0), Point(START + 60, 8.25), Point(START + 120, 9.0)]
    judgement = judge(criteria(), points, NOW)
    assert judgement.reason == (
        "Threshold Crossed: 3 out of the last 3 datapoints [9.0 (23/11/26 12:02:00), 8.25 (23/11/26 12:01:00), "
        "7.0 (23/11/26 12:00:00)] were greater than the threshold (5.0) "
        "(minimum 3 datapoints for OK -> ALARM transition)."
    )


def test_the_reason_of_ok_names_what_did_not_breach_and_how_many_that_takes() -> None:
    judgement = judge(criteria(to_alarm=2), datapoints("X 0 0"), NOW)
    assert judgement.reason == (
        "Threshold Crossed: 2 out of the last 3 datapoints [1.0 (23/11/26 12:02:00), 1.0 (23/11/26 12:01:00)] "
        "were not greater than the threshold (5.0) (minimum 2 datapoints for ALARM -> OK transition)."
    )


def test_the_reason_without_datapoints_to_alarm_is_the_short_one() -> None:
    judgement = judge(criteria(periods=1, to_alarm=None), [Point(START, 61_300_000.0)], NOW)
    assert judgement.reason == (
        "Threshold Crossed: 1 datapoint [6.13E7 (23/11/26 12:00:00)] was greater than the threshold (5.0)."
    )


def test_the_reason_says_how_missing_datapoints_were_treated() -> None:
    quiet = judge(criteria(periods=2, to_alarm=None, missing="notBreaching"), datapoints("- - - -"), NOW)
    assert quiet.reason == (
        "Threshold Crossed: no datapoints were received for 2 periods and "
        "2 missing datapoints were treated as [NonBreaching]."
    )
    mixed = judge(criteria(periods=2, to_alarm=1, missing="breaching"), datapoints("- - - 0"), NOW)
    assert mixed.state == "ALARM"
    assert mixed.reason == (
        "Threshold Crossed: 1 out of the last 2 datapoints [1.0 (23/11/26 12:03:00)] was not greater than the "
        "threshold (5.0) and 1 missing datapoint was treated as [Breaching] "
        "(minimum 1 datapoint for OK -> ALARM transition)."
    )
    unknown = judge(criteria(periods=1, to_alarm=None), datapoints("- - -"), NOW)
    assert (unknown.state, unknown.reason) == ("INSUFFICIENT_DATA", "Insufficient Data: 1 datapoint was unknown.")


def test_the_data_of_a_reason_is_json_with_what_was_evaluated() -> None:
    data = json.loads(judge(criteria(periods=2, to_alarm=2), datapoints("- 0 X"), NOW).data)
    assert data == {
        "version": "1.0",
        "queryDate": "2026-11-23T12:05:03.250+0000",
        "startDate": "2026-11-23T12:01:00.000+0000",
        "statistic": "Average",
        "period": 60,
        "recentDatapoints": [1.0, 9.0],
        "threshold": 5.0,
        "evaluatedDatapoints": [
            {"timestamp": "2026-11-23T12:02:00.000+0000", "sampleCount": 1.0, "value": 9.0},
            {"timestamp": "2026-11-23T12:01:00.000+0000", "sampleCount": 1.0, "value": 1.0},
        ],
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7.0"),
        (0, "0.0"),
        (0.322580645161292, "0.322580645161292"),
        (15078544179.2, "1.50785441792E10"),
        (5e-5, "5.0E-5"),
    ],
)
def test_numbers_are_written_as_cloudwatch_writes_them(value: float, text: str) -> None:
    assert java_double(value) == text
