"""What Performance Insights can be asked of a PostgreSQL instance here: dimension groups, counters, statistics.

Names and units are those of the RDS user guide (Performance Insights counters; PostgreSQL). Counters that can't be
measured truly here are not in the list and refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GROUPS: dict[str, tuple[str, ...]] = {
    "db": ("db.name",),
    "db.application": ("db.application.name",),
    "db.host": ("db.host.id", "db.host.name"),
    "db.session_type": ("db.session_type.name",),
    "db.sql": ("db.sql.db_id", "db.sql.id", "db.sql.statement", "db.sql.tokenized_id"),
    "db.sql_tokenized": ("db.sql_tokenized.db_id", "db.sql_tokenized.id", "db.sql_tokenized.statement"),
    "db.user": ("db.user.id", "db.user.name"),
    "db.wait_event": ("db.wait_event.name", "db.wait_event.type"),
    "db.wait_event_type": ("db.wait_event_type.name",),
}
DIMENSIONS = frozenset(name for names in GROUPS.values() for name in names)
LOADS = ("db.load", "db.sampledload")
"""Both are the same here: nothing is ever scaled, since every session is looked at."""
STATISTICS = ("avg", "min", "max", "sum", "sample_count")
PERIODS = (1, 60, 300, 3600, 86400)

Kind = Literal["gauge", "second", "minute"]


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter metric. ``kind``: the value itself, or what it gained per second or minute."""

    unit: str
    description: str
    kind: Kind
    sql: str = ""
    """An expression over ``database`` (sums of pg_stat_database) and ``activity`` (counts of clients' sessions)."""


COUNTERS: dict[str, Counter] = {
    "os.cpuUtilization.total": Counter("Percent", "CPU used by the server's processes, of all vCPUs", "gauge"),
    "os.cpuUtilization.idle": Counter("Percent", "CPU not used by the server's processes, of all vCPUs", "gauge"),
    "os.general.numVCPUs": Counter("vCPUs", "Virtual CPUs of the instance class", "gauge"),
    "os.memory.total": Counter("KB", "Memory of the instance class", "gauge"),
    "db.Cache.blks_hit": Counter("Blocks per second", "Blocks found in the buffer cache", "second", "blks_hit"),
    "db.Concurrency.deadlocks": Counter("Deadlocks per minute", "Deadlocks found", "minute", "deadlocks"),
    "db.IO.blks_read": Counter("Blocks per second", "Blocks read from disk", "second", "blks_read"),
    "db.SQL.tup_deleted": Counter("Tuples per second", "Rows deleted", "second", "tup_deleted"),
    "db.SQL.tup_fetched": Counter("Tuples per second", "Rows fetched by index scans", "second", "tup_fetched"),
    "db.SQL.tup_inserted": Counter("Tuples per second", "Rows inserted", "second", "tup_inserted"),
    "db.SQL.tup_returned": Counter("Tuples per second", "Rows read by scans", "second", "tup_returned"),
    "db.SQL.tup_updated": Counter("Tuples per second", "Rows updated", "second", "tup_updated"),
    "db.Temp.temp_bytes": Counter("Bytes per second", "Written to temporary files", "second", "temp_bytes"),
    "db.Temp.temp_files": Counter("Files per minute", "Temporary files made", "minute", "temp_files"),
    "db.Transactions.active_transactions": Counter("Transactions", "Open transactions", "gauge", "transactions"),
    "db.Transactions.blocked_transactions": Counter("Transactions", "Waiting for a lock", "gauge", "blocked"),
    "db.Transactions.max_used_xact_ids": Counter(
        "Transactions", "Age of the oldest transaction id that isn't frozen", "gauge", "oldest"
    ),
    "db.Transactions.xact_commit": Counter("Commits per second", "Transactions committed", "second", "xact_commit"),
    "db.Transactions.xact_rollback": Counter(
        "Rollbacks per second", "Transactions rolled back", "second", "xact_rollback"
    ),
    "db.User.max_connections": Counter("Connections", "Connections allowed", "gauge", "max_connections"),
    "db.User.numbackends": Counter("Connections", "Clients connected", "gauge", "clients"),
    "db.state.active_count": Counter("Sessions", "Sessions in state active", "gauge", "active"),
    "db.state.idle_count": Counter("Sessions", "Sessions in state idle", "gauge", "idle"),
    "db.state.idle_in_transaction_aborted_count": Counter(
        "Sessions", "Sessions idle in a failed transaction", "gauge", "idle_aborted"
    ),
    "db.state.idle_in_transaction_count": Counter(
        "Sessions", "Sessions idle in a transaction", "gauge", "idle_in_transaction"
    ),
    "db.state.idle_in_transaction_max_time": Counter(
        "Seconds", "Longest time that a session has been idle in a transaction", "gauge", "idle_in_transaction_max"
    ),
}
