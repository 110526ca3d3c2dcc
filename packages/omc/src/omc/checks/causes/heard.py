"""What services say about what they depend on: error lines of the last minutes, and last words of failed tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from omc.checks.causes.model import LIVE, Cause, Situation, reading_of
from omc.checks.causes.words import Kind, ReportedError, reported_error
from omc.checks.finding import Evidence, Procedure
from omc.checks.logs import live
from omc.facts.followup.data_stores import Store
from omc.facts.followup.last_words import LastWords
from omc.facts.logs import RecentErrors
from omc.facts.probes import Probes
from omc.facts.services import Services
from omc.facts.tasks import StoppedTasks

DATABASE_PORT, CACHE_PORT = 5432, 6379
_OF_KIND = {
    **dict.fromkeys((Kind.LOCK, Kind.SCHEMA, Kind.POOL, Kind.CONNECTIONS, Kind.DISK, Kind.READ_ONLY), "database"),
    **dict.fromkeys((Kind.PASSWORD, Kind.STARTING, Kind.LIMIT, Kind.NAME, Kind.WRAPAROUND), "database"),
    Kind.FULL: "cache",
}
"""Whose trouble it is where the line names nobody."""
MINUTE = timedelta(minutes=1)
_WORDS = {
    "database": (
        "database",
        "postgres",
        "psycopg",
        "libpq",
        "pool",
        "sql",
        "relation ",
        "too many clients",
        "connection slots",
    ),
    "cache": ("redis", "valkey", "cache", "elasticache", "oom command", "noauth", "wrongpass", "readonly you"),
}
_CLIENTS = {
    "database": re.compile(
        r"connection timeout expired|failed: timeout expired|server closed the connection unexpectedly|"
        r"terminating connection due to|ssl connection has been closed unexpectedly|no connection to the server|"
        r"permission denied for (?:table|schema|sequence|relation|view|function|database)"
    ),
    "cache": re.compile(
        r"timeout connecting to server|timeout reading from|error while reading from|connection closed by server"
    ),
}
"""Wordings of PostgreSQL, libpq and psycopg, of redis-py, that no other server or client has."""
_OTHERS = re.compile(r"https?\b|\bapi\b|exchange|smtp|kafka|queue")


@dataclass(frozen=True, slots=True)
class LoggedError:
    """One thing that a service says, and since when."""

    service: str
    message: ReportedError
    first: datetime
    last: datetime
    count: int
    log_group: str = ""


def heard(situation: Situation) -> list[LoggedError]:
    """What was said in the last minutes, the most frequent first."""
    found = [*_from_logs(situation), *_from_tasks(situation)]
    return sorted(found, key=lambda each: -each.count)


def _from_logs(situation: Situation) -> Iterator[LoggedError]:
    errors = situation.fact(RecentErrors)
    names = {service.log_group: service.name for service in situation.environment.services}
    for group in errors.groups if errors else ():
        service = names.get(group.log_group, "")
        if situation.scope.now - group.last <= live(situation.fact(Probes), service) and (
            found := reported_error(group.sample)
        ):
            yield LoggedError(
                service,
                found,
                group.resumed or group.first,
                group.last,
                group.count,
                group.log_group,
            )


def _from_tasks(situation: Situation) -> Iterator[LoggedError]:
    """Of tasks of a revision that a service still has: what one said that is gone says nothing of now."""
    words, stopped, services = situation.fact(LastWords), situation.fact(StoppedTasks), situation.fact(Services)
    deployments = [each for service in (services.services if services else ()) for each in service.deployments]
    current = {each.task_definition for each in deployments}
    for task in stopped.tasks if words and stopped else ():
        lines = words.lines.get(task.id, ()) if words else ()
        if situation.scope.now - task.stopped <= LIVE and task.task_definition in current:
            for found in dict.fromkeys(each for line in lines if (each := reported_error(line))):
                yield LoggedError(task.service or "", found, task.started or task.stopped, task.stopped, 1)


def about(store: Store, kind: str, everything: list[LoggedError]) -> list[LoggedError]:
    """What is said of the database, or of the cache: by its address, else by its port, else by its name."""
    return [
        each for each in everything if is_about(store, kind, each.message) and not is_elsewhere(store, each.message)
    ]


def still(situation: Situation, logged_errors: Iterable[LoggedError], *kinds: Kind) -> list[LoggedError]:
    """What was said of these kinds within the last minute: a conclusion from silence alone needs words this recent."""
    return [each for each in logged_errors if each.message.kind in kinds and situation.scope.now - each.last <= MINUTE]


def is_about(store: Store, kind: str, what: ReportedError) -> bool:
    port = store.port or (DATABASE_PORT if kind == "database" else CACHE_PORT)
    if what.host and what.port and (store.host or what.port in (DATABASE_PORT, CACHE_PORT)):
        return what.host == store.host or what.port == port
    line = what.line.lower().replace("connectionpool", "")  # urllib3's, of any server
    if not any(word in line for words in _WORDS.values() for word in words):
        return kind == (_OF_KIND.get(what.kind) or _of_client(line))
    other = "cache" if kind == "database" else "database"
    mine, theirs = (
        min((line.find(word) for word in _WORDS[each] if word in line), default=-1) for each in (kind, other)
    )
    return mine >= 0 and (theirs < 0 or mine < theirs)


def is_elsewhere(store: Store, what: ReportedError) -> bool:
    """Whether somebody looks for the store at another port than its own: that says nothing of the store."""
    return bool(store.port and what.port and what.port != store.port and what.kind in (Kind.REFUSED, Kind.TIMEOUT))


def is_of_another(line: str, places: Iterable[str]) -> bool:
    """Whether a line is about neither database nor cache: it names another dependency, and no word of theirs."""
    text = line.lower().replace("connectionpool", "")
    if any(word in text for words in _WORDS.values() for word in words):
        return False
    return bool(_OTHERS.search(text)) or any(place.lower() in text for place in places)


def _of_client(line: str) -> str:
    """Whose client says so, where a line names no server at all."""
    if _OTHERS.search(line):
        return ""
    return next((kind for kind, pattern in _CLIENTS.items() if pattern.search(line)), "")


def cause_at(
    kind: str,
    situation: Situation,
    name: str,
    store: Store,
    sentence: str,
    logged_errors: Sequence[LoggedError],
    evidence: Iterable[Evidence] = (),
    *,
    procedure: Procedure | None,
    **more: Any,
) -> Cause:
    """A cause at the database or the cache, with what services say of it as evidence. ``more``: other fields."""
    reading = reading_of(situation.fact(RecentErrors))
    spoken = [
        Evidence(f'{each.service or "a service"} says: "{each.message.line}"', reading) for each in logged_errors[:2]
    ]
    made = Cause(
        name=f"{kind}-{name}",
        place=kind,
        subject=store.name,
        sentence=sentence,
        evidence=(*evidence, *spoken),
        procedure=procedure,
        since=min((each.first for each in logged_errors), default=None),
    )
    return replace(made, **{key: value for key, value in more.items() if key != "since" or value is not None})
