"""PagerDuty's schedules as rotas: the layers of version 2, the shifts of version 3. Pure.

In version 2 the first layer of the list is the last one in the order in which they win, so it wins. A turn's length in
seconds is a length on the wall in truth: a week's turn is handed over at the same local time after a clock change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any

from omc.oncall.clock import moment_of
from omc.oncall.imports.draft import HORIZON, Draft, Finder, attempt, disagreements, parse_time, unique_name
from omc.oncall.imports.json_files import objects, positive, wall, zone_or
from omc.oncall.imports.recurrence import occurrences
from omc.oncall.model import DAY, WEEK, Calendar, Entry, Layer, Override, Rota, WeeklyWindow
from omc.times import zone_named

SHORTEST_TURN = 3600


@dataclass(slots=True)
class _Context:
    """What is known while one schedule is read."""

    finder: Finder
    users: Mapping[str, Mapping[str, Any]]
    """Of the export, by id."""
    now: datetime
    zone: str = "UTC"
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def person(self, user: Any) -> str:
        """Somebody's id of ours. ``ValueError`` where the reference names nobody."""
        reference = user.get("user", user) if isinstance(user, Mapping) else {"id": user}
        whole = {**self.users.get(str(reference.get("id")), {}), **reference}
        if whole.get("deleted_at"):
            self.notes.append(
                f"{whole.get('summary') or whole.get('id')} was deleted there, and has turns all the same."
            )
        found = self.finder.take(
            *[whole.get("email")] * bool(self.finder.find(whole.get("email"))),
            whole.get("name"),
            whole.get("summary"),
            whole.get("email"),
            whole.get("id"),
        )
        if found is None:
            raise ValueError("a user without name and id")
        return found


def is_schedule(item: Mapping[str, Any]) -> bool:
    rotations = item.get("rotations")
    is_third = item.get("type") == "schedule_v3" or any("events" in each for each in objects(rotations))
    return isinstance(item.get("schedule_layers"), list) or (isinstance(rotations, list) and is_third)


def read_schedule(
    item: Mapping[str, Any], name: str, users: Mapping[str, Mapping[str, Any]], finder: Finder, zone: str, now: datetime
) -> Draft:
    """One schedule of an export, of either version."""
    context = _Context(finder, users, now)
    title = str(item.get("name") or item.get("summary") or name)
    context.zone = zone_or(item.get("time_zone"), zone, context.notes, title)
    rota = Rota(name, context.zone)
    if isinstance(item.get("schedule_layers"), list):
        layers = _layers(item["schedule_layers"], context)
        rota = Rota(name, context.zone, layers=layers, overrides=_overrides(item, context))
        rendered = _rendered(item.get("final_schedule"), context)
    else:
        calendars = _rotations(item, context)
        overrides = _member_overrides(item, context)
        rota = Rota(name, context.zone, calendars=calendars, overrides=overrides, known_until=context.now + HORIZON)
        context.notes.append(
            f"It is of version 3; its shifts were read up to {rota.known_until:%d %b %Y}. Import it again before."
        )
        rendered = _assignments(item.get("final_schedule"), context)
    found = disagreements(rota, rendered, "PagerDuty's final schedule")
    return Draft(title, rota, tuple(dict.fromkeys(context.unread)), tuple(dict.fromkeys(context.notes)), found)


def _layers(layers: Sequence[Any], context: _Context) -> tuple[Layer, ...]:
    found: list[Layer] = []
    for number, item in enumerate(layers):
        what = f"Layer {number + 1}"
        if isinstance(item, Mapping) and item.get("name"):
            what = f"The layer {item['name']}"
        layer = attempt(what, context.unread, _layer, item, len(layers) - number, context)
        if layer is None:
            continue
        if layer.end is not None and layer.end <= context.now:
            context.notes.append(f"{what} ended on {layer.end:%d %b %Y} and was left out.")
            continue
        found.append(replace(layer, name=unique_name(layer.name, [each.name for each in found])))
    return tuple(reversed(found))


def _layer(item: Mapping[str, Any], level: int, context: _Context) -> Layer:
    virtual = parse_time(item["rotation_virtual_start"])
    if virtual is None:
        raise ValueError(f"rotation_virtual_start is {item['rotation_virtual_start']!r:.40}, which is no time")
    length = positive(item["rotation_turn_length_seconds"], "rotation_turn_length_seconds")
    if length < SHORTEST_TURN:
        raise ValueError(f"its turns are {length} s long")
    if length % DAY:
        context.notes.append(
            f"Turns of {length // 3600} h in {item.get('name') or 'a layer'} are handed over at the same local times "
            "all year here; PagerDuty may count the hours, and be an hour off after a clock change."
        )
    begins = wall(virtual, context.zone)
    people = tuple((context.person(each),) for each in objects(item.get("users")))
    if not people:
        raise ValueError("it has no users")
    return Layer(
        name=str(item.get("name") or item.get("id") or f"layer {level}"),
        turns=people,
        start=begins.date(),
        hand_over=begins.time(),
        turn_seconds=length,
        level=level,
        windows=tuple(window for each in item.get("restrictions") or () for window in _restriction(each)),
        begin=parse_time(item.get("start")),
        end=parse_time(item.get("end")),
    )


def _restriction(item: Mapping[str, Any]) -> tuple[WeeklyWindow, ...]:
    start = time.fromisoformat(item["start_time_of_day"]).replace(tzinfo=None)
    seconds = min(positive(item["duration_seconds"], "duration_seconds"), WEEK)
    if item["type"] == "daily_restriction":
        return tuple(WeeklyWindow(day, start, seconds) for day in range(7))
    if item["type"] == "weekly_restriction" and item["start_day_of_week"] in range(1, 8):
        return (WeeklyWindow(item["start_day_of_week"] - 1, start, seconds),)
    raise ValueError(f"a restriction of type {item['type']!r:.40} on day {item.get('start_day_of_week')!r:.10}")


def _overrides(item: Mapping[str, Any], context: _Context) -> tuple[Override, ...]:
    entries = _rendered(item.get("overrides_subschedule"), context)
    return tuple(Override(f"pagerduty {number}", *_span(each)) for number, each in enumerate(entries, start=1))


def _span(entry: Entry) -> tuple[datetime, datetime, tuple[str, ...]]:
    return entry.begin, entry.end, entry.people


def _rendered(part: Any, context: _Context) -> list[Entry]:
    """The entries of a list that PagerDuty has rendered."""
    found = []
    for number, each in enumerate(
        objects(part.get("rendered_schedule_entries") if isinstance(part, Mapping) else None)
    ):
        entry = attempt(f"Entry {number + 1} of the schedule", context.unread, _entry, each, context)
        if entry is not None:
            found.append(entry)
    return found


def _entry(item: Mapping[str, Any], context: _Context) -> Entry:
    begin, end = parse_time(item.get("start")), parse_time(item.get("end"))
    if begin is None or end is None or end <= begin:
        raise ValueError(f"it lasts from {item.get('start')!r:.40} to {item.get('end')!r:.40}")
    return Entry(begin, end, (context.person(item["user"]),))


def _rotations(item: Mapping[str, Any], context: _Context) -> tuple[Calendar, ...]:
    """Version 3: each event of each rotation, unfolded. Rotations stand beside each other."""
    found: list[Calendar] = []
    for number, rotation in enumerate(objects(item["rotations"]), start=1):
        name = unique_name(str(rotation.get("name") or f"rotation {number}"), [each.name for each in found])
        entries: list[Entry] = []
        for each in objects(rotation.get("events")):
            what = f"The event {each.get('name') or '?'} of {name}"
            entries += attempt(what, context.unread, _event, each, context) or ()
        if entries:
            found.append(Calendar(name, tuple(sorted(entries, key=lambda entry: entry.begin)), 1))
    if item.get("custom_shifts"):
        context.unread.append("Its custom shifts can't be read: enter them with omc oncall override.")
    return tuple(found)


def _event(item: Mapping[str, Any], context: _Context) -> list[Entry]:
    zone = zone_or(item["start_time"].get("time_zone"), context.zone, context.notes, str(item.get("name")))
    first, last = (_wall_of(item[key], zone) for key in ("start_time", "end_time"))
    length = last - first
    if length <= timedelta(0):
        raise ValueError("it has no length")
    strategy = item["assignment_strategy"]
    members = [_member(each, context) for each in objects(strategy["members"])]
    if not members:
        raise ValueError("it has no members")
    rules = [str(each) for each in item.get("recurrence") or ()]
    since, until = parse_time(item.get("effective_since")), parse_time(item.get("effective_until"))
    entries = []
    for index, begins in enumerate(occurrences(first, rules, wall(context.now + HORIZON, zone))):
        begin, end = moment_of(begins, zone_named(zone)), moment_of(begins + length, zone_named(zone))
        group = _assigned(strategy, members, index)
        begin, end = max(begin, since or begin), min(end, until or end)
        if begin < end and group and end > context.now - timedelta(days=1):
            entries.append(Entry(begin, end, group))
    return entries


def _assigned(strategy: Mapping[str, Any], members: Sequence[tuple[str, ...]], index: int) -> tuple[str, ...]:
    if strategy["type"] == "every_member_assignment_strategy":
        return tuple(dict.fromkeys(person for group in members for person in group))
    if strategy["type"] == "rotating_member_assignment_strategy":
        each = positive(strategy.get("shifts_per_member") or 1, "shifts_per_member")
        return members[index // each % len(members)]
    raise ValueError(f"its assignment_strategy is {strategy['type']!r:.60}")


def _member(item: Mapping[str, Any], context: _Context) -> tuple[str, ...]:
    if item.get("type") == "empty_member":
        return ()
    return (context.person({"id": item["user_id"], **{key: item[key] for key in ("name", "email") if key in item}}),)


def _wall_of(part: Mapping[str, Any], zone: str) -> datetime:
    read = datetime.fromisoformat(str(part["date_time"]))
    return wall(read, zone) if read.tzinfo else read.replace(microsecond=0)


def _member_overrides(item: Mapping[str, Any], context: _Context) -> tuple[Override, ...]:
    found = []
    for number, each in enumerate(objects(item.get("overrides")), start=1):
        override = attempt(f"Override {number}", context.unread, _member_override, each, number, context)
        if override is not None:
            found.append(override)
    return tuple(found)


def _member_override(item: Mapping[str, Any], number: int, context: _Context) -> Override:
    begin, end = parse_time(item.get("start_time")), parse_time(item.get("end_time"))
    if begin is None or end is None or end <= begin:
        raise ValueError("its times can't be read")
    over = _member(item["overriding_member"], context)
    instead = _member(item["overridden_member"], context) if item.get("overridden_member") else ()
    return Override(f"pagerduty {number}", begin, end, over, instead[0] if instead else None)


def _assignment(item: Mapping[str, Any], context: _Context) -> Entry | None:
    begin, end = parse_time(item.get("start_time")), parse_time(item.get("end_time"))
    if begin is None or end is None:
        raise ValueError("its times can't be read")
    people = _member(item["member"], context)
    return Entry(begin, end, people) if people else None


def _assignments(part: Any, context: _Context) -> list[Entry]:
    """Version 3's own list of who is on call when."""
    found = []
    for number, each in enumerate(
        objects(part.get("computed_shift_assignments") if isinstance(part, Mapping) else None)
    ):
        entry = attempt(f"Assignment {number + 1} of the final schedule", context.unread, _assignment, each, context)
        if entry is not None:
            found.append(entry)
    return found
