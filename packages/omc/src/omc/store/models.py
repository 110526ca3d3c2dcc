"""The tables of the store. Times are UTC with their zone; documents are JSON."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Dialect, ForeignKey, Identity, Index, Integer, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from omc.errors import Altered


def text_of(value: Any) -> str:
    """The one text of a document. In ASCII, so that no character is lost or refused on its way through a database."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


class Document(TypeDecorator[Any]):
    """JSON as text, with its keys in the order given: ``jsonb`` would sort them and write numbers its own way, and
    what is planned again from it could come out differently."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else json.dumps(value, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        try:
            return None if value is None else json.loads(value)
        except (ValueError, RecursionError) as error:
            raise Altered(
                "A document in omc's own record is no longer JSON, so somebody changed it. Nothing was done because "
                "of it. What else was changed: omc audit verify"
            ) from error


class Base(DeclarativeBase):
    """All tables of the store."""

    type_annotation_map = {datetime: DateTime(timezone=True), str: Text}  # noqa: RUF012 - SQLAlchemy's own convention
    is_recorded: ClassVar[bool] = True
    """Whether each row written goes into the audited record; not for what only says who works just now."""


class Run(Base):
    """One plan on its way from the question to the verdict."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str]
    procedure: Mapped[str]
    title: Mapped[str]
    risk: Mapped[str]
    plan: Mapped[Any] = mapped_column(Document)
    plan_hash: Mapped[str]
    actor: Mapped[str]
    actor_link: Mapped[str | None]
    """Where to look up the actor: a job of GitHub's."""
    actor_known: Mapped[str | None]
    """Who that is and how it is known: ``role deployer, person unknown``."""
    actor_person: Mapped[str | None]
    """The same for all names of one person."""
    undo_of: Mapped[str | None] = mapped_column(ForeignKey("runs.id"))
    timer: Mapped[str | None]
    approvals_needed: Mapped[int]
    approvals_expire_minutes: Mapped[int]
    state: Mapped[str]
    """``omc.engine.transitions.State``."""
    verdict: Mapped[str | None]
    sentence: Mapped[str | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None]
    """Who asked for it to be cancelled; the runner sees it before its next step and while a step takes long."""
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    """Counts the runners that this run has had; whoever writes with an older number is refused."""
    holder: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "one_active_run_per_environment",
            "environment",
            unique=True,
            postgresql_where=text("state IN ('ready', 'running', 'undoing')"),
        ),
        Index("runs_by_time", "created_at"),
    )


class StepRow(Base):
    """A step of a run, or the undo of one."""

    __tablename__ = "steps"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    phase: Mapped[str] = mapped_column(primary_key=True)
    """``perform`` or ``undo``."""
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    """In the order in which they are performed, from 1."""
    name: Mapped[str]
    """The step's name in the plan; an undo has the name of the step that it takes back."""
    state: Mapped[str]
    """``omc.engine.transitions.StepState``."""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    checkpoint: Mapped[Any] = mapped_column(Document, default=dict)
    verdict: Mapped[str | None]
    sentence: Mapped[str | None]
    evidence: Mapped[Any] = mapped_column(Document, default=dict)
    outputs: Mapped[Any] = mapped_column(Document, default=dict)
    intended_at: Mapped[datetime | None]
    performed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Approval(Base):
    """One person's yes to one plan."""

    __tablename__ = "approvals"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    plan_hash: Mapped[str]
    by: Mapped[str]
    known: Mapped[str | None]
    person: Mapped[str | None]
    link: Mapped[str | None]
    at: Mapped[datetime]
    expires_at: Mapped[datetime]
    break_glass: Mapped[str | None]
    """The reason, if the approvals that the policy requires were skipped."""
    incident: Mapped[str | None]
    lost_at: Mapped[datetime | None]
    """When the plan turned out to be stale."""

    __table_args__ = (Index("one_approval_per_person", "run", "plan_hash", "person", unique=True),)


class Timer(Base):
    """Something to be done at a later moment by whichever worker is alive then."""

    __tablename__ = "timers"

    id: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str]
    procedure: Mapped[str]
    request: Mapped[Any] = mapped_column(Document)
    why: Mapped[str]
    due_at: Mapped[datetime]
    actor: Mapped[str]
    made_by: Mapped[str | None]
    """The run with which it was approved."""
    state: Mapped[str]
    """pending, done, failed or cancelled."""
    run: Mapped[str | None]
    """The run that it became."""
    sentence: Mapped[str | None]
    cancelled_by: Mapped[str | None]
    holder: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    __table_args__ = (Index("timers_pending", "due_at", postgresql_where=text("state = 'pending'")),)


class WorkerRow(Base):
    """A worker that is or was alive."""

    __tablename__ = "workers"
    is_recorded = False

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int] = mapped_column(Integer)
    actor: Mapped[str]
    started_at: Mapped[datetime]
    seen_until: Mapped[datetime]
    """Taken for dead from then on, unless it reports again."""


class AuditEvent(Base):
    """One line of the record. Nothing updates or deletes it: a trigger refuses."""

    __tablename__ = "audit_log"
    is_recorded = False

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[str]
    environment: Mapped[str]
    run: Mapped[str | None]
    body: Mapped[str]
    """The canonical text of the whole event, which is what is hashed."""
    previous: Mapped[str]
    hash: Mapped[str]

    __table_args__ = (Index("audit_log_of_a_run", "run"),)
