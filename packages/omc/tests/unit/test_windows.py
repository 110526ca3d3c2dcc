"""Maintenance windows that come again: both clock changes of Sydney and of Berlin, weeks of a month, AWS's own form."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.config.windows import DAYS, MaintenanceWindow, merged, open_or_next
from omc.times import zone_named

ZONES = ("AEST", "+05:30", "-10:00", "UTC", "Australia/Sydney", "Australia/Lord_Howe", "Europe/Berlin",
         "America/New_York", "Africa/Cairo", "Pacific/Chatham")  # fmt: skip
QUARTERS = [time(hour, minute) for hour in range(24) for minute in (0, 30)]


def window(
    zone: str = "Australia/Sydney", day: str = "sunday", start: int = 2, end: int = 4, *weeks: int
) -> MaintenanceWindow:
    return MaintenanceWindow(day, time(start), time(end), zone_named(zone), zone, weeks=weeks)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "since", "begin", "end", "remark"),
    [
        ("Australia/Sydney", "2026-09-28", "2026-10-03T16:00", "2026-10-03T18:00", "02:00 doesn't come on this day"),
        ("Australia/Sydney", "2026-10-05", "2026-10-10T15:00", "2026-10-10T17:00", ""),
        ("Australia/Sydney", "2026-03-30", "2026-04-04T15:00", "2026-04-04T17:00", "go back in it: it ends at 03:00"),
        ("Australia/Sydney", "2026-04-06", "2026-04-11T16:00", "2026-04-11T18:00", ""),
        ("Europe/Berlin", "2026-03-23", "2026-03-29T01:00", "2026-03-29T03:00", "02:00 doesn't come on this day"),
        ("Europe/Berlin", "2026-10-19", "2026-10-25T00:00", "2026-10-25T02:00", "go back in it: it ends at 03:00"),
        ("Europe/Berlin", "2026-10-26", "2026-11-01T01:00", "2026-11-01T03:00", ""),
        ("Australia/Lord_Howe", "2026-09-28", "2026-10-03T15:30", "2026-10-03T17:30", "02:00 doesn't come on this day"),
        ("AEST", "2026-09-28", "2026-10-03T16:00", "2026-10-03T18:00", ""),
    ],
)
def test_the_window_on_the_days_on_which_clocks_change(
    zone: str, since: str, begin: str, end: str, remark: str
) -> None:
    first = next(window(zone).occurrences(utc(since)))
    assert (first.begin, first.end) == (utc(begin), utc(end))
    assert remark in first.remark if remark else first.remark == ""


def test_a_day_on_which_the_clocks_change_outside_of_the_window_is_marked_too() -> None:
    [first] = merged([window(start=22, end=23)], utc("2026-10-03"), utc("2026-10-05"))
    assert first.remark == "the clocks of Australia/Sydney change on this day, outside of it"


@pytest.mark.parametrize(
    ("weeks", "days"),
    [
        ((1,), ["01-03", "02-07", "03-07", "04-04"]),
        ((5,), ["01-31", "05-30", "08-29", "10-31"]),
        ((-1,), ["01-31", "02-28", "03-28", "04-25"]),
        ((2, 4), ["01-10", "01-24", "02-14", "02-28"]),
    ],
)
def test_some_weeks_of_each_month(weeks: tuple[int, ...], days: list[str]) -> None:
    occurrences = window("UTC", "saturday", 2, 4, *weeks).occurrences(utc("2026-01-01"))
    assert [f"{next(occurrences).begin:%m-%d}" for _ in range(4)] == days


@pytest.mark.parametrize(
    ("zone", "end", "aws"),
    [
        ("AEST", 4, "sat:16:00-sat:18:00"),
        ("Australia/Sydney", 4, "sat:16:00-sat:17:00"),  # 02:00 is 15:00 or 16:00 UTC
        ("Australia/Sydney", 3, ""),
        ("Europe/Berlin", 4, "sun:01:00-sun:02:00"),
        ("UTC", 4, "sun:02:00-sun:04:00"),
    ],
)
def test_what_aws_is_told_of_it(zone: str, end: int, aws: str) -> None:
    assert window(zone, end=end).aws == aws


def test_aws_knows_no_weeks_of_a_month() -> None:
    assert window("UTC", "sunday", 2, 4, 1).aws == ""


def test_the_part_for_aws_is_found_around_the_begin_of_the_week() -> None:
    assert window("Europe/Berlin", "monday", 1, 4).aws == "mon:00:00-mon:02:00"  # begins on Sunday 23:00 in summer


def test_of_open_windows_the_one_that_ends_last_and_else_the_next() -> None:
    short, long = window("UTC", "sunday", 2, 3), window("UTC", "sunday", 1, 5)
    inside = open_or_next([short, long], utc("2026-11-29T02:30"))
    assert inside is not None
    assert inside.window is long
    before = open_or_next([window("UTC", "tuesday"), short], utc("2026-11-29T12:00"))
    assert before is not None
    assert before.window.day == "tuesday"
    assert open_or_next([], utc("2026-11-29")) is None


windows = st.builds(
    lambda zone, day, start, end, weeks: MaintenanceWindow(day, start, end, zone_named(zone), zone, weeks=weeks),
    st.sampled_from(ZONES),
    st.sampled_from(DAYS),
    st.sampled_from(QUARTERS),
    st.sampled_from(QUARTERS),
    st.sets(st.sampled_from([1, 2, 3, 4, 5, -1]), max_size=2).map(lambda found: tuple(sorted(found))),
).filter(lambda found: found.start != found.end)
moments = st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: utc("2025-01-01") + timedelta(minutes=minutes))


@settings(max_examples=200, deadline=None)
@given(windows, moments)
def test_each_occurrence_is_as_long_as_the_window_and_none_is_left_out(found: MaintenanceWindow, now: datetime) -> None:
    occurrences = found.occurrences(now)
    first, second = next(occurrences), next(occurrences)
    assert first.end > now
    assert {first.end - first.begin, second.end - second.begin} == {found.length}
    assert first.begin < second.begin
    if not found.weeks:
        hours = abs((second.begin - first.begin) - timedelta(days=7))
        assert hours <= timedelta(hours=1)
    assert found.next_after(now) == (first.begin, first.end)
    assert found.next_after(first.end)[0] == second.begin
    for one in (first, second):
        begin = one.begin.astimezone(found.zone)
        assert f"{begin:%A}".lower() == found.day or one.remark
        assert begin.time() == found.start or one.remark


@settings(max_examples=60, deadline=None)
@given(windows)
def test_the_part_for_aws_lies_in_each_occurrence_but_for_days_on_which_clocks_change(found: MaintenanceWindow) -> None:
    if not found.aws:
        return
    theirs = MaintenanceWindow.from_aws(found.aws)
    assert theirs is not None
    assert theirs.length <= found.length
    for one in merged([found], utc("2026-01-10"), utc("2026-12-20")):
        assert one.remark or any(
            one.begin <= at.begin and at.end <= one.end for at in merged([theirs], one.begin, one.end)
        )
