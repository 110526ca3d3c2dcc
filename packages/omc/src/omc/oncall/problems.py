"""What is wrong with being on call in the coming weeks: gaps, people who can't be reached, hours that a clock change
makes odd. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from omc.model.people import ContactMethod, Person
from omc.oncall.clock import Reading, clock_changes, local_of, reading_of
from omc.oncall.model import Gap, Layer, Rota, Shift, Tile
from omc.oncall.schedule import hand_over_local, shifts, turns, window_spans, zone_of
from omc.times import format_duration, format_time, zone_named

Verified = Mapping[str, Collection[str]]
"""By a person's id: her contact methods that she has confirmed, as in omc.toml."""


class Kind(StrEnum):
    """Of a problem."""

    GAP = "gap"
    UNKNOWN_PERSON = "unknown person"
    NO_CONTACT = "no contact"
    UNVERIFIED = "unverified contact"
    CLOCK_CHANGE = "clock change"
    ENDS = "import ends"
    EMPTY_STEP = "empty step"
    OUTSIDE = "turns outside of hours"


LOSES_PAGES = frozenset({Kind.GAP, Kind.UNKNOWN_PERSON, Kind.NO_CONTACT, Kind.EMPTY_STEP, Kind.ENDS})
"""With these a page reaches nobody; the others are worth knowing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that somebody should put right, or know of."""

    kind: Kind
    rota: str
    """Empty for one of the escalation."""
    sentence: str
    at: datetime | None = None
    """When it begins; None where it is so all the time."""
    end: datetime | None = None
    person: str | None = None


def problems_of(
    rota: Rota, persons: Mapping[str, Person], verified: Verified, begin: datetime, end: datetime
) -> tuple[Problem, ...]:
    """All of a rota's problems in a period, the earliest first; those that are so all the time come before."""
    tiles = shifts(rota, begin, end)
    found = [*_of_people(rota, tiles, persons, verified), *_gaps(rota, tiles), *oddities(rota, tiles, begin, end)]
    if rota.known_until is not None and begin < rota.known_until < end:
        sentence = (
            f"What was imported into {rota.name} ends on {format_time(rota.known_until, rota.zone)}: import it again."
        )
        found.append(Problem(Kind.ENDS, rota.name, sentence, rota.known_until))
    return tuple(sorted(found, key=lambda each: (each.at is not None, each.at or begin)))


def reachability(person: Person | None, name: str, verified: Verified) -> tuple[Kind, str] | None:
    """Why a person may not be reached; None where she has a method that she has confirmed."""
    if person is None:
        return Kind.UNKNOWN_PERSON, f"{name} isn't in [people] of omc.toml, so nobody can be reached by that name."
    if not person.contacts:
        return Kind.NO_CONTACT, f"{person.name} has no contact: set people.{person.id}.contacts in omc.toml."
    unverified = [str(each) for each in person.contacts if str(each) not in verified.get(person.id, ())]
    if not unverified:
        return None
    sentence = (
        f"{person.name} has never confirmed {', '.join(unverified)}: omc oncall verify {person.id} {unverified[0]}"
    )
    return Kind.UNVERIFIED, sentence


def confirmed(person: Person, verified: Verified) -> tuple[ContactMethod, ...]:
    """The methods that a person has confirmed."""
    return tuple(each for each in person.contacts if str(each) in verified.get(person.id, ()))


def _of_people(
    rota: Rota, tiles: tuple[Tile, ...], persons: Mapping[str, Person], verified: Verified
) -> Iterator[Problem]:
    """Of each person with a shift in the period."""
    first: dict[str, Shift] = {}
    for tile in tiles:
        if isinstance(tile, Shift):
            for person in tile.people:
                first.setdefault(person, tile)
    for name, shift in first.items():
        reason = reachability(persons.get(name), name, verified)
        if reason is not None:
            yield Problem(reason[0], rota.name, reason[1], shift.begin, person=name)


def _gaps(rota: Rota, tiles: tuple[Tile, ...]) -> Iterator[Problem]:
    for tile in tiles:
        if isinstance(tile, Gap):
            length = format_duration(tile.end - tile.begin)
            begins = format_time(tile.begin, rota.zone)
            sentence = f"Nobody is on call in {rota.name} for {length} from {begins}: {tile.reason}."
            yield Problem(Kind.GAP, rota.name, sentence, tile.begin, tile.end)


def oddities(rota: Rota, tiles: tuple[Tile, ...], begin: datetime, end: datetime) -> Iterator[Problem]:
    """What clock changes do in a period: hand-overs at a local time that isn't there or comes twice, turns that are
    left out, shifts that are longer or shorter than the clock says."""
    for layer in rota.layers:
        yield from _of_hand_overs(rota, layer, begin, end)
        yield from _outside_of_hours(rota, layer, begin, end)
    for zone_name in dict.fromkeys([rota.zone, *(layer.zone for layer in rota.layers if layer.zone)]):
        zone = zone_named(zone_name)
        for change in clock_changes(zone, begin, end):
            tile = next((each for each in tiles if each.begin < change.at < each.end), None)
            way = "forward" if change.seconds > 0 else "back"
            length = format_duration(timedelta(seconds=abs(change.seconds)))
            effect = ""
            if isinstance(tile, Shift):
                names = " and ".join(tile.people)
                effect = f"; {names}'s shift is {length} {'shorter' if change.seconds > 0 else 'longer'} than it looks"
            sentence = f"Clocks in {zone_name} go {way} by {length} at {format_time(change.at, zone_name)}{effect}."
            yield Problem(Kind.CLOCK_CHANGE, rota.name, sentence, change.at)


def _outside_of_hours(rota: Rota, layer: Layer, begin: datetime, end: datetime) -> Iterator[Problem]:
    """Turns go on over days without hours: with turns of a day from Monday to Friday two of each seven are nobody's."""
    if not layer.windows or not layer.turns:
        return
    zone = zone_of(rota, layer)
    whole = [each for each in turns(layer, zone, begin, end) if begin <= each.begin and each.end <= end and each.people]
    lost = [each for each in whole if not window_spans(layer.windows, zone, each.begin, each.end)]
    if lost:
        first = f"{' and '.join(lost[0].people)}'s on {format_time(lost[0].begin, str(zone))}"
        sentence = (
            f"{len(lost)} of {len(whole)} turns of {rota.name}, {layer.name} lie wholly outside of its hours, "
            f"the first is {first}: turns go on over days without hours, so not everybody has as many shifts."
        )
        yield Problem(Kind.OUTSIDE, rota.name, sentence, lost[0].begin)


def _of_hand_overs(rota: Rota, layer: Layer, begin: datetime, end: datetime) -> Iterator[Problem]:
    zone = zone_of(rota, layer)
    if not layer.turns:
        return
    previous: int | None = None
    for turn in turns(layer, zone, begin, end):
        for left_out in range(previous + 1, turn.number) if previous is not None else ():
            people = " and ".join(layer.turns[left_out % len(layer.turns)]) or "nobody"
            sentence = (
                f"The turn of {people} in {rota.name}, {layer.name} is left out: "
                f"clocks skip all of it at {format_time(turn.begin, str(zone))}."
            )
            yield Problem(Kind.CLOCK_CHANGE, rota.name, sentence, turn.begin)
        previous = turn.number
        local = hand_over_local(layer, turn.number)
        reading = reading_of(local, zone)
        if reading is Reading.ONCE or turn.begin < begin:
            continue
        settled = f"{local_of(turn.begin, zone):%H:%M}, when the clock is changed"
        if reading is Reading.TWICE:
            settled = "the first of the two"
        comes = "doesn't exist" if reading is Reading.SKIPPED else "comes twice"
        what = f"The hand-over of {rota.name}, {layer.name} at {local:%H:%M} on {local:%a %d %b}"
        sentence = f"{what} {comes}: it is at {settled} ({format_time(turn.begin, str(zone))})."
        yield Problem(Kind.CLOCK_CHANGE, rota.name, sentence, turn.begin)
