"""Whom somebody means: a person, a channel, or a contact."""

from __future__ import annotations

import re

from omc.config import Stack
from omc.config.tables import CONTACT
from omc.errors import WrongUse, did_you_mean
from omc.model.people import Channel, ContactMethod


def methods_of(stack: Stack, target: str) -> tuple[str, tuple[ContactMethod, ...]]:
    """Whom, and how that is reached."""
    if person := stack.persons.get(target):
        if not person.contacts:
            raise WrongUse(f"{target} has no contacts in {stack.file.name}, so nothing can reach {person.name}.")
        return target, person.contacts
    if target.startswith("#"):
        return target, (ContactMethod(Channel.SLACK, target),)
    if re.fullmatch(CONTACT, target):
        channel, _, address = target.partition(":")
        return target, (ContactMethod(Channel(channel), address),)
    known = ", ".join(stack.persons) or "nobody"
    raise WrongUse(
        f"{target} is neither a person of {stack.file.name} (there is {known}), nor a channel such as #incidents, "
        f"nor a contact such as email:jo@example.com.{did_you_mean(target, list(stack.persons))}"
    )
