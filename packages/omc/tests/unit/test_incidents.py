"""What an incident's events come to, one story at a time. What holds for all of them is in tests/property."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest

from omc.errors import OmcError, Refused, WrongUse
from omc.incidents.events import TYPES, IncidentEvent, Noted, Opened, Payload, Resolved, SeverityChanged
from omc.incidents.model import IF_UNKNOWN, SEVERITIES, Incident, apply, from_first_event
from omc.model.events import Event, UnknownEvent

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def story(*happened: Payload | UnknownEvent) -> Incident:
    """A minute between two events; ann and bob in turn."""
    first, *rest = [event(number, what) for number, what in enumerate(happened)]
    return reduce(apply, rest, from_first_event("staging", 3, first))


def event(number: int, what: Payload | UnknownEvent) -> IncidentEvent:
    return Event(NOON + timedelta(minutes=number), ("ann", "bob")[number % 2], what)


DOWN = Opened(1, "Users can't log in")


def test_an_incident_is_opened_changes_and_ends() -> None:
    incident = story(DOWN, Noted("scaled out"), SeverityChanged(2), Resolved("rolled back"))
    assert (incident.number, incident.environment) == (3, "staging")
    assert (incident.severity, incident.summary, incident.is_open) == (2, "Users can't log in", False)
    assert (incident.opened_by, incident.opened_at) == ("ann", NOON)
    assert (incident.resolved_by, incident.resolved_at) == ("bob", NOON + timedelta(minutes=3))
    assert incident.resolution == "rolled back"
    assert [TYPES.name_of(each.payload) for each in incident.events] == [
        "opened",
        "noted",
        "severity changed",
        "resolved",
    ]


def test_a_note_may_follow_on_the_end() -> None:
    incident = story(DOWN, Resolved("rolled back"), Noted("it was the cache"))
    assert not incident.is_open
    assert len(incident.events) == 3


@pytest.mark.parametrize(
    ("happened", "error", "expected"),
    [
        ((Noted("what?"),), WrongUse, 'was never opened: its first event is "noted"'),
        ((Opened(0, "x"),), WrongUse, "no severity 0; allowed are 1 (a service is down), 2"),
        ((Opened(4, "x"),), WrongUse, "no severity 4"),
        ((Opened(1, " "),), WrongUse, "say a summary"),
        ((DOWN, DOWN), Refused, "is opened already"),
        ((DOWN, SeverityChanged(1)), Refused, "is a SEV-1 already"),
        ((DOWN, SeverityChanged(9)), WrongUse, "no severity 9"),
        ((DOWN, Noted("")), WrongUse, "say a text"),
        ((DOWN, Resolved("\n")), WrongUse, "say what ended"),
        ((DOWN, Resolved("done"), Resolved("done")), Refused, "was resolved by bob and stays so"),
        ((DOWN, Resolved("done"), SeverityChanged(2)), Refused, "was resolved by bob and stays so"),
    ],
)
def test_what_may_not_happen_is_refused_in_one_sentence(
    happened: tuple[Payload, ...], error: type[OmcError], expected: str
) -> None:
    with pytest.raises(error) as raised:
        story(*happened)
    assert expected in raised.value.message
    assert "\n" not in raised.value.message


def test_what_happens_next_leaves_what_was_as_it_was() -> None:
    before = from_first_event("staging", 3, event(0, DOWN))
    ended = apply(before, event(1, Resolved("rolled back")))
    assert before.is_open
    assert not ended.is_open
    assert len(before.events) == 1


@pytest.mark.parametrize("what", [DOWN, SeverityChanged(2), Noted("scaled out"), Resolved("rolled back")])
def test_each_event_is_read_as_it_was_written(what: Payload) -> None:
    assert TYPES.read(*TYPES.write(what)) == what


HANDED_OVER = UnknownEvent("handed over", 1, {"who": "bob"})


def test_an_event_of_a_newer_omc_is_kept_and_changes_nothing() -> None:
    incident = story(DOWN, HANDED_OVER, Noted("scaled out"), Resolved("rolled back"), HANDED_OVER)
    assert [each.payload for each in incident.events].count(HANDED_OVER) == 2
    assert (incident.severity, incident.resolution) == (1, "rolled back")


def test_an_incident_that_a_newer_omc_opened_stops_deployments_and_allows_no_break_glass() -> None:
    incident = story(UnknownEvent("opened", 2, {"severity": "high"}), Noted("scaled out"))
    assert incident.is_open
    assert incident.severity == IF_UNKNOWN
    assert SEVERITIES[incident.severity].stops_deployments
    assert "can't be read by this omc" in incident.title


def test_ten_thousand_events_come_to_their_incident() -> None:
    """In proportion to their number: ``tests/unit`` has a bound for each test that the square of it would break."""
    incident = story(DOWN, *(Noted(f"note {number}") for number in range(10_000)), Resolved("rolled back"))
    assert len(incident.events) == 10_002
    assert not incident.is_open
