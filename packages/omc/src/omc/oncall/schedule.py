"""Who is on call when: turns of layers, the highest level, overrides on top. Pure.

All of a period is tiled: each moment of it belongs to exactly one shift or one gap.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

from omc.oncall.clock import local_of, moment_of
from omc.oncall.model import WEEK, Calendar, Gap, Group, Layer, Origin, Override, Rota, Shift, Tile, WeeklyWindow
from omc.times import zone_named

HORIZON = timedelta(days=800)
"""How far from a moment ``on_call`` looks for the ends of its shift or gap."""
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a layer, whole: neither cut by its windows nor by its layer's begin and end."""

    number: int
    """From 0."""
    begin: datetime
    end: datetime
    people: Group


@dataclass(frozen=True, slots=True)
class _Piece:
    """A time in which a layer or a calendar has the same people."""

    begin: datetime
    end: datetime
    people: Group
    layer: str
    turn: int | None
    level: int
    override: str | None = None
    """By its id: an override that counts in this layer only."""


def on_call(rota: Rota, at: datetime) -> Tile:
    """The shift or the gap that a moment lies in, with its whole length as far as ``HORIZON``."""
    reach = timedelta(days=8)
    while True:
        begin, end = at - reach, at + reach
        tile = next(each for each in shifts(rota, begin, end) if each.begin <= at < each.end)
        if (tile.begin > begin and tile.end < end) or reach >= HORIZON:
            return tile
        reach = min(reach * 4, HORIZON)


def shifts(rota: Rota, begin: datetime, end: datetime) -> tuple[Tile, ...]:
    """The shifts and gaps of a period, in their order and without a second between them. The first and the last are cut
    to the period. Empty where ``end`` isn't after ``begin``."""
    if end <= begin:
        return ()
    begin, end = begin.astimezone(UTC), end.astimezone(UTC)
    counting = [each for each in rota.overrides if each.undone_at is None and each.begin < end and each.end > begin]
    rows = [_layer_pieces(rota, layer, counting, begin, end) for layer in rota.layers]
    rows += [list(_calendar_pieces(calendar, begin, end)) for calendar in rota.calendars]
    on_top = [each for each in counting if not each.layers]
    found: list[Tile] = []
    for start, stop, pieces in _elementary(rows, on_top, begin, end):
        tile = _tile(start, stop, pieces, [each for each in on_top if each.begin <= start < each.end])
        _add(found, tile)
    return tuple(found)


def turns(layer: Layer, zone: tzinfo, begin: datetime, end: datetime) -> Iterator[Turn]:
    """A layer's turns that have a second in the period, in their order. A turn that a clock change leaves out wholly
    has none."""
    number = max(0, _turn_before(layer, zone, begin))
    begins = hand_over_moment(layer, zone, number)
    while begins < end:
        ends = hand_over_moment(layer, zone, number + 1)
        if ends > begins and ends > begin:
            yield Turn(number, begins, ends, layer.turns[number % len(layer.turns)])
        number, begins = number + 1, ends


def hand_over_local(layer: Layer, number: int) -> datetime:
    """When a turn begins, on the wall."""
    first = datetime.combine(layer.start, layer.hand_over)
    try:
        if layer.turn_months:
            return _months_after(first, number * layer.turn_months)
        return first + number * timedelta(seconds=layer.turn_seconds)
    except (OverflowError, ValueError):
        return datetime(9999, 12, 29)  # noqa: DTZ001  # local times have no zone


def _months_after(first: datetime, months: int) -> datetime:
    years, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return first.replace(year=years, month=month + 1, day=min(first.day, monthrange(years, month + 1)[1]))


def hand_over_moment(layer: Layer, zone: tzinfo, number: int) -> datetime:
    """When a turn begins."""
    return moment_of(hand_over_local(layer, number), zone)


def zone_of(rota: Rota, layer: Layer) -> tzinfo:
    return zone_named(layer.zone or rota.zone)


def window_spans(windows: Sequence[WeeklyWindow], zone: tzinfo, begin: datetime, end: datetime) -> list[Span]:
    """When at least one of the windows is open, as moments, cut to the period; none touches the next one."""
    found: list[Span] = []
    for window in windows:
        local = local_of(begin, zone) - timedelta(seconds=window.seconds + 2 * 86_400)
        day = local.date() + timedelta(days=(window.day - local.weekday()) % 7)
        while (opens := moment_of(datetime.combine(day, window.start), zone)) < end:
            closes = moment_of(datetime.combine(day, window.start) + timedelta(seconds=window.seconds), zone)
            if closes > begin and closes > opens:
                found.append((max(opens, begin), min(closes, end)))
            day += timedelta(seconds=WEEK)
    return _merged(found)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _turn_before(layer: Layer, zone: tzinfo, at: datetime) -> int:
    """The number of the last turn that begins at the moment or before; below 0 before the first."""
    first = datetime.combine(layer.start, layer.hand_over)
    local = local_of(at, zone)
    if layer.turn_months:
        number = (12 * (local.year - first.year) + local.month - first.month) // layer.turn_months
    else:
        number = (local - first) // timedelta(seconds=layer.turn_seconds)
    # A clock change may put the wall a few turns off the moments: to the last one that begins in time.
    while number >= 0 and hand_over_moment(layer, zone, number) > at:
        number -= 1
    while hand_over_moment(layer, zone, number + 1) <= at and number < 10**8:
        number += 1
    return number


def _layer_pieces(
    rota: Rota, layer: Layer, overrides: Sequence[Override], begin: datetime, end: datetime
) -> list[_Piece]:
    zone = zone_of(rota, layer)
    first, last = max(begin, layer.begin or begin), min(end, layer.end or end)
    pieces: list[_Piece] = []
    if layer.turns and first < last:
        open_spans = window_spans(layer.windows, zone, first, last) if layer.windows else [(first, last)]
        taken = list(turns(layer, zone, first, last))
        index = 0
        for span_begin, span_end in open_spans:
            while index < len(taken) and taken[index].begin < span_end:
                turn = taken[index]
                piece = (max(turn.begin, span_begin), min(turn.end, span_end))
                if piece[0] < piece[1]:
                    pieces.append(_Piece(*piece, turn.people, layer.name, turn.number, layer.level))
                if turn.end > span_end:
                    break  # the next span may lie in this turn too
                index += 1
    for override in overrides:
        if layer.name in override.layers:
            pieces = _overridden(pieces, override, layer, begin, end)
    return pieces


def _overridden(
    pieces: Sequence[_Piece], override: Override, layer: Layer, begin: datetime, end: datetime
) -> list[_Piece]:
    """A layer's pieces with an override that counts in this layer only."""
    first, last = max(begin, override.begin), min(end, override.end)
    found: list[_Piece] = []
    for piece in pieces:
        if piece.begin < first:
            found.append(replace(piece, end=min(piece.end, first)))
        if piece.end > last:
            found.append(replace(piece, begin=max(piece.begin, last)))
    found.append(_Piece(first, last, override.people, layer.name, None, layer.level, override.id))
    return sorted(found, key=lambda piece: piece.begin)


def _calendar_pieces(calendar: Calendar, begin: datetime, end: datetime) -> Iterator[_Piece]:
    """The calendar's entries as pieces that don't overlap."""
    entries = sorted(
        (each for each in calendar.entries if each.begin < end and each.end > begin and each.end > each.begin),
        key=lambda each: (each.begin, each.end, each.people),
    )
    edges = sorted({max(begin, each.begin) for each in entries} | {min(end, each.end) for each in entries})
    active: list[tuple[datetime, Group]] = []
    index = 0
    for start, stop in pairwise(edges):
        active = [each for each in active if each[0] > start]
        while index < len(entries) and max(begin, entries[index].begin) <= start:
            active.append((entries[index].end, entries[index].people))
            index += 1
        if active:
            people = tuple(dict.fromkeys(person for _, group in active for person in group))
            yield _Piece(start, stop, people, calendar.name, None, calendar.level)


def _elementary(
    rows: Sequence[Sequence[_Piece]], overrides: Sequence[Override], begin: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime, list[_Piece]]]:
    """The period cut wherever anything begins or ends, with what each row has there."""
    edges = {begin, end}
    edges.update(edge for row in rows for piece in row for edge in (piece.begin, piece.end))
    edges.update(min(end, max(begin, edge)) for each in overrides for edge in (each.begin, each.end))
    ordered = sorted(edges)
    positions = [0] * len(rows)
    for start, stop in pairwise(ordered):
        pieces = []
        for number, row in enumerate(rows):
            while positions[number] < len(row) and row[positions[number]].end <= start:
                positions[number] += 1
            if positions[number] < len(row) and row[positions[number]].begin <= start:
                pieces.append(row[positions[number]])
        yield start, stop, pieces


def _tile(begin: datetime, end: datetime, pieces: Sequence[_Piece], overrides: Sequence[Override]) -> Tile:
    filled = [piece for piece in pieces if piece.people]
    level = max((piece.level for piece in filled), default=0)
    winners = [piece for piece in filled if piece.level == level]
    people = tuple(dict.fromkeys(person for piece in winners for person in piece.people))
    applied = [piece.override for piece in winners if piece.override is not None]
    layers, turn = tuple(piece.layer for piece in winners), winners[0].turn if winners else None
    counting: list[Override] = []
    for override in overrides:
        if override.instead_of is not None and override.instead_of not in people:
            continue  # nobody takes the place of somebody who wouldn't be on call
        counting.append(override)
        if override.instead_of is None:
            people, applied, layers, turn = override.people, [override.id], (), None
        else:
            kept = tuple(each for each in people if each not in (override.instead_of, *override.people))
            people, applied = (*kept, *override.people), [*applied, override.id]
    if people:
        return Shift(begin, end, people, Origin(layers, turn, tuple(applied)))
    return Gap(begin, end, _why_nobody(pieces, counting))


def _why_nobody(pieces: Sequence[_Piece], overrides: Sequence[Override]) -> str:
    if overrides:
        return f"override {overrides[-1].id} names nobody"
    if pieces:
        return "the turn is nobody's"
    return "no layer has a turn there"


def _add(tiles: list[Tile], tile: Tile) -> None:
    """Append a tile, or lengthen the last one where it goes on."""
    if tiles:
        last = tiles[-1]
        if isinstance(last, Shift) and isinstance(tile, Shift):
            if (last.people, last.origin) == (tile.people, tile.origin):
                tiles[-1] = replace(last, end=tile.end)
                return
        elif isinstance(last, Gap) and isinstance(tile, Gap) and last.reason == tile.reason:
            tiles[-1] = replace(last, end=tile.end)
            return
    tiles.append(tile)
