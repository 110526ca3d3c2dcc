"""What people are told in time: reminders, shifts that moved, the weekly summary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from omc.model.pages import SHORT
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.model import WEEK, Layer, Override, Rota, WeeklyTime
from omc.oncall.notices import NoticeKind, due_notices, duties, page_of, recipient_of

ROTA = Rota("primary", "Australia/Sydney", (Layer("1", (("jo",), ("bob",)), date(2026, 11, 2), time(9), WEEK),))
HAND_OVER = datetime(2026, 11, 8, 22, tzinfo=UTC)
"""Monday 9 November, 9:00 in Sydney: jo to bob."""
DAY = timedelta(days=1)


def kinds(rota: Rota, since: datetime, until: datetime) -> list[tuple[str, str]]:
    return [(each.kind.value, each.person) for each in due_notices(rota, since, until)]


def test_a_shift_is_reminded_of_a_day_before() -> None:
    assert kinds(ROTA, HAND_OVER - 2 * DAY, HAND_OVER - DAY - timedelta(seconds=1)) == []
    (notice,) = due_notices(ROTA, HAND_OVER - DAY - timedelta(seconds=1), HAND_OVER - DAY)
    assert (notice.kind, notice.person, notice.begin) == (NoticeKind.REMINDER, "bob", HAND_OVER)
    assert notice.key == "notice:primary:reminder:bob:20261108t220000z:1440"
    assert notice.sentence == (
        "You are on call in primary in 24 h, from Mon 09 Nov 09:00:00 AEDT (Sun 22:00 UTC) for 7 d."
    )
    assert kinds(ROTA, HAND_OVER - DAY, HAND_OVER - timedelta(hours=1)) == []


def test_reminders_are_as_the_rota_has_them() -> None:
    twice = replace(ROTA, remind_minutes=(2880, 60))
    found = [each for each in due_notices(twice, HAND_OVER - 3 * DAY, HAND_OVER) if each.kind is NoticeKind.REMINDER]
    assert [each.due_at for each in found] == [HAND_OVER - 2 * DAY, HAND_OVER - timedelta(hours=1)]
    assert kinds(replace(ROTA, remind_minutes=()), HAND_OVER - 3 * DAY, HAND_OVER - DAY) == []


def test_the_week_is_summed_up_for_both_when_it_is_handed_over() -> None:
    found = [each for each in due_notices(ROTA, HAND_OVER - DAY, HAND_OVER) if each.kind is NoticeKind.SUMMARY]
    assert [(each.person, each.others, each.due_at) for each in found] == [
        ("bob", ("jo",), HAND_OVER),
        ("jo", ("bob",), HAND_OVER),
    ]
    assert found[0].sentence == "You take over primary: what came in the past week, and what is open."
    assert found[1].sentence == "You hand over primary: what came in the past week, and what is open."
    assert found[0].end - found[0].begin == timedelta(days=7)


def test_a_summary_that_was_due_before_isnt_due_again() -> None:
    assert kinds(ROTA, HAND_OVER, HAND_OVER + DAY) == []


def test_the_summary_comes_when_the_rota_says_so() -> None:
    friday = replace(ROTA, summary=WeeklyTime(4, time(16)))
    (notice,) = [
        each for each in due_notices(friday, HAND_OVER - 5 * DAY, HAND_OVER) if each.kind is NoticeKind.SUMMARY
    ]
    assert notice.due_at == datetime(2026, 11, 6, 5, tzinfo=UTC)
    assert notice.sentence.startswith("You stay on call in primary")


def covered(recorded_at: datetime, undone_at: datetime | None = None) -> Rota:
    begin = HAND_OVER + DAY
    override = Override(
        "1", begin, begin + DAY, ("kim",), instead_of="bob", recorded_at=recorded_at, undone_at=undone_at
    )
    return replace(ROTA, overrides=(override,))


def moved(rota: Rota, since: datetime, until: datetime) -> dict[str, str]:
    found = [each for each in due_notices(rota, since, until) if each.kind is NoticeKind.MOVED]
    return {f"{each.person} {number}": each.sentence for number, each in enumerate(found)}


def test_whoever_an_override_concerns_is_told_once() -> None:
    recorded = HAND_OVER - 3 * DAY
    rota = covered(recorded)
    assert moved(rota, recorded - DAY, recorded - timedelta(seconds=1)) == {}
    found = moved(rota, recorded - DAY, recorded)
    assert sorted(name.split()[0] for name in found) == ["bob", "bob", "kim"]
    assert any(each.startswith("You have a new shift in primary: Tue 10 Nov 09:00:00") for each in found.values())
    assert any(each.startswith("Your shift in primary moved: it was Mon 09 Nov 09:00:00") for each in found.values())
    assert moved(rota, recorded, recorded + DAY) == {}


def test_the_same_change_has_the_same_key_whenever_it_is_asked_for() -> None:
    recorded = HAND_OVER - 3 * DAY
    rota = covered(recorded)
    one = {each.key for each in due_notices(rota, recorded - DAY, recorded) if each.kind is NoticeKind.MOVED}
    other = {each.key for each in due_notices(rota, recorded - DAY, recorded + DAY) if each.kind is NoticeKind.MOVED}
    assert one == other
    assert len(one) == 3


def test_an_override_that_is_undone_is_told_as_well() -> None:
    recorded = HAND_OVER - 3 * DAY
    rota = covered(recorded, recorded + timedelta(hours=1))
    found = moved(rota, recorded, recorded + DAY)
    assert any(each.startswith("You aren't on call in primary any more: Tue 10 Nov") for each in found.values())
    assert moved(rota, recorded - DAY, recorded + DAY) == {}, "nothing has changed between the two"


def test_another_version_of_the_rota_moves_shifts_too() -> None:
    after = replace(ROTA, layers=(replace(ROTA.layers[0], turns=(("bob",), ("jo",))),))
    now = HAND_OVER - 3 * DAY
    found = [each for each in due_notices(after, now - DAY, now, before=ROTA) if each.kind is NoticeKind.MOVED]
    assert {each.person for each in found} == {"jo", "bob"}


def test_a_channel_is_told_who_is_on_call_at_each_change_or_at_a_time_of_day() -> None:
    def told(rota: Rota, since: datetime, until: datetime) -> list[str]:
        return [each.sentence for each in due_notices(rota, since, until) if each.kind is NoticeKind.ON_CALL]

    announced = replace(ROTA, channel="#on-call")
    before, after = HAND_OVER - timedelta(minutes=2), HAND_OVER + timedelta(minutes=3)
    expected = "bob is on call in primary until Mon 16 Nov 09:00:00 AEDT (Sun 22:00 UTC)."
    assert told(announced, before, after) == [f"{expected} Before: jo."]
    assert told(announced, after, after + DAY) == told(ROTA, before, after) == []
    recorded = HAND_OVER + DAY
    override = Override("1", HAND_OVER, HAND_OVER + 2 * DAY, ("kim",), recorded_at=recorded)
    taken = told(replace(announced, overrides=(override,)), recorded - DAY, recorded)
    assert taken == ["kim is on call in primary until Wed 11 Nov 09:00:00 AEDT (Tue 22:00 UTC). Before: bob."]
    at_nine = replace(announced, tell=("09:00",))
    assert told(at_nine, before, after) == [expected]
    assert len(told(at_nine, before, before + 3 * DAY)) == 3
    empty = replace(at_nine, layers=())
    assert told(empty, before, after)[0].startswith("Nobody is on call in primary until ")

    [notice] = [each for each in due_notices(announced, before, after) if each.kind is NoticeKind.ON_CALL]
    channel = recipient_of(notice, {})
    assert channel is not None
    assert page_of(notice, channel, "staging").methods == (ContactMethod(Channel.SLACK, "#on-call"),)
    assert notice.key == "notice:primary:on-call:channel:20261108t220000z:changes"


def test_a_change_far_ahead_is_told_when_it_is_made() -> None:
    recorded, begin = HAND_OVER, HAND_OVER + timedelta(days=200)
    override = Override("1", begin, begin + DAY, ("kim",), recorded_at=recorded)
    found = moved(replace(ROTA, overrides=(override,)), recorded - DAY, recorded)
    assert any("You have a new shift" in each for each in found.values())


def test_a_duty_goes_on_over_shifts_without_a_break() -> None:
    alone = replace(ROTA, layers=(replace(ROTA.layers[0], turns=(("jo",),)),))
    (duty,) = duties(alone, HAND_OVER - 10 * DAY + timedelta(hours=1), HAND_OVER + 10 * DAY)
    assert duty.person == "jo"
    assert due_notices(replace(alone, summary=None), HAND_OVER - DAY, HAND_OVER - timedelta(hours=1)) == ()


def test_a_notice_is_a_page_that_wakes_nobody() -> None:
    jo = Person("jo", "Jo", (ContactMethod(Channel.SMS, "+61400000000"),))
    recorded = HAND_OVER - 3 * DAY
    for notice in due_notices(covered(recorded), recorded - DAY, HAND_OVER):
        page = page_of(notice, jo, "staging")
        assert not page.is_urgent
        assert page.key == notice.key
        assert len(page.message.short) <= SHORT
        assert notice.sentence in (page.message.short, *page.message.lines)
