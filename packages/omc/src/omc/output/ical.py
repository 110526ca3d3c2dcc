"""iCalendar files for calendar programs, written by the library ``icalendar``."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from omc.distribution import install_line
from omc.errors import Unknown

if TYPE_CHECKING:
    from icalendar import Calendar, Event

REFRESH = timedelta(hours=1)


def new_calendar(about: str, title: str) -> Calendar:
    """An empty one that is asked for again every hour. ``about``: what omc writes it for, as its product. ``Unknown``
    without the library."""
    try:
        from icalendar import Calendar
    except ImportError as error:
        raise Unknown(
            f"Calendars can't be written: a package isn't installed. Install it: {install_line('serve')}"
        ) from error
    calendar = Calendar()
    calendar.add("prodid", f"-//omc//{about}//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", title)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", f"PT{int(REFRESH.total_seconds()) // 3600}H")
    return calendar


def new_event(summary: str, begin: datetime, end: datetime, identity: str, now: datetime) -> Event:
    """``identity``: what makes it the same event whenever the calendar is asked for."""
    from icalendar import Event

    event = Event()
    event.add("uid", f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}@omc")
    event.add("dtstamp", now.replace(microsecond=0))
    event.add("dtstart", begin)
    event.add("dtend", end)
    event.add("summary", summary)
    return event
