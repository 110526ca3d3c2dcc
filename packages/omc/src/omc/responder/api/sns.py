"""What SNS posts. No token: the signature says who sent it, and omc.toml which topics are listened to.

SNS tries again after a 5xx and gives up at a 4xx, so what may be well later is a 503. A sender that proves nothing
learns no more than that; the log has the reason.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from omc.access.model import NotAuthenticated
from omc.config import Environment
from omc.errors import Missing, Unknown
from omc.output import line
from omc.responder import sns
from omc.responder.api.callers import COST_OF_A_GUESS
from omc.responder.api.context import ApiContext, Context
from omc.responder.api.guard import SNS_PATH, address_of
from omc.responder.api.notifications import body_of
from omc.responder.intake.signatures import Rejected
from omc.responder.intaking import AlarmReader, Intaking
from omc.responder.model import Notification
from omc.responder.rules import rules_of

router = APIRouter(tags=["alerts"])


class SnsTakenShape(BaseModel):
    """It was taken."""

    model_config = ConfigDict(title="SnsTaken")

    taken: bool = True


@router.post(SNS_PATH, summary="Messages of SNS's topics that omc.toml names")
def take(request: Request, context: Context, body: Annotated[bytes, Depends(body_of)]) -> SnsTakenShape:
    """A subscription is confirmed, an alarm is taken in as if it came by the queue; each message takes effect once."""
    door = context.sns
    if door is None:
        raise Missing("This server takes nothing from SNS: omc.toml names no topic in [server.sns.<environment>].")
    proven = door.proven(body)
    if isinstance(proven, Rejected):
        context.log(line(f"A message to {SNS_PATH} was refused: {proven.reason}"))
        if proven.is_temporary:
            raise Unknown("Whether this message is SNS's can't be found out just now. Send it again later.")
        context.address_rates.charge(address_of(request.scope), COST_OF_A_GUESS)
        raise NotAuthenticated("This message isn't proven to be one of a topic that is listened to.")
    environment = door.environment_of(proven)
    request.state.caller = f"sns of {environment.name}"
    context.log(line(sns.take(context.store, door, proven, _intaking(context, environment, door))))
    return SnsTakenShape()


def _intaking(context: ApiContext, environment: Environment, door: sns.SnsDoor) -> Intaking:
    """As of the queue: with tags, and with what has become of the alarm where its message doesn't say it."""
    rules, tags = rules_of(context.stack, environment), door.tags(environment, context.log)
    alarms = AlarmReader(tags.gateway, rules, context.store.now, context.log)

    def complete(notification: Notification) -> Notification:
        return alarms.complete(tags.complete(notification))

    return Intaking(context.store, rules, complete, context.log, context.wake)
