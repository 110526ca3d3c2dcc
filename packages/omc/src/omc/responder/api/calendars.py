"""Calendars at addresses of their own: for calendar programs, which can bring no token.

An address holds a secret in its path. It reads one calendar and nothing else, stands in no log of omc's, and counts as
a guess where it is none. A load balancer's own access log has it: see docs/api.md.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from omc.config import environment_of
from omc.errors import Missing, Refused
from omc.oncall import subscribing
from omc.oncall.documents import subscriptions_document
from omc.oncall.subscriptions import ID_LENGTH, PREFIX, Subscription
from omc.responder.api.answers import DOCUMENT, Answer
from omc.responder.api.callers import COST_OF_A_GUESS, Responder
from omc.responder.api.changes import Changing
from omc.responder.api.context import Context
from omc.responder.api.guard import address_of
from omc.responder.api.maintenance import maintenance_response
from omc.responder.api.oncall import CALENDARS, calendar_response
from omc.responder.api.rotas import require_people, rotas_in
from omc.responder.api.shapes import Body, PersonId

router = APIRouter(prefix="/v1/on-call/calendars", tags=["calendars"])
public = APIRouter(prefix="/v1/calendars", tags=["calendars"])
DAYS = 180
"""So far ahead such a calendar goes."""
Id = Annotated[str, Path(pattern=rf"^[0-9a-f]{{{ID_LENGTH}}}$", description="The address's id.")]


class CalendarsShape(BaseModel):
    """The addresses that there are and were."""

    model_config = ConfigDict(title="CalendarAddresses", extra="allow")

    next: int | None
    """The offset of the next page; null on the last one."""


class MadeShape(BaseModel):
    """A new address. It is answered this once."""

    model_config = ConfigDict(title="CalendarAddress")

    id: str
    path: str
    """Below this server's address; whoever knows it reads the calendar."""


class CalendarBody(Body):
    """One of them."""

    rota: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] | None = None
    person: PersonId | None = None
    maintenance: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] | None = None
    """An environment, of whose windows, freezes and announced work it is."""


class RevokeBody(Body):
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""


@router.get("", summary="The addresses of calendars", response_model=CalendarsShape, responses=DOCUMENT)
def list_addresses(
    context: Context,
    _: Responder,
    answer: Answer,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="`next` of the page before.")] = 0,
) -> Any:
    """The oldest first. Their secrets are kept nowhere."""
    with context.store.reading() as session:
        found = subscribing.subscriptions(session)
    following = offset + limit if len(found) > offset + limit else None
    return answer(subscriptions_document(found[offset : offset + limit], context.stack.time_zone), next=following)


@router.post("", status_code=201, summary="Make an address for a calendar", response_model=MadeShape)
def create(change: Changing, body: CalendarBody) -> Response:
    """Of a rota, of one person's shifts, or of an environment's maintenance."""
    context = change.context
    subscribing.require_one(body.rota, body.person, body.maintenance)
    if body.maintenance is not None:
        environment_of(context.stack, body.maintenance)
    require_people(context.stack, body.person)
    if body.rota is not None:
        rotas_in(context).required(body.rota)

    def before() -> tuple[Subscription, str]:
        raise Refused("It was made and shown when it was asked for before. Revoke it, and make another.")

    made, secret = change.done(
        lambda store: subscribing.create(
            store, change.actor.name, rota=body.rota, person=body.person, maintenance=body.maintenance
        ),
        before,
    )
    # Past the redaction, which would mask it: for a secret that omc has just made, to whoever had it made.
    return JSONResponse({"id": made.id, "path": f"{public.prefix}/{secret}.ics"}, 201)


@router.post(
    "/{address}/revoke", summary="Have an address lead nowhere", response_model=CalendarsShape, responses=DOCUMENT
)
def revoke(change: Changing, address: Id, body: RevokeBody, answer: Answer) -> Any:
    context = change.context

    def before() -> Subscription:
        with context.store.reading() as session:
            return next(each for each in subscribing.subscriptions(session) if each.id == address)

    gone = change.done(lambda store: subscribing.revoke(store, address, change.actor.name, body.reason), before)
    return answer(subscriptions_document([gone], context.stack.time_zone), next=None)


@public.get("/{secret}.ics", summary="A calendar, by its secret", response_class=Response, responses=CALENDARS)
def read(
    request: Request,
    context: Context,
    secret: Annotated[str, Path(pattern=rf"^{PREFIX}[A-Za-z0-9_-]{{43}}$", description="The address's secret.")],
) -> Response:
    """For calendar programs: it needs no token. The calendar goes half a year ahead."""
    with context.store.reading() as session:
        found = subscribing.find(session, secret)
    if found is None:
        context.address_rates.charge(address_of(request.scope), COST_OF_A_GUESS)
        raise Missing("There is no calendar at this address, or none any more.")
    request.state.caller = f"calendar {found.id}"
    if found.maintenance is not None:
        return maintenance_response(context, DAYS, found.maintenance)
    return calendar_response(context, DAYS, rota=found.rota, person=found.person)
