"""Events as values: what happened in a stream, by whom and when, and the types that a kind of stream has.

A stream is one incident, one page, one maintenance window. Its events are appended to ``omc.store.eventlog`` and never
changed; what they come to is a pure fold, which lives in the chapter whose events they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from omc.model.typed_json import Misfit, from_json, to_json

Payload_co = TypeVar("Payload_co", covariant=True)
Upgrade = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, order=True)
class Stream:
    """What events belong to."""

    kind: str
    """``incident``: the key of its ``EventTypes``."""
    environment: str
    """Empty where it belongs to all of them."""
    id: str
    """Unique within its kind and environment: ``3``."""

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.environment, self.id) if part)


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """What this omc can't read: a type, or a version of one, that a newer omc wrote. It is kept and shown, and a fold
    passes over it."""

    type: str
    version: int
    body: Any


@dataclass(frozen=True, slots=True)
class Event(Generic[Payload_co]):
    """One thing that happened."""

    at: datetime
    """UTC."""
    by: str
    payload: Payload_co
    link: str | None = None
    """Where to look up the actor: a job of GitHub's."""


@dataclass(frozen=True, slots=True)
class EventTypes:
    """The types of events that a kind of stream has."""

    kind: str
    names: Mapping[str, type]
    """A type's name in the store to its frozen dataclass. Names are added, never changed."""
    upgrades: Mapping[str, Sequence[Upgrade]] = field(default_factory=dict)
    """By name: what makes a body of version 1 one of version 2, then of 3. A type is at version 1 plus their number;
    a new field with a default needs none, but an older omc then shows the event as unknown."""

    def name_of(self, payload: object) -> str:
        """What an event of this payload is called. ``TypeError`` for one that the kind doesn't have."""
        if isinstance(payload, UnknownEvent):
            return payload.type
        for name, each in self.names.items():
            if type(payload) is each:
                return name
        raise TypeError(f'A stream of kind "{self.kind}" has no {type(payload).__name__}.')

    def version_of(self, name: str) -> int:
        """The version in which this omc writes a type."""
        return 1 + len(self.upgrades.get(name, ()))

    def write(self, payload: object) -> tuple[str, int, Any]:
        """The type's name, its version, and the body as JSON has it."""
        name = self.name_of(payload)
        return name, self.version_of(name), to_json(payload)

    def read(self, name: str, version: int, body: Any) -> Any:
        """The payload that was written; ``UnknownEvent`` for what this omc doesn't know, so that it breaks no reader.
        A body that somebody changed is unknown as well: ``omc audit verify`` names its row."""
        if name not in self.names or not 1 <= version <= self.version_of(name):
            return UnknownEvent(name, version, body)
        try:
            upgraded = body
            for upgrade in self.upgrades.get(name, ())[version - 1 :]:
                upgraded = upgrade(upgraded)
            return from_json(self.names[name], upgraded)
        except (Misfit, KeyError, TypeError, AttributeError):
            return UnknownEvent(name, version, body)
