"""What ``[rotas]`` and ``[on_call]`` of omc.toml come to as values of this chapter, and back as TOML. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, date, time, timedelta

from omc.config.model import Stack
from omc.config.oncall_tables import LayerTable, RotaTable
from omc.config.people import canonical_name
from omc.config.tables import Responder
from omc.judgement.escalation import Clocks, Rung
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.business import BusinessHours
from omc.oncall.model import DAY, NOBODY, WEEK, Group, Layer, Rota, WeeklyTime, WeeklyWindow

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS = {"m": 60, "h": 3600, "d": DAY, "w": WEEK}
_TURNS = {"daily": DAY, "weekly": WEEK}
MONTHLY = "monthly"


def rotas_from(stack: Stack) -> dict[str, Rota]:
    """The rotas of omc.toml, without what the record has on top."""
    return {name: rota_from(name, table, stack.time_zone) for name, table in stack.rotas.items()}


def rota_from(name: str, table: RotaTable, zone: str) -> Rota:
    """A rota of omc.toml."""
    return Rota(
        name=name,
        zone=table.time_zone or zone,
        layers=tuple(_layer(number, layer) for number, layer in enumerate(table.layers, start=1)),
        editors=table.editors,
        remind_minutes=tuple(_seconds(each) // 60 for each in table.remind),
        summary=weekly_time(table.summary) if table.summary else None,
        channel=table.channel or "",
        tell=table.tell,
    )


def clocks_from(stack: Stack, holidays: Mapping[date, str] | None = None) -> Clocks:
    """``[on_call]`` with its people found. ``holidays``: the days without business hours, with their names."""
    on_call = stack.on_call
    begin, end = on_call.business_hours
    hours = BusinessHours(_plain(begin), _plain(end), stack.time_zone, holidays or {})
    return Clocks(
        tuple(_rung(step, each, stack.persons) for step, each in enumerate(on_call.chain)),
        timedelta(minutes=on_call.everyone_again_after_minutes),
        timedelta(minutes=on_call.mitigation_minutes),
        hours.later,
        stack.time_zone,
    )


def group_of(text: str) -> Group:
    """``jo``, ``jo+kim``, or ``nobody``."""
    return () if text == NOBODY else tuple(dict.fromkeys(text.split("+")))


def weekly_time(text: str) -> WeeklyTime:
    """``mon 09:00``."""
    day, _, clock = text.partition(" ")
    return WeeklyTime(DAYS.index(day), time.fromisoformat(clock))


def windows_of(text: str) -> tuple[WeeklyWindow, ...]:
    """``mon-fri 09:00-17:00``: five; ``fri 17:00-mon 09:00``: one. An end that isn't later is on the next day or in
    the next week."""
    if found := re.fullmatch(r"(\w{3}) ([\d:]+)-(\w{3}) ([\d:]+)", text):
        first, last = DAYS.index(found[1]), DAYS.index(found[3])
        begin, end = time.fromisoformat(found[2]), time.fromisoformat(found[4])
        length = (last - first) * DAY + _of_day(end) - _of_day(begin)
        return (WeeklyWindow(first, begin, length if length > 0 else length + WEEK),)
    days, _, hours = text.partition(" ")
    first_day, _, last_day = days.partition("-")
    first = DAYS.index(first_day)
    count = (DAYS.index(last_day or first_day) - first) % 7 + 1
    begin, end = (time.fromisoformat(each) for each in hours.split("-"))
    length = _of_day(end) - _of_day(begin)
    seconds = length if length > 0 else length + DAY
    return tuple(WeeklyWindow((first + each) % 7, begin, seconds) for each in range(count))


def _layer(number: int, table: LayerTable) -> Layer:
    return Layer(
        name=table.name or str(number),
        turns=tuple(group_of(each) for each in table.people),
        start=table.start,
        hand_over=_plain(table.hand_over),
        turn_seconds=0 if table.turn == MONTHLY else _TURNS.get(table.turn) or _seconds(table.turn),
        level=number if table.level is None else table.level,
        windows=tuple(window for each in table.hours for window in windows_of(each)),
        end=table.until.astimezone(UTC) if table.until else None,
        turn_months=1 if table.turn == MONTHLY else 0,
    )


def _rung(step: int, rung: Responder, persons: Mapping[str, Person]) -> Rung:
    """Of a rota whoever is on call, else the one person who can be found."""
    person = None if rung.rota is not None else _person(rung, persons)
    return Rung(step, rung.role, timedelta(minutes=rung.after_minutes), rung.name, rung.rota, person)


def _person(rung: Responder, persons: Mapping[str, Person]) -> Person | None:
    if rung.person is not None:
        return persons[rung.person]
    wanted = canonical_name(rung.name)
    named = [each for each in persons.values() if wanted in (canonical_name(each.id), canonical_name(each.name))]
    if len(named) == 1:
        return named[0]
    contacts = []
    if rung.phone:
        contacts.append(ContactMethod(Channel.SMS, rung.phone.replace(" ", "")))
    if rung.email:
        contacts.append(ContactMethod(Channel.EMAIL, rung.email))
    return Person(slug_of(rung.name), rung.name, tuple(contacts)) if contacts else None


def slug_of(name: str) -> str:
    """A name as an id of omc.toml may be: small letters, digits and hyphens, 32 at most, a letter first."""
    letters = unicodedata.normalize("NFKD", canonical_name(name))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    plain = re.sub(r"[^a-z0-9]+", "-", bare).strip("-")
    return (plain if plain[:1].isalpha() else f"x-{plain}".rstrip("-"))[:32].rstrip("-")


def _seconds(text: str) -> int:
    return int(text[:-1]) * _UNITS[text[-1]]


def _plain(clock: time) -> time:
    return time(clock.hour, clock.minute, clock.second)


def _of_day(clock: time) -> int:
    return clock.hour * 3600 + clock.minute * 60 + clock.second


def toml_of(rota: Rota) -> str | None:
    """The rota as tables of omc.toml; None where they can't say it: calendars, layers of other zones, odd lengths."""
    if rota.calendars or not rota.layers or any(_inexpressible(layer, rota) for layer in rota.layers):
        return None
    lines = [f"[rotas.{rota.name}]", f'time_zone = "{rota.zone}"']
    if rota.editors:
        lines.append(f"editors = {_texts(rota.editors)}")
    if rota.remind_minutes != Rota.__dataclass_fields__["remind_minutes"].default:
        lines.append(f"remind = {_texts(f'{each}m' for each in rota.remind_minutes)}")
    if rota.channel:
        lines += [f'channel = "{rota.channel}"', f"tell = {_texts(rota.tell)}"]
    if rota.summary is not None:
        lines.append(f'summary = "{DAYS[rota.summary.day]} {rota.summary.at:%H:%M}"')
    used: list[str] = []
    for number, layer in enumerate(rota.layers, start=1):
        lines += ["", f"[[rotas.{rota.name}.layers]]"]
        used.append(layer.name if layer.name == str(number) else _unused(slug_of(layer.name), used))
        if used[-1] != str(number):
            lines.append(f'name = "{used[-1]}"')
        lines.append(f"people = {_texts('+'.join(group) or NOBODY for group in layer.turns)}")
        turn = MONTHLY if layer.turn_months else _turn(layer.turn_seconds)
        lines += [f'turn = "{turn}"', f"start = {layer.start}"]
        lines += [f'hand_over = "{layer.hand_over:%H:%M}"', f"level = {layer.level}"]
        if layer.windows:
            lines.append(f"hours = {_texts(_window(each) for each in layer.windows)}")
        if layer.end is not None:
            lines.append(f"until = {layer.end:%Y-%m-%dT%H:%M:%SZ}")
    return "\n".join(lines)


def _unused(name: str, used: list[str]) -> str:
    return name if name not in used else f"{name[:28]}-{len(used) + 1}"


def _inexpressible(layer: Layer, rota: Rota) -> bool:
    return (
        layer.zone not in (None, rota.zone)
        or layer.begin is not None
        or layer.turn_seconds % 3600 != 0
        or layer.turn_months > 1
        or layer.hand_over.second != 0
        or any(window.start.second or window.seconds % 60 for window in layer.windows)
    )


def _texts(values: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{each}"' for each in values) + "]"


def _turn(seconds: int) -> str:
    for name, length in (("w", WEEK), ("d", DAY)):
        if seconds % length == 0:
            return f"{seconds // length}{name}"
    return f"{seconds // 3600}h"


def _window(window: WeeklyWindow) -> str:
    ends = _of_day(window.start) + window.seconds
    day, clock = DAYS[(window.day + ends // DAY) % 7], time(ends % DAY // 3600, ends % 3600 // 60)
    return f"{DAYS[window.day]} {window.start:%H:%M}-{day} {clock:%H:%M}"
