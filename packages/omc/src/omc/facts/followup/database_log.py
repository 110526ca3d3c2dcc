"""What the database's own log says of locks that sessions wait for, and of dead rows that vacuuming had to leave, where
RDS exports it to CloudWatch Logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.stores import database_log_group
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import BUDGET, within
from omc.facts.followup.insights import moment_of, query
from omc.facts.scope import Scope
from omc.redaction import mask

MINUTES = 30
QUERY = """fields @timestamp, @message
| filter @message like /still waiting for|holding the lock|acquired .* on .* after|[1-9][0-9]{4,} are dead but not yet/
| sort @timestamp desc | limit 200"""
_HEAD = re.compile(r"UTC:(?P<host>[^:]*):(?P<user>[^@:]*)@(?P<database>[^:]*):\[(?P<process>\d+)\]:(?P<level>\w+):\s+")
"""RDS's log_line_prefix, ``%t:%r:%u@%d:[%p]:``."""
_WAITS = re.compile(
    r"process (?P<process>\d+) still waiting for (?P<mode>\w+) on (?P<what>[^;]+?) after (?P<ms>[\d.]+) ms"
)
_HOLDS = re.compile(r"Process(?:es)? holding the locks?: (?P<holders>[\d, ]+)")
_GOT = re.compile(r"process (?P<process>\d+) acquired \w+ on .+? after")
_VACUUM = re.compile(r"automatic (?:aggressive )?vacuum[^\"\n]{0,60}\"(?P<table>[^\"\n]{1,200})\"")
_DEAD = re.compile(
    r"tuples: (?P<removed>\d+) removed, (?P<remain>\d+) remain(?:, (?P<dead>\d+) are dead but not yet removable)?"
)


@dataclass(frozen=True, slots=True)
class LockWait:
    """One session that waits, as PostgreSQL's log_lock_waits tells it after a second."""

    at: datetime
    process: int
    user: str
    mode: str
    """``AccessShareLock`` …"""
    what: str
    """``relation 16411 of database 16400``, ``transaction 812``."""
    holders: tuple[int, ...]
    """Process ids of the sessions that hold the lock."""
    is_over: bool = False
    """It has got the lock since."""


@dataclass(frozen=True, slots=True)
class Vacuum:
    """The newest automatic vacuum of a table."""

    table: str
    at: datetime
    remain: int
    dead: int
    """Dead rows that it had to leave, since an old transaction may still see them."""


@dataclass(frozen=True, slots=True)
class DatabaseLog:
    waits: tuple[LockWait, ...] = ()
    """Newest first."""
    vacuums: tuple[Vacuum, ...] = ()
    """Those that had to leave ten thousand dead rows and more, the most first; none where
    ``log_autovacuum_min_duration`` doesn't have PostgreSQL log them."""
    exists: bool = True
    """Whether RDS exports the log."""
    reading: Reading = NO_READING


@reads
def read_database_log(aws: Gateway, environment: Environment, scope: Scope) -> DatabaseLog:
    """One query of the log group that RDS exports it to."""

    def read() -> DatabaseLog:
        group = database_log_group(environment)
        if not group:
            return DatabaseLog(exists=False)
        try:
            rows = query(aws, group, QUERY, scope.now - timedelta(minutes=MINUTES), scope.now)
        except NotFound:
            return DatabaseLog(exists=False)
        lines = [(moment_of(row.get("@timestamp", "")), mask(row.get("@message", ""))) for row in rows]
        dated = [(at, line) for at, line in lines if at]
        return DatabaseLog(lock_waits(dated), vacuums_of(dated))

    return within(BUDGET, "the database's own log", read)


def lock_waits(lines: Iterable[tuple[datetime, str]]) -> tuple[LockWait, ...]:
    """Of log lines, newest first. The holders stand in a DETAIL of the same process, on a line of its own or in the
    same event."""
    found: list[LockWait] = []
    holders: dict[int, tuple[int, ...]] = {}
    got: dict[int, datetime] = {}
    for at, line in lines:
        head = _HEAD.search(line)
        by = int(head["process"]) if head else 0
        if match := _HOLDS.search(line):
            holders[by] = tuple(int(each) for each in match["holders"].split(",") if each.strip().isdigit())
        if match := _GOT.search(line):
            got.setdefault(int(match["process"]), at)
        if match := _WAITS.search(line):
            process = int(match["process"])
            held = holders.pop(process, ())
            over = process in got and got[process] >= at
            user = head["user"] if head else ""
            found.append(LockWait(at, process, user, match["mode"], match["what"], held, over))
    return tuple(found)


def vacuums_of(lines: Iterable[tuple[datetime, str]]) -> tuple[Vacuum, ...]:
    """Of log lines: the newest automatic vacuum of each table, the most dead rows first."""
    newest: dict[str, Vacuum] = {}
    for at, message in lines:
        table, dead = _VACUUM.search(message), _DEAD.search(message)
        if not (table and dead):
            continue
        known = newest.get(table["table"])
        if known is None or known.at < at:
            newest[table["table"]] = Vacuum(table["table"], at, int(dead["remain"]), int(dead["dead"] or 0))
    return tuple(sorted(newest.values(), key=lambda one: -one.dead))
