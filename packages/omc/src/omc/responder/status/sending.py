"""How a message reaches a subscriber: by e-mail that one click ends, and by signed webhooks to public addresses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from omc.config import Stack
from omc.config.status_tables import SUBSCRIPTION_KEY
from omc.errors import OmcError
from omc.incidents.events import AUTOMATIC
from omc.model.pages import Page
from omc.notify.addresses import Target, target_of
from omc.notify.channels.email import POLICY, hand_over
from omc.notify.channels.registry import ChannelContext, PageDelivery, secret_or_refusal
from omc.notify.channels.webhook import sign
from omc.notify.http import Answer, failure, post
from omc.notify.model import Delivered, Outcome, Refused, Sent, Undelivered
from omc.notify.secrets import secret
from omc.output.text import line
from omc.responder.status.board import Board, Entry, PublicUpdate, board_of, title_of
from omc.responder.status.feed import entry_data, update_data
from omc.responder.status.proofs import CONFIRM, UNSUBSCRIBE, Proofs, masked, proofs_of
from omc.responder.status.telling import CONFIRMATION, UPDATE
from omc.store.incidents import find as find_incident
from omc.store.opened import Store, Transaction
from omc.store.subscribers import EMAIL, Subscriber, count_failure, count_success, find, remove

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from omc.config.notify_tables import EmailTable
    from omc.incidents.incident import Incident

MOST_FAILURES = 5
"""Updates in a row that could not be delivered, after which a subscriber is forgotten."""
GONE = 410


@dataclass(frozen=True, slots=True)
class Letter:
    """What is said to one subscriber."""

    subject: str
    text: str
    kind: str
    """``status.update`` or ``status.confirm``: the type of a webhook's message."""
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Postman:
    """Sends to subscribers; one for all environments of a store."""

    stack: Stack
    store: Store
    report: Callable[[str], None] = lambda _: None

    def send(self, delivery: PageDelivery, context: ChannelContext) -> Outcome:
        """One attempt. Whoever is gone is forgotten at once."""
        id_, _, what = delivery.method.address.partition("/")
        _, environment, key, *_ = delivery.page.key.split(":")
        with self.store.reading() as session:
            subscriber = find(session, id_)
        if subscriber is None or (what == UPDATE and subscriber.confirmed_at is None):
            return Refused("there is no such subscriber any more")
        try:
            proofs = proofs_of(environment, secret(SUBSCRIPTION_KEY))
        except OmcError as error:
            return Refused(error.message.rstrip("."))
        letter = self._letter(subscriber, what, key, proofs)
        if letter is None:
            return Refused("what it is about isn't in the record")
        if subscriber.kind == EMAIL:
            outcome = self._mail(subscriber, letter, delivery.page, proofs, context.now())
        else:
            outcome = self._webhook(subscriber, letter, delivery.page, proofs, context)
        return self._settled(subscriber, _without_address(outcome, subscriber))

    def undelivered(self, transaction: Transaction, page: Page, outcome: Undelivered | Delivered) -> None:
        """Told when a page is given up: who can't be reached again and again is forgotten."""
        id_, _, what = page.methods[0].address.partition("/")
        if not isinstance(outcome, Undelivered):
            return
        if outcome.is_final and what == UPDATE and count_failure(transaction, id_, MOST_FAILURES):
            self.report(f"Subscriber {id_} is forgotten: {MOST_FAILURES} updates in a row could not be delivered.")

    def _settled(self, subscriber: Subscriber, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Sent) and subscriber.failures:
            with self.store.transaction(AUTOMATIC) as transaction:
                count_success(transaction, subscriber.id)
        elif isinstance(outcome, Refused) and outcome.is_gone:
            with self.store.transaction(AUTOMATIC) as transaction:
                remove(transaction, subscriber.id)
            self.report(f"Subscriber {subscriber.id} is forgotten: {line(outcome.reason)}.")
        return outcome

    # ── What is said ─────────────────────────────────────────────────────────────────────────────────────────────

    def _letter(self, subscriber: Subscriber, what: str, key: str, proofs: Proofs) -> Letter | None:
        title = title_of(self.stack)
        if what == CONFIRMATION:
            link = proofs.link(self._base(subscriber.environment), CONFIRM, subscriber.id)
            text = (
                f"Somebody, probably you, asked for messages about the status of {title} to be sent here.\n\n"
                f"To confirm that, open this page and press its button within 48 hours:\n{link}\n\n"
                "If it wasn't you, do nothing: no further message comes, and the address is forgotten."
            )
            return Letter(f"[{title}] Confirm your subscription", text, "status.confirm", {"confirm": link})
        environment = subscriber.environment
        with self.store.reading() as session:
            incidents = _family(session, environment, int(key.partition(".")[0]))
        board = board_of(self.stack, environment, incidents, self.store.now(), is_watched=False)
        unsubscribe = proofs.link(self._base(environment), UNSUBSCRIBE, subscriber.id)
        for entry in board.entries:
            for update in entry.updates:
                if update.key == key:
                    return _letter_of(board, entry, update, unsubscribe)
        return None

    def _base(self, environment: str) -> str:
        return base_of(self.stack, environment)

    # ── How ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _mail(self, subscriber: Subscriber, letter: Letter, page: Page, proofs: Proofs, now: datetime) -> Outcome:
        settings = self.stack.notify.email
        if settings is None:
            return Refused("omc.toml has no [notify.email]")
        password: str | Refused = ""
        if settings.user is not None and isinstance(password := secret_or_refusal("OMC_SMTP_PASSWORD"), Refused):
            return password
        unsubscribe = proofs.link(self._base(subscriber.environment), UNSUBSCRIBE, subscriber.id)
        message = mail_of(letter, settings, subscriber.address, page.key, unsubscribe)
        message["Date"] = format_datetime(now)
        return hand_over(settings, str(password), message, subscriber.address)

    def _webhook(
        self, subscriber: Subscriber, letter: Letter, page: Page, proofs: Proofs, context: ChannelContext
    ) -> Outcome:
        target = target_of(subscriber.address, self.stack.status.webhook_networks)
        if not isinstance(target, Target):
            return target
        now = context.now()
        content = {"type": letter.kind, "timestamp": now.isoformat(timespec="seconds"), "data": letter.data}
        body = json.dumps(content).encode()
        timestamp = str(int(now.timestamp()))
        headers = {
            "Host": target.host,
            "Idempotency-Key": page.key,
            "webhook-id": page.key,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(proofs.webhook_secret(subscriber.id), page.key, timestamp, body),
        }
        answer = post(context.http, target.url, body, headers, certificate_of=target.name)
        if not isinstance(answer, Answer):
            return answer
        if answer.status == GONE:
            return Refused("the receiver answered 410: it wants no more", is_gone=True)
        return failure(answer, "the receiver") or Sent()


def base_of(stack: Stack, environment: str) -> str:
    """The address of an environment's status; relative to the server's where that isn't known."""
    return f"{(stack.server.address or '').rstrip('/')}/status/{environment}"


def mail_of(letter: Letter, settings: EmailTable, recipient: str, key: str, unsubscribe: str) -> EmailMessage:
    """The message without its date; its id is made of the page's key. List-Unsubscribe is a POST in one click (RFC
    8058): the mail server's DKIM signature must cover both headers."""
    domain = settings.sender.rpartition("@")[2]
    message = EmailMessage(POLICY)
    message["From"] = settings.sender
    message["To"] = recipient
    message["Subject"] = line(" ".join(letter.subject.split())).replace("=?", "= ?")
    message["Message-ID"] = f"<{sha256(key.encode()).hexdigest()[:32]}@{domain}>"
    message["List-Unsubscribe"] = f"<{unsubscribe}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.text + "\n", charset="utf-8")
    return message


def _family(session: Session, environment: str, number: int) -> list[Incident]:
    """The incident, the one in which it goes on, and all that go on in that one."""
    found = find_incident(session, environment, number)
    while found is not None and found.merged_into is not None and found.merged_into != number:
        found = find_incident(session, environment, found.merged_into)
    family: dict[int, Incident] = {}
    waiting = [found.number] if found is not None else []
    while waiting:
        number = waiting.pop()
        each = find_incident(session, environment, number) if number not in family else None
        if each is not None:
            family[number] = each
            waiting += each.absorbed
    return list(family.values())


def _letter_of(board: Board, entry: Entry, update: PublicUpdate, unsubscribe: str) -> Letter:
    names = {each.id: each.name for each in board.components}
    states = [f"- {names[name]}: {state.replace('_', ' ')}" for name, state in update.states.items() if name in names]
    parts = [
        update.text,
        "\n".join(states),
        f"{update.phase.capitalize()}, {update.at:%Y-%m-%d %H:%M} UTC.",
        f"You get this because you subscribed to the status of {board.title}. To end that: {unsubscribe}",
    ]
    data = {
        "incident": entry_data(entry, board),
        "incident_update": update_data(update, board),
        "unsubscribe": unsubscribe,
    }
    subject = f"[{board.title}] {update.phase.capitalize()}: {entry.title}"
    return Letter(subject, "\n\n".join(each for each in parts if each), "status.update", data)


def _without_address(outcome: Outcome, subscriber: Subscriber) -> Outcome:
    """Servers repeat the address in their answers, and these are kept."""
    if isinstance(outcome, Sent):
        return outcome
    hidden = masked(subscriber.kind, subscriber.address)
    reason = outcome.reason.replace(subscriber.address, hidden)
    lowered = subscriber.address.lower()
    at = reason.lower().find(lowered)
    while at >= 0:
        reason = f"{reason[:at]}{hidden}{reason[at + len(lowered) :]}"
        at = reason.lower().find(lowered, at + len(hidden))
    return replace(outcome, reason=reason)
