"""Faults that come from outside: a noisy client, a caller without rights, and AWS itself failing."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from localcloud import assemble
from localcloud.core import addresses, network
from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.core.registry import AwsError
from localcloud.faults.component import StackFaults
from support.data_layer import Clients, newest
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@contextmanager
def fault(cloud: Cloud, name: str, **settings: str) -> Iterator[None]:
    faults = cloud.part(StackFaults)
    faults.begin(name, settings)
    try:
        yield
    finally:
        faults.end(name)
    running = [process.name for process in cloud.part(Supervisor).running()]
    assert [each for each in running if each.startswith("fault ")] == []


class Site:
    """A load balancer before one small web server, which counts who asks for what."""

    def __init__(self, cloud: Cloud, aws: Clients) -> None:
        self.cloud, self.aws, self.seen = cloud, aws, Counter[tuple[str, str]]()
        ec2, elb = aws("ec2"), aws("elbv2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=zones[n])["Subnet"]["SubnetId"]
            for n in range(2)
        ]
        balancer = elb.create_load_balancer(Name="site", Subnets=subnets)["LoadBalancers"][0]
        group = elb.create_target_group(
            Name="site", Protocol="HTTP", Port=8000, VpcId=vpc, TargetType="ip", HealthCheckIntervalSeconds=5
        )["TargetGroups"][0]["TargetGroupArn"]
        action = {"Type": "forward", "TargetGroupArn": group}
        elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[action]
        )
        with cloud.lock:
            address = network.allocate(cloud, subnets[0], [], "site").address
        self.server = self._server(cloud.settings.real_address(address))
        elb.register_targets(TargetGroupArn=group, Targets=[{"Id": address, "Port": 8000}])
        self.dimension = balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]

        def healthy() -> bool:
            shown = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
            return [each["TargetHealth"]["State"] for each in shown] == ["healthy"]

        eventually("the site is healthy", healthy)

    def _server(self, address: str) -> ThreadingHTTPServer:
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                seen[self.headers.get("X-Forwarded-For", ""), self.path] += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer((address, 8000), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def requests(self) -> float:
        """Requests in the newest ten seconds that had any, of the last twenty."""
        balancer = {"LoadBalancer": self.dimension}
        cloudwatch = self.aws("cloudwatch")
        return newest(cloudwatch, "AWS/ApplicationELB", "RequestCount", "Sum", within=20, **balancer) or 0

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site(cloud: Cloud, aws: Clients) -> Iterator[Site]:
    made = Site(cloud, aws)
    yield made
    made.close()


def test_a_noisy_neighbour_is_one_address_with_very_many_requests(site: Site) -> None:
    with fault(site.cloud, "noisy-neighbour", per_second="40", path="/api/v1/prices"):
        eventually("the requests are counted", lambda: site.requests() > 100)
        client = site.cloud.settings.real_address("10.0.255.77")
        eventually("the requests come from the neighbour", lambda: site.seen[client, "/api/v1/prices"] > 100)
    eventually("no more requests are counted", lambda: site.requests() == 0)


def test_a_caller_without_rights_is_in_the_trail(cloud: Cloud, aws: Clients) -> None:
    def events(key: str, value: str) -> list[dict[str, Any]]:
        found = aws("cloudtrail").lookup_events(LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}])
        return [json.loads(each["CloudTrailEvent"]) for each in found["Events"]]

    with fault(cloud, "unauthorised-caller", per_second="20"):

        def calls_in_trail() -> set[tuple[str, str]]:
            return {(each["eventName"], each.get("errorCode", "")) for each in events("Username", "former-contractor")}

        eventually(
            "the refused calls are in the trail",
            lambda: {("ListUsers", "AccessDenied"), ("ListSecrets", "AccessDeniedException")} <= calls_in_trail(),
        )
        eventually("the allowed call is in the trail", lambda: ("GetCallerIdentity", "") in calls_in_trail())
        [event, *_] = events("Username", "former-contractor")
        assert event["sourceIPAddress"] == cloud.settings.real_address("10.0.255.66")
        assert event["userIdentity"]["arn"].endswith(":user/former-contractor")
        eventually("the unknown key is in the trail", lambda: events("AccessKeyId", "AKIA" + "Q" * 16))
        codes = {each["errorCode"] for each in events("AccessKeyId", "AKIA" + "Q" * 16)}
        assert codes <= {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"}
        with pytest.raises(AwsError, match="in force since"):
            cloud.part(StackFaults).begin("unauthorised-caller", {})
    assert aws("iam").list_users()["Users"] == []
    assert events("EventName", "CreateUser") == []


def test_aws_throttles_what_it_is_told_to_and_nothing_else(aws: Clients, cloud: Cloud) -> None:
    ecs = aws("ecs")
    with fault(cloud, "aws-throttling", service="ecs", operation="List*", probability="1"):
        with pytest.raises(ecs.exceptions.ClientError, match="ThrottlingException"):
            ecs.list_clusters()
        assert ecs.describe_clusters()["clusters"] == []
        with fault(cloud, "aws-errors", service="sts", probability="1"):
            with pytest.raises(ClientError) as caught:
                aws("sts").get_caller_identity()
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        assert aws("sts").get_caller_identity()["Account"] == cloud.settings.account
    assert ecs.list_clusters()["clusterArns"] == []


def test_faults_come_back_with_the_cloud(tmp_path: Path, clients_of: Callable[[Cloud], Clients]) -> None:
    state = tmp_path / "state"
    state.mkdir()
    home = addresses.create(state)

    def start() -> tuple[Cloud, Any]:
        cloud = assemble.assemble(home.settings, home.access_key_id, home.secret_access_key)
        return cloud, assemble.start(cloud)

    def tried(cloud: Cloud, since: datetime) -> bool:
        attribute = {"AttributeKey": "Username", "AttributeValue": "former-contractor"}
        found = clients_of(cloud)("cloudtrail").lookup_events(LookupAttributes=[attribute], StartTime=since)
        return bool(found["Events"])

    def throttled(cloud: Cloud) -> bool:
        try:
            clients_of(cloud)("ecs").list_clusters()
        except ClientError:
            return True
        return False

    cloud, server = start()
    try:
        cloud.part(StackFaults).begin("unauthorised-caller", {"per_second": "20"})
        cloud.part(StackFaults).begin("aws-throttling", {"service": "ecs", "probability": "1"})
        eventually(
            "the caller without rights is in the trail", lambda: tried(cloud, cloud.now() - timedelta(minutes=1))
        )
        assemble.stop(cloud, server)
        assemble.forget(cloud)
        cloud, server = start()
        again = cloud.now()
        eventually("the caller is in the trail again", lambda: tried(cloud, again))
        eventually("the calls are throttled again", lambda: throttled(cloud))
        cloud.part(StackFaults).end("unauthorised-caller")
        cloud.part(StackFaults).end("aws-throttling")
        assert not throttled(cloud)
        assert clients_of(cloud)("iam").list_users()["Users"] == []
    finally:
        assemble.stop(cloud, server)
        assemble.forget(cloud)
        addresses.release(state)


def test_an_answer_that_is_cut_off(aws: Clients, cloud: Cloud) -> None:
    with (
        fault(cloud, "aws-errors", service="iam", operation="ListRoles", probability="1", kind="truncate"),
        pytest.raises((HTTPClientError, ResponseParserError)),
    ):
        aws("iam").list_roles()
    assert aws("iam").list_roles()["Roles"] == []


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("noisy-neighbour", {}, "needs a load balancer; there are none"),
        ("unauthorised-caller", {"lacks": "manners"}, "one of rights, key, both"),
        ("aws-errors", {"kind": "404"}, "one of 500, timeout, truncate, slow"),
        ("aws-throttling", {"probability": "2"}, "number from 0.01 to 1"),
        ("slow-queries", {}, "needs a DB instance; there are none"),
        ("cache-stopped", {}, "needs a replication group; there are none"),
    ],
)
def test_what_cannot_be_made_is_refused(shared_cloud: Cloud, name: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        shared_cloud.part(StackFaults).begin(name, settings)
