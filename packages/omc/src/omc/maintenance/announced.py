"""Work that somebody else does on something of ours: kept as events, shown in the calendar, and no page for anybody.

Pure but for the two functions at the end, which write and read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from omc.model.events import EventTypes, Stream
from omc.model.plan import fingerprint
from omc.model.planned import Planned
from omc.store import eventlog
from omc.store.opened import Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Announced:
    """What was said of the work, at one time."""

    planned: Planned


PLANNED = EventTypes("planned work", {"announced": Announced})


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
    content = [planned.id, *map(str, (planned.at, planned.start, planned.end, planned.is_over))]
    key = f"planned:{planned.environment}:{fingerprint(content)[:32]}"
    seen = eventlog.last_sequence(transaction.session, stream)
    eventlog.append(transaction, PLANNED, stream, Announced(planned), seen=seen, key=key)


def planned_work(session: Session, environment: str) -> dict[str, Planned]:
    """By its id, what was last said of each piece of work."""
    found: dict[str, Planned] = {}
    for stream, events in eventlog.read_streams(session, PLANNED, environment).items():
        last = latest(each.payload.planned for each in events if isinstance(each.payload, Announced))
        if last is not None:
            found[stream.id] = last
    return found
