"""What is learnt of incidents: post-mortems, action items, statistics."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response

from omc.errors import Refused
from omc.incidents.events import ActionItem, ActionItemDone, PostmortemChanged, PostmortemMoved
from omc.incidents.incident import POSTMORTEM_STATES, SECTIONS, Incident
from omc.model.people import Person
from omc.output import html, markdown
from omc.redaction import mask
from omc.responder import learning, reminders
from omc.responder.api.answers import DOCUMENT, Answer, Answerer, Seen
from omc.responder.api.callers import Reader
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.incidents import PREFIX
from omc.responder.api.life import person_of
from omc.responder.api.shapes import SOMETHING, Body, IncidentShape, Moment, Number, Text, incident_shape
from omc.responder.api.work import Working
from omc.responder.postmortem import IMPACT, action_items_document, postmortem_document, version_of
from omc.responder.statistics import statistics, statistics_document
from omc.store.incidents import incident_of, incidents_of

router = APIRouter(prefix=PREFIX + "/{number}", tags=["learning"])
environment_router = APIRouter(prefix="/v1/environments/{environment}", tags=["learning"])
MAX_STATISTICS = timedelta(days=3650)
ItemId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,40}$", description="The action item's id in its incident.")]
PAGE_TYPES = {"markdown": ("text/markdown", "md"), "html": ("text/html", "html")}


class PostmortemShape(BaseModel):
    """A post-mortem; the fields of `omc incident postmortem --output json`."""

    model_config = ConfigDict(title="Postmortem", extra="allow")


class StatisticsShape(BaseModel):
    """The fields of `omc incident stats --output json`; durations are seconds."""

    model_config = ConfigDict(title="Statistics", extra="allow")


class ActionItemsShape(BaseModel):
    """Action items of all incidents, the one that is due first at the top."""

    model_config = ConfigDict(title="ActionItems", extra="allow")


class PostmortemChange(Body):
    sections: Annotated[
        dict[
            Literal["summary", "impact", "detection", "response", "changes", "causes", "lessons", "runbook"],
            Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00]*$")],
        ],
        Field(description="Texts in place of those that are there. A line that begins with - is an item."),
    ] = Field(default_factory=dict)
    state: Literal["draft", "review", "done"] | None = None


class ActionItemBody(Body):
    text: Text
    owner: Annotated[str, Field(min_length=1, max_length=200, pattern=SOMETHING)]
    """Her id in [people] of omc.toml, where there are any: she is reminded."""
    due: Moment
    link: Annotated[str, Field(max_length=500, pattern=r"^https?://[^\s\x00]+$")] | None = None
    """Where else it is kept: an issue's address."""


@router.get("/postmortem", summary="Its post-mortem", response_model=PostmortemShape, responses=DOCUMENT)
def read(context: Context, _: Reader, environment: Chosen, number: Number, answer: Answer) -> Any:
    """Drafted from the record where nobody has written anything yet. Its ETag is that of the sections and the state."""
    return _postmortem(context, answer, incident_of(context.store, environment.name, number))


@router.patch(
    "/postmortem",
    summary="Write sections of it, or say where it stands",
    response_model=PostmortemShape,
    responses=DOCUMENT,
)
def change(work: Working, number: Number, body: PostmortemChange, seen: Seen, answer: Answer) -> Any:
    """All of it or nothing. With `If-Match`, what somebody else has written meanwhile stays: 412."""
    changes = [PostmortemChanged(section, text) for section, text in body.sections.items()]
    moved = [PostmortemMoved(body.state)] if body.state else []
    changed = work.done(
        lambda store, doer: learning.change_postmortem(store, work.name, number, doer, [*changes, *moved], seen),
        lambda: incident_of(work.context.store, work.name, number),
    )
    return _postmortem(work.context, answer, changed)


@router.post("/postmortem/measurement", summary="Measure what failed while it lasted")
def measure(work: Working, number: Number) -> IncidentShape:
    """Once, when it is over: CloudWatch keeps these figures for 15 days."""
    found = incident_of(work.context.store, work.name, number)
    if found.resolved_at is None:
        raise Refused(f"Incident {number} of {work.name} isn't over, so what failed isn't known yet.")
    if IMPACT in found.captured:
        return incident_shape(found, work.environment)
    measured = work.context.measure(work.environment, found, found.resolved_at)
    return work.on(number, lambda store, doer: learning.keep(store, work.name, number, doer, measured))


@router.get(
    "/postmortem/export",
    summary="Its post-mortem as a page",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/markdown": {}, "text/html": {}}, "description": "The page."}},
)
def export(
    context: Context,
    _: Reader,
    environment: Chosen,
    number: Number,
    form: Annotated[Literal["markdown", "html"], Query(alias="format")] = "markdown",
) -> Response:
    found = incident_of(context.store, environment.name, number)
    document = postmortem_document(found, context.stack.time_zone, context.store.now())
    text = markdown.render(document) if form == "markdown" else html.render(document)
    media_type, ending = PAGE_TYPES[form]
    name = f"incident-{environment.name}-{number}.{ending}"
    return Response(
        mask(text), media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.post("/action-items", status_code=201, summary="What will be done so that it doesn't come again")
def add_item(work: Working, number: Number, body: ActionItemBody) -> IncidentShape:
    """It gets the incident's next id."""
    item = _item(work.context, "", body)
    return work.on(number, lambda store, doer: reminders.add_action_item(store, work.name, number, doer, item))


@router.put("/action-items/{item}", summary="Change an action item")
def change_item(work: Working, number: Number, item: ItemId, body: ActionItemBody) -> IncidentShape:
    changed = _item(work.context, item, body)
    return work.on(number, lambda store, doer: reminders.change_action_item(store, work.name, number, doer, changed))


@router.post("/action-items/{item}/done", summary="It is done")
def end_item(work: Working, number: Number, item: ItemId) -> IncidentShape:
    done = ActionItemDone(item)
    return work.on(number, lambda store, doer: reminders.end_action_item(store, work.name, number, doer, done))


@environment_router.get(
    "/action-items", summary="The action items of all incidents", response_model=ActionItemsShape, responses=DOCUMENT
)
def list_items(
    context: Context,
    _: Reader,
    environment: Chosen,
    answer: Answer,
    state: Annotated[Literal["open", "all"], Query(description="`all`: also those that are done.")] = "open",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="`next` of the page before.")] = 0,
) -> Any:
    found = incidents_of(context.store, environment.name)
    document, following = action_items_document(
        found, environment.name, environment.time_zone, context.store.now(), state == "all", (offset, limit)
    )
    return answer(document, next=following)


@environment_router.get(
    "/statistics",
    summary="How long incidents took, and who was paged",
    response_model=StatisticsShape,
    responses=DOCUMENT,
)
def read_statistics(
    context: Context,
    _: Reader,
    environment: Chosen,
    answer: Answer,
    since: Annotated[Moment | None, Query(description="Opened since then; without, within 90 days.")] = None,
) -> Any:
    """Medians and distributions, of the incidents that were opened within the time."""
    now = context.store.now()
    begin = max(since.astimezone(UTC), now - MAX_STATISTICS) if since else now - timedelta(days=90)
    found = statistics(incidents_of(context.store, environment.name), begin, now, environment.time_zone)
    return answer(statistics_document(found, environment.name, environment.time_zone))


def _postmortem(context: ApiContext, answer: Answerer, incident: Incident) -> Any:
    document = postmortem_document(incident, context.stack.time_zone, context.store.now())
    return answer(document, version_of(incident), version=version_of(incident))


def _item(context: ApiContext, item: str, body: ActionItemBody) -> ActionItem:
    owner: Person | None = person_of(context.stack, body.owner) if context.stack.persons else None
    return ActionItem(item, body.text, owner.id if owner else body.owner, body.due.astimezone(UTC), body.link)


assert set(SECTIONS) == {  # noqa: S101 - Literal wants them written out
    *("summary", "impact", "detection", "response", "changes", "causes", "lessons", "runbook"),
}
assert set(POSTMORTEM_STATES) == {"draft", "review", "done"}  # noqa: S101
