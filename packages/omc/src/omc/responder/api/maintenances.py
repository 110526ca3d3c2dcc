"""Maintenances: how they are, and what people do beside whoever performs them. Planning and performing one is for the
command line: it needs the rights of its steps."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from omc.config import Environment
from omc.maintenance.checklist import ITEMS
from omc.maintenance.desk import Desk
from omc.maintenance.document import maintenance_document, maintenances_document
from omc.maintenance.model import replay
from omc.maintenance.plan import decide
from omc.maintenance.records import events_of, of_environment
from omc.responder.api.answers import DOCUMENT, Answer, Answerer
from omc.responder.api.callers import Reader
from omc.responder.api.changes import Change, Changing
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.shapes import Body, Sentence
from omc.store.opened import Store

router = APIRouter(prefix="/v1/environments/{environment}/maintenances", tags=["maintenances"])
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The maintenance's number in its environment.")]
SIGNABLE = f"^({'|'.join(item.name for item in ITEMS)}|[1-9][0-9]?)$"


class MaintenancesShape(BaseModel):
    """The fields of `omc maintenance status --output json`."""

    model_config = ConfigDict(title="Maintenances", extra="allow")


class MaintenanceShape(BaseModel):
    """The fields of `omc maintenance status NUMBER --output json`."""

    model_config = ConfigDict(title="Maintenance", extra="allow")


class SignBody(Body):
    what: Annotated[str, Field(pattern=SIGNABLE, examples=["backup", "2"])]
    """An item of the checklist, or the number of a step that is a person's."""
    evidence: Sentence
    """What shows it."""


class NoteBody(Body):
    text: Sentence


class AbortBody(Body):
    reason: Sentence


@router.get("", summary="All maintenances", response_model=MaintenancesShape, responses=DOCUMENT)
def list_maintenances(context: Context, _: Reader, environment: Chosen, answer: Answer) -> Any:
    """The newest first."""
    found = of_environment(context.store, environment.name)
    return answer(maintenances_document(found, environment.name, environment.time_zone))


@router.get("/{maintenance}", summary="One maintenance", response_model=MaintenanceShape, responses=DOCUMENT)
def show(context: Context, _: Reader, environment: Chosen, maintenance: Number, answer: Answer) -> Any:
    """Its checklist with the evidence, its steps, what happened, what comes next."""
    return _one(context, environment, maintenance, answer)


@router.post("/{maintenance}/sign", summary="Answer for an item", response_model=MaintenanceShape, responses=DOCUMENT)
def sign(change: Changing, environment: Chosen, maintenance: Number, body: SignBody, answer: Answer) -> Any:
    """Of the checklist, or for a step that is a person's. One that omc was to do is then an exception."""
    change.done(
        lambda store: _desk(change, store, environment, maintenance).sign(body.what, body.evidence), lambda: None
    )
    return _one(change.context, environment, maintenance, answer)


@router.post(
    "/{maintenance}/notes", summary="Write into its timeline", response_model=MaintenanceShape, responses=DOCUMENT
)
def note(change: Changing, environment: Chosen, maintenance: Number, body: NoteBody, answer: Answer) -> Any:
    """What was seen, what was odd."""
    change.done(lambda store: _desk(change, store, environment, maintenance).note(body.text), lambda: None)
    return _one(change.context, environment, maintenance, answer)


@router.post("/{maintenance}/abort", summary="Have it taken back", response_model=MaintenanceShape, responses=DOCUMENT)
def abort(change: Changing, environment: Chosen, maintenance: Number, body: AbortBody, answer: Answer) -> Any:
    """What was done is undone, the latest step first, by whichever worker is alive."""
    change.done(lambda store: _desk(change, store, environment, maintenance).abort(body.reason), lambda: None)
    return _one(change.context, environment, maintenance, answer)


def _desk(change: Change, store: Store, environment: Environment, number: int) -> Desk:
    return Desk(store, change.context.stack, environment.name, number, change.actor.name)


def _one(context: ApiContext, environment: Environment, number: int, answer: Answerer) -> Any:
    with context.store.reading() as session:
        events = events_of(session, environment.name, number)
    found = replay(environment.name, number, events)
    document = maintenance_document(found, events, decide(found, context.store.now()), environment.time_zone)
    return answer(document, found.events)
