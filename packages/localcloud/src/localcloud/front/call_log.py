"""Every call to the AWS endpoint, in SQLite under the state folder. This *is* the cloud's CloudTrail.

Secrets are redacted before anything is written: what botocore's models mark sensitive, and what is named like a
secret. ``localcloud.services.cloudtrail`` answers LookupEvents from here.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from localcloud.core.cloud import Cloud

READ_VERBS = ("BatchGet", "Describe", "Filter", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search", "Select")
SECRET_NAME = re.compile(
    r"(password|secretstring|secretbinary|secretaccesskey|authtoken|plaintext|sessiontoken)", re.IGNORECASE
)
RESOURCE_NAME = re.compile(r"(name|names|id|ids|identifier|arn|arns|service|services|cluster|bucket)$", re.IGNORECASE)
RETENTION_DAYS = 90
"""As CloudTrail's event history."""
REDACTED = "***"
SCHEMA = """
create table if not exists calls(
    id integer primary key, at real not null, service text not null, operation text not null,
    read_only integer not null, principal text not null, user_name text not null, user_kind text not null,
    access_key text not null, source_ip text not null, user_agent text not null, request_id text not null,
    region text not null, error_code text, error_message text, params text not null, milliseconds real not null);
create index if not exists calls_at on calls(at);
create index if not exists calls_operation on calls(operation, at);
create table if not exists resources(call integer not null, name text not null);
create index if not exists resources_name on resources(name, call);
create index if not exists resources_call on resources(call);
create table if not exists events(call integer primary key, event text not null);
"""
COLUMNS = (
    "at, service, operation, read_only, principal, user_name, user_kind, access_key, source_ip, user_agent, "
    "request_id, region, error_code, error_message, params, milliseconds"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One call as it is remembered."""

    at: datetime
    service: str
    operation: str
    read_only: bool
    principal: str
    user_name: str
    user_kind: str
    access_key: str
    source_ip: str
    user_agent: str
    request_id: str
    region: str
    error_code: str | None
    error_message: str | None
    params: str
    """JSON, redacted."""
    milliseconds: float
    resources: tuple[str, ...] = ()
    event: str = ""
    """JSON: what CloudTrail's record has beside or in place of what follows of the rest. Only seeded calls have it."""


def is_read(operation: str) -> bool:
    """By the verb, as AWS itself marks events readOnly. ReceiveMessage changes a queue, so it isn't one."""
    return operation.startswith(READ_VERBS)


def redacted(value: Any, shape: Any = None, name: str = "") -> Any:
    """A copy of parameters that is safe to write down and can be JSON."""
    if (shape is not None and shape.metadata.get("sensitive")) or (name and SECRET_NAME.search(name)):
        return REDACTED
    if isinstance(value, Mapping):
        members = getattr(shape, "members", None) or {}
        inner = shape.value if getattr(shape, "type_name", "") == "map" else None
        return {str(key): redacted(item, members.get(key, inner), str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        inner = shape.member if getattr(shape, "type_name", "") == "list" else None
        return [redacted(item, inner) for item in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def resources_of(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of what a call touches: top-level parameters called …Name, …Id, …Arn. An ARN gives its tail too."""
    names: dict[str, None] = {}
    for key, value in params.items():
        if not RESOURCE_NAME.search(key):
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and item:
                names[item] = None
                if item.startswith("arn:"):
                    names[item.split(":", 5)[-1].rsplit("/", 1)[-1]] = None
    return tuple(names)


class CallLog:
    """Appends are cheap (a list); a loop writes them twice a second, and so does each reader."""

    name = "call-log"

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Record] = []
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + SCHEMA)

    def start(self, cloud: Cloud) -> None:
        with self._lock:
            oldest = datetime.now(UTC).timestamp() - RETENTION_DAYS * 86400
            with self._database:
                self._database.execute(
                    "delete from resources where call in (select id from calls where at < ?)", [oldest]
                )
                self._database.execute("delete from calls where at < ?", [oldest])
        cloud.loop("call-log", 0.5, self.flush)

    def dump(self) -> None:
        return None

    def load(self, state: Any) -> None:
        pass

    def stop(self) -> None:
        self.flush()
        with self._lock:
            self._database.close()

    def append(self, record: Record) -> None:
        with self._lock:
            self._waiting.append(record)

    def flush(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            if not waiting:
                return
            with self._database:
                for record in waiting:
                    values = (record.at.timestamp(), *(getattr(record, c.strip()) for c in COLUMNS.split(",")[1:]))
                    marks = ",".join("?" * len(values))
                    statement = f"insert into calls({COLUMNS}) values ({marks})"  # noqa: S608 — only constants
                    call = self._database.execute(statement, values).lastrowid
                    rows = [(call, name) for name in record.resources]
                    self._database.executemany("insert into resources values (?, ?)", rows)
                    if record.event:
                        self._database.execute("insert into events values (?, ?)", [call, record.event])

    def move(self, by: timedelta) -> None:
        """Tell every call that was made until now as so much earlier."""
        self.flush()
        with self._lock, self._database:
            self._database.execute("update calls set at = at - ?", [by.total_seconds()])

    def search(self, conditions: str, values: Sequence[Any], limit: int, offset: int = 0) -> Iterator[Record]:
        """Newest first. ``conditions`` is SQL over the columns of ``calls``, written by us, never by a client."""
        self.flush()
        with self._lock, closing(self._database.cursor()) as cursor:
            # S608: the conditions are constants of localcloud.services.cloudtrail; values go in as parameters.
            statement = f"select id, {COLUMNS} from calls where {conditions} order by at desc, id desc limit ? offset ?"  # noqa: S608
            rows = cursor.execute(statement, [*values, limit, offset]).fetchall()
            for row in rows:
                found = cursor.execute("select name from resources where call = ?", [row[0]]).fetchall()
                names = tuple(name for (name,) in found)
                more = cursor.execute("select event from events where call = ?", [row[0]]).fetchone()
                yield Record(*(datetime.fromtimestamp(row[1], UTC), *row[2:], names, more[0] if more else ""))

    def counts(self, after: int) -> tuple[int, dict[tuple[str, bool], int]]:
        """The last call's number; calls without an error after ``after``, by service and whether they only read."""
        self.flush()
        with self._lock:
            (last,) = self._database.execute("select coalesce(max(id), 0) from calls").fetchone()
            rows = self._database.execute(
                "select service, read_only, count(*) from calls where id > ? and id <= ? and error_code is null"
                " group by service, read_only",
                [after, last],
            ).fetchall()
        return last, {(service, bool(read_only)): count for service, read_only, count in rows}


def record(call: Any, caller: Any, shape: Any, error: Any, milliseconds: float) -> Record:
    """What is remembered of one ``registry.Call`` made by one ``identity.Caller``."""
    params = json.dumps(redacted(call.params, shape), default=str)
    return Record(
        call.at,
        call.service,
        call.operation,
        is_read(call.operation),
        call.principal,
        caller.user_name,
        caller.kind,
        call.access_key,
        call.source_ip,
        call.user_agent,
        call.request_id,
        call.region,
        error.code if error else None,
        error.message if error else None,
        params,
        milliseconds,
        resources_of(call.params),
    )
