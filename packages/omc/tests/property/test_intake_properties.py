"""Whatever comes in, values within bounds come out, and nothing is raised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from omc.model.planned import Planned
from omc.responder import model
from omc.responder.intake import alertmanager, cloudwatch, ecs, grafana, health, rds
from omc.responder.intake.envelope import read
from omc.responder.intake.reading import MAX_ITEMS, MAX_SKEW, Context, moment
from omc.responder.intake.signatures import Proven, SnsVerifier, verify_grafana, verify_webhook
from omc.responder.model import Ignored, Intake, Notification, Unreadable
from support.payload_cases import CASES
from support.payloads import TOPIC, enveloped

NOW = datetime(2026, 11, 3, 2, 20, tzinfo=UTC)
CONTEXT = Context("staging", NOW)
FIRST, LAST = datetime(2000, 1, 2), datetime(2100, 1, 1)  # noqa: DTZ001 - hypothesis wants them without a zone

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(child)


KEYS = st.sampled_from(
    sorted({key for one in CASES if one.body.startswith("{") for key in _keys(json.loads(one.body))})
)
"""Those that the parsers look for."""
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=10), inner, max_size=6),
    max_leaves=25,
)
OBJECTS = st.dictionaries(KEYS | st.text(max_size=10), JSON, max_size=8)


def check(found: tuple[Intake, ...]) -> None:
    """Within the bounds of the model, each of them."""
    assert 1 <= len(found) <= MAX_ITEMS + 1
    for one in found:
        if isinstance(one, Ignored | Unreadable):
            assert 0 < len(one.reason) <= model.MAX_REASON
            continue
        assert isinstance(one, Notification | Planned)
        assert len(one.id) == 32
        for text in _texts(one):
            text.encode()  # no half of a pair of surrogates: PostgreSQL would refuse it
            assert not any(ord(letter) < 32 and letter != "\n" for letter in text)
        if isinstance(one, Notification):
            assert 0 < len(one.name) <= model.MAX_NAME
            assert len(one.title) <= model.MAX_TITLE
            assert len(one.description) <= model.MAX_DESCRIPTION
            assert len(one.labels) <= model.MAX_LABELS
            assert one.at.tzinfo is UTC
            assert one.at <= NOW + MAX_SKEW
            assert one.severity in (None, 1, 2, 3)
        else:
            assert one.subject
            assert all(at is None or at.tzinfo is UTC for at in (one.start, one.end, one.at))


def _texts(one: Notification | Planned) -> Iterator[str]:
    for name in one.__dataclass_fields__:
        value = getattr(one, name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from (*value.keys(), *value.values())


@given(st.binary(max_size=400) | st.text(max_size=400) | JSON)
def test_anything_is_read(body: object) -> None:
    check(read(body, CONTEXT))


@given(OBJECTS)
def test_any_object_is_read_by_each_parser(found: dict[str, Any]) -> None:
    check((cloudwatch.from_sns(found, CONTEXT),))
    check((cloudwatch.from_event(found, CONTEXT),))
    check(ecs.from_event(found, CONTEXT))
    check(health.from_event(found, CONTEXT))
    check(rds.rds_from_event(found, CONTEXT))
    check(rds.rds_from_sns(found, CONTEXT))
    check((rds.elasticache_from_sns(found, CONTEXT),))
    check((rds.elasticache_from_event(found, CONTEXT),))
    check(alertmanager.parse(found, CONTEXT))
    check(grafana.parse(found, CONTEXT))


def _paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _paths(child, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], new: object) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _changed(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=400)
@given(st.data())
def test_a_published_shape_with_one_part_changed_is_read(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from([one for one in CASES if one.body.startswith("{")]))
    message = json.loads(case.body)
    is_inside = message.get("Type") == "Notification" and message["Message"].startswith("{")
    inside = json.loads(message["Message"]) if is_inside else message
    path = data.draw(st.sampled_from(list(_paths(inside))))
    changed = _changed(inside, path, data.draw(JSON))
    check(read(json.dumps({**message, "Message": json.dumps(changed)} if is_inside else changed), CONTEXT))


@given(st.sampled_from(CASES), st.integers(0, 3_000), st.integers(1, 60), st.text(max_size=20))
def test_a_published_shape_that_is_cut_or_overwritten_is_read(case: Any, start: int, length: int, put: str) -> None:
    check(read(case.body[:start], CONTEXT))
    check(read(case.body[:start] + put + case.body[start + length :], CONTEXT))


@given(st.sampled_from(CASES), st.permutations(range(3)))
def test_the_same_message_in_any_order_and_number_is_the_same(case: Any, order: list[int]) -> None:
    sent = [NOW + timedelta(seconds=at) for at in range(3)]
    body = case.body if '"Type"' in case.body else json.dumps(enveloped(case.body))
    found = [[getattr(one, "id", "") for one in read(body, Context("staging", sent[at]))] for at in order]
    assert found[0] == found[1] == found[2]


@given(st.datetimes(FIRST, LAST), st.integers(-14 * 60, 14 * 60), st.sampled_from(["", ":"]))
def test_a_time_is_read_as_it_is_meant_whatever_its_zone(at: datetime, offset: int, colon: str) -> None:
    hours, minutes = divmod(abs(offset), 60)
    written = f"{at.isoformat(timespec='milliseconds')}{'-' if offset < 0 else '+'}{hours:02}{colon}{minutes:02}"
    expected = at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC) - timedelta(minutes=offset)
    assert moment(written) == expected


@given(st.text(max_size=60))
def test_any_text_is_a_time_or_none(written: str) -> None:
    found = moment(written, UTC)
    assert found is None or found.tzinfo is UTC


@given(OBJECTS | st.builds(lambda more: {**enveloped("x"), **more}, OBJECTS), st.dictionaries(st.text(), st.text()))
def test_nothing_arbitrary_is_proven(found: dict[str, Any], headers: dict[str, str]) -> None:
    def fetch(_address: str, _limit: int) -> bytes:
        return b"no certificate"

    body = json.dumps(found).encode()
    verifier = SnsVerifier(frozenset({TOPIC}), fetch, lambda: NOW, frozenset({"1", "2"}))
    assert not isinstance(verifier.verify(body), Proven)
    for given_headers in (
        headers,
        dict.fromkeys(("webhook-timestamp", "x-grafana-alerting-timestamp"), "1793671200") | headers,
    ):
        assert not isinstance(verify_grafana(given_headers, body, ["secret"], NOW), Proven)
        assert not isinstance(verify_webhook(given_headers, body, ["secret"], NOW), Proven)
