"""Doing something outside of the store that two processes must not do at once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from omc.errors import Refused
from omc.store.opened import Store

CLAIM = 0x6F6D6304
"""The class of these advisory locks."""


@contextmanager
def exclusively(store: Store, what: str) -> Iterator[None]:
    """Nobody else on this store does the same until the block ends or this process dies. ``Refused`` where somebody
    does. A connection is held and no transaction, so it may wait for others' answers."""
    number = zlib.crc32(what.encode()) - 2**31  # PostgreSQL's integer has a sign
    values = {"kind": CLAIM, "number": number}
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:kind, :number)"), values).scalar():
            raise Refused(f"Another omc is at it just now: {what}. Nothing was done; try again in a minute.")
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:kind, :number)"), values)
