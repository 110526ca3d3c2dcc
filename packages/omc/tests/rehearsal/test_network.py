"""Closed security groups and a surge through the NAT gateway: what is cut off really is, and all is well afterwards."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.alert_causes import UNHEALTHY, Watch, of_frontend
from support.session_client import SessionClient, key_maker, target_of
from support.stack import CLUSTER, Stack, wait_until_healthy
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

WITHIN = 240.0
FLOW_LOG = f"/vpc/{CLUSTER}/flow"
CONNECT = """
import os, psycopg
host, password = os.environ["POSTGRES_SERVER"], os.environ["POSTGRES_PASSWORD"]
user, name = os.environ.get("POSTGRES_USER", "ohmycoins"), os.environ.get("POSTGRES_DB", "ohmycoins")
try:
    psycopg.connect(host=host, user=user, password=password, dbname=name, connect_timeout=4).close()
except psycopg.Error as problem:
    print(problem)
    raise SystemExit(7 if "timeout expired" in str(problem) else 8)
"""


@contextmanager
def fault(stack: Stack, name: str, **settings: str) -> Iterator[None]:
    chosen = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    done = stack.omc("local", "fault", "start", name, *chosen)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        done = stack.omc("local", "fault", "stop", name)
        assert done.returncode == 0, done.stderr


def flows(stack: Stack, since: float, action: str) -> list[list[str]]:
    """The flow log's records since then, as their fields."""
    pages = stack.client("logs").get_paginator("filter_log_events")
    payload = pages.paginate(logGroupName=FLOW_LOG, startTime=int(since * 1000), filterPattern=action)
    return [event["message"].split() for page in payload for event in page["events"]]


def reasons(stack: Stack) -> set[str]:
    """Why targets of the backend aren't healthy."""
    elb = stack.client("elbv2")
    group = elb.describe_target_groups(Names=[f"{CLUSTER}-backend"])["TargetGroups"][0]["TargetGroupArn"]
    payload = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    return {each["TargetHealth"].get("Reason", "") for each in payload}


def connects(stack: Stack) -> int | None:
    """The exit code of a task that connects to the database anew."""
    ecs = stack.client("ecs")
    service = ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"][0]
    made = ecs.run_task(
        cluster=CLUSTER,
        taskDefinition=service["taskDefinition"],
        launchType="FARGATE",
        networkConfiguration=service["networkConfiguration"],
        overrides={"containerOverrides": [{"name": "backend", "command": ["python", "-c", CONNECT]}]},
    )["tasks"][0]["taskArn"]
    codes: list[int | None] = []

    def stopped() -> bool:
        task = ecs.describe_tasks(cluster=CLUSTER, tasks=[made])["tasks"][0]
        codes[:] = [container.get("exitCode") for container in task["containers"]]
        return bool(task["lastStatus"] == "STOPPED")

    eventually("the task that connects has ended", stopped, WITHIN)
    return codes[0]


def netcat(stack: Stack) -> str:
    """What the runbook's ``nc -zv`` in a task says of the database."""
    ecs = stack.client("ecs")
    task = ecs.list_tasks(cluster=CLUSTER, serviceName="backend", desiredStatus="RUNNING")["taskArns"][0]
    command = f"nc -zv -w 3 {stack.output('database')['address']} 5432"
    session = ecs.execute_command(cluster=CLUSTER, task=task, container="backend", command=command, interactive=True)
    make_key = key_maker(stack.client("kms"), session["session"]["sessionId"], target_of(ecs, CLUSTER, task, "backend"))
    with SessionClient(session["session"], make_key=make_key).begin() as client:
        client.end()
        return client.output


def failing(stack: Stack) -> set[str]:
    """The checks of the morning that fail."""
    findings = stack.check("--output", "json").json["findings"]
    failing = [finding for finding in findings if finding["level"] == "fail"]
    return {each["check"] for finding in failing for each in (finding, *finding["explains"])}


def rules(stack: Stack) -> list[dict[str, Any]]:
    found = stack.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return sorted(found, key=lambda rule: str(rule["SecurityGroupRuleId"]))


def test_a_closed_database_lets_no_new_connection_in_until_it_is_opened_again(healthy: Stack) -> None:
    before, began = rules(healthy), time.time()
    assert connects(healthy) == 0
    assert "succeeded" in netcat(healthy)
    with fault(healthy, "security-group-closed", target="database"):
        assert len(rules(healthy)) < len(before)
        eventually("new connections time out", lambda: connects(healthy) == 7, WITHIN)
        assert "timed out" in netcat(healthy)
        eventually("the flow log has the rejection", lambda: bool(flows(healthy, began, "REJECT")), WITHIN)
        assert {fields[6] for fields in flows(healthy, began, "REJECT")} == {"5432"}
        # Connections that stand go on: the service answers from its pool.
        with urllib.request.urlopen(f"{healthy.url}/api/v1/status", timeout=60) as answer:
            assert answer.status == 200
    assert rules(healthy) == before
    eventually("new connections are made", lambda: connects(healthy) == 0, WITHIN)
    called = healthy.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "RevokeSecurityGroupIngress"}]
    )["Events"]
    assert called


def test_closed_tasks_fail_the_morning_check_and_recover(healthy: Stack, watch: Watch) -> None:
    """Two services are down, and so there are two incidents, whatever else rings."""
    began = time.time()
    with fault(healthy, "security-group-closed", target="tasks"):
        eventually("health checks time out", lambda: "Target.Timeout" in reasons(healthy), WITHIN)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{healthy.url}/api/v1/status", timeout=60)
        assert refused.value.code in (504, 503)  # 503: ECS has just taken the unhealthy tasks away
        eventually("the morning check fails for them", lambda: "targets" in failing(healthy), WITHIN)
        eventually("the flow log has the rejections", lambda: bool(flows(healthy, began, "REJECT")), WITHIN)
        # The balancer sent it, the task's interface rejected it.
        for fields in flows(healthy, began, "REJECT"):
            assert fields[3].startswith(("10.0.1.", "10.0.2.", "10.0.3."))
            assert fields[4].startswith("10.0.1")
        for row in (UNHEALTHY, of_frontend(UNHEALTHY)):
            number = watch.incident(row)
            watch.everybody(number)
            watch.acknowledged(number)
    wait_until_healthy(healthy)
    assert not failing(healthy) & {"services-running", "load-balancer", "targets"}  # the rest remembers an hour
    watch.resolved()


def test_a_surge_goes_through_the_nat_gateway_and_is_counted_and_charged(healthy: Stack) -> None:
    began = time.time()
    gateway = healthy.client("ec2").describe_nat_gateways()["NatGateways"][0]
    inside = gateway["NatGatewayAddresses"][0]["PrivateIp"]

    def received() -> float:
        now = datetime.now(UTC)
        points = healthy.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/NATGateway",
            MetricName="BytesInFromDestination",
            Dimensions=[{"Name": "NatGatewayId", "Value": gateway["NatGatewayId"]}],
            StartTime=now - timedelta(minutes=2),
            EndTime=now,
            Period=10,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(max((each["Sum"] for each in points), default=0.0))

    with fault(healthy, "nat-surge", megabytes_per_second="2"):
        eventually("the gateway counts megabytes", lambda: received() > 4e6, WITHIN)

        def recorded() -> bool:
            moved = [fields for fields in flows(healthy, began, "ACCEPT") if fields[3] == "198.51.100.20"]
            return {inside} < {fields[4] for fields in moved} and sum(int(fields[9]) for fields in moved) > 4e6

        eventually("the flow log has them, at the task and at the gateway", recorded, WITHIN)

    def charged() -> float:
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        response = healthy.client("ce").get_cost_and_usage(
            TimePeriod={"Start": str(tomorrow - timedelta(days=2)), "End": str(tomorrow)},
            Granularity="DAILY",
            Metrics=["UsageQuantity"],
            GroupBy=[{"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        )["ResultsByTime"]
        groups = [group for day in response for group in day["Groups"] if group["Keys"] == ["APS2-NatGateway-Bytes"]]
        return sum(float(group["Metrics"]["UsageQuantity"]["Amount"]) for group in groups)

    eventually("the bytes are charged", lambda: charged() > 0.004, WITHIN)
    eventually("the surge is over", lambda: newest(healthy, gateway["NatGatewayId"]) < 1e5, WITHIN)


def newest(stack: Stack, gateway: str) -> float:
    """The gateway's received bytes in the newest ten seconds that are published."""
    now = datetime.now(UTC)
    points = stack.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/NATGateway",
        MetricName="BytesInFromDestination",
        Dimensions=[{"Name": "NatGatewayId", "Value": gateway}],
        StartTime=now - timedelta(seconds=40),
        EndTime=now,
        Period=10,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(max(points, key=lambda each: each["Timestamp"])["Sum"]) if points else 1e9
