"""The targets of target groups: their states, what one health check means for them, and who gets traffic.

Pure: no network, no clock. The probes themselves are in ``probes``; AWS's words for states and reasons are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.core.interfaces import TargetState


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a target group's targets are checked. Times in seconds."""

    enabled: bool
    protocol: str
    path: str
    port: str
    """``traffic-port``, or a number."""
    interval: float
    timeout: float
    healthy_threshold: int
    unhealthy_threshold: int
    codes: str
    """As in AWS: ``200``, ``200,202`` or ``200-299``."""

    def expects(self, code: int) -> bool:
        for part in self.codes.split(","):
            first, _, last = part.strip().partition("-")
            if first.isdigit() and int(first) <= code <= int(last or first):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Probe:
    """What one health check came to: ``ok``, or the reason why not."""

    ok: bool
    reason: str = ""
    description: str = ""
    source_port: int = field(default=0, compare=False)
    """Where it was sent from; 0 where that isn't known."""


REFUSED = Probe(False, "Target.FailedHealthChecks", "Health checks failed")
TIMED_OUT = Probe(False, "Target.Timeout", "Request timed out")


def answered(check: HealthCheck, code: int) -> Probe:
    """A probe that got an HTTP answer."""
    if check.expects(code):
        return Probe(True)
    return Probe(False, "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{code}]")


@dataclass(slots=True)
class Target:
    """One registered address and port. Times are ``time.time()``."""

    address: str
    port: int
    registered_at: float
    by_call: bool = False
    """Registered by a client's call, not by the task that it is."""
    state: str = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = "Target registration is in progress"
    successes: int = 0
    failures: int = 0
    draining_until: float | None = None
    next_probe: float = 0.0
    probing: bool = field(default=False, compare=False)

    def restart(self) -> None:
        """Registered anew, or its group has just been put behind a load balancer: begin again."""
        self.state, self.reason = "initial", "Elb.RegistrationInProgress"
        self.description = "Target registration is in progress"
        self.successes = self.failures = 0
        self.draining_until = None
        self.next_probe = 0.0

    def drain(self, until: float) -> None:
        self.state, self.reason = "draining", "Target.DeregistrationInProgress"
        self.description = "Target deregistration is in progress"
        self.draining_until = until

    def set_aside(self) -> None:
        """Its group is behind no load balancer."""
        self.state, self.reason = "unused", "Target.NotInUse"
        self.description = "Target group is not configured to receive traffic from the load balancer"

    def learn(self, probe: Probe, check: HealthCheck) -> None:
        """Take in one probe. A new target needs one success; after that the thresholds count."""
        if self.state not in ("initial", "healthy", "unhealthy"):
            return
        if probe.ok:
            self.successes, self.failures = self.successes + 1, 0
            if self.state == "initial" or self.successes >= check.healthy_threshold:
                self.state, self.reason, self.description = "healthy", "", ""
            return
        self.successes, self.failures = 0, self.failures + 1
        if self.failures >= check.unhealthy_threshold:
            self.state, self.reason, self.description = "unhealthy", probe.reason, probe.description
        elif self.state == "initial":
            self.reason, self.description = "Elb.InitialHealthChecking", "Initial health checks in progress"

    def shown(self) -> TargetState:
        return TargetState(self.address, self.port, self.state, self.reason, self.description)


def routed(targets: Iterable[Target]) -> set[tuple[str, int]]:
    """Who gets new requests: the healthy; where none is, all that are registered ("fails open", as AWS does)."""
    registered = [target for target in targets if target.state in ("initial", "healthy", "unhealthy")]
    healthy = [target for target in registered if target.state == "healthy"]
    return {(target.address, target.port) for target in healthy or registered}


def health_check(group: Mapping[str, Any]) -> HealthCheck:
    """The check of a target group as DescribeTargetGroups shows it."""
    return HealthCheck(
        enabled=bool(group.get("HealthCheckEnabled", True)),
        protocol=group.get("HealthCheckProtocol") or "HTTP",
        path=group.get("HealthCheckPath") or "/",
        port=str(group.get("HealthCheckPort") or "traffic-port"),
        interval=float(group.get("HealthCheckIntervalSeconds") or 30),
        timeout=float(group.get("HealthCheckTimeoutSeconds") or 5),
        healthy_threshold=int(group.get("HealthyThresholdCount") or 5),
        unhealthy_threshold=int(group.get("UnhealthyThresholdCount") or 2),
        codes=(group.get("Matcher") or {}).get("HttpCode") or "200",
    )
