"""What a command stands on: the stack, the time, and what a person names in it. Opens no record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from omc.config import Environment, Stack, environment_of, load
from omc.engine.actors import Actor
from omc.errors import Unknown, WrongUse, did_you_mean
from omc.judgement.escalation import Clocks
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.configured import clocks_from
from omc.oncall.escalation import World
from omc.oncall.model import Rota
from omc.oncall.moments import parse_moment
from omc.oncall.public_holidays import public_holidays
from omc.store.location import StoreLocation, locate_store


@dataclass(frozen=True, slots=True)
class Ground:
    """What a command stands on."""

    stack: Stack
    environment: Environment
    location: StoreLocation
    now: datetime

    @property
    def zone(self) -> str:
        return self.stack.time_zone

    def moment(self, text: str) -> datetime:
        return parse_moment(text, self.zone, self.now)


def ground_of(file: Path | None, env: str | None) -> Ground:
    stack = load(file)
    environment = environment_of(stack, env)
    return Ground(stack, environment, locate_store(stack, environment), datetime.now(UTC))


def clocks_of(stack: Stack, at: datetime) -> tuple[Clocks, tuple[str, ...]]:
    """``[on_call]``, and what isn't known of it."""
    try:
        holidays = public_holidays(stack.on_call.public_holidays, at.year - 1, at.year + 2)
    except Unknown as error:
        return clocks_from(stack), (error.message,)
    return clocks_from(stack, holidays), ()


def rota_in(world: World, name: str) -> Rota:
    if name not in world.rotas:
        choices = list(world.rotas)
        known = f"there are {', '.join(choices)}" if choices else "there is none yet"
        raise WrongUse(f'There is no rota "{name}"; {known}.{did_you_mean(name, choices)}')
    return world.rotas[name]


def person_in(stack: Stack, name: str) -> Person:
    if name not in stack.persons:
        choices = list(stack.persons)
        known = f"there are {', '.join(choices)}" if choices else "it is empty"
        raise WrongUse(f'[people] of {stack.file.name} has no "{name}"; {known}.{did_you_mean(name, choices)}')
    return stack.persons[name]


def identify(stack: Stack, actor: Actor, option: str) -> str:
    """Who types this, as one of ``[people]``."""
    if actor.person in stack.persons:
        return actor.person
    raise WrongUse(
        f"You are {actor.words}, who isn't in [people] of {stack.file.name}. "
        f"Add that name to a person's aws or github there, or say who it is: {option}"
    )


def method_of(person: Person, text: str) -> ContactMethod:
    for each in person.contacts:
        if str(each) == text or (each.channel is Channel.PUSH and text == "push"):
            return each
    known = ", ".join(str(each) for each in person.contacts) or "none"
    raise WrongUse(f"{person.name} has no contact {text} in people.{person.id}.contacts; there are: {known}.")


def alias_of(stack: Stack, text: str) -> tuple[str, str]:
    theirs, separator, ours = text.rpartition("=")
    if not separator or not theirs:
        raise WrongUse(f'--person is "{text}"; it is the name in the file, an equals sign, and one of [people].')
    return theirs, person_in(stack, ours).id


def ensure_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name):
        raise WrongUse(f'"{name}" is no rota\'s name: small letters, digits and hyphens, 32 at most, a letter first.')
