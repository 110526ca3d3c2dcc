"""The tables of a responder: what came in takes effect once, a deadline is taken by one, a page is there
with its cause."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta

from omc.model.pages import Message, Page
from omc.model.people import Channel, ContactMethod
from omc.store import audit, inbox
from omc.store.deadlines import clear_deadline, overdue, set_deadline, take_due
from omc.store.inbox import KEPT, ReceivedMessage
from omc.store.opened import Store, Transaction
from omc.store.outbox import WAITING, enqueue, of_incident

PAGE = Page(
    key="page:staging:3:0:jo",
    environment="staging",
    recipient="jo",
    methods=(ContactMethod(Channel.SMS, "+61400000000"),),
    message=Message("backend answers 5xx: look at omc incident show 3"),
    incident=3,
    severity=1,
)


class Stopped(Exception):
    pass


@contextmanager
def rolled_back(store: Store) -> Iterator[Transaction]:
    """A transaction that fails at its end."""
    with suppress(Stopped), store.transaction("responder") as transaction:
        yield transaction
        raise Stopped


def test_a_message_takes_effect_once_whoever_gets_it(store: Store) -> None:
    def receive(number: int) -> bool:
        with store.transaction("responder") as transaction:
            return inbox.take(transaction, "sqs", f"m{number % 5}")

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(receive, range(20))) == 5
    with store.transaction("responder") as transaction:
        assert inbox.take(transaction, "alertmanager", "m1"), "an id is its source's own"


def test_a_message_whose_effects_were_not_committed_is_new_again(store: Store) -> None:
    with rolled_back(store) as transaction:
        assert inbox.take(transaction, "sqs", "m1")
    with store.transaction("responder") as transaction:
        assert inbox.take(transaction, "sqs", "m1")
        assert not inbox.take(transaction, "sqs", "m1")


def test_what_can_not_be_delivered_again_is_forgotten(store: Store) -> None:
    with store.transaction("responder") as transaction:
        at = transaction.at
        for name, age in (("old", KEPT + timedelta(seconds=1)), ("new", KEPT - timedelta(seconds=1))):
            transaction.session.add(ReceivedMessage(source="sqs", id=name, at=at - age))
    with store.transaction("responder") as transaction:
        assert inbox.forget(transaction) == 1
        assert not inbox.take(transaction, "sqs", "new")


def test_a_deadline_is_taken_by_one_and_is_there_again_when_that_one_fails(store: Store) -> None:
    with store.transaction("responder") as transaction:
        set_deadline(transaction, "escalation", "staging", "3", transaction.at)
        set_deadline(transaction, "escalation", "staging", "4", transaction.at + timedelta(hours=1))
        set_deadline(transaction, "escalation", "production", "3", transaction.at)
    kinds, places = ["escalation"], ["staging"]
    with rolled_back(store) as first:
        taken = take_due(first, kinds, places)
        assert taken is not None
        assert taken.subject == "3"
        with store.transaction("two") as second:
            assert take_due(second, kinds, places) is None
    with store.transaction("two") as second:
        again = take_due(second, kinds, places)
        assert again is not None
        set_deadline(second, "escalation", "staging", "3", second.at + timedelta(minutes=15))
    with store.transaction("three") as third:
        assert take_due(third, kinds, places) is None, "it was set anew, and isn't due"
        clear_deadline(third, "escalation", "staging", "3")
    with store.reading() as session:
        left = [(each.environment, each.subject) for each in overdue(session, store.now() + timedelta(days=1))]
        assert left == [("production", "3"), ("staging", "4")]
        assert [each.environment for each in overdue(session, store.now())] == ["production"]


def test_a_page_is_asked_for_once_with_its_cause_and_is_in_the_record(store: Store) -> None:
    with rolled_back(store) as transaction:
        assert enqueue(transaction, PAGE)
    with store.transaction("responder") as transaction:
        assert enqueue(transaction, PAGE)
        assert not enqueue(transaction, PAGE)
        assert enqueue(transaction, replace(PAGE, key="page:staging:3:1:jo"), transaction.at + timedelta(minutes=15))
    with store.transaction("responder") as transaction:
        assert not enqueue(transaction, replace(PAGE, recipient="bob"))
    with store.reading() as session:
        rows = of_incident(session, "staging", 3)
        assert [(row.key[-4:], row.state, row.recipient) for row in rows] == [
            ("0:jo", WAITING, "jo"),
            ("1:jo", WAITING, "jo"),
        ]
        assert (rows[1].due_at - rows[0].due_at) > timedelta(minutes=14)
        assert audit.verify(session).problems == []
