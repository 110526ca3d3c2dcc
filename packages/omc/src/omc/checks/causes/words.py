"""What a line of a log says went wrong, as a kind and the thing that it names. Tables over the wordings of libpq,
PostgreSQL, Redis, Python, Node, Java and Go."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from omc.facts.log_errors import error_of, is_below_error

ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|"
    r"[\x00-\x08\x0b-\x1f\x7f]"
)
"""Terminal escapes and control characters."""


class Kind(StrEnum):
    """What went wrong, the more telling kinds first: a task that says several things failed because of the first."""

    HOST = "host"
    """A name that can't be resolved."""
    CONNECTIONS = "connections"
    """The server takes no further connection."""
    LIMIT = "connection-limit"
    """A role or a database may have no further connection."""
    PASSWORD = "password"  # noqa: S105 - a kind of trouble
    CERTIFICATE = "certificate"
    STARTING = "starting"
    """The server starts, stops or recovers."""
    READ_ONLY = "read-only"
    """The server takes reads only: it is a replica, or was one just now."""
    LOCK = "lock"
    """A statement waited too long for a lock, or for anything."""
    FULL = "full"
    """A cache that may evict nothing more."""
    WRAPAROUND = "wraparound"
    """The database gives out no transaction ids any more: the oldest rows would be taken for the newest."""
    DISK = "disk"
    MEMORY = "memory"
    NAME = "database-name"
    """The server has no database of that name."""
    SCHEMA = "schema"
    PERMISSION = "permission"
    SETTINGS = "settings"
    MODULE = "module"
    PORT = "port"
    THROTTLED = "throttled"
    """AWS answers that there are too many requests."""
    REFUSED = "refused"
    """Nobody listens there."""
    TIMEOUT = "timeout"
    """No answer at all."""
    RESET = "reset"
    """An open connection was ended by the other side."""
    POOL = "pool"
    """No connection of its own pool came free: something else keeps those busy."""


@dataclass(frozen=True, slots=True)
class ReportedError:
    """What one line says."""

    kind: Kind
    what: str
    """The host, user, module, table … that it names; else empty."""
    line: str
    """What the line says, without its frame and escapes, in one piece."""
    host: str = ""
    """The address or name of the server that it is about; else empty."""
    port: int = 0


_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            Kind.HOST,
            r"(?:could not|couldn't|failed to|cannot|can't|unable to) (?:resolve|"
            r"translate)(?: the)?(?: host ?name| host)?:? [\"'«]?(?P<what>[\w.-]+\w)",
        ),
        (Kind.HOST, r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (?P<what>[\w.-]+\w)"),
        (Kind.HOST, r"lookup (?P<what>[\w.-]+\w)(?: on \S+)?: no such host"),
        (Kind.HOST, r"UnknownHost(?:Exception)?: (?P<what>[\w.-]+\w)"),
        (Kind.HOST, r"host='(?P<what>[\w.-]+\w)'.{0,200}(?:NameResolutionError|Name or service not known)"),
        (
            Kind.HOST,
            r"connecting to (?P<what>[\w.-]+\w):\d+\. (?:Name or service not known|"
            r"Temporary failure in name)",
        ),
        (
            Kind.HOST,
            r"Name or service not known|Temporary failure in name resolution|nodename nor servname|"
            r"NXDOMAIN",
        ),
        (
            Kind.THROTTLED,
            r"\b(?P<what>(?:Request)?Throttl(?:ing|ed)(?:Request)?Exception|RequestLimitExceeded|"
            r"ProvisionedThroughputExceededException|TooManyRequestsException)\b|"
            r"(?P<what2>SlowDown)\b.{0,80}reduce your request rate|\bThrottling: Rate exceeded",
        ),
        (Kind.LIMIT, r"too many connections for (?P<what>(?:role|database) [\"'][^\"']+[\"'])"),
        (
            Kind.CONNECTIONS,
            r"too many clients already|remaining connection slots are reserved|too many connections|"
            r"max number of clients reached",
        ),
        (
            Kind.PASSWORD,
            r"(?:password|SASL|SCRAM) authentication failed(?: for user [\"'](?P<what>[\w.@-]+)[\"'])?|"
            r"WRONGPASS|\bNOAUTH\b|no pg_hba\.conf entry|invalid username-password pair",
        ),
        (Kind.PASSWORD, r"role \"(?P<what>[\w.@-]+)\" (?:does not exist|is not permitted to log in)"),
        (
            Kind.CERTIFICATE,
            r"certificate verify failed|certificate has expired|self[- ]signed certificate|unknown ca\b|"
            r"hostname mismatch|x509:",
        ),
        (
            Kind.STARTING,
            r"database system is (?:starting up|shutting down|in recovery mode|"
            r"not yet accepting connections|not accepting connections)|\bLOADING Redis\b",
        ),
        (Kind.WRAPAROUND, r"to avoid wraparound data loss"),
        (Kind.READ_ONLY, r"read-only transaction|\bREADONLY You can't write"),
        (
            Kind.LOCK,
            r"canceling statement due to (?:lock|statement) timeout|deadlock detected|"
            r"could not obtain lock|lock wait timeout",
        ),
        (Kind.FULL, r"\bOOM command not allowed"),
        (
            Kind.DISK,
            r"No space left on device|could not (?:extend|write to) file|disk (?:is )?full|\bENOSPC\b",
        ),
        (
            Kind.MEMORY,
            r"\bMemoryError\b|heap out of memory|OutOfMemory|Cannot allocate memory|\bout of memory\b",
        ),
        (Kind.NAME, r"database [\"'](?P<what>[\w.-]+)[\"'] does not exist"),
        (
            Kind.SCHEMA,
            r"(?:relation|table|column|type|function) [\"'](?P<what>[\w.]+)[\"'].{0,80} does not exist|"
            r"UndefinedTable|UndefinedColumn|no schema yet|the schema is at version",
        ),
        (
            Kind.PERMISSION,
            r"permission denied(?: for (?:table|schema|sequence|database|relation) (?P<what>[\w.]+))?|"
            r"is not authorized to perform:? (?P<what2>[\w:]+)",
        ),
        (
            Kind.SETTINGS,
            r"\b(?P<what>[A-Z][A-Z0-9_]{2,60}) (?:is not set|is missing|is required|must be set|"
            r"environment variable)|"
            r"missing (?:required )?(?:environment )?variable:? [\"']?(?P<what2>[A-Z][A-Z0-9_]{2,60})|"
            r"KeyError: '(?P<what3>[A-Z][A-Z0-9_]{2,60})'",
        ),
        (Kind.SETTINGS, r"\b(?P<what>[A-Z][A-Z0-9]{0,30}_[A-Z0-9_]{2,60}) is (?:not|['\"]|invalid|\d)"),
        (
            Kind.MODULE,
            r"No module named [\"']?(?P<what>[\w.]+)|Cannot find module [\"'](?P<what2>[^\"']+)|"
            r"ClassNotFoundException: (?P<what3>[\w.$]+)|cannot import name [\"'](?P<what4>\w+)",
        ),
        (Kind.PORT, r"address (?:already )?in use|EADDRINUSE"),
        (Kind.REFUSED, r"connection refused|ECONNREFUSED|actively refused"),
        (
            Kind.POOL,
            r"PoolTimeout|couldn't get a connection|pool .{0,40}(?:exhausted|has already|limit)|QueuePool limit",
        ),
        (
            Kind.TIMEOUT,
            r"timeout expired|timed? ?out|ETIMEDOUT|deadline exceeded|no route to host|host is unreachable",
        ),
        (
            Kind.RESET,
            r"server closed the connection|connection reset|connection (?:was )?closed by|"
            r"terminating connection|broken pipe|ECONNRESET|connection is (?:lost|closed)",
        ),
    )
)
_RANK = {kind: rank for rank, kind in enumerate(Kind)}
_SERVER = (
    re.compile(r"connection to server at \"(?P<host>[\w.:-]+)\"(?: \([\w.:]+\))?, port (?P<port>\d{1,5})\b"),
    re.compile(r"connection to (?:host |server )?[\"']?(?P<host>[\w.-]+)[\"']?(?::|, port )(?P<port>\d{2,5})"),
    re.compile(r"connecting to (?:server )?(?P<host>[\w.-]+):(?P<port>\d{2,5})"),
    re.compile(r"\bhost[=:] ?[\"']?(?P<host>[\w.-]+)[\"']?[, ]+port[=:] ?[\"']?(?P<port>\d{2,5})"),
    re.compile(r"\b(?:tcp )?(?P<host>(?:\d{1,3}\.){3}\d{1,3}|[\w-]+(?:\.[\w-]+){2,}):(?P<port>\d{2,5})\b"),
    re.compile(r"\('(?P<host>[\w.-]+)', (?P<port>\d{2,5})\)"),
    re.compile(r"https?://(?P<host>[\w.-]+)(?::(?P<port>\d{2,5}))?"),
)
_POSITION = re.compile(r"(?:\\n|\s)LINE \d+: .{0,400}?\^|(?:\\n|\s)LINE \d+: [^^]{0,400}$", re.DOTALL)
"""Where in a statement PostgreSQL found it: the statement again, and a mark below it."""
MAX_LENGTH = 220
"""Characters of a line that are repeated in a sentence."""


def reported_error(line: str) -> ReportedError | None:
    """What a line says went wrong; None where it says nothing of the kind."""
    text = " ".join(ESCAPES.sub("", error_of(line) or _message(line)).split())
    for kind, pattern in _PATTERNS:
        found = pattern.search(text)
        if found:
            what = next((value for value in found.groupdict().values() if value), "")
            host, port = _server(text)
            if kind is Kind.HOST and what:
                host = what
            return ReportedError(kind, what, shortened(text), host, port)
    return None


def most_telling(lines: Iterable[str]) -> ReportedError | None:
    """Of what a task said last: the line that says most, the newest of those that say as much. A line that calls itself
    a warning or less counts only if no other says anything: ``INFO SENTRY_DSN is not set`` ends no task."""
    telling = [(line, each) for line in lines if (each := reported_error(line))]
    found = [each for line, each in telling if not is_below_error(line)] or [each for _, each in telling]
    return min(reversed(found), key=lambda each: _RANK[each.kind], default=None)


def last_error(lines: Iterable[str]) -> str:
    """The last line that reports an error, else the last line that says anything; without its frame."""
    texts = [(line, error_of(line)) for line in lines if line.strip()]
    errors = [error for _, error in texts if error]
    if errors:
        return shortened(ESCAPES.sub("", errors[-1]))
    return shortened(ESCAPES.sub("", _message(texts[-1][0]))) if texts else ""


def shortened(text: str) -> str:
    flat = " ".join(_POSITION.sub("", text).split())
    return flat if len(flat) <= MAX_LENGTH else f"{flat[: MAX_LENGTH - 1]}…"


def _message(line: str) -> str:
    """Of a JSON line its message; else all of it."""
    if line.lstrip().startswith("{"):
        found = re.search(r'"(?:message|msg|event)"\s*:\s*"((?:[^"\\]|\\.)*)"', line)
        if found:
            return found[1].replace('\\"', '"').replace("\\n", " ").replace("\\\\", "\\")
    return line


def _server(text: str) -> tuple[str, int]:
    for pattern in _SERVER:
        if found := pattern.search(text):
            return found["host"], int(found["port"] or 0)
    return "", 0
