"""Work that somebody else does on something of ours, and messages that nobody could read: kept as events, shown, and no
page for anybody.

Pure but for the few functions at the end, which write and read. What comes of planned work is ``omc maintenance``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from omc.model.events import EventTypes, Stream
from omc.responder.model import Planned, Unreadable, digest
from omc.store import eventlog
from omc.store.opened import Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_KEPT = 2_000
"""Characters of a message that couldn't be read."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What was said of the work, at one time."""

    planned: Planned


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A message that omc can't read."""

    why: str
    beginning: str
    """Of the message, without secrets."""
    length: int
    """Characters of all of it."""


PLANNED = EventTypes("planned work", {"announced": Announced})
UNREADABLE = EventTypes("unreadable message", {"received": NotUnderstood})


def latest(announcements: Iterable[Planned]) -> Planned | None:
    """What holds of several announcements of the same work: the one that was made last, in whichever order they came.
    One that says nothing of its time counts as the oldest."""
    ordered = sorted(announcements, key=lambda each: (each.at is not None, each.at, each.is_over))
    return ordered[-1] if ordered else None


def coming(announced: Mapping[str, Planned], now: datetime) -> tuple[Planned, ...]:
    """The work that isn't over, the next first; what has no time last."""
    left = [each for each in announced.values() if not each.is_over and not (each.end is not None and each.end <= now)]
    return tuple(sorted(left, key=lambda each: (each.start is None, each.start or now, each.subject, each.id)))


def keep_planned(transaction: Transaction, planned: Planned) -> None:
    """Write down an announcement, once."""
    stream = Stream(PLANNED.kind, planned.environment, planned.id)
    content = (planned.at, planned.start, planned.end, planned.is_over)
    key = f"planned:{planned.environment}:{digest(planned.id, *map(str, content))}"
    seen = eventlog.last_sequence(transaction.session, stream)
    eventlog.append(transaction, PLANNED, stream, Announced(planned), seen=seen, key=key)


def keep_unreadable(transaction: Transaction, environment: str, message_id: str, body: str, found: Unreadable) -> None:
    """Write down that a message couldn't be read, once."""
    stream = Stream(UNREADABLE.kind, environment, digest(message_id))
    payload = NotUnderstood(found.reason, body[:MAX_KEPT], len(body))
    seen = eventlog.last_sequence(transaction.session, stream)
    eventlog.append(transaction, UNREADABLE, stream, payload, seen=seen, key=f"unreadable:{environment}:{stream.id}")


def planned_work(session: Session, environment: str) -> dict[str, Planned]:
    """By its id, what was last said of each piece of work."""
    found: dict[str, Planned] = {}
    for stream, events in eventlog.read_streams(session, PLANNED, environment).items():
        last = latest(each.payload.planned for each in events if isinstance(each.payload, Announced))
        if last is not None:
            found[stream.id] = last
    return found


def unreadable_messages(session: Session, environment: str) -> list[tuple[datetime, NotUnderstood]]:
    """Newest first."""
    found = [
        (each.at, each.payload)
        for events in eventlog.read_streams(session, UNREADABLE, environment).values()
        for each in events
        if isinstance(each.payload, NotUnderstood)
    ]
    return sorted(found, key=lambda one: one[0], reverse=True)
