"""What is recorded of reviews: that a part was reviewed, and what was accepted. One stream an environment. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from omc.errors import WrongUse
from omc.model.events import Event, EventTypes, Stream, UnknownEvent
from omc.review.model import Acceptance, Memory, Seen

MAX_ACCEPTANCE = timedelta(days=400)
"""Whoever accepts something for longer than a year should change what it is measured by."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A part was reviewed, and this was there."""

    part: str
    found: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """Somebody decided to live with a finding until a day."""

    key: str
    reason: str
    owner: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An acceptance is over before its end."""

    key: str
    reason: str


Payload: TypeAlias = Reviewed | Accepted | Withdrawn
ReviewEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes("review", {"reviewed": Reviewed, "accepted": Accepted, "withdrawn": Withdrawn})


def stream_of(environment: str) -> Stream:
    """Where an environment's reviews are."""
    return Stream(TYPES.kind, environment, "weekly")


def remembered(events: Iterable[ReviewEvent]) -> Memory:
    """What events come to."""
    seen: dict[str, tuple[Seen, ...]] = {}
    reviewed_at: dict[str, datetime] = {}
    acceptances: dict[str, Acceptance] = {}
    for event in events:
        match event.payload:
            case Reviewed(part, found):
                seen[part], reviewed_at[part] = found, event.at
            case Accepted(key, reason, owner, until):
                acceptances[key] = Acceptance(key, reason, owner, until, event.at)
            case Withdrawn(key):
                acceptances.pop(key, None)
            case UnknownEvent():
                pass
    return Memory(seen, reviewed_at, acceptances)


def accept(key: str, reason: str, owner: str, until: datetime, now: datetime, memory: Memory) -> Accepted:
    """The event of an acceptance. ``WrongUse`` where something about it isn't so."""
    known = {each.key for found in memory.seen.values() for each in found}
    if key not in known:
        listed = f" Known are: {', '.join(sorted(known))}." if known else ""
        raise WrongUse(f'No recorded review has a finding "{key}".{listed} Record one: omc check weekly --record')
    if not reason.strip():
        raise WrongUse("Say why it is accepted: --reason TEXT")
    if not owner.strip():
        raise WrongUse("Say whom to ask about it: --owner NAME")
    if not now < until <= now + MAX_ACCEPTANCE:
        raise WrongUse(f"An acceptance ends within {MAX_ACCEPTANCE.days} days, and after now: --until DATE")
    return Accepted(key, reason.strip(), owner.strip(), until)
