"""Recurring maintenance windows, and what the clocks' changes do to them. Pure.

As iCalendar reads a recurring event (RFC 5545, 3.3.5 and 3.8.5.3): a time that the clocks skip is taken by the offset
before the gap, one that comes twice is the first of the two, and every occurrence is exactly as long as the first.
So a window from 02:00 to 04:00 in Sydney is two hours long on every Sunday of the year. On the Sunday in October on
which 02:00 doesn't come it begins at 03:00; on the one in April on which 02:00 comes twice it ends at 03:00.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import get_args

from omc.config.environment_tables import Day

DAYS: tuple[str, ...] = get_args(Day)
SHORTEST_OF_AWS = timedelta(minutes=60)
"""ElastiCache's least length of a maintenance window; RDS takes 30 minutes."""
_DAY, _HOUR = "mon|tue|wed|thu|fri|sat|sun", "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_AWS_WINDOW = re.compile(f"({_DAY}):({_HOUR})-(?:{_DAY}):({_HOUR})")
_WEEK, _DAY_LENGTH = timedelta(days=7), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a window is open, from ``begin`` up to but without ``end``, both UTC."""

    window: MaintenanceWindow
    begin: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.begin <= moment < self.end

    @property
    def remark(self) -> str:
        """What the clocks do to this one, as a sentence without a name; empty where nothing is unusual."""
        zone, name = self.window.zone, self.window.zone_name
        begin, end = self.begin.astimezone(zone), self.end.astimezone(zone)
        shift = _offset(end) - _offset(begin)
        if begin.time() != self.window.start:
            return f"{self.window.start:%H:%M} doesn't come on this day in {name}: it begins at {begin:%H:%M}"
        if shift:
            way = "forward" if shift > timedelta(0) else "back"
            return f"the clocks of {name} go {way} in it: it ends at {end:%H:%M}, as long as always"
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        if _offset(midnight) != _offset(midnight + _DAY_LENGTH):
            return f"the clocks of {name} change on this day, outside of it"
        return ""


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """A window that comes every week, or in some weeks of each month. ``next_after`` and ``occurrences`` say when."""

    day: str
    start: time
    end: time
    """On the next day where that isn't after ``start``."""
    zone: tzinfo
    zone_name: str
    required: bool = False
    """Deployments wait for it; otherwise a note says that it is closed."""
    weeks: tuple[int, ...] = ()
    """Which of the month's days of that name, 1 to 5, -1 the last; empty: every week."""
    name: str = ""

    def next_after(self, now: datetime) -> tuple[datetime, datetime]:
        """Begin and end of the window that is open at ``now``, or else of the next one; UTC."""
        found = next(self.occurrences(now))
        return found.begin, found.end

    def occurrences(self, since: datetime) -> Iterator[Occurrence]:
        """Those that are open at ``since`` or later, the next first, without an end."""
        day = since.astimezone(self.zone).date() - _DAY_LENGTH
        day += timedelta(days=(DAYS.index(self.day) - day.weekday()) % 7)
        while True:
            if not self.weeks or _weeks_of(day) & set(self.weeks):
                begin = datetime.combine(day, self.start, self.zone).astimezone(UTC)
                if begin + self.length > since:
                    yield Occurrence(self, begin, begin + self.length)
            day += _WEEK

    @property
    def length(self) -> timedelta:
        begin = timedelta(hours=self.start.hour, minutes=self.start.minute, seconds=self.start.second)
        end = timedelta(hours=self.end.hour, minutes=self.end.minute, seconds=self.end.second)
        return end - begin if end > begin else end - begin + _DAY_LENGTH

    @property
    def title(self) -> str:
        """``sunday 02:00-04:00 AEST``, with its name where it has one."""
        which = "".join(f"{ORDINALS[week]} " for week in self.weeks[:1]) if len(self.weeks) == 1 else ""
        if len(self.weeks) > 1:
            which = f"{', '.join(ORDINALS[week] for week in self.weeks)} "
        when = f"{which}{self.day} {self.start:%H:%M}-{self.end:%H:%M} {self.zone_name}"
        return f"{self.name}: {when}" if self.name else when

    @property
    def aws(self) -> str:
        """The part of it that lies in the same hours of UTC in every week, as RDS and ElastiCache take a window:
        ``sat:16:00-sat:18:00``. Where the clocks of its zone change that is shorter than the window itself. Empty where
        it is too short for ElastiCache, or the window doesn't come every week."""
        if self.weeks:
            return ""
        begins = [(_of_week(moment), moment) for moment in self._begins_of_a_year()]
        earliest = min(begins)[0]
        latest = max(begins)[0]
        if latest - earliest > _WEEK / 2:  # around Monday's midnight
            shifted = [at if at > _WEEK / 2 else at + _WEEK for at, _ in begins]
            earliest, latest = min(shifted), max(shifted)
        if earliest + self.length - latest < SHORTEST_OF_AWS:
            return ""
        return f"{_aws_time(latest)}-{_aws_time(earliest + self.length)}"

    def _begins_of_a_year(self) -> Iterator[datetime]:
        """All of a year but for the days on which the clocks change, which come once and which AWS can't be told of."""
        for found in self.occurrences(datetime(2026, 1, 1, tzinfo=UTC)):
            if found.begin >= datetime(2027, 1, 1, tzinfo=UTC):
                return
            if not found.remark:
                yield found.begin

    @classmethod
    def from_aws(cls, text: str) -> MaintenanceWindow | None:
        """What ``aws`` gives, also as AWS itself writes it; None where it is no weekly window of a day at most."""
        found = _AWS_WINDOW.fullmatch(text.lower())
        if found is None:
            return None
        day = next(day for day in DAYS if day.startswith(found[1]))
        return cls(day, time.fromisoformat(found[2]), time.fromisoformat(found[3]), UTC, "UTC")


ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}


def merged(windows: Iterable[MaintenanceWindow], since: datetime, until: datetime) -> tuple[Occurrence, ...]:
    """All that are open at some time from ``since`` up to ``until``, by their begin."""
    found: list[Occurrence] = []
    for window in windows:
        for one in window.occurrences(since):
            if one.begin >= until:
                break
            found.append(one)
    return tuple(sorted(found, key=lambda one: (one.begin, one.end, one.window.title)))


def open_or_next(windows: Iterable[MaintenanceWindow], now: datetime) -> Occurrence | None:
    """The one that is open at ``now``, of several the one that ends last; else the next. None without windows."""
    first = [next(window.occurrences(now)) for window in windows]
    is_open = [one for one in first if now in one]
    if is_open:
        return max(is_open, key=lambda one: one.end)
    return min(first, key=lambda one: one.begin, default=None)


def _weeks_of(day: date) -> set[int]:
    is_last = (day + _WEEK).month != day.month
    return {(day.day - 1) // 7 + 1} | ({-1} if is_last else set())


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta(0)


def _of_week(moment: datetime) -> timedelta:
    """Since Monday, 00:00 UTC."""
    at = moment.astimezone(UTC)
    return timedelta(days=at.weekday(), hours=at.hour, minutes=at.minute)


def _aws_time(of_week: timedelta) -> str:
    at = of_week % _WEEK
    hours, minutes = divmod(at.seconds // 60, 60)
    return f"{DAYS[at.days][:3]}:{hours:02}:{minutes:02}"
