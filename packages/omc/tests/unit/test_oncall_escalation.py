"""Who would be paged when: both clocks, rungs that reach nobody, SEV-1 and SEV-3, business hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from omc.errors import WrongUse
from omc.judgement.escalation import Clocks, Rung
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.business import BusinessHours
from omc.oncall.documents import explain_document
from omc.oncall.escalation import Escalation, World, empty_rungs, escalation, mitigation_step
from omc.oncall.model import WEEK, Layer, Rota
from omc.oncall.public_holidays import public_holidays
from omc.output import markdown, terminal

SYDNEY = "Australia/Sydney"


def person(name: str, *contacts: str) -> Person:
    return Person(name, name.title(), tuple(ContactMethod(Channel.SMS, each) for each in contacts))


PERSONS = {name: person(name, f"+6140000000{number}") for number, name in enumerate(["jo", "bob", "kim", "lee", "eve"])}
PRIMARY = Rota("primary", SYDNEY, (Layer("1", (("jo",), ("bob",)), date(2026, 11, 2), time(9), WEEK),))
CONFIRMED = {name: tuple(str(each) for each in one.contacts) for name, one in PERSONS.items()}
WORLD = World({"primary": PRIMARY}, PERSONS, CONFIRMED)
HOURS = BusinessHours(time(9), time(17), SYDNEY)
MINUTES = (0, 15, 30, 45)


def rung(step: int, role: str, **who: Any) -> Rung:
    return Rung(step, role, timedelta(minutes=MINUTES[step]), **{"name": "x", **who})


def policy(*rungs: Rung) -> Clocks:
    made = rungs or (
        rung(0, "Primary", rota="primary"),
        rung(1, "Secondary", person=PERSONS["kim"]),
        rung(2, "Tech lead", person=PERSONS["lee"]),
        rung(3, "Manager", person=PERSONS["eve"]),
    )
    return Clocks(made, timedelta(minutes=60), timedelta(minutes=30), HOURS.later, SYDNEY)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # of a test


NIGHT = utc(2026, 11, 3, 15)
"""Wednesday, 2:00 in Sydney."""


def table(found: Escalation) -> list[tuple[int, str, tuple[str, ...]]]:
    """Minutes since the alarm, role, people."""
    return [
        (int((step.at - found.since).total_seconds()) // 60, step.role, tuple(each.person for each in step.targets))
        for step in found.steps
    ]


def test_a_sev_2_climbs_the_chain_until_everybody_is_paged_again() -> None:
    assert table(escalation(policy(), WORLD, 2, NIGHT)) == [
        (0, "Primary", ("jo",)),
        (15, "Secondary", ("kim",)),
        (30, "Tech lead", ("lee",)),
        (45, "Manager", ("eve",)),
        (60, "everybody again", ("jo", "kim", "lee", "eve")),
    ]


def test_a_sev_1_pages_everybody_at_once_and_again() -> None:
    assert [row[0] for row in table(escalation(policy(), WORLD, 1, NIGHT))] == [0, 0, 0, 0, 60]


def test_a_sev_3_waits_for_business_hours_and_its_clock_runs_in_them_only() -> None:
    found = escalation(policy(), WORLD, 3, NIGHT)
    assert found.starts_at == utc(2026, 11, 3, 22)
    assert found.waits_for == "A SEV-3 waits for business hours: Wed 04 Nov 09:00:00 AEDT (Tue 22:00 UTC)."
    late = escalation(policy(), WORLD, 3, utc(2026, 11, 6, 5, 50))  # Friday, 16:50
    assert [step.at for step in late.steps] == [
        utc(2026, 11, 6, 5, 50),
        utc(2026, 11, 8, 22, 5),  # Monday, 9:05
        utc(2026, 11, 8, 22, 20),
        utc(2026, 11, 8, 22, 35),
        utc(2026, 11, 8, 22, 50),
    ]
    assert next(each.person for each in late.steps[-1].targets) == "bob", "who is on call then, not when it came"


def test_the_person_of_a_rota_is_whoever_is_on_call_when_the_step_is_due() -> None:
    before_hand_over = utc(2026, 11, 8, 21, 50)
    found = escalation(policy(), WORLD, 2, before_hand_over)
    assert found.steps[0].targets[0].person == "jo"
    assert "bob" in [each.person for each in found.steps[-1].targets]


def test_a_rung_that_reaches_nobody_is_skipped_at_once_and_said_so() -> None:
    empty = replace(PRIMARY, layers=())
    world = replace(WORLD, rotas={"primary": empty})
    found = escalation(policy(), world, 2, NIGHT)
    assert table(found)[:3] == [(0, "Primary", ()), (0, "Secondary", ("kim",)), (15, "Tech lead", ("lee",))]
    assert found.steps[0].skipped == (
        "Nobody is on call in primary at Wed 04 Nov 02:00:00 AEDT (Tue 15:00 UTC): no layer has a turn there."
    )
    assert found.first_page == NIGHT


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (
            rung(0, "Primary", name="Developer C"),
            "Developer C is neither a rota nor a person: set one of the two",
        ),
        (rung(0, "Primary", rota="gone"), "There is no rota gone"),
        (rung(0, "Primary", person=person("max")), "Max has no contact"),
    ],
)
def test_each_way_to_reach_nobody_has_its_sentence(only: Rung, expected: str) -> None:
    (step, _) = escalation(policy(only), WORLD, 2, NIGHT).steps
    assert expected in (step.skipped or "")
    assert expected in empty_rungs(policy(only), WORLD, NIGHT)[0][1]


def test_nobody_at_all_is_said_so() -> None:
    found = escalation(policy(rung(0, "Primary")), WORLD, 1, NIGHT)
    assert found.first_page is None
    assert found.steps[-1].skipped == "Nobody in the whole chain can be reached."


def test_confirmed_methods_come_first_and_an_unconfirmed_one_is_a_warning() -> None:
    two = Person("jo", "Jo", (ContactMethod(Channel.SLACK, "U024BE7LH"), ContactMethod(Channel.SMS, "+61400000000")))
    world = World({"primary": PRIMARY}, {"jo": two}, {"jo": ("sms:+61400000000",)})
    (target,) = escalation(policy(), world, 2, NIGHT).steps[0].targets
    assert [str(each) for each in target.methods] == ["sms:+61400000000", "slack:U024BE7LH"]
    assert target.warning is None
    (target,) = escalation(policy(), replace(world, verified={}), 2, NIGHT).steps[0].targets
    assert "has never confirmed" in (target.warning or "")


def test_the_second_clock_pages_the_next_rung_that_reaches_somebody() -> None:
    step = mitigation_step(policy(), WORLD, 2, 0, NIGHT)
    assert step is not None
    assert (step.at, step.role) == (NIGHT + timedelta(minutes=30), "Secondary")
    world = replace(WORLD, persons={name: one for name, one in PERSONS.items() if name != "kim"})
    chain = policy(*policy().chain[:1], rung(1, "Secondary"), *policy().chain[2:])
    step = mitigation_step(chain, world, 2, 0, NIGHT)
    assert step is not None
    assert step.role == "Tech lead"
    assert "neither a rota nor a person" in step.unreachable[0]
    assert mitigation_step(policy(), WORLD, 2, 3, NIGHT) is None


def test_business_time_passes_over_nights_weekends_and_holidays() -> None:
    hours = BusinessHours(time(9), time(17), SYDNEY, public_holidays("AU-NSW", 2026, 2027))
    christmas_eve = utc(2026, 12, 24, 5, 50)
    assert hours.is_open(christmas_eve)
    assert hours.later(christmas_eve, timedelta(minutes=15)) == utc(2026, 12, 28, 22, 5), "Tuesday: Monday is a holiday"
    assert hours.why_closed(date(2026, 12, 25)) == "Christmas Day"
    assert hours.why_closed(date(2026, 12, 27)) == "weekend"
    assert hours.later(utc(2026, 11, 4, 0), timedelta(hours=20)) == utc(2026, 11, 6, 4), "two days and a half"


def test_a_calendar_without_business_days_is_an_error_and_not_an_endless_loop() -> None:
    closed = {date(2026, 1, 1) + timedelta(days=each): "closed" for each in range(1000)}
    with pytest.raises(ValueError, match="no business hours"):
        BusinessHours(time(9), time(17), SYDNEY, closed).later(NIGHT, timedelta())


@pytest.mark.parametrize(
    ("place", "expected"),
    [("XX", "no holidays of XX are known"), ("AU-XYZ", "the parts of AU that are known are: ACT,")],
)
def test_a_place_that_isnt_known_is_wrong_use(place: str, expected: str) -> None:
    with pytest.raises(WrongUse, match=expected):
        public_holidays(place, 2026, 2026)


def test_no_place_has_no_holidays() -> None:
    assert public_holidays("", 2026, 2026) == {}


def test_an_explanation_says_each_step_and_why_one_is_skipped() -> None:
    chain = policy(*policy().chain[:1], rung(1, "Secondary", name="Developer B"), *policy().chain[2:])
    found = escalation(chain, WORLD, 2, NIGHT)
    document = explain_document(found, chain, WORLD, SYDNEY, ["The holidays are unknown."])
    shown = terminal.render(document, width=200)
    assert "Primary" in shown
    assert "Jo (sms:+61400000000)" in shown
    assert "skipped: Developer B is neither a rota nor a person" in shown
    assert "warning: The holidays are unknown." in shown
    assert "Tech lead: Lee (sms:+61400000003), Wed 04 Nov 02:30:00 AEDT" in shown, "30 minutes after an acknowledgement"
    assert document.data["steps"][1]["skipped"]
    assert document.data["mitigation"][0]["then"]["clock"] == "mitigate"
    assert "Until somebody acknowledges" in markdown.render(document)
