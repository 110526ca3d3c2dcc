"""Recurrence rules on the wall: the local times at which something repeats, by the library ``dateutil``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

MAX_OCCURRENCES = 200_000
"""From the first one on, also those that are past: ten years of hours are 87,660."""
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")


DAYS_IN = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def never_comes(months: Iterable[object], days: Iterable[object]) -> bool:
    """Whether none of the days of a month, also counted from its end, is in any of the months: the 30th of February.
    The libraries look for it up to the year 9999."""
    lengths = [DAYS_IN[int(str(month)) - 1] for month in months if str(month) in map(str, range(1, 13))] or [31]
    numbers = [abs(int(str(day))) for day in days if str(day).lstrip("+-").isdigit()]
    return bool(numbers) and all(number > max(lengths) for number in numbers)


def occurrences(first: datetime, rules: Sequence[str], end: datetime) -> Iterator[datetime]:
    """The local times, without zone, at which rules such as ``RRULE:FREQ=WEEKLY;BYDAY=MO`` repeat a first one, up to
    ``end``; only the first where there is no rule. ``ValueError`` for a rule that can't be read, or that repeats more
    often than shifts do."""
    from dateutil.rrule import rrulestr

    if not rules:
        yield first
        return
    lines = [rule if ":" in rule else f"RRULE:{rule}" for rule in rules]
    for line in lines:
        parts = dict(part.partition("=")[::2] for part in line.upper().partition(":")[2].split(";"))
        if line.upper().startswith("RRULE") and parts.get("FREQ") not in FREQUENCIES:
            raise ValueError(f"its rule repeats {parts.get('FREQ', 'in no way')}")
        if {"BYMINUTE", "BYSECOND"} & set(parts):
            raise ValueError("it repeats more often than shifts do")
        if never_comes(*(parts[key].split(",") if key in parts else () for key in ("BYMONTH", "BYMONTHDAY"))):
            raise ValueError("its rule never comes")
    # Local times on both sides: an UNTIL in UTC is taken for what the clock shows, a few hours off at the very end.
    plain = [_local_until(line) for line in lines]
    series = rrulestr("\n".join(plain), dtstart=first, forceset=True)
    for number, at in enumerate(series.xafter(first, inc=True)):
        if at > end:
            return
        if number >= MAX_OCCURRENCES:
            raise ValueError(f"it has repeated {MAX_OCCURRENCES} times before it gets here")
        yield at


def _local_until(line: str) -> str:
    return ";".join(part.rstrip("Zz") if part.upper().startswith("UNTIL=") else part for part in line.split(";"))
