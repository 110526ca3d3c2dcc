"""What is recorded of backups: what a verification found, and when. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from omc.model.events import Event, EventTypes, Stream, UnknownEvent


@dataclass(frozen=True, slots=True)
class Judged:
    """What one question about a restored backup came to."""

    question: str
    """``rows``, ``schema``."""
    level: str
    """``ok``, ``warn``, ``fail`` or ``unknown``."""
    subject: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A backup was restored and looked at."""

    run: str
    backup: str
    taken_at: datetime | None
    sound: bool
    """Nothing failed, and nothing stayed unknown."""
    compared: bool
    """With its source. What wasn't is readable, and no more is known."""
    judged: tuple[Judged, ...]
    """All that isn't ok, and how the rest was."""
    tables: int
    rows: int
    recovery_seconds: float | None
    """From the call until the instance was available."""
    recovery_point_seconds: float | None
    """How much older than the backup its newest row is; None where no table has a time."""


Payload: TypeAlias = Verified
BackupEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes("backup", {"verified": Verified})


def stream_of(environment: str) -> Stream:
    """Where an environment's verifications are."""
    return Stream(TYPES.kind, environment, "database")


@dataclass(frozen=True, slots=True)
class Verification:
    """One of them, with its time."""

    at: datetime
    found: Verified


def verifications(events: Iterable[BackupEvent]) -> tuple[Verification, ...]:
    """What events come to, the newest first."""
    found = [Verification(each.at, each.payload) for each in events if isinstance(each.payload, Verified)]
    return tuple(reversed(found))
