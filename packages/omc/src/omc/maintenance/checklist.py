"""The runbook's three checklists as data: each item, what it is called, and who does it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from omc.errors import WrongUse, did_you_mean


class Part(StrEnum):
    """Which of the runbook's checklists."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a checklist. What is between the two, the steps, is the maintenance's own."""

    name: str
    """By which a person signs it."""
    part: Part
    title: str
    how: str
    """What software does for it."""
    is_for_people: bool = False
    """Software can't know it: a person signs it in any case."""


ITEMS: tuple[Item, ...] = (
    Item("team", Part.BEFORE, "The team knows of it", "a message to the channel, and its delivery"),
    Item("backup", Part.BEFORE, "The database is backed up, and the backup verified", "backup-create, backup-verify"),
    Item("rollback", Part.BEFORE, "There is a way back", "the rollback's dry run, and each step's undo"),
    Item("staging", Part.BEFORE, "The same was done in the environment before", "the record of its runs"),
    Item("dashboard", Part.BEFORE, "Dashboard and baseline are recorded", "the figures of the hour before"),
    Item("healthy", Part.AFTER, "All services are healthy", "the morning check"),
    Item("errors", Part.AFTER, "Error rate and response time are as before", "the figures against the baseline"),
    Item("watch", Part.AFTER, "It was watched", "the figures, again and again, until the watch ends"),
    Item("all-clear", Part.AFTER, "The all-clear is sent", "a message to the channel"),
    Item("runbook", Part.AFTER, "The runbook is up to date", "a person says what is to change", is_for_people=True),
)
"""In the order in which they are done; ``dashboard`` comes last of those before, when the window is open."""


def item_named(name: str) -> Item:
    """``WrongUse`` for one that doesn't exist."""
    for item in ITEMS:
        if item.name == name:
            return item
    known = [item.name for item in ITEMS]
    raise WrongUse(f"The checklist has no item {name}; it has {', '.join(known)}.{did_you_mean(name, known)}")
