"""What an import comes to before anybody has said yes: rotas, the people in them, what couldn't be read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omc.config.people import canonical_name
from omc.errors import WrongUse
from omc.model.people import Channel, Person
from omc.oncall.configured import slug_of
from omc.oncall.model import Entry, Group, Rota, Shift
from omc.oncall.schedule import shifts
from omc.times import format_time

Value = TypeVar("Value")

HORIZON = timedelta(days=400)
"""So far the entries of a calendar are read that goes on for ever."""
MAX_BYTES = 20 * 1024 * 1024
MAX_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class Draft:
    """One rota that was read."""

    title: str
    """As the source calls it."""
    rota: Rota
    unread: tuple[str, ...] = ()
    """In sentences: what isn't in the rota because it couldn't be read, or can't be said in one."""
    notes: tuple[str, ...] = ()
    """In sentences: what is in it, but not quite as it was."""
    disagreements: tuple[str, ...] = ()
    """Where the source's own list of who is on call when says something else than the rota."""


@dataclass(frozen=True, slots=True)
class Change:
    """A time in which another group would be on call."""

    begin: datetime
    end: datetime
    before: Group
    after: Group


class WrongFile(WrongUse):
    """The file isn't what it was said to be."""


@dataclass(slots=True)
class Finder:
    """Finds the people of ``[people]`` by what another system calls them, and keeps whom it didn't find."""

    persons: Mapping[str, Person]
    aliases: Mapping[str, str] = field(default_factory=dict)
    """From a name in the source to an id of ours, as somebody has said it."""
    unknown: dict[str, str] = field(default_factory=dict)
    """By the id that they get: their name in the source."""
    _known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for person in self.persons.values():
            addresses = [each.address for each in person.contacts if each.channel is Channel.EMAIL]
            for name in (person.id, person.name, *addresses, *(each.partition("@")[0] for each in addresses)):
                self._known.setdefault(canonical_name(name), person.id)
        for name, person_id in self.aliases.items():
            self._known[canonical_name(name)] = person_id

    def find(self, *names: object) -> str | None:
        """The id of whoever has one of these names; None where nobody has."""
        for name in names:
            known = self._known.get(canonical_name(str(name))) if name else None
            if known is not None:
                return known
        return None

    def take(self, *names: object) -> str | None:
        """The id of whoever has one of these names, else a new one made of the first name that there is. None where no
        name is."""
        found = self.find(*names)
        if found is not None:
            return found
        named = [str(name).strip() for name in names if name and str(name).strip()]
        if not named:
            return None
        made = slug_of(named[0])
        while made in self.persons or self.unknown.get(made, named[0]) != named[0]:
            made = f"{made[:28]}-{len(self.unknown)}"
        self.unknown[made] = named[0]
        return made

    def within(self, text: str) -> tuple[str, ...]:
        """The ids of those whose names stand in a text as whole words, in their order there."""
        plain = f" {' '.join(canonical_name(text).split())} "
        found: dict[str, int] = {}
        for name, person in self._known.items():
            place = _word_place(plain, name)
            if len(name) > 1 and place is not None:
                found[person] = min(place, found.get(person, place))
        return tuple(sorted(found, key=lambda each: found[each]))


def _word_place(text: str, word: str) -> int | None:
    start = text.find(word)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(word) : start + len(word) + 1]
        if not (before.isalnum() or after.isalnum()):
            return start
        start = text.find(word, start + 1)
    return None


def people_of(draft: Draft, finder: Finder) -> tuple[str, ...]:
    """Those of the draft who aren't in ``[people]``, as the source calls them."""
    return tuple(f"{finder.unknown[each]} (as {each})" for each in draft.rota.people if each in finder.unknown)


def changes(before: Rota | None, after: Rota, begin: datetime, end: datetime) -> tuple[Change, ...]:
    """When another group would be on call than now, in a period."""
    old = shifts(before, begin, end) if before else ()
    return compared(
        [Entry(each.begin, each.end, each.people) for each in old if isinstance(each, Shift)],
        [Entry(each.begin, each.end, each.people) for each in shifts(after, begin, end) if isinstance(each, Shift)],
        begin,
        end,
    )


def compared(before: Sequence[Entry], after: Sequence[Entry], begin: datetime, end: datetime) -> tuple[Change, ...]:
    """Two lists of who is on call when, as the times in which they differ. Entries may overlap; the order within a
    group makes no difference."""
    inner = {_within(edge, begin, end) for each in (*before, *after) for edge in (each.begin, each.end)}
    edges = sorted({begin, end} | inner)
    old, new = _Sweep(before), _Sweep(after)
    found: list[Change] = []
    for start, stop in pairwise(edges):
        was, will = old.at(start), new.at(start)
        if was == will:
            continue
        if found and (found[-1].end, found[-1].before, found[-1].after) == (start, was, will):
            found[-1] = Change(found[-1].begin, stop, was, will)
        else:
            found.append(Change(start, stop, was, will))
    return tuple(found)


def _within(at: datetime, begin: datetime, end: datetime) -> datetime:
    return min(end, max(begin, at))


class _Sweep:
    """Who is in a list of entries at moments that are asked in their order."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = sorted(entries, key=lambda each: each.begin)
        self.index = 0
        self.active: list[Entry] = []

    def at(self, moment: datetime) -> Group:
        while self.index < len(self.entries) and self.entries[self.index].begin <= moment:
            self.active.append(self.entries[self.index])
            self.index += 1
        self.active = [each for each in self.active if each.end > moment]
        return tuple(sorted({person for each in self.active for person in each.people}))


def disagreements(rota: Rota, rendered: Sequence[Entry], whose: str) -> tuple[str, ...]:
    """Where the source's own list says something else than the rota, in sentences; only within the time it covers."""
    if not rendered:
        return ()
    begin, end = min(each.begin for each in rendered), max(each.end for each in rendered)
    ours = [Entry(each.begin, each.end, each.people) for each in shifts(rota, begin, end) if isinstance(each, Shift)]
    return tuple(
        f"From {format_time(each.begin, rota.zone)} to {format_time(each.end, rota.zone)} {whose} has "
        f"{_named(each.before)}, this rota {_named(each.after)}."
        for each in compared(rendered, ours, begin, end)
    )


def _named(group: Group) -> str:
    return " and ".join(group) or "nobody"


def unique_name(name: str, used: Iterable[str]) -> str:
    """A name for one more layer that none of the others has."""
    taken, made, number = set(used), name, 2
    while made in taken:
        made, number = f"{name} {number}", number + 1
    return made


def parse_time(value: object) -> datetime | None:
    """A moment as JSON has it; one without an offset is UTC. None for what isn't one."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def known_zone(name: str) -> ZoneInfo | None:
    """A time zone by its name; None where there is none of it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def attempt(what: str, unread: list[str], read: Callable[..., Value], *arguments: Any) -> Value | None:
    """What ``read`` gives; None where a stranger's data isn't in the shape that it should be in, which is named."""
    try:
        return read(*arguments)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
        unread.append(f"{what} couldn't be read: {' '.join(reason.split())[:200]}.")
        return None
