"""What the cloud costs: metered from what exists, grouped and filtered without losing a cent, forecast, and watched."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from localcloud.core import billing
from localcloud.core.billing import Item
from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from localcloud.services.cloudwatch import Metrics
from localcloud.services.costs import Costs, anomalies, component, expressions, forecast, metering, periods, prices
from localcloud.services.costs.component import hours
from localcloud.services.costs.expressions import Location
from localcloud.services.costs.ledger import Ledger, Line
from localcloud.services.costs.sums import Sum, decimal
from support.ecs_cluster import WAITER, create_cluster
from support.requests import private
from support.running_cloud import cloud_at
from support.waiting import eventually

Clients = Callable[..., Any]
HOUR = timedelta(hours=1)
AHEAD = timedelta(minutes=5)
"""How far a test meters before the cloud's own loop, which meters until now and so charges nothing meanwhile."""
PLACE = Location("123456789012", "ap-southeast-2")


def today() -> date:
    return datetime.now(UTC).date()


def last(days: int) -> dict[str, str]:
    """The period of the last whole days."""
    return {"Start": str(today() - timedelta(days=days)), "End": str(today())}


def post(cloud: Cloud, history: Any) -> dict[str, Any]:
    return dict(private(cloud, "costs", history))


NAT = {"usage_type": "APS2-NatGateway-Bytes", "quantity": 100.0, "tags": {"Environment": "staging"}}
HISTORY = {
    "days": 40,
    "clear": True,
    "usage": [
        {**NAT, "spike": {"days_ago": 3, "days": 2, "factor": 5}},
        {"usage_type": "APS2-NatGateway-Hours", "quantity": 24, "tags": {"Environment": "staging"}},
        {"usage_type": "APS2-Fargate-vCPU-Hours:perCPU", "quantity": 48, "operation": "FargateTask"},
        {"usage_type": "APS2-InstanceUsage:db.t4g.micro", "cost": 0.6},
    ],
}


@pytest.fixture(autouse=True)
def not_at_midnight() -> None:
    """Histories end today: a test that begins on one day and asks on the next would look past them."""
    now = datetime.now(UTC)
    left = datetime.combine(now.date() + timedelta(days=1), clock.min, UTC) - now
    if left < timedelta(seconds=20):
        time.sleep(left.total_seconds() + 0.1)


@pytest.fixture
def seeded(shared_cloud: Cloud, shared_aws: Clients) -> Any:
    """Cost Explorer with forty invented days: traffic that was five times as much three and two days ago."""
    post(shared_cloud, HISTORY)
    return shared_aws("ce", region_name="us-east-1")


def amounts(result: dict[str, Any], metric: str = "UnblendedCost") -> dict[tuple[str, ...], Decimal]:
    return {tuple(group["Keys"]): Decimal(group["Metrics"][metric]["Amount"]) for group in result["Groups"]}


# -- metering -------------------------------------------------------------------------------------------------------


@pytest.mark.cloud
def test_an_hour_of_a_task_costs_its_cpu_and_memory(cloud: Cloud, aws: Clients, tmp_path: Path) -> None:
    cluster = create_cluster(cloud, aws, tmp_path / "apps")
    arn = cluster.run(cluster.register("paid", cluster.push("paid", WAITER)))
    eventually("the task runs", lambda: cluster.task(arn)["lastStatus"] == "RUNNING")
    task = cluster.task(arn)
    costs = cloud.part(Costs)
    began = cloud.now() + AHEAD
    costs.meter(began)
    before = used(costs)
    costs.meter(began + HOUR)
    costs.meter(began)  # an earlier time costs nothing
    after = used(costs)
    for usage_type, size in (
        ("APS2-Fargate-vCPU-Hours:perCPU", int(task["cpu"]) / 1024),
        ("APS2-Fargate-GB-Hours", int(task["memory"]) / 1024),
    ):
        assert after[usage_type][0] - before[usage_type][0] == pytest.approx(size)
        price = prices.table()[billing.ECS, usage_type].usd
        assert after[usage_type][1] - before[usage_type][1] == pytest.approx(size * price)

    cluster.ecs.stop_task(cluster="rehearsal", task=arn)
    cluster.stopped(arn)
    costs.meter(began + 2 * HOUR)
    assert used(costs)["APS2-Fargate-GB-Hours"] == after["APS2-Fargate-GB-Hours"]


def used(costs: Costs) -> dict[str, tuple[float, float]]:
    """Quantity and cost of every usage type, of all time."""
    found: dict[str, tuple[float, float]] = {}
    for line in lines_of(costs):
        quantity, cost = found.get(line.item.usage_type, (0.0, 0.0))
        found[line.item.usage_type] = (quantity + line.quantity, cost + line.cost)
    return found


def test_a_short_task_pays_for_a_minute() -> None:
    began = datetime(2026, 3, 1, 10, 59, 50, tzinfo=UTC)
    paid = billing.UsageRecord(1.0, 2.0, began, began + timedelta(seconds=5), ())
    charged = sum(paid.hours(start, end) for _, start, end in hours(began - HOUR, began + HOUR))
    assert charged == pytest.approx(60 / 3600)


def test_what_exists_is_charged_and_what_is_gone_is_not(cloud: Cloud, aws: Clients) -> None:
    ec2, costs = aws("ec2"), cloud.part(Costs)
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    tags = [{"ResourceType": "natgateway", "Tags": [{"Key": "Environment", "Value": "staging"}]}]
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address, TagSpecifications=tags)["NatGateway"]
    aws("kms").create_key()
    aws("secretsmanager").create_secret(Name="key", SecretString="x")
    aws("s3").create_bucket(Bucket="things", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    aws("s3").put_bucket_versioning(Bucket="things", VersioningConfiguration={"Status": "Enabled"})
    aws("s3").put_object(Bucket="things", Key="thing", Body=b"x" * (1 << 20))
    aws("s3").put_object(Bucket="things", Key="lock", Body=b"x")
    aws("s3").delete_object(Bucket="things", Key="lock")  # leaves a marker, which has no size
    watch = {"Namespace": "Shop", "MetricName": "Orders", "Statistic": "Sum", "Period": 10, "EvaluationPeriods": 1}
    aws("cloudwatch").put_metric_alarm(AlarmName="few", ComparisonOperator="LessThanThreshold", Threshold=1.0, **watch)
    queue = aws("sqs").create_queue(QueueName="orders")["QueueUrl"]
    began = cloud.now() + AHEAD
    costs.meter(began)
    before = used(costs)
    for _ in range(5):
        aws("sqs").send_message(QueueUrl=queue, MessageBody="x")
    aws("logs").create_log_group(logGroupName="/shop")
    aws("logs").create_log_stream(logGroupName="/shop", logStreamName="one")
    event = {"timestamp": int(cloud.now().timestamp() * 1000), "message": "x" * 974}
    aws("logs").put_log_events(logGroupName="/shop", logStreamName="one", logEvents=[event])
    costs.count(billing.Item(billing.EC2_OTHER, "APS2-NatGateway-Bytes", "NatGateway"), 3.0)
    costs.meter(began + 2 * HOUR)
    more = {name: used(costs)[name][0] - before.get(name, (0.0, 0.0))[0] for name in used(costs)}
    month = sum((end - begin) / HOUR / in_month(hour) for hour, begin, end in hours(began, began + 2 * HOUR))
    assert more["APS2-NatGateway-Hours"] == pytest.approx(2)
    assert more["APS2-PublicIPv4:InUseAddress"] == pytest.approx(2)
    assert more["APS2-NatGateway-Bytes"] == pytest.approx(3)
    assert more["ap-southeast-2-KMS-Keys"] == pytest.approx(month)
    assert more["APS2-AWSSecretsManager-Secrets"] == pytest.approx(month)
    assert more["APS2-TimedStorage-ByteHrs"] == pytest.approx(month / 1024)
    assert more["APS2-CW:HighResAlarmMonitorUsage"] == pytest.approx(month)
    assert more["APS2-Requests-RBP"] == 5
    assert more["APS2-DataProcessing-Bytes"] == pytest.approx(1000 / (1 << 30))
    assert costs.status()["used_without_price"] == []

    ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
    paid = used(costs)["APS2-NatGateway-Hours"]
    costs.meter(began + 3 * HOUR)
    assert used(costs)["APS2-NatGateway-Hours"] == paid


@pytest.mark.cloud
def test_a_database_a_cache_and_a_load_balancer_are_charged_by_the_hour(
    cloud: Cloud, aws: Clients, tmp_path: Path
) -> None:
    cluster, costs = create_cluster(cloud, aws, tmp_path / "apps"), cloud.part(Costs)
    rds, elasticache = aws("rds"), aws("elasticache")
    tags = [{"Key": "Environment", "Value": "staging"}]
    rds.create_db_subnet_group(DBSubnetGroupName="d", DBSubnetGroupDescription="d", SubnetIds=cluster.subnets)
    rds.create_db_instance(
        DBInstanceIdentifier="shop", DBInstanceClass="db.t4g.micro", Engine="postgres", AllocatedStorage=20,
        StorageType="gp3", MasterUsername="keeper", ManageMasterUserPassword=True, DBSubnetGroupName="d", Tags=tags,
        BackupRetentionPeriod=0,
    )  # fmt: skip
    elasticache.create_cache_subnet_group(
        CacheSubnetGroupName="c", CacheSubnetGroupDescription="c", SubnetIds=cluster.subnets
    )
    elasticache.create_replication_group(
        ReplicationGroupId="shop", ReplicationGroupDescription="c", NumCacheClusters=1, Engine="redis",
        CacheNodeType="cache.t4g.micro", CacheSubnetGroupName="c", TransitEncryptionEnabled=True, Tags=tags,
    )  # fmt: skip
    arn = aws("elbv2").create_load_balancer(Name="web", Subnets=cluster.subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    eventually(
        "the database is available",
        lambda: rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "available",
        120,
    )
    eventually(
        "the cache is available",
        lambda: elasticache.describe_replication_groups()["ReplicationGroups"][0]["Status"] == "available",
        120,
    )

    began = cloud.now() + AHEAD
    costs.meter(began)
    before = used(costs)
    costs.meter(began + HOUR)
    more = {name: used(costs)[name][0] - before.get(name, (0.0, 0.0))[0] for name in used(costs)}
    month = sum((end - begin) / HOUR / in_month(hour) for hour, begin, end in hours(began, began + HOUR))
    assert more["APS2-InstanceUsage:db.t4g.micro"] == pytest.approx(1)
    assert more["APS2-RDS:GP3-Storage"] == pytest.approx(20 * month)
    assert more["APS2-NodeUsage:cache.t4g.micro"] == pytest.approx(1)
    assert more["APS2-LoadBalancerUsage"] == pytest.approx(1)
    assert more["APS2-PublicIPv4:InUseAddress"] == pytest.approx(len(cluster.subnets))
    tagged = {line.item.usage_type for line in lines_of(costs) if dict(line.item.tags) == {"Environment": "staging"}}
    assert {"APS2-InstanceUsage:db.t4g.micro", "APS2-NodeUsage:cache.t4g.micro"} <= tagged
    assert costs.status()["used_without_price"] == []

    rds.stop_db_instance(DBInstanceIdentifier="shop")
    eventually(
        "the database is stopped",
        lambda: rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "stopped",
        120,
    )
    aws("elbv2").delete_load_balancer(LoadBalancerArn=arn)
    before = used(costs)
    costs.meter(began + 2 * HOUR)
    after = used(costs)
    for gone in ("APS2-InstanceUsage:db.t4g.micro", "APS2-LoadBalancerUsage"):
        assert after[gone] == before[gone]
    assert after["APS2-RDS:GP3-Storage"][0] > before["APS2-RDS:GP3-Storage"][0]  # a stopped database keeps its disk


def test_capacity_units_follow_the_traffic(cloud: Cloud) -> None:
    end = cloud.now()
    begin, within = end - HOUR, end - HOUR / 2
    assert metering.capacity(cloud, "app/web/1", begin, end) == 0
    metrics, where = cloud.part(Metrics), {"LoadBalancer": "app/web/1"}
    metrics.put("AWS/ApplicationELB", "ProcessedBytes", where, float(5 << 30), at=within)
    assert metering.capacity(cloud, "app/web/1", begin, end) == pytest.approx(5)
    metrics.put("AWS/ApplicationELB", "ActiveConnectionCount", where, 30_000.0, at=within)
    assert metering.capacity(cloud, "app/web/1", begin, end) == pytest.approx(10)


def lines_of(costs: Costs) -> list[Line]:
    """Everything, of all time."""
    return costs.ledger.lines(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def in_month(at: datetime) -> float:
    return (periods.month(at, 1) - periods.month(at)) / HOUR


def test_the_ledger_survives_a_kill(tmp_path: Path) -> None:
    source = (
        "import os, sys\nfrom pathlib import Path\nfrom datetime import datetime, UTC\n"
        "from localcloud.core.billing import Item\nfrom localcloud.services.costs.ledger import Ledger, Line\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "ledger.add([Line(datetime(2026, 3, 1, tzinfo=UTC), Item('S', 'U'), 2.0, 0.5)], {'calls': '7'})\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", source, str(tmp_path / "costs.sqlite")], timeout=60, check=False)
    assert ended.returncode == -9
    ledger = Ledger(tmp_path / "costs.sqlite")
    (line,) = ledger.lines(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert (line.quantity, line.cost, ledger.note("calls")) == (2.0, 0.5, "7")
    ledger.close()


def test_every_price_has_a_source_a_date_and_says_whether_it_was_confirmed() -> None:
    for price in prices.table().values():
        assert price.usd > 0
        assert price.source
        assert date(2020, 1, 1) < price.as_of
    assert 0 < len(prices.unconfirmed()) < len(prices.table())


@pytest.mark.cloud
def test_time_that_the_cloud_was_down_is_free_and_its_history_stays(
    tmp_path: Path, clients_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(component, "EVERY", 3600.0)  # a slow start is no reason to charge before the first look
    with cloud_at(tmp_path / "state") as first:
        clients_of(first)("kms").create_key()
        costs = first.part(Costs)
        costs.meter(first.now() + HOUR)
        spent = used(costs)["ap-southeast-2-KMS-Keys"]
    with cloud_at(tmp_path / "state") as second:
        kept = used(second.part(Costs))["ap-southeast-2-KMS-Keys"]
        assert kept == spent
        second.part(Costs).meter(second.now() + HOUR)
        assert used(second.part(Costs))["ap-southeast-2-KMS-Keys"][0] == pytest.approx(2 * spent[0], rel=0.05)


# -- questions ------------------------------------------------------------------------------------------------------


@pytest.mark.cloud
def test_groups_filters_and_periods(seeded: Any, shared_cloud: Cloud) -> None:
    request = {"TimePeriod": last(10), "Granularity": "DAILY", "Metrics": ["UnblendedCost", "UsageQuantity"]}
    plain = seeded.get_cost_and_usage(**request)
    assert [each["TimePeriod"]["Start"] for each in plain["ResultsByTime"]] == [
        str(today() - timedelta(days=ago)) for ago in range(10, 0, -1)
    ]
    by_type = seeded.get_cost_and_usage(**request, GroupBy=[{"Type": "DIMENSION", "Key": "USAGE_TYPE"}])
    assert by_type["GroupDefinitions"] == [{"Type": "DIMENSION", "Key": "USAGE_TYPE"}]
    for whole, parts in zip(plain["ResultsByTime"], by_type["ResultsByTime"], strict=True):
        assert sum(amounts(parts).values()) == Decimal(whole["Total"]["UnblendedCost"]["Amount"])
    usual, spike = by_type["ResultsByTime"][0], by_type["ResultsByTime"][-3]
    key = ("APS2-NatGateway-Bytes",)
    assert amounts(usual, "UsageQuantity")[key] == pytest.approx(Decimal(100))
    assert amounts(spike, "UsageQuantity")[key] == pytest.approx(Decimal(500))
    assert amounts(usual)[key] == pytest.approx(Decimal("5.9"))
    assert usual["Groups"][0]["Metrics"]["UsageQuantity"]["Unit"] == "hours"

    two = [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "TAG", "Key": "Environment"}]
    grouped = seeded.get_cost_and_usage(**request, GroupBy=two)["ResultsByTime"][0]
    assert set(amounts(grouped)) == {
        ("Amazon Elastic Container Service", "Environment$"),
        ("Amazon Relational Database Service", "Environment$"),
        ("EC2 - Other", "Environment$staging"),
    }

    def cost(expression: dict[str, Any]) -> Decimal:
        answer = seeded.get_cost_and_usage(**request, Filter=expression)
        return Decimal(answer["ResultsByTime"][0]["Total"]["UnblendedCost"]["Amount"])

    nat = {"Dimensions": {"Key": "USAGE_TYPE", "Values": ["APS2-NatGateway-Bytes"], "MatchOptions": ["EQUALS"]}}
    staging = {"Tags": {"Key": "Environment", "Values": ["staging"]}}
    untagged = {"Tags": {"Key": "Environment", "MatchOptions": ["ABSENT"]}}
    everything = Decimal(plain["ResultsByTime"][0]["Total"]["UnblendedCost"]["Amount"])
    assert cost(nat) == amounts(usual)[key]
    assert cost({"Not": nat}) == everything - cost(nat)
    assert cost(staging) + cost(untagged) == everything
    assert cost({"Or": [nat, untagged]}) == cost(nat) + cost(untagged)
    assert cost({"And": [nat, untagged]}) == 0
    for dimension, value in (("REGION", "ap-southeast-2"), ("LINKED_ACCOUNT", shared_cloud.settings.account)):
        assert cost({"Dimensions": {"Key": dimension, "Values": [value]}}) == everything


@pytest.mark.cloud
def test_months_and_hours_add_up_to_the_days(seeded: Any) -> None:
    def whole(granularity: str, period: dict[str, str]) -> Decimal:
        request = {"Granularity": granularity, "Metrics": ["AmortizedCost"]}
        results = seeded.get_cost_and_usage(TimePeriod=period, **request)["ResultsByTime"]
        return sum((Decimal(each["Total"]["AmortizedCost"]["Amount"]) for each in results), Decimal())

    assert whole("MONTHLY", last(40)) == whole("DAILY", last(40))
    by_hour = {name: f"{at}T00:00:00Z" for name, at in last(5).items()}
    assert whole("HOURLY", by_hour) == whole("DAILY", last(5))


@pytest.mark.cloud
def test_figures_of_a_month_are_estimates_until_it_is_over(seeded: Any) -> None:
    period = {"Start": str(periods.month(datetime.now(UTC), -1).date()), "End": str(today() + timedelta(days=1))}
    if today().month != (today() + timedelta(days=1)).month:
        period["End"] = str(today())
    answer = seeded.get_cost_and_usage(TimePeriod=period, Granularity="MONTHLY", Metrics=["BlendedCost"])
    estimated = [each["Estimated"] for each in answer["ResultsByTime"]]
    assert estimated[0] is False
    assert all(estimated[1:])


@pytest.mark.cloud
def test_many_groups_come_in_pages(shared_cloud: Cloud, shared_aws: Clients) -> None:
    usage = [{**NAT, "tags": {"Job": f"job-{number}"}} for number in range(300)]
    post(shared_cloud, {"days": 6, "clear": True, "usage": usage})
    explorer = shared_aws("ce")
    request = {
        "TimePeriod": last(6),
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "TAG", "Key": "Job"}],
    }
    pages = [explorer.get_cost_and_usage(**request)]
    while "NextPageToken" in pages[-1]:
        pages.append(explorer.get_cost_and_usage(**request, NextPageToken=pages[-1]["NextPageToken"]))
    assert len(pages) > 1
    results = [each for page in pages for each in page["ResultsByTime"]]
    assert [each["TimePeriod"]["Start"] for each in results] == [
        str(today() - timedelta(days=ago)) for ago in range(6, 0, -1)
    ]
    assert all(len(each["Groups"]) == 300 for each in results)
    with pytest.raises(ClientError, match="RequestChangedException"):
        explorer.get_cost_and_usage(**{**request, "Granularity": "MONTHLY"}, NextPageToken=pages[0]["NextPageToken"])
    with pytest.raises(ClientError, match="InvalidNextTokenException"):
        explorer.get_cost_and_usage(**request, NextPageToken="mine")
    post(shared_cloud, {"clear": True})


@pytest.mark.cloud
def test_what_aws_refuses_is_refused_in_its_words(seeded: Any) -> None:
    def refused(message: str, **changed: Any) -> None:
        request = {"TimePeriod": last(3), "Granularity": "DAILY", "Metrics": ["UnblendedCost"], **changed}
        with pytest.raises(ClientError) as problem:
            seeded.get_cost_and_usage(**request)
        assert problem.value.response["Error"]["Code"] == "ValidationException"
        assert message in problem.value.response["Error"]["Message"]

    def days(start: int, end: int) -> dict[str, str]:
        return {"Start": str(today() + timedelta(days=start)), "End": str(today() + timedelta(days=end))}

    refused("Start date (and hour) should be before end date (and hour)", TimePeriod=days(0, 0))
    refused("end date past the beginning of next month", TimePeriod=days(-3, 40))
    refused("You haven't enabled historical data beyond 14 months.", TimePeriod=days(-500, 0))
    refused("we support only 14 days of data at hourly granularity", TimePeriod=days(-20, 0), Granularity="HOURLY")
    refused("Dimension RESOURCE_ID is not allowed.", Filter={"Dimensions": {"Key": "RESOURCE_ID", "Values": ["x"]}})
    refused("Metric Happiness is invalid", Metrics=["Happiness"])
    refused("At least one metric", Metrics=[])
    refused("2019-13-01 is invalid", TimePeriod={"Start": "2019-13-01", "End": "2020-01-01"})
    refused("exactly one", Filter={"Not": {"Dimensions": {"Key": "SERVICE", "Values": ["A"]}}, "Tags": {"Key": "x"}})
    starts = {"Dimensions": {"Key": "SERVICE", "Values": ["A"], "MatchOptions": ["STARTS_WITH"]}}
    refused("MatchOption STARTS_WITH is not allowed for Dimensions", Filter=starts)
    refused("at most 2 groups", GroupBy=[{"Type": "TAG", "Key": name} for name in "abc"])


@pytest.mark.cloud
def test_values_and_tags_that_were_used(seeded: Any) -> None:
    found = seeded.get_dimension_values(TimePeriod=last(5), Dimension="SERVICE", SearchString="amazon", MaxResults=1)
    assert found["DimensionValues"][0]["Value"] == "Amazon Elastic Container Service"
    assert (found["ReturnSize"], found["TotalSize"]) == (1, 2)
    token = found["NextPageToken"]
    more = seeded.get_dimension_values(
        TimePeriod=last(5), Dimension="SERVICE", SearchString="amazon", MaxResults=1, NextPageToken=token
    )
    assert more["DimensionValues"][0]["Value"] == "Amazon Relational Database Service"
    assert seeded.get_tags(TimePeriod=last(5))["Tags"] == ["Environment"]
    assert seeded.get_tags(TimePeriod=last(5), TagKey="Environment")["Tags"] == ["", "staging"]
    dearest = [{"Key": "UnblendedCost", "SortOrder": "DESCENDING"}]
    by_cost = seeded.get_dimension_values(TimePeriod=last(5), Dimension="USAGE_TYPE", SortBy=dearest)
    assert by_cost["DimensionValues"][0]["Value"] == "APS2-NatGateway-Bytes"


# -- what is to come, and what stands out --------------------------------------------------------------------------


@pytest.mark.cloud
def test_the_forecast_of_a_flat_history_is_flat(shared_cloud: Cloud, shared_aws: Clients) -> None:
    post(shared_cloud, {"days": 30, "clear": True, "usage": [{**NAT, "quantity": 100}]})
    coming = {"Start": str(today()), "End": str(today() + timedelta(days=7))}
    request = {"Metric": "UNBLENDED_COST", "Granularity": "DAILY"}
    only = {"Tags": {"Key": "Environment", "Values": ["staging"]}}
    answer = shared_aws("ce").get_cost_forecast(TimePeriod=coming, Filter=only, **request)
    assert float(answer["Total"]["Amount"]) == pytest.approx(7 * 5.9)
    assert len(answer["ForecastResultsByTime"]) == 7
    for each in answer["ForecastResultsByTime"]:
        assert float(each["MeanValue"]) == pytest.approx(5.9)
        assert each["PredictionIntervalLowerBound"] == each["MeanValue"] == each["PredictionIntervalUpperBound"]
    with pytest.raises(ClientError, match="must be before requested End"):
        shared_aws("ce").get_cost_forecast(TimePeriod={"Start": coming["End"], "End": coming["Start"]}, **request)
    post(shared_cloud, {"days": 3, "clear": True, "usage": [NAT]})
    with pytest.raises(ClientError, match=r"DataUnavailableException.*Insufficient amount of historical data"):
        shared_aws("ce").get_cost_forecast(TimePeriod=coming, **request)


@given(
    daily=st.lists(st.floats(0, 1e4), min_size=2, max_size=30),
    days=st.floats(0.1, 60),
    levels=st.lists(st.integers(51, 99), min_size=2, max_size=2, unique=True).map(sorted),
)
def test_a_surer_forecast_is_a_wider_one(daily: list[float], days: float, levels: list[int]) -> None:
    narrow, wide = (forecast.forecast(daily, days, level) for level in levels)
    assert 0 <= wide.lower <= narrow.lower
    assert narrow.lower <= narrow.mean * (1 + 1e-9)
    assert narrow.mean <= narrow.upper * (1 + 1e-9)
    assert narrow.upper <= wide.upper


@pytest.mark.cloud
def test_a_spike_is_found_as_an_anomaly_with_its_cause(seeded: Any) -> None:
    (monitor,) = seeded.get_anomaly_monitors()["AnomalyMonitors"]
    assert (monitor["MonitorType"], monitor["MonitorDimension"]) == ("DIMENSIONAL", "SERVICE")
    since = {"StartDate": str(today() - timedelta(days=30))}
    (found,) = seeded.get_anomalies(DateInterval=since)["Anomalies"]
    assert found["DimensionValue"] == "EC2 - Other"
    assert found["MonitorArn"] == monitor["MonitorArn"]
    assert found["AnomalyStartDate"][:10] == str(today() - timedelta(days=3))
    assert found["AnomalyEndDate"][:10] == str(today() - timedelta(days=2))
    assert found["RootCauses"][0]["UsageType"] == "APS2-NatGateway-Bytes"
    assert found["Impact"]["TotalImpact"] == pytest.approx(2 * 400 * 0.059, abs=0.01)
    assert 0 < found["AnomalyScore"]["MaxScore"] < 1
    dear = {"NumericOperator": "GREATER_THAN", "StartValue": 1000.0}
    assert seeded.get_anomalies(DateInterval=since, TotalImpact=dear)["Anomalies"] == []
    before = {"StartDate": str(today() - timedelta(days=30)), "EndDate": str(today() - timedelta(days=5))}
    assert seeded.get_anomalies(DateInterval=before)["Anomalies"] == []
    with pytest.raises(ClientError, match="UnknownMonitorException"):
        seeded.get_anomaly_monitors(MonitorArnList=["arn:aws:ce::1:anomalymonitor/none"])


@given(level=st.floats(0.5, 1e4), noise=st.lists(st.floats(-0.02, 0.02), min_size=30, max_size=60))
def test_ordinary_noise_is_no_anomaly_and_a_doubling_is(level: float, noise: list[float]) -> None:
    first = date(2026, 1, 1)
    daily = {first + timedelta(days=n): level * (1 + share) for n, share in enumerate(noise)}
    assert anomalies.find(daily) == []
    spike = first + timedelta(days=20)
    (found,) = anomalies.find({**daily, spike: 2 * level + 5})
    assert (found.first, found.last) == (spike, spike)


# -- budgets --------------------------------------------------------------------------------------------------------


@pytest.mark.cloud
def test_a_budget_tells_what_was_spent_and_what_will_be(shared_cloud: Cloud, shared_aws: Clients, seeded: Any) -> None:
    account = {"AccountId": shared_cloud.settings.account}
    budgets = shared_aws("budgets", region_name="us-east-1")
    start = periods.month(datetime.now(UTC), -2)
    budget = {
        "BudgetName": "nat",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "200", "Unit": "USD"},
        "CostFilters": {"Service": ["EC2 - Other"], "TagKeyValue": ["user:Environment$staging"]},
        "TimePeriod": {"Start": start, "End": datetime(2087, 6, 15, tzinfo=UTC)},
    }
    budgets.create_budget(Budget=budget, **account)
    only = {"And": [
        {"Dimensions": {"Key": "SERVICE", "Values": ["EC2 - Other"]}},
        {"Tags": {"Key": "Environment", "Values": ["staging"]}},
    ]}  # fmt: skip

    def month(later: int) -> Decimal:
        begin = periods.month(datetime.now(UTC), later)
        period = {"Start": str(begin.date()), "End": str(periods.month(begin, 1).date())}
        answer = seeded.get_cost_and_usage(
            TimePeriod=period, Granularity="MONTHLY", Metrics=["UnblendedCost"], Filter=only
        )
        return Decimal(answer["ResultsByTime"][0]["Total"]["UnblendedCost"]["Amount"])

    (found,) = budgets.describe_budgets(**account)["Budgets"]
    spend = found["CalculatedSpend"]
    assert Decimal(spend["ActualSpend"]["Amount"]) == month(0)
    assert Decimal(spend["ForecastedSpend"]["Amount"]) > Decimal(spend["ActualSpend"]["Amount"])
    assert (
        budgets.describe_budget(BudgetName="nat", **account)["Budget"]["CalculatedSpend"]["ActualSpend"]
        == (spend["ActualSpend"])
    )
    history = budgets.describe_budget_performance_history(BudgetName="nat", **account)["BudgetPerformanceHistory"]
    spent = [Decimal(each["ActualAmount"]["Amount"]) for each in history["BudgetedAndActualAmountsList"]]
    assert spent == [month(-2), month(-1), month(0)]
    assert history["BudgetedAndActualAmountsList"][0]["BudgetedAmount"]["Amount"] == "200"
    with pytest.raises(ClientError, match="DuplicateRecordException"):
        budgets.create_budget(Budget=budget, **account)
    with pytest.raises(ClientError, match="InvalidParameterException"):
        budgets.create_budget(Budget={**budget, "BudgetName": "hours", "BudgetType": "USAGE"}, **account)
    with pytest.raises(ClientError, match="NotFoundException"):
        budgets.describe_budget_performance_history(BudgetName="none", **account)


# -- invented histories, and the clients ---------------------------------------------------------------------------


@pytest.mark.cloud
def test_a_history_posted_again_replaces_itself(shared_cloud: Cloud, seeded: Any) -> None:
    request = {"TimePeriod": last(40), "Granularity": "MONTHLY", "Metrics": ["UnblendedCost"]}
    once = seeded.get_cost_and_usage(**request)["ResultsByTime"]
    record = post(shared_cloud, {**HISTORY, "clear": False})
    assert seeded.get_cost_and_usage(**request)["ResultsByTime"] == once
    assert record["unconfirmed_prices"] > 0


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("history", "message"),
    [
        ([], "JSON object"),
        ({"days": 0}, "days is a number"),
        ({"usage": [{"usage_type": "APS2-Unheard"}]}, "needs a service"),
        ({"usage": [{"usage_type": "APS2-TimedStorage", "service": "S", "quantity": 1}]}, "needs a cost"),
        ({"usage": [{**NAT, "quantity": -1}]}, "isn't negative"),
        ({"usage": [{**NAT, "amount": 1}]}, "there is no amount"),
        ({"usage": [{**NAT, "spike": {"days": 1}}]}, "a spike has"),
    ],
)
def test_a_history_that_makes_no_sense_is_refused(shared_cloud: Cloud, history: Any, message: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as problem:
        post(shared_cloud, history)
    assert problem.value.code == 400
    assert message in problem.value.read().decode()


@pytest.mark.cloud
def test_the_aws_cli_reads_costs(shared_cloud: Cloud, seeded: Any, tmp_path: Path) -> None:
    identity = shared_cloud.part(Identity)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": shared_cloud.settings.endpoint,
        "AWS_ACCESS_KEY_ID": identity.access_key_id,
        "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        "AWS_DEFAULT_REGION": "ap-southeast-2",
    }
    period = ",".join(f"{name}={at}" for name, at in last(2).items())
    requested = ["--granularity", "DAILY", "--metrics", "UnblendedCost", "--group-by", "Type=DIMENSION,Key=SERVICE"]
    command = [sys.executable, "-m", "awscli", "ce", "get-cost-and-usage", "--time-period", period, *requested]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    results = json.loads(ended.stdout)["ResultsByTime"]
    assert ("EC2 - Other",) in amounts(results[0])


# -- invariants -----------------------------------------------------------------------------------------------------

ITEMS = st.builds(
    Item,
    st.sampled_from(["EC2 - Other", "Amazon ElastiCache", "Unknown"]),
    st.sampled_from(["APS2-NatGateway-Hours", "APS2-NatGateway-Bytes", "APS2-NodeUsage:cache.t4g.micro"]),
    st.sampled_from(["", "NatGateway"]),
    st.sampled_from([(), (("Environment", "staging"),), (("Environment", ""), ("Job", "x"))]),
)
LINES = st.lists(
    st.builds(Line, st.just(datetime(2026, 3, 1, tzinfo=UTC)), ITEMS, st.floats(0, 1e6), st.floats(0, 1e6)), max_size=30
)
GROUPS = st.lists(
    st.one_of(
        st.builds(expressions.Grouping, st.just(False), st.sampled_from(expressions.GROUPED)),
        st.builds(expressions.Grouping, st.just(True), st.sampled_from(["Environment", "Job", "None"])),
    ),
    min_size=1,
    max_size=2,
)


@given(lines=LINES, groups=GROUPS)
def test_groups_add_up_to_the_total(lines: list[Line], groups: list[expressions.Grouping]) -> None:
    total, parts = Sum(), dict[tuple[str, ...], Sum]()
    for line in lines:
        total.add(line)
        parts.setdefault(tuple(group.of(line.item, PLACE) for group in groups), Sum()).add(line)
    for metric in ("UnblendedCost", "UsageQuantity"):
        shown = [Decimal(part.shown([metric])[metric]["Amount"]) for part in parts.values()]
        assert sum(shown, Decimal()) == Decimal(total.shown([metric])[metric]["Amount"])


LEAVES = st.one_of(
    st.sampled_from(["EC2 - Other", "Unknown"]).map(lambda v: {"Dimensions": {"Key": "SERVICE", "Values": [v]}}),
    st.sampled_from(["", "staging"]).map(lambda v: {"Tags": {"Key": "Environment", "Values": [v]}}),
    st.just({"Tags": {"Key": "Job", "MatchOptions": ["ABSENT"]}}),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: {"Not": one}),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: {"And": each}),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: {"Or": each}),
    ),
    max_leaves=8,
)


@given(item=ITEMS, one=EXPRESSIONS, other=EXPRESSIONS)
def test_filters_are_logic(item: Item, one: dict[str, Any], other: dict[str, Any]) -> None:
    def passes(expression: dict[str, Any]) -> bool:
        return expressions.wanted(expression, PLACE)(item)

    assert passes({"Not": one}) is not passes(one)
    assert passes({"And": [one, other]}) is (passes(one) and passes(other))
    assert passes({"Not": {"Or": [one, other]}}) is passes({"And": [{"Not": one}, {"Not": other}]})


@given(st.integers(-(10**18), 10**18))
def test_amounts_are_written_exactly(scaled: int) -> None:
    assert Decimal(decimal(scaled)) * 10**10 == scaled


@given(lines=LINES)
def test_the_ledger_keeps_every_cent(lines: list[Line]) -> None:
    ledger = Ledger(Path(":memory:"))
    ledger.add(lines)
    kept = ledger.lines(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    ledger.close()
    assert sum(line.cost for line in kept) == pytest.approx(sum(line.cost for line in lines))
    assert len({line.item for line in kept}) == len(kept)
