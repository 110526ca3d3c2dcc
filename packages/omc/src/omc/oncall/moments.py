"""Times as people type them. Pure: the present is handed in."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from omc.errors import WrongUse
from omc.oncall.clock import local_of, moment_of
from omc.times import format_time, zone_named

EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
FORMS = 'allowed are "2026-12-24 18:00", "18:00" (the next one), "+2h", "now", or a time with its offset'
_AHEAD = re.compile(r"\+(\d{1,4})([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_moment(text: str, zone: str, now: datetime) -> datetime:
    """A moment: a local time of the zone, one with an offset, a time of day (the next one), ``mon 09:00``, ``+2h`` or
    ``now``. ``WrongUse`` for anything else."""
    plain = text.strip().lower()
    moment = _parsed(plain, zone_named(zone), now)
    if moment is None or not EARLIEST <= moment < LATEST:
        raise WrongUse(f'"{text}" is no time; {FORMS}.')
    return moment


def _parsed(text: str, zone: tzinfo, now: datetime) -> datetime | None:
    if text == "now":
        return now
    if found := _AHEAD.fullmatch(text):
        return now + int(found[1]) * _UNITS[found[2]]
    if found := re.fullmatch(r"(?:(mon|tue|wed|thu|fri|sat|sun) )?(\d{1,2}:\d\d)", text):
        return _next(found[1], found[2], zone, now)
    try:
        read = datetime.fromisoformat(text.upper())
        return read.astimezone(UTC) if read.tzinfo else moment_of(read, zone)
    except (ValueError, OverflowError):
        return None


def _next(day: str | None, clock: str, zone: tzinfo, now: datetime) -> datetime | None:
    try:
        wanted = time.fromisoformat(clock.zfill(5))
    except ValueError:
        return None
    today = local_of(now, zone).date()
    for days in range(9):
        date = today + timedelta(days=days)
        moment = moment_of(datetime.combine(date, wanted), zone)
        if moment >= now and (day is None or date.weekday() == _DAYS.index(day)):
            return moment
    return None


def shown_span(begin: datetime, end: datetime, zone: str) -> str:
    """``Mon 30 Nov 09:00:00 AEDT (Sun 22:00 UTC) to …``."""
    return f"{format_time(begin, zone)} to {format_time(end, zone)}"
