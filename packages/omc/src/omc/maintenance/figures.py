"""How an environment serves its users in a stretch of time, as it is kept and compared. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all load balancers and services together."""

    begin: datetime
    end: datetime
    requests: float = 0.0
    error_percent: float = 0.0
    """5xx of all answers."""
    p95_seconds: float | None = None
    """None: nothing was measured."""
    running: Mapping[str, int] = field(default_factory=dict)
    """By service, at the end."""
    desired: Mapping[str, int] = field(default_factory=dict)
    firing: tuple[str, ...] = ()
    """Alarms of the environment that are in ALARM and act, at the end."""

    def say_something(self, floor: float) -> bool:
        """Whether error rate and response time mean anything. ``floor``: requests a minute below which they don't; 0:
        no traffic is expected, and none is missed."""
        minutes = max((self.end - self.begin).total_seconds() / 60, 1 / 60)
        return floor <= 0 or self.requests >= max(1.0, floor * min(1.0, minutes))

    @property
    def sentence(self) -> str:
        slow = "no response time" if self.p95_seconds is None else f"95th percentile {self.p95_seconds:.2f} s"
        tasks = ", ".join(
            f"{name} {self.running.get(name, 0)}/{wanted}" for name, wanted in sorted(self.desired.items())
        )
        alarms = ", ".join(self.firing) or "no alarm"
        served = f"{self.error_percent:.1f} % of {self.requests:.0f} answers were 5xx, {slow}"
        if not self.requests:
            served = "nobody asked for anything, so error rate and response time are unknown"
        return f"{served[:1].upper()}{served[1:]}; tasks: {tasks or 'none'}; {alarms} fires."
