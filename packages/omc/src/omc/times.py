"""The one way to show a moment or a length of time: the people's own zone first, UTC beside it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FIXED_ZONES = {"AEST": timedelta(hours=10), "UTC": timedelta(0)}
"""Names of zones whose offset never changes; AEST is none of the tz database's."""
_OFFSET = re.compile(r"([+-])(0[0-9]|1[0-4]):([0-5][0-9])")


def zone_named(name: str) -> tzinfo:
    """Of ``AEST``, ``UTC``, an offset such as ``+10:00``, or a name of the tz database such as Australia/Sydney.

    ``str`` of it is the name again. ``ValueError`` where it is none.
    """
    if name in FIXED_ZONES:
        return timezone(FIXED_ZONES[name], name)
    if found := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-offset if found[1] == "-" else offset, name)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"{name} is no time zone") from error


def format_time(at: datetime, zone: str) -> str:
    """``Mon 24 Nov 08:15:02 AEDT (Sun 21:15 UTC)``."""
    local, utc = at.astimezone(zone_named(zone)), at.astimezone(UTC)
    day = "" if utc.date() == local.date() else f"{utc:%a} "
    return f"{local:%a %d %b %H:%M:%S %Z} ({day}{utc:%H:%M} UTC)"


_MOMENT = re.compile(r"\b(?P<day>\w{3} \d\d \w{3}) (?P<time>\d\d:\d\d):\d\d \S{1,6} \((?:\w{3} )?\d\d:\d\d UTC\)")
"""What ``moment`` writes."""


def shortened(text: str, now: datetime, zone: str) -> str:
    """The text with each ``moment`` of today as ``09:02``, of another day as ``Sun 23 Nov 09:02``: for a screen that
    says elsewhere which day and zone it speaks of."""
    today = f"{now.astimezone(zone_named(zone)):%a %d %b}"
    return _MOMENT.sub(
        lambda found: found["time"] if found["day"] == today else f"{found['day']} {found['time']}", text
    )


def ago(at: datetime, now: datetime, zone: str) -> str:
    """``12 min ago, 09:02``; of another day ``Sun 23:50``, of another week ``20 Nov 09:02``."""
    local, today = at.astimezone(zone_named(zone)), now.astimezone(zone_named(zone)).date()
    days = (today - local.date()).days
    day = "" if days == 0 else f"{local:%a} " if abs(days) < 7 else f"{local:%d %b} "
    return f"{format_duration(now - at)} ago, {day}{local:%H:%M}" if at <= now else f"{day}{local:%H:%M}"


def format_duration(length: timedelta) -> str:
    """Two units at most: ``45 s``, ``3 min``, ``2 h 10 min``, ``24 h``, and from two days on ``3 d 4 h``."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    days = seconds // 86400 if seconds >= 2 * 86400 else 0
    minutes, hours = seconds // 60 % 60, seconds // 3600 - 24 * days
    units = [(days, "d"), (hours, "h"), (minutes, "min")]
    shown = [f"{number} {unit}" for number, unit in units if number]
    return " ".join(shown[:2]) if days == 0 or hours else shown[0]


def iso(at: datetime | None) -> str | None:
    """For programs: ISO 8601 to the millisecond; None stays None."""
    return at.isoformat(timespec="milliseconds") if at else None


def in_utc(at: datetime | None) -> datetime | None:
    """The same moment in UTC, as facts keep it; None stays None."""
    return at.astimezone(UTC) if at else None
