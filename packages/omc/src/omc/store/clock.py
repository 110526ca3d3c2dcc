"""The store's clock: what expires goes by the database's time, which all who share the store have in common."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

READ_AGAIN = 60.0
"""Seconds for which a reading is carried on. A machine's oscillator is some milliseconds off by then."""


def boot_clock() -> float:
    """Seconds that also pass while the machine sleeps, as the database's clock does; setting the time has no effect."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class DatabaseClock:
    """The database's time, read once a minute and carried on by the machine's uptime in between, also while the
    database is gone. The machine's own time is never asked: it may be wrong, or set so that something lasts longer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = self._ask()
        """When it was read by both clocks: one value, since threads look at it while another replaces it."""
        self._next = self._reading[1] + READ_AGAIN

    def __call__(self) -> datetime:
        if boot_clock() >= self._next:
            self._next = boot_clock() + READ_AGAIN  # also where it is gone: nobody waits for it at each look
            with suppress(SQLAlchemyError):  # no connection, or none free in the pool
                self._reading = self._ask()
        read, at = self._reading
        return read + timedelta(seconds=boot_clock() - at)

    def _ask(self) -> tuple[datetime, float]:
        with self._engine.connect() as connection:
            read: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return read.astimezone(UTC), boot_clock()
