"""Alerts as they are now, one row each: a projection of their events, which can be made anew from them at any time.

What an alert is, and what its events come to, is ``omc.responder.alerts``; a row's ``state`` is that value, and its
other columns are what is searched for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, Text, delete, func, or_, select, text, type_coerce
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from omc.store.models import Base, Document


class AlertRow(Base):
    """One alert as it is after its events."""

    __tablename__ = "alerts"
    is_recorded = False  # its events are in the record

    environment: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    events: Mapped[int]
    """How many of its stream it is made of."""
    name: Mapped[str]
    kind: Mapped[str]
    group_name: Mapped[str]
    is_firing: Mapped[bool]
    incident: Mapped[int | None]
    hold_by: Mapped[str | None]
    hold_of: Mapped[str | None]
    changed_at: Mapped[datetime | None]
    state: Mapped[Any] = mapped_column(Document)

    __table_args__ = (
        Index("alerts_of_a_group", "environment", "group_name"),
        Index("alerts_that_fire", "environment", "kind", postgresql_where=text("is_firing")),
    )


COLUMNS = tuple(column.key for column in AlertRow.__table__.columns)


def put(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Write these rows in place of those of the same alerts."""
    if not rows:
        return
    statement = insert(AlertRow)
    changed = {name: statement.excluded[name] for name in COLUMNS if name not in ("environment", "key")}
    session.execute(statement.on_conflict_do_update(index_elements=["environment", "key"], set_=changed), list(rows))


def states(session: Session, environment: str, *conditions: ColumnElement[bool]) -> list[str]:
    """The states, as the texts that they are kept as, of those to which one of the conditions applies; of all, where
    none is given."""
    query = select(type_coerce(AlertRow.state, Text)).where(AlertRow.environment == environment)
    if conditions:
        query = query.where(or_(*conditions))
    return list(session.scalars(query.order_by(AlertRow.key)))


def rows(session: Session, environment: str) -> list[dict[str, Any]]:
    """All columns of all rows, by key."""
    table = AlertRow.__table__
    found = session.execute(select(*table.columns).where(AlertRow.environment == environment).order_by(AlertRow.key))
    return [dict(each) for each in found.mappings()]


def remove(session: Session, environment: str, keys: Iterable[str]) -> None:
    session.execute(delete(AlertRow).where(AlertRow.environment == environment, AlertRow.key.in_(list(keys))))


def held(session: Session, environment: str, by: str, of: str) -> list[str]:
    """The keys of alerts that fire and are held by this."""
    return list(
        session.scalars(
            select(AlertRow.key).where(
                AlertRow.environment == environment, AlertRow.hold_by == by, AlertRow.hold_of == of, AlertRow.is_firing
            )
        )
    )


def firing(session: Session, environment: str) -> list[str]:
    """The keys of alerts that fire."""
    query = select(AlertRow.key).where(AlertRow.environment == environment, AlertRow.is_firing)
    return list(session.scalars(query.order_by(AlertRow.key)))


def keys(session: Session, environment: str) -> list[str]:
    """The keys of all alerts."""
    return list(session.scalars(select(AlertRow.key).where(AlertRow.environment == environment).order_by(AlertRow.key)))


def counts_held(session: Session, environment: str, by: str) -> dict[str, int]:
    """How many alerts that fire are held, by what of this kind holds them."""
    query = select(AlertRow.hold_of, func.count()).where(AlertRow.environment == environment, AlertRow.hold_by == by)
    return {str(of): number for of, number in session.execute(query.group_by(AlertRow.hold_of))}
