"""Alerts: what fires, why somebody was paged or wasn't, what is planned, and what other rules would have done."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from omc.config import Environment
from omc.config.alert_tables import AlertsTable
from omc.config.mistakes import Source, read_as
from omc.errors import Missing, StackError, WrongUse
from omc.maintenance.announced import coming, planned_work
from omc.model.matchers import FORM, parse_all
from omc.responder import records
from omc.responder.alerts import Alert
from omc.responder.alerts_document import alert_document, alerts_document, explained_document, replay_document
from omc.responder.api.answers import DOCUMENT, Answer
from omc.responder.api.callers import Reader, Responder
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.shapes import WHOLE, Body, Moment
from omc.responder.planned_document import planned_document
from omc.responder.replay import replay as replayed
from omc.responder.replay import what_happened
from omc.responder.rules import Rules, from_table, rules_of
from omc.responder.unreadable import unreadable_messages

router = APIRouter(prefix="/v1/environments/{environment}", tags=["alerts"])
MAX_PAGE = 500
MAX_REPLAYED = timedelta(days=400)
Key = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The alert's key.")]
Condition = Annotated[str, Field(pattern=f"^{FORM}$", max_length=400)]


class AlertsShape(BaseModel):
    """Alerts, the worst first; the fields of `omc alerts list --output json`."""

    model_config = ConfigDict(title="Alerts", extra="allow")

    next: int | None
    """The offset of the next page; null on the last one."""


class AlertShape(BaseModel):
    """One alert; the fields of `omc alerts show --output json`."""

    model_config = ConfigDict(title="Alert", extra="allow")


class ExplanationShape(BaseModel):
    """What each stage did with it, and why; the fields of `omc alerts explain --output json`."""

    model_config = ConfigDict(title="AlertExplanation", extra="allow")


class PlannedShape(BaseModel):
    """What others will do to the stack; the fields of `omc alerts planned --output json`."""

    model_config = ConfigDict(title="Planned", extra="allow")


class ReplayShape(BaseModel):
    """What happened beside what would have; the fields of `omc alerts replay --output json`."""

    model_config = ConfigDict(title="Replay", extra="allow")


class ReplayBody(Body):
    """Rules in place of the server's own; what isn't given is as there."""

    since: Moment
    alerts: Annotated[dict[str, Any], Field(description="[alerts] of another omc.toml.")] | None = None
    quiet_minutes: Annotated[int, Field(ge=0, le=1440), WHOLE] | None = None
    reopen_minutes: Annotated[int, Field(ge=0, le=10_080), WHOLE] | None = None
    prefix: Annotated[str, Field(max_length=200)] | None = None
    """What the alarms' names begin with."""
    services: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=200)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$")] = "other rules"
    """What they are called in the answer: a file's name."""


@router.get("/alerts", summary="What fires, the worst first", response_model=AlertsShape, responses=DOCUMENT)
def list_alerts(
    context: Context,
    _: Reader,
    environment: Chosen,
    answer: Answer,
    state: Annotated[Literal["firing", "all"], Query(description="`all`: also those that have ended.")] = "firing",
    match: Annotated[
        list[Condition],
        Query(max_length=20, description="Only those that meet all of these: `service=backend`, `name=rds-*`."),
    ] = [],  # noqa: B006 - FastAPI copies it
    alert: Annotated[
        str | None, Query(min_length=1, max_length=300, description="Only those of this name, or whose key begins so.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="`next` of the last page.")] = 0,
) -> Any:
    """Pages are cut from the list as it is then: what begins to fire between two of them moves the others."""
    everything = state == "all"
    found = records.listed(
        context.store, rules_of(context.stack, environment), everything=everything, matchers=parse_all(match)
    )
    if alert is not None:
        found = records.named(found, alert)
    page = found[offset : offset + limit]
    document = alerts_document(page, environment.name, environment.time_zone, everything=everything, matching=match)
    return answer(document, next=offset + limit if len(found) > offset + limit else None)


@router.get(
    "/alerts/{key}", summary="One alert, and what has happened to it", response_model=AlertShape, responses=DOCUMENT
)
def show(context: Context, _: Reader, environment: Chosen, key: Key, answer: Answer) -> Any:
    alert, incident = _found(context, environment, key)
    events = records.events_of(context.store, alert)
    return answer(alert_document(alert, incident, events, environment.time_zone))


@router.get(
    "/alerts/{key}/explanation",
    summary="Why it was grouped, held or paged",
    response_model=ExplanationShape,
    responses=DOCUMENT,
)
def explain(
    context: Context,
    _: Reader,
    environment: Chosen,
    key: Key,
    answer: Answer,
    last: Annotated[int, Query(ge=1, le=1000)] = 3,
) -> Any:
    alert, _incident = _found(context, environment, key)
    events = records.events_of(context.store, alert)[-last:]
    return answer(explained_document(alert, events, environment.time_zone))


@router.get("/planned", summary="What others will do to the stack", response_model=PlannedShape, responses=DOCUMENT)
def planned(context: Context, _: Reader, environment: Chosen, answer: Answer) -> Any:
    """Retirements and maintenance that AWS announced, the next first; and messages that could not be read."""
    name = environment.name
    with context.store.reading() as session:
        announced, unreadable = planned_work(session, name), unreadable_messages(session, name)
    found = coming(announced, context.store.now())
    return answer(planned_document(found, unreadable, name, environment.time_zone))


@router.post(
    "/replays",
    summary="What other rules would have made of what came in",
    response_model=ReplayShape,
    responses=DOCUMENT,
)
def replay(context: Context, _: Responder, environment: Chosen, body: ReplayBody, answer: Answer) -> Any:
    """Nothing is changed. It takes the server a while, so a viewer can't ask it."""
    rules = _rules(context, environment, body)
    until = context.store.now()
    begin = body.since.astimezone(UTC)
    if not until - MAX_REPLAYED <= begin <= until:
        raise WrongUse(f"A replay begins within the last {MAX_REPLAYED.days} days.")
    history = records.history(context.store, environment.name)
    was, would = what_happened(history, begin), replayed(history, rules, begin, until)
    return answer(replay_document(was, would, begin, body.name, environment.time_zone))


def _rules(context: ApiContext, environment: Environment, body: ReplayBody) -> Rules:
    own = rules_of(context.stack, environment)
    table = context.stack.alerts
    if body.alerts is not None:
        try:
            table = read_as(AlertsTable, body.alerts, Source(FilePath("alerts"), ""))
        except StackError as error:  # which has a line, as of a file
            raise WrongUse(error.message.replace("alerts, line 1: ", "alerts: ")) from error
    return from_table(
        table,
        environment.name,
        own.prefix if body.prefix is None else body.prefix,
        own.services if body.services is None else frozenset(body.services),
        own.channel,
        quiet=own.quiet if body.quiet_minutes is None else timedelta(minutes=body.quiet_minutes),
        reopen_within=own.reopen_within if body.reopen_minutes is None else timedelta(minutes=body.reopen_minutes),
    )


def _found(context: ApiContext, environment: Environment, key: str) -> tuple[Alert, int | None]:
    found = records.listed(context.store, rules_of(context.stack, environment), everything=True)
    one = next((each for each in found if each[0].key == key), None)
    if one is None:
        raise Missing(f"{environment.name} has no alert {key}. See: omc alerts list --env {environment.name} --all")
    return one
