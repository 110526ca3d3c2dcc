"""Who is on call when: layers, groups, windows, overrides, and what clock changes do, one story at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from omc.errors import WrongUse
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.configured import windows_of
from omc.oncall.model import DAY, WEEK, Calendar, Entry, Gap, Layer, Override, Rota, Shift, WeeklyWindow
from omc.oncall.moments import parse_moment
from omc.oncall.problems import Kind, problems_of
from omc.oncall.schedule import on_call, shifts

SYDNEY = "Australia/Sydney"
MONDAY = date(2026, 11, 2)
WEEKLY = Layer("1", (("jo",), ("bob",)), MONDAY, time(9), WEEK)


def at(text: str, zone: str = SYDNEY) -> datetime:
    return parse_moment(text, zone, datetime(2026, 11, 1, tzinfo=UTC))


def rota(*layers: Layer, overrides: tuple[Override, ...] = (), zone: str = SYDNEY) -> Rota:
    return Rota("primary", zone, tuple(layers), overrides=overrides)


def who(made: Rota, text: str) -> tuple[str, ...]:
    tile = on_call(made, at(text, made.zone))
    return tile.people if isinstance(tile, Shift) else ()


def test_turns_are_handed_over_in_their_order_and_begin_again() -> None:
    weekly = rota(WEEKLY)
    assert who(weekly, "2026-11-02 09:00") == ("jo",)
    assert who(weekly, "2026-11-09 08:59") == ("jo",)
    assert who(weekly, "2026-11-09 09:00") == ("bob",)
    assert who(weekly, "2026-11-16 09:00") == ("jo",)


def test_before_the_first_turn_nobody_is_on_call() -> None:
    gap = on_call(rota(WEEKLY), at("2026-11-02 08:59"))
    assert isinstance(gap, Gap)
    assert gap.end == at("2026-11-02 09:00")
    assert gap.reason == "no layer has a turn there"


def test_a_week_is_handed_over_at_nine_on_either_side_of_a_clock_change() -> None:
    found = list(shifts(rota(WEEKLY), at("2027-03-29 09:00"), at("2027-04-12 09:00")))
    assert [each.begin for each in found] == [at("2027-03-29 09:00"), at("2027-04-05 09:00")]
    assert found[0].end - found[0].begin == timedelta(days=7, hours=1), "the week in which the clocks go back"


def test_a_hand_over_that_the_clock_leaves_out_is_at_the_change_and_reported() -> None:
    nightly = rota(Layer("nights", (("jo",), ("bob",)), date(2026, 10, 1), time(2, 30), DAY))
    found = shifts(nightly, at("2026-10-03 12:00"), at("2026-10-05 12:00"))
    change = datetime(2026, 10, 3, 16, tzinfo=UTC)
    assert [each.begin for each in found] == [at("2026-10-03 12:00"), change, at("2026-10-05 02:30")]
    (odd,) = [
        each.sentence
        for each in problems_of(nightly, {}, {}, at("2026-10-03 12:00"), at("2026-10-05 12:00"))
        if each.kind is Kind.CLOCK_CHANGE and "hand-over" in each.sentence
    ]
    assert odd == (
        "The hand-over of primary, nights at 02:30 on Sun 04 Oct doesn't exist: it is at 03:00, when the clock is "
        "changed (Sun 04 Oct 03:00:00 AEDT (Sat 16:00 UTC))."
    )


def test_a_hand_over_that_comes_twice_is_the_first_and_reported() -> None:
    nightly = rota(Layer("nights", (("jo",), ("bob",)), date(2027, 4, 1), time(2, 30), DAY))
    begin, end = at("2027-04-03 12:00"), at("2027-04-05 12:00")
    found = shifts(nightly, begin, end)
    assert found[1].begin == datetime(2027, 4, 3, 15, 30, tzinfo=UTC)
    assert found[1].end - found[1].begin == timedelta(hours=25)
    sentences = [each.sentence for each in problems_of(nightly, {}, {}, begin, end)]
    assert any("02:30 on Sun 04 Apr comes twice: it is at the first of the two" in each for each in sentences)
    assert any("Clocks in Australia/Sydney go back by 1 h at Sun 04 Apr 02:00:00 AEST" in each for each in sentences)


def test_an_hour_that_the_clock_skips_whole_is_nobodys_turn_and_reported() -> None:
    hourly = rota(Layer("hours", (("jo",), ("bob",), ("kim",)), date(2026, 10, 3), time(0), 3600))
    begin, end = at("2026-10-04 00:00"), at("2026-10-04 06:00")
    people = [each.people for each in shifts(hourly, begin, end) if isinstance(each, Shift)]
    assert people == [("jo",), ("bob",), ("jo",), ("bob",), ("kim",)], "the turn from 2:00 to 3:00 was kim's"
    sentences = [each.sentence for each in problems_of(hourly, {}, {}, begin, end)]
    assert any("The turn of kim in primary, hours is left out" in each for each in sentences)


def test_lord_howe_puts_its_clocks_forward_by_half_an_hour() -> None:
    island = rota(Layer("1", (("jo",), ("bob",)), date(2026, 10, 1), time(2, 15), DAY), zone="Australia/Lord_Howe")
    found = shifts(island, at("2026-10-03 12:00", island.zone), at("2026-10-04 12:00", island.zone))
    assert found[1].begin == datetime(2026, 10, 3, 15, 30, tzinfo=UTC), "2:00 becomes 2:30"


def test_a_higher_layer_wins_in_its_hours_and_only_there() -> None:
    days = Layer("days", (("kim",),), MONDAY, time(9), WEEK, level=1, windows=windows_of("mon-fri 09:00-17:00"))
    both = rota(WEEKLY, days)
    assert who(both, "2026-11-03 10:00") == ("kim",)
    assert who(both, "2026-11-03 17:00") == ("jo",)
    assert who(both, "2026-11-07 10:00") == ("jo",), "a Saturday"


def test_a_turn_of_nobody_leaves_it_to_the_layer_below() -> None:
    above = Layer("2", (("kim",), ()), MONDAY, time(9), WEEK, level=1)
    both = rota(WEEKLY, above)
    assert who(both, "2026-11-04 09:00") == ("kim",)
    assert who(both, "2026-11-11 09:00") == ("bob",)
    alone = on_call(rota(above), at("2026-11-11 09:00"))
    assert isinstance(alone, Gap)
    assert alone.reason == "the turn is nobody's"


def test_layers_of_one_level_are_on_call_together() -> None:
    second = Layer("2", (("kim", "jo"),), MONDAY, time(9), WEEK)
    assert who(rota(WEEKLY, second), "2026-11-03 10:00") == ("jo", "kim")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mon-tue 09:00-17:00", [WeeklyWindow(0, time(9), 8 * 3600), WeeklyWindow(1, time(9), 8 * 3600)]),
        ("sat 22:00-06:00", [WeeklyWindow(5, time(22), 8 * 3600)]),
        ("fri 17:00-mon 09:00", [WeeklyWindow(4, time(17), 2 * DAY + 16 * 3600)]),
        ("mon 09:00-mon 09:00", [WeeklyWindow(0, time(9), WEEK)]),
        ("sun-mon 00:00-00:00", [WeeklyWindow(6, time(0), DAY), WeeklyWindow(0, time(0), DAY)]),
    ],
)
def test_hours_are_stretches_of_the_week(text: str, expected: list[WeeklyWindow]) -> None:
    assert list(windows_of(text)) == expected


def override(
    number: int, begin: str, end: str, *people: str, instead_of: str | None = None, **more: object
) -> Override:
    return Override(str(number), at(begin), at(end), people, instead_of, **more)  # type: ignore[arg-type]  # of a test


def test_the_later_override_wins_and_one_that_was_undone_counts_no_more() -> None:
    first = override(1, "2026-11-03 09:00", "2026-11-05 09:00", "kim")
    second = override(2, "2026-11-04 09:00", "2026-11-04 12:00", "ann")
    made = rota(WEEKLY, overrides=(first, second))
    assert who(made, "2026-11-03 09:00") == ("kim",)
    assert who(made, "2026-11-04 11:59") == ("ann",)
    assert who(made, "2026-11-04 12:00") == ("kim",)
    undone = override(2, "2026-11-04 09:00", "2026-11-04 12:00", "ann", undone_at=at("2026-11-03 10:00"))
    assert who(rota(WEEKLY, overrides=(first, undone)), "2026-11-04 11:59") == ("kim",)
    assert who(rota(WEEKLY, overrides=(first, undone)).as_of(at("2026-11-03 09:00")), "2026-11-04 11:59") == ("ann",)


def test_one_of_a_group_is_replaced_and_the_others_stay() -> None:
    pair = Layer("1", (("jo", "bob"),), MONDAY, time(9), WEEK)
    made = rota(pair, overrides=(override(1, "2026-11-03 09:00", "2026-11-04 09:00", "kim", instead_of="jo"),))
    assert who(made, "2026-11-03 10:00") == ("bob", "kim")


def test_who_takes_anothers_place_is_on_call_only_while_that_one_would_be() -> None:
    """From the middle of jo's week to the middle of bob's."""
    made = rota(WEEKLY, overrides=(override(1, "2026-11-06 09:00", "2026-11-12 09:00", "kim", instead_of="jo"),))
    assert who(made, "2026-11-06 09:00") == ("kim",)
    assert who(made, "2026-11-09 08:59") == ("kim",)
    assert who(made, "2026-11-09 09:00") == ("bob",)
    above = override(2, "2026-11-07 09:00", "2026-11-08 09:00", "ann", instead_of="kim")
    assert who(rota(WEEKLY, overrides=(*made.overrides, above)), "2026-11-07 09:00") == ("ann",)


def test_a_months_turn_begins_on_the_day_of_the_first_or_the_months_last() -> None:
    monthly = rota(Layer("1", (("jo",), ("bob",)), date(2026, 1, 31), time(9), 0, turn_months=1))
    begins = [each.begin for each in shifts(monthly, at("2026-02-01 00:00"), at("2026-06-15 00:00"))]
    assert begins[1:] == [at(f"2026-{each} 09:00") for each in ("02-28", "03-31", "04-30", "05-31")], (
        "at the same local time on either side of the clock change in April"
    )
    assert [who(monthly, f"2026-{each} 09:00") for each in ("02-27", "02-28", "03-31")] == [("jo",), ("bob",), ("jo",)]


def test_turns_that_days_without_hours_swallow_are_reported() -> None:
    """Friday's person isn't on call on Monday again by chance alone: seven turns a week for five days."""
    daily = Layer("1", (("jo",), ("bob",)), MONDAY, time(9), DAY, windows=windows_of("mon-fri 09:00-17:00"))
    fortnight = at("2026-11-02 09:00"), at("2026-11-16 09:00")
    found = {each.kind: each.sentence for each in problems_of(rota(daily), {}, {}, *fortnight)}
    assert found[Kind.OUTSIDE] == (
        "4 of 14 turns of primary, 1 lie wholly outside of its hours, the first is bob's on "
        "Sat 07 Nov 09:00:00 AEDT (Fri 22:00 UTC): turns go on over days without hours, so not everybody has as many "
        "shifts."
    )
    always = replace(daily, windows=())
    assert Kind.OUTSIDE not in {each.kind for each in problems_of(rota(always), {}, {}, *fortnight)}


def test_a_shift_under_an_override_isnt_cut_by_hand_overs_that_nobody_sees() -> None:
    made = rota(WEEKLY, overrides=(override(1, "2026-11-08 09:00", "2026-11-10 09:00", "kim"),))
    tile = on_call(made, at("2026-11-09 12:00"))
    assert (tile.begin, tile.end) == (at("2026-11-08 09:00"), at("2026-11-10 09:00"))
    assert isinstance(tile, Shift)
    assert str(tile.origin) == "override 1"


def test_an_override_of_one_layer_leaves_the_others_alone() -> None:
    second = Layer("2", (("kim",),), MONDAY, time(9), WEEK)
    limited = override(1, "2026-11-03 09:00", "2026-11-04 09:00", "ann", layers=("2",))
    assert who(rota(WEEKLY, second, overrides=(limited,)), "2026-11-03 10:00") == ("jo", "ann")


def test_entries_that_overlap_are_on_call_together() -> None:
    entries = (
        Entry(at("2026-11-03 09:00"), at("2026-11-03 12:00"), ("jo",)),
        Entry(at("2026-11-03 11:00"), at("2026-11-03 13:00"), ("bob",)),
    )
    made = Rota("primary", SYDNEY, calendars=(Calendar("x", entries),))
    found = shifts(made, at("2026-11-03 09:00"), at("2026-11-03 13:00"))
    assert [each.people for each in found if isinstance(each, Shift)] == [("jo",), ("jo", "bob"), ("bob",)]


def test_who_cant_be_reached_is_said_with_what_to_do() -> None:
    persons = {
        "jo": Person("jo", "Jo Smith", (ContactMethod(Channel.SMS, "+61400000000"),)),
        "bob": Person("bob", "bob", ()),
    }
    three = rota(Layer("1", (("jo",), ("bob",), ("max",)), MONDAY, time(9), WEEK))
    found = problems_of(three, persons, {}, at("2026-11-02 09:00"), at("2026-11-23 09:00"))
    assert [(each.kind, each.sentence) for each in found] == [
        (
            Kind.UNVERIFIED,
            "Jo Smith has never confirmed sms:+61400000000: omc oncall verify jo sms:+61400000000",
        ),
        (Kind.NO_CONTACT, "bob has no contact: set people.bob.contacts in omc.toml."),
        (Kind.UNKNOWN_PERSON, "max isn't in [people] of omc.toml, so nobody can be reached by that name."),
    ]
    confirmed = {"jo": ("sms:+61400000000",)}
    assert problems_of(three, persons, confirmed, at("2026-11-02 09:00"), at("2026-11-03 09:00")) == ()


def test_an_import_that_ends_is_reported_before_it_does() -> None:
    made = Rota("primary", SYDNEY, (WEEKLY,), known_until=at("2026-11-10 09:00"))
    kinds = [each.kind for each in problems_of(made, {}, {}, at("2026-11-02 09:00"), at("2026-11-23 09:00"))]
    assert Kind.ENDS in kinds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-25 03:00", datetime(2026, 12, 24, 16, tzinfo=UTC)),
        ("2026-12-25", datetime(2026, 12, 24, 13, tzinfo=UTC)),
        ("2026-12-25T03:00:00Z", datetime(2026, 12, 25, 3, tzinfo=UTC)),
        ("2026-12-25t03:00+01:00", datetime(2026, 12, 25, 2, tzinfo=UTC)),
        ("now", datetime(2026, 11, 1, tzinfo=UTC)),
        ("+2h", datetime(2026, 11, 1, 2, tzinfo=UTC)),
        ("12:00", datetime(2026, 11, 1, 1, tzinfo=UTC)),
        ("9:00", datetime(2026, 11, 1, 22, tzinfo=UTC)),
        ("mon 09:00", datetime(2026, 11, 1, 22, tzinfo=UTC)),
        ("sun 11:00", datetime(2026, 11, 1, 0, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_people_type_them(text: str, expected: datetime) -> None:
    assert at(text) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "25:00", "2026-13-01", "0001-01-01", "9999-12-31 23:59", "+", "fri"])
def test_what_is_no_time_is_wrong_use(text: str) -> None:
    with pytest.raises(WrongUse, match="is no time; allowed are"):
        at(text)
