"""The outbox: pages that are to be sent, written in the transaction of what caused them, and sent at least once.

A row is there if and only if its cause is. Whoever sends holds it by a lease; a sender that dies leaves the row for the
next one, which sends it again with the same key.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Index, Text, func, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from omc.model.pages import Page
from omc.model.typed_json import to_json
from omc.store.models import Base, Document
from omc.store.opened import Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WAITING, SENT, FAILED, WITHDRAWN = "waiting", "sent", "failed", "withdrawn"
GATHERED, SUMMARISED, OVER = "gathered", "summarised", "over"
"""Of a page beyond what one person is to get within a time: it waits to be named in a summary; it is named in one; and
what it was about has ended since."""
STATES = (WAITING, SENT, FAILED, WITHDRAWN, GATHERED, SUMMARISED, OVER)
_NOTICE = '"is_urgent":false'
"""In the text of a page that may wait. No text in a page has it: its quotes would be escaped."""


class OutboxRow(Base):
    """A page on its way."""

    __tablename__ = "outbox"

    key: Mapped[str] = mapped_column(primary_key=True)
    """``Page.key``."""
    environment: Mapped[str]
    incident: Mapped[int | None]
    recipient: Mapped[str]
    page: Mapped[Any] = mapped_column(Document)
    """The ``Page``."""
    state: Mapped[str]
    """``waiting``, ``sent``, ``failed`` (no method is left), ``withdrawn`` (what it was about has ended), or one of
    those of a page that a summary names."""
    summary: Mapped[str | None]
    """The key of the page that names this one's incident, in its place."""
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """When it is sent, or tried again; of one that is gathered, when its summary is due at the latest."""
    method: Mapped[int] = mapped_column(default=0)
    """Which of the page's methods is tried, from 0."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Of all methods together."""
    log: Mapped[Any] = mapped_column(Document, default=list)
    """Each attempt: its time, method, and what came of it."""
    sent_at: Mapped[datetime | None]
    holder: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    __table_args__ = (
        Index("outbox_due", "due_at", postgresql_where=text("state = 'waiting'")),
        Index("outbox_of_an_incident", "environment", "incident"),
        Index("outbox_of_a_summary", "summary", postgresql_where=text("summary IS NOT NULL")),
        Index("outbox_gathered", "environment", "recipient", postgresql_where=text("state = 'gathered'")),
        Index("outbox_to_a_person", "recipient", "created_at"),
    )


def enqueue(transaction: Transaction, page: Page, due_at: datetime | None = None, state: str = WAITING) -> bool:
    """Have a page sent once this transaction is committed; from ``due_at`` on, else at once. False where a page of this
    key is there already: then nothing is written. ``GATHERED``: it isn't sent by itself, and its summary is due
    then."""
    if transaction.session.get(OutboxRow, page.key) is not None:
        return False
    row = OutboxRow(
        key=page.key,
        environment=page.environment,
        incident=page.incident,
        recipient=page.recipient,
        page=to_json(page),
        state=state,
        created_at=transaction.at,
        due_at=due_at or transaction.at,
    )
    transaction.session.add(row)
    transaction.record("page.asked", row)
    return True


def of_incident(session: Session, environment: str, incident: int) -> list[OutboxRow]:
    """The pages of an incident, oldest first."""
    query = select(OutboxRow).where(OutboxRow.environment == environment, OutboxRow.incident == incident)
    return list(session.scalars(query.order_by(OutboxRow.created_at, OutboxRow.key)))


@dataclass(frozen=True, slots=True)
class TakenPage:
    """A page that a sender holds."""

    row: OutboxRow
    holder: str
    was_held: bool
    """Somebody held it before and never wrote down what came of it: it may have been sent."""


def withdraw(transaction: Transaction, environment: str, incident: int, keys: Collection[str] | None = None) -> int:
    """Send none of an incident's pages that are still waiting, or none of these; how many that were. One that is being
    sent just now may still arrive."""
    query = select(OutboxRow).where(
        OutboxRow.environment == environment,
        OutboxRow.incident == incident,
        OutboxRow.state.in_((WAITING, GATHERED)),
    )
    if keys is not None:
        query = query.where(OutboxRow.key.in_(keys))
    rows = transaction.session.scalars(query.order_by(OutboxRow.key).with_for_update()).all()
    for row in rows:
        row.state = WITHDRAWN
        transaction.record("page.withdrawn", row)
    return len(rows)


def take_due(
    transaction: Transaction, environments: Sequence[str], holder: str, lease: timedelta, key: str | None = None
) -> TakenPage | None:
    """A page that is due, held by ``holder`` for so long; urgent ones first. None where none is due that nobody else
    holds. ``key``: this page or none. A ``holder`` is never used for a second page."""
    query = select(OutboxRow).where(
        OutboxRow.state == WAITING,
        OutboxRow.due_at <= transaction.at,
        OutboxRow.environment.in_(environments),
        or_(OutboxRow.lease_until.is_(None), OutboxRow.lease_until <= transaction.at),
    )
    if key is not None:
        query = query.where(OutboxRow.key == key)
    is_notice = OutboxRow.page.cast(Text).contains(_NOTICE, autoescape=True)
    row = transaction.session.scalars(
        query.order_by(is_notice, OutboxRow.due_at, OutboxRow.key).limit(1).with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    taken = TakenPage(row, holder, was_held=row.holder is not None)
    row.holder, row.lease_until = holder, transaction.at + lease
    return taken


def held_by(transaction: Transaction, key: str, holder: str) -> OutboxRow | None:
    """The page, locked; None where another has taken it since."""
    row = transaction.session.get(OutboxRow, key, with_for_update=True)
    return row if row is not None and row.holder == holder else None


def pages(session: Session, environments: Sequence[str], states: Sequence[str], limit: int = 200) -> list[OutboxRow]:
    """The newest pages in one of these states."""
    query = select(OutboxRow).where(OutboxRow.environment.in_(environments), OutboxRow.state.in_(states))
    return list(session.scalars(query.order_by(OutboxRow.created_at.desc(), OutboxRow.key).limit(limit)))


def oldest_due(session: Session, now: datetime) -> dict[str, datetime]:
    """By environment since when the page waits that is due longest, by itself or in a summary; without those in which
    all that is due was sent."""
    due = (
        select(OutboxRow.environment, func.min(OutboxRow.due_at))
        .where(OutboxRow.state.in_((WAITING, GATHERED)), OutboxRow.due_at <= now)
        .group_by(OutboxRow.environment)
    )
    return {row[0]: row[1] for row in session.execute(due)}


def urgent_since(session: Session, recipient: str, since: datetime) -> list[OutboxRow]:
    """The urgent pages to somebody that were asked for since then, of all environments, without those that wait to be
    summarised, or are."""
    query = select(OutboxRow).where(
        OutboxRow.recipient == recipient,
        OutboxRow.created_at > since,
        OutboxRow.state.in_((WAITING, SENT, FAILED)),
        ~OutboxRow.page.cast(Text).contains(_NOTICE, autoescape=True),
    )
    return list(session.scalars(query.order_by(OutboxRow.created_at, OutboxRow.key)))


def gathered(transaction: Transaction, environment: str, recipient: str) -> list[OutboxRow]:
    """The pages to somebody that wait to be summarised, oldest first, locked."""
    query = select(OutboxRow).where(
        OutboxRow.environment == environment, OutboxRow.recipient == recipient, OutboxRow.state == GATHERED
    )
    ordered = query.order_by(OutboxRow.created_at, OutboxRow.key).with_for_update()
    return list(transaction.session.scalars(ordered))


def summarised(session: Session, key: str) -> list[OutboxRow]:
    """The pages that a summary names."""
    return list(session.scalars(select(OutboxRow).where(OutboxRow.summary == key).order_by(OutboxRow.key)))
