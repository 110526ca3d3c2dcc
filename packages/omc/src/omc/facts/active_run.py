"""The change that is active in the environment. The engine knows it, and reads it (``omc.engine.heartbeats``)."""

from __future__ import annotations

from dataclasses import dataclass

from omc.facts.collector import NO_READING, Reading

ANY = "any"
"""For a caller that itself makes sure that no other run is active."""


@dataclass(frozen=True, slots=True)
class OwnRun:
    """The run that a plan is remade for; it doesn't conflict with itself. ``ANY``: no run conflicts."""

    id: str = ""


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """At most one."""

    conflict: str = ""
    """Why no other change may begin, and whether anybody is working on the active one; empty where none is active."""
    reading: Reading = NO_READING
