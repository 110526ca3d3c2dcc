"""Who is on call, what is recorded of the rotas, and changes of them. Rotas belong to no environment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from omc.access.model import Caller
from omc.engine.actors import Actor
from omc.errors import Missing, did_you_mean
from omc.oncall.changing import record_in
from omc.oncall.configured import rotas_from
from omc.oncall.documents import now_document, schedule_document
from omc.oncall.escalation import World
from omc.oncall.events import ROTA, OverrideAdded, RotaPayload, RotaRecord, Undone
from omc.oncall.lookups import Ground
from omc.oncall.model import Rota
from omc.oncall.records import rota_records, rotas_with, verified_contacts
from omc.oncall.schedule import on_call, shifts
from omc.responder.api.callers import Reader, Responder
from omc.responder.api.context import ApiContext, Context
from omc.responder.api.once import AlreadyDone, Once, store_for
from omc.responder.api.shapes import WHOLE, Body, EventShape, PersonId, events_of

router = APIRouter(prefix="/v1/on-call", tags=["on call"])
me = APIRouter(prefix="/v1/me", tags=["access"])
RotaName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="A rota.")]
At = Annotated[AwareDatetime | None, Query(description="A time with its offset; without, now.")]
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""No rota is asked for beyond."""


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


class RecordShape(BaseModel):
    """What is recorded of all rotas, from which a client makes them with its own omc.toml."""

    model_config = ConfigDict(title="OnCallRecord")

    rotas: dict[str, list[EventShape]]
    confirmed: dict[str, list[str]]
    """By person the contacts that she has confirmed."""


class ChangeShape(BaseModel):
    """What was recorded, and when another group is on call for it."""

    model_config = ConfigDict(title="RotaChange", extra="allow")

    rota: str
    number: int
    """By which it is undone."""


class OverrideBody(Body):
    begin: AwareDatetime
    end: AwareDatetime
    people: Annotated[list[PersonId], Field(min_length=1, max_length=20)]
    instead_of: PersonId | None = None
    """Only this one's place is taken."""
    reason: Annotated[str, Field(max_length=500)] = ""


class UndoBody(Body):
    number: Annotated[int, Field(ge=1, le=10**9), WHOLE]
    reason: Annotated[str, Field(max_length=500)] = ""


@me.get("", summary="Whom the server takes you for")
def who_am_i(caller: Reader) -> CallerShape:
    return CallerShape(name=caller.name, role=caller.role.value, person=caller.person or None)


@router.get("/now", summary="Who is on call in each rota")
def now(context: Context, _: Reader, at: At = None) -> NowShape:
    world, _records = _world(context)
    moment = _within(at, context)
    tiles = {name: on_call(rota, moment) for name, rota in world.rotas.items()}
    return NowShape(**now_document(tiles, world, moment, context.stack.time_zone, context.stack.contacts).data)


@router.get("/record", summary="What is recorded of the rotas")
def record(context: Context, _: Reader) -> RecordShape:
    with context.store.reading() as session:
        records, confirmed = rota_records(session), verified_contacts(session)
    return RecordShape(
        rotas={name: events_of(ROTA, each.events) for name, each in records.items()},
        confirmed={person: list(methods) for person, methods in confirmed.items()},
    )


@router.get("/rotas/{rota}/schedule", summary="The shifts of a rota, and its gaps")
def schedule(
    context: Context,
    _: Reader,
    rota: RotaName,
    begin: At = None,
    days: Annotated[int, Query(ge=1, le=400)] = 28,
) -> ScheduleShape:
    world, records = _world(context)
    chosen = _rota(world, rota)
    first = _within(begin, context)
    last = first + timedelta(days=days)
    tiles = shifts(chosen, first, last)
    document = schedule_document(chosen, tiles, records.get(rota, RotaRecord(rota)), world.persons, first, last)
    return ScheduleShape(**document.data)


@router.post("/rotas/{rota}/overrides", summary="Put somebody else on call for a while")
def override(context: Context, caller: Responder, rota: RotaName, body: OverrideBody, once: Once) -> ChangeShape:
    """Where a rota has editors: one of them, or one of the two whom a swap concerns."""
    for each in (*body.people, *([body.instead_of] if body.instead_of else [])):
        if each not in context.stack.persons:
            raise Missing(f"There is no [people.{each}] in omc.toml.{did_you_mean(each, list(context.stack.persons))}")
    added = OverrideAdded(
        body.begin.astimezone(UTC), body.end.astimezone(UTC), tuple(body.people), body.instead_of, reason=body.reason
    )
    return _recorded(context, caller, rota, once.of(caller), lambda _: added)


@router.post("/rotas/{rota}/undo", summary="Undo an override or an import")
def undo(context: Context, caller: Responder, rota: RotaName, body: UndoBody, once: Once) -> ChangeShape:
    return _recorded(context, caller, rota, once.of(caller), lambda _: Undone(body.number, body.reason))


def _recorded(
    context: ApiContext, caller: Caller, name: str, identity: str | None, decide: Callable[[Rota], RotaPayload]
) -> ChangeShape:
    world, records = _world(context)
    if name not in records:
        _rota(world, name)
    ground = Ground(context.stack, context.environments[0], context.store.place, context.store.now())
    actor = Actor(caller.name, of=caller.person)
    try:
        document = record_in(store_for(context, identity), ground, name, actor, decide)
    except AlreadyDone:
        return ChangeShape(rota=name, number=len(_world(context)[1][name].events))
    context.wake()
    return ChangeShape(**document.data)


def _world(context: ApiContext) -> tuple[World, dict[str, RotaRecord]]:
    with context.store.reading() as session:
        records, confirmed = rota_records(session), verified_contacts(session)
    rotas = rotas_with(records, rotas_from(context.stack))
    return World(rotas, context.stack.persons, confirmed), records


def _rota(world: World, name: str) -> Rota:
    if name not in world.rotas:
        raise Missing(f'There is no rota "{name}".{did_you_mean(name, list(world.rotas))}')
    return world.rotas[name]


def _within(at: datetime | None, context: ApiContext) -> datetime:
    return min(max(at or context.store.now(), FIRST), LAST)
