"""Alerts from elsewhere: what Alertmanager and Grafana post, by a token of the role responder.

Whatever can be wrong here for a moment is answered with 503 and never with 429: Alertmanager gives an alert up at any
4xx. A body that can't be read won't be readable later, so that is a 400.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials  # noqa: TC002 - FastAPI reads it at run time
from pydantic import BaseModel, ConfigDict

from omc.access.model import Caller, NotAuthenticated, Permission, require
from omc.errors import WrongUse
from omc.responder.api.callers import ASKED, BEARER, COST_OF_A_GUESS
from omc.responder.api.context import Chosen, Context
from omc.responder.api.guard import address_of
from omc.responder.intake import envelope
from omc.responder.intake.reading import Context as Reading
from omc.responder.intaking import Intaking
from omc.responder.model import Ignored, Notification, Unreadable
from omc.responder.rules import rules_of

router = APIRouter(prefix="/v1/environments/{environment}", tags=["alerts"])


class TakenShape(BaseModel):
    """What became of a post."""

    model_config = ConfigDict(title="Taken")

    taken: int
    """Changes of alerts that are written down, with all that follows from them; also those that were known."""
    ignored: list[str]
    """Why others led to nothing."""


def sender_of(
    request: Request, context: Context, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
) -> Caller:
    """Who posts. An alerting system is held to no number of requests of its own: in a storm it has most to say."""
    brought = request.headers.getlist("Authorization")
    try:
        found = context.authenticator.caller(brought[0] if len(brought) == 1 else None)
    except NotAuthenticated:
        context.address_rates.charge(address_of(request.scope), COST_OF_A_GUESS)
        raise
    request.state.caller = found.name
    require(found, Permission.RESPOND)
    return found


ASKED[sender_of] = Permission.RESPOND


async def body_of(request: Request) -> bytes:
    return await request.body()


@router.post("/notifications", summary="Alerts that fire or have ended, as Alertmanager and Grafana post them")
def take(
    context: Context,
    _: Annotated[Caller, Depends(sender_of)],
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
    intaking.take(notifications)
    return TakenShape(
        taken=len(notifications), ignored=unreadable + [each.reason for each in found if isinstance(each, Ignored)]
    )
