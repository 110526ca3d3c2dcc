"""What the records of load balancers ask for, as plain values: read from moto under the cloud's lock, used without it.

Listeners, rules and target groups are moto's; how HAProxy is told about them is in ``configuration``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.services.elbv2.targets import HealthCheck, health_check

HOST_NAME = re.compile(r"(\*\.)?([a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{0,62}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Group:
    """A target group, as far as traffic and checks go."""

    arn: str
    protocol: str
    algorithm: str
    deregistration_delay: float
    check: HealthCheck

    @property
    def backend(self) -> str:
        """The name of its backend in HAProxy."""
        return "tg-" + self.arn.rpartition("/")[2]

    @property
    def dimension(self) -> str:
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Rule:
    """A listener rule: all conditions must hold; the last rule of a listener has none."""

    number: int
    """Within the listener, from 1, in the order in which rules are tried."""
    conditions: tuple[Mapping[str, Any], ...]
    action: Mapping[str, Any]
    """The action that answers: forward, redirect or fixed-response."""
    priority: int = 0
    """As AWS shows it; 0 is the default rule's."""


@dataclass(frozen=True, slots=True)
class Listener:
    port: int
    secure: bool
    rules: tuple[Rule, ...]
    certificates: tuple[str, ...] = ()
    """ARNs of ACM."""


@dataclass(frozen=True, slots=True)
class Balancer:
    arn: str
    listeners: tuple[Listener, ...]
    groups: tuple[Group, ...]
    idle_timeout: float
    logs_to: str = ""
    """The bucket of its access logs; empty where they are off."""

    @property
    def dimension(self) -> str:
        """The value of the LoadBalancer dimension, such as ``app/name/0123456789abcdef``."""
        return self.arn.partition(":loadbalancer/")[2]

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]


def targets_of(action: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The target groups of a forward action with their weights."""
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups")
    if groups:
        return [(each["TargetGroupArn"], int(each.get("Weight", 1))) for each in groups]
    return [(action["TargetGroupArn"], 1)] if action.get("TargetGroupArn") else []


def read(backend: Any) -> list[Balancer]:
    """Every application load balancer of moto's backend."""
    return [_balancer(backend, record) for record in backend.load_balancers.values() if record.type == "application"]


def in_use(backend: Any) -> dict[str, set[str]]:
    """By target group's ARN: the load balancers whose listeners send to it."""
    found: dict[str, set[str]] = {}
    for record in backend.load_balancers.values():
        for action in _actions(record):
            for arn, _ in targets_of(action):
                found.setdefault(arn, set()).add(record.arn)
    return found


def read_group(record: Any) -> Group:
    shown = {
        "HealthCheckEnabled": record.health_check_enabled,
        "HealthCheckProtocol": record.health_check_protocol,
        "HealthCheckPath": record.health_check_path,
        "HealthCheckPort": record.health_check_port,
        "HealthCheckIntervalSeconds": record.health_check_interval_seconds,
        "HealthCheckTimeoutSeconds": record.health_check_timeout_seconds,
        "HealthyThresholdCount": record.healthy_threshold_count,
        "UnhealthyThresholdCount": record.unhealthy_threshold_count,
        "Matcher": getattr(record, "matcher", None),
    }
    return Group(
        arn=record.arn,
        protocol=record.protocol or "HTTP",
        algorithm=str(record.attributes.get("load_balancing.algorithm.type", "round_robin")),
        deregistration_delay=float(record.attributes.get("deregistration_delay.timeout_seconds", 300)),
        check=health_check(shown),
    )


def _actions(record: Any) -> Iterator[Mapping[str, Any]]:
    for listener in record.listeners.values():
        for rule in listener.rules.values():
            for action in rule.actions:
                yield action.data


def _balancer(backend: Any, record: Any) -> Balancer:
    arns = sorted({arn for action in _actions(record) for arn, _ in targets_of(action)})
    listeners: dict[int, Listener] = {}
    for listener in record.listeners.values():
        listeners.setdefault(int(listener.port), _listener(listener))
    return Balancer(
        arn=record.arn,
        listeners=tuple(listeners[port] for port in sorted(listeners)),
        groups=tuple(read_group(backend.target_groups[arn]) for arn in arns if arn in backend.target_groups),
        idle_timeout=float(record.attrs.get("idle_timeout.timeout_seconds", 60)),
        logs_to=str(record.attrs.get("access_logs.s3.bucket", "")) if _logs(record) else "",
    )


def _logs(record: Any) -> bool:
    return str(record.attrs.get("access_logs.s3.enabled")).lower() == "true"


def certified_names(made: Iterable[Any]) -> list[str]:
    """The host names of ACM's certificates, in order; those without a list of names have their subject's."""
    names = {str(name) for each in made for name in (each.sans or [each.common_name])}
    return sorted(name for name in names if HOST_NAME.fullmatch(name))


def _listener(record: Any) -> Listener:
    ordered = sorted(
        record.rules.values(),
        key=lambda rule: (rule.priority == "default", int(rule.priority) if not rule.is_default else 0),
    )
    rules = []
    for number, rule in enumerate(ordered, start=1):
        answering = [action.data for action in rule.actions if action.type in ("forward", "redirect", "fixed-response")]
        if answering:
            priority = 0 if rule.is_default or rule.priority == "default" else int(rule.priority)
            rules.append(Rule(number, tuple(rule.conditions), answering[-1], priority))
    return Listener(
        port=int(record.port),
        secure=record.protocol == "HTTPS",
        rules=tuple(rules),
        certificates=tuple(record.certificates),
    )
