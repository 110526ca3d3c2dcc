"""Network ACLs as ways that can be closed: rules in order, both directions; who did it, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.core.connections import Connection
from localcloud.services.vpc import reachability
from omc.checks.causes.network_acls import ANSWERS, denial
from omc.checks.finding import Finding, Level
from omc.facts.followup.data_stores import DataStores, Store
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.followup.network_acls import AclRule, NetworkAcls, SubnetAcl, read_network_acls
from omc.facts.followup.rejects import Reject, Rejects
from omc.facts.load_balancers import LoadBalancers
from omc.facts.services import Services
from support.causes_facts import ALL_ILL, DATABASE, NO_CACHE, ago, errors, load_of, rules, run, service, stores
from support.fake_gateway import FakeGateway

APP, DATA = "10.0.11.0/24", "10.0.21.0/24"
ANYWHERE = "0.0.0.0/0"
DOWN = f'connection to server at "{DATABASE}", port 5432 failed: Connection timed out'


def allow(number: int, cidr: str = ANYWHERE, first: int = 0, last: int = 65535, **more: Any) -> AclRule:
    protocol = "-1" if (first, last) == (0, 65535) else "6"
    return AclRule(number, more.get("out", False), True, more.get("protocol", protocol), cidr, first, last)


def deny(number: int, cidr: str = ANYWHERE, first: int = 0, last: int = 65535, **more: Any) -> AclRule:
    return replace(allow(number, cidr, first, last, **more), allows=False)


SUBNETS = (("subnet-app", APP, "acl-app"), ("subnet-data", DATA, "acl-data"))
OPEN = (allow(100), allow(100, out=True), deny(32767), deny(32767, out=True))


def acls(data: tuple[AclRule, ...] = OPEN, app: tuple[AclRule, ...] = OPEN) -> NetworkAcls:
    return NetworkAcls(
        {
            "acl-app": tuple(sorted(app, key=lambda rule: rule.number)),
            "acl-data": tuple(sorted(data, key=lambda rule: rule.number)),
        },
        {
            "subnet-app": SubnetAcl("subnet-app", APP, "acl-app"),
            "subnet-data": SubnetAcl("subnet-data", DATA, "acl-data"),
        },
        ("subnet-data",),
        ("subnet-data",),
    )


def found(of: NetworkAcls) -> tuple[str, int, bool, bool] | None:
    response = denial(of, of.of(["subnet-app"]), of.of(["subnet-data"]), 5432)
    if response is None:
        return None
    return (
        response.acl,
        response.rule.number if response.rule else 0,
        response.is_egress,
        response.is_whole,
    )


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (acls(), None),
        (acls((deny(10, first=5432, last=5432), *OPEN)), ("acl-data", 10, False, True)),
        (acls((deny(10), *OPEN)), ("acl-data", 10, False, True)),
        (acls((deny(10, APP), *OPEN)), ("acl-data", 10, False, True)),
        (acls((deny(10, "10.0.99.0/24"), *OPEN)), None),
        (acls((deny(10, first=6379, last=6379), *OPEN)), None),
        (acls((deny(10, first=5432, last=5432, protocol="17"), *OPEN)), None),
        (acls((deny(200, first=5432, last=5432), *OPEN)), None),  # rule 100 comes first
        (acls((allow(5, APP, 5432, 5432), deny(10, first=5432, last=5432), *OPEN)), None),
        (acls((deny(10, "10.0.11.128/25", 5432, 5432), *OPEN)), ("acl-data", 10, False, False)),
        (acls((allow(5, "10.0.11.0/25"), deny(10), *OPEN)), ("acl-data", 10, False, False)),
        (acls((deny(10, "10.0.11.0/25"), deny(11), *OPEN)), ("acl-data", 10, False, True)),
        (acls((deny(10, out=True, first=1024, last=65535), *OPEN)), ("acl-data", 10, True, True)),  # the answers
        (acls((deny(10, out=True, first=50000, last=50010), *OPEN)), ("acl-data", 10, True, False)),
        (acls((allow(100), deny(32767), deny(32767, out=True))), ("acl-data", 0, True, True)),
        (acls((allow(100, first=443, last=443), allow(100, out=True))), ("acl-data", 0, False, True)),
        (acls(app=(deny(10, out=True, first=5432, last=5432), *OPEN)), ("acl-app", 10, True, True)),
        (acls(app=(deny(10, DATA), *OPEN)), ("acl-app", 10, False, True)),
        (acls(app=(allow(100, first=1024, last=65535), allow(100, out=True))), None),
        (acls(app=(allow(100, first=443, last=443), allow(100, out=True))), ("acl-app", 0, False, True)),
        # two rules that allow it together
        (
            acls(app=(allow(100, first=1024, last=40000), allow(110, first=40001, last=65535), allow(100, out=True))),
            None,
        ),
        (acls((allow(100, "10.0.11.0/25"), allow(101, "10.0.11.128/25"), deny(32767), allow(100, out=True))), None),
        # a rule that denies only what an earlier one has allowed
        (acls(app=(allow(90, first=32768, last=50000), deny(95, first=40000, last=45000), *OPEN)), None),
    ],
)
def test_the_first_rule_that_matches_decides_in_each_direction(
    of: NetworkAcls, expected: tuple[str, int, bool, bool] | None
) -> None:
    assert found(of) == expected


def test_within_one_subnet_no_acl_is_asked() -> None:
    of = acls((deny(1), deny(1, out=True)))
    assert denial(of, of.of(["subnet-data"]), of.of(["subnet-data"]), 5432) is None
    both = denial(of, of.of(["subnet-app", "subnet-data"]), of.of(["subnet-data"]), 5432)
    assert both is not None
    assert not both.is_whole, "those in its own subnet go on"


CIDRS = st.sampled_from([ANYWHERE, "10.0.0.0/16", APP, DATA, "10.0.11.0/25", "10.0.21.128/25", "10.0.99.0/24"])
PORTS = st.sampled_from([(0, 65535), (5432, 5432), (1024, 65535), (32768, 60999), (443, 443), (40000, 41000)])


@st.composite
def some_rules(draw: st.DrawFn) -> tuple[AclRule, ...]:
    made = []
    for number in range(1, draw(st.integers(0, 4)) + 1):
        first, last = draw(PORTS)
        protocol = draw(st.sampled_from(["6", "17", "-1"])) if (first, last) != (0, 65535) else "-1"
        made.append(
            AclRule(number, draw(st.booleans()), draw(st.booleans()), protocol, draw(CIDRS), first, last)
            if protocol != "-1"
            else AclRule(number, draw(st.booleans()), draw(st.booleans()), "-1", draw(CIDRS))
        )
    return tuple(made) + (OPEN if draw(st.booleans()) else OPEN[2:])


def gets_through(of: NetworkAcls, source: str, target: str, port: int) -> bool:
    """What the local cloud's own network makes of it: written by others, after the same pages of AWS's."""
    subnets = {
        each.id: reachability.Subnet(
            each.id,
            "vpc",
            each.acl,
            tuple(
                reachability.Entry(
                    rule.number,
                    rule.is_egress,
                    rule.allows,
                    rule.protocol,
                    rule.cidr,
                    *((None, None) if rule.protocol == "-1" else (rule.first, rule.last)),
                )
                for rule in of.rules[each.acl]
            ),
            (reachability.Route("10.0.0.0/16", "local"),),
        )
        for each in of.subnets.values()
    }
    every = (reachability.Rule("-1", None, None, (ANYWHERE,)),)
    world = reachability.VpcSnapshot(
        {
            source: reachability.Interface("eni-1", source, "subnet-app", ("sg",)),
            target: reachability.Interface("eni-2", target, "subnet-data", ("sg",)),
        },
        {"sg": reachability.Group("sg", every, every)},
        subnets,
    )
    return reachability.judge(world, Connection(source, target, port, 5432)).allowed


@settings(max_examples=300)
@given(some_rules(), some_rules(), st.integers(1, 254), st.integers(1, 254), st.integers(*ANSWERS))
def test_it_is_as_the_network_itself_judges(
    data: tuple[AclRule, ...], app: tuple[AclRule, ...], client: int, server: int, port: int
) -> None:
    of = acls(data, app)
    response = denial(of, of.of(["subnet-app"]), of.of(["subnet-data"]), 5432)
    source, target = f"10.0.11.{client}", f"10.0.21.{server}"
    if response is None:
        assert gets_through(of, source, target, port)
    elif response.is_whole:
        assert not gets_through(of, source, target, port)


# What is told


WRITE = Write(ago(minutes=2), "CreateNetworkAclEntry", "jo (role admin)", frozenset({"acl-data", "deny"}))
BACKEND = service(network={"awsvpcConfiguration": {"securityGroups": ["sg-backend"], "subnets": ["subnet-app"]}})


def cause_of(of: NetworkAcls, *more: Any, ill: tuple[Finding, ...] = ALL_ILL, line: str = DOWN) -> Finding:
    short: dict[str, Any] = {"first": ago(seconds=30), "resumed": ago(seconds=30)}
    facts = [errors(line, **short), stores(), rules(), load_of(), Services((BACKEND,)), of, *more]
    [one] = [each for each in run(ill, facts) if each.level is not Level.OK]
    return one


def test_the_rule_that_denies_is_named_with_who_made_it_and_what_ends_it() -> None:
    one = cause_of(acls((deny(10, first=5432, last=5432), *OPEN)), LastWrites((WRITE,)))
    assert (one.check, one.place, one.level) == ("database-denied", "database", Level.FAIL)
    assert one.sentence == (
        "The database is closed to backend: rule 10 of the network ACL acl-data denies TCP port 5432 from "
        "10.0.11.0/24. It was changed by jo (role admin), 2 min ago (CreateNetworkAclEntry)."
    )
    assert one.since == WRITE.at
    assert one.procedure is not None
    assert one.procedure.command == (
        "aws ec2 delete-network-acl-entry --network-acl-id acl-data --rule-number 10 --ingress --region ap-southeast-2"
    )
    assert one.evidence[0].text == "inbound rule 10 of acl-data: deny TCP port 5432 from 0.0.0.0/0"


def test_a_rule_that_is_missing_is_reported_with_one_that_allows() -> None:
    one = cause_of(acls((allow(100), deny(32767), deny(32767, out=True))))
    assert (
        "no rule of the network ACL acl-data allows the answers to 10.0.11.0/24, TCP ports 32768-60999" in one.sentence
    )
    assert one.procedure is not None
    assert one.procedure.command == (
        "aws ec2 create-network-acl-entry --network-acl-id acl-data --rule-number 100 --egress --protocol 6 "
        "--port-range From=32768,To=60999 --cidr-block 10.0.11.0/24 --rule-action allow --region ap-southeast-2"
    )


def test_it_is_reported_before_anybody_speaks_of_the_store() -> None:
    one = cause_of(acls((deny(10, first=6379, last=6379), *OPEN)), ill=(NO_CACHE,), line="KeyError: price")
    assert (one.check, one.place) == ("cache-denied", "cache")


def test_a_rule_that_closes_both_stores_is_one_finding() -> None:
    one = cause_of(acls((deny(10), *OPEN)), ill=(*ALL_ILL, NO_CACHE))
    assert (one.check, one.place) == ("database-denied", "database")
    assert one.sentence.startswith(
        "The database and the cache are closed to backend: rule 10 of the network ACL acl-data"
    )
    assert NO_CACHE in one.explains


def test_one_between_the_load_balancer_and_the_tasks() -> None:
    edge = SubnetAcl("subnet-edge", "10.0.1.0/24", "acl-edge")
    of = acls(app=(deny(20, "10.0.1.0/24", 8000, 8000), *OPEN))
    of = replace(of, rules={**of.rules, "acl-edge": OPEN}, subnets={**of.subnets, edge.id: edge}, balancers=(edge.id,))
    one = cause_of(of, line="KeyError: price")
    assert (one.check, one.place) == ("tasks-denied", "services/backend")
    assert one.sentence == (
        "The load balancer can't reach backend: rule 20 of the network ACL acl-app denies TCP port 8000 from "
        "10.0.1.0/24."
    )
    assert "--rule-number 20 --ingress" in (one.procedure.command if one.procedure else "")


def test_what_is_partly_closed_is_reported_only_where_somebody_gets_no_answer() -> None:
    partly = acls((deny(10, "10.0.11.128/25", 5432, 5432), *OPEN))
    assert "is partly closed to backend: rule 10" in cause_of(partly).sentence
    quiet = run(ALL_ILL, [stores(), rules(), load_of(), Services((BACKEND,)), partly])
    assert not [each for each in quiet if each.check == "database-denied"]


def test_what_was_refused_before_they_were_opened_again_is_over() -> None:
    old = Rejects((Reject("10.0.11.7", DATABASE, 5432, 14, ago(minutes=9), ago(minutes=8)),))
    assert cause_of(acls(), old).check == "database-hangs"


def test_where_they_are_open_nobody_is_sent_to_look_at_them() -> None:
    one = cause_of(acls(), LastWrites((WRITE,)))
    assert one.check == "database-hangs"
    assert "its security groups and network ACLs are open" in one.sentence
    assert "may close" not in one.sentence


# How they are read


def test_they_are_read_of_the_whole_vpc_with_the_subnets_that_matter() -> None:
    entry = {"RuleNumber": 10, "Egress": False, "RuleAction": "deny", "Protocol": "6", "CidrBlock": ANYWHERE}
    answers: dict[tuple[str, str], Any] = {
        ("ec2", "describe_network_acls"): {
            "NetworkAcls": [
                {
                    "NetworkAclId": "acl-1",
                    "Associations": [
                        {"SubnetId": name} for name in ("subnet-app", "subnet-data", "subnet-edge", "subnet-six")
                    ],
                    "Entries": [
                        {**entry, "RuleNumber": 32767, "Protocol": "-1"},
                        {**entry, "PortRange": {"From": 5432, "To": 5432}},
                        {
                            "RuleNumber": 11,
                            "Egress": False,
                            "RuleAction": "deny",
                            "Protocol": "6",
                            "Ipv6CidrBlock": "::/0",
                        },
                    ],
                }
            ]
        },
        ("ec2", "describe_subnets"): {
            "Subnets": [
                {"SubnetId": name, "CidrBlock": cidr, "VpcId": "vpc-1"}
                for name, cidr in (("subnet-app", APP), ("subnet-data", DATA), ("subnet-edge", "10.0.1.0/24"))
            ]
            + [{"SubnetId": "subnet-six", "Ipv6CidrBlockAssociationSet": [], "VpcId": "vpc-1"}]
        },
        ("elasticache", "describe_cache_subnet_groups"): {
            "CacheSubnetGroups": [{"Subnets": [{"SubnetIdentifier": "subnet-data"}]}]
        },
    }
    gateway = FakeGateway(answers)
    known = DataStores(
        Store("db", True, vpc="vpc-1", subnets=("subnet-data",)), Store("cache", True, subnet_group="group")
    )
    read = read_network_acls(gateway, known, Services((BACKEND,)), LoadBalancers(()))
    assert read.rules["acl-1"] == (
        AclRule(10, False, False, "6", ANYWHERE, 5432, 5432),
        AclRule(32767, False, False, "-1", ANYWHERE),
    )
    assert (read.database, read.cache) == (("subnet-data",), ("subnet-data",))
    assert read.subnets["subnet-app"] == SubnetAcl("subnet-app", APP, "acl-1")
    nothing = read_network_acls(gateway, DataStores(Store("db", False), Store("c", False)), Services(()), None)
    assert nothing == NetworkAcls()
