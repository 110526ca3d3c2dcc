"""The cloud: one coherent state, one lock, its components and its loops.

A *component* owns the state of one AWS service that moves (ECS, metrics, alarms, logs …). It is saved in the
snapshot with moto's backends and comes back at the next start. A *loop* reconciles what is wanted with what is
real, again and again; it never assumes that it saw every event.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from localcloud.core.profiles import FULL

log = logging.getLogger(__name__)


@runtime_checkable
class Component(Protocol):
    """What the cloud asks of a component. ``dump`` is called under the cloud's lock and must be quick."""

    name: str

    def start(self, cloud: Cloud) -> None:
        """Called once, after every component is attached and ``load`` has run. Registers loops; starts real parts."""

    def dump(self) -> object:
        """Plain, picklable state. Processes, sockets and threads are not state."""

    def load(self, state: Any) -> None:
        """Take back what ``dump`` gave, at a later start. No process of the earlier run exists any more."""

    def stop(self) -> None:
        """The cloud goes down: end the real parts that this component started."""


def partition_of(region: str) -> str:
    """The part of AWS that a region is in, as ARNs name it: ``aws``, ``aws-cn``, ``aws-us-gov`` …"""
    from moto.utilities.utils import get_partition

    return str(get_partition(region))


@dataclass(frozen=True, slots=True)
class Settings:
    """What is fixed for the life of one state folder."""

    state: Path
    """The folder that holds everything of this cloud: snapshot, logs, metrics, databases, images, process ids."""
    account: str
    """Twelve digits."""
    region: str
    block: int
    """0 to 62: this cloud's real addresses are 127.(64+block).0.0/16, so that clouds stand side by side."""
    port: int
    """The AWS endpoint listens on http://127.(64+block).0.1:port."""
    port_shift: int
    """Added to ports below 1024 where this user may not listen on them; else 0."""
    outside_api: Path | None = None
    """A Python file that says what the API outside of AWS answers (``backends.outside_api``)."""
    profile: str = FULL
    """Which services there are (``core.profiles``)."""

    @property
    def address(self) -> str:
        return f"127.{64 + self.block}.0.1"

    @property
    def partition(self) -> str:
        return partition_of(self.region)

    def arn(self, service: str, rest: str, *, is_global: bool = False) -> str:
        """The ARN of something of this account's; the global services' (IAM, STS) name no region."""
        return f"arn:{self.partition}:{service}:{'' if is_global else self.region}:{self.account}:{rest}"

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}:{self.port}"

    def real_address(self, vpc_address: str) -> str:
        """Where a VPC address really listens: 10.0.11.23 in block 0 is 127.64.11.23."""
        third, fourth = vpc_address.split(".")[2:]
        return f"127.{64 + self.block}.{third}.{fourth}"

    @property
    def outside_address(self) -> str:
        """Where the API outside of AWS listens that the applications ask; no subnet gives this one away."""
        return f"127.{64 + self.block}.254.10"

    def real_port(self, port: int) -> int:
        return port + self.port_shift if port < 1024 else port


@dataclass(slots=True)
class LoopHealth:
    """How a loop is doing, for ``localcloud status``."""

    every: float
    runs: int = 0
    failures: int = 0
    last_error: str = ""
    slowest: float = 0.0
    """Seconds."""


C = TypeVar("C")


@dataclass(slots=True)
class Cloud:
    """All of one local AWS. ``lock`` guards moto and every component that has no lock of its own."""

    settings: Settings
    lock: threading.RLock = field(default_factory=threading.RLock)
    stopping: threading.Event = field(default_factory=threading.Event)
    changed: threading.Event = field(default_factory=threading.Event)
    """Set whenever state that belongs in the snapshot may have changed."""
    _attached: dict[type[Any], Component] = field(default_factory=dict)
    _components: dict[type[Any], Any] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _loops: dict[str, LoopHealth] = field(default_factory=dict)

    def attach(self, component: Component) -> None:
        """Found from now on by its class, and by each interface (base class) that it offers."""
        self._attached[type(component)] = component
        for kind in type(component).__mro__[:-1]:
            self._components[kind] = component

    def part(self, kind: type[C]) -> C:
        """The component of this class or interface; ``KeyError`` where none is attached, as in a
        test that needs less of the cloud."""
        found: C = self._components[kind]
        return found

    def has(self, kind: type[Any]) -> bool:
        return kind in self._components

    def components(self) -> list[Component]:
        return list(self._attached.values())

    def now(self) -> datetime:
        """Real time: rehearsals are quick because periods are short, not because time is bent."""
        return datetime.now(UTC)

    def touch(self) -> None:
        """Say that state changed, so that the next snapshot is worth writing."""
        self.changed.set()

    def loop(self, name: str, every: float, body: Callable[[], None]) -> None:
        """Call ``body`` every so many seconds in a thread of its own until the cloud stops.

        The body takes ``cloud.lock`` itself, for as short as it can. An exception is a bug: it is logged whole
        and the loop goes on, since one bad reading must not stop the rest of the cloud.
        """

        health = self._loops[name] = LoopHealth(every)

        def run() -> None:
            while not self.stopping.wait(every):
                began = time.monotonic()
                try:
                    body()
                except Exception as problem:
                    if not self.stopping.is_set():
                        health.failures += 1
                        health.last_error = f"{type(problem).__name__}: {problem}"
                        log.exception("loop %s failed", name)
                took = time.monotonic() - began
                health.runs += 1
                health.slowest = max(health.slowest, took)
                if took > max(1.0, 2 * every):
                    log.warning("loop %s took %.1f s", name, took)

        thread = threading.Thread(target=run, name=f"loop-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def loops(self) -> dict[str, dict[str, Any]]:
        """Every loop's health by its name."""
        return {name: asdict(health) for name, health in self._loops.items()}

    def join(self, timeout: float) -> None:
        """Wait for the loops to end after ``stopping`` was set."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def moto(self, service: str, region: str | None = None) -> Any:
        """moto's backend of a service for this account, in this region (``"aws"``: of the partition's global ones)."""
        from moto.backends import get_backend

        wanted = self.settings.partition if region == "aws" else region or self.settings.region
        return get_backend(service)[self.settings.account][wanted]
