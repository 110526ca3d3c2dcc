"""Both clocks of the on-call chain: when each rung of it is due. Who is on a rung, and what a page says, is elsewhere.

Until somebody acknowledges, each rung is due when its minutes are over, and all of them again at the end. From the
acknowledgement on, the next rung is due each time that the incident isn't mitigated in time. What explains the chain
and what pages by it both ask here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from omc.incidents.incident import SEVERITIES
from omc.model.people import Person

Later: TypeAlias = Callable[[datetime, timedelta], datetime]
"""The moment at which so much time has passed since another, of the time that counts."""


def on_the_clock(at: datetime, length: timedelta) -> datetime:
    """All time counts."""
    return at + length


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the on-call chain. At most one of ``rota`` and ``person`` is set; without, nobody is known by it."""

    step: int
    """From 0."""
    role: str
    after: timedelta
    """Without an acknowledgement."""
    name: str = ""
    """As omc.toml names it, for people."""
    rota: str | None = None
    person: Person | None = None


@dataclass(frozen=True, slots=True)
class Clocks:
    """The chain, and both clocks."""

    chain: tuple[Rung, ...]
    again: timedelta = timedelta(minutes=60)
    """Everybody is paged after so long without an acknowledgement, and after each further such time."""
    mitigation: timedelta = timedelta(minutes=30)
    """The next in the chain joins after so long without a mitigation, and after each further such time."""
    in_business_hours: Later = on_the_clock
    """For what waits for business hours: only time within them counts."""
    zone: str = "UTC"
    """Of the times that people are told."""

    def clock(self, severity: int) -> Later:
        """By which time an incident of a severity counts."""
        return self.in_business_hours if SEVERITIES[severity].waits_for_business_hours else on_the_clock

    def starts(self, severity: int, since: datetime) -> datetime:
        """When the clock starts that runs until somebody acknowledges."""
        return self.clock(severity)(since, timedelta())


@dataclass(frozen=True, slots=True)
class DueRung:
    """A rung, and when it is due."""

    rung: Rung
    after: timedelta
    """Since the clock started, of the time that counts."""
    at: datetime


def climb(
    clocks: Clocks, severity: int, start: datetime, is_skipped: Callable[[Rung, datetime], bool]
) -> Iterator[DueRung]:
    """Each rung with its time, as long as nobody acknowledges.

    One that reaches nobody (``is_skipped``, asked once whoever iterates has seen it) leaves out the wait for its
    answer, and all after it come earlier by that much: between two who are asked nobody waits for longer than the
    chain says, and nobody is asked later than it says.
    """
    later, is_immediate = clocks.clock(severity), SEVERITIES[severity].pages_everybody
    after, waited_for = timedelta(), None
    for rung in clocks.chain:
        if waited_for is not None and not is_immediate:
            after += rung.after - waited_for.after
        at = later(start, after)
        yield DueRung(rung, after, at)
        waited_for = None if is_skipped(rung, at) else rung


def turns(start: datetime, length: timedelta, now: datetime, later: Later) -> tuple[int, datetime]:
    """How often a time has passed since the start, and when it next has."""
    if later is on_the_clock:
        count = max(0, (now - start) // length)
        return count, start + (count + 1) * length
    count, at = 0, start
    while (following := later(at, length)) <= now:
        count, at = count + 1, following
    return count, following
