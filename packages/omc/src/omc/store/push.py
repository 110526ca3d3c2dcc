"""The browsers in which people have allowed web push."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Index, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from omc.store.models import Base
from omc.store.opened import Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_BROWSERS = 20
"""Browsers of one person."""


class PushBrowser(Base):
    """One browser of one person."""

    __tablename__ = "push_browsers"
    is_recorded = False  # its address and keys are secrets, and must be gone when the browser is

    id: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str]
    """Her id in ``[people]``."""
    endpoint: Mapped[str]
    p256dh: Mapped[str]
    auth: Mapped[str]
    name: Mapped[str]
    """As the person calls it."""
    created_at: Mapped[datetime]

    __table_args__ = (Index("push_browsers_of_a_person", "person"),)


def subscribe(
    transaction: Transaction, person: str, id_: str, endpoint: str, p256dh: str, auth: str, name: str
) -> bool:
    """Keep a browser; one that is known is this person's from now on. False where she has too many."""
    others = select(func.count()).where(PushBrowser.person == person, PushBrowser.id != id_)
    if (transaction.session.scalar(others) or 0) >= MAX_BROWSERS:
        return False
    row = {
        "id": id_,
        "person": person,
        "endpoint": endpoint,
        "p256dh": p256dh,
        "auth": auth,
        "name": name,
        "created_at": transaction.at,
    }
    statement = insert(PushBrowser).values(row)
    transaction.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
    return True


def unsubscribe(transaction: Transaction, ids: Sequence[str], person: str | None = None) -> int:
    """Forget these browsers, or those of them that are this person's; how many that were."""
    query = delete(PushBrowser).where(PushBrowser.id.in_(ids))
    if person is not None:
        query = query.where(PushBrowser.person == person)
    return len(transaction.session.execute(query.returning(PushBrowser.id)).all())


def browsers_of(session: Session, person: str) -> list[PushBrowser]:
    """Those of a person, the oldest first."""
    query = select(PushBrowser).where(PushBrowser.person == person)
    return list(session.scalars(query.order_by(PushBrowser.created_at, PushBrowser.id)))
