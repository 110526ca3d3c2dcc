"""What flowed: packets and bytes by interface, direction and five-tuple, until they are taken for the flow logs.

No lock of its own and no clock; ``component`` has both.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from localcloud.core.connections import Connection, Moved, NextHop, Verdict
from localcloud.core.flow import FlowRecord

SYN = 60


@dataclass(slots=True)
class _Flow:
    first: float
    last: float
    packets: int = 0
    bytes: int = 0


_Key = tuple[str, bool, Connection, bool, Connection]


class Flows:
    """The flows of the aggregation interval that runs."""

    def __init__(self) -> None:
        self._flows: dict[_Key, _Flow] = {}

    def add(self, verdict: Verdict, moved: Moved, at: float) -> None:
        """What a connection moved, at each interface on its way."""
        for hop in verdict.hops:
            packets = moved.packets_received if hop.reply else moved.packets_sent
            if packets:
                self._count(hop, packets, moved.bytes_received if hop.reply else moved.bytes_sent, at)

    def reject(self, verdict: Verdict, at: float) -> None:
        """One SYN that didn't come through (and its answer, where that is what was stopped)."""
        for hop in verdict.hops:
            self._count(hop, 1, SYN, at)

    def _count(self, hop: NextHop, packets: int, size: int, at: float) -> None:
        key = (hop.interface, hop.outbound, hop.packet, hop.accepted, hop.behind or hop.packet)
        flow = self._flows.setdefault(key, _Flow(at, at))
        flow.last = at
        flow.packets += packets
        flow.bytes += size

    def take(self, account: str) -> dict[str, list[FlowRecord]]:
        """The records of the interval by interface; the next interval begins empty."""
        flows, self._flows = self._flows, {}
        found: dict[str, list[FlowRecord]] = defaultdict(list)
        for (interface, outbound, packet, accepted, behind), flow in flows.items():
            found[interface].append(
                FlowRecord(
                    account=account,
                    interface=interface,
                    source=packet.source,
                    destination=packet.destination,
                    source_port=packet.source_port,
                    destination_port=packet.port,
                    protocol=packet.protocol,
                    packets=flow.packets,
                    bytes=flow.bytes,
                    start=int(flow.first),
                    end=int(flow.last),
                    accepted=accepted,
                    more={
                        "flow-direction": "egress" if outbound else "ingress",
                        "pkt-srcaddr": behind.source,
                        "pkt-dstaddr": behind.destination,
                        "type": "IPv4",
                    },
                )
            )
        return found
