"""Whether a new connection gets through: security groups, network ACLs and routes over plain values.

Pure. Where the values come from is in ``facts``; what is done with a verdict is in ``component``. IPv4 only. Sources:
the VPC user guide on security groups (stateful, allow only, any rule that matches), network ACLs (stateless, the lowest
rule number that matches decides, not asked within one subnet), route priority (the longest prefix), NAT gateways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from localcloud.core.connections import Connection, NextHop, Verdict

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
ANY = "-1"


@dataclass(frozen=True, slots=True)
class Rule:
    """A security group's rule. Its other end is an address block or a group; a prefix list is its blocks."""

    protocol: str
    """``tcp``, ``udp``, ``icmp``, IANA's number, or ``-1`` for all."""
    first: int | None
    last: int | None
    """The ports; ``None`` (or -1) for all."""
    blocks: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A security group."""

    id: str
    inbound: tuple[Rule, ...] = ()
    outbound: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A network ACL's rule."""

    number: int
    outbound: bool
    allow: bool
    protocol: str
    block: str
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    block: str
    target: str
    """``local``, or the id of a gateway."""


@dataclass(frozen=True, slots=True)
class Subnet:
    id: str
    vpc: str
    acl: str = ""
    """The network ACL's id, for what is said."""
    entries: tuple[Entry, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. ``public`` is the public address that belongs to it, if one does."""

    id: str
    address: str
    subnet: str
    groups: tuple[str, ...] = ()
    public: str = ""


@dataclass(frozen=True, slots=True)
class Nat:
    """A NAT gateway and the interface that it has."""

    id: str
    interface: Interface
    available: bool = True


@dataclass(frozen=True, slots=True)
class VpcSnapshot:
    """All that decides. Interfaces by their address in the VPC; the rest by id."""

    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    nats: Mapping[str, Nat] = field(default_factory=dict)


def judge(world: VpcSnapshot, connection: Connection) -> Verdict:
    """Whether the connection comes about, and what each interface on its way sees of it."""
    walk = _Walk(world)
    source = world.interfaces.get(connection.source)
    target = world.interfaces.get(connection.destination)
    nat = None
    if source:
        nat = walk.leave(source, connection, target)
    if not walk.stopped and target:
        walk.arrive(target, connection, source)
    if not walk.stopped and source:
        walk.back(source, connection, target, nat)
    return Verdict(not walk.stopped, tuple(walk.hops), walk.stopped, nat.id if nat else "")


class _Walk:
    """One connection's way, there and back; it ends where something stops it."""

    def __init__(self, world: VpcSnapshot) -> None:
        self.world = world
        self.hops: list[NextHop] = []
        self.stopped = ""

    def _hop(
        self, interface: Interface, packet: Connection, *, outbound: bool, reply: bool, stopped: str, **more: Connection
    ) -> None:
        self.hops.append(NextHop(interface.id, outbound, packet, reply, not stopped, **more))
        self.stopped = self.stopped or stopped

    def leave(self, source: Interface, packet: Connection, target: Interface | None) -> Nat | None:
        """Out of the source's interface and subnet. The NAT gateway that it is sent to, if it is."""
        subnet = self.world.subnets[source.subnet]
        stopped = self._groups_stop(source, packet, target, outbound=True)
        if not stopped and not (target and target.subnet == source.subnet):
            stopped = _acl_stops(subnet, packet, packet.destination, outbound=True)
        self._hop(source, packet, outbound=True, reply=False, stopped=stopped)
        if stopped:
            return None
        route = find_route(subnet.routes, packet.destination)
        if route is None:
            self.stopped = f"the route table of {subnet.id} has no route to {packet.destination}"
        elif route.target.startswith("igw-") and not source.public:
            self.stopped = f"{source.id} has no public address and {subnet.id} sends it to {route.target}"
        elif route.target.startswith("nat-"):
            return self._through_nat(route, source, packet)
        elif route.target == "local" and target is None:
            self.stopped = f"no interface in the VPC has the address {packet.destination}"
        return None

    def _through_nat(self, route: Route, source: Interface, packet: Connection) -> Nat | None:
        nat = self.world.nats.get(route.target)
        if nat is None or not nat.available:
            self.stopped = f"the route of {source.subnet} leads to {route.target}, which isn't available"
            return None
        gate, subnet = nat.interface, self.world.subnets[nat.interface.subnet]
        inner = Connection(packet.source, gate.address, packet.source_port, packet.port, packet.protocol)
        outer = Connection(gate.address, packet.destination, packet.source_port, packet.port, packet.protocol)
        near = subnet.id == source.subnet
        stopped = "" if near else _acl_stops(subnet, packet, packet.source, outbound=False)
        self._hop(gate, inner, outbound=False, reply=False, stopped=stopped, behind=packet)
        if stopped:
            return None
        stopped = _acl_stops(subnet, outer, packet.destination, outbound=True)
        self._hop(gate, outer, outbound=True, reply=False, stopped=stopped, behind=outer)
        way = find_route(subnet.routes, packet.destination)
        if not stopped and (way is None or not way.target.startswith("igw-")):
            self.stopped = f"{nat.id} is in {subnet.id}, whose route table has no internet gateway"
        return nat

    def arrive(self, target: Interface, packet: Connection, source: Interface | None) -> None:
        """Into the target's subnet and interface, and its answer out of them."""
        subnet, near = self.world.subnets[target.subnet], source is not None and source.subnet == target.subnet
        stopped = "" if near else _acl_stops(subnet, packet, packet.source, outbound=False)
        stopped = stopped or self._groups_stop(target, packet, source, outbound=False)
        self._hop(target, packet, outbound=False, reply=False, stopped=stopped)
        if stopped:
            return
        reply = packet.reply()
        stopped = "" if near else _acl_stops(subnet, reply, reply.destination, outbound=True)
        self._hop(target, reply, outbound=True, reply=True, stopped=stopped)

    def back(self, source: Interface, packet: Connection, target: Interface | None, nat: Nat | None) -> None:
        """The answer on its way into the source's subnet: groups remember the connection, ACLs don't."""
        reply, subnet = packet.reply(), self.world.subnets[source.subnet]
        if nat:
            gate, outside = nat.interface, self.world.subnets[nat.interface.subnet]
            outer = Connection(reply.source, gate.address, reply.source_port, reply.port, reply.protocol)
            inner = Connection(gate.address, reply.destination, reply.source_port, reply.port, reply.protocol)
            stopped = _acl_stops(outside, outer, outer.source, outbound=False)
            self._hop(gate, outer, outbound=False, reply=True, stopped=stopped, behind=outer)
            if not stopped:
                stopped = (
                    "" if outside.id == subnet.id else _acl_stops(outside, reply, reply.destination, outbound=True)
                )
                self._hop(gate, inner, outbound=True, reply=True, stopped=stopped, behind=reply)
            if stopped:
                return
        near = target is not None and target.subnet == source.subnet
        stopped = "" if near else _acl_stops(subnet, reply, reply.source, outbound=False)
        self._hop(source, reply, outbound=False, reply=True, stopped=stopped)

    def _groups_stop(self, interface: Interface, packet: Connection, other: Interface | None, *, outbound: bool) -> str:
        """Why the groups of an interface don't let a new connection through; nothing where one of them does."""
        far = packet.destination if outbound else packet.source
        for group in interface.groups:
            held = self.world.groups.get(group)
            rules = () if held is None else held.outbound if outbound else held.inbound
            for rule in rules:
                if _matches(rule.protocol, rule.first, rule.last, packet) and _is_other_end(rule, far, other):
                    return ""
        names = ", ".join(interface.groups) or "none"
        way = f"outbound rule to {far}" if outbound else f"inbound rule from {far}"
        return f"the security groups of {interface.id} ({names}) have no {way} on port {packet.port}"


def find_route(routes: Iterable[Route], destination: str) -> Route | None:
    """The route with the longest prefix that holds the address."""
    fitting = [route for route in routes if within(destination, route.block)]
    return max(fitting, key=lambda route: _network(route.block).prefixlen, default=None)


def _is_other_end(rule: Rule, address: str, other: Interface | None) -> bool:
    if rule.group:
        return other is not None and rule.group in other.groups
    return any(within(address, block) for block in rule.blocks)


def _acl_stops(subnet: Subnet, packet: Connection, far: str, *, outbound: bool) -> str:
    """Why a subnet's network ACL doesn't let a packet to or from ``far`` through; nothing where it does."""
    for entry in sorted(_of_direction(subnet.entries, outbound=outbound), key=lambda each: each.number):
        if _matches(entry.protocol, entry.first, entry.last, packet) and within(far, entry.block):
            if entry.allow:
                return ""
            break
    way = f"to {far}" if outbound else f"from {far}"
    return f"the network ACL {subnet.acl} of {subnet.id} denies port {packet.port} {way}"


def _of_direction(entries: Iterable[Entry], *, outbound: bool) -> Iterator[Entry]:
    return (entry for entry in entries if entry.outbound == outbound)


def _matches(protocol: str, first: int | None, last: int | None, packet: Connection) -> bool:
    if protocol != ANY and PROTOCOLS.get(protocol, protocol) not in (packet.protocol, str(packet.protocol)):
        return False
    if protocol == ANY or first is None or first == -1:
        return True
    return first <= packet.port <= (first if last is None else last)


@lru_cache(4096)
def _network(block: str) -> IPv4Network:
    return IPv4Network(block, strict=False)


def within(address: str, block: str) -> bool:
    """Whether the address lies in the block."""
    return IPv4Address(address) in _network(block)
