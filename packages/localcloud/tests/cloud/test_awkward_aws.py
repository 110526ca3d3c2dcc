"""An AWS that is only as good as it promises: documented rates, reads that lag behind writes, late metrics."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from localcloud.core.registry import AwsError, Call
from localcloud.faults.component import StackFaults
from localcloud.faults.metrics import NAMESPACES
from localcloud.front import faults as front_faults
from localcloud.front.rate_limits import RateLimits, bucket_of
from localcloud.services.cloudwatch import Metrics

Clients = Callable[..., Any]


@contextmanager
def fault(cloud: Cloud, name: str, **settings: str) -> Iterator[None]:
    cloud.part(StackFaults).begin(name, settings)
    try:
        yield
    finally:
        cloud.part(StackFaults).end(name)


def call(service: str, operation: str, **params: Any) -> Call:
    return Call(service, operation, params, "1", "r", "p", "", "", "", "", datetime.now(UTC))


# -- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "operation", "params", "burst", "per_second"),
    [
        ("ecs", "DescribeServices", {}, 100, 20),
        ("ecs", "ListServices", {}, 100, 20),
        ("ecs", "UpdateService", {}, 50, 5),
        ("ecs", "RegisterTaskDefinition", {}, 20, 1),
        ("ecs", "DescribeTaskDefinition", {}, 50, 20),
        ("ecs", "ListServiceDeployments", {}, 50, 20),
        ("ecs", "RunTask", {}, 100, 40),
        ("ec2", "DescribeVpcs", {}, 100, 20),
        ("ec2", "DescribeSecurityGroups", {}, 50, 10),
        ("ec2", "DescribeSecurityGroups", {"MaxResults": 5}, 100, 20),
        ("ec2", "DescribeSecurityGroups", {"Filters": [{"Name": "vpc-id"}]}, 100, 20),
        ("ec2", "CreateVpc", {}, 50, 5),
        ("ec2", "CreateVpcEndpoint", {}, 4, 0.3),
        ("cloudwatch", "DescribeAlarms", {}, 9, 9),
        ("cloudwatch", "PutMetricAlarm", {}, 3, 3),
        ("logs", "StartQuery", {}, 10, 10),
        ("cloudtrail", "LookupEvents", {}, 2, 2),
    ],
)
def test_an_action_has_the_rate_that_aws_documents(
    service: str, operation: str, params: dict[str, Any], burst: float, per_second: float
) -> None:
    found = bucket_of(call(service, operation, **params))
    assert found is not None
    assert (found[1].burst, found[1].per_second) == (burst, per_second)


@pytest.mark.parametrize("service", ["iam", "elbv2", "rds", "elasticache", "application-autoscaling", "sts", "s3"])
def test_no_rate_is_invented(service: str) -> None:
    assert bucket_of(call(service, "DescribeAnything")) is None


def test_a_bucket_empties_and_fills_again() -> None:
    now = [0.0]
    limits = RateLimits(lambda: now[0])
    limits.begin("*", 1)

    def taken(operation: str, tries: int = 500) -> int:
        return sum(not limits.refuses(call("ecs", operation)) for _ in range(tries))

    assert taken("DescribeServices") == 100
    assert taken("ListServices") == 0, "they share a bucket"
    assert taken("ListTasks") == 100
    now[0] += 2
    assert taken("ListServices") == 40
    now[0] += 3600
    assert taken("ListServices") == 100, "never more than the bucket holds"
    limits.begin("ecs", 0.1)
    assert taken("DescribeServices") == 10
    assert not limits.refuses(call("cloudtrail", "LookupEvents"))
    limits.end()
    assert taken("DescribeServices") == 500


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("ecs", "list_clusters", {}, "ThrottlingException"),
        ("ec2", "describe_vpcs", {}, "RequestLimitExceeded"),
        ("cloudtrail", "lookup_events", {}, "ThrottlingException"),
        ("logs", "describe_log_groups", {}, "ThrottlingException"),
    ],
)
def test_who_asks_too_often_is_told_so_in_the_services_own_word(
    shared_cloud: Cloud, shared_aws: Clients, service: str, operation: str, arguments: dict[str, Any], code: str
) -> None:
    ask = getattr(shared_aws(service), operation)
    with fault(shared_cloud, "rate-limits", service=service, factor="0.01"):
        ask(**arguments)  # the least that a bucket holds
        with pytest.raises(ClientError) as refused:
            ask(**arguments)
    assert refused.value.response["Error"]["Code"] == code
    ask(**arguments)


@pytest.mark.parametrize(
    ("protocol", "service", "code"),
    [("query", "iam", "Throttling"), ("rest-xml", "route53", "Throttling"), ("rest-xml", "s3", "SlowDown")],
)
def test_throttling_has_the_services_own_code(protocol: str, service: str, code: str) -> None:
    assert front_faults.throttled(protocol, service).code == code


# -- reads that lag behind --------------------------------------------------------------------------------------------


@pytest.fixture
def clock(shared_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of the reads that lag behind, moved by hand."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(shared_cloud.part(front_faults.Faults).stale_reads, "_clock", lambda: now.seconds)
    return now


_numbers = itertools.count()


def test_what_was_just_made_is_not_found_yet(shared_cloud: Cloud, shared_aws: Clients, clock: SimpleNamespace) -> None:
    ecs, ec2, iam, kms = (shared_aws(service) for service in ("ecs", "ec2", "iam", "kms"))
    with fault(shared_cloud, "stale-reads", seconds="5"):
        container = {"name": "a", "image": "a", "memory": 128}
        made = ecs.register_task_definition(family="late", containerDefinitions=[container])
        arn = made["taskDefinition"]["taskDefinitionArn"]
        ecs.create_cluster(clusterName="late")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        policy = '{"Version": "2012-10-17", "Statement": []}'
        iam.create_role(RoleName="late", AssumeRolePolicyDocument=policy)
        key = kms.create_key()["KeyMetadata"]["KeyId"]

        with pytest.raises(ecs.exceptions.ClientException):
            ecs.describe_task_definition(taskDefinition=arn)
        found = ecs.describe_clusters(clusters=["late"])
        assert found["clusters"] == []
        assert found["failures"][0]["arn"].endswith("/late"), "by the name that was asked for"
        with pytest.raises(ClientError, match=rf"InvalidVpcID.NotFound.*{vpc}'"):
            ec2.describe_vpcs(VpcIds=[vpc])
        with pytest.raises(iam.exceptions.NoSuchEntityException, match="late"):
            iam.get_role(RoleName="late")
        with pytest.raises(kms.exceptions.NotFoundException):
            kms.describe_key(KeyId=key)

        clock.seconds += 6
        assert ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]["taskDefinitionArn"] == arn
        assert ecs.describe_clusters(clusters=["late"])["clusters"]
        assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
        assert iam.get_role(RoleName="late")["Role"]
        assert kms.describe_key(KeyId=key)["KeyMetadata"]


def test_a_read_shows_what_was_before_the_write_and_soon_what_is(
    shared_cloud: Cloud, shared_aws: Clients, clock: SimpleNamespace
) -> None:
    ecs = shared_aws("ecs")
    ecs.create_cluster(clusterName="changing")

    def insights() -> str:
        [cluster] = ecs.describe_clusters(clusters=["changing"], include=["SETTINGS"])["clusters"]
        return str(cluster["settings"][0]["value"])

    def change(value: str) -> None:
        ecs.update_cluster_settings(cluster="changing", settings=[{"name": "containerInsights", "value": value}])

    change("disabled")
    with fault(shared_cloud, "stale-reads", service="ecs", seconds="5"):
        assert insights() == "disabled"
        clock.seconds += 60
        change("enabled")
        assert insights() == "disabled"
        clock.seconds += 4
        assert insights() == "disabled"
        clock.seconds += 2
        assert insights() == "enabled"
        change("disabled")
        for _ in range(20):  # writes all the time make nothing older than it may be
            clock.seconds += 1
            ecs.tag_resource(resourceArn=ecs.list_clusters()["clusterArns"][0], tags=[{"key": "k", "value": "v"}])
        assert insights() == "disabled"
        change("enabled")
        assert insights() == "disabled"
    assert insights() == "enabled", "nothing is stale once it is over"


def test_what_aws_calls_consistent_is_so(shared_cloud: Cloud, shared_aws: Clients, clock: SimpleNamespace) -> None:
    s3, ssm, logs = shared_aws("s3"), shared_aws("ssm"), shared_aws("logs")
    with fault(shared_cloud, "stale-reads"):
        s3.create_bucket(Bucket="at-once", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
        assert s3.list_objects_v2(Bucket="at-once")["KeyCount"] == 0
        s3.put_object(Bucket="at-once", Key="a", Body=b"1")
        assert s3.list_objects_v2(Bucket="at-once")["KeyCount"] == 1
        ssm.put_parameter(Name="/at-once", Type="String", Value="1")
        assert ssm.get_parameter(Name="/at-once")["Parameter"]["Value"] == "1"
        logs.create_log_group(logGroupName="/at-once")
        assert logs.describe_log_groups(logGroupNamePrefix="/at-once")["logGroups"]


# -- metrics ----------------------------------------------------------------------------------------------------------


def read(cloudwatch: Any, namespace: str, name: str) -> float:
    """The sum of the last hour, by both ways to ask for it."""
    now = datetime.now(UTC)
    span = {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(minutes=1)}
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": []}
    points = cloudwatch.get_metric_statistics(**metric, **span, Period=60, Statistics=["Sum"])["Datapoints"]
    stat = {"Metric": metric, "Period": 60, "Stat": "Sum"}
    [data] = cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "a", "MetricStat": stat}], **span)[
        "MetricDataResults"
    ]
    assert sum(data["Values"]) == sum(point["Sum"] for point in points)
    return float(sum(data["Values"]))


@pytest.mark.parametrize("source", NAMESPACES)
def test_late_metrics_come_later_by_whole_minutes(shared_cloud: Cloud, shared_aws: Clients, source: str) -> None:
    cloudwatch, namespace, name = shared_aws("cloudwatch"), NAMESPACES[source], f"Late{next(_numbers)}"
    metrics, now = shared_cloud.part(Metrics), datetime.now(UTC)
    for ago in (30, 240, 900):
        metrics.put(namespace, name, {}, 1, at=now - timedelta(seconds=ago))
    assert read(cloudwatch, namespace, name) == 3
    others = {each: "0" for each in NAMESPACES if each != source}
    with fault(shared_cloud, "late-metrics", **{source: "600"}, **others):
        assert read(cloudwatch, namespace, name) == 1
        other = next(NAMESPACES[each] for each in others)
        metrics.put(other, name, {}, 1)
        assert read(cloudwatch, other, name) == 1, "each has a delay of its own"
    assert read(cloudwatch, namespace, name) == 3, "nothing was lost"


@pytest.mark.parametrize("source", ["all", *NAMESPACES, "alb,rds"])
def test_missing_metrics_never_come(shared_cloud: Cloud, shared_aws: Clients, source: str) -> None:
    cloudwatch, name = shared_aws("cloudwatch"), f"Missing{next(_numbers)}"
    metrics = shared_cloud.part(Metrics)
    chosen = {NAMESPACES[each] for each in (NAMESPACES if source == "all" else source.split(","))}
    with fault(shared_cloud, "missing-metrics", source=source):
        for namespace in NAMESPACES.values():
            metrics.put(namespace, name, {}, 1)
        cloudwatch.put_metric_data(Namespace="Own", MetricData=[{"MetricName": name, "Value": 1}])
    for namespace in NAMESPACES.values():
        assert read(cloudwatch, namespace, name) == (namespace not in chosen)
    assert read(cloudwatch, "Own", name) == 1


# -- what may be chosen -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("late-metrics", {"alb": "-1"}, "from 0 to 7200"),
        ("late-metrics", {"alb": "3m"}, "from 0 to 7200"),
        ("late-metrics", {"alb": "nan"}, "from 0 to 7200"),
        ("late-metrics", {"alb": "7201"}, "from 0 to 7200"),
        ("late-metrics", {"ebs": "1"}, "no setting 'ebs'"),
        ("missing-metrics", {"source": "AWS/RDS"}, "one of all, alb"),
        ("stale-reads", {"service": "s3"}, "one of all, ecs, ec2, iam, kms"),
        ("stale-reads", {"seconds": "0"}, "from 0.1 to 60"),
        ("stale-reads", {"seconds": "1e9"}, "from 0.1 to 60"),
        ("rate-limits", {"factor": "0"}, "from 0.01 to 100"),
        ("rate-limits", {"factor": ""}, "from 0.01 to 100"),
    ],
)
def test_what_is_chosen_is_judged(shared_cloud: Cloud, name: str, settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(AwsError, match=complaint):
        shared_cloud.part(StackFaults).begin(name, settings)
    held = shared_cloud.part(front_faults.Faults)
    assert not held.rate_limits.in_force
    assert not held.stale_reads.in_force
    assert shared_cloud.part(Metrics).withheld == frozenset()
    assert shared_cloud.part(Metrics).store.late == {}
