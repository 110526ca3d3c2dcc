"""What is recorded of doors: who opened which, why, where it led and how it ended. One stream a session. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from omc.model.events import Event, EventTypes, Stream, UnknownEvent


@dataclass(frozen=True, slots=True)
class DoorRequest:
    """Somebody wants a door opened: written before AWS is asked for it."""

    door: str
    """``exec``, ``exec --detach``, ``db``, ``redis`` or ``forward``."""
    place: str
    """What it leads to: ``backend``, ``database``, ``cache``."""
    task: str
    container: str
    reason: str
    what: str = ""
    """The command of an exec; the ports of a forward. Statements aren't recorded."""
    writes: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """AWS granted a session; more than one where a tunnel was opened again."""

    session: str
    """Session Manager's id of it, by which CloudTrail and the transcript have it."""
    transcript: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It stayed closed."""

    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over."""

    how: str
    exit_code: int | None = None


Payload: TypeAlias = DoorRequest | Opened | Refused | Ended
SessionEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes("session", {"asked": DoorRequest, "opened": Opened, "refused": Refused, "ended": Ended})


@dataclass(frozen=True, slots=True)
class DoorRecord:
    """A door as its events have it."""

    id: str
    by: str
    at: datetime
    request: DoorRequest
    sessions: tuple[str, ...] = ()
    transcript: str = ""
    ended_at: datetime | None = None
    how: str = ""
    exit_code: int | None = None


def stream_of(environment: str, session: str) -> Stream:
    """Where the events of one are."""
    return Stream(TYPES.kind, environment, session)


def replay(session: str, events: Iterable[SessionEvent]) -> DoorRecord | None:
    """What events come to; None before anything was wanted."""
    found: DoorRecord | None = None
    for event in events:
        match event.payload:
            case DoorRequest() as request:
                found = DoorRecord(session, event.by, event.at, request)
            case Opened(granted, transcript) if found:
                found = replace(found, sessions=(*found.sessions, granted), transcript=transcript)
            case Refused(why) if found:
                found = replace(found, ended_at=event.at, how=why)
            case Ended(how, exit_code) if found:
                found = replace(found, ended_at=event.at, how=how, exit_code=exit_code)
    return found
