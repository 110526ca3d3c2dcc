"""Where datapoints and the history of alarms lie: one SQLite file, written in batches, never held in memory.

Each sample lies in exactly one of four tables, by resolution: 1 s (kept 3 h), 60 s (15 d), 300 s (63 d), 3600 s
(455 d), AWS's own retention. What grows too old for a table is merged into the next; a query adds up the tables whose
resolution divides its period. Nothing here knows statistics by name, alarms or AWS's parameters.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.services.cloudwatch.statistics import Summary, decode, encode, merge

log = logging.getLogger(__name__)

HOUR, DAY = 3600, 86400
KEPT = {1: 3 * HOUR, 60: 15 * DAY, 300: 63 * DAY, 3600: 455 * DAY}
"""Seconds that each resolution is kept (CloudWatch user guide, metrics retention)."""
HISTORY_KEPT = 30 * DAY
MOST_WAITING = 20_000
"""Periods that may wait in memory for the next batch; more are written at once."""

_COLUMNS = "series, at, count, total, minimum, maximum, spread"
_MERGE = """
ON CONFLICT (series, at) DO UPDATE SET
    spread = combine(count, total, minimum, maximum, spread,
                     excluded.count, excluded.total, excluded.minimum, excluded.maximum, excluded.spread),
    count = count + excluded.count,
    total = total + excluded.total,
    minimum = min(minimum, excluded.minimum),
    maximum = max(maximum, excluded.maximum)
"""


@dataclass(frozen=True, slots=True)
class Metric:
    """What names a metric: namespace, name and the exact set of its dimensions, sorted by name."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
        return cls(namespace, name, tuple(sorted(dimensions.items())))


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One line of an alarm's history; ``data`` is JSON."""

    alarm: str
    alarm_type: str
    at: float
    kind: str
    summary: str
    data: str


class _Combined:
    """SQLite's aggregate over the distributions of the rows that are merged into one."""

    def __init__(self) -> None:
        self.summary: Summary | None = None

    def step(self, *row: Any) -> None:
        summary = decode(*row)
        self.summary = summary if self.summary is None else merge(self.summary, summary)

    def finalize(self) -> bytes | None:
        return encode(self.summary) if self.summary else None


def _combine(*rows: Any) -> bytes | None:
    return encode(merge(decode(*rows[:5]), decode(*rows[5:])))


class Store:
    """Thread-safe. ``put`` only fills a buffer; the file is written by ``flush`` and before each read."""

    def __init__(self, path: Path) -> None:
        self.late: Mapping[str, float] = {}
        """Seconds after which a minute's samples are to be read, by namespace; others at once."""
        self._buffer: dict[tuple[Metric, str, int, int], Summary] = {}
        self._buffer_lock = threading.Lock()
        self._lock = threading.RLock()
        self._series: dict[Metric, dict[str, int]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = self._open(path)
        except sqlite3.DatabaseError as error:
            aside = path.with_suffix(f".broken-{int(time.time())}")
            log.error(
                "the metrics in %s cannot be read (%s); they are kept as %s and a new file is begun", path, error, aside
            )
            path.rename(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._database = self._open(path)

    def _open(self, path: Path) -> sqlite3.Connection:
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        # NORMAL: a killed process loses nothing that was committed; only a power cut could lose the last batch.
        database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8000;")
        database.create_function("combine", 10, _combine, deterministic=True)
        database.create_aggregate("combined", 5, _Combined)  # type: ignore[arg-type]
        with self._transaction(database):
            database.execute(
                "CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, namespace TEXT NOT NULL,"
                " name TEXT NOT NULL, dimensions TEXT NOT NULL, unit TEXT NOT NULL, last INTEGER NOT NULL,"
                " UNIQUE (namespace, name, dimensions, unit))"
            )
            for level in KEPT:
                database.execute(
                    f"CREATE TABLE IF NOT EXISTS points_{level} (series INTEGER NOT NULL, at INTEGER NOT NULL,"
                    " count REAL NOT NULL, total REAL NOT NULL, minimum REAL NOT NULL, maximum REAL NOT NULL,"
                    " spread BLOB, PRIMARY KEY (series, at)) WITHOUT ROWID"
                )
            database.execute(
                "CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, alarm TEXT NOT NULL, type TEXT NOT NULL,"
                " at REAL NOT NULL, kind TEXT NOT NULL, summary TEXT NOT NULL, data TEXT NOT NULL)"
            )
            database.execute("CREATE INDEX IF NOT EXISTS history_of_alarm ON history (alarm, at)")
        rows = database.execute("SELECT id, namespace, name, dimensions, unit FROM series")
        for identity, namespace, name, dimensions, unit in rows:
            pairs = tuple((key, value) for key, value in json.loads(dimensions))
            self._series.setdefault(Metric(namespace, name, pairs), {})[unit] = identity
        return database

    @staticmethod
    @contextmanager
    def _transaction(database: sqlite3.Connection) -> Iterator[None]:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")

    def close(self) -> None:
        self.flush()
        with self._lock:
            self._database.close()

    # Writing

    def put(self, metric: Metric, unit: str, at: float, summary: Summary, *, resolution: int = 1) -> None:
        """Keep samples taken at this time (seconds since the epoch). ``resolution`` is 1 or 60 s."""
        second = int(at) // resolution * resolution
        key = (metric, unit, resolution, second)
        with self._buffer_lock:
            before = self._buffer.get(key)
            self._buffer[key] = summary if before is None else merge(before, summary)
            full = len(self._buffer) >= MOST_WAITING
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one transaction."""
        with self._lock:
            with self._buffer_lock:
                waiting, self._buffer = self._buffer, {}
            if not waiting:
                return
            try:
                for metric, unit in {(metric, unit) for metric, unit, _, _ in waiting}:
                    self._know(metric, unit)
                with self._transaction(self._database):
                    self._write(waiting)
            except sqlite3.Error:
                # A full disk must not cost what waited: it is written when there is room again.
                with self._buffer_lock:
                    for key, summary in self._buffer.items():
                        waiting[key] = merge(waiting[key], summary) if key in waiting else summary
                    self._buffer = waiting
                raise

    def _write(self, waiting: Mapping[tuple[Metric, str, int, int], Summary]) -> None:
        rows: dict[int, list[tuple[Any, ...]]] = {}
        last: dict[int, int] = {}
        for (metric, unit, level, at), summary in waiting.items():
            series = self._series[metric][unit]
            last[series] = max(at, last.get(series, 0))
            rows.setdefault(level, []).append(
                (series, at, summary.count, summary.total, summary.minimum, summary.maximum, encode(summary))
            )
        for level, values in rows.items():
            self._database.executemany(
                f"INSERT INTO points_{level} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) {_MERGE}",  # noqa: S608
                values,
            )
        self._database.executemany(
            "UPDATE series SET last = max(last, ?) WHERE id = ?", [(at, series) for series, at in last.items()]
        )

    def _know(self, metric: Metric, unit: str) -> None:
        units = self._series.get(metric, {})
        if unit in units:
            return
        # Committed by itself, unlike the batch: a number in memory must never outlive a batch that was rolled back.
        (units[unit],) = self._database.execute(
            "INSERT INTO series (namespace, name, dimensions, unit, last) VALUES (?, ?, ?, ?, 0)"
            " ON CONFLICT DO UPDATE SET last = last RETURNING id",
            (metric.namespace, metric.name, json.dumps(metric.dimensions), unit),
        ).fetchone()
        self._series[metric] = units

    # Reading

    def units(self, metric: Metric) -> list[str]:
        self.flush()
        with self._lock:
            return sorted(self._series.get(metric, {}))

    def read(
        self,
        metric: Metric,
        *,
        start: int,
        end: int,
        period: int,
        unit: str | None = None,
        spread: bool = False,
        published: bool = True,
    ) -> dict[int, Summary]:
        """The periods that begin at ``start``, ``start + period`` … before ``end`` and hold samples, by their begin.

        Without ``spread`` the summaries carry no values, which is all that sums, averages and extremes need. What
        isn't ``published`` yet (``late``) is for those only who don't read as AWS's callers do.
        """
        self.flush()
        if published and (delay := self.late.get(metric.namespace)):
            end = min(end, int(time.time() - delay) // 60 * 60)  # by whole minutes, as AWS's services send them
        found: dict[int, Summary] = {}
        with self._lock:
            known = self._series.get(metric, {})
            for identity in [known[unit]] if unit in known else [] if unit else list(known.values()):
                for level in KEPT:
                    if period % level == 0:
                        self._read_level(found, level, identity, start, end, period, spread)
        return found

    def _read_level(
        self, found: dict[int, Summary], level: int, series: int, start: int, end: int, period: int, spread: bool
    ) -> None:
        grouped = "sum(count), sum(total), min(minimum), max(maximum), x''" if not spread else ""
        columns = grouped or "count, total, minimum, maximum, spread"
        rows = self._database.execute(
            f"SELECT (at - ?) / ? AS bucket, {columns} FROM points_{level}"  # noqa: S608 -- names of ours
            " WHERE series = ? AND at >= ? AND at < ?" + (" GROUP BY bucket" if grouped else ""),
            (start, period, series, start, end),
        )
        for bucket, *values in rows:
            summary = decode(*values)
            at = start + bucket * period
            found[at] = merge(found[at], summary) if at in found else summary

    def metrics(self, *, active_since: float, matches: Callable[[Metric], bool]) -> list[tuple[int, Metric]]:
        """The metrics that had samples since then, each with a number that orders them for paging."""
        self.flush()
        with self._lock:
            recent = {
                row[0] for row in self._database.execute("SELECT id FROM series WHERE last >= ?", (active_since,))
            }
            listed = [
                (min(units.values()), metric)
                for metric, units in self._series.items()
                if units and matches(metric) and not recent.isdisjoint(units.values())
            ]
        return sorted(listed, key=lambda pair: pair[0])

    def newest(self) -> int:
        """When the newest sample was taken, seconds since the epoch; 0 where there is none."""
        with self._lock:
            return int(self._database.execute("SELECT coalesce(max(last), 0) FROM series").fetchone()[0])

    # Ageing

    def roll_up(self, now: float) -> None:
        """Merge what is too old for its resolution into the next, and forget what is too old for all."""
        self.flush()
        levels = list(KEPT)
        for series in [identity for units in list(self._series.values()) for identity in list(units.values())]:
            for level, following in zip(levels, [*levels[1:], 0], strict=True):
                before = int(now - KEPT[level])
                if following:
                    before = before // following * following
                self._roll_up_series(series, level, following, before)
        with self._lock:
            self._database.execute("DELETE FROM history WHERE at < ?", (now - HISTORY_KEPT,))

    def _roll_up_series(self, series: int, level: int, following: int, before: int) -> None:
        # One short transaction a series, so that puts and queries never wait long.
        with self._lock:
            old = f"FROM points_{level} WHERE series = ? AND at < ?"
            if not self._database.execute(f"SELECT 1 {old} LIMIT 1", (series, before)).fetchone():
                return
            with self._transaction(self._database):
                if following:
                    self._database.execute(
                        f"INSERT INTO points_{following} ({_COLUMNS})"
                        f" SELECT series, at / {following} * {following} AS begin, sum(count), sum(total),"
                        f" min(minimum), max(maximum), combined(count, total, minimum, maximum, spread) {old}"
                        f" GROUP BY series, begin {_MERGE}",
                        (series, before),
                    )
                self._database.execute(f"DELETE {old}", (series, before))

    # History of alarms

    def remember(self, items: Sequence[HistoryItem]) -> None:
        with self._lock, self._transaction(self._database):
            self._database.executemany(
                "INSERT INTO history (alarm, type, at, kind, summary, data) VALUES (?, ?, ?, ?, ?, ?)",
                [(item.alarm, item.alarm_type, item.at, item.kind, item.summary, item.data) for item in items],
            )

    def history(
        self,
        *,
        alarm: str | None,
        types: Iterable[str],
        kind: str | None,
        start: float,
        end: float,
        newest_first: bool,
        limit: int,
        offset: int,
    ) -> list[HistoryItem]:
        wanted = list(types)
        order = "DESC" if newest_first else "ASC"
        with self._lock:
            rows = self._database.execute(
                "SELECT alarm, type, at, kind, summary, data FROM history WHERE at >= ? AND at < ?"  # noqa: S608
                f" AND type IN ({', '.join('?' * len(wanted))})"
                " AND (? IS NULL OR alarm = ?) AND (? IS NULL OR kind = ?)"
                f" ORDER BY at {order}, id {order} LIMIT ? OFFSET ?",
                (start, end, *wanted, alarm, alarm, kind, kind, limit, offset),
            ).fetchall()
        return [HistoryItem(*row) for row in rows]
