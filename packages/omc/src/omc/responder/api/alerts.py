"""Alerts: what fires, why somebody was paged or wasn't, and the silences that hold."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict

from omc.config import Environment
from omc.errors import Missing
from omc.responder import records
from omc.responder.alerts import Alert
from omc.responder.alerts_document import alert_document, alerts_document, explained_document, silences_document
from omc.responder.api.callers import Reader
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.rules import rules_of

router = APIRouter(prefix="/v1/environments/{environment}", tags=["alerts"])
MAX_PAGE = 500
Key = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The alert's key.")]


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


class SilencesShape(BaseModel):
    """The fields of `omc alerts silences --output json`."""

    model_config = ConfigDict(title="Silences", extra="allow")


@router.get("/alerts", summary="What fires, the worst first")
def list_alerts(
    context: Context,
    _: Reader,
    environment: Chosen,
    state: Annotated[Literal["firing", "all"], Query(description="`all`: also those that have ended.")] = "firing",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="`next` of the last page.")] = 0,
) -> AlertsShape:
    """Pages are cut from the list as it is then: what begins to fire between two of them moves the others."""
    everything = state == "all"
    found = records.listed(context.store, rules_of(context.stack, environment), everything=everything)
    page = found[offset : offset + limit]
    document = alerts_document(page, environment.name, environment.time_zone, everything=everything)
    return AlertsShape(**document.data, next=offset + limit if len(found) > offset + limit else None)


@router.get("/alerts/{key}", summary="One alert, and what has happened to it")
def show(context: Context, _: Reader, environment: Chosen, key: Key) -> AlertShape:
    alert, incident = _found(context, environment, key)
    events = records.events_of(context.store, alert)
    return AlertShape(**alert_document(alert, incident, events, environment.time_zone).data)


@router.get("/alerts/{key}/explanation", summary="Why it was grouped, held or paged")
def explain(
    context: Context, _: Reader, environment: Chosen, key: Key, last: Annotated[int, Query(ge=1, le=1000)] = 3
) -> ExplanationShape:
    alert, _incident = _found(context, environment, key)
    events = records.events_of(context.store, alert)[-last:]
    return ExplanationShape(**explained_document(alert, events, environment.time_zone).data)


@router.get("/silences", summary="The silences that hold")
def list_silences(
    context: Context,
    _: Reader,
    environment: Chosen,
    state: Annotated[Literal["holding", "all"], Query(description="`all`: also those that are over.")] = "holding",
) -> SilencesShape:
    everything, now = state == "all", context.store.now()
    found = records.silences_of(context.store, environment.name)
    shown = [each for each in found if everything or each.is_active(now)]
    zone = environment.time_zone
    holds = records.held_by_silences(context.store, environment.name)
    document = silences_document(shown, holds, environment.name, zone, now, everything=everything)
    return SilencesShape(**document.data)


def _found(context: ApiContext, environment: Environment, key: str) -> tuple[Alert, int | None]:
    found = records.listed(context.store, rules_of(context.stack, environment), everything=True)
    one = next((each for each in found if each[0].key == key), None)
    if one is None:
        raise Missing(f"{environment.name} has no alert {key}. See: omc alerts list --env {environment.name} --all")
    return one
