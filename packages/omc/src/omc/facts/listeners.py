"""The listeners of the load balancers and their rules: which request is led to which target group.

Where a request goes is computed here as ELB does it (``lead``), so that probes and checks mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import AccessDenied, NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.load_balancers import LoadBalancer, LoadBalancers


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule: any of its values is enough."""

    field: str
    """path-pattern, host-header, http-header, http-request-method, query-string or source-ip."""
    values: tuple[str, ...]
    """Patterns; of a query string ``key=pattern``."""
    is_opaque: bool = False
    """It also matches more than these values say: regular expressions."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule does in the end."""

    kind: str
    """forward, redirect, fixed-response; empty where ELB doesn't tell."""
    groups: tuple[tuple[str, int], ...] = ()
    """Of a forward: ARNs of target groups with their weights."""
    status: str = ""
    """Of a fixed response ``503``, of a redirect ``HTTP_301``."""
    to: str = ""
    """Of a redirect: ``HTTPS://#{host}:443/#{path}``."""
    logs_in: bool = False
    """Users log in at an identity provider, or show a token, before it."""

    @property
    def receivers(self) -> tuple[str, ...]:
        """ARNs of the target groups that get requests by it."""
        return tuple(arn for arn, weight in self.groups if weight > 0 or len(self.groups) == 1)


@dataclass(frozen=True, slots=True)
class Rule:
    priority: str
    """``10``, or ``default``."""
    conditions: tuple[Condition, ...]
    action: Action

    @property
    def is_default(self) -> bool:
        return self.priority == "default"

    @property
    def name(self) -> str:
        """For people: ``/api/*``, ``api.example.com/v1/*``, ``default``."""
        if self.is_default:
            return "default"
        messages = [" or ".join(one.values) for one in self.conditions if one.field in ("host-header", "path-pattern")]
        more = [one.field for one in self.conditions if one.field not in ("host-header", "path-pattern")]
        return " ".join([*messages, *(f"by {field}" for field in more)]) or f"rule {self.priority}"


@dataclass(frozen=True, slots=True)
class Listener:
    balancer: str
    """ARN of its load balancer."""
    protocol: str
    """HTTP or HTTPS."""
    port: int
    rules: tuple[Rule, ...]
    """In the order in which ELB tries them; the default last. Only that one where rules could not be read."""
    certificates: tuple[str, ...] = ()
    """ARNs; the first is the default one."""

    @property
    def name(self) -> str:
        return f"{self.protocol}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listeners:
    """Of the environment's application load balancers."""

    listeners: tuple[Listener, ...]
    denied: AccessDenied | None = None
    """Rules could not be read for the lack of a permission: of each listener only the default action is known."""
    records: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """The same in ELB's own words, each listener's rules as its ``Rules``."""
    reading: Reading = NO_READING

    @property
    def leads_to(self) -> frozenset[str]:
        """ARNs of all target groups that get requests by any rule."""
        return frozenset(arn for listener in self.listeners for rule in listener.rules for arn in rule.action.receivers)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request is led."""

    listener: Listener
    rule: Rule
    is_sure: bool
    """No rule before it depends on what isn't known here: the caller's address, headers, regular expressions."""


@reads
def read_listeners(aws: Gateway, load_balancers: LoadBalancers) -> Listeners:
    """One call a load balancer and one a listener, side by side; ELB lists rules in no other way."""
    balancers = [balancer for balancer in load_balancers.load_balancers if balancer.kind == "application"]
    found = [
        payload for some in parallel_map(lambda balancer: _listeners(aws, balancer), balancers) for payload in some
    ]
    try:
        rules = parallel_map(lambda response: _rules(aws, response["ListenerArn"]), found)
        denied = None
    except AccessDenied as error:
        rules, denied = [[] for _ in found], error
    both = list(zip(found, rules, strict=True))
    whole = tuple({**record, "Rules": some} for record, some in both)
    return Listeners(tuple(_listener(reported, some) for reported, some in both), denied, whole)


def lead(listeners: Iterable[Listener], url: str) -> Route | None:
    """Where a GET of ``url`` by a browser goes; None where nothing listens for it."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for listener in listeners:
        if listener.port != port:
            continue
        is_sure = True
        for rule in listener.rules:
            matches = [
                _matches(condition, parts.hostname or "", parts.path or "/", parts.query)
                for condition in rule.conditions
            ]
            if all(match is True for match in matches):
                return Route(listener, rule, is_sure)
            is_sure = is_sure and any(match is False for match in matches)
    return None


def _matches(condition: Condition, host: str, path: str, query: str) -> bool | None:
    """None: it depends on what isn't known."""
    if condition.field == "path-pattern":
        found = any(_glob(value).fullmatch(path) for value in condition.values)
    elif condition.field == "host-header":
        found = any(_glob(value.lower()).fullmatch(host.lower()) for value in condition.values)
    elif condition.field == "http-request-method":
        found = any(value in ("GET", "*") for value in condition.values)
    elif condition.field == "query-string":
        pairs = parse_qsl(query, keep_blank_values=True)
        found = any(_has(value, pairs) for value in condition.values)
    else:
        return None
    return True if found else None if condition.is_opaque else False


def _has(wanted: str, pairs: Sequence[tuple[str, str]]) -> bool:
    key, _, value = wanted.partition("=")
    pattern = _glob(value.lower())
    return any(
        (not key or key.lower() == name.lower()) and pattern.fullmatch(message.lower()) for name, message in pairs
    )


def _glob(pattern: str) -> re.Pattern[str]:
    """ELB's wildcards: any number of characters, exactly one. Runs of ``*`` are one, so that it stays quick."""
    pattern = re.sub(r"\*+", "*", pattern)
    return re.compile("".join({"*": ".*", "?": "."}.get(sign) or re.escape(sign) for sign in pattern), re.DOTALL)


def _listeners(aws: Gateway, balancer: LoadBalancer) -> list[Any]:
    try:
        pages = aws.client("elbv2").get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer.arn)
        return [payload | {"LoadBalancerArn": balancer.arn} for page in pages for payload in page["Listeners"]]
    except NotFound:
        return []


def _rules(aws: Gateway, arn: str) -> list[Any]:
    """None where the listener was deleted since it was listed."""
    try:
        pages = aws.client("elbv2").get_paginator("describe_rules").paginate(ListenerArn=arn)
        return [payload for page in pages for payload in page["Rules"]]
    except NotFound:
        return []


def _listener(payload: Any, rules: Sequence[Any]) -> Listener:
    default = Rule("default", (), _action(payload.get("DefaultActions", [])))
    found = sorted(
        (
            Rule(str(rule["Priority"]), tuple(map(_condition, rule["Conditions"])), _action(rule["Actions"]))
            for rule in rules
            if rule["Priority"] != "default"
        ),
        key=lambda rule: int(rule.priority),
    )
    return Listener(
        balancer=payload["LoadBalancerArn"],
        protocol=payload["Protocol"],
        port=payload["Port"],
        rules=(*found, default),
        certificates=tuple(one["CertificateArn"] for one in payload.get("Certificates", []) if "CertificateArn" in one),
    )


def _condition(payload: Any) -> Condition:
    configs = [value for key, value in payload.items() if key.endswith("Config")]
    provided = [value for config in configs for value in config.get("Values", [])] or payload.get("Values", [])
    values = tuple(
        f"{value.get('Key', '')}={value.get('Value', '')}" if isinstance(value, dict) else str(value)
        for value in provided
    )
    is_opaque = any(config.get("RegexValues") for config in configs) or bool(payload.get("RegexValues"))
    return Condition(str(payload["Field"]), values, is_opaque)


def _action(records: Sequence[Any]) -> Action:
    """The one that ends the rule; those before it log in."""
    ordered = sorted(records, key=lambda one: one.get("Order", 1))
    if not ordered:
        return Action("")
    last = ordered[-1]
    groups = [
        (group["TargetGroupArn"], int(group.get("Weight", 1)))
        for group in last.get("ForwardConfig", {}).get("TargetGroups", [])
    ]
    if not groups and last.get("TargetGroupArn"):
        groups = [(last["TargetGroupArn"], 1)]
    redirect, fixed = last.get("RedirectConfig", {}), last.get("FixedResponseConfig", {})
    to = "{}://{}:{}{}".format(
        redirect.get("Protocol", "#{protocol}"),
        redirect.get("Host", "#{host}"),
        redirect.get("Port", "#{port}"),
        redirect.get("Path", "/#{path}"),
    )
    return Action(
        kind=str(last["Type"]),
        groups=tuple(groups),
        status=str(redirect.get("StatusCode") or fixed.get("StatusCode") or ""),
        to=to if redirect else "",
        logs_in=len(ordered) > 1,
    )
