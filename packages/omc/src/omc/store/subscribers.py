"""Who has updates of an environment's status sent to them. The one table in which a customer's address stands.

It is no part of the record: what is recorded can't be forgotten, and an address must be. Whoever unsubscribes is
deleted; so is who doesn't confirm in time. All else (pages, logs, deadlines) has a subscriber's id alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import Index, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from omc.store.models import Base
from omc.store.opened import Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

EMAIL, WEBHOOK = "email", "webhook"
CONFIRM_WITHIN = timedelta(hours=48)
"""So long whoever subscribed has to confirm it."""
ASK_AGAIN = timedelta(hours=1)
"""An address is asked to confirm once in such a time at most, however often somebody names it."""
MAX_QUESTIONS = 3
"""And so often in all."""


class Subscriber(Base):
    """One address of somebody who wants to be told."""

    __tablename__ = "subscribers"
    is_recorded = False  # an address must be removable, and the record isn't

    id: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str]
    kind: Mapped[str]
    """``email`` or ``webhook``."""
    address: Mapped[str]
    identity: Mapped[str]
    """What makes two subscriptions the same: an e-mail address in small letters. A webhook's is its own id: each has a
    secret of its own."""
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    """None: nothing is sent but the question."""
    asked_at: Mapped[datetime]
    """When the question was last sent."""
    questions: Mapped[int]
    """How often."""
    failures: Mapped[int]
    """Updates in a row that could not be delivered."""

    __table_args__ = (Index("one_subscriber_per_identity", "environment", "kind", "identity", unique=True),)


def lane_of(environment: str) -> str:
    """What stands for the environment in pages to its customers: a sender of their own takes them, so that a slow
    receiver of a customer's delays no page to whoever is on call."""
    return f"{environment}/customers"


def subscribe(transaction: Transaction, environment: str, kind: str, address: str) -> Subscriber | None:
    """Somebody wants to be told; the row, if the question is to be sent to the address now. None where it was sent
    within the hour, or often enough, or the address is confirmed: nobody learns which."""
    session = transaction.session
    made = secrets.token_hex(8)
    row = {
        "id": made,
        "environment": environment,
        "kind": kind,
        "address": address,
        "identity": address.lower() if kind == EMAIL else made,
        "created_at": transaction.at,
        "asked_at": transaction.at,
        "questions": 1,
        "failures": 0,
    }
    statement = insert(Subscriber).values(row).on_conflict_do_nothing().returning(Subscriber.id)
    if session.execute(statement).first() is not None:
        return session.get(Subscriber, made)
    known = session.scalars(
        select(Subscriber)
        .where(Subscriber.environment == environment, Subscriber.kind == kind, Subscriber.identity == row["identity"])
        .with_for_update()
    ).first()
    if known is None or known.confirmed_at is not None:
        return None
    if known.questions >= MAX_QUESTIONS or known.asked_at > transaction.at - ASK_AGAIN:
        return None
    known.questions, known.asked_at = known.questions + 1, transaction.at
    return known


def forget_unconfirmed(transaction: Transaction) -> None:
    """Forget who didn't confirm in time."""
    is_late = Subscriber.created_at <= transaction.at - CONFIRM_WITHIN
    transaction.session.execute(delete(Subscriber).where(Subscriber.confirmed_at.is_(None), is_late))


def confirm(transaction: Transaction, subscriber: str) -> bool:
    """From now on updates are sent to it. False where there is no such subscriber, or it took too long."""
    found = transaction.session.get(Subscriber, subscriber, with_for_update=True)
    if found is None:
        return False
    if found.confirmed_at is None:
        if found.created_at <= transaction.at - CONFIRM_WITHIN:
            return False
        found.confirmed_at = transaction.at
    return True


def remove(transaction: Transaction, subscriber: str) -> bool:
    """Forget it; whether there was one."""
    gone = transaction.session.execute(delete(Subscriber).where(Subscriber.id == subscriber).returning(Subscriber.id))
    return gone.first() is not None


def find(session: Session, subscriber: str) -> Subscriber | None:
    return session.get(Subscriber, subscriber)


def subscribers_of(session: Session, environment: str) -> list[Subscriber]:
    """All of an environment, the oldest first."""
    query = select(Subscriber).where(Subscriber.environment == environment)
    return list(session.scalars(query.order_by(Subscriber.created_at, Subscriber.id)))


def count_of(session: Session, environment: str, kind: str | None = None, since: datetime | None = None) -> int:
    """How many there are; ``since``: that were made from then on and aren't confirmed."""
    query = select(func.count()).select_from(Subscriber).where(Subscriber.environment == environment)
    if kind is not None:
        query = query.where(Subscriber.kind == kind)
    if since is not None:
        query = query.where(Subscriber.created_at >= since, Subscriber.confirmed_at.is_(None))
    return session.scalar(query) or 0


def confirmed_webhooks_of(session: Session, environment: str, address: str) -> int:
    """How many confirmed webhooks go to the host of this one. Its name counts, in small letters and without the full
    stop that may end it."""
    confirmed = select(Subscriber.address).where(
        Subscriber.environment == environment, Subscriber.kind == WEBHOOK, Subscriber.confirmed_at.is_not(None)
    )
    return sum(_host(each) == _host(address) for each in session.scalars(confirmed))


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def confirmed_after(session: Session, environment: str, at: datetime, after: str, limit: int) -> Sequence[str]:
    """The next ids of those who had confirmed by then, in their order."""
    query = select(Subscriber.id).where(
        Subscriber.environment == environment, Subscriber.confirmed_at <= at, Subscriber.id > after
    )
    return session.scalars(query.order_by(Subscriber.id).limit(limit)).all()


def count_failure(transaction: Transaction, subscriber: str, most: int) -> bool:
    """An update could not be delivered; whether it was one too many, so that the subscriber is forgotten."""
    count = transaction.session.scalar(
        update(Subscriber)
        .where(Subscriber.id == subscriber)
        .values(failures=Subscriber.failures + 1)
        .returning(Subscriber.failures)
    )
    return count is not None and count >= most and remove(transaction, subscriber)


def count_success(transaction: Transaction, subscriber: str) -> None:
    """An update was delivered."""
    transaction.session.execute(update(Subscriber).where(Subscriber.id == subscriber).values(failures=0))
