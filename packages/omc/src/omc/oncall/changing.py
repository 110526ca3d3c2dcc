"""Changes of rotas, as commands ask for them: who may make them, what they come to, what they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from omc.api_client.http import configured as configured_server
from omc.config import Stack
from omc.engine.actors import Actor
from omc.engine.github import refuse_fleeting_record
from omc.errors import NothingToDo, Refused, WrongUse
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall import documents, records, through_server
from omc.oncall.configured import rotas_from
from omc.oncall.escalation import World
from omc.oncall.events import Imported, OverrideAdded, RotaPayload, RotaRecord, Undone
from omc.oncall.imports.draft import Draft, changes
from omc.oncall.lookups import Ground, rota_in
from omc.oncall.model import Rota, Shift
from omc.oncall.schedule import on_call, shifts
from omc.output.document import Document
from omc.store.database import open_store
from omc.times import format_time

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from omc.store.opened import Store

Decide: TypeAlias = Callable[[Rota], RotaPayload]
"""What is recorded of a rota, as it is just now."""


def world_of(ground: Ground, other: Stack | None = None) -> tuple[World, dict[str, RotaRecord]]:
    """All rotas with their overrides, who has confirmed what, and each rota's events; as another stack file would have
    them, where there is one."""
    stack = other or ground.stack
    if (server := configured_server()) is not None:
        return through_server.read_world(server, rotas_from(stack), stack.persons)
    return records.read_world(ground.location, rotas_from(stack), stack.persons)


@dataclass(frozen=True, slots=True)
class When:
    """Of which time a shift is taken: the one at a moment, or what lies between two."""

    at: datetime | None = None
    begin: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.at is not None and (self.begin is not None or self.end is not None):
            raise WrongUse("Say either --at, or --from and --to.")
        if (self.begin is None) != (self.end is None):
            raise WrongUse("--from and --to belong together.")


def swap(ground: Ground, name: str, when: When, taker: str, whose: str | None, reason: str) -> Decide:
    """What is recorded where somebody takes a shift of another one."""

    def decide(rota: Rota) -> RotaPayload:
        if when.begin is not None and when.end is not None:
            _ensure_on_call(rota, whose, when.begin, when.end)
            return OverrideAdded(when.begin, when.end, (taker,), whose, reason=reason)
        moment = when.at or ground.now
        tile = on_call(rota, moment)
        if not isinstance(tile, Shift):
            raise Refused(
                f"Nobody is on call in {name} at {format_time(moment, ground.zone)}. To fill the gap: "
                "omc oncall override"
            )
        replaced = _replaced(tile, taker, whose)
        return OverrideAdded(max(tile.begin, ground.now), tile.end, (taker,), replaced, reason=reason)

    return decide


def override(payload: OverrideAdded) -> Decide:
    """What is recorded where somebody else is put on call."""

    def decide(rota: Rota) -> RotaPayload:
        if payload.begin < payload.end:
            _ensure_on_call(rota, payload.instead_of, payload.begin, payload.end)
        return payload

    return decide


def _ensure_on_call(rota: Rota, whose: str | None, begin: datetime, end: datetime) -> None:
    """``Refused`` where somebody's place is to be taken who isn't on call for a moment of it."""
    tiles = shifts(rota, begin, end)
    if whose is not None and not any(isinstance(each, Shift) and whose in each.people for each in tiles):
        when = f"from {format_time(begin, rota.zone)} to {format_time(end, rota.zone)}"
        raise Refused(f"{whose} isn't on call in {rota.name} {when}; nobody can take that place. Nothing was recorded.")


def _replaced(shift: Shift, taker: str, whose: str | None) -> str:
    """Whose place in a shift is taken."""
    if whose is not None:
        if whose not in shift.people:
            raise Refused(f"{whose} isn't on call then. On call: {' and '.join(shift.people)}.")
        return whose
    others = [each for each in shift.people if each != taker]
    if not others:
        raise NothingToDo(f"{taker} is on call then already; nothing was recorded.")
    if len(others) > 1:
        raise WrongUse(f"{' and '.join(others)} are on call then; say whose shift it is: --for")
    return others[0]


def record_event(ground: Ground, name: str, actor: Actor, decide: Decide) -> Document:
    """Record an event of a rota; what it changes."""
    with writing(ground) as store:
        return record_in(store, ground, name, actor, decide)


@contextmanager
def writing(ground: Ground) -> Iterator[Store]:
    """The record itself, to be written."""
    refuse_fleeting_record(ground.location, ground.environment)
    with open_store(ground.location) as store:
        yield store


def record_in(store: Store, ground: Ground, name: str, actor: Actor, decide: Decide) -> Document:
    """The same in a store that is open."""
    configured = rotas_from(ground.stack)
    before: dict[str, Rota] = {}

    def judged(session: Session, record: RotaRecord) -> RotaPayload:
        world = World(records.rotas_of(session, configured), ground.stack.persons)
        rota = before[name] = _rota_named(world, name, record, ground)
        payload = decide(rota)
        _ensure_may_change(rota, payload, record, actor)
        return payload

    record = records.add_to_rota(store, name, actor.name, judged, actor.link)
    with store.reading() as session:
        after = records.rotas_of(session, configured).get(name, Rota(name, ground.zone))
    return _recorded(ground, name, record.events[-1].payload, len(record.events), before[name], after)


def _rota_named(world: World, name: str, record: RotaRecord, ground: Ground) -> Rota:
    """What was undone in whole, an import, can be named although it is no rota any more."""
    return rota_in(world, name) if name in world.rotas or not record.events else Rota(name, ground.zone)


def _recorded(ground: Ground, name: str, payload: object, number: int, before: Rota, after: Rota) -> Document:
    sentence = f"Number {payload.number} of {name} is undone." if isinstance(payload, Undone) else ""
    begin, end = ground.now, ground.now + timedelta(days=28)
    if isinstance(payload, OverrideAdded):
        sentence = f"In {name}: {documents.override_sentence(payload, ground.zone, ground.stack.persons)}"
        begin, end = min(begin, payload.begin), max(payload.end, payload.begin + timedelta(seconds=1))
    differences = changes(before, after, begin, end)
    return documents.recorded_document(
        after,
        number,
        sentence,
        differences,
        ground.stack.persons,
        undo_in="" if isinstance(payload, Undone) else ground.environment.name,
    )


def _ensure_may_change(rota: Rota, payload: RotaPayload, record: RotaRecord, actor: Actor) -> None:
    """``Refused`` for whoever is none of the rota's editors, unless it is a swap of a shift of her own."""
    if not rota.editors or (actor.is_certain and actor.person in rota.editors):
        return
    concerned = payload
    if isinstance(payload, Undone) and 1 <= payload.number <= len(record.events):
        undone = record.events[payload.number - 1].payload
        concerned = undone if isinstance(undone, OverrideAdded) else payload
    if (
        isinstance(concerned, OverrideAdded)
        and concerned.instead_of is not None
        and actor.is_certain
        and actor.person in (concerned.instead_of, *concerned.people)
    ):
        return
    raise Refused(
        f"{actor.words} may not change {rota.name}: its editors are {', '.join(rota.editors)}. A shift may be taken or "
        "covered by the two whom it concerns."
    )


def record_draft(store: Store, draft: Draft, source: str, actor: Actor) -> int:
    """Record a rota that was read; its number."""

    def judged(_: Session, record: RotaRecord) -> RotaPayload:
        _ensure_may_change(record.imported() or draft.rota, payload, record, actor)
        return payload

    payload = Imported(draft.rota, source)
    return len(records.add_to_rota(store, draft.rota.name, actor.name, judged, actor.link).events)


def send_test(store: Store, stack: Stack, person: Person, environment: str, actor: str) -> str:
    """Have a test page sent to somebody; what was done, in a sentence."""
    if not person.contacts:
        raise Refused(f"{person.name} has no contact: set people.{person.id}.contacts in {stack.file.name}.")
    records.send_test(store, person, environment, actor)
    methods = ", ".join(str(each) for each in person.contacts)
    return f"A test page to {person.name} is on its way, to the first of these that takes it: {methods}."


def send_code(
    store: Store, stack: Stack, person: Person, contact: ContactMethod, environment: str, actor: Actor
) -> str:
    """Have a code sent to a contact; what was done, in a sentence."""
    if contact.channel is Channel.SLACK and contact.address.startswith("#"):
        raise WrongUse(f"{contact} is a channel, which everybody in it reads: it confirms nothing about {person.name}.")
    sent = records.send_code(store, person, contact, environment, actor.name, actor.link)
    expires = format_time(sent.expires_at, stack.time_zone)
    return f"A code is on its way to {contact}. Enter it with --code before {expires}."


def enter_code(store: Store, person: Person, contact: ContactMethod, code: str, actor: Actor) -> str:
    """Enter the code that arrived there; what was done, in a sentence."""
    records.enter_code(store, person.id, str(contact), code, actor.name, actor.link)
    return confirmed_sentence(person, contact)


def confirmed_sentence(person: Person, contact: ContactMethod) -> str:
    return f"{contact} of {person.name} is confirmed."


def withdraw(store: Store, person: Person, contact: ContactMethod, reason: str, actor: Actor) -> str:
    """Take a confirmation back; what was done, in a sentence."""
    records.withdraw(store, person.id, str(contact), reason, actor.name, actor.link)
    return withdrawn_sentence(person, contact)


def withdrawn_sentence(person: Person, contact: ContactMethod) -> str:
    return f"{contact} of {person.name} counts as unconfirmed."
