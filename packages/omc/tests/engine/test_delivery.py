"""The sender: no page is lost and none is sent twice without need, whoever dies and whatever a channel says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from omc.model.pages import Message, Page
from omc.model.people import Channel
from omc.notify import delivery
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery
from omc.notify.delivery import Sender, Tell, send_anew, tell_nobody
from omc.notify.followups import follow_up
from omc.notify.interactions import Button, Interaction
from omc.notify.model import Delivered, Outcome, Refused, Sent, TryAgain, Undelivered
from omc.notify.slack_socket import once
from omc.store import audit, eventlog
from omc.store.location import StoreLocation
from omc.store.opened import Store, Transaction
from omc.store.outbox import (
    FAILED,
    SENT,
    WAITING,
    WITHDRAWN,
    OutboxRow,
    enqueue,
    held_by,
    oldest_due,
    take_due,
    withdraw,
)
from support.canary import CANARY, dump
from support.notify_world import SECRETS, page, stack_with
from support.receivers import Receiver, Response, is_signed, receiving
from support.waiting import eventually

TESTS = Path(__file__).parents[2]


class Clock:
    """A time that a test puts forward."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock(store: Store) -> Clock:
    store.now = Clock(store.now())
    return store.now


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


class Scripted:
    """Channels that say what a test wants, in place of the real ones, and what they were given."""

    def __init__(self, **answers: Outcome | Callable[[], Outcome]) -> None:
        self.deliveries: list[PageDelivery] = []
        self.functions = {Channel(name): self._sending(answer) for name, answer in answers.items()}

    def _sending(self, answer: Outcome | Callable[[], Outcome]) -> Any:
        def send(delivered: PageDelivery, _: ChannelContext) -> Outcome:
            self.deliveries.append(delivered)
            return answer() if callable(answer) else answer

        return send


def sender_of(store: Store, channels: Scripted, tell: Tell = tell_nobody, **more: Any) -> Sender:
    return Sender(
        store, ("staging",), channels.functions, ChannelContext(stack_with(), store.now), "test", tell, **more
    )


def ask(store: Store, *pages: Page) -> None:
    with store.transaction("responder") as transaction:
        for each in pages:
            assert enqueue(transaction, each)


def row_of(store: Store, key: str = "page:staging:3:0:jo") -> OutboxRow:
    with store.reading() as session:
        row = session.get(OutboxRow, key)
        assert row is not None
        return row


def is_whole(store: Store) -> bool:
    with store.reading() as session:
        return audit.verify(session).problems == []


# ── One sender ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_is_sent_once_and_the_record_says_so(store: Store) -> None:
    ask(store, page("ntfy:jo", "email:jo@example.com"))
    channels = Scripted(ntfy=Sent("n1"))
    sender = sender_of(store, channels)
    assert sender.run_once()
    assert not sender.run_once()
    row = row_of(store)
    assert (row.state, row.attempts, row.holder, len(channels.deliveries)) == (SENT, 1, None, 1)
    assert row.sent_at is not None
    assert (row.log[0]["contact"], row.log[0]["outcome"], row.log[0]["reference"]) == ("ntfy:jo", "sent", "n1")
    assert is_whole(store)


def test_urgent_pages_come_first_and_those_that_are_not_due_later(store: Store, clock: Clock) -> None:
    ask(store, page("ntfy:jo", key="a", is_urgent=False), page("ntfy:jo", key="b"), page("ntfy:jo", key="c"))
    with store.transaction("responder") as transaction:
        enqueue(transaction, page("ntfy:jo", key="later"), transaction.at + timedelta(minutes=15))
        enqueue(transaction, page("ntfy:jo", key="elsewhere", environment="production"))
        enqueue(transaction, page("ntfy:jo", key="of-none", environment="", is_urgent=False))
    channels = Scripted(ntfy=Sent())
    sender = sender_of(store, channels)
    while sender.run_once():
        pass
    assert [each.page.key for each in channels.deliveries] == ["b", "c", "a", "of-none"]
    clock.forward(900)
    assert sender.run_once()
    assert channels.deliveries[-1].page.key == "later"


def test_a_method_that_refuses_falls_over_to_the_next_at_once(store: Store, clock: Clock) -> None:
    ask(store, page("slack:U024BE7LH", "sms:+61400000000", "email:jo@example.com"))
    channels = Scripted(slack=Refused("user_disabled"), sms=TryAgain("busy", 60.0), email=Sent())
    sender = sender_of(store, channels)
    while sender.run_once():
        pass
    assert [str(each.method) for each in channels.deliveries] == [
        "slack:U024BE7LH",
        "sms:+61400000000",
        "email:jo@example.com",
    ]
    assert {each.page.key for each in channels.deliveries} == {"page:staging:3:0:jo"}
    assert row_of(store).state == SENT


def test_a_method_that_is_busy_is_tried_again_when_it_is_time(store: Store, clock: Clock) -> None:
    answers: Iterator[Outcome] = iter([TryAgain("busy", 5.0, may_have_arrived=True), Sent()])
    ask(store, page("ntfy:jo"))
    channels = Scripted(ntfy=lambda: next(answers))
    sender = sender_of(store, channels)
    assert sender.run_once()
    assert row_of(store).state == WAITING
    clock.forward(4.9)
    assert not sender.run_once()
    clock.forward(0.1)
    assert sender.run_once()
    assert [each.may_have_arrived for each in channels.deliveries] == [False, True]
    assert row_of(store).attempts == 2


def test_whoever_waits_for_a_page_is_told_with_what_is_written(store: Store, clock: Clock) -> None:
    """First when every method has failed, then when it is given up; and what the owner writes is in the same
    transaction."""
    told: list[tuple[str, bool]] = []

    def tell(transaction: Transaction, failed: Page, undelivered: Undelivered | Delivered) -> None:
        assert isinstance(undelivered, Undelivered)
        told.append((undelivered.sentence, undelivered.is_final))
        enqueue(transaction, page("ntfy:bob", key=f"page:staging:3:{len(told)}:bob", recipient="bob"))

    ask(store, page("slack:U024BE7LH", "sms:+61400000000"))
    channels = Scripted(slack=TryAgain("down"), sms=Refused("opted out"), ntfy=Sent())
    sender = sender_of(store, channels, tell)
    for _ in range(400):
        while sender.run_once():
            pass
        clock.forward(5)
        if row_of(store).state == FAILED:
            break
    sentence = "jo was not reached. slack:U024BE7LH: down; sms:+61400000000: opted out."
    assert told == [(sentence, False), (sentence, True)]
    while sender.run_once():
        pass
    assert {row_of(store, f"page:staging:3:{number}:bob").state for number in (1, 2)} == {SENT}
    assert is_whole(store)


def test_a_page_without_methods_fails_at_once(store: Store) -> None:
    told: list[Undelivered | Delivered] = []
    ask(store, page())
    sender_of(store, Scripted(), lambda _t, _p, undelivered: told.append(undelivered)).run_once()
    assert row_of(store).state == FAILED
    assert [each.is_final for each in told if isinstance(each, Undelivered)] == [True]


def test_what_the_owner_gets_wrong_does_not_send_a_page_again(store: Store) -> None:
    notes: list[str] = []

    def tell(*_: Any) -> None:
        raise ValueError(f"token={CANARY}")

    ask(store, page("ntfy:jo"))
    sender_of(store, Scripted(ntfy=Refused("no")), tell, report=notes.append).run_once()
    assert row_of(store).state == FAILED
    assert any(note.startswith("Nobody was told what became of the page") for note in notes)
    assert CANARY not in "".join(notes)


def test_an_owner_who_is_not_the_first_to_write_is_told_again(store: Store) -> None:
    """Others append to the same incident while the page fails: the decision is made again on what is there then."""
    attempts: list[int] = []

    def tell(*_: Any) -> None:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise eventlog.Conflict("Somebody else changed incident staging 3 at the same moment.")

    ask(store, page("ntfy:jo"))
    sender_of(store, Scripted(ntfy=Refused("no")), tell).run_once()
    assert attempts == [0, 1]
    assert row_of(store).state == FAILED


def test_a_channel_that_hangs_or_breaks_costs_its_time_and_no_more(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "URGENT_LIMIT", 0.5)
    over = threading.Event()

    def hang() -> Outcome:
        over.wait(60)
        return Sent()

    def broken() -> Outcome:
        raise RuntimeError(f"password={CANARY}")

    ask(store, page("slack:U024BE7LH", "sms:+61400000000", "ntfy:jo"))
    sender = sender_of(store, Scripted(slack=hang, sms=broken, ntfy=Sent()))
    for _ in range(20):
        while sender.run_once():
            pass
        clock.forward(5)
    over.set()
    row = row_of(store)
    assert row.state == SENT
    reasons = {(entry["contact"], entry["reason"].partition(": password")[0]) for entry in row.log}
    assert ("slack:U024BE7LH", "no answer within 0.5 s") in reasons
    assert ("sms:+61400000000", "a mistake in omc: RuntimeError") in reasons, "in one of its tries at least"
    assert CANARY not in str(row.log)


def test_a_page_that_is_withdrawn_is_not_sent_and_one_on_its_way_stays_withdrawn(store: Store) -> None:
    ask(store, page("ntfy:jo", key="a"), page("ntfy:jo", key="b"))

    def acknowledged() -> Outcome:
        with store.transaction("responder") as transaction:
            assert withdraw(transaction, "staging", 3) == 2
        return Sent()

    channels = Scripted(ntfy=acknowledged)
    sender = sender_of(store, channels)
    assert sender.run_once()
    assert not sender.run_once()
    assert [row_of(store, key).state for key in ("a", "b")] == [WITHDRAWN, WITHDRAWN]
    assert row_of(store, "a").attempts == 1
    assert is_whole(store)


def test_a_page_of_another_version_is_left_to_it(store: Store, clock: Clock) -> None:
    ask(store, page("ntfy:jo"))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("""UPDATE outbox SET page = replace(page, '"key"', '"name"')""")
    notes: list[str] = []
    sender = sender_of(store, Scripted(ntfy=Sent()), report=notes.append)
    assert sender.run_once()
    assert not sender.run_once()
    assert "another version wrote" in notes[0]
    assert row_of(store).state == WAITING
    clock.forward(61)
    assert sender.run_once(), "it is looked at again"


def test_a_page_that_failed_is_sent_anew_when_somebody_asks(store: Store) -> None:
    answers: Iterator[Outcome] = iter([Refused("no"), Sent()])
    ask(store, page("ntfy:jo"))
    sender = sender_of(store, Scripted(ntfy=lambda: next(answers)))
    sender.run_once()
    assert row_of(store).state == FAILED
    with store.transaction("jo") as transaction:
        assert send_anew(transaction, "page:staging:3:0:jo", "jo") is not None
        assert send_anew(transaction, "page:staging:9:0:jo", "jo") is None
    assert sender.run_once()
    assert row_of(store).state == SENT
    assert is_whole(store)


def test_how_long_the_oldest_page_waits_is_known(store: Store, clock: Clock) -> None:
    with store.reading() as session:
        assert oldest_due(session, clock()) == {}
    began = clock()
    ask(store, page("ntfy:jo"))
    clock.forward(30)
    with store.reading() as session:
        assert oldest_due(session, clock()) == {"staging": began}


# ── Leases ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_is_held_by_one_until_its_lease_is_over(store: Store, clock: Clock) -> None:
    ask(store, page("ntfy:jo"))
    lease = timedelta(seconds=60)
    with store.transaction() as transaction:
        first = take_due(transaction, ["staging"], "one", lease)
    assert first is not None
    assert not first.was_held
    with store.transaction() as transaction:
        assert take_due(transaction, ["staging"], "two", lease) is None
    clock.forward(60)
    with store.transaction() as transaction:
        second = take_due(transaction, ["staging"], "two", lease)
        assert second is not None
        assert second.was_held
    with store.transaction() as transaction:
        assert held_by(transaction, first.row.key, "one") is None
        assert held_by(transaction, first.row.key, "two") is not None


def test_a_sender_that_was_away_for_longer_than_its_lease_writes_nothing(store: Store, clock: Clock) -> None:
    notes: list[str] = []
    other = sender_of(store, Scripted(ntfy=Sent("other's")))

    def slow() -> Outcome:
        clock.forward(61)
        assert other.run_once()
        return Sent("late")

    ask(store, page("ntfy:jo"))
    sender_of(store, Scripted(ntfy=slow), report=notes.append).run_once()
    assert [entry["reference"] for entry in row_of(store).log] == ["other's"]
    assert notes[-1].endswith("took longer than its lease; another sender has it.")


def test_a_page_that_was_sent_is_not_sent_again_because_the_database_was_gone(store: Store, server: Any) -> None:
    notes: list[str] = []

    def cut_off() -> Outcome:
        with psycopg.connect(host=str(server.data), user="omc", dbname="postgres", autocommit=True) as connection:
            name = store.engine.url.database
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        return Sent()

    ask(store, page("ntfy:jo"))
    channels = Scripted(ntfy=cut_off)
    sender_of(store, channels, report=notes.append).run_once()
    assert row_of(store).state == SENT
    assert len(channels.deliveries) == 1
    assert "does not answer" in notes[0]


# ── Several senders ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(lambda _: Response(200)) as made:
        yield made


def keys_of(receiver: Receiver) -> Counter[str]:
    return Counter(request.headers["idempotency-key"] for request in receiver.requests)


def many(count: int) -> list[Page]:
    return [page("webhook:hook", key=f"page:staging:3:{number}:jo") for number in range(count)]


def test_two_senders_of_four_threads_send_each_page_once(store: Store, receiver: Receiver) -> None:
    ask(store, *many(50))
    stack = stack_with(webhook=receiver.address)
    senders = [Sender(store, ("staging",), CHANNELS, ChannelContext(stack, store.now), f"s{n}") for n in range(2)]
    threads = [threading.Thread(target=each.run_forever) for each in senders]
    for thread in threads:
        thread.start()
    eventually("all are sent", lambda: len(keys_of(receiver)) == 50)
    for each in senders:
        each.stopping.set()
        each.wake()
    for thread in threads:
        thread.join(90)
    for each in senders:
        each.context.http.close()
    assert set(keys_of(receiver).values()) == {1}
    assert all(is_signed(request, SECRETS["OMC_WEBHOOK_SECRET_HOOK"]) for request in receiver.requests)
    assert is_whole(store)


def start(place: StoreLocation, receiver: Receiver, moment: str, number: int) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(TESTS.parents[1] / "tests"), os.environ.get("PYTHONPATH", "")])
    words = [place.url or "", receiver.address, moment, str(number)]
    return subprocess.Popen(
        [sys.executable, "-m", "support.sender_process", *words], env={**os.environ, "PYTHONPATH": path}
    )


def test_no_page_is_lost_when_senders_are_killed_and_doubles_have_the_same_key(
    store: Store, place: StoreLocation, receiver: Receiver
) -> None:
    """kill -9 between the lease and the sending, and between the sending and the record; two senders at a time."""
    ask(store, *many(50))
    waves = [(("before", 3), ("after", 4)), (("after", 1), ("before", 1)), (("after", 6), ("after", 2))]
    kills = [kill for wave in waves for kill in wave]
    for wave in waves:
        killed = [start(place, receiver, *kill) for kill in wave]
        assert [process.wait(90) for process in killed] == [-signal.SIGKILL] * 2
    last = [start(place, receiver, "never", 0) for _ in range(2)]
    assert [process.wait(180) for process in last] == [0, 0]
    received = keys_of(receiver)
    doubles = {key: count for key, count in received.items() if count > 1}
    print(f"50 pages, {len(kills)} senders killed: {50 - len(received)} lost, {len(doubles)} sent more than once")
    assert set(received) == {each.key for each in many(50)}
    assert len(doubles) <= 2 * len(kills), "a killed sender had two pages in hand at most"
    assert len(doubles) >= 1, "what was sent and not written down is sent once more"
    with store.reading() as session:
        assert {row.state for row in session.query(OutboxRow)} == {SENT}
    assert is_whole(store)


# ── What follows a page, and what stays secret ───────────────────────────────────────────────────────────────────


def test_what_was_paged_is_followed_up_where_it_was_sent(store: Store) -> None:
    ask(
        store,
        page("pagerduty:jo-pages", key="page:staging:3:0:jo"),
        page("slack:U024BE7LH", key="page:staging:3:0:bob"),
        page("sms:+61400000000", key="page:staging:3:0:eve"),
    )
    channels = Scripted(pagerduty=Sent("k"), slack=Sent("D024BE7LH/1700000000.000001"), sms=Sent("m"))
    sender = sender_of(store, channels)
    while sender.run_once():
        pass
    channels.deliveries.clear()
    for expected in (2, 0):
        with store.transaction("responder") as transaction:
            message = Message("Acknowledged by jo.")
            assert follow_up(transaction, "staging", 3, "acknowledge", message) == expected
    while sender.run_once():
        pass
    assert {(each.page.key, str(each.method)) for each in channels.deliveries} == {
        ("acknowledge:page:staging:3:0:jo", "pagerduty:jo-pages"),
        ("acknowledge:page:staging:3:0:bob", "slack:D024BE7LH/1700000000.000001"),
    }
    with store.transaction("responder") as transaction:
        assert follow_up(transaction, "staging", 3, "resolve", Message("Resolved.")) == 2


def test_an_alert_that_may_have_been_raised_is_resolved_and_one_that_surely_was_not_is_not(store: Store) -> None:
    ask(store, page("pagerduty:jo-pages", key="a"), page("pagerduty:jo-pages", key="b"))
    with store.transaction() as transaction:
        assert take_due(transaction, ["staging"], "a sender that died", timedelta(seconds=60), "a") is not None
    with store.transaction("responder") as transaction:
        withdraw(transaction, "staging", 3)
        assert follow_up(transaction, "staging", 3, "resolve", Message("Resolved.")) == 1
    assert row_of(store, "resolve:a").state == WAITING


def test_a_button_that_is_delivered_to_two_processes_takes_effect_once(store: Store) -> None:
    pressed = Button("e1", "T1", "U1", "acknowledge", "staging", 3, None, "D1", "1.1")
    effects: list[Interaction] = []

    def decide(_: Transaction, interaction: Interaction) -> str | None:
        effects.append(interaction)
        return "done"

    handlers = [once(store, "slack", decide) for _ in range(2)]
    assert [handler(pressed) for handler in handlers] == ["done", None]
    assert effects == [pressed]


def test_no_secret_is_in_a_row_a_log_or_a_note(store: Store, receiver: Receiver, clock: Clock) -> None:
    """Every channel fails as badly as it can: it repeats what it was given."""
    notes: list[str] = []
    every = " ".join(SECRETS.values())
    receiver.answer = lambda request: Response(
        400,
        {"ok": False, "error": f"{every} {request.headers}", "message": f"{request.body!r} {every}", "errors": [every]},
    )
    address = receiver.address
    stack = stack_with(slack=address, pagerduty=address, ntfy=address, webhook=address)
    contacts = ("slack:U024BE7LH", "pagerduty:jo-pages", "ntfy:jo", "webhook:hook", "email:jo@example.com", "push:")
    ask(store, page(*contacts, message=Message(f"password={CANARY}", (f"Authorization: Bearer {CANARY}",))))
    sender = Sender(store, ("staging",), CHANNELS, ChannelContext(stack, store.now), "test", report=notes.append)
    for _ in range(10):
        while sender.run_once():
            pass
        clock.forward(30)
    sender.context.http.close()
    row = row_of(store)
    assert row.attempts == len(contacts)
    assert "[redacted]" in str(row.log)
    assert CANARY not in "\n".join(notes)
    with psycopg.connect(str(store.place.url)) as connection:
        assert CANARY not in dump(connection)


def test_a_page_that_is_changed_by_nobody_has_the_same_key_in_every_attempt(store: Store, clock: Clock) -> None:
    ask(store, replace(page("ntfy:jo", "email:jo@example.com"), is_urgent=False))
    channels = Scripted(ntfy=TryAgain("down"), email=TryAgain("down"))
    sender = sender_of(store, channels)
    for _ in range(60):
        sender.run_once()
        clock.forward(600)
    assert len(channels.deliveries) > 5
    assert {each.page.key for each in channels.deliveries} == {"page:staging:3:0:jo"}
