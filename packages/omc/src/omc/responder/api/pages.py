"""The outbox: what waits to be sent, what failed, sending again, and test pages."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from omc.config import Environment
from omc.errors import Missing
from omc.model.pages import Page
from omc.notify.delivery import send_anew
from omc.notify.outbox_document import outbox_document, trial_document
from omc.notify.recipients import methods_of
from omc.notify.trials import trial_page
from omc.responder.api.answers import DOCUMENT, Answer
from omc.responder.api.callers import Reader
from omc.responder.api.changes import Changing
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.shapes import Body
from omc.store.opened import Store
from omc.store.outbox import FAILED, GATHERED, WAITING, OutboxRow, enqueue, pages

router = APIRouter(prefix="/v1/environments/{environment}", tags=["pages"])
KEY = r"[A-Za-z0-9:._@-]{1,200}"
PageKey = Annotated[str, Path(pattern=f"^{KEY}$", description="The page's key.")]
TRIAL = "notice:{environment}:test:"
"""What the key of a test page begins with."""


class PagesShape(BaseModel):
    """The fields of `omc notify outbox --output json`."""

    model_config = ConfigDict(title="Pages", extra="allow")


class TrialBody(Body):
    to: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z#][\w.-]*$", examples=["jo", "#incidents"])]
    """A person of [people], or a channel."""
    each: Annotated[bool, Field(strict=True)] = False
    """Try every contact method of hers, not only until one works."""


@router.get("/pages", summary="Pages that wait, and those that failed", response_model=PagesShape, responses=DOCUMENT)
def list_pages(
    context: Context,
    _: Reader,
    environment: Chosen,
    answer: Answer,
    state: Annotated[Literal["unsent", "failed"], Query(description="`failed`: which no method took.")] = "unsent",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=100_000, description="`next` of the page before.")] = 0,
) -> Any:
    """The newest first."""
    wanted = [FAILED] if state == "failed" else [WAITING, GATHERED, FAILED]
    with context.store.reading() as session:
        rows = pages(session, [environment.name, ""], wanted, offset + limit + 1)[offset:]
    document = outbox_document(
        rows[:limit], context.store.now(), context.stack.time_zone, only_failed=state == "failed"
    )
    return answer(document, next=offset + limit if len(rows) > limit else None)


@router.post("/pages/{page}/retry", summary="Have it sent once more", response_model=PagesShape, responses=DOCUMENT)
def retry(change: Changing, environment: Chosen, page: PageKey, answer: Answer) -> Any:
    """From its first contact method on."""
    context, who = change.context, change.actor.name
    _row(context, environment, page)

    def act(store: Store) -> None:
        with store.transaction(who) as transaction:
            send_anew(transaction, page, who)

    change.done(act, lambda: None)
    rows = [_row(context, environment, page)]
    return answer(outbox_document(rows, context.store.now(), context.stack.time_zone, only_failed=False))


@router.post(
    "/test-pages",
    status_code=201,
    summary="Send a test page",
    response_model=PagesShape,
    responses={201: DOCUMENT[200]},
)
def test(change: Changing, environment: Chosen, body: TrialBody, answer: Answer) -> Any:
    """To people and channels of omc.toml only: a token must not write to any number that there is. How it went is
    asked for by the keys of the answer."""
    context, who = change.context, change.actor.name
    recipient, methods = methods_of(context.stack, body.to)
    identity = change.identity or secrets.token_hex(6)
    trials = [(method,) for method in methods] if body.each else [methods]
    made = [
        trial_page(
            f"{TRIAL.format(environment=environment.name)}{identity[:12]}.{number}",
            recipient,
            some,
            environment.name,
            who,
        )
        for number, some in enumerate(trials, start=1)
    ]

    def act(store: Store) -> list[Page]:
        with store.transaction(who) as transaction:
            for each in made:
                enqueue(transaction, each)
        return made

    change.done(act, lambda: made)
    rows = [_row(context, environment, each.key) for each in made]
    return answer(trial_document(recipient, rows, context.stack.time_zone), status=201)


@router.get("/test-pages", summary="How test pages went", response_model=PagesShape, responses=DOCUMENT)
def trials(
    context: Context,
    _: Reader,
    environment: Chosen,
    answer: Answer,
    page: Annotated[list[Annotated[str, Field(pattern=f"^{KEY}$")]], Query(min_length=1, max_length=20)],
) -> Any:
    """Each hop with the time that it took."""
    rows = [_row(context, environment, each) for each in page]
    beginning = TRIAL.format(environment=environment.name)
    other = next((each for each in rows if not each.key.startswith(beginning)), None)
    if other is not None:
        raise Missing(f"{other.key} is no test page.")
    return answer(trial_document(rows[0].recipient, rows, context.stack.time_zone))


def _row(context: ApiContext, environment: Environment, key: str) -> OutboxRow:
    with context.store.reading() as session:
        row = session.get(OutboxRow, key)
    if row is None or row.environment not in (environment.name, ""):
        raise Missing(f"There is no page {key} in {environment.name}. See: omc notify outbox --env {environment.name}")
    return row
