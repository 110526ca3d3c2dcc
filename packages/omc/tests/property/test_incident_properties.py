"""Whatever is tried with an incident, and in whatever order: its state is what its events say, and it ends once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from omc.errors import OmcError
from omc.incidents.events import TYPES, IncidentEvent, Noted, Opened, Payload, Resolved, SeverityChanged
from omc.incidents.model import IF_UNKNOWN, SEVERITIES, Incident, apply, from_first_event, replay
from omc.model.events import Event, UnknownEvent

severities = st.integers(0, 5)
words = st.text(max_size=20)
tried = st.lists(
    st.builds(Opened, severities, words)
    | st.builds(SeverityChanged, severities)
    | st.builds(Noted, words)
    | st.builds(Resolved, words)
    | st.builds(UnknownEvent, words, st.integers(1, 3), st.just({})),
    max_size=12,
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def happened(things: list[Payload | UnknownEvent]) -> tuple[Incident | None, list[IncidentEvent], list[Incident]]:
    """What came of trying them in turn: the incident, the events that were let happen, its states."""
    incident: Incident | None = None
    kept: list[IncidentEvent] = []
    states: list[Incident] = []
    for minute, what in enumerate(things):
        event = Event(START + timedelta(minutes=minute), f"person {minute}", what)
        try:
            incident = from_first_event("staging", 1, event) if incident is None else apply(incident, event)
        except OmcError:
            continue
        kept.append(event)
        states.append(incident)
    return incident, kept, states


def stored_as(payload: Payload | UnknownEvent) -> tuple[str, int, object]:
    if isinstance(payload, UnknownEvent):
        return payload.type, payload.version, payload.body
    return TYPES.write(payload)


@given(tried)
def test_the_state_is_the_fold_of_exactly_what_was_let_happen(things: list[Payload | UnknownEvent]) -> None:
    incident, kept, states = happened(things)
    if incident is None:
        return
    assert incident.events == tuple(kept)
    assert replay("staging", 1, incident.events) == incident
    for number, state in enumerate(states, start=1):
        assert replay("staging", 1, kept[:number]) == state
    stored = [Event(event.at, event.by, TYPES.read(*stored_as(event.payload))) for event in kept]
    assert replay("staging", 1, stored) == incident


@given(tried)
def test_it_is_opened_first_and_ends_once_and_stays_ended(things: list[Payload | UnknownEvent]) -> None:
    incident, kept, states = happened(things)
    if incident is None:
        assert not any(
            isinstance(what, UnknownEvent)
            or (isinstance(what, Opened) and what.severity in SEVERITIES and what.summary.strip())
            for what in things
        )
        return
    whats = [event.payload for event in kept]
    assert isinstance(whats[0], Opened | UnknownEvent)
    assert not any(isinstance(what, Opened) for what in whats[1:])
    ends = [number for number, what in enumerate(whats) if isinstance(what, Resolved)]
    assert len(ends) <= 1
    assert incident.is_open is (not ends)
    assert all(state.is_open is (not ends or number < ends[0]) for number, state in enumerate(states))
    records = [what.severity for what in whats if isinstance(what, Opened | SeverityChanged)]
    assert incident.severity == ([IF_UNKNOWN, *records])[-1]
    assert set(records) <= set(SEVERITIES)
    if ends:
        assert all(isinstance(what, Noted | UnknownEvent) for what in whats[ends[0] + 1 :])
        assert (incident.resolved_by, incident.resolved_at) == (kept[ends[0]].by, kept[ends[0]].at)
