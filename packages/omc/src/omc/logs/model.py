"""What log lines come to, as plain values: errors by shape, statements by shape, talkers, what a query answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is looked at, UTC, begin included."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event of a log group, or one line of a file."""

    at: datetime | None
    """None where the line says no time."""
    source: str
    """The log group's name, or the file's."""
    stream: str
    message: str


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was deployed last to a service."""

    service: str
    revision: str
    """``family:revision``; empty where ECS has forgotten it."""
    at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """Errors that differ only in what changes from one to the next."""

    shape: str
    count: int
    first: datetime | None
    last: datetime | None
    sources: tuple[str, ...]
    """Services, or log groups and files that are no service's."""
    streams: int
    """Log streams, so tasks, that wrote it."""
    example: str
    """The newest, whole, masked."""
    is_new: bool | None = None
    """It came first after the last deployment of a service that wrote it; None where that isn't known."""
    since: Deployed | None = None
    """The deployment that ``is_new`` speaks of."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave, whole or in part."""

    rows: Sequence[Mapping[str, str]] = ()
    matched: int = 0
    scanned: int = 0
    """Log events looked at."""
    bytes_scanned: int = 0
    missing: tuple[str, ...] = ()
    """Log groups that don't exist."""
    gaps: tuple[str, ...] = ()
    """Why it isn't all, in sentences; empty where it is."""


@dataclass(frozen=True, slots=True)
class Statement:
    """Statements of a database that differ only in their values."""

    shape: str
    count: int
    total_ms: float
    longest_ms: float
    first: datetime | None
    last: datetime | None
    users: tuple[str, ...]
    example: str
    plan: str = ""
    """auto_explain's, of the longest one that has it."""


@dataclass(frozen=True, slots=True)
class Talker:
    """What went from one address to a port of another in a time. None, or an empty text: the flow log doesn't say."""

    source: str
    destination: str
    port: int | None
    protocol: str
    action: str
    bytes: int | None
    packets: int | None
    records: int
    names: Mapping[str, str] = field(default_factory=dict)
    """An address to what has it."""
