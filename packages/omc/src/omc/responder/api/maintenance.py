"""What is coming in an environment: windows, freezes, and work that others announced."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from omc.config import Environment, environment_of
from omc.maintenance.announced import coming, planned_work
from omc.maintenance.calendar import Calendar, calendar
from omc.maintenance.calendar_document import calendar_document, ical
from omc.responder.api.answers import DOCUMENT, Answer
from omc.responder.api.callers import Reader
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.oncall import CALENDAR

router = APIRouter(prefix="/v1/environments/{environment}/maintenance", tags=["maintenance"])
Weeks = Annotated[int, Query(ge=1, le=104, description="How far ahead.")]


class CalendarShape(BaseModel):
    """Of one environment, by begin."""

    model_config = ConfigDict(title="MaintenanceCalendar", extra="allow")

    environment: str
    entries: list[dict[str, Any]]
    proposals: list[dict[str, Any]]


@router.get("/calendar", summary="What is coming", response_model=CalendarShape, responses=DOCUMENT)
def read(context: Context, _: Reader, environment: Chosen, answer: Answer, weeks: Weeks = 8) -> Any:
    """Windows and freezes of omc.toml, and what AWS announced to omc, with the window of ours for it. AWS is asked
    nothing: what it plans without an event, `omc maintenance calendar` reads."""
    found = _calendar(context, environment, timedelta(weeks=weeks))
    return answer(calendar_document(found, context.stack.time_zone))


def maintenance_response(context: ApiContext, days: int, environment: str) -> Response:
    """The same as iCalendar. ``WrongUse`` where there is no such environment any more."""
    found = environment_of(context.stack, environment)
    content = ical(_calendar(context, found, timedelta(days=days)), context.store.now())
    name = f"maintenance-{found.name}.ics"
    return Response(content, media_type=CALENDAR, headers={"Content-Disposition": f'inline; filename="{name}"'})


def _calendar(context: ApiContext, environment: Environment, ahead: timedelta) -> Calendar:
    now = context.store.now()
    with context.store.reading() as session:
        announced = coming(planned_work(session, environment.name), now)
    return calendar(environment, now, now + ahead, announced=announced)
