"""What users get: the public address of each service, asked as a browser asks, from where omc runs.

Only GETs without credentials are sent (and a TRACE, where none of them is answered in time), each with one time
limit for all of it. Several are sent to an address at once, so that a frozen target, one of two, is met too.
Redirects are followed among the environment's own names only: a page must not decide whom omc asks.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urljoin, urlsplit

from omc.aws import http_get
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.aws.http_get import Failed, Page
from omc.aws.http_get import Trouble as Trouble  # what checks judge by
from omc.config import Environment, Service
from omc.errors import AccessDenied, AwsRefused, BadAnswer
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.listeners import Listener, Listeners, Route, Rule, lead
from omc.facts.load_balancers import LoadBalancer, LoadBalancers, TargetGroups

TIMEOUT = 5.0
"""Seconds for one request. Users would have gone by then."""
AT_ONCE = 3
"""Requests at once to one address: with the load balancer's choice by outstanding requests, each of so many targets
gets one."""
RETRIES = 5
"""Further requests, where some of the first failed and some didn't."""
HOPS = 5
"""Redirects that are followed."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PROXIES = ("https_proxy", "http_proxy", "all_proxy")


class Source(StrEnum):
    """Why an address is asked."""

    PUBLIC = "public_path"
    STATUS = "status_path"
    RULE = "rule"
    """A rule of the load balancer leads it to the service; nobody said what it should answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request met in the end."""

    status: int = 0
    """0: no answer."""
    reason: str = ""
    trouble: Trouble | None = None
    """What stood in the way, where there is no answer."""
    problem: str = ""
    """The same in the library's words."""
    by_balancer: bool = False
    """The load balancer answered on its own, no target did."""
    elsewhere: str = ""
    """Where it redirects to, outside of the environment's names, without the query; that was not asked."""
    is_loop: bool = False
    """Its redirects lead nowhere in ``HOPS`` steps."""
    kind: str = ""
    """Media type."""
    seconds: float = 0.0
    address: str = ""
    certificate_ends: Any = None
    """When the certificate expires, a datetime; None over plain HTTP."""
    is_empty: bool = False
    """It answered 200, and there is nothing in it."""
    payload: Any = None
    """The JSON that a status page answered; None where it didn't."""


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One address of one service, and what came of asking it."""

    service: str
    url: str
    source: Source
    answers: tuple[Answer, ...]
    direct: Answer | None = None
    """The same request sent to the load balancer itself, where ``url`` is under another name."""
    leads_to: tuple[str, ...] = ()
    """Names of the target groups that the load balancer's rules lead it to."""
    is_led_astray: bool = False
    """The service's own are certainly not among these."""
    fixed_by: str = ""
    """The rule by which the load balancer answers on its own, with a fixed response; else empty."""

    @property
    def payload(self) -> Any:
        return next((answer.payload for answer in self.answers if answer.payload is not None), None)


@dataclass(frozen=True, slots=True)
class Probes:
    """Of every service that has a public address."""

    requests: tuple[ProbeRequest, ...]
    without: Mapping[str, str]
    """Services for which omc.toml names a page, to why there is no address to ask for it."""
    base: str = ""
    """Where users come in; empty where nothing leads in."""
    is_proxied: bool = False
    """The machine is set up to go out through a proxy, which isn't used here."""
    balancer: Answer | None = None
    """What the load balancer itself answers, where nobody gets an answer in time; None: it was not asked."""
    is_off: bool = False
    """``probe = false`` in omc.toml: nothing was asked."""
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class _Door:
    """Where users come in."""

    base: str
    balancer: LoadBalancer | None
    shift: int
    """What a local cloud adds to ports below 1024."""
    is_local: bool
    names: frozenset[str]
    """Hosts that are the environment's own."""


@reads
def read_probes(
    aws: Gateway,
    environment: Environment,
    load_balancers: LoadBalancers,
    listeners: Listeners,
    groups: TargetGroups,
) -> Probes:
    """A few GETs for each address. Raises ``BadAnswer`` where the name that users come by isn't known."""
    if not environment.has_load_balancer and not environment.url:
        return Probes((), {})
    wanted = [service for service in environment.services if service.status_path or service.public_path]
    if not environment.probe:
        return Probes((), {}, is_off=True)
    if not environment.url and not load_balancers.load_balancers:
        why = f"there is no load balancer whose name begins with {environment.prefix}, and no url in omc.toml"
        return Probes((), {service.name: why for service in wanted})
    base = environment.url or _own_url(aws, environment, load_balancers, listeners)
    door = _door(aws, environment, load_balancers, listeners, base.rstrip("/"))
    planned = [each for service in environment.services for each in _addresses(service, door, listeners, groups)]
    requested = parallel_map(lambda each: _ask(each, door), planned)
    balancer = _of_balancer(requested[0].url, door) if requested and all(map(_is_silent, requested)) else None
    proxied = any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXIES)
    is_proxied = proxied and not environment.is_local
    return Probes(tuple(requested), {}, door.base, is_proxied=is_proxied, balancer=balancer)


# Where users come in


def _own_url(aws: Gateway, environment: Environment, balancers: LoadBalancers, listeners: Listeners) -> str:
    """Without a url in omc.toml: the certificate's name over HTTPS, else the load balancer's own over HTTP."""
    found = [each for each in balancers.load_balancers if each.kind == "application"] or balancers.load_balancers
    secure = next((one for one in listeners.listeners if one.protocol == "HTTPS" and one.certificates), None)
    if secure:
        owner = next((each for each in found if each.arn == secure.balancer), found[0])
        name = _certified_name(aws, owner, secure.certificates[0], environment)
        return f"https://{name}" if secure.port == 443 else f"https://{name}:{secure.port}"
    if not found[0].dns_name:
        raise BadAnswer(f"ELB doesn't give the DNS name of {found[0].name}. Try again.")
    return f"http://{found[0].dns_name}"


def _certified_name(aws: Gateway, balancer: LoadBalancer, certificate: str, environment: Environment) -> str:
    """The one name that the certificate is of: there can be none of the load balancer's own name.

    Raises ``BadAnswer`` with what to write where the certificate doesn't say: it is a pattern's, or can't be read.
    """
    set_url = f'Set url = "https://…" in [environments.{environment.name}] of omc.toml.'
    try:
        response = aws.client("acm").describe_certificate(CertificateArn=certificate)["Certificate"]
        name = str(response.get("DomainName", "*"))
    except (AccessDenied, AwsRefused) as error:
        raise BadAnswer(
            f"{balancer.name} serves HTTPS under the name in its certificate, which can't be read "
            f"({error.message.rstrip('.')}). {set_url}"
        ) from error
    if "*" in name:
        raise BadAnswer(f"{balancer.name} serves HTTPS with the certificate of {name}, which isn't one name. {set_url}")
    return name


def _door(aws: Gateway, environment: Environment, balancers: LoadBalancers, listeners: Listeners, base: str) -> _Door:
    parts = urlsplit(base)
    port = _port(base)
    owner = next((one.balancer for one in listeners.listeners if one.port == port), None)
    found = balancers.load_balancers
    balancer = next((each for each in found if each.arn == owner), found[0] if found else None)
    hosts = {
        value.lower()
        for listener in listeners.listeners
        for rule in listener.rules
        for condition in rule.conditions
        if condition.field == "host-header"
        for value in condition.values
        if not set("*?") & set(value)
    }
    names = hosts | {parts.hostname or ""} | {each.dns_name.lower() for each in found if each.dns_name}
    return _Door(base, balancer, aws.access.port_shift, environment.is_local, frozenset(names))


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


# What is asked


def _addresses(service: Service, door: _Door, listeners: Listeners, groups: TargetGroups) -> list[ProbeRequest]:
    """The service's pages in omc.toml, at the host that the rules have for it; else what the rules lead to it."""
    own = frozenset(group.arn for group in groups.groups if group.name in service.target_groups)
    names = {group.arn: group.name for group in groups.groups}
    ways = _rules_to(own, listeners, _port(door.base))
    provided = [
        (path, source)
        for path, source in ((service.public_path, Source.PUBLIC), (service.status_path, Source.STATUS))
        if path
    ]
    planned: list[ProbeRequest] = []
    for path, source in provided:
        urls = dict.fromkeys(_at(host, door) + path for host in ["", *(_host(rule) for _, rule in ways)])
        right = [url for url in urls if _leads(listeners, url, own)]
        planned.append(ProbeRequest(service.name, (right or list(urls))[0], source, ()))
    if not provided:
        for _, rule in ways:
            url = _at(_host(rule), door) + _path(rule)
            if _leads(listeners, url, own):
                planned.append(ProbeRequest(service.name, url, Source.RULE, ()))
                break
    return [_with_way(each, lead(listeners.listeners, each.url), own, names) for each in planned]


def _with_way(request: ProbeRequest, way: Route | None, own: frozenset[str], names: Mapping[str, str]) -> ProbeRequest:
    if way is not None and way.rule.action.kind == "fixed-response":
        by = "default action" if way.rule.is_default else f"rule for {way.rule.name}"
        return replace(request, fixed_by=by, is_led_astray=way.is_sure)
    if way is None or way.rule.action.kind != "forward":
        return request
    receivers = way.rule.action.receivers
    return replace(
        request,
        leads_to=tuple(names.get(arn, arn.rpartition("targetgroup/")[2].partition("/")[0]) for arn in receivers),
        is_led_astray=way.is_sure and own.isdisjoint(receivers),
    )


def _rules_to(groups: frozenset[str], listeners: Listeners, port: int) -> list[tuple[Listener, Rule]]:
    """The rules that send to one of them, those of the port that users come by first."""
    return sorted(
        (
            (listener, rule)
            for listener in listeners.listeners
            for rule in listener.rules
            if not groups.isdisjoint(rule.action.receivers)
        ),
        key=lambda way: way[0].port != port,
    )


def _leads(listeners: Listeners, url: str, groups: frozenset[str]) -> bool:
    way = lead(listeners.listeners, url)
    return way is not None and not groups.isdisjoint(way.rule.action.receivers)


def _host(rule: Rule) -> str:
    """A host that the rule wants; empty where any will do, or only patterns are told."""
    messages = [value for one in rule.conditions if one.field == "host-header" for value in one.values]
    return next((value for value in messages if not set("*?") & set(value)), "")


def _path(rule: Rule) -> str:
    messages = [value for one in rule.conditions if one.field == "path-pattern" for value in one.values]
    return messages[0].replace("*", "").replace("?", "x") if messages else "/"


def _at(host: str, door: _Door) -> str:
    if not host:
        return door.base
    parts = urlsplit(door.base)
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


# Asking


def _ask(planned: ProbeRequest, door: _Door) -> ProbeRequest:
    url, usual = planned.url, None
    around = _around(url, door)
    if door.is_local:  # whose names lead nowhere on this machine
        usual, around = around, None

    def ask(first: int) -> Answer:
        via = usual if first >= 0 else around
        return _one(url, door, is_status=planned.source is Source.STATUS, first=max(first, 0), via=via)

    *tries, last = parallel_map(ask, [*range(AT_ONCE), -1] if around else range(AT_ONCE))
    direct = last if around else None
    tries += [] if around else [last]
    failed = [answer for answer in tries if answer.trouble or answer.status >= 500]
    if 0 < len(failed) < len(tries) and not any(answer.trouble is Trouble.SILENT for answer in failed):
        tries += parallel_map(ask, range(RETRIES))
    return replace(planned, url=_real(url, door), answers=tuple(tries), direct=direct)


def _is_silent(request: ProbeRequest) -> bool:
    return bool(request.answers) and all(answer.trouble is Trouble.SILENT for answer in request.answers)


def _of_balancer(url: str, door: _Door) -> Answer:
    """An Application Load Balancer takes no TRACE: it answers 405 by itself, whatever its targets do."""
    began = time.monotonic()
    around = _around(url, door)
    try:
        page = http_get.get(url, timeout=TIMEOUT, shown=url.partition("?")[0], via=around, method="TRACE")
    except Failed as error:
        return Answer(trouble=error.trouble, problem=error.problem, seconds=time.monotonic() - began)
    return _answer(page, time.monotonic() - began, is_status=False)


def _real(url: str, door: _Door) -> str:
    """In a local cloud: with the port that is really listened on at the load balancer's own address."""
    parts = urlsplit(url)
    if not door.shift or _port(url) >= 1024 or door.balancer is None or parts.hostname != door.balancer.dns_name:
        return url
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.hostname}:{_port(url) + door.shift}{parts.path}{query}"


def _around(url: str, door: _Door) -> tuple[str, int] | None:
    """The load balancer itself, where ``url`` is under another name than its own."""
    if door.balancer is None or not door.balancer.dns_name:
        return None
    if urlsplit(url).hostname == door.balancer.dns_name.lower():
        return None
    port = _port(url)
    return door.balancer.dns_name, port + door.shift if port < 1024 else port


def _one(url: str, door: _Door, *, is_status: bool, first: int = 0, via: tuple[str, int] | None = None) -> Answer:
    """One request and the redirects that it is led through, within one limit of time."""
    deadline = time.monotonic() + TIMEOUT
    seen: set[str] = set()
    began = time.monotonic()
    while True:
        seen.add(url)
        try:
            left = max(deadline - time.monotonic(), 0.05)
            real = _real(url, door)
            page = http_get.get(real, timeout=left, shown=real.partition("?")[0], via=via, first=first)
        except Failed as error:
            return Answer(trouble=error.trouble, problem=error.problem, seconds=time.monotonic() - began)
        if page.status not in REDIRECTS or not page.location:
            return _answer(page, time.monotonic() - began, is_status=is_status)
        try:
            url = urljoin(url, page.location)
            parts = urlsplit(url)
            is_ours = parts.scheme in ("http", "https") and (parts.hostname or "") in door.names
        except ValueError:
            return Answer(page.status, page.reason, elsewhere="an address that makes no sense")
        if not is_ours:
            shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
            return replace(_answer(page, time.monotonic() - began, is_status=False), elsewhere=shown)
        if url in seen or len(seen) > HOPS:
            return replace(_answer(page, time.monotonic() - began, is_status=False), is_loop=True)
        if via:
            via = _around(url, door)


def _answer(page: Page, seconds: float, *, is_status: bool) -> Answer:
    payload = None
    if is_status and not page.is_cut:
        try:
            payload = json.loads(page.body)
        except (ValueError, RecursionError):
            payload = None
    return Answer(
        status=page.status,
        reason=page.reason,
        by_balancer=page.server.lower().startswith("awselb"),
        kind=page.kind,
        seconds=seconds,
        address=page.address,
        certificate_ends=page.certificate_ends,
        is_empty=page.status == 200 and not page.is_cut and not page.body.strip(),
        payload=payload,
    )


def working(sequence: Sequence[Answer]) -> list[Answer]:
    """Those that gave an answer below 500."""
    return [answer for answer in sequence if answer.trouble is None and answer.status < 500 and not answer.is_loop]
