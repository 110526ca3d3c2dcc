"""What an incident's events come to, one story at a time. What holds for all of them is in tests/property."""

from __future__ import annotations

from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from omc.errors import OmcError, Refused, WrongUse
from omc.facts.incidents import OpenIncidents
from omc.incidents.document import incidents_document, state_of
from omc.incidents.events import (
    AUTOMATIC,
    TYPES,
    Acknowledged,
    AcknowledgementExpired,
    AlertEnded,
    AlertJoined,
    AlertLeft,
    IncidentEvent,
    Merged,
    Mitigated,
    Noted,
    Opened,
    Payload,
    Reopened,
    Resolved,
    RoleAssigned,
    SeverityChanged,
    Snoozed,
    SnoozeEnded,
    Unmerged,
)
from omc.incidents.model import IF_UNKNOWN, SEVERITIES, Incident, apply, from_first_event, replay
from omc.incidents.words import in_words
from omc.model.events import Event, UnknownEvent
from omc.output.document import Table
from omc.responder.life import alert_key_of

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


STORED = [
    ("opened", 1, {"severity": 1, "summary": "Users can't log in"}),
    ("noted", 1, {"text": "scaled out"}),
    ("severity changed", 1, {"severity": 2}),
    ("resolved", 1, {"how": "rolled back"}),
    ("noted", 1, {"text": "it was the cache"}),
]
"""As the first omc with incidents kept them."""


def test_events_that_were_kept_before_there_was_more_to_an_incident_come_to_the_same() -> None:
    events = [event(number, TYPES.read(*each)) for number, each in enumerate(STORED)]
    assert not any(isinstance(each.payload, UnknownEvent) for each in events)
    incident = replay("staging", 3, events)
    assert (incident.severity, incident.is_open, incident.resolution) == (2, False, "rolled back")
    assert (incident.resolved_by, incident.resolved_at) == ("bob", NOON + timedelta(minutes=3))
    assert state_of(incident) == "resolved"


HOUR = NOON + timedelta(hours=1)
ALARM = AlertJoined("a1", "backend-no-healthy", 1, "backend")


@pytest.mark.parametrize(
    ("happened", "state", "stops"),
    [
        ((), "open", True),
        ((Acknowledged("ann"),), "acknowledged", True),
        ((Acknowledged("ann"), AcknowledgementExpired()), "open", True),
        ((Mitigated("scaled out"),), "mitigated", True),
        ((Mitigated("scaled out"), ALARM), "open", True),
        ((Snoozed(HOUR, "known"),), "snoozed", True),
        ((Snoozed(HOUR, "known"), SnoozeEnded("by hand")), "open", True),
        ((Snoozed(HOUR, "known"), Acknowledged("ann")), "acknowledged", True),
        ((SeverityChanged(3),), "open", False),
        ((Resolved("rolled back"),), "resolved", False),
        ((Resolved("rolled back"), Reopened("it is back")), "open", True),
        ((Acknowledged("ann"), Resolved("rolled back"), Reopened("it is back")), "open", True),
        ((Merged(4),), "merged", False),
        ((Merged(4), Unmerged(4)), "open", True),
        ((Acknowledged("ann"), Merged(4), Unmerged(4)), "acknowledged", True),
    ],
)
def test_what_stops_deployments_is_a_bad_one_that_is_open(
    happened: tuple[Payload, ...], state: str, stops: bool
) -> None:
    incident = story(DOWN, *happened)
    assert state_of(incident) == state
    found = OpenIncidents(tuple(each for each in (incident,) if each.is_open))
    assert any(SEVERITIES[each.severity].stops_deployments for each in found.incidents) is stops


@pytest.mark.parametrize(
    ("happened", "error", "expected"),
    [
        ((Reopened("why"),), Refused, "is open"),
        ((Resolved("done"), Acknowledged("ann")), Refused, "if it is back: omc incident reopen 3 WHY --env staging"),
        ((Merged(4), Acknowledged("ann")), Refused, "goes on in incident 4"),
        ((Merged(3),), WrongUse, "into itself"),
        ((Mitigated("x"), Mitigated("x")), Refused, "is mitigated already"),
        ((Mitigated("x"), Snoozed(HOUR, "known")), Refused, "is mitigated, so nobody is paged"),
        ((Snoozed(NOON, "known"),), WrongUse, "until a time to come"),
        ((Snoozed(HOUR, " "),), WrongUse, "say why nobody is to be paged"),
        ((SnoozeEnded("x"),), Refused, "isn't snoozed"),
        ((AcknowledgementExpired(),), Refused, "isn't acknowledged"),
        ((AlertEnded("a1"),), Refused, "No alert a1 fires"),
        ((ALARM, AlertEnded("a1"), AlertEnded("a1")), Refused, "No alert a1 fires"),
        ((AlertLeft("a1"),), Refused, "No alert a1 belongs"),
        ((RoleAssigned("boss", "ann"),), WrongUse, "There is no role 'boss'; there are lead, communications, scribe"),
        ((Unmerged(4),), Refused, "isn't merged with incident 4"),
    ],
)
def test_what_may_not_happen_in_its_life_is_refused_in_one_sentence(
    happened: tuple[Payload, ...], error: type[OmcError], expected: str
) -> None:
    with pytest.raises(error) as raised:
        story(DOWN, *happened)
    assert expected in raised.value.message
    assert "\n" not in raised.value.message


def example(kind: Any) -> Any:
    """A value of a type that a field of an event has."""
    options = get_args(kind) or (kind,)
    examples = {str: "x", int: 2, bool: True, datetime: HOUR}
    if get_origin(kind) is tuple:
        return tuple(example(options[0]) for _ in range(2))
    if is_dataclass(kind) and isinstance(kind, type):
        return kind(**{name: example(hint) for name, hint in get_type_hints(kind).items()})
    return next(examples[each] for each in options if each in examples)


@pytest.mark.parametrize("name", TYPES.names)
def test_each_event_is_kept_as_it_was_and_has_its_words(name: str) -> None:
    kind = TYPES.names[name]
    payload = kind(**{field: example(hint) for field, hint in get_type_hints(kind).items()})
    assert TYPES.read(*TYPES.write(payload)) == payload
    words = in_words(Event(NOON, "ann", payload), "Australia/Sydney", {"x": "alarm"})
    assert words
    assert "\n" not in words


def test_the_work_of_people_is_what_keeps_an_acknowledgement() -> None:
    taken = story(DOWN, Acknowledged("ann", HOUR))
    assert taken.acknowledgement is not None
    assert taken.acknowledgement.until == HOUR
    by_hand = apply(taken, Event(NOON + timedelta(minutes=31), "ann", Noted("looking")))
    by_itself = apply(taken, Event(NOON + timedelta(minutes=31), AUTOMATIC, Noted("looking")))
    assert by_hand.acknowledgement is not None
    assert by_hand.acknowledgement.until == NOON + timedelta(minutes=31 + 59)
    assert by_itself.acknowledgement == taken.acknowledgement


@pytest.mark.parametrize(
    ("happened", "who"),
    [((), "nobody"), ((Acknowledged("bob", None),), "bob"), ((Resolved("rolled back"),), "")],
)
def test_the_list_says_who_has_it(happened: tuple[Payload, ...], who: str) -> None:
    (table,) = incidents_document([story(Opened(2, "Slow"), *happened)], "staging", "UTC", everything=True).blocks
    assert isinstance(table, Table)
    assert dict(zip(table.columns, table.rows[0].cells, strict=True))["who has it"] == who


@pytest.mark.parametrize(
    ("text", "key"),
    [("5f2a11", "5f2a11"), ("5f2a1", "5f2a11"), ("5xx", "5f2a11"), ("77", "77aa"), ("zz", "zz"), ("", "")],
)
def test_an_alert_is_named_by_its_key_its_beginning_or_its_name(text: str, key: str) -> None:
    found = story(
        Opened(2, "Slow"), AlertJoined("5f2a11", "5xx"), AlertJoined("5f2b22", "slow"), AlertJoined("77aa", "x")
    )
    assert alert_key_of(found, text) == key
    with pytest.raises(WrongUse, match="may be any of these alerts of incident"):
        alert_key_of(found, "5f2")
