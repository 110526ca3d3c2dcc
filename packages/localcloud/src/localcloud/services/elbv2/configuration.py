"""A load balancer in HAProxy's words. Pure: a plan in, the text of a configuration out.

The servers of a backend are given apart from the rest: they change at run time without a reload, and are in the text
only so that a reload has no moment without them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.backends.haproxy import GLOBAL, quoted
from localcloud.services.elbv2.model import Balancer, Group, Listener, Rule, targets_of

LOG_FIELDS = (
    *("balancer", "backend", "server", "status", "response_ms", "termination", "from_target", "kind", "bytes"),
    *("client_address", "client_port", "own_address", "frontend", "source_port", "uploaded"),
    *("began", "total_ms", "queue_ms", "connect_ms", "method", "version", "tls", "cipher", "rule"),
    *("path", "host", "agent", "trace", "location"),
)
_LOG_FORMAT = (
    "|%b|%s|%ST|%Tr|%ts|%[var(txn.from_target)]|%[var(txn.kind)]|%B|%ci|%cp|%fi|%f|%bp|%U"
    "|%[var(txn.began)]|%Ta|%Tw|%Tc|%HM|%HV|%sslv|%sslc|%[var(txn.rule)]"
    "|%[var(txn.path)]|%[var(txn.host)]|%[var(txn.agent)]|%[var(txn.trace)]|%[var(txn.location)]"
)
LOG_LINE = 3900
"""Bytes: below PIPE_BUF (4096 on Linux), so that the lines of several load balancers never mix in the pipe."""
_WORDS = {"host": ("req.fhdr(host)", 200), "agent": ("req.fhdr(user-agent)", 300)}
"""What clients say, by the variable that keeps it for the log: where it is, and of how many bytes. In base64, so that
nothing of it can end a field."""
CONNECT_SECONDS = 10
"""How long a load balancer tries to connect to a target; then it answers 504 (ALB user guide, "HTTP 504")."""
_ALGORITHMS = {"round_robin": "roundrobin", "least_outstanding_requests": "leastconn", "weighted_random": "random"}


@dataclass(frozen=True, slots=True)
class Server:
    """A target as HAProxy knows it."""

    name: str
    address: str
    """Where it really listens."""
    port: int
    routed: bool


def server_name(address: str, port: int) -> str:
    return f"t-{address.replace('.', '-')}-{port}"


def server_of(name: str) -> tuple[str, int] | None:
    """The address in the VPC and the port of a server's name."""
    _, *numbers = name.split("-")
    return (".".join(numbers[:4]), int(numbers[4])) if len(numbers) == 5 else None


def render(
    balancer: Balancer,
    addresses: Sequence[str],
    ports: Mapping[int, int],
    certificate: Path,
    servers: Mapping[str, Sequence[Server]],
    log: int,
) -> str:
    """The whole text, which sends its log to the file descriptor ``log``.

    ``addresses`` are where it listens, ``ports`` the real port of each listener's, ``servers`` by backend.
    """
    timeout = f"{balancer.idle_timeout:g}s"
    parts = [
        GLOBAL + f"  log fd@{log} len {LOG_LINE} format raw local0",
        "\n".join(
            [
                "defaults",
                "  mode http",
                "  log global",
                f"  log-format {quoted(balancer.dimension + _LOG_FORMAT)}",
                "  retries 0",
                f"  timeout connect {CONNECT_SECONDS}s",
                f"  timeout client {timeout}",
                f"  timeout server {timeout}",
                "  timeout http-request 60s",
                "  option forwardfor",
                "  http-reuse safe",
            ]
        ),
    ]
    parts += ["\n".join(_frontend(each, addresses, ports[each.port], certificate)) for each in balancer.listeners]
    parts += ["\n".join(_backend(each, addresses, servers.get(each.backend, ()))) for each in balancer.groups]
    return "\n\n".join(parts) + "\n"


def _frontend(listener: Listener, addresses: Sequence[str], port: int, certificate: Path) -> Iterator[str]:
    yield f"frontend l-{listener.port}"
    if listener.certificates:  # so that another certificate is another configuration
        yield f"  # certificates {hashlib.sha256(repr(listener.certificates).encode()).hexdigest()[:16]}"
    tls = f" ssl crt {quoted(str(certificate))} alpn h2,http/1.1" if listener.secure else ""
    for address in addresses:
        yield f"  bind {address}:{port}{tls}"
    scheme = "https" if listener.secure else "http"
    yield "  http-request set-var(txn.rule) int(0)"
    yield "  http-request set-var(txn.began) date(0,ms)"
    yield "  http-request set-var(txn.path) pathq,bytes(0,1200),base64"
    for name, (sample, most) in _WORDS.items():
        yield f"  http-request set-var(txn.{name}) {sample},bytes(0,{most}),base64"
    yield "  http-request return status 405 if METH_TRACE"  # as AWS, which sends it to no target
    for rule in listener.rules:
        conditions = "".join(f" {condition}" for each in rule.conditions for condition in _condition(each))
        yield f"  http-request set-var(txn.rule) int({rule.number}) if {{ var(txn.rule) -m int 0 }}{conditions}"
    yield "  http-request set-header X-Forwarded-Proto " + scheme
    yield f"  http-request set-header X-Forwarded-Port {listener.port}"
    yield (
        "  http-request set-header X-Amzn-Trace-Id Root=1-%[date,hex,bytes(8,8),lower]-"
        "%[uuid,regsub(-,,g),bytes(0,24)] if !{ req.hdr(X-Amzn-Trace-Id) -m found }"
    )
    yield "  http-request set-var(txn.trace) req.fhdr(X-Amzn-Trace-Id),bytes(0,200),base64"
    for rule in listener.rules:
        yield from _answer(rule, listener)
    yield "  http-response set-var(txn.from_target) int(1)"
    yield (
        "  http-after-response set-var(txn.location) res.fhdr(location),bytes(0,400),base64"
        " if { var(txn.kind) -m str redirect }"
    )
    # A target that was chosen but gave no answer is a bad gateway to AWS's clients; to HAProxy it is unavailable.
    # The only thing that takes as long as that before it fails is connecting, where nothing answers.
    yield "  http-after-response set-var(txn.took) date(0,ms),sub(txn.began) if !{ var(txn.from_target) -m found }"
    yield (
        "  http-after-response set-status 504 if !{ var(txn.from_target) -m found } { status 503 }"
        f" {{ var(txn.usable) -m found }} {{ var(txn.took) -m int ge {CONNECT_SECONDS * 1000 - 100} }}"
    )
    yield (
        "  http-after-response set-status 502 if !{ var(txn.from_target) -m found } { status 503 }"
        " { var(txn.usable) -m found }"
    )
    yield "  http-after-response set-header Server awselb/2.0 if !{ var(txn.from_target) -m found }"
    for rule in listener.rules:
        yield from _routes(rule)


def _answer(rule: Rule, listener: Listener) -> Iterator[str]:
    """The rules that answer themselves."""
    chosen = f"{{ var(txn.rule) -m int {rule.number} }}"
    if rule.action["Type"] == "fixed-response":
        fixed = rule.action["FixedResponseConfig"]
        yield f"  http-request set-var(txn.kind) str(fixed) if {chosen}"
        text = fixed.get("MessageBody") or ""
        body = f" content-type {quoted(fixed.get('ContentType') or 'text/plain')} string {quoted(_one_line(text))}"
        yield f"  http-request return status {fixed['StatusCode']}{body if text else ''} if {chosen}"
    elif rule.action["Type"] == "redirect":
        redirect = rule.action["RedirectConfig"]
        code = "301" if redirect.get("StatusCode") == "HTTP_301" else "302"
        yield f"  http-request set-var(txn.kind) str(redirect) if {chosen}"
        base = _location(redirect, listener)
        query = redirect.get("Query", "#{query}")
        if query == "#{query}":
            yield f"  http-request redirect location {base}?%[query] code {code} if {chosen} {{ query -m found }}"
        elif query:
            base += "?" + _filled(query, listener)
        yield f"  http-request redirect location {base} code {code} if {chosen}"


def _location(redirect: Mapping[str, Any], listener: Listener) -> str:
    protocol = redirect.get("Protocol", "#{protocol}").lower().replace("#{protocol}", _scheme(listener))
    host = _filled(redirect.get("Host", "#{host}"), listener)
    port = str(redirect.get("Port", "#{port}")).replace("#{port}", str(listener.port))
    # With its port even where that is the protocol's own, as a real load balancer answers.
    return f"{protocol}://{host}:{port}{_filled(redirect.get('Path', '/#{path}'), listener)}"


def _filled(template: str, listener: Listener) -> str:
    escaped = re.sub(r"([\\ '\"%])", lambda match: "%%" if match[1] == "%" else "\\" + match[1], template)
    values = {
        "/#{path}": "%[path]",
        "#{path}": "%[path,regsub(^/,)]",
        "#{host}": "%[req.hdr(host),host_only]",
        "#{port}": str(listener.port),
        "#{protocol}": _scheme(listener),
        "#{query}": "%[query]",
    }
    for name, value in values.items():
        escaped = escaped.replace(name, value)
    return escaped


def _scheme(listener: Listener) -> str:
    return "https" if listener.secure else "http"


def _routes(rule: Rule) -> Iterator[str]:
    if rule.action["Type"] != "forward":
        return
    groups = [(arn, weight) for arn, weight in targets_of(rule.action) if weight > 0]
    chosen = f"{{ var(txn.rule) -m int {rule.number} }}"
    total, below = sum(weight for _, weight in groups), 0
    if len(groups) > 1:
        yield f"  http-request set-var(txn.dice) rand({total}) if {chosen}"
    for arn, weight in groups:
        below += weight
        dice = f" {{ var(txn.dice) -m int lt {below} }}" if len(groups) > 1 else ""
        yield f"  use_backend tg-{arn.rpartition('/')[2]} if {chosen}{dice}"


def _backend(group: Group, addresses: Sequence[str], servers: Sequence[Server]) -> Iterator[str]:
    yield f"backend {group.backend}"
    yield f"  balance {_ALGORITHMS.get(group.algorithm, 'roundrobin')}"
    # Connections to targets come from the load balancer's own address, as in a VPC.
    if addresses:
        yield f"  source {addresses[0]}"
    yield "  http-request set-var(txn.usable) int(1) if { nbsrv gt 0 }"
    for server in servers:
        off = "" if server.routed else " disabled"
        tls = " ssl verify none" if group.protocol == "HTTPS" else ""
        yield f"  server {server.name} {server.address}:{server.port} weight 100{tls}{off}"


def _condition(condition: Mapping[str, Any]) -> Iterator[str]:
    """One condition as anonymous ACLs; its values are alternatives, so they share one ACL."""
    field = condition.get("Field", "")
    values = condition.get("Values") or []
    if field == "path-pattern":
        values = (condition.get("PathPatternConfig") or {}).get("Values") or values
        yield f"{{ path -m reg {_patterns(values)} }}"
    elif field == "host-header":
        values = (condition.get("HostHeaderConfig") or {}).get("Values") or values
        yield f"{{ req.hdr(host),host_only -m reg -i {_patterns(values)} }}"
    elif field == "http-header":
        config = condition["HttpHeaderConfig"]
        name = re.sub(r"[^A-Za-z0-9!#$&+.^_`|~-]", "", config["HttpHeaderName"])
        yield f"{{ req.fhdr({name}) -m reg -i {_patterns(config['Values'])} }}"
    elif field == "http-request-method":
        methods = condition["HttpRequestMethodConfig"]["Values"]
        yield f"{{ method -m str {' '.join(quoted(each) for each in methods)} }}"
    elif field == "source-ip":
        yield f"{{ src {' '.join(quoted(each) for each in condition['SourceIpConfig']['Values'])} }}"
    elif field == "query-string":
        patterns = []
        for pair in condition["QueryStringConfig"]["Values"]:
            key = _glob(pair["Key"]) if pair.get("Key") else "[^=&]*"
            patterns.append(quoted(f"(^|&){key}={_glob(pair['Value'], '[^&]')}(&|$)"))
        yield f"{{ query -m reg -i {' '.join(patterns)} }}"


def _patterns(values: Sequence[str]) -> str:
    return " ".join(quoted(f"^{_glob(value)}$") for value in values)


def _glob(pattern: str, any_character: str = ".") -> str:
    """AWS's wildcards (``*`` and ``?``) as a regular expression."""
    signs = {"*": f"{any_character}*", "?": any_character}
    return "".join(signs.get(character) or re.escape(character) for character in pattern)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())
