"""Whether network ACLs let a connection through, as AWS judges it.

Rules are asked in their order, and the first that matches decides. An ACL is stateless: answers need a rule of their
own, back to the client's port.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from omc.checks.causes.heard import LoggedError, about, heard, still
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.paths import ACLS, uses
from omc.checks.causes.words import Kind
from omc.checks.finding import Evidence, Procedure
from omc.facts.collector import NO_READING
from omc.facts.followup.data_stores import Store
from omc.facts.followup.group_rules import GroupRules
from omc.facts.followup.network_acls import AclRule, NetworkAcls, SubnetAcl
from omc.facts.services import EcsService, Services

TCP = frozenset({"6", "tcp", "-1", "all"})
ANSWERS = (32768, 60999)
"""Ports from which Linux connects, and so Fargate."""
LAST = 32767
"""The number of the rule that denies what no other decides."""
FIRST_FREE = 100
WRITES = (*ACLS, "CreateNetworkAcl", "DeleteNetworkAcl")


@dataclass(frozen=True, slots=True)
class Denial:
    """What one network ACL doesn't let through."""

    acl: str
    rule: AclRule | None
    """The rule that denies; None: no rule allows."""
    is_egress: bool
    ports: tuple[int, int]
    peer: str
    """The other side's addresses."""
    is_whole: bool = True
    """Nothing of it gets through; else some addresses or ports do."""


def denial(acls: NetworkAcls, clients: Sequence[SubnetAcl], servers: Sequence[SubnetAcl], port: int) -> Denial | None:
    """What keeps clients in these subnets from a port of servers in those: the first denial on the way there or back.

    It is whole where no pair of subnets is open. An ACL isn't asked within one subnet. None: it is open, or not known.
    """
    found = [_between(acls, client, server, port) for client, server in product(clients, servers)]
    denied = [each for each in found if each is not None]
    if not denied:
        return None
    first = max(denied, key=lambda each: each.is_whole)
    return replace(first, is_whole=len(denied) == len(found) and all(each.is_whole for each in denied))


def _between(acls: NetworkAcls, client: SubnetAcl, server: SubnetAcl, port: int) -> Denial | None:
    if client.id == server.id:
        return None
    there, back = (port, port), ANSWERS
    ways = (
        (client, True, server.cidr, there),
        (server, False, client.cidr, there),
        (server, True, client.cidr, back),
        (client, False, server.cidr, back),
    )
    found = [_decided(acls, subnet.acl, is_egress, peer, ports) for subnet, is_egress, peer, ports in ways]
    denied = [each for each in found if each is not None]
    return max(denied, key=lambda each: each.is_whole, default=None)


def _decided(acls: NetworkAcls, acl: str, is_egress: bool, peer: str, ports: tuple[int, int]) -> Denial | None:
    """The walk over an ACL's rules. A rule for a part of the addresses or ports decides that part alone."""
    if acl not in acls.rules:
        return None
    open_ = [_Part(ipaddress.ip_network(peer, strict=False), *ports)]
    denying: AclRule | None = None
    is_denied = is_allowed = False
    for rule in acls.rules[acl]:
        if rule.is_egress != is_egress or rule.protocol not in TCP:
            continue
        left = [rest for part in open_ for rest in _left(rule, part)]
        if left == open_:
            continue
        open_ = left
        if rule.allows:
            is_allowed = True
        elif not is_denied:
            is_denied, denying = True, rule if rule.number < LAST else None
    if not is_denied and not open_:
        return None
    return Denial(acl, denying, is_egress, ports, peer, is_whole=not is_allowed)


@dataclass(frozen=True, slots=True)
class _Part:
    """Addresses and ports that no rule has decided yet."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    first: int
    last: int


def _left(rule: AclRule, part: _Part) -> list[_Part]:
    """What a rule leaves undecided of a part."""
    theirs: Any = ipaddress.ip_network(rule.cidr, strict=False)
    ours: Any = part.network
    first, last = (0, 65535) if rule.protocol in ("-1", "all") else (rule.first, rule.last)
    first, last = max(first, part.first), min(last, part.last)
    if theirs.version != ours.version or not theirs.overlaps(ours) or first > last:
        return [part]
    inner = ours if theirs.prefixlen <= ours.prefixlen else theirs
    rest = [replace(part, network=one) for one in ours.address_exclude(inner)]
    rest += [_Part(inner, part.first, first - 1)] if part.first < first else []
    return rest + ([_Part(inner, last + 1, part.last)] if last < part.last else [])


def denied_paths(
    situation: Situation, kind: str, store: Store, logged_errors: list[LoggedError], procedure: Procedure
) -> Iterator[Cause]:
    """At most one cause: the network ACL that keeps services from the database or the cache. What keeps them from both
    is told at the database."""
    silent = still(situation, logged_errors, Kind.TIMEOUT)
    found = _denied(situation, kind, store, logged_errors)
    if not found:
        return
    what = next(iter(found.values()))
    other = "cache" if kind == "database" else "database"
    theirs: Store = getattr(situation.stores, other)
    both = next(iter(_denied(situation, other, theirs, about(theirs, other, heard(situation))).values()), None)
    is_of_both = both is not None and both.is_whole and (both.acl, both.rule) == (what.acl, what.rule)
    if is_of_both and kind == "cache":
        return
    spoken = [Evidence(f'{each.service or "a service"} says: "{each.message.line}"', NO_READING) for each in silent[:2]]
    who = " and ".join(found)
    closed = "and the cache are closed" if is_of_both else "is closed" if what.is_whole else "is partly closed"
    made = cause_of(situation, what, f"The {kind} {closed} to {who}")
    yield replace(
        made,
        name=f"{kind}-denied",
        place=kind,
        subject=store.name,
        evidence=(*made.evidence, *spoken),
        procedure=replace(procedure, command=way_back(situation, what)),
        since=made.since or min((each.first for each in silent), default=None),
        services=frozenset(found),
        is_direct=what.is_whole,
        also=frozenset({"cache"}) if is_of_both else frozenset(),
    )


def _denied(situation: Situation, kind: str, store: Store, logged_errors: list[LoggedError]) -> dict[str, Denial]:
    """By service that wants the store: what keeps it out; what keeps some of it out, where somebody gets no answer."""
    acls, services = situation.fact(NetworkAcls), situation.fact(Services)
    if acls is None or services is None or not store.exists or not store.port:
        return {}
    servers = acls.of(acls.database if kind == "database" else acls.cache)
    wanting = [service for service in services.services if _wants(service, store, situation, logged_errors)]
    judged = {each.name: denial(acls, acls.of(each.subnets), servers, store.port) for each in wanting}
    is_felt = bool(still(situation, logged_errors, Kind.TIMEOUT))
    return {name: what for name, what in judged.items() if what and (what.is_whole or is_felt)}


def cause_of(situation: Situation, what: Denial, begin: str) -> Cause:
    """Its sentence, its evidence and since when; the rest is whoever's it is."""
    acls = situation.fact(NetworkAcls)
    write = situation.changed(WRITES, what.acl)
    way = "to" if what.is_egress else "from"
    is_answer = what.ports[0] != what.ports[1]
    answers = f"the answers {way} {what.peer}, TCP ports {what.ports[0]}-{what.ports[1]}"
    packets = answers if is_answer else f"TCP port {what.ports[0]} {way} {what.peer}"
    if what.rule:
        decides = f"rule {what.rule.number} of the network ACL {what.acl} denies {packets}"
        shown = f"{'outbound' if what.is_egress else 'inbound'} rule {what.rule.number} of {what.acl}: deny "
        shown += f"{_protocol(what.rule)} {way} {what.rule.cidr}"
    else:
        decides = f"no rule of the network ACL {what.acl} allows {packets}"
        shown = f"{'outbound' if what.is_egress else 'inbound'} rules of {what.acl}: only the last, *, applies"
    by = f" It was changed by {write.who}, {situation.ago(write.at)} ({write.operation})." if write else ""
    return Cause(
        name="denied",
        place="load-balancer",
        subject=what.acl,
        sentence=f"{begin}: {decides}.{by}",
        evidence=(Evidence(shown, reading_of(acls)), *situation.by_whom(write)),
        since=write.at if write else None,
    )


def _wants(service: EcsService, store: Store, situation: Situation, logged_errors: list[LoggedError]) -> bool:
    """It speaks of the store, or a security group's rule lets it there."""
    rules, groups = situation.fact(GroupRules), service.security_groups
    if rules and groups and uses(service, groups, store, rules, situation, logged_errors):
        return True
    return any(each.service in ("", service.name) for each in logged_errors)


def _protocol(rule: AclRule) -> str:
    if rule.protocol in ("-1", "all"):
        return "all traffic"
    return f"TCP port {rule.first}" if rule.first == rule.last else f"TCP ports {rule.first}-{rule.last}"


def way_back(situation: Situation, what: Denial) -> str:
    """Removes the rule that denies; if none allows, adds one that does."""
    side = "--egress" if what.is_egress else "--ingress"
    region = f"--region {situation.environment.region}"
    if what.rule:
        number = what.rule.number
        return f"aws ec2 delete-network-acl-entry --network-acl-id {what.acl} --rule-number {number} {side} {region}"
    acls = situation.fact(NetworkAcls)
    taken = {rule.number for rule in (acls.rules[what.acl] if acls else ()) if rule.is_egress == what.is_egress}
    number = next(number for number in range(FIRST_FREE, LAST) if number not in taken)
    return (
        f"aws ec2 create-network-acl-entry --network-acl-id {what.acl} --rule-number {number} {side} --protocol 6 "
        f"--port-range From={what.ports[0]},To={what.ports[1]} --cidr-block {what.peer} --rule-action allow {region}"
    )
