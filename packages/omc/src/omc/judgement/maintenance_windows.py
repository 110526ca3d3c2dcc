"""When maintenance windows open next: that of the database or the cache in words, and the environment's."""

from __future__ import annotations

from datetime import datetime

from omc.config import Environment
from omc.config.windows import MaintenanceWindow, merged
from omc.times import format_time


def next_time(window: str, environment: Environment, now: datetime) -> str:
    """``on Sun 30 Nov 03:00:00 AEDT (Sat 16:00 UTC)``: when the window opens next, or that it is open."""
    found = MaintenanceWindow.from_aws(window)
    if found is None:
        return f"in its maintenance window, whose time AWS doesn't give ({window or 'empty'})"
    begin, end = found.next_after(now)
    if begin <= now:
        return f"in the window that is open until {format_time(end, environment.time_zone)}"
    return f"on {format_time(begin, environment.time_zone)}"


def next_window(environment: Environment, now: datetime) -> tuple[datetime, datetime] | None:
    """Begin and end of the environment's window that is open, or else of the next one; None where it has none, and
    work may be done at any time."""
    window = environment.window_at(now)
    return (window.begin, window.end) if window is not None else None


def frozen(environment: Environment, begin: datetime, end: datetime) -> str:
    """Why a time isn't for changes, in part at least; empty where no freeze meets it."""
    met = (each for each in environment.freezes if each.begin < end and begin < each.end)
    return next((f"{each.reason}, until {format_time(each.end, environment.time_zone)}" for each in met), "")


def is_inside(environment: Environment, begin: datetime, end: datetime) -> bool:
    """Whether a time lies within one window of the environment; always, where it has none."""
    windows = merged(environment.windows, begin, end)
    return not environment.windows or any(each.begin <= begin and end <= each.end for each in windows)
