"""Weekly maintenance windows, as RDS and ElastiCache write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK = 7 * 24 * 60
"""Minutes."""


def in_window(window: str, now: datetime) -> bool:
    """Whether ``now`` (UTC) lies in a maintenance window such as ``sat:16:00-sat:18:00``."""
    read = _minutes(window)
    if read is None:
        return False
    begin, end = read
    minute = _minute_of(now)
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


def next_window(window: str, after: datetime) -> tuple[datetime, datetime]:
    """The first whole window that begins no earlier (UTC); an hour from then on where the text is no window."""
    read = _minutes(window)
    if read is None:
        return after, after + timedelta(hours=1)
    begin, end = read
    wait = (begin - _minute_of(after)) % WEEK
    start = (after + timedelta(minutes=wait)).replace(second=0, microsecond=0)
    if start < after:
        start += timedelta(minutes=WEEK)
    return start, start + timedelta(minutes=(end - begin) % WEEK)


def _minutes(window: str) -> tuple[int, int] | None:
    """Of the week at which it begins and ends; None where the text is no window."""
    match = re.fullmatch(r"(\w{3}):(\d\d):(\d\d)-(\w{3}):(\d\d):(\d\d)", window.lower())
    if not match or match[1] not in _DAYS or match[4] not in _DAYS:
        return None
    begin = (_DAYS.index(match[1]) * 24 + int(match[2])) * 60 + int(match[3])
    end = (_DAYS.index(match[4]) * 24 + int(match[5])) * 60 + int(match[6])
    return begin, end


def _minute_of(at: datetime) -> int:
    return (at.weekday() * 24 + at.hour) * 60 + at.minute
