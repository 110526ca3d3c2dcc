"""Connections in a VPC: what is asked of the network that judges them, and what is told of them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

TCP = 6
HEADERS = 52
"""Bytes of IP and TCP headers on each packet (20 + 20, and 12 of time stamps), which flow logs count."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The first packet of a connection. Addresses are the VPC's, or public ones."""

    source: str
    destination: str
    source_port: int
    port: int
    protocol: int = TCP

    def reply(self) -> Connection:
        """The packet that answers it."""
        return Connection(self.destination, self.source, self.port, self.source_port, self.protocol)


@dataclass(frozen=True, slots=True)
class NextHop:
    """What an interface sees of a connection: one direction of it, let through or rejected there."""

    interface: str
    outbound: bool
    """Leaves the interface."""
    packet: Connection
    reply: bool
    accepted: bool
    behind: Connection | None = None
    """Source and destination before a NAT gateway changed one of them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    allowed: bool
    hops: tuple[NextHop, ...]
    reason: str = ""
    """Why not, in one sentence."""
    nat: str = ""
    """The NAT gateway that it goes through."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes of payload and packets, each way."""

    sent: int = 0
    """By whoever opened the connection."""
    received: int = 0
    packets_sent: int = 0
    packets_received: int = 0

    def since(self, before: Moved) -> Moved:
        return Moved(
            max(0, self.sent - before.sent),
            max(0, self.received - before.received),
            max(0, self.packets_sent - before.packets_sent),
            max(0, self.packets_received - before.packets_received),
        )

    @property
    def bytes_sent(self) -> int:
        """With headers."""
        return self.sent + HEADERS * self.packets_sent

    @property
    def bytes_received(self) -> int:
        """With headers."""
        return self.received + HEADERS * self.packets_received


class VpcNetwork:
    """Judges connections by the VPC's rules, and counts them (VPC)."""

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
        """Put a gate before a server; again with the same name moves it. Where it listens.

        ``at`` is the real address to listen at where it isn't what ``real_address(destination)`` gives.

        Raises ``OSError`` where it can't listen there. Never call it under the cloud's lock, unless ``wait`` is false:
        then it is there a moment later, or the log says why not.
        """
        raise NotImplementedError

    def close(self, name: str) -> None:
        """Take a gate away: who connects is refused. Nothing where there is none; connections that stand go on."""
        raise NotImplementedError

    def judge(self, connection: Connection) -> Verdict:
        """Whether the rules of this second let a new connection through. Addresses in the VPC, or public ones."""
        raise NotImplementedError

    def bound(self, address: str) -> AbstractContextManager[str]:
        """While the block lasts, whoever connects from this interface's real address, which is given, is judged by its
        SYN."""
        raise NotImplementedError

    def knows(self, address: str) -> bool:
        """Whether there is an interface with this address in the VPC."""
        raise NotImplementedError

    def flowed(self, connection: Connection, moved: Moved) -> None:
        """Traffic that was seen elsewhere than at a gate, for the flow logs."""
        raise NotImplementedError

    def rejected(self, connection: Connection) -> None:
        """A connection that was tried and not let through, seen elsewhere than at a gate."""
        raise NotImplementedError
