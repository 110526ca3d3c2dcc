"""The table of runs, read: the one change that is active in an environment, and the deployments that omc has undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from omc.store import homes
from omc.store.models import Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

ACTIVE = ("ready", "running", "undoing")
"""At most one run of an environment is in one of these states; the table has an index for it."""
LEASE = 6.0
"""Seconds that a run belongs to its runner without a word from it."""


def active(session: Session, environment: str) -> Run | None:
    return session.execute(
        select(Run).where(Run.environment == environment, Run.state.in_(ACTIVE))
    ).scalar_one_or_none()


def ended_deploys(session: Session, environment: str, most: int = 200) -> Sequence[Run]:
    """The runs of ``omc deploy`` that have ended, oldest first."""
    query = select(Run).where(
        Run.environment == environment,
        Run.procedure == "deploy",
        Run.state == "ended",
        Run.created_at >= homes.since(session, environment),
    )
    return session.execute(query.order_by(Run.created_at.desc()).limit(most)).scalars().all()[::-1]


def runs_since(session: Session, environment: str, since: datetime, most: int = 50) -> Sequence[Run]:
    """An environment's runs that were made since then, the newest first."""
    oldest = max(since, homes.since(session, environment))
    query = select(Run).where(Run.environment == environment, Run.created_at >= oldest)
    return session.scalars(query.order_by(Run.created_at.desc()).limit(most)).all()
