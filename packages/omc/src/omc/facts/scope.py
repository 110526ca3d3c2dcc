"""What a reading is to cover: given by the caller, not read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Scope:
    """The moment that everything is judged at, and how far back to look."""

    now: datetime
    """UTC."""
    since: timedelta = timedelta(hours=24)
    is_part: bool = False
    """Only some of the environment's services were asked for."""
