"""The sender: takes pages that are due out of the outbox, has a channel send them, and writes down what came of it.

A page is held by a lease, sent outside of any transaction, and what came of it is written by whoever still holds it. A
sender that dies leaves the page to the next one once its lease is over: it is sent once more, with the same key, and so
at least once. Several senders may work on one store.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from omc.model.pages import Page
from omc.model.people import Channel, ContactMethod
from omc.model.typed_json import Misfit, from_json
from omc.notify.channels.registry import ChannelContext, PageDelivery, Send
from omc.notify.links import is_read_by_many, with_link
from omc.notify.model import (
    ANEW,
    TRY_AGAIN,
    Attempt,
    Delivered,
    Entry,
    Failed,
    Failure,
    FallOver,
    Outcome,
    Refused,
    Sent,
    TryAgain,
    Undelivered,
    entry_of,
    in_vain,
    log_document,
    log_from,
    next_attempt,
)
from omc.notify.secrets import link_secret, scrubbed
from omc.output.text import line
from omc.store.embedded import StoreUnreachable
from omc.store.eventlog import Conflict
from omc.store.opened import Store, Transaction
from omc.store.outbox import FAILED, SENT, WAITING, OutboxRow, TakenPage, held_by, take_due

LEASE = 60.0
"""Seconds after which the page of a sender that said nothing more is taken by another."""
URGENT_LIMIT, LIMIT = 8.0, 20.0
"""Seconds for one attempt, whatever the channel's own limits are."""
POLL_INTERVAL = 0.5
"""Seconds between looks for pages that are due."""
RECORD_AGAIN = 0.5
"""Seconds between attempts to write down what came of a page, while the database is gone."""
UNREADABLE_DELAY = timedelta(seconds=60)
THREADS = 4

Tell = Callable[[Transaction, Page, Undelivered | Delivered], None]
"""Told in the transaction that writes it down, so that what follows from it is written with it or not at all. It may be
told again where that transaction fails; a ``Conflict`` is no failure of it."""


def tell_nobody(transaction: Transaction, page: Page, outcome: Undelivered | Delivered) -> None:
    """For pages that nobody waits for."""


@dataclass(slots=True)
class Sender:
    """Sends the pages of some environments, and those that belong to none."""

    store: Store
    environments: Sequence[str]
    channels: Mapping[Channel, Send]
    context: ChannelContext
    holder: str
    """Which process this is: ``engine.processes.this_process``."""
    tell: Tell = tell_nobody
    report: Callable[[str], None] = lambda _: None
    """For the person who watches this process: a sentence without secrets."""
    stopping: threading.Event = field(default_factory=threading.Event)
    lease: float = LEASE
    _work: threading.Event = field(default_factory=threading.Event)

    def run_forever(self, threads: int = THREADS) -> None:
        """Send until ``stopping`` is set; what is being sent then is brought to its end."""
        workers = [threading.Thread(target=self._work_on, name=f"sender {number}") for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def wake(self) -> None:
        """There may be a page: look now."""
        self._work.set()

    def run_once(self, key: str | None = None) -> bool:
        """Send one page that is due, or this one; whether there was one."""
        holder = f"{self.holder}/{secrets.token_hex(4)}"
        with self.store.transaction() as transaction:
            taken = take_due(transaction, [*self.environments, ""], holder, timedelta(seconds=self.lease), key)
        if taken is None:
            return False
        try:
            page, log = from_json(Page, taken.row.page), log_from(taken.row.log)
        except Misfit as error:
            self._put_off(taken, error)
            return True
        following = next_attempt(page, log, self.store.now())
        if isinstance(following, Failed):
            failed = following
            self._record(taken, page, lambda transaction, row, tell: self._fail(transaction, row, tell, page, failed))
            return True
        method = page.methods[following.method]
        began = time.monotonic()
        shown = self._shown(page, method, _asked_at(taken, log))
        outcome = self._send(PageDelivery(shown, method, _may_have_arrived(taken, log, following)))
        seconds = round(time.monotonic() - began, 3)

        def write(transaction: Transaction, row: OutboxRow, tell: Tell) -> None:
            entry = entry_of(outcome, transaction.at, following, str(method), seconds)
            self._write(transaction, row, tell, page, (*log, entry))

        self._record(taken, page, write)
        return True

    def _shown(self, page: Page, method: ContactMethod, at: datetime) -> Page:
        """The page as it is sent there: with a link that acknowledges, where its recipient alone reads it."""
        stack = self.context.stack
        if is_read_by_many(method, stack.persons.values(), stack.notify.shared):
            return page
        return with_link(page, stack.server.address, link_secret(), at)

    def _work_on(self) -> None:
        while not self.stopping.is_set():
            try:
                busy = self.run_once()
            except StoreUnreachable as error:
                self.report(error.message)
                self.stopping.wait(POLL_INTERVAL)
                with suppress(StoreUnreachable):
                    self.store.revive()
                busy = False
            except Exception as error:  # noqa: BLE001 - one page must not keep all others from being sent
                self.report(_mistake(error))
                busy = False
            if not busy:
                self._work.wait(POLL_INTERVAL)
                self._work.clear()

    def _send(self, delivery: PageDelivery) -> Outcome:
        """What the channel says, within the time that it has; without secrets, whatever it repeats."""
        channel = delivery.method.channel
        if channel not in self.channels:
            return Refused(f"this omc has no channel {channel}")
        limit = URGENT_LIMIT if delivery.page.is_urgent else LIMIT
        outcome = within(limit, lambda: self.channels[channel](delivery, self.context))
        match outcome:
            case Refused(reason, failure):
                return Refused(_harmless(reason), failure)
            case TryAgain(reason, after, may_have_arrived, failure):
                return TryAgain(_harmless(reason), after, may_have_arrived, failure)
            case Sent(reference):
                return Sent(_harmless(reference))

    def _record(self, taken: TakenPage, page: Page, write: Callable[[Transaction, OutboxRow, Tell], None]) -> None:
        """Write it down, if the page is still held. Again and again while the database is gone, or others were quicker
        to write what ``tell`` wants to: a page that was sent would be sent once more. What ``tell`` gets wrong costs
        its own effect alone."""
        deadline, tell = time.monotonic() + self.lease, self.tell
        while True:
            try:
                with self.store.transaction(self.holder) as transaction:
                    row = held_by(transaction, taken.row.key, taken.holder)
                    if row is not None:
                        write(transaction, row, tell)
                break
            except (StoreUnreachable, Conflict) as error:
                self.report(error.message)
                if time.monotonic() > deadline:
                    raise
                time.sleep(RECORD_AGAIN if isinstance(error, StoreUnreachable) else 0.01)
                with suppress(StoreUnreachable):
                    self.store.revive()
            except Exception as error:
                if tell is tell_nobody:
                    raise
                self.report(f"Nobody was told what became of the page {page.key}. {_mistake(error)}")
                tell = tell_nobody
        if row is None:
            self.report(f"The page {page.key} took longer than its lease; another sender has it.")

    def _write(self, transaction: Transaction, row: OutboxRow, tell: Tell, page: Page, log: Sequence[Entry]) -> None:
        """The last attempt, and what follows from it."""
        row.log, row.attempts = log_document(log), row.attempts + 1
        row.holder = row.lease_until = None
        last = log[-1]
        if last.outcome == SENT:
            row.sent_at, row.method = transaction.at, last.method
            row.state = SENT if row.state == WAITING else row.state
            transaction.record("page.sent", row)
            if page.room is not None:
                tell(transaction, page, Delivered(last.contact, last.reference))
            self.report(f"The page {page.key} went to {last.contact}.")
            return
        self.report(f"The page {page.key} did not go to {last.contact}: {last.reason}.")
        if row.state != WAITING:  # withdrawn while it was being sent
            transaction.record("page.tried", row)
            return
        following = next_attempt(page, log, transaction.at)
        if isinstance(following, Failed):
            self._fail(transaction, row, tell, page, following)
            return
        row.method, row.due_at = following.method, following.due_at
        transaction.record("page.tried", row)
        if isinstance(following, FallOver) and following.is_new_round and following.round == 2:
            tell(transaction, page, Undelivered(in_vain(page, log), is_final=False))

    def _fail(self, transaction: Transaction, row: OutboxRow, tell: Tell, page: Page, failed: Failed) -> None:
        row.holder = row.lease_until = None
        if row.state == WAITING:
            row.state = FAILED
            tell(transaction, page, Undelivered(failed.sentence, is_final=True))
            self.report(failed.sentence)
        transaction.record("page.failed", row)

    def _put_off(self, taken: TakenPage, error: Misfit) -> None:
        """A page that a newer omc wrote is left to one of its age."""
        self.report(f"This omc can't read the page {taken.row.key}, which another version wrote: {error}")
        with self.store.transaction(self.holder) as transaction:
            if (row := held_by(transaction, taken.row.key, taken.holder)) is not None:
                row.holder, row.lease_until = None, None
                row.due_at = transaction.at + UNREADABLE_DELAY
                transaction.record("page.put_off", row)


def send_anew(transaction: Transaction, key: str, who: str) -> OutboxRow | None:
    """Have a page that failed, or was sent, be sent once more, from its first method on; None where there is none."""
    row = transaction.session.get(OutboxRow, key, with_for_update=True)
    if row is None:
        return None
    log = (*log_from(row.log), Entry(transaction.at, 0, 1, "", ANEW, reason=who))
    row.log, row.state, row.due_at, row.method = log_document(log), WAITING, transaction.at, 0
    row.holder = row.lease_until = None
    transaction.record("page.anew", row)
    return row


def within(seconds: float, send: Callable[[], Outcome]) -> Outcome:
    """What ``send`` gives, or that it took too long: it goes on by itself then, in a thread that nobody waits for."""
    result: list[Outcome] = []

    def run() -> None:
        try:
            result.append(send())
        except Exception as error:  # noqa: BLE001 - a mistake in one channel is no reason to try no other
            result.append(TryAgain(_mistake(error), may_have_arrived=True))

    thread = threading.Thread(target=run, name="sending", daemon=True)
    thread.start()
    thread.join(seconds)
    if result:
        return result[0]
    return TryAgain(f"no answer within {seconds:g} s", may_have_arrived=True, failure=Failure.TIME)


def _may_have_arrived(taken: TakenPage, log: Sequence[Entry], following: Attempt | FallOver) -> bool:
    own = [each for each in log if each.method == following.method and each.outcome == TRY_AGAIN]
    return taken.was_held or any(each.may_have_arrived for each in own)


def _asked_at(taken: TakenPage, log: Sequence[Entry]) -> datetime:
    """When the page was asked for last: every attempt since then carries the same link."""
    return max((each.at for each in log if each.outcome == ANEW), default=taken.row.created_at)


def _harmless(text: str) -> str:
    return line(scrubbed(" ".join(text.split())))


def _mistake(error: Exception) -> str:
    return _harmless(f"a mistake in omc: {type(error).__name__}: {error}")
