"""What runs for one task: its processes and what was measured of them. Not part of the snapshot."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from localcloud.core.processes import Process
    from localcloud.services.ecs.launch import Started

LAST_LINES_SECONDS: Final = 5.0


@dataclass(slots=True)
class Running:
    started: dict[str, Started]
    """By container name."""
    since: datetime
    ended: set[str] = field(default_factory=set)
    out_of_memory: set[str] = field(default_factory=set)
    cpu_ticks: int = 0
    """CPU time at the last measurement, and when that was (monotonic seconds)."""
    measured_at: float = 0.0
    cpu_cores: float = 0.0
    """CPUs used between the last two measurements."""
    memory_bytes: int = 0
    last_ended_at: float = 0.0
    """Monotonic seconds at which the latest of its processes was seen to have ended."""

    def processes(self) -> list[Process]:
        return [started.process for name, started in self.started.items() if name not in self.ended]

    def alive(self) -> bool:
        """A process lives, or its last lines are still being read (whoever else may hold the pipe: not for long)."""
        if len(self.ended) < len(self.started):
            return True
        unread = any(not started.reader.done.is_set() for started in self.started.values())
        return unread and time.monotonic() < self.last_ended_at + LAST_LINES_SECONDS
