"""Events as values: written, read back by the same omc, and by one that is older or newer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.model.events import EventTypes, UnknownEvent
from omc.model.typed_json import Misfit, from_json, to_json


class Urgency(StrEnum):
    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Contact:
    name: str
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Paged:
    """One field of each sort that an event may have."""

    urgency: Urgency
    until: datetime
    contacts: tuple[Contact, ...] = ()
    labels: Mapping[str, str] | None = None
    attempts: int = 0
    factor: float = 1.0
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Acknowledged:
    minutes: int


def seconds_before(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Version 1 counted seconds."""
    return {"minutes": body["seconds"] // 60}


TYPES = EventTypes("page", {"paged": Paged, "acknowledged": Acknowledged}, upgrades={"acknowledged": (seconds_before,)})
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
FULL = Paged(Urgency.HIGH, AT, (Contact("ann", "+61"), Contact("bob")), {"a": "b"}, 2, 0.5, is_test=True)

paged = st.builds(
    Paged,
    st.sampled_from(Urgency),
    st.datetimes(timezones=st.just(UTC)),
    st.lists(st.builds(Contact, st.text(), st.none() | st.text()), max_size=3).map(tuple),
    st.none() | st.dictionaries(st.text(), st.text(), max_size=3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


@given(paged | st.builds(Acknowledged, st.integers()))
def test_an_event_is_read_as_it_was_written(payload: Paged | Acknowledged) -> None:
    assert TYPES.read(*TYPES.write(payload)) == payload


def test_a_time_is_kept_as_the_moment_that_it_is() -> None:
    east = timezone(timedelta(hours=10))
    kept = to_json(Paged(Urgency.LOW, datetime(2026, 11, 23, 22, tzinfo=east)))
    assert kept["until"] == "2026-11-23T12:00:00.000000+00:00"
    with pytest.raises(TypeError, match="no time zone"):
        to_json(Paged(Urgency.LOW, datetime(2026, 11, 23, 22)))  # noqa: DTZ001 - what is refused


def test_an_older_version_is_upgraded_and_a_newer_one_is_unknown() -> None:
    assert TYPES.version_of("acknowledged") == 2
    assert TYPES.read("acknowledged", 1, {"seconds": 180}) == Acknowledged(3)
    assert TYPES.read("acknowledged", 3, {"hours": 1}) == UnknownEvent("acknowledged", 3, {"hours": 1})
    assert TYPES.read("escalated", 1, {"to": "cem"}) == UnknownEvent("escalated", 1, {"to": "cem"})


documents = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@pytest.mark.parametrize("name", ["paged", "acknowledged", "escalated", ""])
@given(version=st.integers(), body=documents)
def test_no_row_whatever_is_in_it_breaks_a_reader(name: str, version: int, body: Any) -> None:
    found = TYPES.read(name, version, body)
    assert isinstance(found, Paged | Acknowledged | UnknownEvent)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"urgency": "dire"}, "urgency: 'dire' is no Urgency"),
        ({"urgency": None}, "urgency: None is no Urgency"),
        ({"until": "soon"}, "until: 'soon' is no datetime"),
        ({"until": "2026-11-23T12:00:00"}, "until: '2026-11-23T12:00:00' is no datetime"),
        ({"until": 5}, "until: 5 is no datetime"),
        ({"contacts": "ann"}, "contacts: 'ann' is no list"),
        ({"contacts": [{"name": 5}]}, "contacts.0.name: 5 is no str"),
        ({"contacts": [{}]}, "contacts.0.name is missing"),
        ({"contacts": ["ann"]}, "contacts.0: 'ann' is no Contact"),
        ({"labels": {"a": 5}}, "labels: {'a': 5} is no "),
        ({"attempts": "5"}, "attempts: '5' is no int"),
        ({"attempts": True}, "attempts: True is no int"),
        ({"attempts": 1.5}, "attempts: 1.5 is no int"),
        ({"factor": True}, "factor: True is no float"),
        ({"is_test": 1}, "is_test: 1 is no bool"),
        ({"colour": "red"}, "colour: Paged has no such field"),
    ],
)
def test_what_does_not_fit_is_named(change: Mapping[str, Any], expected: str) -> None:
    with pytest.raises(Misfit) as error:
        from_json(Paged, {**to_json(FULL), **change})
    assert expected in str(error.value)


def test_a_field_without_a_default_must_be_there() -> None:
    with pytest.raises(Misfit, match="until is missing"):
        from_json(Paged, {"urgency": "high"})
    assert from_json(Paged, {"urgency": "low", "until": AT.isoformat()}) == Paged(Urgency.LOW, AT)


def test_a_kind_writes_its_own_types_only() -> None:
    with pytest.raises(TypeError, match='kind "page" has no Contact'):
        TYPES.write(Contact("ann"))
