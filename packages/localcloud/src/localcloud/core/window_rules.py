"""Maintenance and backup windows, in UTC: ``sat:16:00-sat:18:00`` a week, ``12:00-13:00`` a day."""

from __future__ import annotations

import re
from collections.abc import Sequence

from localcloud.core.registry import AwsError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY, WEEK = 24 * 60, 7 * 24 * 60
"""Minutes."""
TIME = r"([01]\d|2[0-3]):([0-5]\d)"
WEEKLY = re.compile(rf"({'|'.join(DAYS)}):{TIME}-({'|'.join(DAYS)}):{TIME}", re.IGNORECASE)
DAILY = re.compile(rf"{TIME}-{TIME}")


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterValue", text)


def weekly(text: str, what: str, least: int) -> tuple[int, int]:
    """Begin and length in minutes, the begin since Monday. At least so many minutes, less than a day."""
    found = WEEKLY.fullmatch(text)
    if found is None:
        raise _invalid(f"Invalid {what} format: {text}. Should be specified as a range ddd:hh24:mi-ddd:hh24:mi.")
    begin, end = (
        DAYS.index(day.lower()) * DAY + int(hour) * 60 + int(minute)
        for day, hour, minute in (found.groups()[:3], found.groups()[3:])
    )
    length = (end - begin) % WEEK
    if length < least:
        raise _invalid(f"The {what} must be at least {least} minutes.")
    if length >= DAY:
        raise _invalid(f"The {what} must be less than 24 hours.")
    return begin, length


def daily(text: str, what: str, least: int) -> tuple[int, int]:
    """Begin and length in minutes, the begin since midnight."""
    found = DAILY.fullmatch(text)
    if found is None:
        raise _invalid(f"Invalid {what} format: {text}. Should be specified as a range hh24:mi-hh24:mi.")
    begin, end = (int(hour) * 60 + int(minute) for hour, minute in (found.groups()[:2], found.groups()[2:]))
    length = (end - begin) % DAY
    if length < least:
        raise _invalid(f"The {what} must be at least {least} minutes.")
    return begin, length


def check(maintenance: str | None, each_day: str | None, what: str, least: int, before: Sequence[str]) -> None:
    """Refuse a maintenance window and a daily one, ``what`` ("backup window"), that are malformed, shorter than
    ``least`` minutes, or overlap. Of one that isn't given, the one in force counts: ``before`` has both, or nothing."""
    weekly_window = weekly(maintenance, "maintenance window", least) if maintenance else None
    daily_window = daily(each_day, what, least) if each_day else None
    if weekly_window and not daily_window and before:
        daily_window = daily(before[1], what, 0)
    if daily_window and not weekly_window and before:
        weekly_window = weekly(before[0], "maintenance window", 0)
    if weekly_window and daily_window and overlap(weekly_window, daily_window):
        raise _invalid(f"The {what} and maintenance window must not overlap.")


def overlap(each_week: tuple[int, int], each_day: tuple[int, int]) -> bool:
    """Whether the daily window touches the weekly one on any day."""
    begin, length = each_week
    start, lasting = each_day
    return any(
        (day * DAY + start - begin) % WEEK < length or (begin - day * DAY - start) % WEEK < lasting for day in range(7)
    )
