"""The cache's slow log in both periods, and whether ElastiCache delivers it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import OmcError
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import within
from omc.facts.followup.insights import moment_of, query
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.model.week_change import shift_of

BUDGET = 15.0
MOST_LINES = 5_000
QUERY = f"fields @timestamp, @message | sort @timestamp desc | limit {MOST_LINES}"
SLOW_LOG = "slow-log"


@dataclass(frozen=True, slots=True)
class SlowCommands:
    """One command's entries of the slow log, all keys together: keys may be people's data and aren't kept."""

    command: str
    """``KEYS``, ``HGETALL`` …"""
    count: int
    longest: float
    """Milliseconds."""
    last: datetime


@dataclass(frozen=True, slots=True)
class CacheLines:
    now: tuple[SlowCommands, ...] = ()
    """The most entries first."""
    before: tuple[SlowCommands, ...] | None = None
    group: str = ""
    """The log group that it is delivered to; empty: to none."""
    status: str = ""
    """Of the delivery, as ElastiCache says it: ``active``, ``error`` …"""
    message: str = ""
    """What ElastiCache says of a delivery that doesn't work."""
    is_there: bool = True
    """There is a cache."""
    reading: Reading = NO_READING


@reads
def read_cache_lines(aws: Gateway, pending: Pending, scope: Scope) -> CacheLines:
    """Two queries, side by side; none where the slow log goes to no log group."""
    if pending.cache is None:
        return CacheLines(is_there=False)
    delivery = next((one for one in _deliveries(pending.cache) if one.get("LogType") == SLOW_LOG), {})
    group = ((delivery.get("DestinationDetails") or {}).get("CloudWatchLogsDetails") or {}).get("LogGroup", "")
    status, message = delivery.get("Status", ""), delivery.get("Message", "")
    if not group:
        return CacheLines(status=status, message=message)
    begin = scope.now - scope.since
    earlier = begin - shift_of(scope.since)

    def ask(period: tuple[datetime, datetime]) -> list[tuple[datetime, str]] | OmcError:
        try:
            rows = query(aws, group, QUERY, *period)
        except OmcError as error:
            return error
        dated = [(moment_of(row.get("@timestamp", "")), row.get("@message", "")) for row in rows]
        return [(at, text) for at, text in dated if at]

    def read() -> CacheLines:
        now, before = parallel_map(ask, [(begin, scope.now), (earlier, earlier + scope.since)])
        if isinstance(now, OmcError):
            raise now
        old = None if isinstance(before, OmcError) else slow_commands(before)
        return CacheLines(slow_commands(now), old, group, status, message)

    return within(BUDGET, "the cache's slow log of both weeks", read)


def _deliveries(cache: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return cache.get("LogDeliveryConfigurations") or ()


def slow_commands(lines: Iterable[tuple[datetime, str]]) -> tuple[SlowCommands, ...]:
    """Of log lines in JSON or in text. Source: ElastiCache user guide, Log delivery, contents of a slow log."""
    found: dict[str, SlowCommands] = {}
    for at, text in lines:
        parsed = _parsed(text)
        if parsed is None:
            continue
        command, milliseconds = parsed
        known = found.get(command)
        found[command] = SlowCommands(
            command,
            (known.count if known else 0) + 1,
            max(milliseconds, known.longest if known else 0.0),
            max(at, known.last) if known else at,
        )
    return tuple(sorted(found.values(), key=lambda one: -one.count))


def _parsed(text: str) -> tuple[str, float] | None:
    """The command's name and its milliseconds."""
    if text.lstrip().startswith("{"):
        try:
            record = json.loads(text)
            return str(record["Command"]).split()[0].upper(), float(record["Duration (us)"]) / 1000
        except (ValueError, KeyError, TypeError, IndexError):
            return None
    words = text.split()  # time, node, id, microseconds, command
    if len(words) < 5 or not words[3].isdigit():
        return None
    return words[4].upper(), int(words[3]) / 1000
