"""Changes of rotas, as commands ask for them: who may make them, what they come to, what they change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from omc.api_client.http import configured as configured_server
from omc.api_client.http import refuse_server
from omc.config import Stack
from omc.engine.actors import Actor
from omc.engine.github import refuse_fleeting_record
from omc.errors import NothingToDo, OmcError, Refused, WrongUse
from omc.model.people import ContactMethod, Person
from omc.oncall import documents, records, through_server
from omc.oncall.configured import rotas_from
from omc.oncall.escalation import World
from omc.oncall.events import Imported, OverrideAdded, RotaPayload, RotaRecord, Undone
from omc.oncall.imports.draft import Draft, changes
from omc.oncall.lookups import Ground, actor_in, rota_in
from omc.oncall.model import Rota, Shift
from omc.oncall.schedule import on_call, shifts
from omc.output.document import Document
from omc.store.database import open_store
from omc.times import format_time

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from omc.store.opened import Store


def world_of(ground: Ground, other: Stack | None = None) -> tuple[World, dict[str, RotaRecord]]:
    """All rotas with their overrides, who has confirmed what, and each rota's events; as another stack file would have
    them, where there is one."""
    stack = other or ground.stack
    if (server := configured_server()) is not None:
        return through_server.read_world(server, rotas_from(stack), stack.persons)
    return records.read_world(ground.location, rotas_from(stack), stack.persons)


def swap(
    ground: Ground,
    name: str,
    actor: Actor,
    times: tuple[str | None, str | None, str | None],
    taker: str,
    whose: str | None,
    reason: str,
) -> Document:
    at, begin, end = times
    if at is not None and (begin is not None or end is not None):
        raise WrongUse("Say either --at, or --from and --to.")
    if (begin is None) != (end is None):
        raise WrongUse("--from and --to belong together.")

    def decide(rota: Rota) -> RotaPayload:
        if begin is not None and end is not None:
            _ensure_on_call(rota, whose, ground.moment(begin), ground.moment(end))
            return OverrideAdded(ground.moment(begin), ground.moment(end), (taker,), whose, reason=reason)
        moment = ground.moment(at or "now")
        tile = on_call(rota, moment)
        if not isinstance(tile, Shift):
            raise Refused(
                f"Nobody is on call in {name} at {format_time(moment, ground.zone)}. To fill the gap: "
                "omc oncall override"
            )
        replaced = _replaced(tile, taker, whose)
        return OverrideAdded(max(tile.begin, ground.now), tile.end, (taker,), replaced, reason=reason)

    return record_event(ground, name, actor, decide)


def override(ground: Ground, name: str, actor: Actor, payload: OverrideAdded) -> Document:
    """Put somebody else on call; what it changes."""

    def decide(rota: Rota) -> RotaPayload:
        if payload.begin < payload.end:
            _ensure_on_call(rota, payload.instead_of, payload.begin, payload.end)
        return payload

    return record_event(ground, name, actor, decide)


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


def record_event(ground: Ground, name: str, actor: Actor, decide: Callable[[Rota], RotaPayload]) -> Document:
    """Record an event of a rota; what it changes."""
    if (server := configured_server()) is not None:
        world, events = world_of(ground)
        rota = _rota_named(world, name, events.get(name, RotaRecord(name)), ground)
        payload = decide(rota)
        number = through_server.record(server, name, payload)
        after = world_of(ground)[0].rotas.get(name, Rota(name, ground.zone))
        return _recorded(ground, name, payload, number, rota, after)
    refuse_fleeting_record(ground.location, ground.environment)
    with open_store(ground.location) as store:
        return record_in(store, ground, name, actor, decide)


def record_in(store: Store, ground: Ground, name: str, actor: Actor, decide: Callable[[Rota], RotaPayload]) -> Document:
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
    return documents.recorded_document(after, number, sentence, differences, ground.stack.persons)


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


def import_drafts(ground: Ground, drafts: list[Draft], source: str) -> str:
    """Record what was read; what became of it, in a sentence."""
    refuse_server("omc oncall import")
    configured = rotas_from(ground.stack)
    as_code = [each.rota.name for each in drafts if each.rota.name in configured]
    if as_code:
        raise Refused(
            f"{', '.join(as_code)} stands in {ground.stack.file.name}, which is not changed from here. Without --yes "
            "the tables to paste are shown; with --rota it is imported under another name."
        )
    empty = [each.title for each in drafts if not each.rota.people]
    if empty:
        raise Refused(f"Nobody could be read in {', '.join(empty)}; nothing was recorded.")
    refuse_fleeting_record(ground.location, ground.environment)
    actor = actor_in(ground.environment)
    done: list[str] = []
    with open_store(ground.location) as store:
        for each in drafts:

            def judged(_: Session, record: RotaRecord, each: Draft = each) -> RotaPayload:
                payload = Imported(each.rota, source)
                _ensure_may_change(record.imported() or each.rota, payload, record, actor)
                return payload

            try:
                record = records.add_to_rota(store, each.rota.name, actor.name, judged, actor.link)
            except OmcError as error:
                if not done:
                    raise
                return f"Recorded: {', '.join(done)}. Not recorded: {each.rota.name}: {error.message}"
            done.append(f"{each.rota.name} (number {len(record.events)})")
    return f"Recorded: {', '.join(done)}."


def send_test(ground: Ground, person: Person, actor: Actor) -> str:
    """Have a test page sent to somebody; what was done, in a sentence."""
    refuse_server("omc oncall test")
    if not person.contacts:
        raise Refused(f"{person.name} has no contact: set people.{person.id}.contacts in {ground.stack.file.name}.")
    refuse_fleeting_record(ground.location, ground.environment)
    with open_store(ground.location) as store:
        records.send_test(store, person, ground.environment.name, actor.name)
    methods = ", ".join(str(each) for each in person.contacts)
    return f"A test page to {person.name} is on its way, to the first of these that takes it: {methods}."


def verify(
    ground: Ground, person: Person, contact: ContactMethod, code: str | None, withdraw: str | None, actor: Actor
) -> str:
    """Send a code, enter it, or take a confirmation back; what was done, in a sentence."""
    refuse_server("omc oncall verify")
    refuse_fleeting_record(ground.location, ground.environment)
    with open_store(ground.location) as store:
        if withdraw is not None:
            records.withdraw(store, person.id, str(contact), withdraw, actor.name, actor.link)
            return f"{contact} of {person.name} counts as unconfirmed."
        if code is not None:
            records.enter_code(store, person.id, str(contact), code, actor.name, actor.link)
            return f"{contact} of {person.name} is confirmed."
        sent = records.send_code(store, person, contact, ground.environment.name, actor.name, actor.link)
    expires = format_time(sent.expires_at, ground.zone)
    return f"A code is on its way to {contact}. Enter it with --code before {expires}."
