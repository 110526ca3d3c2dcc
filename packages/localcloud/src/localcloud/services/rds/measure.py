"""What a real PostgreSQL server says of itself, as RDS's metrics and exported logs."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from localcloud.backends import postgres
from localcloud.backends.databases import Size
from localcloud.backends.postgres import Server
from localcloud.core import burst
from localcloud.core.processes import Process
from localcloud.services.rds.model import GIB

EVERY = 5.0
"""Seconds between samples. RDS publishes each minute; alarms with AWS's short periods of 10 s need one in each."""

Sample = tuple[str, float, str]

_QUERY = """
SELECT
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> %(own)s) AS connections,
  (SELECT sum(pg_database_size(oid)) FROM pg_database) AS data_bytes,
  (SELECT coalesce(sum(size), 0) FROM pg_ls_waldir()) AS wal_bytes,
  (SELECT coalesce(sum(size), 0) FROM pg_ls_tmpdir()) AS spilled_bytes,
  (SELECT max(age(datfrozenxid)) FROM pg_database) AS oldest_transaction,
  (SELECT coalesce(sum(reads), 0) FROM pg_stat_io) AS reads,
  (SELECT coalesce(sum(writes) + sum(extends), 0) FROM pg_stat_io) AS writes,
  (SELECT coalesce(sum(read_time), 0) FROM pg_stat_io) AS read_ms,
  (SELECT coalesce(sum(write_time) + sum(extend_time), 0) FROM pg_stat_io) AS write_ms,
  (SELECT coalesce(sum(wal_bytes), 0) FROM pg_stat_wal) AS wal_written,
  (SELECT coalesce(sum(temp_bytes), 0) FROM pg_stat_database) AS spilled,
  (SELECT coalesce(sum(deadlocks), 0) FROM pg_stat_database) AS deadlocks,
  (SELECT coalesce(sum(xact_commit + xact_rollback), 0) FROM pg_stat_database) AS transactions
"""
_PAGE = 8192


@dataclass(frozen=True, slots=True)
class Reading:
    at: float
    cpu_seconds: float
    stats: dict[str, float]


@dataclass(slots=True)
class Measurements:
    """Remembers the last reading of each server, since most metrics are what happened between two."""

    _last: dict[str, Reading] = field(default_factory=dict)
    _credits: dict[str, float] = field(default_factory=dict)
    _volumes: dict[str, float] = field(default_factory=dict)
    """Percent that is left of each volume's bucket."""

    def forget(self, identifier: str) -> None:
        self._last.pop(identifier, None)

    def spend(self, identifier: str, *, volume: bool) -> None:
        """Leave nothing of its credits, or of its volume's, as after a day of more than its baseline."""
        (self._volumes if volume else self._credits)[identifier] = 0.0

    def fill(self, identifier: str) -> None:
        """As after a day of rest."""
        self._volumes.pop(identifier, None)
        self._credits.pop(identifier, None)

    def take(self, server: Server, processes: Sequence[Process], size: Size, record: Mapping[str, Any]) -> list[Sample]:
        """The samples of this moment; none where the server can't be asked, so that its silence shows."""
        try:
            with postgres.connect(server, timeout=3) as connection, connection.cursor(row_factory=dict_row) as cursor:
                row = cursor.execute(_QUERY, {"own": postgres.ADMINISTRATOR}).fetchone() or {}
        except (psycopg.Error, OSError):
            return []
        entry = {name: float(value or 0) for name, value in row.items()}
        now = Reading(time.monotonic(), sum(process.cpu_seconds() for process in processes), entry)
        before = self._last.get(server.name)
        self._last[server.name] = now
        memory = sum(process.memory_bytes() for process in processes)
        stored = entry["data_bytes"] + entry["wal_bytes"] + entry["spilled_bytes"]
        samples: list[Sample] = [
            ("DatabaseConnections", entry["connections"], "Count"),
            ("FreeStorageSpace", max(0.0, record["AllocatedStorage"] * GIB - stored), "Bytes"),
            ("FreeableMemory", float(max(0, size.memory - memory)), "Bytes"),
            ("SwapUsage", 0.0, "Bytes"),
            ("TransactionLogsDiskUsage", entry["wal_bytes"], "Bytes"),
            ("MaximumUsedTransactionIDs", entry["oldest_transaction"], "Count"),
        ]
        return samples + (_between(before, now, size) + self._burst(server.name, before, now, record) if before else [])

    def _burst(self, name: str, before: Reading, now: Reading, record: Mapping[str, Any]) -> list[Sample]:
        """Credits of a small instance; they outlive a restart, which makes its processes' CPU time begin anew."""
        kind, seconds = record.get("DBInstanceClass", ""), now.at - before.at
        used = max(0.0, now.cpu_seconds - before.cpu_seconds)
        samples: list[Sample] = []
        left = burst.balance(kind, self._credits.get(name), seconds, used)
        if left is not None:
            self._credits[name] = left
            samples += [("CPUCreditBalance", left, "Count"), ("CPUCreditUsage", used / 60, "Count")]
        bucket = burst.volume_balance(kind, self._volumes.get(name), seconds, _moved(before, now))
        if bucket is not None:
            self._volumes[name] = bucket
            samples += [("EBSByteBalance%", bucket, "Percent")]
        return samples

    def slowed(self, name: str, before: Reading | None, record: Mapping[str, Any], share: float) -> float:
        """The share of its time that an instance may run, of what it used with the share that it had."""
        now = self._last.get(name)
        kind, shares = record.get("DBInstanceClass", ""), [1.0]
        if before is None or now is None or now.at <= before.at:
            return share
        seconds = now.at - before.at
        baseline, speed = burst.cpu_baseline(kind), burst.volume_baseline(kind)
        if burst.is_held(kind) and baseline and self._credits.get(name, 1.0) <= 0:
            used = (now.cpu_seconds - before.cpu_seconds) / seconds / share
            shares.append(baseline / max(used, baseline))
        if speed and self._volumes.get(name, 1.0) <= 0:
            shares.append(speed / max(_moved(before, now) / seconds / share, speed))
        return min(shares)

    def last(self, name: str) -> Reading | None:
        return self._last.get(name)


def _moved(before: Reading, now: Reading) -> float:
    """Bytes that were read and written between two readings, as far as PostgreSQL tells."""
    pages = sum(max(0.0, now.stats[name] - before.stats[name]) for name in ("reads", "writes"))
    return pages * _PAGE + sum(max(0.0, now.stats[name] - before.stats[name]) for name in ("wal_written", "spilled"))


def _between(before: Reading, now: Reading, size: Size) -> list[Sample]:
    seconds = max(0.001, now.at - before.at)

    def gained(name: str) -> float:
        return max(0.0, now.stats[name] - before.stats[name])

    reads, writes = gained("reads"), gained("writes")
    cpu = 100 * (now.cpu_seconds - before.cpu_seconds) / seconds / size.vcpus
    return [
        ("CPUUtilization", min(100.0, max(0.0, cpu)), "Percent"),
        ("ReadIOPS", reads / seconds, "Count/Second"),
        ("WriteIOPS", writes / seconds, "Count/Second"),
        ("ReadThroughput", reads * _PAGE / seconds, "Bytes/Second"),
        ("WriteThroughput", writes * _PAGE / seconds, "Bytes/Second"),
        ("ReadLatency", gained("read_ms") / 1000 / reads if reads else 0.0, "Seconds"),
        ("WriteLatency", gained("write_ms") / 1000 / writes if writes else 0.0, "Seconds"),
        ("DiskQueueDepth", (gained("read_ms") + gained("write_ms")) / 1000 / seconds, "Count"),
        ("Deadlocks", gained("deadlocks") / seconds, "Count/Second"),
    ]


_STAMP = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? (?:UTC|GMT)")
_MOST = 1 << 20


def log_events(path: Path, offset: int) -> tuple[list[tuple[int, str]], int]:
    """The whole events in the log after ``offset`` (milliseconds, message), and where to go on.

    A line without a timestamp continues the event before it.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(_MOST)
    except FileNotFoundError:
        return [], 0
    whole = data[: data.rfind(b"\n") + 1]
    events: list[tuple[int, str]] = []
    for line in whole.decode(errors="replace").splitlines():
        if match := _STAMP.match(line):
            moment = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            events.append((int(moment.timestamp() * 1000), line))
        elif events:
            events[-1] = (events[-1][0], f"{events[-1][1]}\n{line}")
    return events, offset + len(whole)
