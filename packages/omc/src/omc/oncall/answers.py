"""What is answered of who is on call, from rotas that were read: for the commands and for the API alike. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from omc.config import Stack
from omc.config.contact_tables import ContactTable
from omc.oncall import documents
from omc.oncall.escalation import World, empty_rungs, escalation
from omc.oncall.events import RotaRecord
from omc.oncall.feeds import person_feed, rota_feed
from omc.oncall.lookups import clocks_of, rota_in
from omc.oncall.problems import Kind, Problem, problems_of
from omc.oncall.schedule import on_call, shifts
from omc.output.document import Document


def now_answer(world: World, moment: datetime, zone: str, contacts: Mapping[str, ContactTable]) -> Document:
    """Who is on call in each rota, and who outside can help."""
    tiles = {name: on_call(rota, moment) for name, rota in world.rotas.items()}
    return documents.now_document(tiles, world, moment, zone, contacts)


def is_covered(answer: Any) -> bool:
    """Whether, by the data of ``now_answer``, there are rotas and somebody is on call in each."""
    return bool(answer["rotas"]) and all(each["people"] for each in answer["rotas"].values())


def schedule_answer(world: World, record: RotaRecord, name: str, first: datetime, last: datetime) -> Document:
    """The shifts of a rota, its gaps, and what was recorded of it."""
    rota = rota_in(world, name)
    return documents.schedule_document(rota, shifts(rota, first, last), record, world.persons, first, last)


def explain_answer(world: World, stack: Stack, severity: int, moment: datetime) -> Document:
    """Who would be paged when; nobody, where ``data`` says that the first page is none."""
    clocks, notes = clocks_of(stack, moment)
    found = escalation(clocks, world, severity, moment)
    return documents.explain_document(found, clocks, world, stack.time_zone, notes)


def gaps_answer(world: World, stack: Stack, now: datetime, end: datetime) -> Document:
    """Every gap, whoever can't be reached, and what clock changes do."""
    found = [
        each for rota in world.rotas.values() for each in problems_of(rota, world.persons, world.verified, now, end)
    ]
    clocks, _ = clocks_of(stack, now)
    for rung, reason in empty_rungs(clocks, world, now):
        found.append(Problem(Kind.EMPTY_STEP, "", f"{rung.role} would be skipped now: {reason}"))
    return documents.problems_document(found, now, end, stack.time_zone)


def calendar(
    world: World, now: datetime, end: datetime, *, rota: str | None = None, person: str | None = None
) -> bytes | None:
    """As iCalendar; None where there is no such rota or person."""
    if rota is not None:
        found = world.rotas.get(rota)
        return None if found is None else rota_feed(found, world.persons, now, end, now)
    if person is None or person not in world.persons:
        return None
    return person_feed(person, world.persons, world.rotas, now, end, now)
