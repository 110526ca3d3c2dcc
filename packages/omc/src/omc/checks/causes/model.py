"""What a cause is, and what causes are looked for in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.config import Environment
from omc.config.stores import cache_name, database_name
from omc.facts.collector import NO_READING, Reading, Readings, Unavailable
from omc.facts.followup.data_stores import DataStores, Store
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.scope import Scope
from omc.times import format_duration, format_time

Fact = TypeVar("Fact")

LIVE = timedelta(minutes=2)
"""A log line older than this says nothing about the present."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong, and which findings it explains."""

    name: str
    """``image-not-pulled``: the check of the finding that it becomes."""
    place: str
    subject: str
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    level: Level = Level.FAIL
    procedure: Procedure | None = None
    since: datetime | None = None
    ended: datetime | None = None
    services: frozenset[str] | None = None
    """The services that suffer; None: any may."""
    spares_users: bool = False
    """Tasks run that serve: what users suffer comes from it only if nothing else explains it."""
    is_direct: bool = True
    """It was read as it is (a rule that is missing, a lock that is waited for), not concluded."""
    based_on: str = ""
    """The place of what it says it fails for: ``database``, ``cache``; empty: it doesn't say."""
    also: frozenset[str] = frozenset()
    """Places that suffer though they lie deeper."""
    about: tuple[str, ...] = ()
    """What identifies a cause that was found twice: the service, the kind of trouble, the thing."""
    heard: datetime | None = None
    """When it was last logged, for a cause known only from logs."""
    checks: frozenset[str] | None = None
    """It explains only findings of these checks; None: of any."""
    serves: bool = False
    """Its place keeps serving (a cache that was emptied, or is back): it explains only what is seen there, and the
    alarms that watch it."""
    yields: bool = False
    """It may be a coincidence: it takes only what no other cause explains, and isn't told where nothing is left."""
    doubts: tuple[str, ...] = ()
    """What speaks against it, in sentences."""


@dataclass(frozen=True)
class Situation:
    """The findings and the facts, with what several causes ask of them."""

    environment: Environment
    scope: Scope
    findings: tuple[Finding, ...]
    """All of them, also what is fine."""
    readings: Readings = field(default_factory=dict)

    @classmethod
    def of(cls, findings: Iterable[Finding], readings: Readings, provided: Mapping[type, Any]) -> Situation | None:
        """None where nothing says of which environment and moment these are."""
        environment, scope = provided.get(Environment), provided.get(Scope)
        if environment is None or scope is None:
            return None
        return cls(environment, scope, tuple(findings), readings)

    def fact(self, kind: type[Fact]) -> Fact | None:
        """None where it was not asked for, or could not be read."""
        value = self.readings.get(kind)
        return value if isinstance(value, kind) else None

    @cached_property
    def stores(self) -> DataStores:
        """The database and the cache; if they could not be read, only the names that omc.toml gives
        them."""
        named = DataStores(Store(database_name(self.environment), True), Store(cache_name(self.environment), True))
        return self.fact(DataStores) or named

    @property
    def unread(self) -> tuple[str, ...]:
        """Why facts of the second round are not here, in sentences."""
        requested = (value for kind, value in self.readings.items() if ".followup." in kind.__module__)
        return tuple(dict.fromkeys(value.error.message for value in requested if isinstance(value, Unavailable)))

    def when(self, at: datetime) -> str:
        return format_time(at, self.environment.time_zone)

    def ago(self, at: datetime) -> str:
        return f"{format_duration(self.scope.now - at)} ago"

    @cached_property
    def _writes(self) -> tuple[Write, ...]:
        found = self.fact(LastWrites)
        return found.writes if found else ()

    def changed(self, operations: Iterable[str], *things: str) -> Write | None:
        """The newest call of one of these operations that names one of the things; with no thing, the newest."""
        wanted = frozenset(operations)
        for write in self._writes:
            if write.operation in wanted and (not things or write.is_about(*things)):
                return write
        return None

    def service_changed(self, service: str) -> Write | None:
        """The newest change of the service, which CloudTrail has by ECS's name for it."""
        return self.changed(("UpdateService",), self.environment.in_ecs(service)[1])

    def by_whom(self, write: Write | None) -> tuple[Evidence, ...]:
        if write is None:
            return ()
        text = f"{write.operation} by {write.who}, {self.ago(write.at)} ({self.when(write.at)})"
        return (Evidence(text, reading_of(self.fact(LastWrites))),)


def reading_of(fact: Any) -> Reading:
    found = getattr(fact, "reading", NO_READING)
    return found if isinstance(found, Reading) else NO_READING
