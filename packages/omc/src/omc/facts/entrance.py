"""Where users come in: the load balancer's listeners, their certificates, and the name that leads there."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.load_balancers import LoadBalancers


@dataclass(frozen=True, slots=True)
class Certificate:
    arn: str
    status: str
    """ISSUED, PENDING_VALIDATION, EXPIRED …; empty where ACM doesn't tell; ``missing`` where there is none."""
    names: tuple[str, ...]
    expires: datetime | None
    renews: bool | None
    """ACM renews it by itself; None where it doesn't tell."""


@dataclass(frozen=True, slots=True)
class Entrance:
    host: str
    """Of omc.toml's ``url``; empty without one."""
    is_https: bool
    """That ``url`` begins with https."""
    protocols: tuple[str, ...]
    """Of the load balancer's listeners."""
    certificates: tuple[Certificate, ...] = ()
    addresses: tuple[str, ...] = ()
    """What ``host`` resolves to on this machine."""
    balancer_addresses: tuple[str, ...] = ()
    problem: str = ""
    """Why the name can't be looked up; else empty."""
    balancers: int = 1
    """How many load balancers the environment has."""
    reading: Reading = NO_READING


@reads
def read_entrance(aws: Gateway, environment: Environment, load_balancers: LoadBalancers) -> Entrance:
    """The listeners of each load balancer, each certificate once, and two look-ups of names."""
    elb = aws.client("elbv2")
    listeners: list[Any] = [
        listener
        for balancer in load_balancers.load_balancers
        for page in elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer.arn)
        for listener in page["Listeners"]
    ]
    arns = sorted({one["CertificateArn"] for listener in listeners for one in listener.get("Certificates", [])})
    url = urlsplit(environment.url or "")
    host = url.hostname or ""
    addresses, problem = _look_up(host) if host else ((), "")
    name = next((balancer.dns_name for balancer in load_balancers.load_balancers if balancer.dns_name), "")
    return Entrance(
        host=host,
        is_https=url.scheme == "https",
        protocols=tuple(sorted({str(listener.get("Protocol", "")) for listener in listeners})),
        certificates=tuple(parallel_map(lambda arn: _certificate(aws, arn), arns)),
        addresses=addresses,
        balancer_addresses=_look_up(name)[0] if host and name else (),
        problem=problem,
        balancers=len(load_balancers.load_balancers),
    )


def _certificate(aws: Gateway, arn: str) -> Certificate:
    if ":acm:" not in arn:
        return Certificate(arn, "", (), None, None)
    try:
        response = aws.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    except NotFound:
        return Certificate(arn, "missing", (), None, None)
    names = [response.get("DomainName", ""), *response.get("SubjectAlternativeNames", [])]
    expires = response.get("NotAfter")
    kind = response.get("Type")
    return Certificate(
        arn,
        response.get("Status", ""),
        tuple(dict.fromkeys(name for name in names if name)),
        expires.astimezone(UTC) if expires else None,
        None if kind is None else kind == "AMAZON_ISSUED",
    )


def _look_up(host: str) -> tuple[tuple[str, ...], str]:
    try:
        return tuple(sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)})), ""
    except (OSError, UnicodeError) as error:
        return (), f"{host} can't be looked up ({getattr(error, 'strerror', None) or error})"
