"""iCalendar files as rotas, by the libraries ``icalendar`` and ``recurring-ical-events``.

Files of strangers hold anything. What can't be read is named, and costs no more than the event that it is in.

An event counts for those who attend it, else for whoever its summary names; ``[L2]`` in front of a summary is the level
that Grafana OnCall writes there. A day without a time begins at midnight of the rota's zone, and so does a time without
a zone. An event that repeats for ever is read as far as ``HORIZON``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from omc.distribution import install_line
from omc.errors import Unknown
from omc.oncall.clock import moment_of
from omc.oncall.imports.draft import HORIZON, MAX_BYTES, MAX_ENTRIES, Draft, Finder, WrongFile, known_zone
from omc.oncall.imports.recurrence import never_comes
from omc.oncall.model import Calendar, Entry, Rota
from omc.times import zone_named

if TYPE_CHECKING:
    from types import ModuleType

    from icalendar import Component

_LEVEL = re.compile(r"\s*\[L(\d{1,2})\]\s*", re.IGNORECASE)
_BLOCK = re.compile(r"^BEGIN:VEVENT\s*$.*?^END:VEVENT\s*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_ZONES = re.compile(r"^BEGIN:VTIMEZONE\s*$.*?^END:VTIMEZONE\s*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
MAX_PER_DAY = 24
"""A rule that comes more often in a day is no shift's."""
OLDEST_HOURLY = timedelta(days=20 * 366)
MAX_SHOWN = 80
PERSON, GAP = "X-OMC-PERSON", "X-OMC-GAP"
"""Our own export's: whose event it is, by id; and that it is a gap, which is nobody's."""


@dataclass(slots=True)
class _Reading:
    """What is read, while it is read."""

    finder: Finder
    zone: tzinfo
    begin: datetime
    end: datetime
    entries: dict[int, list[Entry]] = field(default_factory=dict)
    """By level."""
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_endless: bool = False

    @property
    def count(self) -> int:
        return sum(len(each) for each in self.entries.values())


def read_calendar(content: bytes, name: str, zone: str, finder: Finder, now: datetime) -> Draft:
    """The rota of an iCalendar file. ``WrongFile`` where it is none, ``Unknown`` where the libraries are missing."""
    libraries = _libraries()
    if len(content) > MAX_BYTES:
        raise WrongFile(f"The calendar has {len(content)} bytes; at most {MAX_BYTES} are read.")
    text = _decoded(content)
    if not re.search(r"^BEGIN:(VCALENDAR|VEVENT)\s*$", text, re.MULTILINE | re.IGNORECASE):
        raise WrongFile("This is no iCalendar file: it has no BEGIN:VCALENDAR.")
    reading = _Reading(finder, zone_named(zone), now - timedelta(days=1), now + HORIZON)
    title = name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a stranger's file, to nobody who could act on them
        for calendar in _calendars(libraries, text, reading):
            title = _text(calendar.get("X-WR-CALNAME")) or title
            _use_zone(calendar, reading, zone)
            _read_events(libraries, calendar, reading)
    calendars = tuple(
        Calendar(f"level {level}" if level else "calendar", tuple(sorted(set(entries), key=_order)), level)
        for level, entries in sorted(reading.entries.items())
    )
    rota = Rota(name, str(reading.zone), calendars=calendars, known_until=reading.end if reading.is_endless else None)
    if reading.is_endless:
        reading.notes.append(f"It repeats for ever; it was read up to {reading.end:%d %b %Y}. Import it again before.")
    return Draft(title, rota, tuple(dict.fromkeys(reading.unread)), tuple(reading.notes))


def _order(entry: Entry) -> tuple[Any, ...]:
    return entry.begin, entry.end, entry.people


def _libraries() -> tuple[ModuleType, ModuleType]:
    try:
        import icalendar
        import recurring_ical_events
    except ImportError as error:
        raise Unknown(
            f"Calendars can't be read: a package isn't installed. Install it: {install_line('serve')}"
        ) from error
    return icalendar, recurring_ical_events


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return re.sub(r"\r\n?", "\n", text).replace("\x00", "")
    return content.decode("utf-8", "replace").replace("\x00", "")


def _calendars(libraries: tuple[ModuleType, ModuleType], text: str, reading: _Reading) -> Iterator[Component]:
    """The calendars of a file; where it can't be parsed as a whole, one for each event that can."""
    icalendar, _ = libraries
    try:
        parsed = icalendar.Calendar.from_ical(text, multiple=True)
    except Exception as error:  # noqa: BLE001  # the library raises whatever a stranger's file makes it stumble over
        reading.notes.append(f"The file isn't valid as a whole ({_reason(error)}), so each event was read by itself.")
    else:
        yield from (each for each in parsed if each.name == "VCALENDAR")
        return
    zones = {_zone_name(each): each for each in _ZONES.findall(text)}
    for number, block in enumerate(_BLOCK.findall(text), start=1):
        used = "\n".join(zone for name, zone in zones.items() if name and name in block)
        for extra in dict.fromkeys((used, "")):
            whole = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:omc\n{extra}\n{block}\nEND:VCALENDAR\n"
            try:
                calendar = icalendar.Calendar.from_ical(re.sub(r"\n{2,}", "\n", whole))
            except Exception as error:  # noqa: BLE001  # as above
                reason = _reason(error)
            else:
                yield calendar
                break
        else:
            reading.unread.append(f"Event {number} ({_summary_line(block)}) couldn't be read: {reason}.")


def _zone_name(zone: str) -> str:
    found = re.search(r"^TZID[^:\n]*:(.*)$", zone, re.MULTILINE | re.IGNORECASE)
    return found[1].strip() if found else ""


def _summary_line(block: str) -> str:
    found = re.search(r"^SUMMARY[^:\n]*:(.*)$", block, re.MULTILINE | re.IGNORECASE)
    return _short(found[1]) if found else "without a summary"


def _use_zone(calendar: Component, reading: _Reading, zone: str) -> None:
    named = _text(calendar.get("X-WR-TIMEZONE"))
    if not named:
        return
    found = known_zone(named)
    if found is None:
        reading.notes.append(f"The calendar's time zone {_short(named)} isn't known; {zone} is used.")
    else:
        reading.zone = found


def _read_events(libraries: tuple[ModuleType, ModuleType], calendar: Component, reading: _Reading) -> None:
    """All events of a calendar. Those that share a UID are one series and are read together: an event, and changes of
    single occurrences of it. Of several events with one UID, which no calendar should have, each is read for itself."""
    icalendar, _ = libraries
    series: dict[str, list[Component]] = {}
    others: dict[str, int] = {}
    for number, component in enumerate(calendar.subcomponents):
        if component.name == "VEVENT":
            name = _text(component.get("UID")) or f"without UID {number}"
            if component.get("RECURRENCE-ID") is None and any(
                each.get("RECURRENCE-ID") is None for each in series.get(name, ())
            ):
                reading.notes.append(f"{_named(component)} has the UID of another one; both are read.")
                name = f"{name} {number}"
            series.setdefault(name, []).append(component)
        elif component.name != "VTIMEZONE":
            others[str(component.name)] = others.get(str(component.name), 0) + 1
    for name, count in others.items():
        reading.notes.append(f"{count} {_short(name)} were left out: only events are shifts.")
    for events in series.values():
        if reading.count >= MAX_ENTRIES:
            reading.unread.append(f"After {MAX_ENTRIES} shifts, {_named(events[0])} and what follows were left out.")
            return
        alone = icalendar.Calendar()
        for event in events:
            alone.add_component(event)
        _read_series(libraries, alone, events, reading)


def _read_series(
    libraries: tuple[ModuleType, ModuleType], alone: Component, events: list[Component], reading: _Reading
) -> None:
    _, recurring = libraries
    name = _named(events[0])
    try:
        for event in events:
            _share_zone(event, name, reading)
        refusal = next(filter(None, (_refusal(event, reading) for event in events)), None)
        if refusal is not None:
            reading.unread.append(f"{name} was left out: {refusal}.")
            return
        found = list(recurring.of(alone).between(reading.begin, reading.end))
        for occurrence in found[:MAX_ENTRIES]:
            _read_occurrence(occurrence, reading)
    except Exception as error:  # noqa: BLE001  # the libraries raise whatever a stranger's file makes them stumble over
        reading.unread.append(f"{name} couldn't be read: {_reason(error)}.")


def _refusal(event: Component, reading: _Reading) -> str | None:
    """Why an event isn't unfolded; and an end, within sight, for a rule that has none."""
    for part in ("DTSTART", "DTEND", "DURATION"):
        if isinstance(event.get(part), list):
            return f"it has several {part}"
    if event.get("DTSTART") is None:
        return "it has no DTSTART"
    if (backwards := _wrong_end(event, reading)) is not None:
        return backwards
    rules = event.get("RRULE")
    for rule in rules if isinstance(rules, list) else [rules] if rules else []:
        frequency = str((rule.get("FREQ") or [""])[0]).upper()
        parts = [len(rule.get(part) or [0]) for part in ("BYHOUR", "BYMINUTE", "BYSECOND")]
        if frequency in ("SECONDLY", "MINUTELY") or parts[0] * parts[1] * parts[2] > MAX_PER_DAY:
            return "it repeats more often than shifts do"
        if never_comes(rule.get("BYMONTH") or (), rule.get("BYMONTHDAY") or ()):
            return "its rule never comes"
        start = event.get("DTSTART")
        if frequency == "HOURLY" and rule.get("BYSETPOS"):
            return (
                "its rule can't be read"  # one hour has one place, and the library looks for a second to the year 9999
            )
        if frequency == "HOURLY":
            begins = getattr(start, "dt", None)
            if isinstance(begins, datetime) and _moment(begins, reading) < reading.begin - OLDEST_HOURLY:
                return "it has repeated every hour for decades"
        if not rule.get("UNTIL") and not rule.get("COUNT"):
            reading.is_endless = True
            is_day = not isinstance(getattr(start, "dt", None), datetime)
            # Else an impossible rule, the 30th of February, is looked for up to the year 9999.
            rule["UNTIL"] = [reading.end.date() if is_day else reading.end.replace(microsecond=0)]
            if not is_day and start.dt.tzinfo is None:
                rule["UNTIL"] = [reading.end.replace(microsecond=0, tzinfo=None)]
    return None


def _share_zone(event: Component, name: str, reading: _Reading) -> None:
    """Where only one of begin and end has a zone, it is meant for both."""
    begin, end = (getattr(event.get(part), "dt", None) for part in ("DTSTART", "DTEND"))
    if not (isinstance(begin, datetime) and isinstance(end, datetime)) or (begin.tzinfo is None) == (
        end.tzinfo is None
    ):
        return
    missing, zone = ("DTEND", begin.tzinfo) if end.tzinfo is None else ("DTSTART", end.tzinfo)
    completed = (end if missing == "DTEND" else begin).replace(tzinfo=zone)
    del event[missing]
    event.add(missing, completed)
    reading.notes.append(f"{name} has no zone in its {missing}; that of its other end is used.")


def _wrong_end(event: Component, reading: _Reading) -> str | None:
    """What is wrong with an end. The library takes one before its begin for the begin."""
    begin, end = (getattr(event.get(part), "dt", None) for part in ("DTSTART", "DTEND"))
    if begin is None or end is None:
        return None
    if isinstance(begin, datetime) != isinstance(end, datetime):
        return "its dates don't fit together: a day beside a time"
    return "it ends before it begins" if _moment(end, reading) < _moment(begin, reading) else None


def _read_occurrence(event: Any, reading: _Reading) -> None:
    name = _named(event)
    if _text(event.get("STATUS")).upper() == "CANCELLED" or event.get(GAP) is not None:
        return
    begin, end = _moment(event.start, reading), _moment(event.end, reading)
    if end <= begin:
        reading.unread.append(f"{name} was left out: it has no length.")
        return
    level, people = _people(event, reading.finder)
    if not people:
        reading.unread.append(f"{name} was left out: it names nobody.")
        return
    reading.entries.setdefault(level, []).append(Entry(begin, end, people))


def _people(event: Component, finder: Finder) -> tuple[int, tuple[str, ...]]:
    """The level and the people of an event."""
    summary = _text(event.get("SUMMARY"))
    level = 0
    if found := _LEVEL.match(summary):
        level, summary = int(found[1]), summary[found.end() :]
    own = [finder.take(_text(each)) for each in _several(event.get(PERSON))]
    if any(own):
        return level, tuple(dict.fromkeys(each for each in own if each))
    attending = [
        finder.take(_text(each).removeprefix("mailto:").removeprefix("MAILTO:"), _parameter(each, "CN"))
        if finder.find(_text(each).lower().removeprefix("mailto:"), _parameter(each, "CN"))
        else finder.take(_parameter(each, "CN"), re.sub("(?i)^mailto:", "", _text(each)))
        for each in _several(event.get("ATTENDEE"))
        if _parameter(each, "PARTSTAT").upper() != "DECLINED"
    ]
    people = [each for each in attending if each]
    if not people:
        whole = finder.find(summary)
        people = [whole] if whole else list(finder.within(summary))
    if not people:
        named = [finder.take(part) for part in re.split(r"\s*[,;\n]\s*", summary) if part.strip()]
        people = [each for each in named if each]
    return level, tuple(dict.fromkeys(people))


def _moment(value: date | datetime, reading: _Reading) -> datetime:
    if not isinstance(value, datetime):
        return moment_of(datetime.combine(value, time(0)), reading.zone)
    if value.tzinfo is None:
        return moment_of(value, reading.zone)
    return value.astimezone(UTC)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return str(value or "").strip()


def _parameter(value: Any, name: str) -> str:
    parameters = getattr(value, "params", None)
    return str(parameters.get(name, "")) if parameters else ""


def _named(event: Component) -> str:
    return f'The event "{_short(_text(event.get("SUMMARY")) or _text(event.get("UID")) or "without a summary")}"'


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= MAX_SHOWN else plain[: MAX_SHOWN - 1] + "…"


def _reason(error: Exception) -> str:
    if isinstance(error, TypeError):
        return "its dates don't fit together"  # a day beside a time, one with a zone beside one without
    if isinstance(error, AttributeError | KeyError):
        return "it isn't in iCalendar's form"
    return _short(str(error) or type(error).__name__).rstrip(".")
