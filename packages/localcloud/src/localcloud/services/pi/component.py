"""A watcher for each running instance that has Performance Insights on: a thread with one connection.

It ends when the server goes, for whatever reason, and a new one is started once the server runs again. What it saw is
in the store, on disk; there is nothing for the snapshot.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from localcloud.backends.databases import DatabaseInstance, DatabaseServers
from localcloud.core.interfaces import MetricSink
from localcloud.core.registry import component
from localcloud.services.pi import sampler
from localcloud.services.pi.store import Store

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

COUNTERS_EVERY = 10
"""Seconds. AWS reads counters once a minute; rehearsals want them as soon as the other RDS metrics."""
PRUNE_EVERY = 300.0


@component()
class Insights:
    """The component. The store has a lock of its own."""

    name = "pi"

    def __init__(self, state: Path) -> None:
        self.store = Store(state / "insights.sqlite")
        self._cloud: Cloud | None = None
        self._watchers: dict[str, threading.Thread] = {}
        self._last_problem: dict[str, str] = {}

    # -- component ------------------------------------------------------------------------------------------------

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.step()
        cloud.loop("pi", 1.0, self.step)
        cloud.loop("pi-prune", PRUNE_EVERY, lambda: self.store.prune(int(time.time())))

    def dump(self) -> object:
        """Samples lie on disk already."""
        return None

    def load(self, state: Any) -> None:
        """Nothing to take back."""

    def stop(self) -> None:
        for watcher in list(self._watchers.values()):
            watcher.join(2.0)
        self.store.close()

    # -- watching -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Give each running instance that has none a watcher."""
        cloud = self._cloud
        if cloud is None or not cloud.has(DatabaseServers):
            return
        self._watchers = {name: each for name, each in self._watchers.items() if each.is_alive()}
        for instance in cloud.part(DatabaseServers).running():
            name = instance.record["DbiResourceId"]
            if name in self._watchers or not instance.record["PerformanceInsightsEnabled"]:
                continue
            watcher = threading.Thread(target=self._watch, args=(cloud, instance), name=f"pi-{name}", daemon=True)
            self._watchers[name] = watcher
            watcher.start()

    def _watch(self, cloud: Cloud, instance: DatabaseInstance) -> None:
        databases = cloud.part(DatabaseServers)
        try:
            with sampler.watching(databases.server(instance.identifier)) as request:
                self._last_problem.pop(instance.identifier, None)
                second = counted = 0
                busy: list[tuple[int, int]] = []
                name = instance.record["DbiResourceId"]
                while instance.record["PerformanceInsightsEnabled"]:
                    second = _next_second(cloud, second)
                    if cloud.stopping.is_set():
                        break
                    sessions = request.sessions()
                    self.store.add(name, second, sessions)
                    busy.append((len(sessions), sum(1 for each in sessions if _is_on_cpu(each))))
                    if second - counted >= COUNTERS_EVERY:
                        counted = second
                        _publish_load(cloud, instance.identifier, busy)
                        busy = []
                        values = request.counters(databases.processes(instance.identifier), instance.size)
                        self.store.add_counters(name, second, values)
        except (psycopg.Error, OSError, KeyError, sqlite3.ProgrammingError) as problem:
            # Servers stop; and KeyError is an instance, ProgrammingError a store that has gone meanwhile.
            if cloud.stopping.is_set() or self._last_problem.get(instance.identifier) == str(problem):
                return
            self._last_problem[instance.identifier] = str(problem)
            log.info("Performance Insights lost its connection to %s: %s", instance.identifier, problem)
        except Exception:
            log.exception("localcloud failed while sampling database %s", instance.identifier)


def _is_on_cpu(session: sampler.Session) -> bool:
    return dict(session.dimensions).get("db.wait_event_type.name") == "CPU"


def _publish_load(cloud: Cloud, identifier: str, busy: Sequence[tuple[int, int]]) -> None:
    """CloudWatch gets the load of an instance as a whole, where Performance Insights is on."""
    if not busy or not cloud.has(MetricSink):
        return
    load, on_cpu = (sum(each) / len(busy) for each in zip(*busy, strict=True))
    dimensions = {"DBInstanceIdentifier": identifier}
    for name, value in (("DBLoad", load), ("DBLoadCPU", on_cpu), ("DBLoadNonCPU", load - on_cpu)):
        cloud.part(MetricSink).put("AWS/RDS", name, dimensions, value, unit="None")


def _next_second(cloud: Cloud, last: int) -> int:
    """Wait for the next whole second, so that each second has one sample; then which one it is."""
    while int(now := time.time()) == last and not cloud.stopping.wait(last + 1 - now):
        pass
    return int(time.time())
