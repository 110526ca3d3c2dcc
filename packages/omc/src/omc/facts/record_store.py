"""omc's own store as it is: reachable, shared, its schema, its clock, and the workers that say they live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import func, select

from omc.aws.gateway import Gateway
from omc.errors import OtherRecord
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.home import require_own_record
from omc.store.database import look_into, schema_of
from omc.store.location import StoreLocation, parts_of
from omc.store.models import WorkerRow
from omc.store.opened import Store

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
    not_ours: str = ""
    """Why what it has of this environment's name isn't this environment's; empty: it is, or nothing says whose."""
    reading: Reading = NO_READING


@reads
def read_record_store(place: StoreLocation, aws: Gateway) -> RecordStore:
    """A few statements in one read-only connection, and whose the credentials are. Raises ``StoreUnreachable`` or
    ``StoreError``."""
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
        not_ours = _not_ours(store, aws) if schema == newest else ""
    ahead = (theirs - middle).total_seconds()
    return RecordStore(place.label, shared, schema is not None, mode, schema or "", newest, ahead, workers, not_ours)


def _not_ours(store: Store, aws: Gateway) -> str:
    try:
        require_own_record(store, aws)
    except OtherRecord as error:
        return error.message
    return ""


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
