"""What HAProxy's log says about requests, as the metrics of AWS/ApplicationELB.

Every request is one sample with its own response time, so percentiles are true. A count that is zero isn't published,
and an idle load balancer publishes nothing here, as in AWS.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from localcloud.services.elbv2.configuration import LOG_FIELDS

NAMESPACE = "AWS/ApplicationELB"


@dataclass(frozen=True, slots=True)
class Request:
    """One line of HAProxy's log."""

    balancer: str
    group: str
    """The target group's backend name; the frontend's where no rule forwarded."""
    chosen: bool
    """A target was chosen."""
    status: int
    response_seconds: float | None
    from_target: bool
    kind: str
    """``fixed``, ``redirect`` or empty."""
    bytes: int
    failed_to_connect: bool = False
    """The target was silent for as long as the load balancer waits for a connection."""
    uploaded: int = 0
    client: tuple[str, int] = ("", 0)
    """Where the client connected from, and below where it connected to (real addresses) and the listener's port."""
    own: str = ""
    listener: int = 0
    server: str = ""
    """The target's name in HAProxy, and below the port from which it was connected to; 0 where it wasn't."""
    source_port: int = 0
    began: float = 0.0
    """Seconds since 1970 at which its headers were there, and below the time from its first byte to its end."""
    total_seconds: float = 0.0
    dispatch_seconds: float = 0.0
    """From its headers until the target was connected to."""
    method: str = ""
    version: str = ""
    tls: str = ""
    cipher: str = ""
    rule: int = 0
    """The listener rule's number; 0 where none was tried."""
    path: str = ""
    """With the query."""
    host: str = ""
    agent: str = ""
    trace: str = ""
    location: str = ""
    """Where a redirect leads to."""


def parse(line: str) -> Request | None:
    """``None`` for what isn't one of our lines."""
    fields = line.strip().split("|")
    if len(fields) != len(LOG_FIELDS):
        return None
    record = dict(zip(LOG_FIELDS, fields, strict=True))
    milliseconds = _number(record["response_ms"])
    from_target = record["from_target"] == "1"
    return Request(
        balancer=record["balancer"],
        group=record["backend"],
        chosen=record["server"] not in ("<NOSRV>", "-", ""),
        status=_number(record["status"]),
        response_seconds=milliseconds / 1000 if from_target and milliseconds >= 0 else None,
        from_target=from_target,
        kind=record["kind"].strip("-"),
        bytes=max(0, _number(record["bytes"])),
        failed_to_connect=record["termination"] == "sC",
        uploaded=max(0, _number(record["uploaded"])),
        client=(record["client_address"], max(0, _number(record["client_port"]))),
        own=record["own_address"],
        listener=max(0, _number(record["frontend"].removeprefix("l-").rstrip("~"))),
        server=record["server"],
        source_port=max(0, _number(record["source_port"])),
        began=max(0, _number(record["began"])) / 1000,
        total_seconds=max(0, _number(record["total_ms"])) / 1000,
        dispatch_seconds=sum(max(0, _number(record[each])) for each in ("queue_ms", "connect_ms")) / 1000,
        rule=max(0, _number(record["rule"])),
        **{name: _plain(record[name]) for name in ("method", "version", "tls", "cipher")},
        **{name: _text(record[name]) for name in ("path", "host", "agent", "trace", "location")},
    )


def names(request: Request) -> Iterator[tuple[str, bool]]:
    """The counts that a request adds one to, and whether they exist per target group too."""
    if request.chosen:
        yield "RequestCount", True
    family = request.status // 100
    if request.from_target and 2 <= family <= 5:
        yield f"HTTPCode_Target_{family}XX_Count", True
    elif not request.from_target and 3 <= family <= 5:
        yield f"HTTPCode_ELB_{family}XX_Count", False
        if request.status in (500, 502, 503, 504):
            yield f"HTTPCode_ELB_{request.status}_Count", False
        if request.chosen and (request.status == 502 or request.failed_to_connect):
            yield "TargetConnectionErrorCount", True
    if request.kind == "redirect":
        yield "HTTP_Redirect_Count", False
    if request.kind == "fixed":
        yield "HTTP_Fixed_Response_Count", False


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one metric: for a load balancer, and for one of its target groups where ``group`` is given."""

    name: str
    balancer: str
    group: str
    unit: str
    values: list[float]


def series(requests: Iterable[Request]) -> list[Series]:
    """Every metric that these requests make."""
    found: dict[tuple[str, str, str], Series] = {}

    def add(name: str, request: Request, value: float, unit: str, per_group: bool) -> None:
        for group in ("", request.group) if per_group else ("",):
            key = (name, request.balancer, group)
            found.setdefault(key, Series(name, request.balancer, group, unit, [])).values.append(value)

    for request in requests:
        for name, per_group in names(request):
            add(name, request, 1.0, "Count", per_group)
        if request.response_seconds is not None:
            add("TargetResponseTime", request, request.response_seconds, "Seconds", True)
        add("ProcessedBytes", request, float(request.bytes), "Bytes", False)
    return list(found.values())


def _plain(text: str) -> str:
    return "" if text in ("-", "<BADREQ>") else text


def _text(encoded: str) -> str:
    """What a client said, from base64."""
    try:
        return b64decode(_plain(encoded)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _number(text: str) -> int:
    try:
        return int(text.lstrip("+"))
    except ValueError:
        return -1
