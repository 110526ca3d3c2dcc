"""Who is paged when, one story at a time. What holds for every story is in tests/property."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from omc.errors import Refused
from omc.incidents.events import (
    Acknowledged,
    AcknowledgementExpired,
    AlertEnded,
    AlertJoined,
    Mitigated,
    Noted,
    PageFailed,
    Reopened,
    Resolved,
    RoleAssigned,
    SeverityChanged,
    Snoozed,
    SnoozeEnded,
    StepSkipped,
    Unhealthy,
    UpdateSent,
    UpdateSkipped,
)
from omc.judgement.escalation import Rung
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.business import BusinessHours
from omc.responder.escalation import page_next, page_person
from support.incident_life import PEOPLE, POLICY, START, Life, minutes, roster

EVERYBODY = ["ann", "bob", "cy", "dee"]
ALARM = AlertJoined("a1", "backend-no-healthy", 1, "backend")


def acknowledged(life: Life, person: str = "ann", lasts: float | None = 60) -> Life:
    return life.happens(Acknowledged(person, None if lasts is None else life.now + minutes(lasts)))


def test_until_somebody_has_it_the_chain_is_paged_rung_by_rung_then_all_of_it_each_hour() -> None:
    life = Life().open().after(125)
    assert life.paged() == [
        (0, "ann"),
        (15, "bob"),
        (30, "cy"),
        (45, "dee"),
        *[(60, who) for who in EVERYBODY],
        *[(120, who) for who in EVERYBODY],
    ]
    assert len({page.key for _, page in life.pages}) == 12


def test_who_has_acknowledged_ends_the_paging() -> None:
    life = acknowledged(Life().open().after(20), "bob").after(29)
    assert life.paged() == [(0, "ann"), (15, "bob")]


def test_acknowledged_but_not_mitigated_the_next_in_the_chain_joins_each_half_hour() -> None:
    life = acknowledged(Life().open().after(10), lasts=None).after(300)
    assert life.paged() == [(0, "ann"), (40, "bob"), (70, "cy"), (100, "dee")]


def test_what_is_mitigated_pages_nobody() -> None:
    life = acknowledged(Life().open().after(10)).happens(Mitigated("scaled out")).after(600)
    assert life.paged() == [(0, "ann")]


def test_acknowledging_again_does_not_put_off_the_next_in_the_chain() -> None:
    life = acknowledged(Life().open().after(10))
    acknowledged(life.after(25), "bob")
    assert life.after(10).paged() == [(0, "ann"), (40, "cy")], "bob has it"


def test_an_acknowledgement_on_which_nothing_follows_lapses_and_the_chain_begins_again() -> None:
    policy = replace(POLICY, mitigation=timedelta(days=1))
    life = acknowledged(Life(policy).open().after(10)).after(90)
    assert life.paged() == [(0, "ann"), (70, "ann"), (85, "bob"), (100, "cy")]
    assert life.happened(AcknowledgementExpired)


def test_a_sign_of_work_keeps_the_acknowledgement() -> None:
    policy = replace(POLICY, mitigation=timedelta(days=1))
    life = acknowledged(Life(policy).open()).after(50).happens(Noted("looking at the database")).after(59)
    assert life.paged() == [(0, "ann")]
    assert life.after(1).paged() == [(0, "ann"), (110, "ann")]


def test_a_sev_1_pages_the_whole_chain_at_once_and_each_person_once() -> None:
    life = Life(on_call=roster("ann", "bob", "ann", "dee")).open(1).after(59)
    assert life.paged() == [(0, "ann"), (0, "bob"), (0, "dee")]
    skipped = life.happened(StepSkipped)
    assert [(each.step, each.why) for each in skipped if isinstance(each, StepSkipped)] == [
        (2, "Ann is paged already as primary")
    ]


def test_what_becomes_a_sev_1_pages_everybody_but_who_has_it() -> None:
    life = acknowledged(Life().open().after(5)).after(5).happens(SeverityChanged(1))
    assert life.paged() == [(0, "ann"), (10, "bob"), (10, "cy"), (10, "dee")]


def test_what_gets_worse_while_nobody_has_it_begins_again() -> None:
    life = Life().open().after(5).happens(SeverityChanged(1)).after(59)
    assert life.paged() == [(0, "ann"), *[(5, who) for who in EVERYBODY]]


RAISED_FROM = {
    "nobody was paged yet": lambda life: life,
    "paged": lambda life: life.after(5),
    "acknowledged by whoever was paged": lambda life: acknowledged(life.after(5)),
    "acknowledged by another of the chain": lambda life: acknowledged(life.after(5), "bob"),
    "acknowledged by nobody of the chain": lambda life: acknowledged(life.after(5), "eve"),
    "acknowledged and mitigated": lambda life: acknowledged(life.after(5)).happens(Mitigated("scaled out")),
    "snoozed": lambda life: life.after(5).happens(Snoozed(life.now + minutes(60), "tomorrow")),
    "acknowledged and snoozed": lambda life: acknowledged(life).happens(Snoozed(life.now + minutes(60), "tomorrow")),
}
QUIET = {
    f"{name}, and its alerts have ended": lambda life, before=before: (
        before(life.happens(ALARM)).happens(AlertEnded("a1")).after(2)
    )
    for name, before in RAISED_FROM.items()
}


@pytest.mark.parametrize("who", [EVERYBODY, ["ann", "ann", "nobody is on call", "bob"], ["ann", "ann", "ann", "ann"]])
@pytest.mark.parametrize(("before", "after"), [(3, 2), (3, 1), (2, 1)])
@pytest.mark.parametrize("was", [*RAISED_FROM, *QUIET])
def test_a_raise_pages_whom_its_severity_calls_for_or_says_why_not(
    was: str, before: int, after: int, who: list[str]
) -> None:
    life = (RAISED_FROM | QUIET)[was](Life(on_call=roster(*who)).open(before))
    held, count, known = life.incident.acknowledgement, len(life.pages), len(life.incident.events)
    life.happens(SeverityChanged(after))
    paged = [page.recipient for _, page in life.pages[count:] if page.key.startswith("page:")]
    reachable = list(dict.fromkeys(each for each in who if each in PEOPLE))
    holder = held.person if held else None
    followed = [each.payload for each in life.incident.events[known:]]
    if after == 1:
        assert paged == [each for each in reachable if each != holder], "all hands but who has it"
        assert len(paged) + sum(isinstance(each, StepSkipped) for each in followed) == len(who), "each rung is told of"
    elif holder is None:
        assert paged == ["ann"], "the primary"
    else:
        assert paged == []
        assert Noted(f"Nobody is paged for SEV-2: {PEOPLE[holder].name} has it already.") in followed
        assert life.after(20).happened(Noted) == [each for each in followed if isinstance(each, Noted)], "said once"


def test_what_was_raised_while_it_was_quiet_ends_after_quiet_minutes_of_its_own() -> None:
    life = Life().open().happens(ALARM).after(5).happens(AlertEnded("a1")).after(14).happens(SeverityChanged(1))
    assert life.after(14).incident.is_open
    assert life.after(1).incident.resolved_at == START + minutes(34)


def test_what_is_less_bad_goes_on_where_it_was() -> None:
    life = Life().open(1).after(5).happens(SeverityChanged(2)).after(56)
    assert life.paged() == [*[(0, who) for who in EVERYBODY], *[(60, who) for who in EVERYBODY]]


def test_a_rung_on_which_nobody_can_be_reached_is_skipped_at_once_and_that_is_said() -> None:
    unreachable = Person("fay", "Fay", ())
    life = Life(on_call=["nobody is on call", unreachable, PEOPLE["cy"], PEOPLE["dee"]]).open().after(45)
    assert life.paged() == [(0, "cy"), (15, "dee")], "the waits for those who aren't there are left out"
    assert life.happened(StepSkipped) == [
        StepSkipped(0, 0, "primary: nobody is on call"),
        StepSkipped(1, 0, "Fay (secondary) has no way to be reached in omc.toml"),
    ]


def test_a_page_that_reached_nobody_gives_the_next_rung_its_turn() -> None:
    life = Life().open().after(2).fails().after(12)
    assert life.paged() == [(0, "ann"), (2, "bob")]
    assert life.after(40).paged() == [(0, "ann"), (2, "bob"), (15, "cy"), (30, "dee")]


def test_where_every_page_fails_nobody_is_paged_again_before_the_hour() -> None:
    life = Life().open()
    for _ in range(4):
        life.fails()
    assert life.after(59).paged() == [(0, who) for who in EVERYBODY]
    assert life.notices() == [(0, "#incidents")]
    assert len(life.after(1).paged()) == 8


def test_several_who_are_on_call_together_are_paged_together() -> None:
    life = Life(on_call=[(PEOPLE["ann"], PEOPLE["eve"]), *roster("bob", "cy", "dee")]).open()
    assert life.paged() == [(0, "ann"), (0, "eve")]
    life.fails().after(5)
    assert life.paged() == [(0, "ann"), (0, "eve")], "ann may have hers"
    life.happens(PageFailed("ann", life.pages[0][1].key, "nothing reaches ann."))
    assert life.paged() == [(0, "ann"), (0, "eve"), (5, "bob")]


def test_where_nobody_can_be_reached_a_channel_is_told_and_it_is_tried_again() -> None:
    life = Life(on_call=roster(*["nobody is on call"] * 4)).open().after(12)
    assert (life.paged(), life.notices()) == ([], [(0, "#incidents")])
    life.on_call[2] = PEOPLE["eve"]
    assert life.after(10).paged() == [(15, "eve")]


def test_a_rota_that_can_not_be_read_is_a_rung_without_anybody() -> None:
    def broken(*_: object) -> Person:
        raise ZeroDivisionError("in the rota")

    life = Life()
    life.resolve = broken  # type: ignore[method-assign, assignment]
    life.open()
    assert life.notices() == [(0, "#incidents")]
    assert "couldn't be read: ZeroDivisionError" in str(life.happened(StepSkipped)[0])


def test_nobody_is_paged_while_it_is_snoozed_and_then_from_the_beginning() -> None:
    life = Life().open().after(5)
    life.happens(Snoozed(life.now + minutes(120), "planned")).after(140)
    assert life.paged() == [(0, "ann"), (125, "ann"), (140, "bob")]


def test_a_snooze_until_it_still_fires_ends_quietly_where_nothing_fires() -> None:
    life = Life(health=("the backend has no healthy target",)).open().happens(ALARM).after(5)
    life.happens(Snoozed(life.now + minutes(60), "planned", if_still_firing=True)).after(57).happens(AlertEnded("a1"))
    life.after(13)
    assert life.happened(SnoozeEnded) == [SnoozeEnded("its time has come, and nothing fires any more", True)]
    assert life.paged() == [(0, "ann")]
    assert life.after(5).paged() == [(0, "ann"), (77, "ann")], "it is quiet and not well: somebody has to look"
    still = Life().open().happens(ALARM).after(5)
    still.happens(Snoozed(still.now + minutes(60), "planned", if_still_firing=True)).after(60)
    assert still.paged() == [(0, "ann"), (65, "ann")]


def test_what_gets_worse_is_no_longer_snoozed() -> None:
    life = Life().open(3)
    life.happens(Snoozed(life.now + minutes(120), "tomorrow")).after(10).happens(SeverityChanged(2))
    assert life.paged() == [(0, "ann"), (10, "ann")]


def test_it_ends_by_itself_after_quiet_minutes_and_only_if_all_is_well() -> None:
    life = Life(health=("the backend has no healthy target",)).open().happens(ALARM).after(10)
    life.happens(AlertEnded("a1")).after(14)
    assert life.paged() == [(0, "ann")], "nobody is woken up while it is quiet"
    life.after(1)
    assert life.happened(Unhealthy) == [Unhealthy(("the backend has no healthy target",))]
    assert life.paged() == [(0, "ann"), (25, "bob")], "it isn't well: the clock has run on"
    life.health = ()
    assert life.after(5).incident.resolved_at == START + minutes(30)
    assert life.incident.resolved_by == "omc responder"
    assert life.notices() == [(30, "ann"), (30, "bob")]


def test_what_fires_again_within_the_quiet_minutes_is_no_end() -> None:
    life = Life().open().happens(ALARM).after(5).happens(AlertEnded("a1")).after(14).happens(ALARM).after(60)
    assert life.incident.is_open
    assert life.paged()[:3] == [(0, "ann"), (19, "bob"), (30, "cy")]


def test_where_nobody_can_tell_how_it_is_people_are_paged_after_a_while() -> None:
    life = Life(health=None).open().happens(ALARM).after(5).happens(AlertEnded("a1")).after(24)
    assert life.paged() == [(0, "ann")]
    assert life.after(1).paged() == [(0, "ann"), (30, "bob"), (30, "cy")]


def test_an_incident_that_is_opened_again_is_paged_from_the_beginning_with_other_keys() -> None:
    life = Life().open().after(5).happens(Resolved("rolled back")).after(30).happens(Reopened("it is back"))
    assert life.paged() == [(0, "ann"), (35, "ann")]
    assert len({page.key for _, page in life.pages}) == 2


def test_what_was_mitigated_and_fires_again_is_paged_from_the_beginning() -> None:
    life = acknowledged(Life().open()).happens(Mitigated("scaled out")).after(60).happens(ALARM).after(15)
    assert life.paged() == [(0, "ann"), (60, "ann"), (75, "bob")]


def test_customers_are_to_be_told_each_half_hour_of_a_sev_1() -> None:
    life = acknowledged(Life().open(1), "bob", lasts=None).happens(RoleAssigned("communications", "eve")).after(25)
    assert life.notices() == [(20, "eve")]
    life.happens(UpdateSent("we know")).after(35)
    assert life.notices() == [(20, "eve"), (45, "eve")]
    assert life.happened(UpdateSkipped) == [UpdateSkipped(START + minutes(55))]


HOURS = BusinessHours(time(9), time(17), "Australia/Sydney", {date(2026, 12, 25): "Christmas Day"}).later
IN_HOURS = replace(POLICY, in_business_hours=HOURS)


def sydney(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-23T10:00+11:00", "2026-11-23T10:00+11:00"),
        ("2026-11-23T08:59+11:00", "2026-11-23T09:00+11:00"),
        ("2026-11-23T17:00+11:00", "2026-11-24T09:00+11:00"),
        ("2026-11-20T17:00+11:00", "2026-11-23T09:00+11:00"),
        ("2026-12-24T18:00+11:00", "2026-12-28T09:00+11:00"),  # a holiday and a weekend
        ("2026-10-02T20:00+10:00", "2026-10-05T09:00+11:00"),  # the clock goes forward on that weekend
        ("2027-04-02T20:00+11:00", "2027-04-05T09:00+10:00"),  # and back
    ],
)
def test_business_hours(at: str, expected: str) -> None:
    assert HOURS(sydney(at), minutes(0)) == sydney(expected)


def test_a_sev_3_waits_for_business_hours_rung_by_rung() -> None:
    life = Life(IN_HOURS, now=sydney("2026-11-23T16:50+11:00")).open(3)
    life.until(sydney("2026-11-24T09:20+11:00"))
    at = [(f"{when:%d %H:%M}", page.recipient) for when, page in life.pages]
    assert at == [("23 05:50", "ann"), ("23 22:05", "bob"), ("23 22:20", "cy")]


def test_a_sev_3_of_the_night_that_gets_worse_pages_at_once() -> None:
    life = Life(IN_HOURS, now=sydney("2026-11-24T02:00+11:00")).open(3).after(60)
    assert life.pages == []
    life.happens(SeverityChanged(2)).after(15)
    assert [page.recipient for _, page in life.pages] == ["ann", "bob"]


def test_a_responder_that_was_away_pages_each_rung_once() -> None:
    late = Life().open()
    late.now += minutes(40)
    late.look()
    assert late.paged() == [(0, "ann"), (40, "bob"), (40, "cy")]
    later = Life().open()
    later.now += minutes(200)
    later.look()
    assert later.paged() == [(0, "ann"), *[(200, who) for who in EVERYBODY]]
    assert later.next_look == START + minutes(240)


def test_a_clock_that_was_put_back_does_not_hold_back_the_first_page() -> None:
    life = Life().open().after(5).happens(Resolved("rolled back")).after(60)
    life.happens(Reopened("it is back"))
    before = len(life.pages)
    life.now -= minutes(50)
    life.look()
    assert len(life.pages) == before
    other = Life()
    other.incident = life.incident
    other.now = START - minutes(60)
    other.look()
    assert other.pages == []


def test_somebody_may_have_the_next_rung_paged_before_its_time() -> None:
    life = Life().open().after(3)
    decision = page_next(life.incident, life.policy, life.resolve, life.now)
    assert [page.recipient for page in decision.pages] == ["bob"]
    life.happens(*decision.events)
    assert life.after(27).paged() == [(0, "ann"), (30, "cy")], "bob's turn was taken by hand"
    acknowledged(life, "cy")
    decision = page_next(life.incident, life.policy, life.resolve, life.now)
    assert [page.recipient for page in decision.pages] == ["dee"]
    life.happens(*decision.events)
    with pytest.raises(Refused, match="Nobody is left to escalate incident 3 to"):
        page_next(life.incident, life.policy, life.resolve, life.now)


def test_a_chain_that_was_changed_meanwhile_is_the_one_that_counts() -> None:
    life = Life().open().after(5)
    life.policy = replace(POLICY, chain=(*POLICY.chain[:1], Rung(1, "the new second", minutes(20))))
    life.on_call = roster("ann", "eve")
    assert life.after(50).paged() == [(0, "ann"), (20, "eve")]


def test_a_page_goes_to_the_contacts_that_somebody_has_when_it_is_asked_for() -> None:
    life = Life().open().after(5)
    before, after = PEOPLE["ann"].contacts, (ContactMethod(Channel.NTFY, "ann"), *PEOPLE["ann"].contacts)
    life.on_call[0] = replace(PEOPLE["ann"], contacts=after)
    life.after(55)
    assert [page.methods for _, page in life.pages if page.recipient == "ann"] == [before, after]


def test_anybody_may_be_paged_by_hand_as_often_as_is_asked_for() -> None:
    life = Life().open()
    for _ in range(2):
        decision = page_person(life.incident, PEOPLE["eve"], "asked for by bob", life.now)
        life.pages += [(life.now, page) for page in decision.pages]
        life.happens(*decision.events)
    assert len({page.key for _, page in life.pages}) == 3
    assert life.after(15).paged() == [(0, "ann"), (0, "eve"), (0, "eve"), (15, "bob")]


def test_a_page_says_in_160_characters_what_is_wrong_and_the_next_step() -> None:
    life = Life().open()
    short = life.pages[0][1].message.short
    assert short == "SEV-2 staging: Users can't log in. omc incident ack 3 --env staging"
    assert life.pages[0][1].methods == PEOPLE["ann"].contacts
