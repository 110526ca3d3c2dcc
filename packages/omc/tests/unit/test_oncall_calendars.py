"""Calendars of strangers as rotas, and ours as calendars. Each case is a file that made a reader stumble once."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.feeds import person_feed, rota_feed
from omc.oncall.imports.calendars import read_calendar
from omc.oncall.imports.draft import Draft, Finder, WrongFile, changes, compared, people_of
from omc.oncall.imports.read import SourceFile, read_files
from omc.oncall.model import DAY, WEEK, Calendar, Entry, Layer, Override, Rota, Shift
from omc.oncall.schedule import on_call, shifts

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SYDNEY = "Australia/Sydney"
JO = Person("jo", "Jo Smith", (ContactMethod(Channel.EMAIL, "jo@example.com"),))
BOB = Person("bob", "Bob", ())
PERSONS = {"jo": JO, "bob": BOB}


def event(*lines: str, uid: str = "1") -> str:
    return "\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20261101T000000Z", *lines, "END:VEVENT"])


def read(*parts: str, finder: Finder | None = None, zone: str = SYDNEY) -> Draft:
    text = "\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *parts, "END:VCALENDAR", ""])
    return read_calendar(text.replace("\n", "\r\n").encode(), "primary", zone, finder or Finder(PERSONS), NOW)


def entries(draft: Draft, level: int = 0) -> list[tuple[datetime, timedelta, tuple[str, ...]]]:
    return [
        (each.begin, each.end - each.begin, each.people)
        for calendar in draft.rota.calendars
        if calendar.level == level
        for each in calendar.entries
    ]


TIMES = ("DTSTART:20261201T090000Z", "DTEND:20261201T170000Z")
NINE, EIGHT_HOURS = datetime(2026, 12, 1, 9, tzinfo=UTC), timedelta(hours=8)


@pytest.mark.parametrize(
    "lines",
    [
        ("SUMMARY:jo",),
        ("SUMMARY:Jo Smith",),
        ("SUMMARY:JO SMITH ",),
        ("SUMMARY:On Call - Jo Smith - Primary",),
        ("SUMMARY:jo@example.com",),
        ("SUMMARY:whatever", "ATTENDEE;CN=Jo:mailto:jo@example.com"),
        ("SUMMARY:bob", "ATTENDEE:MAILTO:JO@EXAMPLE.COM", "ATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.com"),
    ],
)
def test_a_person_is_found_by_any_of_her_names(lines: tuple[str, ...]) -> None:
    assert entries(read(event(*TIMES, *lines))) == [(NINE, EIGHT_HOURS, ("jo",))]


def test_several_events_with_one_uid_are_all_read_and_that_is_said() -> None:
    later = ("DTSTART:20261202T090000Z", "DTEND:20261202T170000Z")
    draft = read(event(*TIMES, "SUMMARY:jo"), event(*later, "SUMMARY:bob"))
    assert [people for _, _, people in entries(draft)] == [("jo",), ("bob",)]
    assert any("has the UID of another one; both are read" in note for note in draft.notes)


def test_somebody_unknown_gets_an_id_and_is_named() -> None:
    finder = Finder(PERSONS)
    draft = read(event(*TIMES, "SUMMARY:Zoë O'Neil, bob"), finder=finder)
    assert entries(draft)[0][2] == ("bob",), "whoever is known is meant where somebody is"
    draft = read(event(*TIMES, "SUMMARY:Zoë O'Neil"), finder=finder)
    assert entries(draft)[0][2] == ("zoe-o-neil",)
    assert people_of(draft, finder) == ("Zoë O'Neil (as zoe-o-neil)",)
    assert entries(read(event(*TIMES, "SUMMARY:Zoë O'Neil"), finder=Finder(PERSONS, {"Zoë O'Neil": "jo"})))[0][2] == (
        "jo",
    )


def test_an_id_in_a_file_of_a_stranger_is_a_name_like_any_other() -> None:
    finder = Finder(PERSONS)
    draft = read(event(*TIMES, "X-OMC-PERSON:../Evil One", "SUMMARY:jo"), finder=finder)
    assert entries(draft)[0][2] == ("evil-one",)
    assert people_of(draft, finder) == ("../Evil One (as evil-one)",)


def test_levels_are_as_oncall_writes_them() -> None:
    draft = read(event(*TIMES, "SUMMARY:[L2] jo"), event(*TIMES, "SUMMARY:bob", uid="2"))
    assert entries(draft, 2)[0][2] == ("jo",)
    assert entries(draft, 0)[0][2] == ("bob",)
    tile = on_call(draft.rota, NINE)
    assert isinstance(tile, Shift)
    assert tile.people == ("jo",)


def test_a_series_keeps_its_local_time_and_is_read_for_a_while() -> None:
    weekly = event(
        "DTSTART;TZID=Australia/Sydney:20261130T090000",
        "DTEND;TZID=Australia/Sydney:20261207T090000",
        "RRULE:FREQ=WEEKLY",
        "SUMMARY:jo",
    )
    draft = read(weekly)
    found = entries(draft)
    assert len(found) == 58
    assert found[0][0] == datetime(2026, 11, 29, 22, tzinfo=UTC)
    assert found[20][0] == datetime(2027, 4, 18, 23, tzinfo=UTC), "after the clocks went back"
    assert draft.rota.known_until == NOW + timedelta(days=400)
    assert "It repeats for ever" in draft.notes[0]


@pytest.mark.parametrize("until", ["20261202T220000Z", "20261203T090000", "20261203"])
def test_a_series_ends_when_it_says_in_whatever_form(until: str) -> None:
    daily = ("DTSTART;TZID=Australia/Sydney:20261201T090000", "DTEND;TZID=Australia/Sydney:20261201T170000")
    draft = read(event(*daily, f"RRULE:FREQ=DAILY;UNTIL={until}", "SUMMARY:jo"))
    assert [each[0].day for each in entries(draft)] == [30, 1, 2], "9:00 in Sydney is the day before in UTC"


def test_a_day_and_a_floating_time_are_the_zones_of_the_rota() -> None:
    draft = read(
        event("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261203", "SUMMARY:jo"),
        event("DTSTART:20261205T090000", "DTEND:20261205T100000", "SUMMARY:bob", uid="2"),
    )
    assert entries(draft) == [
        (datetime(2026, 11, 30, 13, tzinfo=UTC), timedelta(days=2), ("jo",)),
        (datetime(2026, 12, 4, 22, tzinfo=UTC), timedelta(hours=1), ("bob",)),
    ]
    named = read("X-WR-TIMEZONE:Europe/Dublin", event("DTSTART;VALUE=DATE:20261201", "SUMMARY:jo"))
    assert entries(named) == [(datetime(2026, 12, 1, tzinfo=UTC), timedelta(days=1), ("jo",))]
    assert named.rota.zone == "Europe/Dublin"
    wrong = read("X-WR-TIMEZONE:Mars/Base", event("DTSTART;VALUE=DATE:20261201", "SUMMARY:jo"))
    assert (wrong.rota.zone, wrong.notes) == (
        SYDNEY,
        ("The calendar's time zone Mars/Base isn't known; Australia/Sydney is used.",),
    )


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("DTSTART;TZID=America/New_York:20261201T090000", "DTEND:20261201T100000"),
        ("DTSTART:20261201T090000", "DTEND;TZID=America/New_York:20261201T100000"),
    ],
)
def test_a_zone_that_one_end_has_is_the_others_too(begin: str, end: str) -> None:
    draft = read(event(begin, end, "SUMMARY:jo"))
    assert entries(draft) == [(datetime(2026, 12, 1, 14, tzinfo=UTC), timedelta(hours=1), ("jo",))]
    assert "that of its other end is used" in draft.notes[0]


def test_one_occurrence_that_was_moved_and_one_that_was_cancelled() -> None:
    draft = read(
        event(*TIMES, "RRULE:FREQ=DAILY;COUNT=4", "EXDATE:20261202T090000Z", "SUMMARY:jo"),
        event("RECURRENCE-ID:20261203T090000Z", "DTSTART:20261203T100000Z", "DTEND:20261203T110000Z", "SUMMARY:bob"),
        event("RECURRENCE-ID:20261204T090000Z", *TIMES, "STATUS:CANCELLED", "SUMMARY:jo"),
    )
    assert [(each[0].day, each[2]) for each in entries(draft)] == [(1, ("jo",)), (3, ("bob",))]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("SUMMARY:jo",), "it has no DTSTART"),
        (("DTSTART:20261201T090000Z", "SUMMARY:jo"), "it has no length"),
        (("DTSTART:20261201T090000Z", "DTSTART:20261202T090000Z", "SUMMARY:jo"), "it has several DTSTART"),
        (("DTSTART:20261201T090000Z", "DTEND:20261201T080000Z", "SUMMARY:jo"), "it ends before it begins"),
        (TIMES, "it names nobody"),
        ((*TIMES, "SUMMARY:"), "it names nobody"),
        ((*TIMES, "RRULE:FREQ=SECONDLY", "SUMMARY:jo"), "it repeats more often than shifts do"),
        ((*TIMES, "RRULE:FREQ=MINUTELY;COUNT=3", "SUMMARY:jo"), "it repeats more often than shifts do"),
        ((*TIMES, "RRULE:FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5", "SUMMARY:jo"), "more often than shifts do"),
        (("DTSTART:19010101T000000Z", "DURATION:PT1H", "RRULE:FREQ=HOURLY", "SUMMARY:jo"), "every hour for decades"),
        (("DTSTART;VALUE=DATE:20261201", "DTEND:20261201T170000Z", "SUMMARY:jo"), "its dates don't fit together"),
        (("DTSTART:20261201T090000Z", "DTEND:later", "SUMMARY:jo"), "couldn't be read"),
        (("DTSTART:tomorrow", "DTEND:later", "SUMMARY:jo"), ""),
    ],
)
def test_what_cant_be_read_is_named_and_costs_no_more_than_itself(lines: tuple[str, ...], expected: str) -> None:
    draft = read(event(*lines, uid="broken"), event(*TIMES, "SUMMARY:bob", uid="2"))
    assert entries(draft) == [(NINE, EIGHT_HOURS, ("bob",))]
    assert len(draft.unread) == 1
    assert expected in draft.unread[0]
    assert draft.unread[0].startswith(("The event ", "Event 1"))


@pytest.mark.parametrize("rule", ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=HOURLY;BYMONTH=4,6;BYMONTHDAY=31,-31"])
def test_a_rule_that_never_comes_isnt_looked_for(rule: str) -> None:
    draft = read(event(*TIMES, f"RRULE:{rule}", "SUMMARY:jo"))
    assert draft.unread == ('The event "jo" was left out: its rule never comes.',)


def test_a_file_that_is_broken_as_a_whole_is_read_event_by_event() -> None:
    draft = read(
        event(*TIMES, "SUMMARY:jo"), event(*TIMES, "no colon in this line", "SUMMARY:bob", uid="2"), "END:VEVENT"
    )
    assert ("jo",) in [each[2] for each in entries(draft)]
    assert any("isn't valid as a whole" in each for each in draft.notes)


def test_a_broken_file_of_many_events_and_zones_is_read_event_by_event() -> None:
    """Each event with the zones that it names: with all of them a file of a megabyte took minutes."""
    zone = (
        "BEGIN:VTIMEZONE\nTZID:Zone{0}\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\n"
        "TZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE"
    )
    zones = [zone.format(number) for number in range(60)]
    days = range(1, 29)
    many = [
        event(f"DTSTART;TZID=Zone7:202612{day:02}T090000", "DURATION:PT1H", "SUMMARY:jo", uid=str(day)) for day in days
    ]
    draft = read(*zones, *many, event("DTSTART:x", uid="broken"), "END:VEVENT")
    assert [each[0] for each in entries(draft)] == [datetime(2026, 12, day, 8, tzinfo=UTC) for day in days]


def test_bytes_that_are_no_utf_8_are_read() -> None:
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{event(*TIMES, 'SUMMARY:Zoë')}\nEND:VCALENDAR\n"
    for content in (text.encode("latin-1"), text.encode("utf-8-sig"), text.encode("utf-16")):
        draft = read_calendar(content, "primary", SYDNEY, Finder({}), NOW)
        assert len(entries(draft)) == 1


def test_other_components_are_counted_and_left_out() -> None:
    draft = read(event(*TIMES, "SUMMARY:jo"), "BEGIN:VTODO\nUID:9\nSUMMARY:x\nEND:VTODO")
    assert draft.notes == ("1 VTODO were left out: only events are shifts.",)


@pytest.mark.parametrize("content", [b"", b"hello", b"BEGIN:VCARD\nEND:VCARD\n", b"\x00\xff\xfe", b"{}"])
def test_what_is_no_calendar_is_said_so(content: bytes) -> None:
    with pytest.raises(WrongFile, match="no iCalendar file"):
        read_calendar(content, "primary", SYDNEY, Finder({}), NOW)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 300))
def test_no_bytes_in_a_calendar_make_it_crash(noise: bytes, place: int) -> None:
    whole = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{event(*TIMES, 'SUMMARY:jo')}\nEND:VCALENDAR\n".encode()
    with contextlib.suppress(WrongFile):
        read_calendar(whole[:place] + noise + whole[place:], "primary", SYDNEY, Finder({}), NOW)


PEOPLE = st.lists(st.sampled_from(["jo", "bob", "max"]), max_size=2, unique=True).map(tuple)


@st.composite
def rotas(draw: st.DrawFn) -> Rota:
    layers = tuple(
        Layer(
            str(number),
            tuple(draw(st.lists(PEOPLE, min_size=1, max_size=3))),
            date(2026, 10, 1) + timedelta(days=draw(st.integers(0, 90))),
            draw(st.sampled_from([time(0), time(2, 30), time(9)])),
            draw(st.sampled_from([12 * 3600, DAY, WEEK])),
        )
        for number in range(draw(st.integers(1, 2)))
    )
    begin = NOW + timedelta(hours=draw(st.integers(0, 1000)))
    override = Override("1", begin, begin + timedelta(minutes=draw(st.integers(1, 5000))), ("kim",))
    return Rota("primary", draw(st.sampled_from([SYDNEY, "Europe/Dublin"])), layers, overrides=(override,))


@settings(max_examples=25, deadline=None)
@given(rotas())
def test_a_rota_comes_back_from_icalendar_as_it_went(rota: Rota) -> None:
    end = NOW + timedelta(days=60)
    feed = rota_feed(rota, PERSONS, NOW, end, NOW)
    draft = read_calendar(feed, "primary", SYDNEY, Finder(PERSONS), NOW)
    assert draft.unread == ()
    assert changes(rota, draft.rota, NOW, end) == ()
    assert draft.rota.zone == rota.zone


def test_a_persons_feed_has_her_shifts_of_all_rotas() -> None:
    one = Rota("primary", SYDNEY, (Layer("1", (("jo",), ("bob",)), date(2026, 11, 2), time(9), WEEK),))
    other = Rota("secondary", SYDNEY, (Layer("1", (("bob",), ("jo",)), date(2026, 11, 2), time(9), WEEK),))
    end = NOW + timedelta(days=28)
    feed = person_feed("jo", PERSONS, {"primary": one, "secondary": other}, NOW, end, NOW)
    draft = read_calendar(feed, "jo", SYDNEY, Finder(PERSONS), NOW)
    wanted = [
        Entry(each.begin, each.end, ("jo",))
        for rota in (one, other)
        for each in shifts(rota, NOW, end)
        if isinstance(each, Shift) and each.people == ("jo",)
    ]
    assert compared(wanted, list(draft.rota.calendars[0].entries), NOW, end) == ()
    text = feed.decode()
    assert "mailto:jo@example.com" in text.replace("\r\n ", "")
    assert text.count("BEGIN:VEVENT") == len({line for line in text.splitlines() if line.startswith("UID:")})
    assert feed == person_feed("jo", PERSONS, {"primary": one, "secondary": other}, NOW, end, NOW)


def test_an_event_keeps_its_uid_whenever_the_feed_is_asked_for() -> None:
    rota = Rota("primary", SYDNEY, (Layer("1", (("jo",), ("bob",)), date(2026, 11, 2), time(9), WEEK),))
    end = NOW + timedelta(days=7)

    def uids(at: datetime) -> tuple[list[bytes], list[bytes]]:
        both = rota_feed(rota, PERSONS, at, end, at), person_feed("jo", PERSONS, {"primary": rota}, at, end, at)
        found = [[line for line in feed.splitlines() if line.startswith(b"UID:")] for feed in both]
        return found[0], found[1]

    assert uids(NOW) == uids(NOW + timedelta(hours=7))


def test_a_gap_stands_in_the_feed_and_is_nobodys_when_it_comes_back() -> None:
    rota = Rota("primary", SYDNEY, calendars=(Calendar("x", (Entry(NINE, NINE + EIGHT_HOURS, ("jo",)),)),))
    feed = rota_feed(rota, PERSONS, NOW, NOW + timedelta(days=3), NOW)
    assert feed.count(b"SUMMARY:Nobody is on call in primary") == 2
    assert entries(read_calendar(feed, "primary", SYDNEY, Finder(PERSONS), NOW)) == [(NINE, EIGHT_HOURS, ("jo",))]


def test_a_file_gives_the_rota_its_name(tmp_path: Path) -> None:
    content = rota_feed(Rota("x", SYDNEY), {}, NOW, NOW + timedelta(days=1), NOW)
    (draft,) = read_files("calendar", [SourceFile("Night Shifts.ics", content)], SYDNEY, Finder({}), NOW)
    assert draft.rota.name == "night-shifts"
