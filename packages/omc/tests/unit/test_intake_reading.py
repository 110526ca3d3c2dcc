"""Bounds: of bytes, of depth, of texts, and what is a time."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from omc.responder.intake import reading
from omc.responder.model import MAX_LABELS, Unreadable


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-03T02:04:10.912+0000", datetime(2026, 11, 3, 2, 4, 10, 912000, UTC)),
        ("2026-11-03T02:04:10Z", datetime(2026, 11, 3, 2, 4, 10, tzinfo=UTC)),
        ("2026-11-03T02:04Z", datetime(2026, 11, 3, 2, 4, tzinfo=UTC)),
        ("2026-11-03T13:04:10+11:00", datetime(2026, 11, 3, 2, 4, 10, tzinfo=UTC)),
        ("2026-11-03T02:04:10.123456789Z", datetime(2026, 11, 3, 2, 4, 10, 123456, UTC)),
        ("2026-11-03T02:04:60Z", datetime(2026, 11, 3, 2, 4, 59, tzinfo=UTC)),
        ("Tue, 03 Nov 2026 02:04:10 GMT", datetime(2026, 11, 3, 2, 4, 10, tzinfo=UTC)),
        ("Tue, 3 Nov 2026 02:04:10 +1100", datetime(2026, 11, 2, 15, 4, 10, tzinfo=UTC)),
        ("Fri, 03 Nov 2026 02:04:10 GMT", datetime(2026, 11, 3, 2, 4, 10, tzinfo=UTC)),  # AWS's samples err in the day
        ("2026-11-03T02:04:10", None),  # no zone: nobody knows when
        ("0001-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00.000Z", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-11-03T25:00:00Z", None),
        ("٢٠٢٦-11-03T02:04:10Z", None),
        ("Tue, 03 Foo 2026 02:04:10 GMT", None),
        ("yesterday", None),
        ("", None),
        (1762135450, None),
        (None, None),
    ],
)
def test_a_time_has_a_zone_or_is_none(written: object, expected: datetime | None) -> None:
    assert reading.moment(written) == expected


def test_a_source_whose_times_are_utc_is_read_so() -> None:
    assert reading.moment("2026-11-03 02:04:09.293", UTC) == datetime(2026, 11, 3, 2, 4, 9, 293000, UTC)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\xff\xfe{}", "UTF-8"),
        (b"", "isn't JSON"),
        (b"[1]", "isn't a JSON object"),
        (b'"text"', "isn't a JSON object"),
        (b'{"a": NaN}', "isn't JSON"),
        (b'{"a": Infinity}', "isn't JSON"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "isn't JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 41 + b"1" + b"}" * 41, "more than 40 levels"),
        (b'{"a": "' + b"x" * reading.MAX_BYTES + b'"}', "bytes"),
        (None, "isn't a JSON object"),
        (7, "isn't a JSON object"),
    ],
    ids=str,
)
def test_a_body_that_is_out_of_bounds_is_unreadable_with_its_reason(body: object, expected: str) -> None:
    found = reading.document(body)
    assert isinstance(found, Unreadable)
    assert expected in found.reason


def test_a_body_within_bounds_is_read() -> None:
    assert reading.document(b"\xef\xbb\xbf" + b'{"a": {"b": [1]}}') == {"a": {"b": [1]}}
    deep = json.dumps({"a": 1})
    for _ in range(39):
        deep = f'{{"a": {deep}}}'
    assert isinstance(reading.document(deep), dict)


def test_a_text_holds_no_control_characters_and_no_half_letters() -> None:
    assert reading.text("a\x00b\x1b[31mc\r\nd\u2028e\u202ef") == "a b [31mc d ef"
    assert reading.text("half \ud83d") == "half ?"
    assert reading.text("x" * 300, 10) == "x" * 9 + "…"
    assert reading.text(True) == "true"
    assert reading.text(1.5) == "1.5"
    assert reading.text(10**5_000) == ""
    assert reading.text({"a": 1}) == reading.text(None) == ""
    assert reading.lines("one\n\n two\x07 \nthree", 100) == "one\n\ntwo\nthree"


def test_labels_are_few_short_and_sorted() -> None:
    found = reading.labels({"": "x", "empty": "", "a": "z" * 9_999} | {f"n{at:04}": at for at in range(2_000)})
    assert len(found) == MAX_LABELS
    assert list(found) == sorted(found)
    assert len(found["a"]) == 512


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://a b", "//x", "https://", "ftp://x", "https://x\n", 7]
)
def test_only_an_address_of_the_web_is_a_link(address: object) -> None:
    assert reading.link(address) is None
    assert reading.link("https://grafana.example/d/1?x=%20") == "https://grafana.example/d/1?x=%20"
