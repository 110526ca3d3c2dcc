"""The ids of runs and timers: made so that they sort by time, and read as a person types them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from omc.store.models import Run, Timer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def new_id(now: datetime) -> str:
    """Eight letters and digits that sort by time: ``0vqk3m7x``. None of them is taken for another."""
    number = int((now - _EPOCH).total_seconds()) & 0x3FFFFFFF
    time_part = "".join(_LETTERS[number >> shift & 31] for shift in range(25, -1, -5))
    return time_part + "".join(secrets.choice(_LETTERS) for _ in range(2))


def unused_id(session: Session, now: datetime) -> str:
    """An id that no run and no timer has yet; of this second if one is free: each second has a thousand."""
    while session.get(Run, made := new_id(now)) is not None or session.get(Timer, made) is not None:
        now += timedelta(seconds=1)
    return made


def as_typed(text: str) -> str:
    """What a person typed, in the form that ids have."""
    return text.strip().lower().translate(str.maketrans("ilo", "110"))
