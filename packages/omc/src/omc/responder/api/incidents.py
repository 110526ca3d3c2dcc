"""Incidents: listing, showing, opening one, and adding to it what may be added to any."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from omc.incidents.contacts import called_for
from omc.incidents.document import contacts_data
from omc.incidents.events import Noted, SeverityChanged
from omc.incidents.incident import Incident
from omc.responder.api.callers import Reader
from omc.responder.api.context import Chosen, Context
from omc.responder.api.once import AlreadyDone
from omc.responder.api.shapes import Body, IncidentShape, Level, Number, Sentence, Text, incident_shape
from omc.responder.api.work import Working
from omc.responder.catalogue import groups_of
from omc.responder.life import act
from omc.store.incidents import incident_of, incidents_of, number_with_key, open_incident
from omc.store.opened import Store

PREFIX = "/v1/environments/{environment}/incidents"
router = APIRouter(prefix=PREFIX, tags=["incidents"])
environments = APIRouter(prefix="/v1/environments", tags=["environments"])
MAX_PAGE = 200


class EnvironmentsShape(BaseModel):
    model_config = ConfigDict(title="Environments")

    environments: list[str]


class IncidentsShape(BaseModel):
    """A page of incidents, the newest first."""

    model_config = ConfigDict(title="Incidents")

    environment: str
    incidents: list[IncidentShape]
    next: str | None
    """The cursor of the next page; null on the last one."""


class Opening(Body):
    severity: Level
    summary: Sentence
    """What users suffer."""


class Note(Body):
    text: Text


class SeverityChange(Body):
    severity: Level


@environments.get("", summary="The environments of this server")
def list_environments(context: Context, _: Reader) -> EnvironmentsShape:
    return EnvironmentsShape(environments=[each.name for each in context.environments])


@router.get("", summary="An environment's incidents, newest first")
def list_incidents(
    context: Context,
    _: Reader,
    environment: Chosen,
    state: Annotated[Literal["open", "all"], Query(description="`all`: also those that are over.")] = "open",
    events: Annotated[bool, Query(description="With all that happened to each.")] = False,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[
        str | None, Query(pattern=r"^b[1-9][0-9]{0,9}$", description="`next` of the page before.")
    ] = None,
) -> IncidentsShape:
    """A page begins below the number where the one before ended. So nothing is listed twice and nothing that was there
    at the beginning is left out, whatever is opened meanwhile."""
    below = int(cursor[1:]) if cursor else 2**31
    found = [
        each
        for each in incidents_of(context.store, environment.name)
        if each.number < below and (state == "all" or each.is_open)
    ]
    page = found[:limit]
    return IncidentsShape(
        environment=environment.name,
        incidents=[incident_shape(each, environment, events=events) for each in page],
        next=f"b{page[-1].number}" if len(found) > limit else None,
    )


@router.post("", status_code=201, summary="Open an incident")
def open_one(request: Request, response: Response, work: Working, body: Opening) -> IncidentShape:
    """It gets the environment's next number, and whoever is on call is paged."""
    key = f"api:{work.identity}" if work.identity else None
    opened = work.done(
        lambda store, doer: open_incident(store, work.name, body.severity, body.summary, doer.name, key=key),
        lambda: _opened_before(work.context.store, work.name, key or ""),
    )
    response.headers["Location"] = f"{request.url.path}/{opened.number}"
    return incident_shape(opened, work.environment)


def _opened_before(store: Store, environment: str, key: str) -> Incident:
    with store.reading() as session:
        number = number_with_key(session, environment, key)
    if number is None:
        raise AlreadyDone("This incident was opened when it was asked for before.")
    return incident_of(store, environment, number)


@router.get("/{number}", summary="One incident, with all that happened to it")
def show(context: Context, _: Reader, environment: Chosen, number: Number) -> IncidentShape:
    found = incident_of(context.store, environment.name, number)
    shape = incident_shape(found, environment)
    shape.contacts = contacts_data(called_for(context.stack.contacts, found, groups_of(found)))
    return shape


@router.post("/{number}/notes", summary="Write down what you see or do")
def note(work: Working, number: Number, body: Note) -> IncidentShape:
    """Also what is learnt after the end."""
    return work.on(number, lambda store, doer: act(store, work.name, number, doer, Noted(body.text)))


@router.post("/{number}/severity", summary="Say that it is worse, or less bad")
def change_severity(work: Working, number: Number, body: SeverityChange) -> IncidentShape:
    changed = SeverityChanged(body.severity)
    return work.on(number, lambda store, doer: act(store, work.name, number, doer, changed))
