"""``Network``: decides about connections, and makes flow logs and NAT metrics of those that it sees.

To put a gate before a server, when it listens (and outside of the cloud's lock, since it waits):

    cloud.part(Network).open("outside-api", destination="203.0.113.10", port=443, forward=("127.64.0.9", 20443))

Clients then connect to what it returns, (real_address("203.0.113.10"), real_port(443)), and are judged as if they had
connected to 203.0.113.10:443. The destination is a public address, or one of an interface in the VPC. Whoever isn't a
task's process passes without being asked.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.backends.gate import Gate
from localcloud.core.connections import Connection, Moved, Verdict, VpcNetwork
from localcloud.core.interfaces import LogSink
from localcloud.core.processes import Supervisor
from localcloud.core.registry import component
from localcloud.services.vpc import facts, nat
from localcloud.services.vpc.clients import Clients
from localcloud.services.vpc.firewall import FirewallProcess
from localcloud.services.vpc.flows import Flows
from localcloud.services.vpc.reachability import VpcSnapshot, judge

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

EVERY = 1.0
WORLD_SECONDS = 1.0
"""How old the rules may be by which a connection is judged."""
UNKNOWN_SECONDS = 0.1
"""How old, when somebody asks about an address that isn't known: a task that has just been given it."""
REMEMBERED = 10_000
EPHEMERAL = 40_000
"""Some port of a client: network ACLs are asked about the answers to it."""
FLOW_SECONDS = 10.0
"""The aggregation interval of the flow logs, and the period of NAT metrics. AWS has 60 s at least."""
NOTHING = Moved()


@dataclass(slots=True)
class Tracked:
    """A connection through a gate."""

    verdict: Verdict
    moved: Moved


@component(order=30)
class Network(VpcNetwork):
    """The component. It keeps nothing over a restart: rules are EC2's, connections end with the cloud."""

    name = "network"

    def __init__(self, state: Path) -> None:
        self._keeper = FirewallProcess(state / "network", self._ask, self._report, self._gates_ended)
        self._clients = Clients()
        self._lock = threading.Lock()
        self._world, self._read_at = VpcSnapshot(), 0.0
        self._judged: dict[Connection, Verdict] = {}
        self._flows = Flows()
        self._tracked: dict[int, Tracked] = {}
        self._bound: Counter[str] = Counter()
        self._nat: dict[str, Counter[str]] = defaultdict(Counter)
        self._published_at = time.monotonic()
        self._cloud: Cloud | None = None

    # -- component ------------------------------------------------------------------------------------------------

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._keeper.start()
        cloud.loop("network", EVERY, self.step)

    def dump(self) -> object:
        return None

    def load(self, state: Any) -> None:
        """Nothing to take back."""

    def stop(self) -> None:
        if self._cloud:
            self._keeper.stop(self._cloud.part(Supervisor))
            self.publish()

    def status(self) -> dict[str, Any]:
        """For the cloud's status: every gate, and how many connections of tasks are open through them."""
        return {"gates": self._keeper.shown(), "connections": len(self._tracked)}

    # -- public API -----------------------------------------------------------------------------------------------

    def open(
        self,
        name: str,
        *,
        destination: str,
        port: int,
        forward: tuple[str, int],
        at: str | None = None,
        wait: bool = True,
    ) -> tuple[str, int]:
        """As ``VpcNetwork`` has it, with a gate as described above."""
        cloud = self._require()
        listen = (at or cloud.settings.real_address(destination), cloud.settings.real_port(port))
        self._keeper.open(cloud.part(Supervisor), Gate(name, destination, port, listen, forward), wait=wait)
        return listen

    def close(self, name: str) -> None:
        """Take a gate away: who connects is refused. Nothing where there is none; connections that stand go on."""
        self._keeper.close(name)

    def judge(self, connection: Connection) -> Verdict:
        """Whether the rules of this second let a new connection through. Addresses in the VPC, or public ones."""
        self._fresh(connection.source)
        with self._lock:
            found = self._judged.get(connection)
            if found is None:
                if len(self._judged) > REMEMBERED:
                    self._judged.clear()
                found = self._judged[connection] = judge(self._world, connection)
            return found

    @contextmanager
    def bound(self, address: str) -> Iterator[str]:
        """While the block lasts, whoever connects from this interface's real address, which is given, is judged by its
        SYN: what is forbidden is dropped by the kernel, so ``nc -zv`` says what it says in AWS. Such an attempt is in
        no flow log, since nobody but the kernel sees it."""
        with self._lock:
            self._bound[address] += 1
        self._drop()
        try:
            yield self._require().settings.real_address(address)
        finally:
            with self._lock:
                self._bound -= Counter([address])
            self._drop()

    def _drop(self) -> None:
        real = self._require().settings.real_address
        with self._lock:
            addresses = sorted(self._bound)
        forbidden: dict[str, list[str]] = {}
        for gate in self._keeper.gates() if addresses else ():
            dropped = [
                real(each)
                for each in addresses
                if not self.judge(Connection(each, gate.destination, EPHEMERAL, gate.port)).allowed
            ]
            if dropped:
                forbidden[gate.name] = dropped
        self._keeper.drop(forbidden)

    def _fresh(self, address: str = "") -> VpcSnapshot:
        """Read the rules again if they are old, or an address isn't known that may be new. Takes the cloud's lock."""
        age = time.monotonic() - self._read_at
        if age < WORLD_SECONDS and (not address or address in self._world.interfaces or age < UNKNOWN_SECONDS):
            return self._world
        world = facts.read(self._require())
        with self._lock:
            if world != self._world:
                self._judged.clear()
            self._world, self._read_at = world, time.monotonic()
            return world

    def knows(self, address: str) -> bool:
        """Whether there is an interface with this address in the VPC."""
        self._fresh(address)
        return address in self._world.interfaces

    def flowed(self, connection: Connection, moved: Moved) -> None:
        """Traffic that was seen elsewhere than at a gate, for the flow logs."""
        verdict = self.judge(connection)
        with self._lock:
            self._count(verdict, moved)

    def rejected(self, connection: Connection) -> None:
        """A connection that was tried and not let through, seen elsewhere than at a gate."""
        verdict = self.judge(connection)
        with self._lock:
            self._flows.reject(verdict, time.time())

    # -- gates ----------------------------------------------------------------------------------------------------

    def _ask(self, gate: Gate, number: int, peer: tuple[str, int]) -> tuple[bool, str]:
        cloud = self._require()
        address = self._clients.address(peer, gate.listen)
        if not address:
            return True, peer[0] if peer[0].startswith("127.") else ""
        verdict = self.judge(Connection(address, gate.destination, peer[1], gate.port))
        with self._lock:
            if verdict.nat:
                self._nat[verdict.nat]["ConnectionAttemptCount"] += 1
            if verdict.allowed:
                self._tracked[number] = Tracked(verdict, NOTHING)
            else:
                self._flows.reject(verdict, time.time())
        if not verdict.allowed:
            log.info("%s to %s:%d is dropped: %s", address, gate.destination, gate.port, verdict.reason)
        return verdict.allowed, cloud.settings.real_address(address)

    def _report(self, number: int, totals: tuple[int, ...], closed: bool) -> None:
        sent, received, packets_sent, packets_received = totals
        with self._lock:
            tracked = self._tracked.get(number)
            if tracked is None:
                return
            now = Moved(sent, received, packets_sent, packets_received)
            if now != NOTHING:
                if tracked.verdict.nat and tracked.moved == NOTHING:
                    self._nat[tracked.verdict.nat]["ConnectionEstablishedCount"] += 1
                self._count(tracked.verdict, now.since(tracked.moved))
                tracked.moved = now
            if closed:
                del self._tracked[number]

    def _count(self, verdict: Verdict, moved: Moved) -> None:
        """Under the lock."""
        self._flows.add(verdict, moved, time.time())
        if verdict.nat:
            self._nat[verdict.nat].update(nat.counts(moved))

    def _gates_ended(self) -> None:
        with self._lock:
            self._tracked.clear()

    # -- the loop -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Keep the gates' process alive; publish what flowed when an interval is over."""
        self._keeper.keep(self._require().part(Supervisor))
        self._drop()
        if time.monotonic() - self._published_at >= FLOW_SECONDS:
            self.publish()

    def publish(self) -> None:
        """End the interval: flow log records, NAT gateways' metrics and what their bytes cost."""
        cloud = self._require()
        self._published_at = time.monotonic()
        world = self._fresh()
        with self._lock:
            records = self._flows.take(cloud.settings.account)
            counted, self._nat = self._nat, defaultdict(Counter)
            active = Counter(each.verdict.nat for each in self._tracked.values() if each.verdict.nat)
        if cloud.has(LogSink):
            # An interface may outlive its subnet for a moment while a VPC is destroyed.
            subnets = {each.id: world.subnets.get(each.subnet) for each in world.interfaces.values()}
            for interface, flows in records.items():
                if subnet := subnets.get(interface):
                    named = [nat.placed(record, subnet) for record in flows]
                    cloud.part(LogSink).put_flows({interface, subnet.id, subnet.vpc}, named)
        nat.publish(cloud, world, counted, active)

    def _require(self) -> Cloud:
        if self._cloud is None:
            raise RuntimeError("the network is not started")
        return self._cloud
