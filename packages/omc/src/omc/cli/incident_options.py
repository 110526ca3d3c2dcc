"""What the commands of ``omc incident`` share: their arguments, who types them, and the record that they open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from omc.cli.options import INCIDENT_NUMBER, Period
from omc.cli.show import show
from omc.config import Environment, Stack, environment_of, load
from omc.engine.actors import actor_or_user
from omc.engine.github import refuse_fleeting_record
from omc.errors import WrongUse, did_you_mean
from omc.incidents.document import incident_data
from omc.incidents.incident import SEVERITIES, Incident
from omc.model.people import Person
from omc.output.document import Document, Paragraph
from omc.responder.policy import Policy, policy_of
from omc.store.location import locate_store

if TYPE_CHECKING:
    from omc.responder.life import Doer
    from omc.store.opened import Store

NUMBER = click.argument("number", type=INCIDENT_NUMBER, metavar="NUMBER")
MAX_SNOOZE = timedelta(days=14)
"""Nobody snoozes an incident for longer, or looks further ahead."""


class Severity(click.IntRange):
    """``2`` or, as people say it, ``SEV-2``."""

    name = "severity"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = re.sub(r"(?i)\A\s*sev[-_ ]?(?=\d)", "", value) if isinstance(value, str) else value
        try:
            return int(super().convert(text, param, ctx))  # type: ignore[arg-type]  # click says int of what it parses
        except click.BadParameter:
            self.fail(f"{value!r} is no severity: allowed are {', '.join(map(str, SEVERITIES))}.", param, ctx)


LEVEL = Severity(min(SEVERITIES), max(SEVERITIES))
LENGTH = Period(timedelta.max, "minutes, hours or days: 45m, 24h, 7d")
"""Bounded by whoever takes it."""
LEVELS = "; ".join(f"{number}: {each.meaning}" for number, each in SEVERITIES.items())


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """One incident's record, open to be written by whoever types the command."""

    stack: Stack
    environment: Environment
    store: Store
    doer: Doer

    @property
    def policy(self) -> Policy:
        from omc.responder.duty import known_holidays

        return policy_of(self.stack, known_holidays(self.stack, self.store.now()))


@contextmanager
def opened_record(file: Path | None, env: str | None, number: int | None) -> Iterator[OpenRecord]:
    """The record, to be written. ``number`` is an incident that must be in it; None: one that is yet to be opened."""
    from omc.responder.life import Doer
    from omc.store.database import open_store
    from omc.store.incidents import missing

    stack = load(file)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    if number is not None and not place.exists:
        raise missing(environment.name, number)
    refuse_fleeting_record(place, environment)
    actor = actor_or_user(environment)
    person = actor.person if actor.person in stack.persons else ""
    with open_store(place) as store:
        yield OpenRecord(stack, environment, store, Doer(actor.name, actor.link, person))


def tell(sentence: str, incident: Incident, output: str) -> None:
    """What was recorded, in a sentence; for programs, how the incident is now."""
    show(Document("", (Paragraph(sentence),), data=incident_data(incident)), output)


def person_named(stack: Stack, name: str) -> Person:
    """One of ``[people]``, by the table's name or by hers."""
    known = {**{each.name: each for each in stack.persons.values()}, **stack.persons}
    if name not in known:
        there = f"there are {', '.join(stack.persons)}" if stack.persons else "it has none"
        raise WrongUse(
            f'There is no "{name}" in [people] of {stack.file.name}; {there}.{did_you_mean(name, list(known))}'
        )
    return known[name]
