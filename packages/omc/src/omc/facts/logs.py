"""Errors in the services' logs, found by CloudWatch Logs Insights and grouped by the shape of their message."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import BadAnswer, NotFound, Unreachable
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.log_errors import ERROR_PATTERN, error_of, is_cut_off, is_rest_of_a_line, without_escapes
from omc.facts.log_shapes import fingerprint
from omc.facts.scope import Scope
from omc.redaction import mask

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

GROUPS_A_QUERY = 50
"""StartQuery takes so many log groups."""
ROWS = 10_000
"""The most that a query gives back."""
ERRORS_QUERY = f"""fields @timestamp, @message, @logStream, @log
| filter @message like /{ERROR_PATTERN}/
| sort @timestamp desc
| limit {ROWS}"""
PAUSE = timedelta(minutes=5)
"""The longest pause between two errors of a kind: what comes later is another occurrence of the trouble."""
TRACEBACK = "Traceback (most recent call last):"
"""How Python begins to report an exception; the lines that follow are log events of their own, and say which."""
FIRST_WAIT, LONGEST_WAIT, PATIENCE = 0.05, 1.0, 30.0
"""Seconds between looks at a running query: the first, the longest, and all together."""


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Errors of one shape in one log group."""

    log_group: str
    shape: str
    count: int
    first: datetime
    last: datetime
    sample: str
    """The newest, whole."""
    streams: int
    """Log streams, so tasks, that wrote it."""
    resumed: datetime | None = None
    """Since when it has come again and again, without a pause of five minutes; None where that isn't known."""


@dataclass(frozen=True, slots=True)
class RecentErrors:
    """Error lines of the services' log groups, most frequent first."""

    groups: tuple[ErrorGroup, ...]
    missing: tuple[str, ...] = ()
    """Log groups that don't exist."""
    matched: int = 0
    """Lines that matched, those beyond the newest 10,000 included."""
    scanned: int = 0
    """Lines looked at: none at all means that nothing was logged."""
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class _Answer:
    rows: Sequence[Mapping[str, str]]
    matched: int
    scanned: int
    missing: tuple[str, ...] = ()


@reads_in(4)
def read_recent_errors(aws: Gateway, environment: Environment, scope: Scope) -> RecentErrors:
    """One query for fifty log groups. A missing log group is reported, and doesn't hide the others' errors."""
    logs = aws.client("logs")
    begin, end = int((scope.now - scope.since).timestamp()), int(scope.now.timestamp()) + 1
    names = list(dict.fromkeys(service.log_group for service in environment.services))

    def ask(groups: Sequence[str]) -> _Answer:
        try:
            return _query(logs, groups, begin, end)
        except NotFound:
            if len(groups) == 1:
                return _Answer((), 0, 0, tuple(groups))
            return _together(parallel_map(ask, [[group] for group in groups]))

    answer = _together(parallel_map(ask, batches(names, GROUPS_A_QUERY)))
    return RecentErrors(group_errors(answer.rows), answer.missing, answer.matched, answer.scanned)


def group_errors(rows: Iterable[Mapping[str, str]]) -> tuple[ErrorGroup, ...]:
    """Insights' rows (``@timestamp``, ``@message``, ``@logStream``, ``@log``) by log group and shape, masked."""
    groups: dict[tuple[str, str], ErrorGroup] = {}
    streams: dict[tuple[str, str], set[str]] = {}
    times: dict[tuple[str, str], list[datetime]] = {}
    rows = [{**row, "@message": mask(without_escapes(row.get("@message", "")))} for row in rows]
    explained = {row.get("@logStream") for row in rows if row.get("@message", "").strip() != TRACEBACK}
    started = {_stream_and_second(row) for row in rows if is_cut_off(row.get("@message", ""))}
    for row in rows:
        message = row.get("@message", "")
        if message.strip() == TRACEBACK and row.get("@logStream") in explained:
            continue
        if is_rest_of_a_line(message) and _stream_and_second(row) in started:
            continue  # its beginning has been counted
        error = error_of(message)
        if error is None:
            continue
        key = (row.get("@log", "").partition(":")[2] or row.get("@log", ""), fingerprint(error))
        at = _moment(row["@timestamp"])
        times.setdefault(key, []).append(at)
        streams.setdefault(key, set()).add(row.get("@logStream", ""))
        known = groups.get(key)
        if known is None:
            groups[key] = ErrorGroup(key[0], key[1], 1, at, at, row["@message"].strip(), 1)
        else:
            groups[key] = replace(
                known,
                count=known.count + 1,
                first=min(at, known.first),
                last=max(at, known.last),
                sample=row["@message"].strip() if at > known.last else known.sample,
            )
    counted = (replace(group, streams=len(streams[key]), resumed=_resumed(times[key])) for key, group in groups.items())
    return tuple(sorted(counted, key=lambda group: (-group.count, group.log_group, group.shape)))


def _resumed(times: list[datetime]) -> datetime:
    newest_first = sorted(times, reverse=True)
    started = newest_first[0]
    for at in newest_first:
        if started - at > PAUSE:
            break
        started = at
    return started


def _stream_and_second(row: Mapping[str, str]) -> tuple[str, str]:
    return row.get("@logStream", ""), row.get("@timestamp", "")[:19]


def _query(logs: CloudWatchLogsClient, groups: Sequence[str], begin: int, end: int) -> _Answer:
    query = logs.start_query(logGroupNames=list(groups), startTime=begin, endTime=end, queryString=ERRORS_QUERY)
    started, wait = time.monotonic(), FIRST_WAIT
    while True:
        time.sleep(wait)
        wait = min(wait * 1.6, LONGEST_WAIT)
        payload: Any = logs.get_query_results(queryId=query["queryId"])
        if payload["status"] == "Complete":
            statistics = payload.get("statistics", {})
            rows = [{field["field"]: field["value"] for field in row} for row in payload["results"]]
            matched = int(statistics.get("recordsMatched", len(rows)))
            return _Answer(rows, max(matched, len(rows)), int(statistics.get("recordsScanned", len(rows))))
        if payload["status"] not in ("Scheduled", "Running"):
            raise BadAnswer(
                f"The Logs Insights query for recent errors ended with status {payload['status']}. Try again."
            )
        if time.monotonic() - started > PATIENCE:
            logs.stop_query(queryId=query["queryId"])
            raise Unreachable(
                f"The Logs Insights query for recent errors hadn't finished after {PATIENCE:.0f} s and was stopped. "
                "Choose a shorter period: --since 1h"
            )


def _together(answers: Sequence[_Answer]) -> _Answer:
    return _Answer(
        rows=[row for answer in answers for row in answer.rows],
        matched=sum(answer.matched for answer in answers),
        scanned=sum(answer.scanned for answer in answers),
        missing=tuple(name for answer in answers for name in answer.missing),
    )


def _moment(text: str) -> datetime:
    """Insights' ``2026-11-23 12:00:00.000``, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
