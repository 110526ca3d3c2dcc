"""Who works together is told of a maintenance in time: a day and an hour ahead, when it begins, ten minutes before its
window ends, and when that has ended. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.maintenance.model import Maintenance
from omc.output.text import counted
from omc.times import format_duration, format_time

LATEST = timedelta(minutes=5)
"""A notice that nobody could tell in time is told so late at most; of a day and an hour ahead, until the next one."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One of the five."""

    name: str
    at: datetime


def notices(found: Maintenance) -> tuple[Notice, ...]:
    """Those of a maintenance, in the order of time."""
    return (
        Notice("day ahead", found.begin - timedelta(days=1)),
        Notice("hour ahead", found.begin - timedelta(hours=1)),
        Notice("begin", found.begin),
        Notice("ten minutes left", max(found.begin, found.end - timedelta(minutes=10))),
        Notice("end", found.end),
    )


def due(found: Maintenance, now: datetime) -> Notice | None:
    """The one that is to be told now: the newest that is due, where it isn't too late for it. The older ones are let
    go. None where none is."""
    if found.is_over:
        return None
    there = [each for each in notices(found) if each.at <= now and _means_something(found, each)]
    if not there or there[-1].name in found.noticed:
        return None
    last = there[-1]
    is_early = last.at < found.begin
    return last if is_early or now - last.at <= LATEST else None


def next_at(found: Maintenance, now: datetime) -> datetime | None:
    """When the next one is due; None where none is left."""
    if found.is_over:
        return None
    return min((each.at for each in notices(found) if each.at > now), default=None)


def sentence(found: Maintenance, notice: Notice, now: datetime, zone: str) -> str:
    """What is said of it."""
    until = format_time(found.end, zone)
    match notice.name:
        case "day ahead" | "hour ahead":
            return (
                f"begins in {format_duration(found.begin - now)}, on {format_time(found.begin, zone)}, until {until}."
            )
        case "begin":
            nobody = (
                ""
                if found.started_at
                else f" Nobody has started it: omc maintenance start {found.number} --env {found.environment}"
            )
            return f"its window is open until {until}.{nobody}"
        case "ten minutes left":
            left = sum(1 for each in found.steps if not each.is_measured)
            return (
                f"{format_duration(found.end - now)} are left, {left} of "
                f"{counted(len(found.steps), 'step')} still to do."
            )
    if found.started_at is None:
        return "its window is over, and nobody started it."
    return "its window is over; all steps are done, and it is being watched."


def _means_something(found: Maintenance, notice: Notice) -> bool:
    if notice.name == "ten minutes left":
        return found.started_at is not None and not found.are_steps_over
    if notice.name == "end":  # of one that overran, people are paged
        return found.started_at is None or found.are_steps_over
    return True
