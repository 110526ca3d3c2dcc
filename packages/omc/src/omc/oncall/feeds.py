"""Who is on call, as iCalendar: a whole rota, or one person in all rotas. Written by the library ``icalendar``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from omc.model.people import Channel, Person
from omc.oncall.imports.calendars import GAP, PERSON
from omc.oncall.model import Gap, Rota, Shift
from omc.oncall.notices import duties
from omc.oncall.schedule import on_call, shifts
from omc.output.ical import new_calendar, new_event

if TYPE_CHECKING:
    from icalendar import Calendar, Event

LOOK_BACK = timedelta(days=60)
"""So far back the begin of a duty is looked for that is under way."""


def rota_feed(rota: Rota, persons: Mapping[str, Person], begin: datetime, end: datetime, now: datetime) -> bytes:
    """Every shift of a rota in a period, and its gaps as events that say so. The one that is under way is whole: an
    event keeps its UID whenever the feed is asked for."""
    calendar = _calendar(f"On call: {rota.name}", rota.zone)
    under_way = on_call(rota, begin)
    first = begin if isinstance(under_way, Gap) else under_way.begin
    for tile in shifts(rota, first, end):
        people = tile.people if isinstance(tile, Shift) else ()
        names = ", ".join(persons[each].name if each in persons else each for each in people)
        summary = names or f"Nobody is on call in {rota.name}"
        event = new_event(summary, tile.begin, tile.end, f"{rota.name}/{tile.begin.isoformat()}", now)
        if isinstance(tile, Shift):
            event.add("description", f"On call in {rota.name}, by {tile.origin}")
            for each in people:
                _attend(event, each, persons.get(each))
        else:
            event.add("description", tile.reason)
            event.add(GAP, "TRUE")
            event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def person_feed(
    person: str,
    persons: Mapping[str, Person],
    rotas: Mapping[str, Rota],
    begin: datetime,
    end: datetime,
    now: datetime,
) -> bytes:
    """A person's duties in all rotas in a period."""
    known = persons.get(person)
    zone = next((rota.zone for rota in rotas.values() if person in rota.people), "UTC")
    calendar = _calendar(f"On call: {known.name if known else person}", zone)
    for rota in rotas.values():
        for duty in (each for each in duties(rota, begin - LOOK_BACK, end, person) if each.end > begin):
            uid = f"{rota.name}/{person}/{duty.begin.isoformat()}"
            event = new_event(f"On call: {rota.name}", duty.begin, duty.end, uid, now)
            _attend(event, person, known)
            calendar.add_component(event)
    return bytes(calendar.to_ical())


def _calendar(title: str, zone: str) -> Calendar:
    calendar = new_calendar("on call", title)
    calendar.add("x-wr-timezone", zone)
    return calendar


def _attend(event: Event, person: str, known: Person | None) -> None:
    """Who it is: for us by the id, for calendars as an attendee where there is an address."""
    event.add(PERSON, person)
    addresses = [each.address for each in known.contacts if each.channel is Channel.EMAIL] if known else []
    if known is not None and addresses:
        parameters: dict[str, Any] = {"CN": known.name, "ROLE": "REQ-PARTICIPANT"}
        event.add("attendee", f"mailto:{addresses[0]}", parameters=parameters)
