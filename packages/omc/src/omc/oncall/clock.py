"""Local times as moments, where clocks are put forward and back. Pure.

Two rules settle a local time that is no single moment:
- one that a clock change leaves out is the moment of the change: what is due at 2:30 happens when 2:00 becomes 3:00;
- one that comes twice is the first of the two.
So a later local time is never an earlier moment, and what is due at a local time happens exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum


class Reading(StrEnum):
    """How a local time stands to the moments."""

    ONCE = "once"
    SKIPPED = "skipped"
    TWICE = "twice"


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A moment at which a zone's clocks are changed."""

    at: datetime
    seconds: int
    """By which they are put forward; negative where they are put back."""


def reading_of(local: datetime, zone: tzinfo) -> Reading:
    """Whether a local time comes once, twice or never."""
    first, second = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return Reading.ONCE
    there_and_back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    return Reading.TWICE if there_and_back == local else Reading.SKIPPED


def moment_of(local: datetime, zone: tzinfo) -> datetime:
    """The moment, in UTC, at which a local time without zone counts."""
    early, late = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    if early.utcoffset() == late.utcoffset() or reading_of(local, zone) is Reading.TWICE:
        return early.astimezone(UTC)
    return _change_between(late.astimezone(UTC), early.astimezone(UTC), zone)  # in a gap fold=1 is the earlier one


def local_of(at: datetime, zone: tzinfo) -> datetime:
    """What the clock on the wall shows, without zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def clock_changes(zone: tzinfo, begin: datetime, end: datetime) -> Iterator[ClockChange]:
    """The changes in a period, in their order. One that is taken back within the same day isn't seen: there is none."""
    at = begin.astimezone(UTC)
    while at < end:
        following = min(at + timedelta(days=1), end.astimezone(UTC))
        before, after = _offset(at, zone), _offset(following, zone)
        if before != after:
            yield ClockChange(_change_between(at, following, zone), int((after - before).total_seconds()))
        at = following


def _change_between(early: datetime, late: datetime, zone: tzinfo) -> datetime:
    """The first moment, to the second, at which the offset is the late one's."""
    early, before = early.replace(microsecond=0), _offset(early, zone)
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=int((late - early).total_seconds()) // 2)
        if _offset(middle, zone) == before:
            early = middle
        else:
            late = middle
    return late


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
