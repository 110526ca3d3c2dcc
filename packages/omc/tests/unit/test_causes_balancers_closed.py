"""A load balancer that lets nobody in is a failure at once, whatever its figures of the last minutes show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omc.checks.finding import Finding, Level
from omc.facts.followup.group_rules import GroupRules, Rule
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.followup.network_acls import AclRule, NetworkAcls, SubnetAcl
from omc.facts.listeners import Listener, Listeners
from omc.facts.load_balancers import LoadBalancer, LoadBalancers
from omc.facts.probes import Probes
from support.causes_facts import ago, run

ARN, NAME = "arn:lb", "ohmycoins-staging"
BALANCERS = LoadBalancers(
    (LoadBalancer(NAME, "app/x/1", "x.elb", "active", "", ARN),), {NAME: {"SecurityGroups": ["sg-balancer"]}}
)
LISTENERS = Listeners((Listener(ARN, "HTTP", 80, ()),))
SLOW = Finding("users-served", Level.WARN, "all services", "It can't be reached from where omc runs.", place="users")
WELL = Finding("users-served", Level.OK, "backend", "It answers 200.", place="users/backend")
WRITE = Write(ago(minutes=1), "RevokeSecurityGroupIngress", "jo (role admin)", frozenset({"sg-balancer"}))


def into(first: int, last: int, protocol: str = "tcp", **more: Any) -> Rule:
    return Rule("sg-balancer", False, protocol, first, last, **({"cidr": "0.0.0.0/0"} | more))


def cause_of(
    *rules: Rule, finding: Finding = SLOW, listeners: Listeners = LISTENERS, base: str = "http://x.elb"
) -> Finding:
    facts: list[Any] = [BALANCERS, listeners, Probes((), {}, base), LastWrites((WRITE,))]
    facts.append(GroupRules(rules, ("sg-balancer", "sg-backend")))
    found = run((finding,), facts)
    return found[0]


BOTH = Listeners((*LISTENERS.listeners, Listener(ARN, "HTTPS", 443, ())))


@pytest.mark.parametrize(
    ("rules", "more", "is_closed"),
    [
        ((), {}, True),
        ((into(443, 443),), {}, True),
        ((into(80, 80, "udp"),), {}, True),
        ((replace(into(80, 80), is_egress=True),), {}, True),
        ((replace(into(80, 80), group="sg-backend"),), {}, True),
        ((into(80, 80),), {}, False),
        ((into(0, 65535),), {}, False),
        ((into(-1, -1, "-1"),), {}, False),
        ((into(80, 80, cidr="203.0.113.0/24"),), {}, False),  # an office alone: that may be meant
        ((into(80, 80, cidr="", peer="sg-backend"),), {}, False),
        ((into(80, 80, cidr=""),), {}, False),  # a list of prefixes
        ((into(80, 80),), {"listeners": BOTH, "base": "https://shop.example"}, True),
        ((into(443, 443),), {"listeners": BOTH, "base": "https://shop.example"}, False),
        ((), {"finding": WELL}, False),
    ],
)
def test_a_group_that_lets_nobody_in_fails(rules: tuple[Rule, ...], more: dict[str, Any], is_closed: bool) -> None:
    found = cause_of(*rules, **more)
    assert (found.check == "balancer-closed") is is_closed
    if is_closed:
        assert (found.level, found.place, found.since) == (Level.FAIL, "load-balancer", WRITE.at)
        assert "its security group sg-balancer lets nobody in on port" in found.sentence
        assert "jo (role admin), 1 min ago" in found.sentence
        assert found.explains == (SLOW,)


def test_groups_that_were_not_read_prove_nothing() -> None:
    facts: list[Any] = [BALANCERS, LISTENERS, GroupRules((), ("sg-backend",))]
    assert [each.check for each in run((SLOW,), facts)] == ["users-served"]


@pytest.mark.parametrize(
    ("rules", "is_closed"),
    [
        ((AclRule(10, False, False, "6", "0.0.0.0/0", 80, 80),), True),
        ((AclRule(10, True, False, "-1", "0.0.0.0/0"),), True),  # no answer gets out
        ((AclRule(10, False, False, "6", "203.0.113.0/24", 80, 80),), False),
        ((), False),
    ],
)
def test_so_is_a_network_acl(rules: tuple[AclRule, ...], is_closed: bool) -> None:
    every = (*rules, AclRule(100, False, True, "-1", "0.0.0.0/0"), AclRule(100, True, True, "-1", "0.0.0.0/0"))
    edge = SubnetAcl("subnet-edge", "10.0.1.0/24", "acl-edge")
    acls = NetworkAcls({"acl-edge": every}, {edge.id: edge}, balancers=(edge.id,))
    [found] = run((SLOW,), [BALANCERS, LISTENERS, GroupRules((into(80, 80),), ("sg-balancer",)), acls])
    assert (found.check == "balancer-denied") is is_closed
    if is_closed:
        assert found.level is Level.FAIL
        assert found.sentence.startswith(
            f"Users can't reach the load balancer {NAME}: rule 10 of the network ACL acl-edge"
        )
