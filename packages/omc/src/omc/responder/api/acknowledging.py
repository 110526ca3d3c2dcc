"""The page behind the link of a page: what is wrong, and one button that takes the incident. It needs no login.

The token in the address proves who may press; it is worth one acknowledgement, and asked again it says what became of
that. Nothing happens at GET and HEAD, which filters of mail, previews and browsers send by themselves. No cookie and no
other right that a browser adds is looked at, so another page has nothing to forge; the address is told to no other page
(no referrer, nothing loaded from elsewhere) and stands in no log.
"""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse  # noqa: TC002 - FastAPI reads it at run time

from omc.errors import Missing, Refused
from omc.incidents.document import state_of
from omc.incidents.incident import Incident
from omc.model.people import Person
from omc.notify.links import PATH, AcknowledgeLink, read_token
from omc.notify.secrets import link_secrets
from omc.responder import life
from omc.responder.api.callers import COST_OF_A_GUESS
from omc.responder.api.context import ApiContext, Context
from omc.responder.api.guard import address_of
from omc.responder.api.once import AlreadyDone, store_for
from omc.responder.api.plain_page import plain_page
from omc.responder.life import Doer
from omc.store.incidents import incident_of

router = APIRouter(include_in_schema=False)  # for people alone


class NoLink(Missing):
    """No link of ours, or one whose time is over."""


def link_of(request: Request, context: ApiContext, token: str) -> AcknowledgeLink:
    """What the address is for. Who guesses is held back as one with a wrong token is."""
    request.state.caller = "a link"
    found = read_token(token, link_secrets(), context.store.now())
    if found is None:
        context.address_rates.charge(address_of(request.scope), COST_OF_A_GUESS)
        raise NoLink("This link is none of omc's, or its day is over.")
    request.state.caller = f"link of {found.person}"
    return found


@router.api_route(f"{PATH}{{token}}", methods=["GET", "HEAD"])
def look(request: Request, context: Context, token: str) -> HTMLResponse:
    """What it is about, and the button. It changes nothing."""
    try:
        link = link_of(request, context, token)
        incident, person = _found(context, link)
    except Missing as error:
        return plain_page("Not found", [error.message], 404)
    if not incident.is_open:
        return plain_page(_title(incident), [_state(incident), "There is nothing to take any more."])
    return plain_page(_title(incident), [_state(incident)], button=f"I have it ({person.name})")


@router.post(f"{PATH}{{token}}")
def acknowledge(request: Request, context: Context, token: str) -> HTMLResponse:
    """Take the incident, once: whoever presses again is told how it is."""
    try:
        link = link_of(request, context, token)
        incident, person = _found(context, link)
    except Missing as error:
        return plain_page("Not found", [error.message], 404)
    identity = hashlib.sha256(f"acknowledge by link\n{token}".encode()).hexdigest()
    doer = Doer(person.name, None, person.id)
    policy = context.on_call(link.environment).policy
    try:
        incident = life.acknowledge(store_for(context, identity), link.environment, link.incident, doer, policy)
    except AlreadyDone:
        incident = incident_of(context.store, link.environment, link.incident)
        once = "This link was used already, and takes the incident once."
        return plain_page(_title(incident), [once, _state(incident)])
    except Refused as error:
        return plain_page(_title(incident), [error.message], 409)
    context.wake()
    return plain_page(_title(incident), [f"It is yours, {person.name}.", _next(incident)])


def _found(context: ApiContext, link: AcknowledgeLink) -> tuple[Incident, Person]:
    context.environment(link.environment)
    person = context.stack.persons.get(link.person)
    if person is None:
        raise NoLink("Whom this link was made for isn't among the people of omc.toml any more.")
    return incident_of(context.store, link.environment, link.incident), person


def _title(incident: Incident) -> str:
    return f"Incident {incident.number} in {incident.environment}, SEV-{incident.severity}: {incident.summary}"


def _state(incident: Incident) -> str:
    if incident.is_open and (held := incident.acknowledgement) is not None:
        return f"{held.person} has it since {held.at:%H:%M} UTC."
    if incident.merged_into is not None:
        return f"It goes on in incident {incident.merged_into}."
    return "Nobody has it yet." if incident.is_open and incident.snooze is None else f"It is {state_of(incident)}."


def _next(incident: Incident) -> str:
    return f"All that is known of it: omc incident show {incident.number} --env {incident.environment}"
