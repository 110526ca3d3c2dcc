"""The ledger: usage and cost by hour, usage type, operation and tags, in SQLite under the state folder."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from localcloud.core.billing import Item

HOUR = 3600
SCHEMA = """
create table if not exists usage(
    hour integer not null, service text not null, usage_type text not null, operation text not null,
    tags text not null, seeded integer not null, quantity real not null, cost real not null,
    primary key(hour, service, usage_type, operation, tags, seeded)) without rowid;
create table if not exists notes(name text primary key, value text not null);
"""


@dataclass(frozen=True, slots=True)
class Line:
    """What was used of an item in one hour."""

    hour: datetime
    item: Item
    quantity: float
    cost: float
    """USD."""


class Ledger:
    """Thread-safe. What ``add`` and ``seed`` wrote survives a kill of the process."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def add(self, lines: Iterable[Line], notes: Mapping[str, str] | None = None) -> None:
        """Add to what the ledger holds, together with notes (``note`` reads them), all or nothing."""
        with self._lock, self._database:
            self._write(lines, seeded=False)
            self._database.executemany("insert or replace into notes values (?, ?)", list((notes or {}).items()))

    def seed(self, lines: Iterable[Line], items: Iterable[Item]) -> None:
        """Write invented usage, in place of all that was invented of these items before."""
        with self._lock, self._database:
            self._database.executemany(
                "delete from usage where seeded = 1 and service = ? and usage_type = ? and operation = ? and tags = ?",
                [_key(item) for item in items],
            )
            self._write(lines, seeded=True)

    def unseed(self) -> None:
        """Forget everything invented."""
        with self._lock, self._database:
            self._database.execute("delete from usage where seeded = 1")

    def note(self, name: str) -> str | None:
        with self._lock:
            row = self._database.execute("select value from notes where name = ?", [name]).fetchone()
        return str(row[0]) if row else None

    def lines(self, start: datetime, end: datetime) -> list[Line]:
        """Everything from ``start`` up to before ``end``, in order of time."""
        with self._lock:
            rows = self._database.execute(
                "select hour, service, usage_type, operation, tags, sum(quantity), sum(cost) from usage"
                " where hour >= ? and hour < ? group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5",
                [start.timestamp(), end.timestamp()],
            ).fetchall()
        return [
            Line(datetime.fromtimestamp(hour, UTC), Item(service, usage_type, name, _tags(tags)), quantity, cost)
            for hour, service, usage_type, name, tags, quantity, cost in rows
        ]

    def first(self) -> datetime | None:
        """The first hour that anything was used in."""
        with self._lock:
            (hour,) = self._database.execute("select min(hour) from usage").fetchone()
        return None if hour is None else datetime.fromtimestamp(hour, UTC)

    def _write(self, lines: Iterable[Line], *, seeded: bool) -> None:
        self._database.executemany(
            "insert into usage values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do update set"
            " quantity = quantity + excluded.quantity, cost = cost + excluded.cost",
            [
                (int(line.hour.timestamp()) // HOUR * HOUR, *_key(line.item), int(seeded), line.quantity, line.cost)
                for line in lines
            ],
        )


def _key(item: Item) -> tuple[str, str, str, str]:
    return item.service, item.usage_type, item.operation, json.dumps(item.tags)


def _tags(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in json.loads(text))
