"""Changes of the rotas: overrides, taking and covering shifts, imports, undoing. Rotas belong to no environment."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from omc.config import Stack
from omc.errors import Missing, WrongUse, did_you_mean
from omc.oncall import importing
from omc.oncall.changing import Decide, When, record_draft, record_in, swap
from omc.oncall.changing import override as recorded_override
from omc.oncall.configured import rotas_from
from omc.oncall.documents import recorded_document
from omc.oncall.escalation import World
from omc.oncall.events import OverrideAdded, RotaRecord, Undone
from omc.oncall.imports.draft import Draft
from omc.oncall.imports.read import SourceFile
from omc.oncall.lookups import Ground
from omc.oncall.model import Rota
from omc.oncall.records import rota_records, rotas_with, verified_contacts
from omc.output.document import Document
from omc.responder.api.answers import DOCUMENT, Answer, Answerer
from omc.responder.api.changes import Change, Changing
from omc.responder.api.context import ApiContext
from omc.responder.api.shapes import WHOLE, Body, Moment, PersonId

router = APIRouter(prefix="/v1/on-call", tags=["on call"])
RotaName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="A rota.")]
Reason = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]


class ChangeShape(BaseModel):
    """What was recorded, and when another group is on call for it."""

    model_config = ConfigDict(title="RotaChange", extra="allow")

    rota: str
    number: int
    """By which it is undone."""


class ImportShape(BaseModel):
    """What an import would change, what of it couldn't be read; the fields of `omc oncall import --output json`."""

    model_config = ConfigDict(title="Import", extra="allow")

    outcome: str
    """What became of it, in a sentence."""


class OverrideBody(Body):
    begin: Moment
    end: Moment
    people: Annotated[list[PersonId], Field(min_length=1, max_length=20)]
    instead_of: PersonId | None = None
    """Only this one's place is taken."""
    reason: Reason = ""


class UndoBody(Body):
    number: Annotated[int, Field(ge=1, le=10**9), WHOLE]
    reason: Reason = ""


class ShiftBody(Body):
    """The shift at a time, or what lies between two; without any: the one that is under way."""

    at: Moment | None = None
    begin: Moment | None = None
    end: Moment | None = None
    instead_of: PersonId | None = None
    """Whose shift."""
    reason: Reason = ""

    @property
    def when(self) -> When:
        return When(*(each.astimezone(UTC) if each else None for each in (self.at, self.begin, self.end)))


class TakeBody(ShiftBody):
    by: PersonId | None = None
    """Who takes it; without: the caller."""


class CoverBody(ShiftBody):
    person: PersonId
    """Who covers it; without `instead_of` it is the caller's."""


class ImportFile(Body):
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f/\\]+$")]
    content: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$", description="The file, in base64.")]


class ImportBody(Body):
    source: Literal["calendar", "pagerduty", "opsgenie", "grafana"]
    files: Annotated[list[ImportFile], Field(min_length=1, max_length=20)]
    rota: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] | None = None
    """The name that a single one gets."""
    people: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], PersonId],
        Field(description="Who somebody of it is in [people], by the name that she has there."),
    ] = Field(default_factory=dict)
    weeks: Annotated[int, Field(ge=1, le=52), WHOLE] = 4
    """So far differences are shown."""
    record: Annotated[bool, Field(strict=True)] = False
    """Without it only the difference is shown."""


@dataclass(frozen=True, slots=True)
class Rotas:
    """All rotas as they are just now."""

    world: World
    records: dict[str, RotaRecord]

    def required(self, name: str) -> Rota:
        if name not in self.world.rotas:
            raise Missing(f'There is no rota "{name}".{did_you_mean(name, list(self.world.rotas))}')
        return self.world.rotas[name]


def rotas_in(context: ApiContext) -> Rotas:
    with context.store.reading() as session:
        records, confirmed = rota_records(session), verified_contacts(session)
    return Rotas(World(rotas_with(records, rotas_from(context.stack)), context.stack.persons, confirmed), records)


def require_people(stack: Stack, *people: str | None) -> None:
    """``Missing`` where one of them isn't in ``[people]``."""
    for each in people:
        if each is not None and each not in stack.persons:
            raise Missing(f"There is no [people.{each}] in omc.toml.{did_you_mean(each, list(stack.persons))}")


@router.post(
    "/rotas/{rota}/overrides",
    summary="Put somebody else on call for a while",
    response_model=ChangeShape,
    responses=DOCUMENT,
)
def override(change: Changing, rota: RotaName, body: OverrideBody, answer: Answer) -> Any:
    """Where a rota has editors: one of them, or one of the two whom a swap concerns."""
    require_people(change.context.stack, *body.people, body.instead_of)
    begin, end = body.begin.astimezone(UTC), body.end.astimezone(UTC)
    added = OverrideAdded(begin, end, tuple(body.people), body.instead_of, reason=body.reason)
    return _recorded(change, rota, answer, recorded_override(added))


@router.post("/rotas/{rota}/take", summary="Take somebody's shift", response_model=ChangeShape, responses=DOCUMENT)
def take(change: Changing, rota: RotaName, body: TakeBody, answer: Answer) -> Any:
    """By the caller, or by `by`. Undone by its number."""
    require_people(change.context.stack, body.by, body.instead_of)
    taker = body.by or _caller_person(change, "by")
    return _recorded(
        change, rota, answer, swap(_ground(change.context), rota, body.when, taker, body.instead_of, body.reason)
    )


@router.post(
    "/rotas/{rota}/cover", summary="Have somebody cover a shift", response_model=ChangeShape, responses=DOCUMENT
)
def cover(change: Changing, rota: RotaName, body: CoverBody, answer: Answer) -> Any:
    """The caller's, or that of `instead_of`."""
    require_people(change.context.stack, body.person, body.instead_of)
    covered = body.instead_of or _caller_person(change, "instead_of")
    return _recorded(
        change, rota, answer, swap(_ground(change.context), rota, body.when, body.person, covered, body.reason)
    )


@router.post(
    "/rotas/{rota}/undo", summary="Undo an override or an import", response_model=ChangeShape, responses=DOCUMENT
)
def undo(change: Changing, rota: RotaName, body: UndoBody, answer: Answer) -> Any:
    return _recorded(change, rota, answer, lambda _: Undone(body.number, body.reason))


@router.post(
    "/imports", summary="Read rotas of a calendar or of an export", response_model=ImportShape, responses=DOCUMENT
)
def import_(change: Changing, body: ImportBody, answer: Answer) -> Any:
    """What would change and what couldn't be read; with `record` they are recorded, each rota by itself."""
    context = change.context
    require_people(context.stack, *body.people.values())
    now = context.store.now()
    files = [SourceFile(each.name, _decoded(each)) for each in body.files]
    read = importing.read_import(context.stack, body.source, files, body.people, now, body.rota)
    before = rotas_in(context).world
    outcome = importing.NOT_RECORDED
    if body.record:
        outcome = importing.record_import(read, context.stack, lambda draft: _record(change, draft, read.source))
    return answer(importing.import_document(read, context.stack, before, now, body.weeks, outcome), outcome=outcome)


def _record(change: Change, draft: Draft, source: str) -> int:
    name = draft.rota.name
    return change.done(
        lambda store: record_draft(store, draft, source, change.actor),
        lambda: len(rotas_in(change.context).records[name].events),
        name,
    )


def _decoded(file: ImportFile) -> bytes:
    try:
        return base64.b64decode(file.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WrongUse(f"The content of {file.name} is not base64.") from error


def _recorded(change: Change, name: str, answer: Answerer, decide: Decide) -> Any:
    context = change.context
    there = rotas_in(context)
    if name not in there.records:
        there.required(name)
    ground = _ground(context)
    return answer(
        change.done(
            lambda store: record_in(store, ground, name, change.actor, decide),
            lambda: _recorded_before(context, name),
        )
    )


def _recorded_before(context: ApiContext, name: str) -> Document:
    there = rotas_in(context)
    rota = there.world.rotas.get(name, Rota(name, context.stack.time_zone))
    number = len(there.records[name].events)
    return recorded_document(rota, number, "It was recorded when it was asked for before.", (), context.stack.persons)


def _ground(context: ApiContext) -> Ground:
    return Ground(context.stack, context.environments[0], context.store.place, context.store.now())


def _caller_person(change: Change, field: str) -> str:
    if change.caller.person in change.context.stack.persons:
        return change.caller.person
    raise WrongUse(f"{change.caller.name} is nobody's of [people] in omc.toml: say whom you mean in {field}.")
