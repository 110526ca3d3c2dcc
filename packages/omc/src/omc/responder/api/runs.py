"""Runs that wait for an approval: reading what was planned, saying yes or no to exactly that.

The rules are those of `omc approve`: never one's own, each person once, and only the plan whose hash was looked at. Who
approves must be a person of [people], since a token alone says nothing of who holds it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, tuple_

from omc.config import Environment
from omc.engine import approvals
from omc.engine.actors import Actor
from omc.engine.heartbeats import living_workers, status_of
from omc.engine.run_document import run_document, runs_document
from omc.engine.run_history import run_details
from omc.engine.transitions import State
from omc.errors import Missing
from omc.model.plan import from_json
from omc.output.document import Section
from omc.procedures.plan_document import plan_blocks
from omc.responder.api.answers import DOCUMENT, Answer, Answerer
from omc.responder.api.callers import Approver
from omc.responder.api.changes import Approving, Change
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.shapes import WHOLE, Body, Sentence
from omc.store.models import Run

router = APIRouter(prefix="/v1/environments/{environment}/runs", tags=["approvals"])
RUN = r"[0-9a-hj-km-np-tv-z]{8}"
RunId = Annotated[str, Path(pattern=f"^{RUN}$", description="The run's id.")]
PlanHash = Annotated[
    str, Field(pattern=r"^[0-9a-f]{12,64}$", description="The hash of the plan that you looked at, or its beginning.")
]


class RunsShape(BaseModel):
    """Runs, the newest first; the fields of `omc runs list --output json`."""

    model_config = ConfigDict(title="Runs", extra="allow")

    next: str | None
    """The cursor of the next page; null on the last one."""


class RunShape(BaseModel):
    """A run with its plan; the fields of `omc runs show --output json`."""

    model_config = ConfigDict(title="Run", extra="allow")


class BreakGlassBody(Body):
    reason: Annotated[str, Field(min_length=10, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")]
    incident: Annotated[int, Field(ge=1, le=2**31 - 1), WHOLE]
    """The number of a SEV-1 that is open."""


class ApprovalBody(Body):
    plan: PlanHash
    break_glass: BreakGlassBody | None = None
    """To let it go ahead without its approvals, where the policy allows that."""


class RefusalBody(Body):
    plan: PlanHash
    reason: Sentence


@router.get("", summary="Runs that wait for an approval, or all", response_model=RunsShape, responses=DOCUMENT)
def list_runs(
    context: Context,
    _: Approver,
    environment: Chosen,
    answer: Answer,
    state: Annotated[
        Literal["waiting", "all"], Query(description="`all`: also those that began or ended.")
    ] = "waiting",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=f"^{RUN}$", description="`next` of the page before.")] = None,
) -> Any:
    """A page begins after the run at which the one before ended."""
    query = select(Run).where(Run.environment == environment.name)
    if state == "waiting":
        query = query.where(Run.state == State.AWAITING)
    with context.store.reading() as session:
        if cursor is not None:
            last = session.get(Run, cursor)
            if last is None or last.environment != environment.name:
                raise Missing(f"{environment.name} has no run {cursor} after which a page could begin.")
            query = query.where(tuple_(Run.created_at, Run.id) < (last.created_at, last.id))
        rows = list(session.scalars(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit + 1)))
        workers = len(living_workers(session))
    page, now = rows[:limit], context.store.now()
    document = runs_document(
        page, (), context.stack.time_zone, {each.id: status_of(each, now) for each in page}, workers
    )
    return answer(document, next=page[-1].id if len(rows) > limit else None)


@router.get("/{run}", summary="One run, with its plan", response_model=RunShape, responses=DOCUMENT)
def show(context: Context, _: Approver, environment: Chosen, run: RunId, answer: Answer) -> Any:
    return _shown(context, environment, run, answer)


@router.post("/{run}/approve", summary="Say yes to exactly this plan", response_model=RunShape, responses=DOCUMENT)
def approve(change: Approving, environment: Chosen, run: RunId, body: ApprovalBody, answer: Answer) -> Any:
    """Never to one's own, and each person once. It expires as omc.toml says."""
    _required(change.context, environment, run)
    glass = approvals.BreakGlass(body.break_glass.reason, body.break_glass.incident) if body.break_glass else None
    policy = environment.approvals
    actor = _person_of(change)
    change.done(
        lambda store: approvals.approve(store, run, actor, policy, break_glass=glass, plan_hash=body.plan),
        lambda: _required(change.context, environment, run),
    )
    return _shown(change.context, environment, run, answer)


@router.post("/{run}/refuse", summary="Say no: it ends before it began", response_model=RunShape, responses=DOCUMENT)
def refuse(change: Approving, environment: Chosen, run: RunId, body: RefusalBody, answer: Answer) -> Any:
    """Only one that waits for an approval can be refused."""
    _required(change.context, environment, run)
    actor = change.actor
    change.done(
        lambda store: approvals.refuse(store, run, actor, body.reason, body.plan),
        lambda: _required(change.context, environment, run),
    )
    return _shown(change.context, environment, run, answer)


def _person_of(change: Change) -> Actor:
    """Whoever approves; uncertain where the caller is nobody of [people]: one person could have several such tokens."""
    caller = change.caller
    if caller.person in change.context.stack.persons:
        return Actor(caller.name, known=f"{caller.person}, by {caller.name}", of=caller.person)
    words = f"{caller.name}, which is nobody's of [people]"
    return Actor(caller.name, known=words, is_certain=False)


def _required(context: ApiContext, environment: Environment, run: str) -> Run:
    with context.store.reading() as session:
        found = session.get(Run, run)
    if found is None or found.environment != environment.name:
        raise Missing(f"{environment.name} has no run {run}. See: omc runs list --env {environment.name}")
    return found


def _shown(context: ApiContext, environment: Environment, run: str, answer: Answerer) -> Any:
    _required(context, environment, run)
    account = run_details(context.store, run)
    heard = status_of(account.run, context.store.now())
    document = run_document(account, context.stack.time_zone, heard)
    plan = Section("The plan was", plan_blocks(from_json(account.run.plan), (), full=False))
    return answer(replace(document, blocks=(*document.blocks, plan)))
