"""What the costs' readers make of AWS's answers, written down in the shapes of botocore's models."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from omc.errors import AwsRefused, BadAnswer, Unknown
from omc.facts.costs.addresses import read_public_addresses
from omc.facts.costs.budget import Budget, read_budgets
from omc.facts.costs.leftovers import KeptSecret, Snapshot, read_leftovers
from omc.facts.costs.log_volume import GroupVolume, read_log_volumes
from omc.facts.costs.nat import Peer, read_nat_traffic
from omc.facts.costs.requests import read_request_weeks
from omc.facts.costs.spending import MAX_PAGES, SWITCH_ON, read_spending
from omc.facts.costs.support import read_engine_support
from omc.facts.costs.tasks import read_tasks_used
from omc.facts.definitions import Definition, Definitions
from omc.facts.load_balancers import LoadBalancer, LoadBalancers
from omc.facts.pending import Pending
from omc.facts.services import EcsService, Services
from support.cost_facts import ENVIRONMENT, NOW, SCOPE, in_region
from support.fake_gateway import FakeGateway

ACCOUNT = "123456789012"
OURS = replace(ENVIRONMENT, account=ACCOUNT)
DENIED = AwsRefused("ce GetCostForecast was refused: DataUnavailableException.", "DataUnavailableException")


def day(start: str, *groups: tuple[str, str, str, str]) -> dict[str, Any]:
    return {
        "TimePeriod": {"Start": start, "End": start},
        "Groups": [
            {
                "Keys": [service, usage],
                "Metrics": {
                    "UnblendedCost": {"Amount": usd, "Unit": "USD"},
                    "UsageQuantity": {"Amount": quantity, "Unit": "Hrs"},
                },
            }
            for service, usage, usd, quantity in groups
        ],
    }


def test_spending_is_one_question_over_whole_days_and_its_pages_are_counted() -> None:
    pages = [
        {"ResultsByTime": [day("2026-11-27", ("ECS", "vCPU", "1.25", "24"))], "NextPageToken": "more"},
        {"ResultsByTime": [day("2026-11-28", ("ECS", "vCPU", "2.5", "48"), ("EC2", "NAT", "0.5", "1"))]},
    ]
    aws = FakeGateway({("ce", "get_cost_and_usage"): pages}, OURS)
    spending = read_spending(aws, OURS, SCOPE)
    first, second = aws.calls("get_cost_and_usage")
    assert first["TimePeriod"] == {"Start": "2026-10-18", "End": "2026-11-29"}
    assert second == {**first, "NextPageToken": "more"}
    assert (spending.requests, spending.days[0], spending.days[-1]) == (2, date(2026, 10, 18), date(2026, 11, 28))
    assert {one.usage_type: (one.usd[-2:], one.quantity[-1]) for one in spending.series} == {
        "vCPU": ((1.25, 2.5), 48.0),
        "NAT": ((0.0, 0.5), 1.0),
    }
    assert {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [ACCOUNT]}} in first["Filter"]["And"]


def test_an_environment_that_shares_its_account_is_told_apart_by_its_tag() -> None:
    tagged = in_region("ap-southeast-2", tag="Environment")
    aws = FakeGateway({("ce", "get_cost_and_usage"): {"ResultsByTime": []}}, tagged)
    assert "tagged Environment=production" in read_spending(aws, tagged, SCOPE).scope
    [asked] = aws.calls("get_cost_and_usage")
    assert {"Tags": {"Key": "Environment", "Values": ["production"]}} in asked["Filter"]["And"]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (DENIED, Unknown, SWITCH_ON),
        (AwsRefused("User not enabled for cost explorer access: not enabled.", "X"), Unknown, SWITCH_ON),
        ({"ResultsByTime": [], "NextPageToken": "for ever"}, BadAnswer, f"more than {MAX_PAGES} pages"),
    ],
)
def test_an_account_without_cost_explorer_says_what_to_do(answer: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words.split(".")[0]):
        read_spending(FakeGateway({("ce", "get_cost_and_usage"): answer}, OURS), OURS, SCOPE)


def test_a_budget_of_omc_toml_asks_for_one_forecast_and_one_of_aws_for_none() -> None:
    own = replace(OURS, monthly_budget_usd=900.0)
    aws = FakeGateway({("ce", "get_cost_forecast"): {"Total": {"Amount": "31.5", "Unit": "USD"}}}, own)
    found = read_budgets(aws, own, SCOPE)
    assert (found.budgets, found.requests) == ((Budget("omc.toml", 900.0, forecast_usd=31.5),), 1)
    [asked] = aws.calls("get_cost_forecast")
    assert asked["TimePeriod"] == {"Start": "2026-11-30", "End": "2026-12-01"}
    assert (
        read_budgets(FakeGateway({("ce", "get_cost_forecast"): DENIED}, own), own, SCOPE).budgets[0].forecast_usd
        is None
    )
    limit = {"BudgetLimit": {"Amount": "700", "Unit": "USD"}, "BudgetType": "COST"}
    spend = {"CalculatedSpend": {"ActualSpend": {"Amount": "12.5", "Unit": "USD"}}}
    listed = [
        {"BudgetName": "all", "TimeUnit": "MONTHLY", **limit, **spend},
        {"BudgetName": "year", "TimeUnit": "ANNUALLY", **limit},
        {"BudgetName": "part", "TimeUnit": "MONTHLY", **limit, "CostFilters": {"Service": ["X"]}},
    ]
    aws = FakeGateway({("budgets", "describe_budgets"): {"Budgets": listed}}, OURS)
    found = read_budgets(aws, OURS, SCOPE)
    assert (found.budgets, found.requests) == (
        (Budget("all", 700.0, 12.5), Budget("part", 700.0, is_narrower=True)),
        0,
    )


def metric(values: dict[str, list[tuple[datetime, float]]]) -> Any:
    """CloudWatch's answer for whichever ids are asked for, by their beginning."""

    def answer(params: Any) -> dict[str, Any]:
        results = []
        for query in params["MetricDataQueries"]:
            name = f"{query['MetricStat']['Metric']['MetricName']} {query['MetricStat']['Stat']}"
            points = [one for one in values.get(name, []) if params["StartTime"] <= one[0] < params["EndTime"]]
            results.append(
                {"Id": query["Id"], "Timestamps": [at for at, _ in points], "Values": [v for _, v in points]}
            )
        return {"MetricDataResults": results}

    return answer


def test_tasks_are_counted_by_their_samples_and_only_on_fargate() -> None:
    at = NOW.replace(minute=0) - timedelta(hours=1)
    values = {
        "CPUUtilization SampleCount": [(at, 150.0)],
        "CPUUtilization Average": [(at, 20.0)],
        "CPUUtilization Maximum": [(at, 55.0)],
        "MemoryUtilization Maximum": [(at, 60.0)],
    }
    body = {"cpu": "512", "memory": "1024", "containerDefinitions": [{"name": "a", "stopTimeout": 60}, {"name": "b"}]}
    definition = Definition("f:1", "arn", "ACTIVE", {**body, "runtimePlatform": {"cpuArchitecture": "ARM64"}})
    one = EcsService("backend", "ACTIVE", 2, 2, 0, "f:1", (), ())
    spot = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}, {"capacityProvider": "FARGATE"}]}
    services = [one, replace(one, name="spot", launch=spot), replace(one, name="ec2", launch={"launchType": "EC2"})]
    definitions = Definitions({each.name: definition for each in services}, {})
    aws = FakeGateway({("cloudwatch", "get_metric_data"): metric(values)}, OURS)
    used = read_tasks_used(aws, OURS, Services(tuple(services)), definitions, SCOPE).services
    assert [(each.service, each.on_spot, each.architecture, each.stop_timeout) for each in used] == [
        ("backend", False, "ARM64", 60),
        ("spot", True, "ARM64", 60),
    ]
    [hour] = used[0].hours
    assert (hour.at, hour.tasks, hour.cpu, hour.cpu_most, hour.memory_most) == (at, 2.5, 20.0, 55.0, 60.0)


def test_requests_and_log_bytes_are_split_into_both_weeks() -> None:
    midnight = NOW.replace(hour=0)
    points = [(midnight - timedelta(days=number), 10.0 if number <= 7 else 4.0) for number in range(1, 16)]
    names = {"RequestCount Sum": points, "IncomingBytes Sum": points[:14]}
    listed = [
        {"logGroupName": f"/ecs/{OURS.prefix}/backend", "retentionInDays": 30, "storedBytes": 99},
        {"logGroupName": "/aws/lambda/other"},
    ]
    answers = {
        ("cloudwatch", "get_metric_data"): metric(names),
        ("logs", "describe_log_groups"): {"logGroups": listed},
    }
    aws = FakeGateway(answers, OURS)
    balancers = LoadBalancers((LoadBalancer("lb", "app/lb/1", "", "active", ""),))
    weeks = read_request_weeks(aws, balancers, SCOPE)
    assert (weeks.now, weeks.before) == (6 * 10.0 + 4.0, 7 * 4.0)
    assert weeks.rise == pytest.approx(64 / 28 - 1)
    assert read_log_volumes(aws, OURS, SCOPE).groups == (
        GroupVolume(f"/ecs/{OURS.prefix}/backend", 30, 99.0, 70.0, 28.0),
    )


GATEWAY = {
    "NatGatewayId": "nat-1",
    "VpcId": "vpc-1",
    "SubnetId": "subnet-1",
    "Tags": [{"Key": "Name", "Value": f"{OURS.prefix}-a"}],
    "NatGatewayAddresses": [{"NetworkInterfaceId": "eni-1", "PrivateIp": "10.0.0.220"}],
}
FLOW = {"ResourceId": "vpc-1", "LogGroupName": "/vpc/flow", "LogDestinationType": "cloud-watch-logs"}


def nat_answers(flows: list[dict[str, str]]) -> dict[tuple[str, str], Any]:
    row = [{"field": "srcAddr", "value": "10.0.0.220"}, {"field": "dstAddr", "value": "3.5.165.7"}]
    return {
        ("ec2", "describe_nat_gateways"): {"NatGateways": [GATEWAY, {**GATEWAY, "Tags": []}]},
        ("ec2", "describe_vpc_endpoints"): {"VpcEndpoints": [{"ServiceName": f"com.amazonaws.{OURS.region}.ecr.dkr"}]},
        ("ec2", "describe_flow_logs"): {"FlowLogs": flows},
        ("ec2", "describe_prefix_lists"): {
            "PrefixLists": [{"PrefixListName": f"com.amazonaws.{OURS.region}.s3", "Cidrs": ["3.5.164.0/22"]}]
        },
        ("logs", "start_query"): {"queryId": "q"},
        ("logs", "get_query_results"): {
            "status": "Complete",
            "results": [[*row, {"field": "bytes", "value": "1500"}]],
        },
    }


def test_nat_traffic_is_asked_of_the_gateways_own_interfaces() -> None:
    aws = FakeGateway(nat_answers([FLOW]), OURS)
    traffic = read_nat_traffic(aws, OURS, SCOPE)
    assert (traffic.gateways, traffic.zones, traffic.endpoints) == (("nat-1",), 1, ("ecr.dkr",))
    assert traffic.peers == (Peer("3.5.165.7", 1500.0, "s3"),)
    [asked] = aws.calls("start_query")
    assert '(interfaceId = "eni-1") and (srcAddr = "10.0.0.220" or dstAddr = "10.0.0.220")' in asked["queryString"]


@pytest.mark.parametrize("flows", [[], [{**FLOW, "ResourceId": "vpc-2"}], [{**FLOW, "LogDestinationType": "s3"}]])
def test_without_a_flow_log_of_the_vpc_nothing_is_known_of_destinations(flows: list[dict[str, str]]) -> None:
    assert read_nat_traffic(FakeGateway(nat_answers(flows), OURS), OURS, SCOPE).peers is None


def test_addresses_are_named_by_what_holds_them() -> None:
    def interface(address: str, kind: str, description: str) -> dict[str, Any]:
        held = [{"Association": {"PublicIp": address}}]
        return {"PrivateIpAddresses": held, "InterfaceType": kind, "Description": description}

    interfaces = [
        interface("13.1.1.1", "interface", "ELB app/ohmycoins-production/1"),
        interface("13.1.1.2", "nat_gateway", "Interface for NAT Gateway nat-1"),
        interface("13.1.1.3", "interface", "arn:aws:ecs:ap-southeast-2:1:attachment/2"),
        interface("13.1.1.4", "interface", "RDSNetworkInterface"),
    ]
    elastic = [
        {"PublicIp": "13.1.1.2", "AllocationId": "eipalloc-2", "AssociationId": "a"},
        {"PublicIp": "13.1.1.9", "AllocationId": "eipalloc-9", "Tags": [{"Key": "Name", "Value": "old"}]},
    ]
    answers = {
        ("ec2", "describe_addresses"): {"Addresses": elastic},
        ("ec2", "describe_network_interfaces"): {"NetworkInterfaces": interfaces},
    }
    found = read_public_addresses(FakeGateway(answers, OURS)).addresses
    assert [one.used_by for one in found] == ["load balancer", "NAT gateway", "task", "database", ""]
    assert (found[-1].allocation, found[-1].name, found[1].allocation) == ("eipalloc-9", "old", "eipalloc-2")


def test_support_s_dates_are_rds_s_own_and_of_the_cache_the_table_s() -> None:
    ends = [
        {
            "LifecycleSupportName": f"open-source-rds-{name}-support",
            "LifecycleSupportEndDate": datetime(year, 2, 28, tzinfo=UTC),
        }
        for name, year in (("standard", 2026), ("extended", 2029))
    ]
    answers = {
        ("rds", "describe_db_major_engine_versions"): {"DBMajorEngineVersions": [{"SupportedEngineLifecycles": ends}]},
        ("elasticache", "describe_cache_clusters"): {
            "CacheClusters": [{"Engine": "redis", "EngineVersion": "6.2.6", "CacheNodeType": "cache.t4g.small"}]
        },
    }
    database = {"Engine": "postgres", "EngineVersion": "13.22", "DBInstanceIdentifier": "db", "DBInstanceClass": "c"}
    pending = Pending((), (), {**database, "MultiAZ": True}, {"MemberClusters": ["r-001", "r-002"]})
    rds, cache = read_engine_support(FakeGateway(answers, OURS), OURS, pending).stores
    assert (rds.standard_until, rds.extended_until, rds.nodes) == (date(2026, 2, 28), date(2029, 2, 28), 2)
    assert (cache.standard_until, cache.version, cache.nodes) == (date(2027, 1, 31), "6.2.6", 2)
    assert read_engine_support(FakeGateway({}, OURS), OURS, Pending(())).stores == ()


def test_what_is_left_over_is_the_environment_s_and_not_what_runs() -> None:
    made = NOW - timedelta(days=100)
    image = f"{ACCOUNT}.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/backend@sha256:aa"
    running = Definition("f:1", "arn", "ACTIVE", {"containerDefinitions": [{"name": "a", "image": image}]})
    snapshot = {"DBSnapshotIdentifier": "s", "SnapshotCreateTime": made, "AllocatedStorage": 20}
    nodes = [{"CacheSize": "512 MB", "SnapshotCreateTime": made}]
    size = {"imageSizeInBytes": 1000, "imagePushedAt": made}
    answers = {
        ("rds", "describe_db_snapshots"): {
            "DBSnapshots": [{**snapshot, "DBInstanceIdentifier": name} for name in (OURS.database, "other")]
        },
        ("elasticache", "describe_snapshots"): {
            "Snapshots": [{"SnapshotName": "c", "ReplicationGroupId": OURS.cache, "NodeSnapshots": nodes}]
        },
        ("ec2", "describe_snapshots"): {"Snapshots": []},
        ("ec2", "describe_volumes"): {"Volumes": [{"VolumeId": "v", "Size": 8, "CreateTime": made}]},
        ("secretsmanager", "list_secrets"): {
            "SecretList": [
                {"Name": "a", "CreatedDate": made, "LastAccessedDate": NOW},
                {"Name": "gone", "DeletedDate": NOW},
                {"Name": "rds!db", "OwningService": "rds"},
            ]
        },
        ("ecr", "describe_images"): {
            "imageDetails": [
                {"imageDigest": "sha256:aa", **size},
                {"imageDigest": "sha256:bb", **size, "lastRecordedPullTime": NOW},
                {"imageDigest": "sha256:cc", "imageTags": ["v1"], **size},
            ]
        },
    }
    left = read_leftovers(FakeGateway(answers, OURS), OURS, Definitions({"backend": running}, {}))
    assert left.snapshots == (Snapshot("database", "s", made, 20.0), Snapshot("cache", "c", made, 0.5))
    assert left.secrets == (KeptSecret("a", made, NOW),)
    [repository] = left.repositories
    assert (repository.name, repository.images, repository.old, repository.old_bytes) == (
        *("ohmycoins/backend", 3, (NOW,)),
        1000.0,
    )
    assert [one.id for one in left.volumes] == ["v"]
