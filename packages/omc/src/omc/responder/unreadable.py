"""Messages that nobody could read: kept as events, shown, and no page for anybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from omc.model.events import EventTypes, Stream
from omc.responder.model import Unreadable, digest
from omc.store import eventlog
from omc.store.opened import Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_KEPT = 2_000
"""Characters of a message that couldn't be read."""


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A message that omc can't read."""

    why: str
    beginning: str
    """Of the message, without secrets."""
    length: int
    """Characters of all of it."""


UNREADABLE = EventTypes("unreadable message", {"received": NotUnderstood})


def keep_unreadable(transaction: Transaction, environment: str, message_id: str, body: str, found: Unreadable) -> None:
    """Write down that a message couldn't be read, once."""
    stream = Stream(UNREADABLE.kind, environment, digest(message_id))
    payload = NotUnderstood(found.reason, body[:MAX_KEPT], len(body))
    seen = eventlog.last_sequence(transaction.session, stream)
    eventlog.append(transaction, UNREADABLE, stream, payload, seen=seen, key=f"unreadable:{environment}:{stream.id}")


def unreadable_messages(session: Session, environment: str) -> list[tuple[datetime, NotUnderstood]]:
    """Newest first."""
    found = [
        (each.at, each.payload)
        for events in eventlog.read_streams(session, UNREADABLE, environment).values()
        for each in events
        if isinstance(each.payload, NotUnderstood)
    ]
    return sorted(found, key=lambda one: one[0], reverse=True)
