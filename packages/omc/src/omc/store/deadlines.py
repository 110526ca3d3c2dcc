"""Deadlines: moments at which something is looked at again, as rows that whichever process is alive takes.

A deadline is only a wake-up. Whoever takes it reads what is so then, decides, and writes what follows in the same
transaction that takes the row away; one that is no longer wanted does no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Index, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from omc.store.models import Base
from omc.store.opened import Transaction

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session


class Deadline(Base):
    """When a subject is looked at again."""

    __tablename__ = "deadlines"
    is_recorded = False  # what it leads to is in the record

    kind: Mapped[str] = mapped_column(primary_key=True)
    """Which handler takes it: ``escalation``, ``silence end``, ``shift reminder``."""
    environment: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    """What is looked at: an incident's number, a silence's id."""
    due_at: Mapped[datetime]

    __table_args__ = (Index("deadlines_due", "due_at"),)


def set_deadline(transaction: Transaction, kind: str, environment: str, subject: str, due_at: datetime) -> None:
    """Look at the subject at ``due_at``, in place of the time that was set for this kind before."""
    row = {"kind": kind, "environment": environment, "subject": subject, "due_at": due_at}
    statement = insert(Deadline).values(row)
    transaction.session.execute(
        statement.on_conflict_do_update(index_elements=["kind", "environment", "subject"], set_={"due_at": due_at})
    )


def set_deadline_unless_set(
    transaction: Transaction, kind: str, environment: str, subject: str, due_at: datetime
) -> None:
    """As ``set_deadline``; the time that was set before stays."""
    row = {"kind": kind, "environment": environment, "subject": subject, "due_at": due_at}
    transaction.session.execute(insert(Deadline).values(row).on_conflict_do_nothing())


def set_deadlines(
    transaction: Transaction, kind: str, environment: str, subjects: Collection[str], due_at: datetime
) -> None:
    """Look at each of these subjects at ``due_at``; as ``set_deadline``, in one go."""
    rows = [
        {"kind": kind, "environment": environment, "subject": each, "due_at": due_at} for each in sorted(set(subjects))
    ]
    if rows:
        statement = insert(Deadline).values(rows)
        transaction.session.execute(
            statement.on_conflict_do_update(index_elements=["kind", "environment", "subject"], set_={"due_at": due_at})
        )


def clear_deadline(transaction: Transaction, kind: str, environment: str, subject: str) -> None:
    """Look at the subject no more, as far as this kind goes."""
    transaction.session.execute(delete(Deadline).where(*_is(kind, environment, subject)))


def take_due(transaction: Transaction, kinds: Sequence[str], environments: Sequence[str]) -> Deadline | None:
    """The deadline that is due longest, for this transaction alone: taken away when it commits, there still when it
    doesn't. None where none is due that no other process has in hand."""
    found = transaction.session.scalars(
        select(Deadline)
        .where(Deadline.kind.in_(kinds), Deadline.environment.in_(environments), Deadline.due_at <= transaction.at)
        .order_by(Deadline.due_at, Deadline.kind, Deadline.environment, Deadline.subject)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if found is not None:
        transaction.session.execute(delete(Deadline).where(*_is(found.kind, found.environment, found.subject)))
        transaction.session.expunge(found)
    return found


def due_environments(session: Session, kinds: Sequence[str], environments: Sequence[str], now: datetime) -> list[str]:
    """Those in which one is due, the longest due first. A look, so that whoever has nothing to do writes nothing."""
    query = (
        select(Deadline.environment)
        .where(Deadline.kind.in_(kinds), Deadline.environment.in_(environments), Deadline.due_at <= now)
        .group_by(Deadline.environment)
        .order_by(func.min(Deadline.due_at))
    )
    return list(session.scalars(query))


def is_set(session: Session, kind: str, environment: str) -> bool:
    """Whether anything of this kind is to be looked at in an environment."""
    query = select(Deadline.kind).where(Deadline.kind == kind, Deadline.environment == environment).limit(1)
    return session.scalars(query).first() is not None


def overdue(session: Session, before: datetime) -> list[Deadline]:
    """Those that should have been taken before then, the oldest first."""
    return list(session.scalars(select(Deadline).where(Deadline.due_at < before).order_by(Deadline.due_at)))


def _is(kind: str, environment: str, subject: str) -> tuple[ColumnElement[bool], ...]:
    return Deadline.kind == kind, Deadline.environment == environment, Deadline.subject == subject
