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

    @property
    def sentence(self) -> str:
        slow = "no response time" if self.p95_seconds is None else f"95th percentile {self.p95_seconds:.2f} s"
        tasks = ", ".join(
            f"{name} {self.running.get(name, 0)}/{wanted}" for name, wanted in sorted(self.desired.items())
        )
        alarms = ", ".join(self.firing) or "no alarm"
        return (
            f"{self.error_percent:.1f} % of {self.requests:.0f} answers were 5xx, {slow}; tasks: {tasks or 'none'}; "
            f"{alarms} fires."
        )
