"""What a rota is: layers of people in turns, fixed entries, overrides on top. Values only; who is on call when is
``omc.oncall.schedule``.

Local times are times on the wall of the rota's zone, moments are UTC. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import TypeAlias

DAY, WEEK = 86_400, 7 * 86_400
NOBODY = "nobody"
"""Stands in a list of people for a turn that is deliberately nobody's."""
Group: TypeAlias = tuple[str, ...]
"""People who are on call together, by their ids in ``[people]``. Empty: nobody."""


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """A stretch of each week, by the clock on the wall."""

    day: int
    """On which it begins: 0 is Monday."""
    start: time
    seconds: int
    """Its length on the wall, up to a week: from 09:00 to 17:00 is 8 hours also when a clock change lies between."""


@dataclass(frozen=True, slots=True)
class Layer:
    """People in turns."""

    name: str
    turns: tuple[Group, ...]
    """In their order, again from the first when the last has had his turn."""
    start: date
    """The first turn begins on this day at ``hand_over``, local time."""
    hand_over: time
    turn_seconds: int
    """The length of a turn on the wall: a week's turn is handed over at the same local time all year. 0 where it is
    counted in months."""
    level: int = 0
    """The highest level that has somebody is on call; layers of one level are on call together."""
    windows: tuple[WeeklyWindow, ...] = ()
    """It counts in these only. Empty: always. Turns go on outside of them."""
    begin: datetime | None = None
    """It counts from this moment on: an import's layer may have been added in the middle of a turn."""
    end: datetime | None = None
    zone: str | None = None
    """None: the rota's."""
    turn_months: int = 0
    """The length of a turn in months of the calendar: each begins on the day of the month on which the first did, or on
    the month's last where it has no such day."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A time that somebody was given."""

    begin: datetime
    end: datetime
    people: Group


@dataclass(frozen=True, slots=True)
class Calendar:
    """Times that were given to people one by one, as a calendar holds them. Those that overlap are on call together."""

    name: str
    entries: tuple[Entry, ...]
    level: int = 0


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody else for a while. Who it names is on call from its first second to its last, whatever the layers say,
    unless a later override says otherwise."""

    id: str
    begin: datetime
    end: datetime
    people: Group
    instead_of: str | None = None
    """Only this person's place is taken, while she would be on call; others of the group stay. None: the whole
    group's."""
    layers: tuple[str, ...] = ()
    """Only in these layers; empty: above all of them."""
    reason: str = ""
    by: str = ""
    """Who recorded it."""
    recorded_at: datetime | None = None
    """None: it has always been there."""
    undone_at: datetime | None = None
    """An override that was undone counts no more; it stays for whoever asks how it was."""


@dataclass(frozen=True, slots=True)
class WeeklyTime:
    """A time of the week."""

    day: int
    """0 is Monday."""
    at: time


@dataclass(frozen=True, slots=True)
class Rota:
    """Who is on call, for one purpose: ``primary``."""

    name: str
    zone: str
    layers: tuple[Layer, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    overrides: tuple[Override, ...] = ()
    """In the order in which they were recorded: the later one wins."""
    editors: tuple[str, ...] = ()
    """Who may change it, by their ids. Empty: anybody who may write to the record."""
    remind_minutes: tuple[int, ...] = (1440,)
    """So long before a shift its people are reminded."""
    summary: WeeklyTime | None = None
    """When the weekly summary is due. None: when the first layer's first turn was handed over."""
    channel: str = ""
    """Where it is told who is on call: ``#on-call``. Empty: nowhere."""
    tell: tuple[str, ...] = ("changes",)
    """When: ``changes``, or a local time of each day, ``09:00``."""
    known_until: datetime | None = None
    """An import's entries were read up to here; what comes later stands in the calendar that they came from."""
    changed_at: datetime | None = None
    """When an import last took its place; None for one of omc.toml."""

    def as_of(self, at: datetime) -> Rota:
        """The rota with the overrides that counted at a moment."""
        return replace(self, overrides=tuple(_as_of(each, at) for each in self.overrides if _was_there(each, at)))

    @property
    def people(self) -> tuple[str, ...]:
        """All who have a turn, an entry or an override that counts, each once, in that order."""
        groups = [
            *(group for layer in self.layers for group in layer.turns),
            *(entry.people for calendar in self.calendars for entry in calendar.entries),
            *(override.people for override in self.overrides if override.undone_at is None),
        ]
        return tuple(dict.fromkeys(person for group in groups for person in group))


def _was_there(override: Override, at: datetime) -> bool:
    return override.recorded_at is None or override.recorded_at <= at


def _as_of(override: Override, at: datetime) -> Override:
    is_undone = override.undone_at is not None and override.undone_at <= at
    return override if is_undone else replace(override, undone_at=None)


@dataclass(frozen=True, slots=True)
class Origin:
    """Why somebody is on call: a layer's turn, a calendar, an override."""

    layers: tuple[str, ...] = ()
    turn: int | None = None
    """The number of the first of those layers' turn, from 0; None for a calendar."""
    overrides: tuple[str, ...] = ()
    """By their ids, in the order in which they count."""

    def __str__(self) -> str:
        named = [f"override {each}" for each in self.overrides] or list(self.layers)
        return ", ".join(named)


@dataclass(frozen=True, slots=True)
class Shift:
    """A time in which the same people are on call for the same reason."""

    begin: datetime
    end: datetime
    people: Group
    origin: Origin


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nobody is on call."""

    begin: datetime
    end: datetime
    reason: str


Tile: TypeAlias = Shift | Gap
