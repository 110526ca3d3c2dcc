"""One request through all that logged it: the services' log groups, and the load balancer's access logs in S3."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zlib import MAX_WBITS, decompressobj
from zlib import error as zlib_error

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound, OmcError, WrongUse
from omc.facts.log_groups import expected
from omc.logs.files import moment_in
from omc.logs.insights import ask, events_of
from omc.logs.model import Answer, LogEvent, Span
from omc.logs.talkers import number

OBJECTS: Final = frozenset({("s3", "GetObject")})
"""What may be sent beside reads: the load balancer's own access logs are objects."""
MOST_FILES: Final = 300
MOST_BYTES: Final = 500_000_000
"""Of access logs that one command reads, as they lie in S3."""
INTERVAL: Final = timedelta(minutes=5)
"""An access log holds so much time; its name says when it ends."""
AFTER: Final = timedelta(hours=1)
"""How long after a request is looked, where its id says when that was."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/@-]{5,199}")
_TRACE = re.compile(r"1-(?P<seconds>[0-9a-f]{8})-[0-9a-f]{24}")
_NAME = re.compile(r"_elasticloadbalancing_[a-z0-9-]+_(?P<balancer>[^_/]+)_(?P<end>\d{8}T\d{4}Z)_[^/]+\.log\.gz$")
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
    balancers = _balancers(aws, environment)
    if not balancers:
        gaps.append("There is no load balancer of this environment, so no access log was read.")
    for record in balancers:
        arn, name = str(record["LoadBalancerArn"]), str(record["LoadBalancerName"])
        attributes = _attributes(aws, arn)
        if attributes.get("access_logs.s3.enabled") != "true":
            gaps.append(
                f"The load balancer {name} writes no access logs, so what it did isn't known. To have them: the block "
                "access_logs of aws_lb, in the Terraform's module load-balancer."
            )
            continue
        bucket = attributes["access_logs.s3.bucket"]
        files, is_whole = _files(aws, bucket, attributes.get("access_logs.s3.prefix", ""), arn, span)
        if not is_whole:
            gaps.append(f"Only {MOST_FILES} access logs of {name} were read. Choose a shorter period.")
        for at, key in enumerate(files):
            report(f"access log {at + 1} of {len(files)}")
            for line in _lines(aws, bucket, key):
                if request in line:
                    yield LogEvent(moment_in(line), f"load balancer {name}", key.rpartition("/")[2], line)


def _balancers(aws: Gateway, environment: Environment) -> list[Mapping[str, Any]]:
    elbv2 = aws.client("elbv2")
    if environment.load_balancer:
        try:
            return list(elbv2.describe_load_balancers(Names=[environment.load_balancer])["LoadBalancers"])
        except NotFound:
            return []
    pages = elbv2.get_paginator("describe_load_balancers").paginate()
    every = [record for page in pages for record in page["LoadBalancers"]]
    prefix = environment.prefix
    return [
        each
        for each in every
        if each["LoadBalancerName"] == prefix or each["LoadBalancerName"].startswith(f"{prefix}-")
    ]


def _attributes(aws: Gateway, arn: str) -> dict[str, str]:
    answer = aws.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=arn)
    return {str(each.get("Key")): str(each.get("Value", "")) for each in answer["Attributes"]}


def _files(aws: Gateway, bucket: str, prefix: str, arn: str, span: Span) -> tuple[list[str], bool]:
    """The keys of access logs whose time meets the span, and whether these are all."""
    _, _, _, region, account, resource = arn.split(":", 5)
    identity = resource.removeprefix("loadbalancer/").replace("/", ".")
    found: list[str] = []
    size = 0
    day = span.begin.date()
    while day <= (span.end + INTERVAL).date():
        folder = "/".join(
            part for part in (prefix, "AWSLogs", account, "elasticloadbalancing", region, f"{day:%Y/%m/%d}") if part
        )
        pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/")
        for record in (each for page in pages for each in page.get("Contents", ())):
            key = str(record.get("Key", ""))
            name = _NAME.search(key)
            if name is None or name["balancer"] != identity:
                continue
            end = datetime.strptime(name["end"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
            if end >= span.begin and end - INTERVAL <= span.end:
                size += number(record.get("Size"))
                if len(found) == MOST_FILES or size > MOST_BYTES:
                    return found, False
                found.append(key)
        day += timedelta(days=1)
    return found, True


def _lines(aws: Gateway, bucket: str, key: str) -> Iterator[str]:
    """The lines of a gzipped object, as they come; one that is damaged ends where it is."""
    body: Any = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    unpacked, rest = decompressobj(MAX_WBITS | 16), b""
    with body:
        for chunk in body.iter_chunks(65_536):
            try:
                *lines, rest = (rest + unpacked.decompress(chunk)).split(b"\n")
            except zlib_error:
                return
            yield from (line.decode("utf-8", "replace") for line in lines)
    if rest:
        yield rest.decode("utf-8", "replace")
