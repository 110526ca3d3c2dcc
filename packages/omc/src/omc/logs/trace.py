"""One request through all that logged it: the services' log groups, and the load balancer's access logs in S3."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import OmcError, WrongUse
from omc.facts.access_logs import HOW_TO_HAVE_THEM, INTERVAL, lines_of, objects_of, sources_of
from omc.facts.log_groups import expected
from omc.logs.files import moment_in
from omc.logs.insights import ask, events_of
from omc.logs.model import Answer, LogEvent, Span

OBJECTS: Final = frozenset({("s3", "GetObject")})
"""What may be sent beside reads: the load balancer's own access logs are objects."""
MOST_FILES: Final = 300
MOST_BYTES: Final = 500_000_000
"""Of access logs that one command reads, as they lie in S3."""
AFTER: Final = timedelta(hours=1)
"""How long after a request is looked, where its id says when that was."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/@-]{5,199}")
_TRACE = re.compile(r"1-(?P<seconds>[0-9a-f]{8})-[0-9a-f]{24}")
_WITHOUT = ("/flow", "/performance", "/record")
"""Ends of the names of log groups in which no request is told of."""


@dataclass(frozen=True, slots=True)
class Trace:
    """All that was found of one request, in the order of time."""

    request: str
    span: Span
    events: tuple[LogEvent, ...]
    answer: Answer


def request_id(text: str) -> str:
    """The id in what people paste: an ``X-Amzn-Trace-Id`` header's value, its Root, or an id of the application's."""
    plain = text.strip().strip('"')
    root = re.search(r"(?:^|;|\s)(?:Root|Self)=([^;\s]+)", plain)
    plain = root[1] if root else plain.rpartition(": ")[2]
    if not _ID.fullmatch(plain):
        raise WrongUse(f'"{text}" is no request id: 6 to 200 letters, digits and . _ : + / @ - are.')
    return plain


def span_of_id(request: str) -> Span | None:
    """When a request was, by an id of the load balancer's, which begins with it; None of any other id."""
    found = _TRACE.fullmatch(request)
    if found is None:
        return None
    at = datetime.fromtimestamp(int(found["seconds"], 16), UTC)
    return Span(at - INTERVAL, at + AFTER)


def groups_with_requests(environment: Environment) -> tuple[str, ...]:
    """The environment's log groups in which requests may be told of."""
    return tuple(name for name in expected(environment) if not name.endswith(_WITHOUT))


def read_trace(
    aws: Gateway, environment: Environment, request: str, span: Span, patience: float, report: Callable[[str], None]
) -> Trace:
    """What the log groups and the load balancer's access logs hold of a request."""
    query = (
        f'fields @timestamp, @message, @logStream, @log | filter @message like "{request}" '
        "| sort @timestamp asc | limit 1000"
    )
    answer = ask(aws, groups_with_requests(environment), query, span, patience=patience, report=report)
    found = events_of(answer)
    gaps = list(answer.gaps)
    try:
        for event in _access_log_lines(aws, environment, request, span, gaps, report):
            found.append(event)
    except OmcError as error:
        gaps.append(f"The load balancer's access logs couldn't be read: {error.message}")
    found.sort(key=lambda event: event.at or span.begin)
    kept = Answer((), answer.matched, answer.scanned, answer.bytes_scanned, (), tuple(gaps))
    return Trace(request, span, tuple(found), kept)


def _access_log_lines(
    aws: Gateway, environment: Environment, request: str, span: Span, gaps: list[str], report: Callable[[str], None]
) -> Iterator[LogEvent]:
    sources = sources_of(aws, environment)
    if not sources:
        gaps.append("There is no load balancer of this environment, so no access log was read.")
    for source in sources:
        if not source.bucket:
            gaps.append(
                f"The load balancer {source.name} writes no access logs, so what it did isn't known. To have them: "
                f"{HOW_TO_HAVE_THEM}."
            )
            continue
        found = objects_of(aws, source, span.begin, span.end, most=MOST_FILES, most_bytes=MOST_BYTES)
        if not found.is_whole:
            gaps.append(
                f"Of {found.there} access logs of {source.name} the first {len(found.chosen)} were read. Choose a "
                "shorter period."
            )
        for at, each in enumerate(found.chosen, 1):
            report(f"access log {at} of {len(found.chosen)}")
            for line in lines_of(aws, source.bucket, each.key):
                if request in line:
                    yield LogEvent(moment_in(line), f"load balancer {source.name}", each.key.rpartition("/")[2], line)
