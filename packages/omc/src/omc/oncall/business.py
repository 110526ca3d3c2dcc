"""Business hours: when a SEV-3 may page. Pure; which days are public holidays is handed in (``public_holidays``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from omc.oncall.clock import local_of, moment_of
from omc.times import zone_named

WEEKEND = (5, 6)
MAX_DAYS = 400
"""No row of closed days is that long; a calendar that says so is at fault."""


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """Monday to Friday between two local times, but for public holidays."""

    begin: time
    end: time
    zone: str
    holidays: Mapping[date, str] = field(default_factory=dict)
    """Local dates with their names."""

    def why_closed(self, day: date) -> str | None:
        """Why a day has none: its holiday's name, or "weekend"; None where it has."""
        if day in self.holidays:
            return self.holidays[day]
        return "weekend" if day.weekday() in WEEKEND else None

    def is_open(self, at: datetime) -> bool:
        opens, closes = self._next(at)
        return opens <= at < closes

    def later(self, at: datetime, length: timedelta) -> datetime:
        """The moment at which so much time within business hours has passed since ``at``; a moment at which they are
        open. Time outside of them doesn't count."""
        while True:
            opens, closes = self._next(at)
            at = max(at, opens)
            if at + length < closes:
                return at + length
            length -= closes - at
            at = closes

    def _next(self, at: datetime) -> tuple[datetime, datetime]:
        """The hours that are open at the moment, or else the next ones."""
        zone = zone_named(self.zone)
        day = local_of(at, zone).date() - timedelta(days=1)
        for _ in range(MAX_DAYS):
            if self.why_closed(day) is None:
                opens = moment_of(datetime.combine(day, self.begin), zone)
                closes = moment_of(datetime.combine(day, self.end), zone)
                if closes > at and closes > opens:
                    return opens, closes
            day += timedelta(days=1)
        raise ValueError(f"There are no business hours in the {MAX_DAYS} days after {at:%d %b %Y}.")
