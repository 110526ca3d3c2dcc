"""One PostgreSQL server watched over one connection: who is busy with what, and its counters.

The connection is a replication client's (a "walsender"), which PostgreSQL counts against ``max_wal_senders`` and not
against ``max_connections``; it runs plain SQL all the same. What it does stays out of the server's log, out of
``pg_stat_statements`` and, with everything else of the administrator's, out of the samples.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from localcloud.backends import sockets
from localcloud.backends.databases import Size
from localcloud.backends.postgres import ADMINISTRATOR, Server
from localcloud.core.processes import Process
from localcloud.services.pi.catalogue import COUNTERS
from localcloud.services.pi.statements import Statement

NAME = "localcloud performance insights"
"""The ``application_name`` of the connection."""

_QUIET = {
    "statement_timeout": "5s",
    "log_statement": "none",
    "log_duration": "off",
    "log_min_duration_statement": "-1",
    "log_replication_commands": "off",
    "pg_stat_statements.track": "none",
    "jit": "off",
}
# A session that is idle in a transaction counts: AWS shows it as Client:ClientRead.
_SESSIONS = """
SELECT datname, usesysid, usename, host(client_addr) AS host, client_hostname, application_name, backend_type,
       coalesce(wait_event_type, 'CPU') AS wait_type,
       coalesce(wait_event_type || ':' || wait_event, 'CPU') AS wait_event, query_id, query
FROM pg_stat_activity
WHERE state IN ('active', 'idle in transaction', 'idle in transaction (aborted)', 'fastpath function call')
  AND usename IS DISTINCT FROM current_user AND wait_event_type IS DISTINCT FROM 'Activity'
"""
_COUNTERS = """
WITH database AS (
  SELECT sum(blks_hit) AS blks_hit, sum(blks_read) AS blks_read, sum(deadlocks) AS deadlocks,
         sum(tup_deleted) AS tup_deleted, sum(tup_fetched) AS tup_fetched, sum(tup_inserted) AS tup_inserted,
         sum(tup_returned) AS tup_returned, sum(tup_updated) AS tup_updated, sum(temp_bytes) AS temp_bytes,
         sum(temp_files) AS temp_files, sum(xact_commit) AS xact_commit, sum(xact_rollback) AS xact_rollback
  FROM pg_stat_database WHERE datid <> 0
), activity AS (
  SELECT count(*) AS clients, count(xact_start) AS transactions,
         count(*) FILTER (WHERE wait_event_type = 'Lock') AS blocked,
         count(*) FILTER (WHERE state = 'active') AS active,
         count(*) FILTER (WHERE state = 'idle') AS idle,
         count(*) FILTER (WHERE state = 'idle in transaction') AS idle_in_transaction,
         count(*) FILTER (WHERE state = 'idle in transaction (aborted)') AS idle_aborted,
         coalesce(max(extract(epoch FROM now() - state_change)) FILTER (WHERE state LIKE 'idle in transaction%'), 0)
           AS idle_in_transaction_max
  FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> current_user
)
SELECT *, (SELECT max(age(datfrozenxid)) FROM pg_database) AS oldest,
       current_setting('max_connections')::int AS max_connections
FROM database, activity
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One busy session at one moment."""

    dimensions: tuple[tuple[str, str], ...]
    """Names and values of everything but the statement, sorted by name."""
    statement: Statement | None


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    cpu_seconds: float
    gauges: Mapping[str, float]


class Sampler:
    """What is asked over one connection. Every method raises ``psycopg.Error`` once the server has gone."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection
        self._asked = 0
        """Transactions of our own since the last reading of the counters, which they are taken out of."""
        self._last: _Reading | None = None

    def sessions(self) -> list[Session]:
        """Everybody who is busy now."""
        return [_session(row) for row in self._ask(_SESSIONS)]

    def counters(self, processes: Sequence[Process], size: Size) -> dict[str, float]:
        """The counters by name; those that are what happened between two readings are missing from the first."""
        ours, self._asked = self._asked, 0
        row = self._ask(_COUNTERS)[0]
        record = {name: float(value or 0) for name, value in row.items()}
        now = _Reading(time.monotonic(), sum(process.cpu_seconds() for process in processes), record)
        before, self._last = self._last, now
        values = {"os.general.numVCPUs": float(size.vcpus), "os.memory.total": size.memory / 1024}
        values |= {name: record[each.sql] for name, each in COUNTERS.items() if each.sql and each.kind == "gauge"}
        if before is None:
            return values
        seconds = max(0.001, now.at - before.at)
        for name, each in COUNTERS.items():
            if each.kind != "gauge":
                gained = record[each.sql] - before.gauges[each.sql] - (ours if each.sql == "xact_commit" else 0)
                values[name] = max(0.0, gained) / seconds * (60 if each.kind == "minute" else 1)
        cpu = 100 * (now.cpu_seconds - before.cpu_seconds) / seconds / size.vcpus
        values["os.cpuUtilization.total"] = min(100.0, max(0.0, cpu))
        values["os.cpuUtilization.idle"] = 100.0 - values["os.cpuUtilization.total"]
        return values

    def _ask(self, query: str) -> list[dict[str, Any]]:
        self._asked += 1
        return self._connection.execute(query.encode()).fetchall()


@contextmanager
def watching(server: Server) -> Iterator[Sampler]:
    """A sampler of a running server; ``psycopg.Error`` or ``OSError`` where it can't be reached."""
    with (
        sockets.short(server.data) as folder,
        psycopg.connect(
            host=folder,
            port=server.inner_port,
            user=ADMINISTRATOR,
            dbname="postgres",
            replication="database",
            connect_timeout=5,
            autocommit=True,
            prepare_threshold=None,  # a walsender takes simple queries only
            application_name=NAME,
            options=" ".join(f"-c {name}={value}" for name, value in _QUIET.items()),
            row_factory=dict_row,
        ) as connection,
    ):
        yield Sampler(connection)


def _session(row: Mapping[str, Any]) -> Session:
    dimensions = {
        "db.name": row["datname"],
        "db.application.name": row["application_name"],
        "db.host.id": row["host"],
        "db.host.name": row["client_hostname"] or row["host"],
        "db.session_type.name": row["backend_type"],
        "db.user.id": row["usesysid"],
        "db.user.name": row["usename"],
        "db.wait_event.name": row["wait_event"],
        "db.wait_event.type": row["wait_type"],
        "db.wait_event_type.name": row["wait_type"],
    }
    text = (row["query"] or "").strip()
    return Session(
        tuple(sorted((name, str(value)) for name, value in dimensions.items() if value not in (None, ""))),
        Statement(text, row["query_id"]) if text else None,
    )
