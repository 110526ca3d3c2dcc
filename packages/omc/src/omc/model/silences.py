"""What can happen to a silence, and what its events come to: which alerts are held, by whom, why, and until when.

Pure. A silence never holds what an incident knows already: that is snoozed or resolved there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from omc.errors import Refused, WrongUse
from omc.model.events import Event, EventTypes, Stream, UnknownEvent
from omc.model.matchers import Matcher, all_match

MAX_LENGTH = timedelta(days=30)
"""Longer than this a silence isn't one but a change of the alarm or of omc.toml."""


@dataclass(frozen=True, slots=True)
class Created:
    """The first event of each silence."""

    matchers: tuple[Matcher, ...]
    reason: str
    owner: str
    """Whom to ask about it: the actor, or whom she named."""
    until: datetime
    ends_with_alert: bool = False
    """Whether it is over as soon as nothing that it holds fires any more."""


@dataclass(frozen=True, slots=True)
class Used:
    """It held its first alert."""

    alert: str
    name: str


@dataclass(frozen=True, slots=True)
class Extended:
    """It ends at another time."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """It holds nothing any more."""

    why: str


Payload: TypeAlias = Created | Used | Extended | Ended
SilenceEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes("silence", {"created": Created, "used": Used, "extended": Extended, "ended": Ended})


def stream_of(environment: str, number: int) -> Stream:
    """Where a silence's events are."""
    return Stream(TYPES.kind, environment, str(number))


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence as it is after its events."""

    environment: str
    number: int
    """Counts up in its environment, from 1."""
    matchers: tuple[Matcher, ...]
    reason: str
    owner: str
    created_at: datetime
    until: datetime
    ends_with_alert: bool
    events: int
    first_used: str = ""
    """The name of the first alert that it held; empty: it has held none."""
    ended_at: datetime | None = None
    ended_why: str = ""

    def is_active(self, now: datetime) -> bool:
        return self.ended_at is None and self.created_at <= now < self.until

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all_match(self.matchers, labels)

    @property
    def title(self) -> str:
        """How a sentence speaks of it."""
        return f"silence {self.number} of {self.owner}"


def from_first_event(environment: str, number: int, event: SilenceEvent) -> Silence:
    """The silence that an event creates. ``WrongUse`` where it says too little, or holds for too long."""
    payload = event.payload
    if not isinstance(payload, Created):
        raise WrongUse(f"Silence {number} of {environment} can't be read by this omc; a newer one made it.")
    if not payload.matchers:
        raise WrongUse("Nothing was silenced: say which alerts, such as name=rds-* or service=backend.")
    if not payload.reason.strip() or not payload.owner.strip():
        raise WrongUse("Nothing was silenced: say why, and whom to ask about it.")
    require_end(payload.until, event.at)
    return Silence(
        environment,
        number,
        payload.matchers,
        payload.reason,
        payload.owner,
        event.at,
        payload.until,
        payload.ends_with_alert,
        1,
    )


def apply(silence: Silence, event: SilenceEvent) -> Silence:
    """The silence after one more event. ``Refused`` where it may not follow on what happened before."""
    payload, counted = event.payload, replace(silence, events=silence.events + 1)
    if isinstance(payload, UnknownEvent):
        return counted
    if isinstance(payload, Created):
        raise Refused(f"Silence {silence.number} is there already.")
    if isinstance(payload, Used):
        return replace(counted, first_used=silence.first_used or payload.name)
    if silence.ended_at is not None:
        raise Refused(f"Silence {silence.number} is over: {silence.ended_why} Make another: omc alerts silence")
    if isinstance(payload, Extended):
        require_end(payload.until, event.at)
        return replace(counted, until=payload.until)
    return replace(counted, ended_at=event.at, ended_why=payload.why)


def replay(environment: str, number: int, events: Iterable[SilenceEvent]) -> Silence:
    """What all events of a stream come to; the first creates it."""
    first, *rest = events
    silence = from_first_event(environment, number, first)
    for event in rest:
        silence = apply(silence, event)
    return silence


def require_end(until: datetime, now: datetime) -> None:
    """``WrongUse`` for an end that a silence can't have."""
    if until <= now:
        raise WrongUse("Nothing was silenced: the end is in the past.")
    if until > now + MAX_LENGTH:
        raise WrongUse(
            f"Nothing was silenced: a silence holds for {MAX_LENGTH.days} days at most. What is to be quiet for longer "
            "is a change of the alarm, or a route in omc.toml."
        )
