"""When a maintenance window of the database or the cache opens next, in words."""

from __future__ import annotations

from datetime import datetime

from omc.config import Environment
from omc.config.windows import MaintenanceWindow
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
