"""Two years of any rota, in zones whose clocks are changed in any way: whoever reads it finds each second once."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.model.typed_json import from_json, to_json
from omc.oncall.clock import Reading, clock_changes, local_of, moment_of, reading_of
from omc.oncall.model import DAY, WEEK, Calendar, Entry, Gap, Layer, Override, Rota, Shift, WeeklyWindow
from omc.oncall.notices import due_notices, duties
from omc.oncall.problems import Kind, problems_of
from omc.oncall.schedule import hand_over_local, on_call, shifts, turns

ZONES = ("Australia/Sydney", "Australia/Lord_Howe", "Europe/Dublin", "Africa/Casablanca", "UTC")
"""Two changes a year; by half an hour; a winter that is the exception; only around Ramadan; none."""
PEOPLE = ("jo", "bob", "kim", "ann")
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
CLOCKS = st.sampled_from([time(0), time(1, 30), time(2), time(2, 15), time(2, 30), time(3), time(9), time(23, 59, 59)])
GROUPS = st.lists(st.sampled_from(PEOPLE), max_size=2, unique=True).map(tuple)
LENGTHS = st.sampled_from([8 * 3600, 12 * 3600, 36 * 3600, DAY, 3 * DAY, WEEK, 2 * WEEK])
SHORT = st.sampled_from([3600, 2 * 3600])
WINDOWS = st.builds(WeeklyWindow, st.integers(0, 6), CLOCKS, st.integers(1, WEEK))


@st.composite
def layers(draw: st.DrawFn, name: str, lengths: st.SearchStrategy[int] = LENGTHS) -> Layer:
    return Layer(
        name=name,
        turns=tuple(draw(st.lists(GROUPS, min_size=1, max_size=4))),
        start=draw(st.dates(date(2024, 12, 1), date(2026, 6, 1))),
        hand_over=draw(CLOCKS),
        turn_seconds=draw(lengths),
        turn_months=draw(st.sampled_from([0, 0, 0, 1, 2])) if lengths is LENGTHS else 0,
        level=draw(st.integers(0, 2)),
        windows=tuple(draw(st.lists(WINDOWS, max_size=3))),
        end=draw(st.none() | moments()),
        zone=draw(st.none() | st.sampled_from(ZONES)),
    )


def moments() -> st.SearchStrategy[datetime]:
    seconds = int((END - BEGIN).total_seconds())
    return st.integers(0, seconds).map(lambda each: BEGIN + timedelta(seconds=each))


@st.composite
def overrides(draw: st.DrawFn, number: int) -> Override:
    begin = draw(moments())
    return Override(
        str(number),
        begin,
        begin + timedelta(seconds=draw(st.integers(1, 40 * DAY))),
        (draw(st.sampled_from(["max", "eve"])),),
        instead_of=draw(st.none() | st.sampled_from(PEOPLE)),
    )


@st.composite
def rotas(draw: st.DrawFn) -> Rota:
    count = draw(st.integers(0, 3))
    begins = draw(st.lists(moments(), max_size=4))
    entries = tuple(Entry(each, each + timedelta(hours=7 * n + 1), (PEOPLE[n],)) for n, each in enumerate(begins))
    return Rota(
        "primary",
        draw(st.sampled_from(ZONES)),
        layers=tuple(draw(layers(str(number))) for number in range(count)),
        calendars=(Calendar("fixed", entries, draw(st.integers(0, 2))),) if entries else (),
        overrides=tuple(draw(overrides(number)) for number in range(draw(st.integers(0, 4)))),
    )


@settings(max_examples=25, deadline=None)
@given(rotas())
def test_shifts_and_gaps_tile_the_time(rota: Rota) -> None:
    tiles = shifts(rota, BEGIN, END)
    assert (tiles[0].begin, tiles[-1].end) == (BEGIN, END)
    assert all(one.end == other.begin for one, other in pairwise(tiles))
    assert all(each.begin < each.end for each in tiles)
    assert all(each.people for each in tiles if isinstance(each, Shift))


@settings(max_examples=20, deadline=None)
@given(rotas())
def test_each_gap_is_reported(rota: Rota) -> None:
    found = [each for each in problems_of(rota, {}, {}, BEGIN, END) if each.kind is Kind.GAP]
    gaps = [each for each in shifts(rota, BEGIN, END) if isinstance(each, Gap)]
    assert [(each.at, each.end) for each in found] == [(each.begin, each.end) for each in gaps]


@settings(max_examples=20, deadline=None)
@given(rotas(), st.lists(moments(), min_size=1, max_size=10))
def test_who_is_on_call_at_a_moment_is_in_the_shift_around_it(rota: Rota, moments_: list[datetime]) -> None:
    tiles = shifts(rota, BEGIN, END)
    for at in moments_:
        tile = on_call(rota, at)
        assert tile.begin <= at < tile.end
        if at < END:
            listed = next(each for each in tiles if each.begin <= at < each.end)
            assert isinstance(tile, Gap) == isinstance(listed, Gap)
            if isinstance(tile, Shift) and isinstance(listed, Shift):
                assert tile.people == listed.people
            assert tile.begin <= listed.begin
            assert listed.end <= tile.end


@settings(max_examples=25, deadline=None)
@given(layers("one", LENGTHS | SHORT), st.sampled_from(ZONES))
def test_no_two_turns_overlap_and_each_is_handed_over_once(layer: Layer, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    found = list(turns(layer, zone, BEGIN, END))
    assert all(one.end == other.begin for one, other in pairwise(found))
    assert all(one.number < other.number for one, other in pairwise(found))
    for turn in found:
        local = hand_over_local(layer, turn.number)
        if reading_of(local, zone) is not Reading.SKIPPED:
            assert local_of(turn.begin, zone) == local, "at the same local time all year"
    assert [each.people for each in found] == [layer.turns[each.number % len(layer.turns)] for each in found]


@settings(max_examples=25, deadline=None)
@given(rotas())
def test_an_override_never_loses_a_second(rota: Rota) -> None:
    for number, override in enumerate(rota.overrides):
        if override.begin >= END:
            continue
        later = rota.overrides[number + 1 :]
        for tile in shifts(rota, override.begin, min(override.end, END)):
            covered = [each for each in later if each.begin < tile.end and each.end > tile.begin]
            if not covered:
                people = tile.people if isinstance(tile, Shift) else ()
                if override.instead_of is None:
                    assert set(override.people) <= set(people)
                assert override.instead_of not in people


@settings(max_examples=20, deadline=None)
@given(rotas(), moments(), moments())
def test_a_part_of_a_period_is_read_as_the_whole_is(rota: Rota, one: datetime, other: datetime) -> None:
    begin, end = min(one, other), max(one, other) + timedelta(seconds=1)
    whole = [each for each in shifts(rota, BEGIN, END + timedelta(seconds=1)) if each.begin < end and each.end > begin]
    part = shifts(rota, begin, end)
    assert [type(each) for each in part] == [type(each) for each in whole]
    assert [(max(begin, each.begin), min(end, each.end)) for each in whole] == [(each.begin, each.end) for each in part]


@settings(max_examples=20, deadline=None)
@given(rotas())
def test_a_rota_is_read_from_the_record_as_it_was_written(rota: Rota) -> None:
    assert from_json(Rota, to_json(rota)) == rota


@pytest.mark.parametrize("zone_name", [*ZONES, "Pacific/Apia", "America/New_York", "Antarctica/Troll"])
def test_a_later_local_time_is_never_an_earlier_moment(zone_name: str) -> None:
    """Around each clock change of many years, by quarters of an hour."""
    zone = ZoneInfo(zone_name)
    for change in clock_changes(zone, datetime(2009, 1, 1, tzinfo=UTC), END):
        local = local_of(change.at, zone) - timedelta(days=2)
        moments_ = [moment_of(local + timedelta(minutes=15 * each), zone) for each in range(4 * 24 * 4)]
        assert moments_ == sorted(moments_)
        for each in range(4 * 24 * 4):
            wanted = local + timedelta(minutes=15 * each)
            if reading_of(wanted, zone) is Reading.SKIPPED:
                assert moment_of(wanted, zone) == change.at
            else:
                assert local_of(moment_of(wanted, zone), zone) == wanted


@pytest.mark.parametrize(("zone_name", "expected"), list(zip(ZONES, (4, 4, 4, 4, 0), strict=True)))
def test_the_clock_changes_of_two_years_are_found(zone_name: str, expected: int) -> None:
    found = list(clock_changes(ZoneInfo(zone_name), BEGIN, END))
    assert len(found) == expected


@settings(max_examples=20, deadline=None)
@given(rotas(), st.lists(moments(), min_size=2, max_size=6, unique=True))
def test_notices_come_once_however_the_time_is_cut(rota: Rota, cuts: list[datetime]) -> None:
    cuts = sorted(min(each, END - timedelta(days=1)) for each in cuts)[:3]
    whole = due_notices(rota, cuts[0], cuts[-1])
    parts = [notice for one, other in pairwise(cuts) for notice in due_notices(rota, one, other)]
    assert {each.key for each in parts} == {each.key for each in whole}
    assert len({each.key for each in whole}) == len(whole)
    assert all(len(each.key) <= 200 for each in whole)


@settings(max_examples=20, deadline=None)
@given(rotas(), moments())
def test_nobody_is_reminded_of_what_begins_without_a_break(rota: Rota, at: datetime) -> None:
    end = at + timedelta(days=10)
    reminders = [each for each in due_notices(rota, at, end) if each.kind == "reminder"]
    beginning = {(each.person, each.begin) for each in duties(rota, at - timedelta(days=1), end + timedelta(days=60))}
    assert {(each.person, each.begin) for each in reminders} <= beginning
