"""Whose record each environment's is. The first change of a name says it; from then on the record is of that account
and region alone, until somebody begins it anew: what was written before is kept, and nothing is built on it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from omc.errors import Refused
from omc.model.homes import RecordOwner
from omc.store.models import Base, Run, Timer
from omc.store.opened import Store, Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

EVER = datetime.min.replace(tzinfo=UTC)
"""Before anything was written."""


class HomeRow(Base):
    """That from a moment on an environment's record is of one account and region."""

    __tablename__ = "homes"

    environment: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """From 1; the last one counts."""
    account: Mapped[str]
    region: Mapped[str]
    cloud: Mapped[str]
    since: Mapped[datetime]


def home_of(session: Session, environment: str) -> RecordOwner | None:
    """None where nothing was ever changed under this name."""
    row = _newest(session, environment)
    return RecordOwner(row.account, row.region, row.cloud) if row else None


def since(session: Session, environment: str) -> datetime:
    """Since when what is written under this name is of its present home; what is older is another one's."""
    row = _newest(session, environment)
    return row.since if row and row.number > 1 else EVER


def settle(store: Store, environment: str, home: RecordOwner, actor: str) -> None:
    """Write down whose record this is, where nothing says so yet."""
    with store.reading() as session:
        if _newest(session, environment) is not None:
            return
    with store.transaction(actor) as transaction:
        if _newest(transaction.session, environment) is None:
            _write(transaction, environment, home, 1)


def begin_anew(store: Store, environment: str, home: RecordOwner, actor: str) -> list[str]:
    """From now on it is this home's. Timers that are to come belong to the other one and are cancelled: their ids are
    returned. ``Refused`` while a run hasn't ended: what was approved there is not for here."""
    with store.transaction(actor) as transaction:
        session = transaction.session
        open_run = session.scalars(select(Run).where(Run.environment == environment, Run.state != "ended")).first()
        if open_run:
            raise Refused(
                f"The run {open_run.id} ({open_run.title}) is {open_run.state}, and {environment}'s record isn't begun "
                f"anew before it has ended. To end it: omc runs cancel {open_run.id}"
            )
        row = _newest(session, environment)
        _write(transaction, environment, home, row.number + 1 if row else 1)
        gone = session.scalars(select(Timer).where(Timer.environment == environment, Timer.state == "pending")).all()
        for timer in gone:
            timer.state, timer.cancelled_by = "cancelled", actor
            transaction.record("timer.cancelled", timer)
        return [timer.id for timer in gone]


def _write(transaction: Transaction, environment: str, home: RecordOwner, number: int) -> None:
    row = HomeRow(environment=environment, number=number, since=transaction.at, **asdict(home))
    transaction.session.add(row)
    transaction.record("record begun", row)


def _newest(session: Session, environment: str) -> HomeRow | None:
    query = select(HomeRow).where(HomeRow.environment == environment).order_by(HomeRow.number.desc()).limit(1)
    return session.scalars(query).first()
