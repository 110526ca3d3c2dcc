"""What a plan costs: each size in the table's words, and whatever the table doesn't cover said to be not known."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

import pytest

from omc.facts.terraform_json import changes
from omc.logs.costs import cost_of
from omc.procedures.prices import Cost, CostEstimator, NotKnownError, monthly, price_in, sentences, table
from omc.review.costs import money

HERE = "ap-southeast-2"
HOURS = 730
TASK = {"cpu": "1024", "memory": "2048"}
X86, ARM = 0.04856 + 2 * 0.00532, 0.03885 + 2 * 0.00426
DATABASE = {
    "engine": "postgres",
    "instance_class": "db.t4g.micro",
    "storage_type": "gp3",
    "allocated_storage": 20,
    "multi_az": False,
}
DATABASE_COSTS = HOURS * 0.025 + 20 * 0.138
ALB = {"load_balancer_type": "application", "internal": False, "subnets": ["a", "b", "c"]}
CACHE = {"node_type": "cache.t4g.micro", "engine": "redis"}
ALARM = {"period": 60, "metric_name": "x"}
NINE = {"num_node_groups": 3, "replicas_per_node_group": 2}
WINDOWS = {"operating_system_family": "WINDOWS_SERVER_2022_CORE"}
BOTS = {"managed_rule_group_statement": [{"name": "AWSManagedRulesBotControlRuleSet"}]}
SEARCH = {"metric_query": [{"expression": 'SELECT AVG(x) FROM "y"'}]}


def cost(
    kind: str, after: Any, before: Any = None, *, unknown: Any = None, region: str = HERE, service: Any = None
) -> Cost:
    actions = ["create"] if before is None else ["delete"] if after is None else ["update"]
    change = {"actions": actions, "before": before, "after": after, "after_unknown": unknown or {}}
    listed = changes([{"address": f"m.{kind}.this", "mode": "managed", "type": kind, "change": change}])
    return monthly(listed, {"m.aws_ecs_service.this": {"desired_count": 2, **(service or {})}}, region)


def query(period: int) -> dict[str, Any]:
    return {"metric": [{"period": period}], "expression": ""}


@pytest.mark.parametrize(
    ("kind", "values", "usd"),
    [
        ("aws_ecs_task_definition", TASK, 2 * HOURS * X86),
        ("aws_ecs_task_definition", TASK | {"runtime_platform": [{"cpu_architecture": "X86_64"}]}, 2 * HOURS * X86),
        ("aws_ecs_task_definition", TASK | {"runtime_platform": [{"cpu_architecture": "ARM64"}]}, 2 * HOURS * ARM),
        ("aws_ecs_task_definition", TASK | {"ephemeral_storage": [{"size_in_gib": 21}]}, 2 * HOURS * (X86 + 0.000133)),
        ("aws_ecs_task_definition", TASK | {"ephemeral_storage": [{"size_in_gib": 20}]}, 2 * HOURS * X86),
        ("aws_db_instance", DATABASE, DATABASE_COSTS),
        ("aws_db_instance", DATABASE | {"multi_az": True}, 2 * DATABASE_COSTS),
        ("aws_db_instance", DATABASE | {"iops": 3000, "storage_throughput": 125}, DATABASE_COSTS),
        ("aws_db_instance", DATABASE | {"replicate_source_db": "other"}, DATABASE_COSTS),
        ("aws_db_instance", DATABASE | {"allocated_storage": 400, "iops": 12000}, HOURS * 0.025 + 400 * 0.138),
        ("aws_elasticache_replication_group", CACHE | {"num_cache_clusters": 2}, 2 * HOURS * 0.024),
        ("aws_elasticache_replication_group", CACHE | NINE, 9 * HOURS * 0.024),
        ("aws_lb", ALB, HOURS * (0.0252 + 3 * 0.005)),
        ("aws_lb", ALB | {"subnets": [], "subnet_mapping": [{}, {}]}, HOURS * (0.0252 + 2 * 0.005)),
        ("aws_lb", ALB | {"internal": True}, HOURS * 0.0252),
        ("aws_lb", ALB | {"ip_address_type": "dualstack-without-public-ipv4"}, HOURS * 0.0252),
        ("aws_nat_gateway", {"connectivity_type": "public"}, HOURS * 0.059),
        ("aws_eip", {"domain": "vpc"}, HOURS * 0.005),
        ("aws_vpc_endpoint", {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]}, 2 * HOURS * 0.013),
        ("aws_vpc_endpoint", {"vpc_endpoint_type": "Gateway"}, 0),
        ("aws_cloudwatch_metric_alarm", ALARM, 0.1),
        ("aws_cloudwatch_metric_alarm", ALARM | {"period": 10}, 0.3),
        ("aws_cloudwatch_metric_alarm", {"metric_query": [query(60), query(60), {"expression": "a/b"}]}, 0.2),
        ("aws_cloudwatch_metric_alarm", {"metric_query": [query(300)], "threshold_metric_id": "band"}, 0.3),
        ("aws_cloudwatch_composite_alarm", {}, 0.5),
        ("aws_wafv2_web_acl", {"rule": [{"statement": []}, {"statement": []}]}, 7.0),
    ],
)  # fmt: skip
def test_what_the_table_covers_is_in_the_figure(kind: str, values: Any, usd: float) -> None:
    found = cost(kind, values or {"x": 1})
    assert found.unknown == ()
    assert found.usd == pytest.approx(usd, abs=0.01)


@pytest.mark.parametrize(
    ("kind", "values", "unknown", "why"),
    [
        ("aws_ecs_task_definition", TASK | {"runtime_platform": [WINDOWS]}, {}, "Linux"),
        ("aws_ecs_task_definition", TASK | {"runtime_platform": [{"cpu_architecture": "RISCV"}]}, {}, "processor"),
        ("aws_ecs_task_definition", {"memory": "2048"}, {"cpu": True}, "cpu turns out in the apply"),
        ("aws_ecs_task_definition", TASK, {"runtime_platform": True}, "runtime_platform turns out"),
        ("aws_db_instance", DATABASE | {"engine": "mysql"}, {}, "mysql"),
        ("aws_db_instance", DATABASE | {"iops": 6000}, {}, "iops beyond the 3000"),
        ("aws_db_instance", DATABASE | {"storage_throughput": 500}, {}, "storage_throughput beyond the 125"),
        ("aws_db_instance", DATABASE | {"storage_type": "io2"}, {}, ""),
        ("aws_db_instance", DATABASE | {"instance_class": "db.r6g.large"}, {}, ""),
        ("aws_db_instance", DATABASE, {"allocated_storage": True}, "allocated_storage turns out"),
        ("aws_db_instance", DATABASE | {"dedicated_log_volume": True}, {}, "volume for its log"),
        ("aws_rds_cluster", {"engine": "postgres", "allocated_storage": 100}, {}, ""),
        ("aws_elasticache_replication_group", CACHE, {"num_cache_clusters": True}, "how many nodes"),
        ("aws_elasticache_replication_group", CACHE | {"engine": "valkey", "num_cache_clusters": 1}, {}, "valkey"),
        ("aws_elasticache_serverless_cache", {"engine": "redis"}, {}, ""),
        ("aws_lb", ALB | {"load_balancer_type": "network"}, {}, "network"),
        ("aws_lb", ALB | {"minimum_load_balancer_capacity": [{"capacity_units": 100}]}, {}, "reserves capacity"),
        ("aws_eip", {"public_ipv4_pool": "ipv4pool-ec2-1"}, {}, "pool"),
        ("aws_vpc_endpoint", {"vpc_endpoint_type": "GatewayLoadBalancer"}, {}, "GatewayLoadBalancer"),
        ("aws_vpc_endpoint", {"vpc_endpoint_type": "Interface"}, {"subnet_ids": True}, "subnet_ids turns out"),
        ("aws_cloudwatch_metric_alarm", SEARCH, {}, "its query finds"),
        ("aws_cloudwatch_metric_alarm", {}, {"metric_query": True}, "metric_query turns out"),
        ("aws_wafv2_web_acl", {"rule": [{"statement": [BOTS]}]}, {}, "price of their own"),
        ("aws_dynamodb_table", {"name": "x"}, {}, ""),
    ],
)  # fmt: skip
def test_what_it_does_not_cover_is_not_known_and_never_no_change(
    kind: str, values: Any, unknown: Any, why: str
) -> None:
    found = cost(kind, values, unknown=unknown)
    assert found.unknown == (f"m.{kind}.this",)
    assert found.figures == 0
    [message] = sentences(found)
    assert message.startswith("Cost not known of:")
    assert why in message


@pytest.mark.parametrize(
    ("service", "why"),
    [
        ({"capacity_provider_strategy": [{"capacity_provider": "FARGATE_SPOT", "weight": 1}]}, "FARGATE_SPOT"),
        ({"capacity_provider_strategy": [{"capacity_provider": one} for one in ("FARGATE", "FARGATE_SPOT")]}, "SPOT"),
        ({"launch_type": "EC2"}, "run on EC2"),
        ({"launch_type": "EXTERNAL"}, "run on EXTERNAL"),
        ({"desired_count": None}, ""),
    ],
)
def test_a_task_costs_what_its_service_makes_of_it(service: Any, why: str) -> None:
    found = cost("aws_ecs_task_definition", TASK, service=service)
    assert found.unknown
    assert why in " ".join(sentences(found))


def test_more_tasks_of_the_same_size_cost_more() -> None:
    current = {"m.aws_ecs_task_definition.this": TASK}
    change = {"actions": ["update"], "before": {"desired_count": 2}, "after": {"desired_count": 5}}
    record = {"address": "m.aws_ecs_service.this", "mode": "managed", "type": "aws_ecs_service", "change": change}
    assert monthly(changes([record]), current, HERE).usd == pytest.approx(3 * HOURS * X86)
    assert monthly(changes([record]), {}, HERE).unknown == ("m.aws_ecs_service.this",)


@pytest.mark.parametrize(
    ("region", "values", "place"),
    [
        ("us-east-1", {}, "us-east-1: rds.gp3"),
        (HERE, {"region": "eu-west-1"}, "eu-west-1: omc has prices of ap-southeast-2, us-east-1"),
        ("eu-west-1", {"arn": "arn:aws:rds:us-east-1:1:db:x"}, "us-east-1: rds.gp3"),
        (HERE, {"availability_zone": "us-west-2a"}, "us-west-2"),
        ("us-gov-west-1", {}, "us-gov-west-1"),
        ("eu-central-1", {}, "eu-central-1"),
    ],
)
def test_a_size_without_a_price_in_its_own_region_is_not_priced_by_another_ones(
    region: str, values: Any, place: str
) -> None:
    found = cost("aws_db_instance", DATABASE | values, region=region)
    assert found.unknown == ("m.aws_db_instance.this",)
    assert f"not known for {place}" in " ".join(sentences(found))


def test_what_is_somewhere_unknown_has_no_price() -> None:
    assert "its region is not known" in " ".join(sentences(cost("aws_db_instance", DATABASE, region="")))


@pytest.mark.parametrize("region", ["ap-southeast-2", "us-east-1", "eu-central-1", "us-gov-west-1", "mars-north-1", ""])
@pytest.mark.parametrize(
    "key", sorted({*(key for where in ("ap-southeast-2", "us-east-1") for key in table(where)), "no.such"})
)
def test_no_price_is_ever_another_regions(region: str, key: str) -> None:
    """Over all that has a price anywhere: the table, a plan, the review and the log's question say the same."""
    rows = tomllib.loads((files("omc.procedures") / "prices.toml").read_text())["price"]
    own = [row for row in rows if row["key"] == key and row["region"] in (region, "*")]
    assert len(own) <= 1
    found = price_in(region, key)
    if own:
        assert found == pytest.approx(own[0]["usd"] * (HOURS if own[0]["unit"] == "hour" else 1))
        assert money.monthly(region, (key, 2.0)) == pytest.approx(2 * (found or 0))
        assert region in money.source(region, key)
        assert "isn't known" not in cost_of(10**12, region, key)
    else:
        assert found is None
        assert money.monthly(region, (key, 2.0)) is None
        assert money.in_words(None, region) == f"an amount that isn't known for {region}"
        assert "not known" in money.source(region, key)
        assert cost_of(10**12, region, key) == f"an amount that isn't known for {region}"
        with pytest.raises(NotKnownError, match="not known"):
            CostEstimator(region).of(key)


def test_a_plan_over_two_regions_names_both() -> None:
    records = [
        {
            "address": f"m.aws_nat_gateway.{region}",
            "mode": "managed",
            "type": "aws_nat_gateway",
            "change": {"actions": ["create"], "before": None, "after": {"region": region}},
        }
        for region in ("us-east-1", HERE)
    ]
    found = monthly(changes(records), {}, HERE)
    assert found.usd == pytest.approx(HOURS * (0.045 + 0.059))
    assert "list prices of ap-southeast-2 and us-east-1" in next(iter(sentences(found)))


def test_parts_of_it_that_have_no_price_are_reported_beside_the_figure() -> None:
    grows = {"max_allocated_storage": 100, "performance_insights_enabled": True}
    grows |= {"performance_insights_retention_period": 731}
    messages = list(sentences(cost("aws_db_instance", DATABASE | grows)))
    assert "as far as it is known" in messages[0]
    assert "grows by itself up to 100 GiB" in messages[1]
    assert "Performance Insights beyond 7 days" in messages[1]
    later = list(sentences(cost("aws_lb", {"load_balancer_type": "application"}, unknown={"subnets": True})))
    assert "public IPv4 addresses, one a subnet, of 3.65 USD each" in later[1]


def test_only_by_use_is_no_sentence_of_no_change() -> None:
    assert list(sentences(cost("aws_flow_log", {"x": 1}))) == [
        "Cost: no change but by use.",
        "Paid by use, not in the figure: aws_flow_log.",
    ]


def test_what_is_replaced_and_left_there_is_paid_twice() -> None:
    change = {"actions": ["create", "forget"], "before": DATABASE, "after": DATABASE}
    record = {"address": "m.aws_db_instance.this", "mode": "managed", "type": "aws_db_instance", "change": change}
    assert monthly(changes([record]), {}, HERE).usd == pytest.approx(DATABASE_COSTS)
