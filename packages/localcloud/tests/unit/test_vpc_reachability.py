"""Who reaches whom in a VPC: each thing that can block a connection does, and says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.core.connections import Connection, Moved
from localcloud.services.vpc.flows import Flows
from localcloud.services.vpc.reachability import (
    Entry,
    Group,
    Interface,
    Nat,
    Route,
    Rule,
    Subnet,
    VpcSnapshot,
    find_route,
    judge,
)

ALL = "0.0.0.0/0"
OPEN = (Entry(100, True, True, "-1", ALL), Entry(100, False, True, "-1", ALL))
LOCAL = Route("10.0.0.0/16", "local")
TASK = Interface("eni-task", "10.0.11.5", "app", ("sg-task",))
DATABASE = Interface("eni-database", "10.0.21.9", "data", ("sg-database",))
GATEWAY = Interface("eni-nat", "10.0.1.7", "public", public="3.3.3.3")
OUTSIDE = "203.0.113.10"

WORLD = VpcSnapshot(
    interfaces={each.address: each for each in (TASK, DATABASE, GATEWAY)},
    groups={
        "sg-task": Group(
            "sg-task", outbound=(Rule("tcp", 5432, 5432, group="sg-database"), Rule("tcp", 443, 443, (ALL,)))
        ),
        "sg-database": Group("sg-database", inbound=(Rule("tcp", 5432, 5432, group="sg-task"),)),
    },
    subnets={
        "app": Subnet("app", "vpc", "acl-app", OPEN, (LOCAL, Route(ALL, "nat-1"))),
        "data": Subnet("data", "vpc", "acl-data", OPEN, (LOCAL,)),
        "public": Subnet("public", "vpc", "acl-public", OPEN, (LOCAL, Route(ALL, "igw-1"))),
    },
    nats={"nat-1": Nat("nat-1", GATEWAY)},
)
QUERY = Connection(TASK.address, DATABASE.address, 40000, 5432)
DOWNLOAD = Connection(TASK.address, OUTSIDE, 40001, 443)


def with_group(snapshot: VpcSnapshot, group: Group) -> VpcSnapshot:
    return replace(snapshot, groups={**snapshot.groups, group.id: group})


def with_subnet(snapshot: VpcSnapshot, name: str, **changes: Any) -> VpcSnapshot:
    return replace(snapshot, subnets={**snapshot.subnets, name: replace(snapshot.subnets[name], **changes)})


def seen(snapshot: VpcSnapshot, connection: Connection) -> list[tuple[str, str, bool]]:
    """Which interface saw what of it: request or reply, and whether it was let through."""
    return [
        (hop.interface, "reply" if hop.reply else "request", hop.accepted) for hop in judge(snapshot, connection).hops
    ]


def test_both_ends_let_the_query_through_and_both_see_both_directions() -> None:
    assert judge(WORLD, QUERY).allowed
    assert seen(WORLD, QUERY) == [
        ("eni-task", "request", True),
        ("eni-database", "request", True),
        ("eni-database", "reply", True),
        ("eni-task", "reply", True),
    ]


def test_without_the_servers_inbound_rule_the_server_rejects_what_the_client_sent() -> None:
    closed = with_group(WORLD, Group("sg-database"))
    verdict = judge(closed, QUERY)
    assert not verdict.allowed
    assert "sg-database) have no inbound rule from 10.0.11.5 on port 5432" in verdict.reason
    assert seen(closed, QUERY) == [("eni-task", "request", True), ("eni-database", "request", False)]


def test_without_the_clients_outbound_rule_nothing_leaves_it() -> None:
    closed = with_group(WORLD, Group("sg-task"))
    assert not judge(closed, QUERY).allowed
    assert seen(closed, QUERY) == [("eni-task", "request", False)]


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (Rule("tcp", 5432, 5432, ("10.0.11.0/24",)), True),
        (Rule("tcp", 5432, 5432, ("10.0.12.0/24",)), False),
        (Rule("tcp", 5432, 5432, ("192.0.2.0/24", "10.0.11.5/32")), True),  # a prefix list
        (Rule("tcp", 5000, 6000, (ALL,)), True),
        (Rule("tcp", 5433, 6000, (ALL,)), False),
        (Rule("udp", 5432, 5432, (ALL,)), False),
        (Rule("6", 5432, 5432, (ALL,)), True),
        (Rule("-1", None, None, group="sg-other"), False),
        (Rule("-1", None, None, group="sg-task"), True),
    ],
)
def test_a_rule_matches_by_protocol_port_and_other_end(rule: Rule, allowed: bool) -> None:
    assert judge(with_group(WORLD, Group("sg-database", inbound=(rule,))), QUERY).allowed is allowed


def test_acl_entries_are_tried_in_order_and_the_first_match_decides() -> None:
    deny = Entry(90, False, False, "6", "10.0.11.0/24", 5432, 5432)
    assert not judge(with_subnet(WORLD, "data", entries=(*OPEN, deny)), QUERY).allowed
    assert judge(with_subnet(WORLD, "data", entries=(*OPEN, replace(deny, number=110))), QUERY).allowed
    assert not judge(with_subnet(WORLD, "data", entries=()), QUERY).allowed


def test_an_acl_without_the_ephemeral_ports_stops_the_answer() -> None:
    narrow = (Entry(1, False, True, "6", ALL, 5432, 5432), Entry(1, True, True, "6", ALL, 443, 443))
    blocked = with_subnet(WORLD, "data", entries=narrow)
    assert not judge(blocked, QUERY).allowed
    assert seen(blocked, QUERY)[1:] == [("eni-database", "request", True), ("eni-database", "reply", False)]
    returning = (*narrow, Entry(2, True, True, "6", ALL, 1024, 65535))
    assert judge(with_subnet(WORLD, "data", entries=returning), QUERY).allowed


def test_an_acl_is_not_asked_within_one_subnet() -> None:
    together = replace(WORLD, interfaces={**WORLD.interfaces, DATABASE.address: replace(DATABASE, subnet="app")})
    assert judge(with_subnet(together, "app", entries=()), QUERY).allowed


def test_the_way_outside_leads_through_the_nat_gateway_which_sees_it_twice_each_way() -> None:
    verdict = judge(WORLD, DOWNLOAD)
    assert verdict.allowed
    assert verdict.nat == "nat-1"
    ends = [(hop.interface, hop.packet.source, hop.packet.destination) for hop in verdict.hops]
    assert ends == [
        ("eni-task", TASK.address, OUTSIDE),
        ("eni-nat", TASK.address, GATEWAY.address),
        ("eni-nat", GATEWAY.address, OUTSIDE),
        ("eni-nat", OUTSIDE, GATEWAY.address),
        ("eni-nat", GATEWAY.address, TASK.address),
        ("eni-task", OUTSIDE, TASK.address),
    ]


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (with_subnet(WORLD, "app", routes=(LOCAL,)), "no route to 203.0.113.10"),
        (with_subnet(WORLD, "app", routes=(LOCAL, Route(ALL, "igw-1"))), "has no public address"),
        (with_subnet(WORLD, "public", routes=(LOCAL,)), "no internet gateway"),
        (replace(WORLD, nats={}), "isn't available"),
        (replace(WORLD, nats={"nat-1": Nat("nat-1", GATEWAY, available=False)}), "isn't available"),
        (with_subnet(WORLD, "public", entries=()), "acl-public"),
        (with_group(WORLD, Group("sg-task")), "no outbound rule"),
    ],
)
def test_whatever_is_missing_on_the_way_outside_blocks_it_and_is_named(snapshot: VpcSnapshot, reason: str) -> None:
    verdict = judge(snapshot, DOWNLOAD)
    assert not verdict.allowed
    assert reason in verdict.reason


def test_the_longest_prefix_wins() -> None:
    routes = (Route(ALL, "nat-1"), LOCAL, Route("203.0.113.0/24", "igw-1"))
    assert [getattr(find_route(routes, each), "target", "") for each in ("10.0.1.1", OUTSIDE, "8.8.8.8")] == [
        "local",
        "igw-1",
        "nat-1",
    ]


RULES = st.builds(
    Rule,
    st.sampled_from(["tcp", "udp", "-1", "6"]),
    st.integers(5430, 5434),
    st.integers(5430, 5434),
    st.lists(st.sampled_from([ALL, "10.0.11.0/24", "10.0.99.0/24"]), max_size=2).map(tuple),
    st.sampled_from(["", "sg-task", "sg-other"]),
)
ENTRIES = st.builds(
    Entry,
    st.integers(1, 200),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["6", "17", "-1"]),
    st.sampled_from([ALL, "10.0.0.0/16", "10.0.11.0/24"]),
    st.sampled_from([None, 1, 5432, 1024]),
    st.sampled_from([65535, 5432]),
)


@given(st.lists(RULES, max_size=4).map(tuple), RULES)
def test_a_rule_more_in_a_group_never_blocks_what_passed(rules: tuple[Rule, ...], more: Rule) -> None:
    before = judge(with_group(WORLD, Group("sg-database", inbound=rules)), QUERY).allowed
    after = judge(with_group(WORLD, Group("sg-database", inbound=(*rules, more))), QUERY).allowed
    assert after or not before


@given(st.lists(RULES, max_size=3).map(tuple), st.lists(ENTRIES, max_size=5).map(tuple))
def test_a_connection_is_allowed_exactly_if_no_interface_rejected_any_of_it(
    rules: tuple[Rule, ...], entries: tuple[Entry, ...]
) -> None:
    snapshot = with_subnet(with_group(WORLD, Group("sg-database", inbound=rules)), "data", entries=entries)
    verdict = judge(snapshot, QUERY)
    assert verdict.allowed is all(hop.accepted for hop in verdict.hops)
    assert bool(verdict.reason) is not verdict.allowed
    assert all(hop.accepted for hop in verdict.hops[:-1])  # nothing happens after a rejection


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=8))
def test_no_byte_is_lost_between_the_reports_of_a_connection_and_its_flow_records(
    reports: list[tuple[int, int]],
) -> None:
    flows, verdict, before = Flows(), judge(WORLD, QUERY), Moved()
    for sent, received in reports:
        now = Moved(
            before.sent + sent, before.received + received, before.packets_sent + 1, before.packets_received + 1
        )
        flows.add(verdict, now.since(before), 100.0)
        before = now
    records = flows.take("123456789012")
    for interface in records:
        by_source = {record.source: record for record in records[interface]}
        assert by_source[TASK.address].bytes == before.bytes_sent
        assert by_source[DATABASE.address].bytes == before.bytes_received
    assert set(records) == ({"eni-task", "eni-database"} if reports else set())
    assert flows.take("123456789012") == {}
