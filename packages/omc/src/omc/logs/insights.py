"""Logs Insights queries of any length: what one will look at, started, followed, stopped, given in part.

AWS's limits (CloudWatch Logs quotas): 50 log groups and 10,000 rows a query, an hour each, and so many at once in an
account; a query that finds no place is tried again. Whatever ends a query early stops it in AWS too, since it is paid
for by what it looks at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import BadAnswer, NotFound, OmcError, Throttled
from omc.logs.model import Answer, LogEvent, Span
from omc.times import format_duration

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

GROUPS_A_QUERY = 50
ROWS = 10_000
LIMIT = timedelta(minutes=60)
"""After which AWS ends a query by itself."""
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0
"""Seconds between two looks at a running query."""
PLACE_WAIT, PLACE_PATIENCE = 1.0, 60.0
"""Seconds between two tries to start one where too many run already, and all together."""
GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Extent:
    """What a query is about to look at."""

    bytes: int
    """Estimated from what each group holds and for how long: as if lines came evenly."""
    missing: tuple[str, ...] = ()
    """Log groups that don't exist."""


def extent_of(aws: Gateway, groups: Sequence[str], span: Span, now: datetime) -> Extent:
    """One call a log group."""
    logs = aws.client("logs")

    def look(name: str) -> float | None:
        answer = logs.describe_log_groups(logGroupNamePrefix=name)
        record = next((each for each in answer["logGroups"] if each.get("logGroupName") == name), None)
        return None if record is None else _share(record, span, now)

    shares = dict(zip(groups, parallel_map(look, groups), strict=True))
    return Extent(
        int(sum(share for share in shares.values() if share)),
        tuple(name for name, share in shares.items() if share is None),
    )


def _share(record: Mapping[str, Any], span: Span, now: datetime) -> float:
    """Bytes of a group's that fall into the span."""
    stored = float(record.get("storedBytes", 0))
    oldest = datetime.fromtimestamp(record.get("creationTime", 0) / 1000, UTC)
    if days := record.get("retentionInDays"):
        oldest = max(oldest, now - timedelta(days=days))
    held = (now - oldest).total_seconds()
    inside = (min(span.end, now) - max(span.begin, oldest)).total_seconds()
    return stored * max(0.0, min(1.0, inside / held)) if held > 0 else stored


def ask(
    aws: Gateway, groups: Sequence[str], text: str, span: Span, *, patience: float, report: Callable[[str], None]
) -> Answer:
    """The rows of a query over these log groups, in batches of fifty.

    A missing log group doesn't hide the others. Not all of it within ``patience`` seconds, or ended by AWS: what there
    is so far, with the reason in ``gaps``. Ctrl-C stops the query in AWS and is raised on.
    """
    deadline = time.monotonic() + patience

    def one(some: Sequence[str]) -> Answer:
        try:
            return _ask(aws.client("logs"), some, text, span, deadline, report)
        except NotFound:
            if len(some) == 1:
                return Answer(missing=tuple(some))
            return together(one([group]) for group in some)

    return together(one(some) for some in batches(list(groups), GROUPS_A_QUERY))


def together(answers: Iterable[Answer]) -> Answer:
    """Several answers as one."""
    every = list(answers)
    return Answer(
        rows=[row for answer in every for row in answer.rows],
        matched=sum(answer.matched for answer in every),
        scanned=sum(answer.scanned for answer in every),
        bytes_scanned=sum(answer.bytes_scanned for answer in every),
        missing=tuple(name for answer in every for name in answer.missing),
        gaps=tuple(dict.fromkeys(gap for answer in every for gap in answer.gaps)),
    )


def _ask(
    logs: CloudWatchLogsClient,
    groups: Sequence[str],
    text: str,
    span: Span,
    deadline: float,
    report: Callable[[str], None],
) -> Answer:
    identity = _start(logs, groups, text, span, report)
    is_over = False
    try:
        wait, began = FIRST_WAIT, time.monotonic()
        while True:
            time.sleep(wait)
            wait = min(wait * 1.6, LONGEST_WAIT)
            payload: Any = logs.get_query_results(queryId=identity)
            status = payload["status"]
            is_over = status not in ("Scheduled", "Running", "Unknown")
            if is_over:
                return _answer(payload, _why_cut(status))
            waited = format_duration(timedelta(seconds=time.monotonic() - began))
            report(f"the query: {status.lower()} for {waited}, {len(payload.get('results', ()))} rows so far")
            if time.monotonic() > deadline:
                return _answer(payload, f"The query was stopped after {waited}; these are the rows until then.")
    finally:
        if not is_over:
            with suppress(OmcError):  # it has just ended by itself, or AWS doesn't answer any more
                logs.stop_query(queryId=identity)


def _start(
    logs: CloudWatchLogsClient, groups: Sequence[str], text: str, span: Span, report: Callable[[str], None]
) -> str:
    began = time.monotonic()
    while True:
        try:
            started = logs.start_query(
                logGroupNames=list(groups),
                startTime=int(span.begin.timestamp()),
                endTime=int(span.end.timestamp()) + 1,
                queryString=text,
                limit=ROWS,
            )
            return started["queryId"]
        except Throttled:
            if time.monotonic() - began > PLACE_PATIENCE:
                raise
            report("a place among the account's running queries")
            time.sleep(PLACE_WAIT)


def _why_cut(status: str) -> str:
    if status == "Complete":
        return ""
    if status == "Timeout":
        return f"AWS ended the query at its limit of {format_duration(LIMIT)}. Choose a shorter period."
    if status == "Cancelled":
        return "Somebody else stopped the query."
    raise BadAnswer(f"The Logs Insights query ended with status {status}. Try again.")


def _answer(payload: Mapping[str, Any], gap: str) -> Answer:
    statistics = payload.get("statistics", {})
    rows = [{field["field"]: field["value"] for field in row if "value" in field} for row in payload["results"]]
    matched = max(int(statistics.get("recordsMatched", 0)), len(rows))
    gaps = [gap] if gap else []
    if len(rows) >= ROWS:
        gaps.append(f"Insights gives {ROWS:,} rows at most. Choose a shorter period, or count with stats.")
    return Answer(
        rows=rows,
        matched=matched,
        scanned=int(statistics.get("recordsScanned", 0)),
        bytes_scanned=int(statistics.get("bytesScanned", 0)),
        gaps=tuple(gaps),
    )


def events_of(answer: Answer) -> list[LogEvent]:
    """Rows with ``@timestamp``, ``@message``, ``@logStream`` and ``@log`` as events."""
    return [
        LogEvent(
            at=moment_of(row.get("@timestamp", "")),
            source=row.get("@log", "").partition(":")[2] or row.get("@log", ""),
            stream=row.get("@logStream", ""),
            message=row.get("@message", ""),
        )
        for row in answer.rows
    ]


def moment_of(text: str) -> datetime | None:
    """Insights gives a time as milliseconds since 1970, or as ``2026-11-23 12:00:00.000`` in UTC."""
    try:
        if text.replace(".", "", 1).isdigit():
            return datetime.fromtimestamp(float(text) / 1000, UTC)
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
