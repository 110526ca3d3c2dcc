"""The status as customers see it, without a token: what they were told, and having it sent to them.

Nothing here is read from an incident but what a person wrote for customers. A feed is made once in some seconds however
many ask for it. No GET changes anything: programs that look at mails open every link.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import HTMLResponse, Response

from omc.config import Environment
from omc.config.status_tables import SUBSCRIPTION_KEY
from omc.errors import Missing, Refused, Throttled, WrongUse
from omc.maintenance.records import of_environment
from omc.notify.addresses import problem_of
from omc.notify.secrets import secret
from omc.output.json import to_json
from omc.redaction import mask
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.guard import address_of
from omc.responder.api.shapes import Body
from omc.responder.status import feed
from omc.responder.status.board import Board, board_of, title_of
from omc.responder.status.pages import page
from omc.responder.status.proofs import CONFIRM, UNSUBSCRIBE, Proofs, masked, proofs_of
from omc.responder.status.sending import base_of
from omc.responder.status.telling import CONFIRMATION, page_to
from omc.store.eventlog import wait_turn
from omc.store.incidents import incidents_of
from omc.store.opened import Transaction
from omc.store.outbox import enqueue
from omc.store.subscribers import (
    CONFIRM_WITHIN,
    EMAIL,
    WEBHOOK,
    Subscriber,
    confirm,
    confirmed_webhooks_of,
    count_of,
    find,
    forget_unconfirmed,
    remove,
    subscribe,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PREFIX = "/status/{environment}"
router = APIRouter(prefix=PREFIX, tags=["status"])
MAX_AGE = 30
"""Seconds for which whoever has a feed needn't ask again."""
MADE_ANEW = 5.0
"""Seconds after which the next one who asks has it made again."""
COST_OF_SUBSCRIBING = 30.0
"""Requests that a subscription costs its address: what it leads to is a mail to whomever it names."""
MOST_UNCONFIRMED = 500
"""Of an environment and a kind, at a time: nobody makes us send more mails than that to strangers in two days."""
WEBHOOKS_SHARE = 2
"""One in so many subscribers may be a webhook: a host has as many names as its owner likes, and the others are for
people's mailboxes."""
LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL_FORM = rf"^[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+)*@{LABEL}(\.{LABEL})+$"
"""An address that every mail server takes: without quotes, comments and letters of other scripts (RFC 5321, 4.1.2)."""
SubscriberId = Annotated[str, Query(pattern=r"^[0-9a-f]{16}$")]
Proof = Annotated[str, Query(min_length=1, max_length=100)]


class SummaryShape(BaseModel):
    """As Statuspage's `summary.json` has it; `indicator` and a component's `status` may be `unknown` too."""

    model_config = ConfigDict(title="StatusSummary", extra="allow")

    page: dict[str, Any]
    status: dict[str, str]
    components: list[dict[str, str]]
    incidents: list[dict[str, Any]]


class HistoryShape(BaseModel):
    """As Statuspage's `incidents.json` has it."""

    model_config = ConfigDict(title="StatusHistory", extra="allow")

    page: dict[str, Any]
    incidents: list[dict[str, Any]]


class Subscribing(Body):
    """One of the two."""

    email: Annotated[str, Field(max_length=254, pattern=EMAIL_FORM)] | None = None
    webhook: Annotated[str, Field(min_length=9, max_length=2000)] | None = None
    """An https URL at a public address."""

    @model_validator(mode="after")
    def _one(self) -> Subscribing:
        if (self.email is None) == (self.webhook is None):
            raise ValueError("say email or webhook, one of the two")
        return self


class SubscribedShape(BaseModel):
    """What comes next."""

    model_config = ConfigDict(title="Subscribed")

    detail: str
    subscriber: str | None = None
    """Of a webhook: its id."""
    secret: str | None = None
    """Of a webhook: what its messages are signed with. It is shown this once."""


# ── What there is ───────────────────────────────────────────────────────────────────────────────────────────────


def _board(context: ApiContext, environment: str) -> Board:
    """The last one, or a new one where that is too old; made by one request at a time, while the others have the last
    one: were all to wait, no thread would be left for whoever takes an incident."""
    last = context.boards.made.get(environment)
    if last is not None and (time.monotonic() - last[0] < MADE_ANEW or context.boards.lock.locked()):
        return last[1]
    with context.boards.lock:
        before = context.boards.made.get(environment)
        if before is not None and time.monotonic() - before[0] < MADE_ANEW:
            return before[1]
        incidents = incidents_of(context.store, environment)
        is_watched = context.is_watched(environment)
        board = board_of(
            context.stack,
            environment,
            incidents,
            context.store.now(),
            is_watched=is_watched,
            maintenances=of_environment(context.store, environment),
        )
        context.boards.made[environment] = (time.monotonic(), board)
        return board


def public(context: Context, environment: Chosen) -> Environment:
    """Only what omc.toml says that everybody may read."""
    if environment.name not in context.stack.status.environments:
        raise Missing("There is no status here.")
    return environment


Public = Annotated[Environment, Depends(public)]
Known = Annotated[str | None, Header(alias="If-None-Match", max_length=500)]
JSON, ATOM, RSS = "application/json", "application/atom+xml", "application/rss+xml"


@router.get("/api/v2/summary.json", summary="Components and incidents that last", response_model=SummaryShape)
def summary(context: Context, environment: Public, if_none_match: Known = None) -> Response:
    """A component is `unknown` while an incident is open of which nobody told customers, or nobody reads the alarms."""
    return _answer(context, environment, if_none_match, JSON, lambda board, _: _json(feed.summary(board)))


@router.get("/api/v2/incidents.json", summary="All incidents that customers were told of", response_model=HistoryShape)
def history(context: Context, environment: Public, if_none_match: Known = None) -> Response:
    """The newest first, for as long as omc.toml keeps them here."""
    return _answer(context, environment, if_none_match, JSON, lambda board, _: _json(feed.history(board)))


class Atom(Response):
    media_type = ATOM


class Rss(Response):
    media_type = RSS


@router.get("/history.atom", summary="The same as Atom", response_class=Atom)
def atom(context: Context, environment: Public, if_none_match: Known = None) -> Response:
    """An entry for each incident; an update makes it newer."""
    return _answer(context, environment, if_none_match, ATOM, feed.atom)


@router.get("/history.rss", summary="The same as RSS", response_class=Rss)
def rss(context: Context, environment: Public, if_none_match: Known = None) -> Response:
    """An item for each incident; an update makes another one of it."""
    return _answer(context, environment, if_none_match, RSS, feed.rss)


def _answer(
    context: ApiContext, environment: Environment, known: str | None, kind: str, make: Callable[[Board, str], bytes]
) -> Response:
    board = _board(context, environment.name)
    content = make(board, base_of(context.stack, environment.name))
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={MAX_AGE}",
        "Access-Control-Allow-Origin": "*",  # it is everybody's, with or without a page of theirs around it
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if known is not None and tag in [each.strip().removeprefix("W/") for each in known.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=kind)


def _json(document: dict[str, Any]) -> bytes:
    return to_json(document, indent=None).encode()


# ── Having it sent ──────────────────────────────────────────────────────────────────────────────────────────────


@router.post(
    "/subscriptions", status_code=202, summary="Have updates sent to an address", response_model=SubscribedShape
)
def subscribe_one(request: Request, context: Context, environment: Public, body: Subscribing) -> Response:
    """Nothing but one question is sent until whoever has the address confirms it. The answer for an e-mail address is
    always the same, whether or not it is subscribed."""
    kind, address = (EMAIL, body.email) if body.email is not None else (WEBHOOK, body.webhook or "")
    if kind not in context.stack.status.subscriptions:
        raise Refused(f"Nobody can subscribe here by {kind}. Nothing was done.")
    proofs = _proofs(environment)
    if kind == WEBHOOK and (problem := problem_of(address, context.stack.status.webhook_networks)) is not None:
        raise WrongUse(f"Nothing is sent to this URL: {problem}. It must be https, at a public address, on port 443.")
    context.address_rates.charge(address_of(request.scope), COST_OF_SUBSCRIBING)
    made = _subscribed(context, environment.name, kind, address or "")
    hours = int(CONFIRM_WITHIN.total_seconds() // 3600)
    if kind == EMAIL:
        return _plain({"detail": f"A message is on its way, if there has to be one. Confirm it within {hours} hours."})
    assert made is not None  # noqa: S101 - each webhook is a new one
    detail = f"A message with a link is on its way, signed. POST to that link within {hours} hours to confirm it."
    return _plain({"detail": detail, "subscriber": made, "secret": proofs.webhook_secret(made)})


def _subscribed(context: ApiContext, environment: str, kind: str, address: str) -> str | None:
    """Write it down and have the question sent; the id, where a question is sent."""
    status = context.stack.status
    with context.store.transaction("a customer") as transaction:
        session = transaction.session
        forget_unconfirmed(transaction)  # before they are counted
        _wait_turn(transaction, environment)
        most_webhooks = max(1, status.most_subscribers // WEBHOOKS_SHARE)
        is_full = kind == WEBHOOK and count_of(session, environment, kind) >= most_webhooks
        if is_full or count_of(session, environment) >= status.most_subscribers:
            raise Throttled(
                "There are as many subscribers as there may be. Nothing was done; the feeds are open to all."
            )
        if count_of(session, environment, kind, transaction.at - CONFIRM_WITHIN) >= MOST_UNCONFIRMED:
            raise Throttled("Too many subscriptions wait to be confirmed. Nothing was done; try again in some hours.")
        if kind == WEBHOOK and not _has_place(context, session, environment, address):
            raise Throttled(f"{_too_many(context)} Nothing was done; the feeds are open to all.")
        found = subscribe(transaction, environment, kind, address)
        if found is not None:
            words = f"Subscriber {found.id} is asked to confirm"
            enqueue(transaction, page_to(environment, found.id, CONFIRMATION, f"confirm-{found.questions}", words))
        made = None if found is None else found.id
    context.wake()
    return made


def _wait_turn(transaction: Transaction, environment: str) -> None:
    """So that who is counted and who is added are the same."""
    wait_turn(transaction, ("subscribers", environment))


def _has_place(context: ApiContext, session: Session, environment: str, address: str) -> bool:
    """Whether a webhook's host has fewer of them than it may. Whoever runs a host confirms what he subscribes, so a
    question bounds nothing. What isn't confirmed doesn't count: or a stranger could take a host's places."""
    return confirmed_webhooks_of(session, environment, address) < context.stack.status.most_webhooks_of_a_host


def _too_many(context: ApiContext) -> str:
    return f"{context.stack.status.most_webhooks_of_a_host} webhooks go to this host, and no more may."


@router.get("/confirm", summary="The page that asks whether to confirm", response_class=HTMLResponse)
def ask_to_confirm(context: Context, environment: Public, subscriber: SubscriberId, proof: Proof) -> Response:
    """Changes nothing."""
    found = _proven(context, environment, CONFIRM, subscriber, proof)
    title = f"Status of {title_of(context.stack)}"
    if found is None:
        return _page(404, title, "This link is no longer valid. Subscribe again to get another one.")
    where = masked(found.kind, found.address)
    return _page(200, title, f"Have updates sent to {where}?", "Yes, send them")


@router.post("/confirm", summary="Confirm a subscription", response_class=HTMLResponse)
def confirm_one(context: Context, environment: Public, subscriber: SubscriberId, proof: Proof) -> Response:
    """Once or often, it is the same."""
    found = _proven(context, environment, CONFIRM, subscriber, proof)
    is_done, has_place = False, True
    if found is not None:
        with context.store.transaction("a customer") as transaction:
            _wait_turn(transaction, environment.name)
            if found.kind == WEBHOOK and found.confirmed_at is None:
                has_place = _has_place(context, transaction.session, environment.name, found.address)
            is_done = has_place and confirm(transaction, subscriber)
    title = f"Status of {title_of(context.stack)}"
    if not has_place:
        return _page(409, title, f"{_too_many(context)} End another one, and confirm this one then.")
    if not is_done:
        return _page(404, title, "This link is no longer valid. Subscribe again to get another one.")
    return _page(200, title, "Done: updates will be sent. Each of them says how to end that.")


@router.get("/unsubscribe", summary="The page that asks whether to unsubscribe", response_class=HTMLResponse)
def ask_to_unsubscribe(context: Context, environment: Public, subscriber: SubscriberId, proof: Proof) -> Response:
    """Changes nothing."""
    title = f"Status of {title_of(context.stack)}"
    found = _proven(context, environment, UNSUBSCRIBE, subscriber, proof)
    if found is None:
        return _page(200, title, "There is no such subscription: nothing is sent.")
    return _page(200, title, f"Send no more updates to {masked(found.kind, found.address)}?", "Unsubscribe")


@router.post("/unsubscribe", summary="End a subscription", response_class=HTMLResponse)
def unsubscribe_one(context: Context, environment: Public, subscriber: SubscriberId, proof: Proof) -> Response:
    """In one click, as mail programs do it (RFC 8058). The address is forgotten at once."""
    if _proven(context, environment, UNSUBSCRIBE, subscriber, proof) is not None:
        with context.store.transaction("a customer") as transaction:
            remove(transaction, subscriber)
    title = f"Status of {title_of(context.stack)}"
    return _page(200, title, "Done: nothing more is sent, and the address is forgotten.")


def _proven(context: ApiContext, environment: Environment, purpose: str, id_: str, proof: str) -> Subscriber | None:
    """The subscriber whose link this is; None where it is nobody's."""
    if not _proofs(environment).is_proven(purpose, id_, proof):
        return None
    with context.store.reading() as session:
        found = find(session, id_)
    return found if found is not None and found.environment == environment.name else None


def _proofs(environment: Environment) -> Proofs:
    return proofs_of(environment.name, secret(SUBSCRIPTION_KEY))


def _page(status: int, title: str, words: str, button: str = "") -> Response:
    return HTMLResponse(mask(page(title, words, button)), status)


def _plain(content: dict[str, Any]) -> Response:
    """Without the redaction: the secret is what was asked for."""
    return Response(json.dumps(content), 202, media_type=JSON)
