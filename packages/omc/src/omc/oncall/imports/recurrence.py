"""Recurrence rules on the wall: the local times at which something repeats, by the library ``dateutil``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

MAX_OCCURRENCES = 200_000
"""From the first one on, also those that are past: ten years of hours are 87,660."""
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")


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
