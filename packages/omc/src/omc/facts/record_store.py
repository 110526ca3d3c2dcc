"""omc's own store as it is: reachable, shared, its schema, its clock, and the workers that say they live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import func, select

from omc.facts.collector import NO_READING, Reading, reads
from omc.store.database import look_into, schema_of
from omc.store.location import StoreLocation, parts_of
from omc.store.models import WorkerRow

LOOPBACK = frozenset({"", "localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    host: str
    pid: int
    actor: str
    started: datetime
    is_alive: bool
    """By the store's own clock."""


@dataclass(frozen=True, slots=True)
class RecordStore:
    """Of one environment."""

    label: str
    """Where it is, without user and password."""
    shared: bool
    """A PostgreSQL that others can reach, not a folder of this machine or one on its loopback."""
    has_begun: bool
    """It has omc's tables."""
    sslmode: str = ""
    """As its URL says; empty where it doesn't."""
    schema: str = ""
    newest_schema: str = ""
    """The one that this omc knows."""
    ahead_seconds: float | None = None
    """How far the store's clock is ahead of this machine's."""
    workers: tuple[WorkerSeen, ...] = ()
    """Newest first."""
    reading: Reading = NO_READING


@reads
def read_record_store(place: StoreLocation) -> RecordStore:
    """A few statements in one read-only connection. Raises ``StoreUnreachable`` or ``StoreError``."""
    host, mode = _host_and_mode(place)
    shared = place.url is not None and host not in LOOPBACK and not host.startswith("/")
    if not place.exists:
        return RecordStore(place.label, shared, has_begun=False, sslmode=mode)

    with look_into(place) as store:
        schema, newest = schema_of(store)
        with store.reading() as session:
            before = datetime.now(UTC)
            theirs: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
            middle = before + (datetime.now(UTC) - before) / 2
            rows = (
                session.execute(select(WorkerRow).order_by(WorkerRow.seen_until.desc()).limit(20)).scalars().all()
                if schema
                else ()
            )
            workers = tuple(
                WorkerSeen(row.host, row.pid, row.actor, row.started_at, row.seen_until > theirs) for row in rows
            )
    ahead = (theirs - middle).total_seconds()
    return RecordStore(place.label, shared, schema is not None, mode, schema or "", newest, ahead, workers)


def _host_and_mode(place: StoreLocation) -> tuple[str, str]:
    """Of the URL, which is taken apart without its account."""
    if place.url is None:
        return "", ""
    scheme, _, rest = parts_of(place.url)
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        record = parse_qs(parts.query)
        return parts.hostname or "".join(record.get("host", [""])), "".join(record.get("sslmode", [""]))
    except ValueError:
        return "", ""
