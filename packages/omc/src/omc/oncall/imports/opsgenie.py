"""Opsgenie's schedules as rotas. Pure.

The rotations of a schedule stand beside each other: all who have a turn are on call together. A participant that is no
person keeps its place in the turns, so that the others' don't move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from omc.oncall.imports.draft import Draft, Finder, attempt, disagreements, parse_time, unique_name
from omc.oncall.imports.json_files import objects, positive, wall, zone_or
from omc.oncall.model import DAY, WEEK, Entry, Group, Layer, Override, Rota, WeeklyWindow

LENGTHS = {"hourly": 3600, "daily": DAY, "weekly": WEEK}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(slots=True)
class _Context:
    """What is known while one schedule is read."""

    finder: Finder
    zone: str
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def group(self, item: Mapping[str, Any]) -> Group:
        """A participant's id of ours; nobody for one that is no person, which is named."""
        kind = item.get("type")
        name = item.get("username") or item.get("name") or item.get("id")
        if kind == "none":
            return ()
        if kind != "user":
            self.unread.append(f"A participant is of type {kind}: {name}. Its turns are nobody's here.")
            return ()
        found = self.finder.take(item.get("username"), item.get("name"), item.get("id"))
        if found is None:
            raise ValueError("a participant without name and id")
        return (found,)


def is_schedule(item: Mapping[str, Any]) -> bool:
    rotations = item.get("rotations")
    return isinstance(rotations, list) and not any("events" in each for each in objects(rotations))


def read_schedule(item: Mapping[str, Any], name: str, finder: Finder, zone: str, now: datetime) -> Draft:
    """One schedule of an export, with its rotations and overrides."""
    context = _Context(finder, zone)
    title = str(item.get("name") or name)
    context.zone = zone_or(item.get("timezone"), zone, context.notes, title)
    if item.get("enabled") is False:
        context.notes.append("The schedule is disabled there.")
    layers: list[Layer] = []
    for number, rotation in enumerate(objects(item["rotations"]), start=1):
        wanted = unique_name(str(rotation.get("name") or f"rotation {number}"), [each.name for each in layers])
        what = f"The rotation {wanted}"
        if rotation.get("enabled") is False:
            context.notes.append(f"{what} is disabled there and was left out.")
            continue
        layer = attempt(what, context.unread, _layer, rotation, wanted, context)
        if layer is not None and layer.end is not None and layer.end <= now:
            context.notes.append(f"{what} ended on {layer.end:%d %b %Y} and was left out.")
        elif layer is not None:
            layers.append(layer)
    names = {str(each.get("id")): str(each.get("name")) for each in objects(item["rotations"]) if each.get("name")}
    overrides = _overrides(item, names, [each.name for each in layers], context)
    rota = Rota(name, context.zone, layers=tuple(layers), overrides=overrides)
    rendered = _timeline(item.get("finalTimeline"), context)
    found = disagreements(rota, rendered, "Opsgenie's timeline")
    return Draft(title, rota, tuple(dict.fromkeys(context.unread)), tuple(dict.fromkeys(context.notes)), found)


def _layer(item: Mapping[str, Any], name: str, context: _Context) -> Layer:
    if item["type"] not in LENGTHS:
        raise ValueError(f"its type is {item['type']!r:.40}")
    start = parse_time(item["startDate"])
    if start is None:
        raise ValueError(f"startDate is {item['startDate']!r:.40}, which is no time")
    length = LENGTHS[item["type"]] * positive(item.get("length") or 1, "length")
    if item["type"] == "hourly":
        context.notes.append(
            f"Turns of {length // 3600} h in {name} are handed over at the same local times all year here; Opsgenie "
            "may count the hours, and be an hour off after a clock change."
        )
    begins = wall(start, context.zone)
    turns = tuple(context.group(each) for each in objects(item.get("participants")))
    if not turns:
        raise ValueError("it has no participants")
    return Layer(
        name=name,
        turns=turns,
        start=begins.date(),
        hand_over=begins.time(),
        turn_seconds=length,
        level=1,
        windows=_restrictions(item.get("timeRestriction")),
        end=parse_time(item.get("endDate")),
    )


def _restrictions(item: Any) -> tuple[WeeklyWindow, ...]:
    if not isinstance(item, Mapping):
        return ()
    parts = [*objects(item.get("restrictions")), *objects([item.get("restriction")])]
    windows: list[WeeklyWindow] = []
    for part in parts:
        start = _seconds(part, "start")
        begins = time(start // 3600 % 24, start % 3600 // 60)
        if item["type"] == "weekday-and-time-of-day":
            first, last = DAYS.index(str(part["startDay"]).lower()), DAYS.index(str(part["endDay"]).lower())
            length = (last - first) * DAY + _seconds(part, "end") - start
            windows.append(WeeklyWindow(first, begins, length if length > 0 else length + WEEK))
        elif item["type"] == "time-of-day":
            length = _seconds(part, "end") - start
            length = length if length > 0 else length + DAY
            windows.extend(WeeklyWindow(day, begins, length) for day in range(7))
        else:
            raise ValueError(f"its time restriction is {item['type']!r:.40}")
    return tuple(windows)


def _seconds(part: Mapping[str, Any], which: str) -> int:
    hour, minute = int(part[f"{which}Hour"]), int(part.get(f"{which}Min") or 0)
    if not (0 <= hour <= 24 and 0 <= minute <= 59):
        raise ValueError(f"a time restriction at {hour}:{minute}")
    return hour * 3600 + minute * 60


def _overrides(
    item: Mapping[str, Any], names: Mapping[str, str], layers: list[str], context: _Context
) -> tuple[Override, ...]:
    found = []
    for number, each in enumerate(objects(item.get("overrides")), start=1):
        override = attempt(f"Override {number}", context.unread, _override, each, number, names, layers, context)
        if override is not None:
            found.append(override)
    return tuple(found)


def _override(
    item: Mapping[str, Any], number: int, names: Mapping[str, str], layers: list[str], context: _Context
) -> Override:
    begin, end = parse_time(item.get("startDate")), parse_time(item.get("endDate"))
    if begin is None or end is None or end <= begin:
        raise ValueError("its times can't be read")
    group = context.group({"type": "user", **item["user"]})
    if not group:
        raise ValueError(f"it names {item['user'].get('type')}, not a person")
    limited = objects(item.get("rotations"))
    named = [str(each.get("name") or names.get(str(each.get("id")), "")) for each in limited]
    known = tuple(each for each in named if each in layers)
    if limited and not known:
        raise ValueError("it is for rotations that aren't here")
    return Override(f"opsgenie {item.get('alias') or number}", begin, end, group, layers=known)


def _timeline(part: Any, context: _Context) -> list[Entry]:
    """Opsgenie's own list of who is on call when."""
    entries = []
    for rotation in objects(part.get("rotations") if isinstance(part, Mapping) else None):
        for each in objects(rotation.get("periods")):
            begin, end = parse_time(each.get("startDate")), parse_time(each.get("endDate"))
            recipient = each.get("recipient")
            if begin is None or end is None or not isinstance(recipient, Mapping) or recipient.get("type") != "user":
                continue
            found = context.finder.take(recipient.get("username"), recipient.get("name"), recipient.get("id"))
            if found is not None and begin < end:
                entries.append(Entry(begin, end, (found,)))
    return entries
