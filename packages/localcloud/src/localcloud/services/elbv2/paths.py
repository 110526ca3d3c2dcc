"""The ways from a load balancer to its targets: whether the VPC's rules leave them open, and what flowed on them.

A way that is closed leads HAProxy into a black hole, where connecting gets no answer, as in a VPC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from localcloud.backends.blackhole import BlackHole
from localcloud.core.connections import Connection, Moved, VpcNetwork
from localcloud.core.network import Interface
from localcloud.services.elbv2.configuration import server_of
from localcloud.services.elbv2.traffic import Request

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

ANY_PORT = 49152
"""Stands for the port that a connection will come from: the first of the dynamic ones."""
SEGMENT = 1448
"""Payload of a full packet on Ethernet. HAProxy tells bytes, not packets, so these are computed."""
PROBE_REQUEST = 120
PROBE_ANSWER = 180
"""About as many bytes has a health check."""


class Paths:
    """Never call its methods under the load balancers' lock: they may take the cloud's."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._hole: BlackHole | None = None

    def open(self, source: str, target: str, port: int) -> bool:
        """Whether a new connection from this interface's address gets to the target. True for targets elsewhere."""
        if not self._cloud.has(VpcNetwork):
            return True
        network = self._cloud.part(VpcNetwork)
        return not network.knows(target) or network.judge(Connection(source, target, ANY_PORT, port)).allowed

    def closed(self, source: str, targets: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of the targets that can't be reached."""
        return {target for target in targets if not self.open(source, *target)}

    def black_hole(self) -> tuple[str, int]:
        """A real address and port that drop every SYN."""
        self._hole = self._hole or BlackHole(self._cloud.settings.address)
        return self._hole.address, self._hole.port

    def is_black_hole(self, place: tuple[str, int] | None) -> bool:
        return self._hole is not None and place == (self._hole.address, self._hole.port)

    def close(self) -> None:
        if self._hole:
            self._hole.close()

    def probed(self, source: str, target: str, port: int, own_port: int, *, reached: bool) -> None:
        """A health check was made, or dropped on its way."""
        if not self._cloud.has(VpcNetwork) or not self._cloud.part(VpcNetwork).knows(target):
            return
        connection = Connection(source, target, own_port or ANY_PORT, port)
        if not reached:
            self._cloud.part(VpcNetwork).rejected(connection)
        elif own_port:
            self._cloud.part(VpcNetwork).flowed(connection, moved(PROBE_REQUEST, PROBE_ANSWER))

    def served(self, requests: Iterable[Request], interfaces: Callable[[str], Sequence[Interface]]) -> None:
        """Requests that were answered: from the client to the load balancer, and on to the target.

        ``interfaces`` gives those of a load balancer by its dimension.
        """
        if not self._cloud.has(VpcNetwork):
            return
        network, real = self._cloud.part(VpcNetwork), self._cloud.settings.real_address
        for request in requests:
            held = interfaces(request.balancer)
            entry = next((each.address for each in held if real(each.address) == request.own), "")
            if entry and request.client[1]:
                client = Connection(request.client[0], entry, request.client[1], request.listener)
                network.flowed(client, moved(request.uploaded, request.bytes))
            target = server_of(request.server)
            if not target or not held or not network.knows(target[0]):
                continue
            onward = Connection(held[0].address, target[0], request.source_port or ANY_PORT, target[1])
            if request.failed_to_connect:
                network.rejected(onward)
            elif request.source_port:
                network.flowed(onward, moved(request.uploaded, request.bytes))


def moved(sent: int, received: int) -> Moved:
    """Bytes each way, in as many packets as Ethernet would take, and acknowledgements of every second one."""
    there, back = 1 + sent // SEGMENT, 1 + received // SEGMENT
    return Moved(sent, received, there + back // 2, back + there // 2)
