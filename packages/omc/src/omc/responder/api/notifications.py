"""Alerts from elsewhere: what Alertmanager and Grafana post, by a token of the role responder or signed.

Who signs proves with each post that it is hers, now, and as it was written: Grafana by its HMAC, others as
standardwebhooks.com describes it. A post that was recorded and sent again takes no effect.

Whatever can be wrong here for a moment is answered with 503 and never with 429: Alertmanager gives an alert up at any
4xx. A body that can't be read won't be readable later, so that is a 400.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials  # noqa: TC002 - FastAPI reads it at run time
from pydantic import BaseModel, ConfigDict

from omc.access.model import NotAuthenticated, Permission, require
from omc.config import Environment
from omc.errors import WrongUse
from omc.model.planned import Planned
from omc.notify.secrets import both_of
from omc.output import line
from omc.responder.api.callers import ASKED, BEARER, COST_OF_A_GUESS
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.guard import address_of
from omc.responder.intake import envelope
from omc.responder.intake.reading import Context as Reading
from omc.responder.intake.signatures import (
    GRAFANA_SIGNATURE,
    WEBHOOK_SIGNATURE,
    Rejected,
    verify_grafana,
    verify_webhook,
)
from omc.responder.intaking import Intaking
from omc.responder.model import Ignored, Notification, Trial, Unreadable
from omc.responder.records import Once
from omc.responder.rules import rules_of

router = APIRouter(prefix="/v1/environments/{environment}", tags=["alerts"])


class TakenShape(BaseModel):
    """What became of a post."""

    model_config = ConfigDict(title="Taken")

    taken: int
    """Changes of alerts that are written down, with all that follows from them; also those that were known."""
    ignored: list[str]
    """What else it says and why that led to nothing."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who posts, proven."""

    name: str
    once: Once | None = None
    """The post itself, where it is known again."""


BY_QUEUE = "Alerts alone may be posted; send it by the queue or by SNS."
SIGNATURES = ((GRAFANA_SIGNATURE, verify_grafana), (WEBHOOK_SIGNATURE, verify_webhook))
"""By the header that holds it."""


async def body_of(request: Request) -> bytes:
    return await request.body()


def sender_of(
    request: Request,
    context: Context,
    environment: Chosen,
    body: Annotated[bytes, Depends(body_of)],
    _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> Sender:
    """Who posts. An alerting system is held to no number of requests of its own: in a storm it has most to say."""
    brought = request.headers.getlist("Authorization")
    if not brought and (proven := _signed(request, context, environment, body)) is not None:
        return proven
    try:
        found = context.authenticator.caller(brought[0] if len(brought) == 1 else None)
    except NotAuthenticated:
        context.address_rates.charge(address_of(request.scope), COST_OF_A_GUESS)
        raise
    request.state.caller = found.name
    require(found, Permission.RESPOND)
    return Sender(found.name)


def _signed(request: Request, context: ApiContext, environment: Environment, body: bytes) -> Sender | None:
    """Who signed it; None where nobody did. ``NotAuthenticated`` where the signature isn't one of the secret's."""
    verify = next((verify for header, verify in SIGNATURES if header in request.headers), None)
    if verify is None:
        return None
    secrets = both_of("OMC_INTAKE_SECRET_<NAME>", "OMC_OLD_INTAKE_SECRET_<NAME>", environment.name)
    found = verify(request.headers, body, secrets, context.store.now())
    if isinstance(found, Rejected):
        context.log(line(f"A signed post for {environment.name} was refused: {found.reason}"))
        context.address_rates.charge(address_of(request.scope), COST_OF_A_GUESS)
        raise NotAuthenticated(f"This post isn't signed with the secret of {environment.name}, or not just now.")
    request.state.caller = f"signed for {environment.name}"
    return Sender(request.state.caller, ("webhook", f"{environment.name} {found.once}"))


ASKED[sender_of] = Permission.RESPOND


@router.post("/notifications", summary="Alerts that fire or have ended, as Alertmanager and Grafana post them")
def take(
    context: Context,
    sender: Annotated[Sender, Depends(sender_of)],
    environment: Chosen,
    body: Annotated[bytes, Depends(body_of)],
) -> TakenShape:
    """The body is Alertmanager's webhook (version 4) or Grafana's. It may come as often as it likes: each change of an
    alert takes effect once."""
    found = envelope.read(body, Reading(environment.name, context.store.now()))
    unreadable = [each.reason for each in found if isinstance(each, Unreadable)]
    notifications = [each for each in found if isinstance(each, Notification)]
    if unreadable and not notifications:
        raise WrongUse(unreadable[0])
    intaking = Intaking(
        context.store, rules_of(context.stack, environment), lambda each: each, context.log, context.wake
    )
    intaking.take(notifications, sender.once)
    others = unreadable + [_not_taken(each) for each in found if not isinstance(each, Notification | Unreadable)]
    if others:
        context.log(line(f"Of a post for {environment.name} {len(others)} led to nothing: {others[0]}"))
    return TakenShape(taken=len(notifications), ignored=others)


def _not_taken(found: Planned | Trial | Ignored) -> str:
    """Why something that was understood has no effect when it is posted here."""
    if isinstance(found, Planned):
        return f"Planned work isn't taken in here: {found.what} ({found.subject}). {BY_QUEUE}"
    if isinstance(found, Trial):
        return f"A test of the alarm path isn't taken in here. {BY_QUEUE}"
    return found.reason
