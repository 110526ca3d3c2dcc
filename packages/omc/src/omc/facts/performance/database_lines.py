"""What the database's own log says of slow statements, their plans and vacuuming, in both periods.

PostgreSQL writes them only where its parameters say so (``log_min_duration_statement``, ``auto_explain``,
``log_autovacuum_min_duration``), and RDS exports its log only where ``enabled_cloudwatch_logs_exports`` has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.stores import database_log_group
from omc.errors import NotFound, OmcError
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import within
from omc.facts.followup.database_log import Vacuum, vacuums_of
from omc.facts.followup.insights import moment_of, query
from omc.facts.scope import Scope
from omc.model.week_change import shift_of
from omc.redaction import mask

BUDGET = 20.0
MOST_LINES = 10_000
"""What Logs Insights gives in one answer."""
QUERY = f"""fields @timestamp, @message
| filter @message like /duration: [0-9.]+ ms +(statement|execute|parse|bind|plan)|automatic (aggressive )?vacuum/
| sort @timestamp desc | limit {MOST_LINES}"""
STATEMENT = 200
_SLOW = re.compile(r"duration: (?P<ms>[\d.]+) ms\s+(?P<kind>statement|execute|parse|bind|plan)(?: [^:\n]{0,80})?:\s*")
_COSTS = re.compile(r"\s+\((?:cost|actual|rows|never executed)\b")
"""What follows a node of a plan: ``Seq Scan on coins  (cost=0.00..35.50 …)``."""
_QUERY_TEXT = "Query Text:"
_VALUES = (
    (re.compile(r"'(?:[^']|'')*(?:'|\Z)"), "?"),
    (re.compile(r"\$\d+"), "?"),
    (re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\b"), "?"),
    (re.compile(r"\s+"), " "),
    (re.compile(r"\( ?\?(?: ?, ?\?)+ ?\)"), "(?, …)"),
)


@dataclass(frozen=True, slots=True)
class SlowGroup:
    """Slow statements that are the same but for their values."""

    shape: str
    count: int
    total: float
    """Seconds, all together."""
    longest: float
    last: datetime
    plans: frozenset[str] = frozenset()
    """Shapes of the plans that were logged for it: nodes with what they read, without costs."""


@dataclass(frozen=True, slots=True)
class DatabaseLines:
    now: tuple[SlowGroup, ...] = ()
    """The longest altogether first."""
    before: tuple[SlowGroup, ...] | None = None
    """None: not known."""
    why_not_before: str = ""
    vacuums: tuple[Vacuum, ...] = ()
    exists: bool = True
    """Whether RDS exports the log."""
    is_cut: bool = False
    """There are more lines than one answer holds: the newest of them were read."""
    reading: Reading = NO_READING


@reads
def read_database_lines(aws: Gateway, environment: Environment, scope: Scope) -> DatabaseLines:
    """Two queries of the log group that RDS exports it to, side by side."""
    group = database_log_group(environment)
    if not group:
        return DatabaseLines(exists=False)
    begin = scope.now - scope.since
    earlier = begin - shift_of(scope.since)

    def lines(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
        rows = query(aws, group, QUERY, first, last)
        dated = [(moment_of(row.get("@timestamp", "")), row.get("@message", "")) for row in rows]
        return [(at, message) for at, message in dated if at]

    def ask(period: tuple[datetime, datetime]) -> list[tuple[datetime, str]] | OmcError:
        try:
            return lines(*period)
        except OmcError as error:
            return error

    def read() -> DatabaseLines:
        now, before = parallel_map(ask, [(begin, scope.now), (earlier, earlier + scope.since)])
        if isinstance(now, NotFound):
            return DatabaseLines(exists=False)
        if isinstance(now, OmcError):
            raise now
        is_cut = len(now) >= MOST_LINES
        found = DatabaseLines(slow_groups(now), vacuums=vacuums_of(now), is_cut=is_cut)
        if isinstance(before, OmcError):
            return DatabaseLines(found.now, None, before.message, found.vacuums, is_cut=is_cut)
        return DatabaseLines(found.now, slow_groups(before), "", found.vacuums, is_cut=is_cut)

    return within(BUDGET, "the database's own log of both weeks", read)


@dataclass(slots=True)
class _Sum:
    count: int = 0
    total: float = 0.0
    longest: float = 0.0
    last: datetime | None = None
    plans: set[str] = field(default_factory=set)


def slow_groups(lines: Iterable[tuple[datetime, str]]) -> tuple[SlowGroup, ...]:
    """Of log lines: statements grouped by what they are without their values."""
    sums: dict[str, _Sum] = {}
    for at, message in lines:
        if not (match := _SLOW.search(message)):
            continue
        rest, is_plan = message[match.end() :], match["kind"] == "plan"
        if is_plan:
            text, nodes = _plan(rest)
            if text and nodes:
                sums.setdefault(fingerprint(text), _Sum()).plans.add(" > ".join(nodes))
            continue  # the same statement stands in a line of its own
        entry = sums.setdefault(fingerprint(rest), _Sum())
        seconds = float(match["ms"]) / 1000
        entry.count, entry.total = entry.count + 1, entry.total + seconds
        entry.longest = max(entry.longest, seconds)
        entry.last = max(entry.last or at, at)
    found = [
        SlowGroup(shape, each.count, each.total, each.longest, each.last, frozenset(each.plans))
        for shape, each in sums.items()
        if each.last
    ]
    return tuple(sorted(found, key=lambda group: -group.total))


def _plan(message: str) -> tuple[str, list[str]]:
    """Of what auto_explain logs: the statement, and the plan's nodes without costs."""
    statement: list[str] = []
    nodes: list[str] = []
    for line in message.partition(_QUERY_TEXT)[2].splitlines():
        if costs := _COSTS.search(line):
            nodes.append(line[: costs.start()].strip().removeprefix("->").strip())
        elif not nodes:
            statement.append(line)
    return "\n".join(statement), nodes


def fingerprint(statement: str) -> str:
    """A statement without its values, on one line."""
    shape = statement.strip()[:4000]
    for pattern, placeholder in _VALUES:
        shape = pattern.sub(placeholder, shape)
    return mask(shape.strip())[:STATEMENT]


def by_shape(groups: Iterable[SlowGroup]) -> Mapping[str, SlowGroup]:
    return {group.shape: group for group in groups}
