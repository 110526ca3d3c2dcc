"""A load balancer that really balances: rules, health, draining, and metrics from what happened."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from localcloud.core import network
from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.services.elbv2 import component
from localcloud.services.elbv2.model import Balancer
from support.waiting import eventually


class App:
    """A web server in the place of a task, whose health and answers a test sets."""

    def __init__(self, address: str, name: str) -> None:
        self.name, self.status, self.delay = name, 200, 0.0
        self.seen: list[tuple[str, dict[str, str]]] = []
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path != "/health":
                    app.seen.append((self.path, dict(self.headers)))
                    time.sleep(app.delay)
                body = app.name.encode()
                self.send_response(int(self.path[1:]) if self.path[1:].isdigit() else app.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((address, 8000), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Stack:
    """A VPC, a load balancer with one listener, one target group; apps join as targets."""

    def __init__(self, cloud: Cloud, aws: Callable[..., Any]) -> None:
        self.cloud, self.elb, self.ec2, self.aws = cloud, aws("elbv2"), aws("ec2"), aws
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [zone["ZoneName"] for zone in self.ec2.describe_availability_zones()["AvailabilityZones"]]
        self.subnets = [
            self.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=zones[n])["Subnet"][
                "SubnetId"
            ]
            for n in range(2)
        ]
        self.vpc = vpc
        made = self.elb.create_load_balancer(Name="web", Subnets=self.subnets)["LoadBalancers"][0]
        self.arn, self.host = made["LoadBalancerArn"], made["DNSName"]
        self.group = self.make_group("web")
        self.listener = self.elb.create_listener(
            LoadBalancerArn=self.arn,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.group}],
        )["Listeners"][0]["ListenerArn"]
        self.port = cloud.settings.real_port(80)
        self.apps: list[App] = []

    def make_group(self, name: str) -> str:
        arn = self.elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=8000,
            VpcId=self.vpc,
            TargetType="ip",
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        attributes = [{"Key": "deregistration_delay.timeout_seconds", "Value": "2"}]
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
        # AWS's shortest interval is 5 s; a test needn't wait for it.
        self.cloud.moto("elbv2").target_groups[arn].health_check_interval_seconds = 0.3
        return str(arn)

    def app(self, name: str, group: str | None = None) -> tuple[App, str]:
        with self.cloud.lock:
            address = network.allocate(self.cloud, self.subnets[0], [], name).address
        app = App(self.cloud.settings.real_address(address), name)
        self.apps.append(app)
        self.elb.register_targets(TargetGroupArn=group or self.group, Targets=[{"Id": address, "Port": 8000}])
        return app, address

    def health(self, group: str | None = None) -> dict[str, tuple[str, str, str]]:
        payload = self.elb.describe_target_health(TargetGroupArn=group or self.group)["TargetHealthDescriptions"]
        return {
            each["Target"]["Id"]: (
                each["TargetHealth"]["State"],
                each["TargetHealth"].get("Reason", ""),
                each["TargetHealth"].get("Description", ""),
            )
            for each in payload
        }

    def state(self, address: str) -> str:
        return self.health().get(address, ("gone",))[0]

    def get(
        self, path: str = "/", headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def listening(self) -> None:
        def answers() -> bool:
            try:
                self.get("/")
            except OSError:
                return False
            return True

        eventually("the load balancer answers", answers)


@pytest.fixture
def stack(cloud: Cloud, aws: Callable[..., Any]) -> Iterator[Stack]:
    stack = Stack(cloud, aws)
    stack.listening()
    yield stack
    for app in stack.apps:
        app.close()


pytestmark = pytest.mark.cloud


def test_requests_reach_healthy_targets_and_only_those(stack: Stack) -> None:
    assert stack.get()[0] == 503  # no target at all
    one, first = stack.app("one")
    two, second = stack.app("two")
    eventually(
        "both targets are healthy", lambda: [stack.state(each) for each in (first, second)] == ["healthy", "healthy"]
    )
    eventually("both targets get requests", lambda: {stack.get()[1] for _ in range(6)} == {"one", "two"})
    two.status = 500
    mismatch = ("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]")
    # A busy server may first be too slow to answer.
    eventually("the second target is unhealthy", lambda: stack.health()[second] == mismatch)
    eventually("only the first target gets requests", lambda: {stack.get()[1] for _ in range(6)} == {"one"})
    one.status = 500
    eventually("the first target is unhealthy", lambda: stack.state(first) == "unhealthy")
    # Nobody is healthy: AWS fails open and sends to all.
    eventually("both targets get requests", lambda: {stack.get()[1] for _ in range(6)} == {"one", "two"})


def test_a_target_sees_who_asked_and_how(stack: Stack) -> None:
    app, address = stack.app("one")
    eventually("the target is healthy", lambda: stack.state(address) == "healthy")
    eventually("the target gets a request", lambda: stack.get("/hello?a=b")[0] == 200)
    path, headers = app.seen[-1]
    assert path == "/hello?a=b"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == "80"
    assert headers["x-forwarded-for"].startswith("127.")
    assert headers["x-amzn-trace-id"].startswith("Root=1-")


def test_a_new_target_begins_as_initial_and_a_dead_one_says_why(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with stack.cloud.lock:
        address = network.allocate(stack.cloud, stack.subnets[0], [], "nobody").address
    with monkeypatch.context() as unhurried:  # it is looked at before its first health check, however late
        unhurried.setattr(component, "FIRST_PROBE", 3600.0)
        stack.elb.register_targets(TargetGroupArn=stack.group, Targets=[{"Id": address}])
        assert stack.state(address) == "initial"
    eventually("the target is unhealthy", lambda: stack.state(address) == "unhealthy")
    assert stack.health()[address][1:] == ("Target.FailedHealthChecks", "Health checks failed")
    # It was chosen (fails open) and gave no answer: a bad gateway.
    eventually("the load balancer answers 502", lambda: stack.get()[0] == 502)


def test_draining_lets_requests_finish_and_takes_no_new_ones(stack: Stack) -> None:
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "15"}
    stack.elb.modify_target_group_attributes(TargetGroupArn=stack.group, Attributes=[delay])
    slow, first = stack.app("slow")
    _, second = stack.app("other")
    eventually(
        "both targets are healthy", lambda: [stack.state(each) for each in (first, second)] == ["healthy", "healthy"]
    )
    eventually("both targets get requests", lambda: {stack.get()[1] for _ in range(6)} == {"slow", "other"})
    slow.delay = 1.0
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(stack.get("/long")[1])) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually("the slow target has a long request", lambda: any(path == "/long" for path, _ in slow.seen), every=0.05)
    stack.elb.deregister_targets(TargetGroupArn=stack.group, Targets=[{"Id": first, "Port": 8000}])
    assert stack.health()[first][:2] == ("draining", "Target.DeregistrationInProgress")
    eventually(
        "only the other target gets requests", lambda: {stack.get()[1] for _ in range(6)} == {"other"}, every=0.05
    )
    assert stack.state(first) == "draining"
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["other", "slow"]
    eventually("the first target is gone", lambda: stack.state(first) == "gone")
    request = stack.elb.describe_target_health(TargetGroupArn=stack.group, Targets=[{"Id": first, "Port": 8000}])
    assert request["TargetHealthDescriptions"][0]["TargetHealth"]["Reason"] == "Target.NotRegistered"


def test_rules_choose_by_path_host_and_weight_and_may_answer_themselves(stack: Stack) -> None:
    other = stack.make_group("other")
    _, first = stack.app("web")
    _, second = stack.app("api", other)
    assert stack.health(other)[second][:2] == ("unused", "Target.NotInUse")

    def rule(priority: int, condition: dict[str, Any], action: dict[str, Any]) -> None:
        stack.elb.create_rule(ListenerArn=stack.listener, Priority=priority, Conditions=[condition], Actions=[action])

    def path(*values: str) -> dict[str, Any]:
        return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}

    rule(10, path("/api/*"), {"Type": "forward", "TargetGroupArn": other})
    rule(
        5,
        path("/api/v0*"),
        {
            "Type": "fixed-response",
            "FixedResponseConfig": {
                "StatusCode": "410",
                "ContentType": "text/plain",
                "MessageBody": 'it\'s gone; 100% "so"',
            },
        },
    )
    rule(20, path("/old"), {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Path": "/new/#{path}"}})
    host = {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}}
    split = {"TargetGroups": [{"TargetGroupArn": stack.group, "Weight": 1}, {"TargetGroupArn": other, "Weight": 1}]}
    rule(30, host, {"Type": "forward", "ForwardConfig": split})
    eventually(
        "both targets are healthy",
        lambda: stack.state(first) == "healthy" and stack.health(other)[second][0] == "healthy",
    )
    eventually("the redirect is in force", lambda: stack.get("/old")[0] == 301)
    assert eventually("the path goes to the API", lambda: stack.get("/api/coins")[1] == "api")
    eventually("all else goes to the web server", lambda: stack.get("/")[1] == "web")
    assert stack.get("/api/v0/x")[:2] == (410, 'it\'s gone; 100% "so"')
    assert stack.get("/api/v0/x")[2]["server"] == stack.get("/old")[2]["server"] == "awselb/2.0"
    assert stack.get("/")[2].get("server") != "awselb/2.0"
    refused, _, by = stack.get("/", method="TRACE")
    assert (refused, by["server"]) == (405, "awselb/2.0"), "no target gets it"
    location = stack.get("/old?x=1", {"Host": "shop.test"})[2]["location"]
    assert location == "http://shop.test:80/new/old?x=1"
    eventually(
        "both groups get requests",
        lambda: {stack.get("/", {"Host": "a.example.com"})[1] for _ in range(20)} == {"web", "api"},
    )


def test_metrics_come_from_real_requests(stack: Stack) -> None:
    app, address = stack.app("one")
    eventually("the target is healthy", lambda: stack.state(address) == "healthy")
    began = time.time() - 60
    eventually("the target answers", lambda: stack.get("/")[0] == 200)
    earlier = len(app.seen)
    for path in ["/ok"] * 5 + ["/404"] * 2 + ["/500"] * 3:
        stack.get(path)
    cloudwatch = stack.aws("cloudwatch")
    balancer = stack.arn.partition(":loadbalancer/")[2]
    both = {"LoadBalancer": balancer, "TargetGroup": stack.group.rpartition(":")[2]}

    def total(name: str, dimensions: dict[str, str], statistic: str = "Sum") -> float:
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/ApplicationELB",
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=began,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=[statistic],
        )["Datapoints"]
        return float(sum(point[statistic] for point in points))

    expected = {
        "HTTPCode_Target_2XX_Count": 5 + earlier,
        "HTTPCode_Target_4XX_Count": 2,
        "HTTPCode_Target_5XX_Count": 3,
        "RequestCount": 10 + earlier,
    }
    # Published one after the other.
    eventually("all requests are counted", lambda: {name: total(name, both) for name in expected} == expected)
    eventually(
        "they are counted for the load balancer",
        lambda: total("HTTPCode_Target_4XX_Count", {"LoadBalancer": balancer}) == 2,
    )
    assert 0 <= total("TargetResponseTime", both, "Minimum") < 1  # seconds; a slow machine answers some later
    assert total("HTTPCode_ELB_4XX_Count", {"LoadBalancer": balancer}) == 0
    eventually("the healthy host is counted", lambda: total("HealthyHostCount", both, "Maximum") == 1)
    assert total("UnHealthyHostCount", both, "Maximum") == 0


def test_access_logs_are_written_to_a_bucket_that_lets_them_in_and_say_what_was_served(stack: Stack) -> None:
    _, address = stack.app("one")
    s3, account = stack.aws("s3"), stack.cloud.settings.account
    s3.create_bucket(Bucket="logs", CreateBucketConfiguration={"LocationConstraint": stack.cloud.settings.region})
    wanted = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "logs", "access_logs.s3.prefix": "web"}
    attributes = [{"Key": key, "Value": value} for key, value in wanted.items()]
    with pytest.raises(stack.elb.exceptions.InvalidConfigurationRequestException, match="Access Denied for bucket"):
        stack.elb.modify_load_balancer_attributes(LoadBalancerArn=stack.arn, Attributes=attributes)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::logs/web/AWSLogs/{account}/*",
    }
    s3.put_bucket_policy(Bucket="logs", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    stack.elb.modify_load_balancer_attributes(LoadBalancerArn=stack.arn, Attributes=attributes)
    moved = {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Path": "/new"}}
    old = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/old"]}}
    stack.elb.create_rule(ListenerArn=stack.listener, Priority=7, Conditions=[old], Actions=[moved])
    eventually("the target is healthy", lambda: stack.state(address) == "healthy")
    eventually("the redirect is in force", lambda: stack.get("/old")[0] == 301)
    eventually("it is logged from now on", lambda: any(each.logs_to for each in balancers(stack)))
    trace = "Root=1-67891233-abcdef012345678912345678"
    stack.get("/coins?day=1|2", {"User-Agent": 'a "quoted" agent|x', "X-Amzn-Trace-Id": trace, "Host": "shop.test"})
    stack.get("/404")
    stack.get("/old", {"Host": "shop.test"})

    def written() -> list[list[str]]:
        stack.cloud.part(component.LoadBalancers).access_logs(deliver=True)
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket="logs")["Contents"] if each["Key"].endswith(".gz")]
        bodies = [s3.get_object(Bucket="logs", Key=key)["Body"].read() for key in keys]
        lines = [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]
        return [shlex.split(line.replace("\\", "\\\\")) for line in lines]

    def all_three() -> list[list[str]] | None:
        found = [[each for each in written() if path in each[12]] for path in ("/coins", "/404", ":80/old")]
        return [each[-1] for each in found] if all(found) else None

    coins, missing, redirected = eventually("all three are written", all_three)
    identity = stack.arn.partition(":loadbalancer/")[2]
    assert len(coins) == 33, "the entry's fields in the user guide, request_transform_status the last"
    assert coins[0] == "http"
    assert coins[2] == identity
    assert coins[3].startswith("127.")
    assert coins[4] == coins[25] == f"{address}:8000"
    assert all(0 <= float(each) < 10 for each in coins[5:8])
    assert coins[8:10] == ["200", "200"]
    assert coins[12] == "GET http://shop.test:80/coins?day=1|2 HTTP/1.1"
    assert coins[13] == "a \\x22quoted\\x22 agent|x"
    assert coins[16:19] == [stack.group, trace, "-"]
    assert coins[20] == "0"
    assert coins[22:25] == ["forward", "-", "-"]
    assert coins[26] == "200"
    assert coins[29].startswith("TID_")
    assert missing[8:10] == ["404", "404"]
    assert (redirected[4], redirected[5], redirected[9]) == ("-", "-1", "-")
    assert (redirected[20], redirected[22], redirected[23]) == ("7", "redirect", "http://shop.test:80/new")
    for key in (each["Key"] for each in s3.list_objects_v2(Bucket="logs")["Contents"]):
        assert re.fullmatch(
            rf"web/AWSLogs/{account}/(ELBAccessLogTestFile|elasticloadbalancing/ap-southeast-2/\d{{4}}/\d\d/\d\d/"
            rf"{account}_elasticloadbalancing_ap-southeast-2_app\.web\.[0-9a-f]+_\d{{8}}T\d{{4}}Z_10\.0\.\d\.\d+"
            r"_[0-9a-z]+\.log\.gz)",
            key,
        )


def balancers(stack: Stack) -> list[Balancer]:
    return stack.cloud.part(component.LoadBalancers)._balancers


def test_no_request_is_lost_while_nobody_has_time_for_the_log(stack: Stack) -> None:
    """On a busy machine the cloud's own thread comes late; a Unix datagram socket would keep ten of these."""
    app, address = stack.app("one")
    eventually("the target is healthy", lambda: stack.state(address) == "healthy")
    eventually("the target answers", lambda: stack.get("/")[0] == 200)
    with stack.cloud.part(component.LoadBalancers)._lock:
        for _ in range(300):
            assert stack.get("/")[0] == 200
    sent = len(app.seen)

    def counted() -> float:
        points = stack.aws("cloudwatch").get_metric_statistics(
            Namespace="AWS/ApplicationELB",
            MetricName="RequestCount",
            Dimensions=[{"Name": "LoadBalancer", "Value": stack.arn.partition(":loadbalancer/")[2]}],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    eventually("all requests are counted", lambda: counted() == sent)


def test_a_killed_haproxy_comes_back_and_a_deleted_one_goes(stack: Stack) -> None:
    _, address = stack.app("one")
    eventually("the target is healthy", lambda: stack.state(address) == "healthy")
    eventually("the target answers", lambda: stack.get()[0] == 200)
    supervisor = stack.cloud.part(Supervisor)
    victim = next(each for each in supervisor.running() if each.name.startswith("haproxy"))
    victim.send(9)

    def back() -> bool:
        try:
            return stack.get()[:2] == (200, "one")
        except OSError:
            return False

    eventually("HAProxy has ended", lambda: victim.poll() is not None)
    eventually("the target answers again", back)
    stack.elb.delete_listener(ListenerArn=stack.listener)
    stack.elb.delete_load_balancer(LoadBalancerArn=stack.arn)
    eventually(
        "no HAProxy is left", lambda: not [each for each in supervisor.running() if each.name.startswith("haproxy")]
    )
    stack.elb.delete_target_group(TargetGroupArn=stack.group)
    enis = stack.ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert [each for each in enis if each["Description"].startswith("ELB ")] == []


def test_deletion_protection_protects(stack: Stack) -> None:
    attributes = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    stack.elb.modify_load_balancer_attributes(LoadBalancerArn=stack.arn, Attributes=attributes)
    with pytest.raises(stack.elb.exceptions.OperationNotPermittedException, match="deletion protection"):
        stack.elb.delete_load_balancer(LoadBalancerArn=stack.arn)
    shown = stack.elb.describe_load_balancers(Names=["web"])["LoadBalancers"][0]
    assert shown["State"]["Code"] == "active"
    assert shown["DNSName"] == stack.host
