"""When many incidents begin at once, a person gets a few pages and one that names all others: none is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import select, update

from omc.incidents.events import Acknowledged, PageFailed, Resolved
from omc.judgement.escalation import Rung
from omc.model.pages import Message, Page
from omc.model.people import Channel, ContactMethod, Person
from omc.model.typed_json import from_json
from omc.notify.channels.registry import ChannelContext
from omc.notify.delivery import Sender
from omc.notify.followups import follow_up
from omc.notify.model import Outcome, Refused, Sent
from omc.responder import gathering, life, pulse
from omc.responder.life import Doer, OnCallContext, act, look, note_undelivered
from omc.responder.policy import Policy
from omc.store import audit
from omc.store.incidents import add, incident_of, open_incident
from omc.store.location import StoreLocation
from omc.store.opened import Store
from omc.store.outbox import (
    FAILED,
    GATHERED,
    OVER,
    SENT,
    SUMMARISED,
    WAITING,
    WITHDRAWN,
    OutboxRow,
    oldest_due,
)
from support.engine_world import opened_at
from support.incident_life import PEOPLE, POLICY, START, minutes
from support.notify_world import stack_with

BOUND = replace(POLICY, most_pages=3, most_pages_within=minutes(10))
ANN = Doer("github:ann-gh", person="ann")


@pytest.fixture
def now() -> list[datetime]:
    return [START]


@pytest.fixture
def timed(place: StoreLocation, now: list[datetime]) -> Iterator[Store]:
    with opened_at(place, lambda: now[0]) as store:
        yield store


def looks(store: Store, policy: Policy = BOUND, person: Person = PEOPLE["ann"]) -> None:
    """All that is due now."""

    def who(rung: Rung, _: datetime) -> Person | str:
        return person if rung.step == 0 else "nobody"

    context = OnCallContext(policy, who, lambda: ())
    while look(store, ["staging"], lambda _: context) or gathering.summarise_due(store, ["staging"]):
        pass


def begin(store: Store, count: int, severity: int = 2) -> None:
    for number in range(count):
        open_incident(store, "staging", severity, f"trouble {number}", "gus")


def rows(store: Store, *states: str) -> list[OutboxRow]:
    with store.reading() as session:
        query = select(OutboxRow).order_by(OutboxRow.created_at, OutboxRow.incident, OutboxRow.key)
        return [row for row in session.scalars(query) if not states or row.state in states]


def summaries(store: Store) -> list[Page]:
    return [from_json(Page, row.page) for row in rows(store) if row.key.startswith("summary:")]


def spoil(store: Store, incident: int, written: object) -> None:
    """As another version of omc would have written it, or a mistake."""
    with store.transaction("another version") as transaction:
        transaction.session.execute(update(OutboxRow).where(OutboxRow.incident == incident).values(page=written))


def send(store: Store, outcome: Outcome, reports: list[str] | None = None) -> list[str]:
    """The keys of all that is due, in their order."""
    keys: list[str] = []

    def channel(delivery: object, _: object) -> Outcome:
        keys.append(delivery.page.key)  # type: ignore[attr-defined]
        return outcome

    channels = {Channel.SMS: channel, Channel.PAGERDUTY: channel}
    context = ChannelContext(stack_with(), store.now)

    def tell(transaction: object, page: Page, undelivered: object) -> None:
        note_undelivered(transaction, page, undelivered.sentence)  # type: ignore[arg-type,attr-defined]

    report = ([] if reports is None else reports).append
    sender = Sender(store, ("staging",), channels, context, "test", tell, report)
    while sender.run_once():
        pass
    return keys


def test_a_storm_of_incidents_is_a_few_pages_and_one_that_names_the_others(timed: Store, now: list[datetime]) -> None:
    begin(timed, 12)
    looks(timed)
    assert len(send(timed, Sent())) == 3
    assert len(rows(timed, GATHERED)) == 9
    now[0] += minutes(1)
    looks(timed)
    [key] = send(timed, Sent())
    [page] = summaries(timed)
    told = {row.incident for row in rows(timed, SENT)} | {row.incident for row in rows(timed, SUMMARISED)}
    assert told - {None} == set(range(1, 13)), "each incident is told of, in a page of its own or in the summary"
    assert {row.summary for row in rows(timed, SUMMARISED)} == {key} == {page.key}
    numbers = sorted(row.incident or 0 for row in rows(timed, SUMMARISED))
    assert page.message.short == (
        f"9 more incidents of staging, SEV-2 at worst: {', '.join(map(str, numbers))}. omc incident list --env staging"
    )
    assert [line.partition(":")[0] for line in page.message.lines] == [f"Incident {number}" for number in numbers]
    assert all("omc incident ack" in line for line in page.message.lines)
    looks(timed)
    assert len(summaries(timed)) == 1
    begin(timed, 2)
    looks(timed)
    now[0] += minutes(4)
    looks(timed)
    assert len(summaries(timed)) == 1, "the next one has more time to gather"
    now[0] += minutes(1)
    looks(timed)
    assert len(summaries(timed)) == 2
    now[0] += minutes(10)
    begin(timed, 1)
    looks(timed)
    assert send(timed, Sent())[-1].startswith("page:staging:15:"), "the time is over, so it is paged by itself"
    with timed.reading() as session:
        assert audit.verify(session).problems == []


def test_what_is_worse_gets_through_and_one_alone_is_sent_as_it_is(timed: Store, now: list[datetime]) -> None:
    begin(timed, 4)
    looks(timed)
    begin(timed, 1, severity=1)
    looks(timed)
    assert {row.incident for row in rows(timed, GATHERED)} == {4}
    now[0] += minutes(1)
    looks(timed)
    assert "page:staging:4:0.0:ann" in send(timed, Sent())
    assert summaries(timed) == []


def test_what_has_ended_or_is_taken_meanwhile_is_not_named(timed: Store, now: list[datetime]) -> None:
    begin(timed, 7)
    looks(timed)
    act(timed, "staging", 5, ANN, Resolved("by hand"))
    life.acknowledge(timed, "staging", 6, ANN, BOUND)
    assert {row.incident for row in rows(timed, WITHDRAWN)} == {5, 6}
    now[0] += minutes(1)
    looks(timed)
    assert [line.partition(":")[0] for line in summaries(timed)[0].message.lines] == ["Incident 4", "Incident 7"]


def test_a_summary_that_reaches_nobody_has_failed_in_each_incident_that_it_names(
    timed: Store, now: list[datetime]
) -> None:
    begin(timed, 5)
    looks(timed)
    send(timed, Sent())
    now[0] += minutes(1)
    looks(timed)
    send(timed, Refused("opted out"))
    assert [row.key for row in rows(timed, FAILED)] == [summaries(timed)[0].key]
    for number in (4, 5):
        payloads = [each.payload for each in incident_of(timed, "staging", number).events]
        [failed] = [each for each in payloads if isinstance(each, PageFailed)]
        assert (failed.person, failed.key) == ("ann", f"page:staging:{number}:0.0:ann")


def test_an_alert_of_pagerduty_that_names_several_is_over_when_all_of_them_are(
    timed: Store, now: list[datetime]
) -> None:
    duty = Person("ann", "Ann", (ContactMethod(Channel.PAGERDUTY, "jo-pages"),))
    begin(timed, 5)
    looks(timed, person=duty)
    now[0] += minutes(1)
    looks(timed, person=duty)
    send(timed, Sent())
    key = summaries(timed)[0].key
    for number, expected in ((4, 0), (5, 1)):
        with timed.transaction("ann") as transaction:
            assert follow_up(transaction, "staging", number, "resolve", Message("It is over.")) == expected
    assert send(timed, Sent()) == [f"resolve:{key}"]
    assert {row.incident for row in rows(timed, OVER)} == {4, 5}


def test_whoever_is_asked_for_by_hand_is_paged_at_once_and_without_a_bound_everybody_is(timed: Store) -> None:
    begin(timed, 4)
    looks(timed)
    life.page(timed, "staging", 4, ANN, [PEOPLE["ann"]])
    assert "page:staging:4:hand.0:ann" in send(timed, Sent())
    begin(timed, 6)
    looks(timed, replace(BOUND, most_pages=0))
    assert {row.incident for row in rows(timed, GATHERED)} == {4}


@pytest.mark.parametrize("written", [{"severity": "worse", "new": True}, "no page"], ids=["newer", "text"])
def test_a_page_that_cannot_be_read_is_set_aside_and_all_others_are_told(
    timed: Store, now: list[datetime], written: object
) -> None:
    begin(timed, 6)
    looks(timed)
    send(timed, Sent())
    spoil(timed, 5, written)
    now[0] += minutes(1)
    looks(timed)
    [page] = summaries(timed)
    assert [line.partition(":")[0] for line in page.message.lines] == ["Incident 4", "Incident 6", "Incident 5"]
    assert page.message.lines[-1] == "Incident 5: its page can't be read. omc incident show 5 --env staging"
    assert "3 more incidents of staging, SEV-2 at worst: 4, 6, 5." in page.message.short
    reports: list[str] = []
    assert send(timed, Sent(), reports) == [page.key]
    assert "This omc can't read the page page:staging:5:0.0:ann" in "".join(reports)
    [left] = rows(timed, WAITING)
    assert (left.incident, left.due_at > now[0]) == (5, True), "a newer omc may send it yet"
    begin(timed, 1)
    looks(timed)
    assert {row.incident for row in rows(timed, GATHERED)} == {7}, "what was set aside stops nothing that follows"


def test_what_an_older_version_ended_or_acknowledged_is_not_named_in_a_summary(
    timed: Store, now: list[datetime]
) -> None:
    begin(timed, 7)
    looks(timed)
    now[0] += minutes(0.5)
    # A version that knows of no gathered pages writes the events, and withdraws none.
    add(timed, "staging", 5, Acknowledged("ann", None), "ann")
    add(timed, "staging", 6, Resolved("by hand"), "ann")
    assert {row.incident for row in rows(timed, GATHERED)} == {4, 5, 6, 7}
    now[0] += minutes(0.5)
    looks(timed)
    assert [line.partition(":")[0] for line in summaries(timed)[0].message.lines] == ["Incident 4", "Incident 7"]
    assert {row.incident for row in rows(timed, WITHDRAWN)} == {5, 6}


def test_a_gathered_page_counts_as_unsent_from_when_its_summary_is_due(timed: Store, now: list[datetime]) -> None:
    begin(timed, 5)
    looks(timed)
    send(timed, Sent())
    summary_due = now[0] + minutes(1)
    for waited, expected in ((0.5, {}), (3, {"staging": summary_due})):
        with timed.reading() as session:
            assert oldest_due(session, START + minutes(waited)) == expected
            assert pulse.late(session, ["staging"], START + minutes(waited)).pages == 0
    with timed.reading() as session:
        assert pulse.late(session, ["staging"], START + minutes(60)).pages == 2
