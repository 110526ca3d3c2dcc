"""Whether a service's tasks are let through to the database or the cache: security groups, both ways."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from omc.checks.causes.heard import LoggedError, about, heard, still
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.words import Kind
from omc.checks.finding import Evidence, Procedure
from omc.facts.collector import NO_READING
from omc.facts.dependencies import Dependencies
from omc.facts.followup.data_stores import Store
from omc.facts.followup.group_rules import GroupRules, Rule
from omc.facts.followup.network_acls import NetworkAcls
from omc.facts.followup.rejects import Reject, Rejects
from omc.facts.services import EcsService, Services
from omc.model.networks import overlaps_own

CLOSINGS = (
    *("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", "ModifySecurityGroupRules"),
    *("ModifyDBInstance", "ModifyReplicationGroup", "ModifyCacheCluster", "DeleteSecurityGroup"),
)
ACLS = dict.fromkeys(
    ("CreateNetworkAclEntry", "ReplaceNetworkAclEntry", "DeleteNetworkAclEntry", "ReplaceNetworkAclAssociation"),
    "a network ACL",
)
ROUTES = dict.fromkeys(
    ("CreateRoute", "ReplaceRoute", "DeleteRoute", "ReplaceRouteTableAssociation", "DisassociateRouteTable"),
    "a route",
)
"""Calls that may close a way that security groups leave open."""
NETWORK_ID = re.compile(r"(?:acl|rtb)-[0-9a-z]+")
LATELY, SLACK = timedelta(hours=1), timedelta(minutes=2)
OPENINGS = frozenset({"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"})


def closed_paths(
    situation: Situation, kind: str, store: Store, logged_errors: list[LoggedError], procedure: Procedure
) -> Iterator[Cause]:
    """One cause for a store that some services can't reach, by the rules of the groups; else by refused packets."""
    rules, services = situation.fact(GroupRules), situation.fact(Services)
    if rules is None or services is None or not store.exists or not store.groups:
        return
    shut: dict[str, list[str]] = {}
    for service in services.services:
        groups = service.security_groups
        if not groups or not uses(service, groups, store, rules, situation, logged_errors):
            continue
        closed = closed_side(rules, groups, store.groups, store.port)
        if closed and not is_shut_in(situation, rules, groups, closed):
            shut.setdefault(closed, []).append(service.name)
    refused = _refused(situation, store, logged_errors)
    for closed, names in shut.items():
        who = " and ".join(names)
        write = situation.changed(
            CLOSINGS, *store.groups, *(g for each in services.services for g in each.security_groups)
        )
        evidence = [
            Evidence(f"no rule of {closed} lets {who} through to port {store.port}", reading_of(rules)),
            *situation.by_whom(write),
            *_of_rejects(situation, refused),
            *(Evidence(f'{each.service} says: "{each.message.line}"', NO_READING) for each in logged_errors[:1]),
        ]
        yield Cause(
            name=f"{kind}-closed",
            place=kind,
            subject=store.name,
            sentence=f"The {kind} is closed to {who}: the security group {closed} no longer lets it through to port "
            f"{store.port}.{changed_by(situation, write)}",
            evidence=tuple(evidence),
            procedure=procedure,
            since=write.at if write else _first(logged_errors, refused),
            services=frozenset(names),
        )
    if not shut and refused and not _is_judged(situation):
        packets = sum(each.records for each in refused)
        yield Cause(
            name=f"{kind}-refused-by-network",
            place=kind,
            subject=store.name,
            sentence=f"The network refuses connections to the {kind}, though its security groups let them through: "
            f"look at the network ACLs of its subnets ({packets} records of REJECT to port {store.port}).",
            evidence=tuple(_of_rejects(situation, refused)),
            procedure=procedure,
            since=_first(logged_errors, refused),
            is_direct=False,
        )


def closed_by_network(
    situation: Situation, kind: str, store: Store, logged_errors: list[LoggedError], procedure: Procedure
) -> Cause | None:
    """The store doesn't answer, its groups are open, and somebody changed a network ACL or a route just before."""
    silent = still(situation, logged_errors, Kind.TIMEOUT)
    write = situation.changed(ROUTES if _is_judged(situation) else {**ACLS, **ROUTES})
    if not silent or write is None or situation.scope.now - write.at > LATELY:
        return None
    if write.at > min(each.first for each in silent) + SLACK:
        return None
    named = sorted(name for name in write.names if NETWORK_ID.fullmatch(name))
    what = " ".join([{**ACLS, **ROUTES}[write.operation], *named[:1]])
    return Cause(
        name=f"{kind}-refused-by-network",
        place=kind,
        subject=store.name,
        sentence=f"The {kind} doesn't answer, though its security groups are open: {what} was changed by {write.who} "
        f"{situation.ago(write.at)} ({write.operation}), which may close the way to port {store.port or kind}.",
        evidence=(
            *situation.by_whom(write),
            *(
                Evidence(f'{each.service or "a service"} says: "{each.message.line}"', NO_READING)
                for each in silent[:2]
            ),
        ),
        procedure=procedure,
        since=write.at,
        is_direct=False,
    )


def _is_judged(situation: Situation) -> bool:
    """Network ACLs were read: what they deny is told by them, and what was refused minutes ago is over."""
    acls = situation.fact(NetworkAcls)
    return bool(acls and acls.rules)


def is_shut_in(situation: Situation, rules: GroupRules, groups: tuple[str, ...], closed: str) -> bool:
    """Whether it is the tasks' own group that is closed, and to both stores alike: that is one cause, not two."""
    both = [situation.stores.database, situation.stores.cache]
    sides = {closed_side(rules, groups, store.groups, store.port) for store in both}
    return closed in groups and sides == {closed}


def closed_side(rules: GroupRules, from_groups: Iterable[str], to_groups: Iterable[str], port: int) -> str:
    """The group that has no rule for it: one of the sender's that doesn't let it out, or of the receiver's that
    doesn't let it in; empty where the path is open, or where the groups or rules of one side aren't known."""
    senders, receivers = tuple(from_groups), tuple(to_groups)
    if not senders or not receivers:
        return ""
    if not set(senders) <= set(rules.groups) or not set(receivers) <= set(rules.groups):
        return ""
    out = [rule for rule in rules.rules if rule.is_egress and rule.group in senders]
    into = [rule for rule in rules.rules if not rule.is_egress and rule.group in receivers]
    if not any(opens(rule, port, senders) for rule in into):
        return receivers[0]
    if not any(opens(rule, port, receivers) for rule in out):
        return senders[0]
    return ""


def covers_port(rule: Rule, port: int) -> bool:
    """Whether it is a rule for TCP to this port, whoever the peer is."""
    if rule.protocol in ("tcp", "6"):
        return rule.first == -1 or rule.first <= port <= rule.last
    return rule.protocol in ("-1", "all")


def opens(rule: Rule, port: int, peers: tuple[str, ...] = ()) -> bool:
    """Whether it lets one of the groups through; without any, whether it lets anybody.

    A rule by address is taken to hold the peer where it is of a private or any range: the peer's own address isn't
    known here."""
    if not covers_port(rule, port):
        return False
    if rule.peer:
        return rule.peer in peers or not peers
    return bool(rule.cidr) and _may_hold_a_task(rule.cidr)


def _may_hold_a_task(cidr: str) -> bool:
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return True
    return network.prefixlen == 0 or overlaps_own(network)


def uses(
    service: EcsService,
    groups: tuple[str, ...],
    store: Store,
    rules: GroupRules,
    situation: Situation,
    logged_errors: list[LoggedError],
) -> bool:
    """A service is known to need the store if one of its rules names it, if its logs mention it, or if somebody
    has just removed a rule between them."""
    named = any(
        (rule.is_egress and rule.group in groups and rule.peer in store.groups)
        or (not rule.is_egress and rule.group in store.groups and rule.peer in groups)
        for rule in rules.rules
    )
    speaks = any(
        each.service == service.name and each.message.kind in (Kind.TIMEOUT, Kind.REFUSED) for each in logged_errors
    )
    write = situation.changed(CLOSINGS, *store.groups)
    return named or speaks or bool(write and write.is_about(*groups))


def may_use(situation: Situation, name: str, kind: str) -> bool:
    """Whether a service may need the database, or the cache: not so where security groups never let it there, and
    neither its log nor its status page speaks of it."""
    rules, services = situation.fact(GroupRules), situation.fact(Services)
    if kind not in ("database", "cache") or rules is None or services is None:
        return True
    store: Store = getattr(situation.stores, kind)
    service = next((each for each in services.services if each.name == name), None)
    if service is None or not service.security_groups or not store.groups:
        return True
    logged_errors = [each for each in about(store, kind, heard(situation)) if each.service == name]
    pages = situation.fact(Dependencies)
    is_named = any(page.service == name and page.place == kind for page in (pages.found if pages else ()))
    if logged_errors or is_named or uses(service, service.security_groups, store, rules, situation, []):
        return True
    return not closed_side(rules, service.security_groups, store.groups, store.port)


def _refused(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> list[Reject]:
    """To the store's own port, from where private addresses are: the internet's noise never gets there. Only where
    somebody also misses an answer."""
    rejects = situation.fact(Rejects)
    if rejects is None or not still(situation, logged_errors, Kind.TIMEOUT, Kind.REFUSED):
        return []
    opened = situation.changed(OPENINGS, *store.groups)
    return [
        each
        for each in rejects.rejects
        if each.port == store.port and store.port and not (opened and each.last and each.last < opened.at)
    ]


def _of_rejects(situation: Situation, refused: list[Reject]) -> list[Evidence]:
    reading = reading_of(situation.fact(Rejects))
    return [
        Evidence(
            f"flow log: REJECT from {each.source} to {each.destination}:{each.port}, {each.records} records", reading
        )
        for each in refused[:3]
    ]


def _first(logged_errors: list[LoggedError], refused: list[Reject]) -> datetime | None:
    times = [each.first for each in logged_errors] + [each.first for each in refused if each.first]
    return min(times, default=None)


def changed_by(situation: Situation, write: object) -> str:
    at, who = getattr(write, "at", None), getattr(write, "who", "")
    return f" It was changed by {who}, {situation.ago(at)}." if at else ""
