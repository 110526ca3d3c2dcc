"""Rows, dead rows and indexes of the database's tables: what only SQL tells.

No API of AWS's carries it. It is asked where the shell has a door to the environment's database: a connection string in
``OMC_REVIEW_DATABASE_STAGING`` (the environment's name in capitals), of a user with ``pg_monitor``, through a tunnel
where the database isn't reachable otherwise. One connection, read only, to the one database that it names.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime

import psycopg

from omc.config import Environment
from omc.errors import Unreachable
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import within
from omc.store.embedded import libpq_variables

BUDGET = 15.0
CONNECT_SECONDS = 5
OPTIONS = "-c default_transaction_read_only=on -c statement_timeout=5000 -c application_name=omc-review"
MAX_ROWS = 500
"""Tables and indexes that are read, the largest first."""
TABLES = """
SELECT schemaname || '.' || relname, n_live_tup, n_dead_tup, seq_scan, seq_tup_read, coalesce(idx_scan, 0),
  greatest(last_vacuum, last_autovacuum)
FROM pg_stat_user_tables ORDER BY n_live_tup + n_dead_tup DESC LIMIT %s"""
INDEXES = """
SELECT s.schemaname || '.' || s.indexrelname, s.schemaname || '.' || s.relname, coalesce(s.idx_scan, 0),
  pg_relation_size(s.indexrelid)
FROM pg_stat_user_indexes s JOIN pg_index i ON i.indexrelid = s.indexrelid
WHERE NOT i.indisunique AND i.indisvalid ORDER BY 4 DESC LIMIT %s"""
RESET = """
SELECT coalesce(stats_reset, pg_postmaster_start_time()) FROM pg_stat_database WHERE datname = current_database()"""


@dataclass(frozen=True, slots=True)
class TableRows:
    name: str
    live: int
    dead: int
    """Both as the statistics estimate them."""
    scans: int
    """Sequential scans since the statistics began."""
    scanned: int
    """Rows that these read."""
    index_scans: int
    vacuumed: datetime | None = None


@dataclass(frozen=True, slots=True)
class IndexUse:
    """An index that holds no promise: neither unique nor a primary key."""

    name: str
    table: str
    scans: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class TableStatistics:
    tables: tuple[TableRows, ...] = ()
    indexes: tuple[IndexUse, ...] = ()
    since: datetime | None = None
    """When the statistics began, at the latest; None: they weren't read."""
    door: str = ""
    """The variable that names the way; it is asked only where this is set."""
    is_read: bool = False
    reading: Reading = NO_READING


def door_of(environment: Environment) -> str:
    """The variable that holds the connection string."""
    return f"OMC_REVIEW_DATABASE_{re.sub(r'[^A-Z0-9]', '_', environment.name.upper())}"


@reads
def read_table_statistics(environment: Environment) -> TableStatistics:
    """Three questions in one connection; none where there is no door."""
    door = door_of(environment)
    address = os.environ.get(door, "")
    if not address:
        return TableStatistics(door=door)
    return within(BUDGET, f"the database's statistics ({door})", lambda: _read(address, door))


def _read(address: str, door: str) -> TableStatistics:
    try:
        with (
            libpq_variables(intended=False),
            psycopg.connect(address, connect_timeout=CONNECT_SECONDS, options=OPTIONS) as connection,
        ):
            tables = tuple(TableRows(*row) for row in connection.execute(TABLES, [MAX_ROWS]).fetchall())
            indexes = tuple(IndexUse(*row) for row in connection.execute(INDEXES, [MAX_ROWS]).fetchall())
            reset = connection.execute(RESET).fetchone()
    except (psycopg.Error, OSError) as error:
        # The message of libpq may name the address; the kind of error is enough.
        kind = getattr(error, "sqlstate", None) or type(error).__name__
        raise Unreachable(f"The database that {door} names can't be read: {kind}.") from None
    return TableStatistics(tables, indexes, reset[0] if reset else None, door, is_read=True)
