"""The outbox: pages that are to be sent, written in the transaction of what caused them, and sent at least once.

A row is there if and only if its cause is. Whoever sends holds it by a lease; a sender that dies leaves the row for the
next one, which sends it again with the same key.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from omc.model.pages import Page
from omc.model.typed_json import to_json
from omc.store.models import Base, Document
from omc.store.opened import Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WAITING, SENT, FAILED, WITHDRAWN = "waiting", "sent", "failed", "withdrawn"


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
    """``waiting``, ``sent``, ``failed`` (no method is left) or ``withdrawn`` (what it was about has ended)."""
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """When it is sent, or tried again."""
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
    )


def enqueue(transaction: Transaction, page: Page, due_at: datetime | None = None) -> bool:
    """Have a page sent once this transaction is committed; from ``due_at`` on, else at once. False where a page of this
    key is there already: then nothing is written."""
    if transaction.session.get(OutboxRow, page.key) is not None:
        return False
    row = OutboxRow(
        key=page.key,
        environment=page.environment,
        incident=page.incident,
        recipient=page.recipient,
        page=to_json(page),
        state=WAITING,
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


def withdraw(transaction: Transaction, environment: str, incident: int, keys: Collection[str] | None = None) -> int:
    """Send none of an incident's pages that are still waiting, or none of these; how many that were. One that is being
    sent just now may still arrive."""
    query = select(OutboxRow).where(
        OutboxRow.environment == environment, OutboxRow.incident == incident, OutboxRow.state == WAITING
    )
    if keys is not None:
        query = query.where(OutboxRow.key.in_(keys))
    rows = transaction.session.scalars(query.order_by(OutboxRow.key).with_for_update()).all()
    for row in rows:
        row.state = WITHDRAWN
        transaction.record("page.withdrawn", row)
    return len(rows)
