"""The same answers from exported files: nothing is asked of AWS."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from omc.errors import WrongUse
from omc.facts.log_errors import error_of
from omc.logs.duck import Tables, tables_of
from omc.logs.errors import errors_by_shape
from omc.logs.files import Kind, LogFile, events_in, is_whole
from omc.logs.model import Answer, LogEvent, Span, Statement, Talker
from omc.logs.portable import PortableQuery, portable_query
from omc.logs.reading import Errors
from omc.logs.statements import statements_by_shape
from omc.logs.talkers import talkers_of

MOST_EVENTS: Final = 200_000
"""Events that are held at a time, the newest."""
FAILED_REQUESTS: Final = 10_000
TIMES: Final = frozenset({"start", "end"})


def local_errors(files: Sequence[LogFile], span: Span | None) -> Errors:
    """The errors of log files by shape, and requests that a load balancer answered with 5xx."""
    _ensure(files, "errors", Kind.LINES, Kind.BALANCER)
    held: deque[LogEvent] = deque(maxlen=MOST_EVENTS)
    read = matched = 0
    gaps: list[str] = []
    for file in files:
        for event in _within(events_in(file, gaps) if file.kind is not Kind.BALANCER else (), span):
            read += 1
            if error_of(event.message) is not None:
                matched += 1
                held.append(event)
    balancers = [file for file in files if file.kind is Kind.BALANCER]
    if balancers:
        rows, unreadable = local_rows(portable_query("failed-requests"), balancers, span, FAILED_REQUESTS)
        read, matched = read + len(rows), matched + len(rows)
        held.extend(_failed(row, balancers[0].path.name) for row in rows)
        gaps += unreadable
    if matched > len(held):
        gaps.append(f"Of {matched:,} errors the last {len(held):,} were grouped. Choose a shorter period.")
    return Errors(errors_by_shape(held), Answer(matched=matched, scanned=read, gaps=tuple(gaps)))


def _failed(row: dict[str, object], name: str) -> LogEvent:
    try:
        at = datetime.fromisoformat(str(row["time"])).astimezone(UTC)
    except ValueError:
        at = None
    url = str(row["request_url"] or "").partition("?")[0]
    reason = f" ({row['error_reason']})" if row["error_reason"] not in (None, "", "-") else ""
    message = (
        f'ERROR "{row["request_verb"]} {url}" answered {row["elb_status_code"]}, the target {row["target_status_code"]}'
    )
    return LogEvent(at, name, str(row["target"] or ""), message + reason)


def local_talkers(files: Sequence[LogFile], span: Span | None, top: int) -> tuple[tuple[Talker, ...], Answer]:
    """Who talks most, of flow logs."""
    _ensure(files, "top-talkers", Kind.FLOW)
    rows, gaps = local_rows(portable_query("talkers"), files, span, top)
    return talkers_of(rows), Answer(gaps=tuple(gaps))


def local_statements(files: Sequence[LogFile], span: Span | None) -> tuple[tuple[Statement, ...], Answer]:
    """The slow statements of PostgreSQL's logs."""
    _ensure(files, "slow-queries", Kind.LINES)
    gaps: list[str] = []
    events = (event for file in files for event in _within(events_in(file, gaps), span))
    return statements_by_shape(events), Answer(gaps=tuple(gaps))


def local_trace(files: Sequence[LogFile], request: str, span: Span | None) -> tuple[tuple[LogEvent, ...], Answer]:
    """The lines of a request, of log files and access logs, in the order of time."""
    _ensure(files, "trace", Kind.LINES, Kind.BALANCER)
    gaps: list[str] = []
    found = [event for file in files for event in _within(events_in(file, gaps), span) if request in event.message]
    beginning = datetime(1970, 1, 1, tzinfo=UTC)
    return tuple(sorted(found, key=lambda event: event.at or beginning)), Answer(gaps=tuple(gaps))


def local_rows(
    query: PortableQuery, files: Sequence[LogFile], span: Span | None, limit: int, trace: str = ""
) -> tuple[list[dict[str, object]], list[str]]:
    """The rows of a query, and what was left out, in sentences."""
    _ensure(files, query.name, Kind.FLOW if query.table == "flow" else Kind.BALANCER)
    damaged: list[LogFile] = []
    try:
        rows, tables = _asked(query, files, span, limit, trace)
    except WrongUse:
        damaged = [file for file in files if not is_whole(file)]  # looked at only now: it reads all of them
        whole = [file for file in files if file not in damaged]
        if not damaged or not whole:
            raise
        rows, tables = _asked(query, whole, span, limit, trace)
    unreadable = tables.unreadable
    gaps = [f"{file.path} is cut off or damaged: nothing of it was counted." for file in damaged]
    if unreadable:
        gaps.append(f"{unreadable:,} lines aren't what the format says and were left out.")
    if span is not None and (timeless := [path.name for path, held in tables.fields.items() if not TIMES & held]):
        gaps.append(f"{', '.join(timeless)}: without start and end, so that all of it was counted whatever its time.")
    return rows, gaps


def _asked(
    query: PortableQuery, files: Sequence[LogFile], span: Span | None, limit: int, trace: str
) -> tuple[list[dict[str, object]], Tables]:
    with tables_of(files) as tables:
        _ensure_fields(query, tables)
        return tables.rows(query.sql(span, limit, trace)), tables


def _ensure_fields(query: PortableQuery, tables: Tables) -> None:
    """What the query chooses by has to be there, or nothing would be found for want of it."""
    for path, held in tables.fields.items():
        lacking = [name for name in query.needs if name not in held]
        if lacking:
            has = ", ".join(sorted(held)) or "none that omc knows"
            raise WrongUse(f"{path} has no field {' and '.join(lacking)}, which {query.name} needs. It has: {has}.")


def _within(events: Iterable[LogEvent], span: Span | None) -> Iterator[LogEvent]:
    """Those of the time; a line without one has the time of the line before it."""
    last: datetime | None = None
    for event in events:
        last = event.at or last
        if span is None or last is None or span.begin <= last < span.end:
            yield event


def _ensure(files: Sequence[LogFile], what: str, *kinds: Kind) -> None:
    for file in files:
        if file.kind not in kinds and not (file.kind is Kind.NO_TEXT and Kind.LINES in kinds):
            raise WrongUse(
                f"{file.path} looks like a file of {file.kind}, but {what} reads {' or '.join(kinds)}. "
                "A flow log in a format of its own without a header line needs --flow-format."
            )
