"""The workers that are alive, which perform timers when they are due; ``omc.engine.heartbeats`` reads them."""

from __future__ import annotations

from dataclasses import dataclass

from omc.facts.collector import NO_READING, Reading


@dataclass(frozen=True, slots=True)
class Workers:
    """By their own words: machine and process id."""

    alive: tuple[str, ...] = ()
    reading: Reading = NO_READING
