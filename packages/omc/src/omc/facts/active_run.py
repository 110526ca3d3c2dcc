"""The change that is active in the environment. The engine knows it, and reads it (``omc.engine.heartbeats``)."""

from __future__ import annotations

from dataclasses import dataclass

from omc.facts.collector import NO_READING, Reading

ANY = "any"
"""For a caller that sees to it by itself that no other run is active."""


@dataclass(frozen=True, slots=True)
class OwnRun:
    """The run that a plan is made again for; it isn't in its own way. ``ANY``: none is."""

    id: str = ""


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """At most one."""

    conflict: str = ""
    """Why no other change may begin, with whether anybody works on the one that has; empty where none is active."""
    reading: Reading = NO_READING
