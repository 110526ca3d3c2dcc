"""What was sampled, in one SQLite file: sessions by second for an hour, by minute for seven days, counters by minute.

A sample is a set of keys (all dimensions of a busy session) with how many sessions had each. Nothing here knows AWS's
parameters.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcloud.services.pi.sampler import Session
from localcloud.services.pi.statements import Statement, short_id

HOUR, DAY = 3600, 86400
KEPT = {1: HOUR, 60: 7 * DAY}
"""Seconds that each resolution is kept; AWS keeps seven days by default."""
MOST_KEYS = 200
"""Different keys of one instance in one minute; further ones are kept without their statements."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS key (id INTEGER PRIMARY KEY, dimensions TEXT NOT NULL, statement TEXT NOT NULL,
  UNIQUE (dimensions, statement));
CREATE TABLE IF NOT EXISTS statement (id TEXT PRIMARY KEY, text TEXT NOT NULL, tokenized TEXT NOT NULL,
  tokenized_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS query_id (tokenized_id TEXT PRIMARY KEY, query_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS load (instance TEXT, step INTEGER, at INTEGER, key INTEGER, sessions INTEGER NOT NULL,
  PRIMARY KEY (instance, step, at, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sample (instance TEXT, step INTEGER, at INTEGER, count INTEGER NOT NULL,
  PRIMARY KEY (instance, step, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (instance TEXT, name TEXT, at INTEGER, count INTEGER NOT NULL, total REAL NOT NULL,
  minimum REAL NOT NULL, maximum REAL NOT NULL, PRIMARY KEY (instance, name, at)) WITHOUT ROWID;
"""
_SAMPLES = """
SELECT (at - ?) / ? AS slot, sum(count) FROM sample
WHERE instance = ? AND step = ? AND at >= ? AND at < ? GROUP BY slot
"""
_SESSIONS = """
SELECT key, (at - ?) / ? AS slot, sum(sessions) FROM load
WHERE instance = ? AND step = ? AND at >= ? AND at < ? GROUP BY key, slot
"""
_KEYS = """
SELECT key.id, key.dimensions, statement.id, text, tokenized, tokenized_id, query_id
FROM key LEFT JOIN statement ON statement.id = key.statement LEFT JOIN query_id USING (tokenized_id)
WHERE key.id IN (SELECT key FROM load WHERE instance = ? AND step = ? AND at >= ? AND at < ?)
"""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in periods: ``start`` and ``end`` are multiples of ``period``, in seconds since the epoch."""

    start: int
    end: int
    period: int

    @property
    def step(self) -> int:
        """The resolution that answers for this period."""
        return 1 if self.period == 1 else 60

    @property
    def slots(self) -> int:
        return (self.end - self.start) // self.period


@dataclass(frozen=True, slots=True)
class Load:
    """Sessions seen, by slot of the span and key, and how many samples each slot has."""

    samples: dict[int, int]
    sessions: dict[int, dict[int, int]]
    """By key, then slot."""
    keys: dict[int, dict[str, str]]
    """All dimensions of each key, those of its statement included."""


@dataclass(frozen=True, slots=True)
class Point:
    """A counter's readings in one slot."""

    count: int
    total: float
    minimum: float
    maximum: float


class Store:
    """Written from many threads; each read has a connection of its own, so that it holds up no sample."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._minute: dict[str, tuple[int, set[int]]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._writer.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._writer.close()

    # -- writing --------------------------------------------------------------------------------------------------

    def add(self, instance: str, at: int, sessions: Sequence[Session]) -> None:
        """One sample of an instance, taken in the second ``at``."""
        with self._writing() as writer:
            seen = Counter(self._key(writer, instance, at, session) for session in sessions)
            for step in KEPT:
                writer.execute(
                    "INSERT INTO sample VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                    (instance, step, at - at % step),
                )
                writer.executemany(
                    "INSERT INTO load VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET sessions = sessions + excluded.sessions",
                    [(instance, step, at - at % step, key, count) for key, count in seen.items()],
                )

    def add_counters(self, instance: str, at: int, values: Mapping[str, float]) -> None:
        with self._writing() as writer:
            writer.executemany(
                "INSERT INTO counter VALUES (?, ?, ?, 1, ?4, ?4, ?4) ON CONFLICT DO UPDATE SET count = count + 1,"
                " total = total + ?4, minimum = min(minimum, ?4), maximum = max(maximum, ?4)",
                [(instance, name, at - at % 60, value) for name, value in values.items()],
            )

    def prune(self, now: int) -> None:
        """Drop what is too old, and the keys and statements that nothing names any more."""
        with self._writing() as writer:
            for (instance,) in writer.execute("SELECT DISTINCT instance FROM sample").fetchall():
                for step, seconds in KEPT.items():
                    old = (instance, step, now - seconds)
                    writer.execute("DELETE FROM load WHERE instance = ? AND step = ? AND at < ?", old)
                    writer.execute("DELETE FROM sample WHERE instance = ? AND step = ? AND at < ?", old)
            writer.execute("DELETE FROM counter WHERE at < ?", (now - KEPT[60],))
            writer.execute("DELETE FROM key WHERE id NOT IN (SELECT key FROM load)")
            writer.execute("DELETE FROM statement WHERE id NOT IN (SELECT statement FROM key)")
            writer.execute("DELETE FROM query_id WHERE tokenized_id NOT IN (SELECT tokenized_id FROM statement)")

    def _key(self, writer: sqlite3.Connection, instance: str, at: int, session: Session) -> int:
        minute, known = self._minute.get(instance, (0, set()))
        if minute != at // 60:
            minute, known = self._minute[instance] = (at // 60, set())
        dimensions = json.dumps(session.dimensions)
        statement = session.statement
        row = writer.execute(
            "SELECT id FROM key WHERE dimensions = ? AND statement = ?",
            (dimensions, statement.id if statement else ""),
        ).fetchone()
        if statement and (row is None or row[0] not in known) and len(known) >= MOST_KEYS:
            statement = row = None
        if statement:
            _remember(writer, statement)
        if row is None:
            # The update changes nothing but makes RETURNING answer with the row that is there already.
            row = writer.execute(
                "INSERT INTO key (dimensions, statement) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET statement = excluded.statement RETURNING id",
                (dimensions, statement.id if statement else ""),
            ).fetchone()
        known.add(row[0])
        return int(row[0])

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    # -- reading --------------------------------------------------------------------------------------------------

    def load(self, instance: str, span: Span) -> Load:
        bounds = (span.start, span.period, instance, span.step, span.start, span.end)
        with self._reading() as reader:
            samples = dict(reader.execute(_SAMPLES, bounds))
            sessions: dict[int, dict[int, int]] = {}
            for key, slot, count in reader.execute(_SESSIONS, bounds):
                sessions.setdefault(key, {})[slot] = count
            keys = {row[0]: _dimensions(*row[1:]) for row in reader.execute(_KEYS, bounds[2:])}
        return Load(samples, sessions, keys)

    def counter(self, instance: str, name: str, span: Span) -> dict[int, Point]:
        """A counter's readings by slot; one of a minute stands at the minute's start where the period is a second."""
        with self._reading() as reader:
            rows = reader.execute(
                "SELECT (at - ?) / ? AS slot, sum(count), sum(total), min(minimum), max(maximum) FROM counter"
                " WHERE instance = ? AND name = ? AND at >= ? AND at < ? GROUP BY slot",
                (span.start, span.period, instance, name, span.start, span.end),
            )
            return {slot: Point(*values) for slot, *values in rows}

    def statement(self, instance: str, statement_id: str) -> str | None:
        """The whole text of a statement that this instance ran."""
        with self._reading() as reader:
            row = reader.execute(
                "SELECT text FROM statement WHERE id = ?1 AND EXISTS (SELECT 1 FROM key JOIN load ON load.key = key.id"
                " WHERE key.statement = ?1 AND load.instance = ?2)",
                (statement_id, instance),
            ).fetchone()
        return str(row[0]) if row else None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as reader:
            reader.execute("BEGIN")  # one moment for all that is read
            yield reader


def _remember(writer: sqlite3.Connection, statement: Statement) -> None:
    writer.execute(
        "INSERT OR IGNORE INTO statement VALUES (?, ?, ?, ?)",
        (statement.id, statement.text, statement.tokenized, statement.tokenized_id),
    )
    if statement.query_id is not None:
        writer.execute("INSERT OR REPLACE INTO query_id VALUES (?, ?)", (statement.tokenized_id, statement.query_id))


def _dimensions(
    plain: str,
    statement_id: str | None,
    text: str | None,
    digest: str | None,
    tokenized_id: str | None,
    query_id: int | None,
) -> dict[str, str]:
    dimensions: dict[str, str] = dict(json.loads(plain))
    if statement_id and text is not None and digest is not None and tokenized_id:
        dimensions |= {
            "db.sql.db_id": short_id(text),
            "db.sql.id": statement_id,
            "db.sql.statement": text,
            "db.sql.tokenized_id": tokenized_id,
            "db.sql_tokenized.db_id": str(query_id) if query_id is not None else short_id(digest),
            "db.sql_tokenized.id": tokenized_id,
            "db.sql_tokenized.statement": digest,
        }
    return dimensions
