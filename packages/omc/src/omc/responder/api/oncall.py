"""Who is on call and who would be paged, and the rotas as calendars. Rotas belong to no environment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from omc.errors import Missing, did_you_mean
from omc.oncall.answers import calendar, explain_answer, gaps_answer, now_answer, schedule_answer
from omc.oncall.events import ROTA, RotaRecord
from omc.oncall.records import rota_records, verified_contacts
from omc.responder.api.answers import DOCUMENT, Answer, At
from omc.responder.api.callers import Reader
from omc.responder.api.context import ApiContext, Context
from omc.responder.api.rotas import RotaName, rotas_in
from omc.responder.api.shapes import EventShape, events_of

router = APIRouter(prefix="/v1/on-call", tags=["on call"])
me = APIRouter(prefix="/v1/me", tags=["access"])
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""No rota is asked for beyond."""
MAX_DAYS = 800
CALENDAR = "text/calendar"
CALENDARS: dict[int | str, dict[str, Any]] = {200: {"content": {CALENDAR: {}}, "description": "iCalendar."}}
Days = Annotated[int, Query(ge=1, le=MAX_DAYS, description="How many of them.")]
PersonName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="Her id in [people] of omc.toml.")]


class CallerShape(BaseModel):
    """Whom the server takes the caller for."""

    model_config = ConfigDict(title="Caller")

    name: str
    role: str
    person: str | None


class NowShape(BaseModel):
    """Who is on call in each rota; the fields of `omc oncall now --output json`."""

    model_config = ConfigDict(title="OnCallNow", extra="allow")


class ScheduleShape(BaseModel):
    """A rota's shifts and gaps; the fields of `omc oncall schedule --output json`."""

    model_config = ConfigDict(title="Schedule", extra="allow")


class ExplanationShape(BaseModel):
    """Who would be paged, step by step; the fields of `omc oncall explain --output json`."""

    model_config = ConfigDict(title="Escalation", extra="allow")


class GapsShape(BaseModel):
    """What would lose pages; the fields of `omc oncall gaps --output json`."""

    model_config = ConfigDict(title="Gaps", extra="allow")


class RecordShape(BaseModel):
    """What is recorded of all rotas, from which a client makes them with its own omc.toml."""

    model_config = ConfigDict(title="OnCallRecord")

    rotas: dict[str, list[EventShape]]
    confirmed: dict[str, list[str]]
    """By person the contacts that she has confirmed."""


@me.get("", summary="Whom the server takes you for")
def who_am_i(caller: Reader) -> CallerShape:
    return CallerShape(name=caller.name, role=caller.role.value, person=caller.person or None)


@router.get("/now", summary="Who is on call in each rota", response_model=NowShape, responses=DOCUMENT)
def now(context: Context, _: Reader, answer: Answer, at: At = None) -> Any:
    stack = context.stack
    return answer(now_answer(rotas_in(context).world, _within(at, context), stack.time_zone, stack.contacts))


@router.get("/explanation", summary="Who would be paged when", response_model=ExplanationShape, responses=DOCUMENT)
def explain(
    context: Context,
    _: Reader,
    answer: Answer,
    at: At = None,
    severity: Annotated[int, Query(ge=1, le=3, description="1 is the worst.")] = 2,
) -> Any:
    """By an alarm at a time, step by step, as long as nobody answers."""
    return answer(explain_answer(rotas_in(context).world, context.stack, severity, _within(at, context)))


@router.get("/gaps", summary="What would lose pages", response_model=GapsShape, responses=DOCUMENT)
def gaps(context: Context, _: Reader, answer: Answer, weeks: Annotated[int, Query(ge=1, le=104)] = 6) -> Any:
    """Every gap, whoever can't be reached, and what clock changes do, in the coming weeks."""
    begin = context.store.now()
    return answer(gaps_answer(rotas_in(context).world, context.stack, begin, begin + timedelta(weeks=weeks)))


@router.get("/record", summary="What is recorded of the rotas")
def record(context: Context, _: Reader) -> RecordShape:
    with context.store.reading() as session:
        records, confirmed = rota_records(session), verified_contacts(session)
    return RecordShape(
        rotas={name: events_of(ROTA, each.events) for name, each in records.items()},
        confirmed={person: list(methods) for person, methods in confirmed.items()},
    )


@router.get(
    "/rotas/{rota}/schedule",
    summary="The shifts of a rota, and its gaps",
    response_model=ScheduleShape,
    responses=DOCUMENT,
)
def schedule(context: Context, _: Reader, rota: RotaName, answer: Answer, begin: At = None, days: Days = 28) -> Any:
    there = rotas_in(context)
    there.required(rota)
    first = _within(begin, context)
    kept = there.records.get(rota, RotaRecord(rota))
    return answer(schedule_answer(there.world, kept, rota, first, first + timedelta(days=days)))


@router.get("/rotas/{rota}/calendar", summary="A rota as iCalendar", response_class=Response, responses=CALENDARS)
def rota_calendar(context: Context, _: Reader, rota: RotaName, days: Days = 180) -> Response:
    rotas_in(context).required(rota)
    return calendar_response(context, days, rota=rota)


@router.get(
    "/people/{person}/calendar", summary="A person's shifts as iCalendar", response_class=Response, responses=CALENDARS
)
def person_calendar(context: Context, _: Reader, person: PersonName, days: Days = 180) -> Response:
    """In all rotas."""
    if person not in context.stack.persons:
        raise Missing(f"There is no [people.{person}] in omc.toml.{did_you_mean(person, list(context.stack.persons))}")
    return calendar_response(context, days, person=person)


def calendar_response(
    context: ApiContext, days: int, *, rota: str | None = None, person: str | None = None
) -> Response:
    """``Missing`` where there is no such rota or person any more."""
    begin = context.store.now()
    end = begin + timedelta(days=days)
    content = calendar(rotas_in(context).world, begin, end, rota=rota, person=person)
    if content is None:
        raise Missing(f"What this calendar was of, {rota or person}, isn't in omc.toml any more.")
    name = f"{rota or person}.ics"
    return Response(content, media_type=CALENDAR, headers={"Content-Disposition": f'inline; filename="{name}"'})


def _within(at: datetime | None, context: ApiContext) -> datetime:
    return min(max(at or context.store.now(), FIRST), LAST)
