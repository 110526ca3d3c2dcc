"""The release ledger: each release that was verified in an environment, by which run, and until when it served.

A row is written once, when the release was verified; only its end is written later, by the release that replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from omc.model.releases import Release, ReleasedService
from omc.store.homes import since
from omc.store.models import Base, Document, Run
from omc.store.opened import Store


class ReleaseRow(Base):
    """One release of an environment's services together."""

    __tablename__ = "releases"

    environment: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    run: Mapped[str]
    who: Mapped[str]
    is_rollback: Mapped[bool]
    services: Mapped[Any] = mapped_column(Document)
    """By name: task definition, images, the definition itself, commit."""
    schema: Mapped[int | None]
    schema_floor: Mapped[int | None]
    proof: Mapped[Any] = mapped_column(Document)
    verified_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (Index("one_release_per_run", "run", unique=True),)


def releases_of(store: Store, environment: str, most: int = 200) -> tuple[Release, ...]:
    """An environment's releases, newest first; since its record was begun anew, if it was."""
    with store.reading() as session:
        rows = session.scalars(
            select(ReleaseRow)
            .where(ReleaseRow.environment == environment, ReleaseRow.verified_at >= since(session, environment))
            .order_by(ReleaseRow.number.desc())
            .limit(most)
        ).all()
        return tuple(_release(row) for row in rows)


def release_of_run(store: Store, run: str) -> Release | None:
    """The release that a run recorded."""
    with store.reading() as session:
        row = _of_run(session, run)
        return _release(row) if row else None


def record(
    store: Store,
    environment: str,
    run: str,
    services: Mapping[str, ReleasedService],
    *,
    schema: int | None,
    schema_floor: int | None,
    proof: Mapping[str, Any],
) -> Release:
    """Write a release down and end the one before. A second time for the same run changes nothing.

    A schema that isn't given is the one before; who released, and whether it was a rollback, is what the run says.
    """
    with store.transaction() as transaction:
        session = transaction.session
        if known := _of_run(session, run):
            return _release(known)
        request = session.get(Run, run)
        transaction.actor = request.actor if request else ""
        before = session.scalars(
            select(ReleaseRow)
            .where(ReleaseRow.environment == environment, ReleaseRow.verified_at >= since(session, environment))
            .order_by(ReleaseRow.number.desc())
            .limit(1)
            .with_for_update()
        ).first()
        last = session.scalar(select(func.max(ReleaseRow.number)).where(ReleaseRow.environment == environment))
        row = ReleaseRow(
            environment=environment,
            number=(last or 0) + 1,
            run=run,
            who=transaction.actor,
            is_rollback=bool(request and request.procedure == "rollback"),
            services={name: asdict(service) for name, service in services.items()},
            schema=schema if schema is not None else before.schema if before else None,
            schema_floor=schema_floor,
            proof=dict(proof),
            verified_at=transaction.at,
            ended_at=None,
        )
        if before is not None and before.ended_at is None:
            before.ended_at = transaction.at
            transaction.record("release ended", before)
        session.add(row)
        transaction.record("release verified", row)
        return _release(row)


def _of_run(session: Session, run: str) -> ReleaseRow | None:
    return session.scalars(select(ReleaseRow).where(ReleaseRow.run == run)).first()


def _release(row: ReleaseRow) -> Release:
    return Release(
        number=row.number,
        environment=row.environment,
        services={name: ReleasedService(**payload) for name, payload in row.services.items()},
        verified=row.verified_at,
        ended=row.ended_at,
        who=row.who,
        run=row.run,
        schema=row.schema,
        schema_floor=row.schema_floor,
        is_rollback=row.is_rollback,
        proof=row.proof,
    )
