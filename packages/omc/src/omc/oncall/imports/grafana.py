"""Grafana OnCall's schedules and shifts as rotas. Pure.

A shift that fills its whole turn becomes a layer. One that has hours becomes a layer with windows, its turns a week or
a day long, where that says the same; else it is unfolded into entries as far as ``HORIZON``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

from omc.oncall.clock import moment_of
from omc.oncall.imports.draft import HORIZON, Draft, Finder, attempt, unique_name
from omc.oncall.imports.json_files import positive, rotated, wall, zone_or
from omc.oncall.imports.recurrence import occurrences
from omc.oncall.model import DAY, WEEK, Calendar, Entry, Group, Layer, Override, Rota, WeeklyWindow
from omc.times import zone_named

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
SECONDS = {"hourly": 3600, "daily": DAY, "weekly": WEEK}
SHIFT_TYPES = ("single_event", "recurrent_event", "rolling_users", "override")


@dataclass(frozen=True, slots=True)
class _Shift:
    """A shift as the API documents it, checked."""

    name: str
    type: str
    zone: str
    level: int
    start: datetime
    """On the wall, as all its times."""
    rotation_start: datetime
    length: timedelta
    groups: tuple[Group, ...]
    """Those of the turns, from the one that begins; one group for a shift without turns."""
    frequency: str | None
    interval: int
    until: datetime | None
    week_start: int
    days: tuple[int, ...]
    rule: str
    """What further narrows it: ``BYMONTH=…``; empty for nothing."""

    def moment(self, local: datetime) -> datetime:
        return moment_of(local, zone_named(self.zone))


@dataclass(slots=True)
class _Context:
    """What is known while one schedule is read."""

    finder: Finder
    users: Mapping[str, Mapping[str, Any]]
    zone: str
    now: datetime
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_unfolded: bool = False

    def group(self, ids: Any) -> Group:
        found = []
        for each in ids if isinstance(ids, list) else []:
            user = self.users.get(str(each), {})
            email = user.get("email")
            known = self.finder.take(
                *[email] * bool(self.finder.find(email)), user.get("name"), user.get("username"), each
            )
            if known is None:
                raise ValueError("a user without an id")
            found.append(known)
        return tuple(dict.fromkeys(found))


def is_schedule(item: Mapping[str, Any]) -> bool:
    return item.get("type") in ("ical", "calendar", "web") or ("shifts" in item and "type" not in item)


def is_shift(item: Mapping[str, Any]) -> bool:
    return item.get("type") in SHIFT_TYPES


def read_schedule(
    item: Mapping[str, Any],
    name: str,
    shifts: Mapping[str, Mapping[str, Any]],
    users: Mapping[str, Mapping[str, Any]],
    finder: Finder,
    zone: str,
    now: datetime,
) -> Draft:
    """One schedule with its shifts, of which ``shifts`` has those of the export by their ids."""
    context = _Context(finder, users, zone, now)
    title = str(item.get("name") or name)
    context.zone = zone_or(
        item.get("time_zone"), "UTC" if item.get("type") == "calendar" else zone, context.notes, title
    )
    for key in ("ical_url_primary", "ical_url_overrides"):
        if item.get(key):
            context.unread.append(f"{key} is a calendar elsewhere: download it, and import it as a calendar.")
    layers: list[Layer] = []
    calendars: list[Calendar] = []
    overrides: list[Override] = []
    wanted = item.get("shifts")
    for each in wanted if isinstance(wanted, list) else []:
        found = each if isinstance(each, Mapping) else shifts.get(str(each))
        if found is None:
            context.unread.append(f"The shift {each} isn't in the export: add on_call_shifts to it.")
            continue
        what = f"The shift {found.get('name') or found.get('id')}"
        shift = attempt(what, context.unread, _shift, found, context)
        if shift is None:
            continue
        if shift.type == "override":
            overrides.append(_override(shift, f"grafana {found.get('id') or len(overrides) + 1}"))
            continue
        wanted_name = unique_name(shift.name, [*(one.name for one in layers), *(one.name for one in calendars)])
        read = attempt(what, context.unread, _layers, shift, wanted_name, context)
        for part in read or ():
            if isinstance(part, Layer):
                layers.append(part)
            else:
                calendars.append(part)
    rota = Rota(
        name,
        context.zone,
        tuple(layers),
        tuple(calendars),
        tuple(overrides),
        known_until=now + HORIZON if context.is_unfolded else None,
    )
    if rota.known_until:
        context.notes.append(
            f"Some of its shifts were read up to {rota.known_until:%d %b %Y} only. Import it again before."
        )
    return Draft(title, rota, tuple(dict.fromkeys(context.unread)), tuple(dict.fromkeys(context.notes)))


def _shift(item: Mapping[str, Any], context: _Context) -> _Shift:
    kind = item["type"]
    if kind not in SHIFT_TYPES:
        raise ValueError(f"its type is {kind!r:.40}")
    name = str(item.get("name") or item.get("id") or "shift")
    zone = zone_or(item.get("time_zone"), context.zone, context.notes, name)
    start = _local(item["start"], zone)
    groups: tuple[Group, ...] = (context.group(item.get("users")),)
    if kind == "rolling_users":
        lists = [[*each.values()] if isinstance(each, Mapping) else each for each in item.get("rolling_users") or []]
        groups = tuple(context.group(each) for each in lists)
        if groups:
            groups = rotated(groups, int(item.get("start_rotation_from_user_index") or 0) % len(groups))
    if not any(groups):
        raise ValueError("it names nobody")
    frequency = item.get("frequency")
    if frequency is None and kind in ("recurrent_event", "rolling_users"):
        raise ValueError("it has no frequency")
    if frequency not in (None, "hourly", "daily", "weekly", "monthly"):
        raise ValueError(f"its frequency is {frequency!r:.40}")
    days = tuple(WEEKDAYS.index(each) for each in item.get("by_day") or ())
    week_start = WEEKDAYS.index(item.get("week_start") or "SU")
    if kind == "rolling_users" and days and start.weekday() not in days:
        # The first turn begins on the first of its days, in the order of the week: as OnCall counts its turns.
        expected = min(days, key=lambda day: (day - week_start) % 7)
        start += timedelta(days=(expected - start.weekday()) % 7)
    narrowed = [("BYMONTH", item.get("by_month")), ("BYMONTHDAY", item.get("by_monthday"))]
    return _Shift(
        name=name,
        type=kind,
        zone=zone,
        level=int(item.get("level") or 0),
        start=start,
        rotation_start=_local(item["rotation_start"], zone) if item.get("rotation_start") else start,
        length=timedelta(seconds=positive(item["duration"], "duration")),
        groups=groups,
        frequency=frequency,
        interval=positive(item.get("interval") or 1, "interval"),
        until=_local(item["until"], zone) if item.get("until") else None,
        week_start=week_start,
        days=days,
        rule=";".join(f"{key}={','.join(map(str, value))}" for key, value in narrowed if value),
    )


def _local(text: Any, zone: str) -> datetime:
    """A time as the API writes it, without zone; one with an offset is a moment."""
    read = datetime.fromisoformat(str(text))
    return wall(read, zone) if read.tzinfo else read


def _override(shift: _Shift, id_: str) -> Override:
    return Override(id_, shift.moment(shift.start), shift.moment(shift.start + shift.length), shift.groups[0])


def _layers(shift: _Shift, name: str, context: _Context) -> Sequence[Layer | Calendar]:
    if shift.until is not None and shift.moment(shift.until) <= context.now:
        context.notes.append(f"The shift {shift.name} ended on {shift.until:%d %b %Y} and was left out.")
        return ()
    if shift.frequency is None:
        entry = Entry(shift.moment(shift.start), shift.moment(shift.start + shift.length), shift.groups[0])
        return (Calendar(name, (entry,), shift.level),)
    if shift.frequency in SECONDS and not shift.rule:
        turn = timedelta(seconds=SECONDS[shift.frequency] * shift.interval)
        if shift.length == turn and not shift.days:
            return (_layer(shift, name, shift.start, shift.groups, int(turn.total_seconds())),)
        if (layer := _with_windows(shift, name)) is not None:
            return (layer,)
    context.is_unfolded = True
    entries = sorted(set(_unfolded(shift, wall(context.now + HORIZON, shift.zone))), key=lambda each: each.begin)
    kept = tuple(each for each in entries if each.end > context.now - timedelta(days=1))
    return (Calendar(name, kept, shift.level),) if kept else ()


def _with_windows(shift: _Shift, name: str) -> Layer | None:
    """The layer of a weekly shift, or of a daily one without days, whose hours fit into its turn; else None."""
    spaced = tuple(each for group in shift.groups for each in (group, *((),) * (shift.interval - 1)))
    seconds = int(shift.length.total_seconds())
    if shift.frequency == "weekly" and not shift.days and seconds <= WEEK:
        return _layer(shift, name, shift.start, spaced, WEEK, (_window(shift, shift.start.weekday()),))
    if shift.frequency == "weekly" and seconds <= DAY:
        first = shift.start.date() - timedelta(days=(shift.start.weekday() - shift.week_start) % 7)
        windows = tuple(_window(shift, day) for day in shift.days)
        begins = datetime.combine(first, shift.start.time())
        return _layer(shift, name, begins, spaced, WEEK, windows)
    if shift.frequency == "daily" and seconds < DAY and not shift.days:
        windows = tuple(_window(shift, day) for day in range(7))
        return _layer(shift, name, shift.start, spaced, DAY, windows)
    return None


def _window(shift: _Shift, day: int) -> WeeklyWindow:
    return WeeklyWindow(day, shift.start.time(), int(shift.length.total_seconds()))


def _layer(
    shift: _Shift,
    name: str,
    begins: datetime,
    turns: tuple[Group, ...],
    seconds: int,
    windows: tuple[WeeklyWindow, ...] = (),
) -> Layer:
    return Layer(
        name=name,
        turns=turns,
        start=begins.date(),
        hand_over=begins.time(),
        turn_seconds=seconds,
        level=shift.level,
        windows=windows,
        begin=shift.moment(max(shift.start, shift.rotation_start)),
        end=shift.moment(shift.until) if shift.until else None,
        zone=shift.zone,
    )


def _unfolded(shift: _Shift, end: datetime) -> Iterator[Entry]:
    """Each time of a shift; its turns go on by the day, the week or the month that it repeats in."""
    last = min(end, shift.until or end)
    parts = [f"FREQ={str(shift.frequency).upper()}", f"WKST={WEEKDAYS[shift.week_start]}"]
    if shift.days:
        parts.append(f"BYDAY={','.join(WEEKDAYS[day] for day in shift.days)}")
    if shift.rule:
        parts.append(shift.rule)
    is_rolling = shift.type == "rolling_users"
    if not is_rolling:
        parts.append(f"INTERVAL={shift.interval}")
    counter = _Turns(shift)
    for begins in occurrences(shift.start, [";".join(parts)], last):
        group = counter.group_at(begins) if is_rolling else shift.groups[0]
        ends = min(begins + shift.length, shift.until or begins + shift.length)
        begin, end_ = shift.moment(begins), shift.moment(ends)
        if group and begins >= shift.rotation_start and begin < end_:
            yield Entry(begin, end_, group)


class _Turns:
    """Whose turn a time is, of times that are asked in their order."""

    def __init__(self, shift: _Shift) -> None:
        self.shift = shift
        self.numbers = count()
        self.period: date | tuple[int, int] | None = None
        self.number = 0

    def group_at(self, at: datetime) -> Group:
        """Days count one by one, each ``interval`` of them a turn; of weeks, months and hours only the first of
        ``interval`` has anybody, as their rule repeats."""
        shift = self.shift
        if shift.frequency == "daily":
            return shift.groups[next(self.numbers) // shift.interval % len(shift.groups)]
        if shift.frequency == "hourly":
            passed = int((at - shift.start).total_seconds()) // 3600
        elif shift.frequency == "monthly":
            passed = (at.year - shift.start.year) * 12 + at.month - shift.start.month
        else:
            first = shift.start.date() - timedelta(days=(shift.start.weekday() - shift.week_start) % 7)
            passed = (at.date() - first).days // 7
        if passed % shift.interval:
            return ()
        return shift.groups[passed // shift.interval % len(shift.groups)]
