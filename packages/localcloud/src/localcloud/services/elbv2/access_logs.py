"""Access logs: what each load balancer's front served, as AWS's lines, in gzipped files in the bucket that was named.

The entry's fields, the keys and the interval are those of the Application Load Balancer user guide, "Access logs". A
file is written for each of its addresses every five minutes, where anything came; ``POST /_localcloud/access-logs``
writes what there is at once. A file that the bucket doesn't take is lost, as AWS delivers on a best-effort basis.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from localcloud.core.network import Interface
from localcloud.front.policies import applies, statements
from localcloud.services.elbv2.configuration import server_of
from localcloud.services.elbv2.model import Balancer
from localcloud.services.elbv2.traffic import Request

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

ENABLED, BUCKET, PREFIX = (f"access_logs.s3.{name}" for name in ("enabled", "bucket", "prefix"))
INTERVAL = 300
"""Seconds of one file."""
MOST_LINES = 50_000
"""Of one address that wait; then a file is written before its time, as AWS may with much traffic."""
SERVICE = "logdelivery.elasticloadbalancing.amazonaws.com"
OLDER_ACCOUNTS = {"ap-southeast-2": "783225319266", "us-east-1": "127311923021", "eu-west-1": "156460612806"}
"""AWS's account that delivers in a region where a policy names no service ("Enable access logs", older regions)."""
TEST_FILE = "ELBAccessLogTestFile"
REASON = "-"

Waiting = dict[tuple[str, str], list[str]]
"""Lines by the load balancer's ARN and the address that served them."""


class AccessLogs:
    """Lines that wait for their file. Thread-safe; ``deliver`` takes the cloud's lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Waiting = {}
        self._until = _next_end(datetime.now(UTC))
        self.last_key = ""

    def dump(self) -> Waiting:
        with self._lock:
            return {key: list(lines) for key, lines in self._waiting.items()}

    def load(self, waiting: Waiting) -> None:
        with self._lock:
            self._waiting = {key: list(lines) for key, lines in waiting.items()}

    def served(
        self,
        requests: Iterable[Request],
        balancers: Sequence[Balancer],
        interfaces: Callable[[str], Sequence[Interface]],
        real: Callable[[str], str],
    ) -> None:
        """Take in what was served. ``real`` gives the address at which an address of the VPC listens."""
        logged = {each.dimension: each for each in balancers if each.logs_to}
        for request in requests:
            balancer = logged.get(request.balancer)
            if balancer is None:
                continue
            held = interfaces(request.balancer)
            own = next((each.address for each in held if real(each.address) == request.own), request.own)
            with self._lock:
                self._waiting.setdefault((balancer.arn, own), []).append(line(request, balancer))

    def deliver_if_due(self, cloud: Cloud, now: datetime) -> None:
        with self._lock:
            is_full = any(len(lines) >= MOST_LINES for lines in self._waiting.values())
            is_due = now >= self._until
        if is_due or is_full:
            self.deliver(cloud, self._until if is_due else now)

    def deliver(self, cloud: Cloud, end: datetime, arn: str = "") -> int:
        """Write the files of all load balancers, or of one, and say how many there were."""
        with self._lock:
            chosen = {key: lines for key, lines in self._waiting.items() if arn in ("", key[0])}
            self._waiting = {key: lines for key, lines in self._waiting.items() if key not in chosen}
            if not arn:
                self._until = _next_end(max(end, datetime.now(UTC)))
        written = 0
        for (balancer, address), lines in chosen.items():
            with cloud.lock:
                record = cloud.moto("elbv2").load_balancers.get(balancer)
                attributes = dict(record.attrs) if record else {}
            if str(attributes.get(ENABLED)).lower() == "true":
                key = key_of(attributes.get(PREFIX, ""), balancer, _minute(end), address)
                written += self._put(cloud, attributes.get(BUCKET, ""), key, "\n".join(lines) + "\n")
        return written

    def _put(self, cloud: Cloud, bucket: str, key: str, text: str) -> int:
        packed = gzip.compress(text.encode(), 6, mtime=0)
        with cloud.lock:
            if why := refusal(cloud, bucket, key):
                log.warning("the access log %s was not delivered: %s", key, why)
                return 0
            cloud.moto("s3", "aws").put_object(bucket, key, packed, disable_notification=True)
        self.last_key = key
        cloud.touch()
        return 1

    def status(self) -> dict[str, Any]:
        with self._lock:
            return {"waiting": sum(map(len, self._waiting.values())), "next": self._until, "last_key": self.last_key}


def key_of(prefix: str, arn: str, end: datetime, address: str) -> str:
    """The object's key: a folder for the day, a name with the interval's end and the address of the node."""
    _, _, _, region, account, resource = arn.split(":", 5)
    identity = resource.removeprefix("loadbalancer/").replace("/", ".")
    name = f"{account}_elasticloadbalancing_{region}_{identity}_{end:%Y%m%dT%H%MZ}_{address}_{secrets.token_hex(4)}"
    return f"{folder(prefix, account)}elasticloadbalancing/{region}/{end:%Y/%m/%d}/{name}.log.gz"


def folder(prefix: str, account: str) -> str:
    return f"{prefix.strip('/')}/AWSLogs/{account}/".lstrip("/")


def refusal(cloud: Cloud, bucket: str, key: str) -> str:
    """Why load balancers may not write this object; empty where they may. Under the cloud's lock."""
    held = cloud.moto("s3", "aws").buckets.get(bucket)
    if held is None:
        return f"there is no bucket {bucket}"
    rules = (held.encryption or {}).get("Rule", {})
    for each in rules if isinstance(rules, list) else [rules]:
        if "kms" in str(each.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "")):
            return f"{bucket} encrypts with KMS, which load balancers can't write to"
    resource = f"arn:{cloud.settings.partition}:s3:::{bucket}/{key}"
    policy = [held.policy.decode()] if held.policy else []
    found = {
        each["Effect"]
        for each in statements(policy)
        if _is_delivery(each.get("Principal"), cloud) and applies(each, "s3:PutObject", resource)
    }
    if "Deny" in found or "Allow" not in found:
        return f"the policy of {bucket} lets {SERVICE} write nothing there"
    return ""


def _is_delivery(principal: Any, cloud: Cloud) -> bool:
    if principal == "*":
        return True
    named: list[str] = []
    for value in principal.values() if isinstance(principal, Mapping) else ():
        named += [value] if isinstance(value, str) else value
    older = OLDER_ACCOUNTS.get(cloud.settings.region, "none")
    return any(each in ("*", SERVICE, older, f"arn:{cloud.settings.partition}:iam::{older}:root") for each in named)


def line(request: Request, balancer: Balancer) -> str:
    """An entry, its fields in AWS's order, the newest (conn_trace_id and what a transform did) at the end."""
    listener = next((each for each in balancer.listeners if each.port == request.listener), None)
    is_secure = bool(listener and listener.secure)
    rule = next((each for each in listener.rules if each.number == request.rule), None) if listener else None
    target = server_of(request.server) if request.chosen else None
    place = f"{target[0]}:{target[1]}" if target else "-"
    status = str(request.status) if request.from_target else "-"
    host = request.host or "-"
    with_port = host if ":" in host else f"{host}:{request.listener}"
    url = f"{'https' if is_secure else 'http'}://{with_port}{request.path or '-'}"
    group = next((each.arn for each in balancer.groups if each.backend == request.group), "-")
    kind = {"fixed": "fixed-response", "redirect": "redirect"}.get(request.kind, "forward" if group != "-" else "-")
    return " ".join(
        [
            _kind(request, is_secure),
            _shown(request.began + request.total_seconds),
            request.balancer,
            f"{request.client[0]}:{request.client[1]}",
            place,
            *_times(request),
            str(request.status),
            status,
            str(request.uploaded),
            str(request.bytes),
            _quoted(f"{request.method or '-'} {url} {request.version or '-'}"),
            _quoted(request.agent),
            request.cipher if is_secure and request.cipher else "-",
            request.tls if is_secure and request.tls else "-",
            group,
            _quoted(request.trace),
            _quoted(host.partition(":")[0] if is_secure else "-"),
            _quoted(listener.certificates[0] if listener and is_secure and listener.certificates else "-"),
            str(rule.priority) if rule else "-1",
            _shown(request.began),
            _quoted(kind),
            _quoted(request.location),
            _quoted(REASON),
            _quoted(place),
            _quoted(status),
            '"-" "-"',
            connection_of(request),
            '"-" "-" "-"',
        ]
    )


def connection_of(request: Request) -> str:
    """The same for all requests of a client's connection."""
    ends = f"{request.client} {request.own} {request.listener}"
    return "TID_" + hashlib.sha256(ends.encode()).hexdigest()[:32]


def _kind(request: Request, is_secure: bool) -> str:
    if request.status == 101:
        return "wss" if is_secure else "ws"
    return ("h2" if request.version.startswith("HTTP/2") else "https") if is_secure else "http"


def _times(request: Request) -> list[str]:
    """Until the target had the request, until it answered, until its answer was passed on; -1 where none answered."""
    if not request.from_target:
        return ["-1", "-1", "-1"]
    return [f"{each:.3f}" for each in (request.dispatch_seconds, request.response_seconds or 0.0, 0.0)]


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _quoted(text: str) -> str:
    plain = "".join(each if each.isprintable() and each not in '"\\' else f"\\x{ord(each):02x}" for each in text)
    return f'"{plain or "-"}"'


def _minute(moment: datetime) -> datetime:
    """The moment's minute, or the next where it has begun."""
    floor = moment.replace(second=0, microsecond=0)
    return floor if floor == moment else floor + timedelta(minutes=1)


def _next_end(now: datetime) -> datetime:
    return datetime.fromtimestamp((int(now.timestamp()) // INTERVAL + 1) * INTERVAL, UTC)
