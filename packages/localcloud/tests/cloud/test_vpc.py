"""The VPC of a local cloud: what its rules forbid gets no answer, what they allow flows, and both are recorded."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.backends.blackhole import BlackHole
from localcloud.core import network
from localcloud.core.cloud import Cloud
from localcloud.core.network import ADDRESS_VARIABLE
from localcloud.services.vpc import Network
from support.waiting import eventually

pytestmark = pytest.mark.cloud

CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
for line in sys.stdin:
    connection.settimeout(float(line))
    try:
        connection.sendall(b"hello")
        print(connection.recv(100).decode() or "closed", flush=True)
    except TimeoutError:
        print("silence", flush=True)
    except ConnectionError as problem:
        print(type(problem).__name__, flush=True)
"""
"""Connects once; for each line, a timeout, it says hello and tells what it heard."""


class Echo:
    """A server that answers with whom it sees."""

    def __init__(self, address: str) -> None:
        self.listener = socket.create_server((address, 0))
        self.place: tuple[str, int] = self.listener.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection, peer[0]), daemon=True).start()

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # or the thread goes on accepting
        self.listener.close()

    @staticmethod
    def _answer(connection: socket.socket, peer: str) -> None:
        with connection:
            while connection.recv(100):
                connection.sendall(peer.encode())


class Client:
    """A process that a task runs, or an operator's where no address is given."""

    def __init__(self, place: tuple[str, int], address: str = "") -> None:
        environment = {**os.environ, **({ADDRESS_VARIABLE: address} if address else {})}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, place[0], str(place[1])],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hears(self, within: float = 60.0) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None  # noqa: PT018
        print(within, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@dataclass
class LoggedVpc:
    """A VPC with a flow log: a task's interface, a server's behind a gate, and a NAT gateway."""

    cloud: Cloud
    ec2: Any
    logs: Any
    clients: list[Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        ec2 = self.ec2
        self.id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=self.id, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 11, 21)
        ]
        groups = [
            ec2.create_security_group(GroupName=name, Description=name, VpcId=self.id)["GroupId"]
            for name in ("task", "server")
        ]
        self.task_group, self.server_group = groups
        with self.cloud.lock:
            self.task = network.allocate(self.cloud, self.subnets[1], groups[:1], "task")
            self.server = network.allocate(self.cloud, self.subnets[2], groups[1:], "server")
        self.echo = Echo(self.cloud.settings.real_address(self.server.address))
        self.gate = self.cloud.part(Network).open(
            "echo", destination=self.server.address, port=5432, forward=self.echo.place
        )
        self.logs.create_log_group(logGroupName="/flow")
        ec2.create_flow_logs(
            ResourceIds=[self.id],
            ResourceType="VPC",
            TrafficType="ALL",
            LogGroupName="/flow",
            DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flow",
        )

    @property
    def rule(self) -> list[dict[str, Any]]:
        from_task = [{"GroupId": self.task_group}]
        return [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": from_task}]

    def allow(self) -> None:
        self.ec2.authorize_security_group_ingress(GroupId=self.server_group, IpPermissions=self.rule)

    def forbid(self) -> None:
        self.ec2.revoke_security_group_ingress(GroupId=self.server_group, IpPermissions=self.rule)

    def client(self, address: str = "", place: tuple[str, int] | None = None) -> Client:
        client = Client(place or self.gate, address)
        self.clients.append(client)
        return client

    def flows(self) -> list[list[str]]:
        """The records so far, as their fields."""
        self.cloud.part(Network).publish()
        events = self.logs.filter_log_events(logGroupName="/flow")["events"]
        return [event["message"].split() for event in events]


@pytest.fixture
def vpc(cloud: Cloud, aws: Callable[..., Any]) -> Iterator[LoggedVpc]:
    vpc = LoggedVpc(cloud, aws("ec2"), aws("logs"))
    yield vpc
    for client in vpc.clients:
        client.end()
    vpc.echo.end()


def settle(vpc: LoggedVpc, *, allowed: bool) -> None:
    """Wait until a new connection of the task is treated so: rules are at most a second old."""

    def tried() -> bool:
        client = vpc.client(vpc.task.address)
        response = client.hears(1.0 if allowed else 4.0)  # a slow answer is no silence
        client.end()
        return (response != "silence") is allowed

    eventually(f"new connections are {'allowed' if allowed else 'dropped'}", tried, 90)


def test_the_rule_decides_about_new_connections_and_leaves_those_that_stand(vpc: LoggedVpc) -> None:
    vpc.allow()
    settle(vpc, allowed=True)
    current = vpc.client(vpc.task.address)
    # The server sees the task's own address, not that of whatever stands between.
    assert current.hears() == vpc.cloud.settings.real_address(vpc.task.address)

    vpc.forbid()
    settle(vpc, allowed=False)
    assert current.hears() == vpc.cloud.settings.real_address(vpc.task.address)
    # Somebody on this machine who is no task's process isn't in the VPC, and comes through.
    assert vpc.client().hears() == "127.0.0.1"

    waiting = vpc.client(vpc.task.address)
    assert waiting.hears(1.5) == "silence"
    vpc.allow()
    # It waits, and gets through with its next attempt.
    assert waiting.hears().startswith(vpc.cloud.settings.real_address(vpc.task.address))


def test_a_rule_is_revoked_and_refused_twice_whatever_its_description(vpc: LoggedVpc) -> None:
    """AWS: "you do not need to specify the description to revoke the rule"; nor does another make a second rule."""
    group = vpc.ec2.create_security_group(GroupName="described", Description="rules", VpcId=vpc.id)["GroupId"]
    prefixes = vpc.ec2.create_managed_prefix_list(PrefixListName="p", MaxEntries=1, AddressFamily="IPv4")
    other, listed = {"GroupId": vpc.task_group}, {"PrefixListId": prefixes["PrefixList"]["PrefixListId"]}
    sources: list[tuple[str, dict[str, str]]] = [
        ("IpRanges", {"CidrIp": "10.0.0.0/16"}),
        ("Ipv6Ranges", {"CidrIpv6": "2001:db8::/32"}),
        ("UserIdGroupPairs", other),
        ("UserIdGroupPairs", other | {"UserId": "123456789012"}),
        ("PrefixListIds", listed),
    ]
    for kind, source in sources:
        for ports in (5432, 6379), (5432, 5432), (None, None):
            numbers = {"IpProtocol": "-1"} if ports[0] is None else {"FromPort": ports[0], "ToPort": ports[1]}
            rule = {"IpProtocol": "tcp"} | numbers
            for side in ["ingress"] if "CidrIpv6" in source else ["ingress", "egress"]:  # this VPC has no IPv6
                records = [rule | {kind: [source | {"Description": "tasks"}]}]
                bare = [rule | {kind: [source]}]
                authorize = getattr(vpc.ec2, f"authorize_security_group_{side}")
                revoke = getattr(vpc.ec2, f"revoke_security_group_{side}")
                authorize(GroupId=group, IpPermissions=records)
                for again in (bare, [rule | {kind: [source | {"Description": "another"}]}]):
                    with pytest.raises(ClientError, match=r"InvalidPermission\.Duplicate"):
                        authorize(GroupId=group, IpPermissions=again)
                near = [bare[0] | {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53}]
                with pytest.raises(ClientError, match=r"InvalidPermission\.NotFound"):
                    revoke(GroupId=group, IpPermissions=near)
                revoke(GroupId=group, IpPermissions=bare)
                with pytest.raises(ClientError, match=r"InvalidPermission\.NotFound"):
                    revoke(GroupId=group, IpPermissions=bare)
    vpc.ec2.delete_security_group(GroupId=group)


def test_who_binds_the_tasks_address_as_nc_does_in_a_session_is_dropped_by_the_kernel(vpc: LoggedVpc) -> None:
    def connects(source: str) -> bool:
        try:
            socket.create_connection(vpc.gate, 0.5, (source, 0)).close()
        except TimeoutError:
            return False
        return True

    with vpc.cloud.part(Network).bound(vpc.task.address) as source:
        eventually("the SYN is dropped: no rule allows it", lambda: not connects(source))
        assert connects("127.0.0.1")  # an operator's isn't
        vpc.allow()
        eventually("the rule lets it through", lambda: connects(source))
        vpc.forbid()
        eventually("and not any more", lambda: not connects(source))
    eventually("without a session nothing is filtered", lambda: connects(source))


def test_what_flowed_and_what_was_rejected_is_in_the_flow_log_of_both_interfaces(vpc: LoggedVpc) -> None:
    vpc.allow()
    settle(vpc, allowed=True)
    client = vpc.client(vpc.task.address)
    client.hears()
    client.end()
    # Nothing is kept of connections that are over.
    eventually("no connection is left", lambda: vpc.cloud.part(Network).status()["connections"] == 0, 60)
    vpc.forbid()
    settle(vpc, allowed=False)

    def both() -> bool:
        actions = {(fields[2], fields[12]) for fields in vpc.flows()}
        return {(vpc.task.id, "ACCEPT"), (vpc.server.id, "ACCEPT"), (vpc.server.id, "REJECT")} <= actions

    eventually("both interfaces have their records", both, 60)
    for fields in vpc.flows():
        version, account, _, source, destination, _, port, protocol, packets, size, start, end, action, status = fields
        assert (version, account, protocol, status) == ("2", vpc.cloud.settings.account, "6", "OK")
        assert {source, destination} == {vpc.task.address, vpc.server.address}
        assert int(size) >= 40 * int(packets) > 0
        assert int(start) <= int(end)
        if action == "REJECT":
            assert (fields[2], destination, port) == (vpc.server.id, vpc.server.address, "5432")


def test_a_network_acl_that_denies_the_answers_is_as_good_as_closed(vpc: LoggedVpc) -> None:
    vpc.allow()
    settle(vpc, allowed=True)
    acl = vpc.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc.id]}])["NetworkAcls"][0]
    vpc.ec2.create_network_acl_entry(
        NetworkAclId=acl["NetworkAclId"],
        RuleNumber=50,
        Protocol="6",
        RuleAction="deny",
        Egress=True,
        CidrBlock="10.0.11.0/24",
        PortRange={"From": 1024, "To": 65535},
    )
    settle(vpc, allowed=False)
    vpc.ec2.delete_network_acl_entry(NetworkAclId=acl["NetworkAclId"], RuleNumber=50, Egress=True)
    settle(vpc, allowed=True)


def test_outside_is_reached_through_the_nat_gateway_which_counts_and_costs(
    vpc: LoggedVpc, aws: Callable[..., Any]
) -> None:
    outside = Echo(vpc.cloud.settings.address)
    place = vpc.cloud.part(Network).open("outside", destination="203.0.113.77", port=443, forward=outside.place)
    assert vpc.client(vpc.task.address, place).hears(1.5) == "silence"  # no route leads there

    ec2 = vpc.ec2
    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc.id)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=vpc.subnets[0], AllocationId=address)["NatGateway"]
    inside = nat["NatGatewayAddresses"][0]["PrivateIp"]
    assert inside.startswith("10.0.1.")
    for subnet, gateway in (
        (vpc.subnets[0], {"GatewayId": internet}),
        (vpc.subnets[1], {"NatGatewayId": nat["NatGatewayId"]}),
    ):
        table = ec2.create_route_table(VpcId=vpc.id)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **gateway)

    def answered() -> bool:
        client = vpc.client(vpc.task.address, place)
        response = client.hears(2.0)
        client.end()
        return response == vpc.cloud.settings.real_address(vpc.task.address)

    eventually("the task gets outside", answered, 90)

    def recorded() -> bool:
        ends = {(fields[3], fields[4]) for fields in vpc.flows() if fields[12] == "ACCEPT"}
        return {(vpc.task.address, "203.0.113.77"), (vpc.task.address, inside), (inside, "203.0.113.77")} <= ends

    eventually("the flow log has the way through the gateway", recorded, 60)
    dimensions = [{"Name": "NatGatewayId", "Value": nat["NatGatewayId"]}]

    def counted() -> bool:
        found = aws("cloudwatch").get_metric_statistics(
            Namespace="AWS/NATGateway",
            MetricName="BytesOutToDestination",
            Dimensions=dimensions,
            StartTime=vpc.cloud.now() - timedelta(hours=1),  # it may have become another hour meanwhile
            EndTime=vpc.cloud.now() + timedelta(hours=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return any(each["Sum"] > 0 for each in found)

    eventually("the gateway's metrics count the bytes", counted, 60)
    outside.end()


def test_a_gate_whose_server_is_gone_resets_and_a_closed_gate_refuses(vpc: LoggedVpc) -> None:
    vpc.echo.end()
    assert vpc.client().hears() in ("ConnectionResetError", "BrokenPipeError")
    vpc.cloud.part(Network).close("echo")

    def refused() -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(vpc.gate) != 0

    eventually("nobody listens there any more", refused, 60)


def test_gates_come_back_when_their_process_is_killed(vpc: LoggedVpc) -> None:
    from localcloud.core.processes import Supervisor

    running = [each for each in vpc.cloud.part(Supervisor).running() if each.name == "gates"]
    running[0].send(9)

    def back() -> bool:
        with socket.socket() as attempt:
            attempt.settimeout(2)
            try:
                attempt.connect(vpc.gate)
                attempt.sendall(b"hello")
                return attempt.recv(100) == b"127.0.0.1"
            except OSError:
                return False

    eventually("the gate answers again", back, 90)


def test_a_black_hole_answers_nobody() -> None:
    hole = BlackHole("127.0.0.1")
    try:
        with pytest.raises(TimeoutError):
            socket.create_connection((hole.address, hole.port), 0.5)
    finally:
        hole.close()
