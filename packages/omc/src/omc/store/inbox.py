"""The inbox: which messages from outside have taken effect, so that one that is delivered again has none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Index, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from omc.store.models import Base
from omc.store.opened import Transaction

KEPT = timedelta(days=15)
"""A day longer than a queue of SQS can keep a message (its MessageRetentionPeriod is 14 days at most)."""


class ReceivedMessage(Base):
    """A message whose effects are committed."""

    __tablename__ = "inbox"
    is_recorded = False  # what it led to is in the record

    source: Mapped[str] = mapped_column(primary_key=True)
    """``sqs``, ``sns``, or the name of a webhook."""
    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]

    __table_args__ = (Index("inbox_by_time", "at"),)


def take(transaction: Transaction, source: str, message_id: str) -> bool:
    """Whether the message is new: then this transaction is the one in which it takes effect. Waits for another one that
    has the same message in hand."""
    taken = transaction.session.execute(
        insert(ReceivedMessage)
        .values(source=source, id=message_id, at=transaction.at)
        .on_conflict_do_nothing()
        .returning(ReceivedMessage.id)
    )
    return taken.first() is not None


def take_all(transaction: Transaction, source: str, ids: Iterable[str]) -> set[str]:
    """Which of these messages are new; as ``take``, of one source and in one go."""
    rows = [{"source": source, "id": each, "at": transaction.at} for each in sorted(set(ids))]
    if not rows:
        return set()
    taken = transaction.session.scalars(
        insert(ReceivedMessage).values(rows).on_conflict_do_nothing().returning(ReceivedMessage.id)
    )
    return set(taken)


def forget(transaction: Transaction) -> int:
    """Forget what can't be delivered again; how many that were."""
    gone = transaction.session.execute(
        delete(ReceivedMessage).where(ReceivedMessage.at < transaction.at - KEPT).returning(ReceivedMessage.id)
    )
    return len(gone.all())
