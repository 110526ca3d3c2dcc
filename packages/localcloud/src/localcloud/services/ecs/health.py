"""Container health checks: the commands of task definitions, really run where the container runs.

A check passes when its command exits with 0 in time. A container is UNKNOWN until its first check counts, HEALTHY
after one that passed, UNHEALTHY after ``retries`` in a row that failed; failures in the start period don't count.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.services.ecs.launch import Started, at_own_address

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@dataclass(slots=True)
class Watch:
    task: str
    container: str
    command: tuple[str, ...]
    started: Started
    address: str
    interval: float
    timeout: float
    retries: int
    counts_from: float
    """Unix time at which the start period is over."""
    next_at: float
    failures: int = 0
    health: str = "UNKNOWN"
    busy: bool = False

    @staticmethod
    def of(task: str, container: Mapping[str, Any], started: Started, address: str, now: float) -> Watch:
        """A watch by a container definition's ``healthCheck`` (defaults as in the API reference of HealthCheck)."""
        check = container["healthCheck"]
        interval = float(check.get("interval", 30))
        return Watch(
            task=task,
            container=container["name"],
            command=tuple(check["command"]),
            started=started,
            address=address,
            interval=interval,
            timeout=float(check.get("timeout", 5)),
            retries=int(check.get("retries", 3)),
            counts_from=now + float(check.get("startPeriod", 0)),
            next_at=now + interval,
        )

    def argv(self) -> list[str]:
        kind, *words = self.command
        if kind == "CMD-SHELL":
            return ["/bin/sh", "-c", " ".join(words)]
        return words if kind == "CMD" else list(self.command)

    def run(self, cloud: Cloud) -> bool:
        """Run the command once in a worker thread; ended when its time is over."""
        from localcloud.core.processes import Supervisor, wait

        supervisor = cloud.part(Supervisor)
        argv = [at_own_address(cloud, self.address, word) for word in self.argv()]
        try:
            process = supervisor.spawn(
                f"health check of {self.container}",
                argv,
                env=self.started.environment,
                cwd=self.started.folder,
                output=Path(os.devnull),
            )
        except OSError:
            return False
        if not wait([process], self.timeout):
            supervisor.end(process, 0.0)
            return False
        return process.poll() == 0

    def record(self, passed: bool, now: float) -> str:
        """Count one result; answers the container's health after it."""
        self.busy = False
        self.next_at = now + self.interval
        if passed:
            self.failures, self.health = 0, "HEALTHY"
        elif now >= self.counts_from:
            self.failures += 1
            if self.failures >= self.retries:
                self.health = "UNHEALTHY"
        return self.health


class Watches:
    """The watches of all running containers."""

    def __init__(self) -> None:
        self._watches: dict[tuple[str, str], Watch] = {}

    def add(self, watch: Watch) -> None:
        self._watches[watch.task, watch.container] = watch

    def has(self, watch: Watch) -> bool:
        return self._watches.get((watch.task, watch.container)) is watch

    def drop(self, task: str, container: str) -> None:
        self._watches.pop((task, container), None)

    def drop_task(self, task: str) -> None:
        for key in [key for key in self._watches if key[0] == task]:
            del self._watches[key]

    def due(self, now: float) -> Iterator[Watch]:
        """Those whose next check is due; each is given out once until its result is recorded."""
        for watch in list(self._watches.values()):
            if not watch.busy and watch.next_at <= now:
                watch.busy = True
                yield watch
