"""The alarms that Terraform makes: compared row by row with the table that was settled, each followed to its end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract.terraform_support import Applied

pytestmark = pytest.mark.terraform

RUNBOOK = Path(__file__).resolve().parents[2] / "docs/runbook"
LB = "LoadBalancer"
TARGET = "LoadBalancer TargetGroup"
SERVICE = "ClusterName ServiceName"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. ``metrics`` are name and statistic; ``counts`` datapoints to alarm of evaluation periods."""

    namespaces: str
    dimensions: str
    metrics: str
    comparison: str
    threshold: float
    period: int
    counts: str
    missing: str
    severity: str
    service: str


def per_service(service: str) -> dict[str, Row]:
    alb, insights = "AWS/ApplicationELB", "ECS/ContainerInsights"
    return {
        f"{service}-unhealthy": Row(
            alb, TARGET, "UnHealthyHostCount Maximum", ">", 0, 60, "3/3", "notBreaching", "SEV-2", service
        ),
        f"{service}-no-healthy": Row(
            f"{alb} {insights}",
            f"{SERVICE} {TARGET}",
            "DesiredTaskCount Maximum, HealthyHostCount Minimum, RunningTaskCount Maximum",
            "<",
            *(1, 60, "3/5", "missing", "SEV-1", service),
        ),
        f"{service}-tasks-short": Row(
            insights,
            SERVICE,
            "DesiredTaskCount Maximum, RunningTaskCount Maximum",
            ">",
            0,
            60,
            "10/10",
            "missing",
            "SEV-2",
            service,
        ),
        f"{service}-cpu-high": Row(
            "AWS/ECS", SERVICE, "CPUUtilization Average", ">", 80, 60, "15/15", "missing", "SEV-3", service
        ),
        # Not in the table: one half of the composite at-max.
        f"{service}-capacity-reached": Row(
            insights, SERVICE, "RunningTaskCount Minimum", ">=", 10, 60, "5/5", "notBreaching", "SEV-3", service
        ),
    }


ANSWERS = ", ".join(
    f"HTTPCode_{what}_Count Sum" for what in ("ELB_5XX", "Target_2XX", "Target_3XX", "Target_4XX", "Target_5XX")
)
TABLE = {
    "rds-connections-high": Row(
        "AWS/RDS",
        "DBInstanceIdentifier",
        "DatabaseConnections Maximum",
        ">",
        64,
        60,
        "5/5",
        "missing",
        "SEV-2",
        "database",
    ),
    "rds-no-data": Row(
        "AWS/RDS",
        "DBInstanceIdentifier",
        "CPUUtilization SampleCount",
        "<",
        1,
        60,
        "5/5",
        "breaching",
        "SEV-2",
        "database",
    ),
    "alb-5xx-percent": Row(
        "AWS/ApplicationELB", LB, ANSWERS, ">", 5, 60, "3/5", "notBreaching", "SEV-2", "load-balancer"
    ),
    "alb-elb-5xx": Row(
        "AWS/ApplicationELB",
        LB,
        "HTTPCode_ELB_5XX_Count Sum",
        ">",
        10,
        60,
        "3/3",
        "notBreaching",
        "SEV-2",
        "load-balancer",
    ),
    **per_service("backend"),
    **per_service("frontend"),
    "redis-hit-rate-low": Row(
        "AWS/ElastiCache",
        "CacheClusterId",
        "CacheHits Sum, CacheMisses Sum",
        "<",
        70,
        300,
        "3/5",
        "notBreaching",
        "SEV-3",
        "cache",
    ),
    "heartbeat": Row(
        "OhMyCoins/Ops", "Environment", "Heartbeat Sum", "<", 1, 60, "5/5", "breaching", "SEV-2", "operations"
    ),
    "alert-delivery": Row(
        "AWS/SNS",
        "TopicName",
        "NumberOfNotificationsFailed Sum",
        ">",
        0,
        300,
        "1/3",
        "notBreaching",
        "SEV-2",
        "operations",
    ),
}
ALSO_WORTH_HAVING = {
    *("rds-cpu-high", "rds-storage-low", "rds-memory-low", "rds-transaction-ids-old"),
    *("redis-memory-high", "redis-evictions-high", "redis-engine-cpu-high"),
    *("alb-latency-high", "alert-dead-letter", "alert-queue-age", "event-delivery"),
}
OPERATORS = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": ">=", "LessThanThreshold": "<"}


def metrics_of(alarm: Mapping[str, Any]) -> list[tuple[str, Mapping[str, str], str, str, int]]:
    """(namespace, dimensions, metric, statistic, period) of each metric that an alarm reads."""
    if alarm["metric_name"]:
        statistic = alarm["statistic"] or alarm["extended_statistic"]
        return [(alarm["namespace"], alarm["dimensions"], alarm["metric_name"], statistic, alarm["period"])]
    return [
        (metric["namespace"], metric["dimensions"], metric["metric_name"], metric["stat"], metric["period"])
        for query in alarm["metric_query"]
        for metric in query["metric"]
    ]


def row_of(alarm: Mapping[str, Any]) -> Row:
    metrics = metrics_of(alarm)
    [period] = {period for *_, period in metrics}
    return Row(
        namespaces=" ".join(sorted({namespace for namespace, *_ in metrics})),
        dimensions=" ".join(sorted({" ".join(sorted(dimensions)) for _, dimensions, *_ in metrics})),
        metrics=", ".join(sorted({f"{metric} {statistic}" for _, _, metric, statistic, _ in metrics})),
        comparison=OPERATORS[alarm["comparison_operator"]],
        threshold=alarm["threshold"],
        period=period,
        counts=f"{alarm['datapoints_to_alarm']}/{alarm['evaluation_periods']}",
        missing=alarm["treat_missing_data"],
        severity=alarm["tags"]["Severity"],
        service=alarm["tags"]["Service"],
    )


def alarms_of(applied: Applied, environment: str) -> dict[str, Mapping[str, Any]]:
    prefix = f"ohmycoins-{environment}-"
    alarms = {alarm["alarm_name"]: alarm for alarm in applied.all("aws_cloudwatch_metric_alarm")}
    assert all(name.startswith(prefix) for name in alarms)
    return {name.removeprefix(prefix): alarm for name, alarm in alarms.items()}


def expression(alarm: Mapping[str, Any]) -> str:
    [text] = [query["expression"] for query in alarm["metric_query"] if query["return_data"]]
    return str(text)


def test_there_are_the_alarms_of_the_table_and_those_worth_having(staging: Applied) -> None:
    assert set(alarms_of(staging, "staging")) == set(TABLE) | ALSO_WORTH_HAVING
    composites = {alarm["alarm_name"] for alarm in staging.all("aws_cloudwatch_composite_alarm")}
    assert composites == {"ohmycoins-staging-backend-at-max", "ohmycoins-staging-frontend-at-max"}


@pytest.mark.parametrize("name", TABLE)
def test_staging_has_the_tables_row(staging: Applied, name: str) -> None:
    assert row_of(alarms_of(staging, "staging")[name]) == TABLE[name]


def test_production_differs_in_its_connections_alone(staging: Applied, production: Applied) -> None:
    ours, theirs = alarms_of(staging, "staging"), alarms_of(production, "production")
    differing = {name for name in ours if row_of(ours[name]) != row_of(theirs[name])}
    assert differing == {
        "rds-connections-high",
        "rds-storage-low",
        "rds-memory-low",
    }  # each a share of the instance's size
    assert theirs["rds-connections-high"]["threshold"] == 144


def test_the_expressions_of_the_table(staging: Applied, production: Applied) -> None:
    alarms = alarms_of(staging, "staging")
    total = "FILL(t2, 0) + FILL(t3, 0) + FILL(t4, 0) + FILL(t5, 0) + FILL(e5, 0)"
    assert (
        expression(alarms["alb-5xx-percent"]) == f"IF({total} >= 20, 100 * (FILL(t5, 0) + FILL(e5, 0)) / ({total}), 0)"
    )
    assert expression(alarms["backend-tasks-short"]) == "desired - running"
    assert expression(alarms["backend-no-healthy"]) == "IF(desired < 1, 1, IF(running < 1, 0, FILL(healthy, 1)))"
    hits, misses = "FILL(cachehits_001, 0)", "FILL(cachemisses_001, 0)"
    assert (
        expression(alarms["redis-hit-rate-low"])
        == f"IF({hits} + {misses} >= 1000, 100 * ({hits}) / ({hits} + {misses}), 100)"
    )
    both = expression(alarms_of(production, "production")["redis-hit-rate-low"])
    assert "FILL(cachehits_001, 0) + FILL(cachehits_002, 0)" in both


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_every_variable_of_an_expression_is_a_metric_of_the_alarm(
    environment: str, request: pytest.FixtureRequest
) -> None:
    for name, alarm in alarms_of(request.getfixturevalue(environment), environment).items():
        if not alarm["metric_query"]:
            continue
        used = set(re.findall(r"\b[a-z]\w*", expression(alarm)))
        provided = {query["id"] for query in alarm["metric_query"] if not query["return_data"]}
        assert used == provided, name
        assert len(provided) <= 10, f"{name}: CloudWatch takes ten metrics an alarm"


def test_a_service_that_goes_silent_is_reported_and_one_that_never_spoke_is_not(staging: Applied) -> None:
    """`breaching` would call everybody at the first apply, whose alarms are older than the first data."""
    for name, alarm in alarms_of(staging, "staging").items():
        tells = name.endswith(("-no-healthy", "-tasks-short"))
        assert (alarm["insufficient_data_actions"] or []) == (alarm["alarm_actions"] if tells else []), name
        assert not tells or alarm["treat_missing_data"] == "missing"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_no_alarm_that_fills_gaps_is_decided_by_late_data(environment: str, request: pytest.FixtureRequest) -> None:
    """The newest point of a metric that comes late is the filling: never may every point be wanted."""
    filling = {
        name: (alarm["datapoints_to_alarm"], alarm["evaluation_periods"])
        for name, alarm in alarms_of(request.getfixturevalue(environment), environment).items()
        if alarm["metric_query"] and "FILL(" in expression(alarm)
    }
    assert len(filling) >= 6
    assert {name: counts for name, counts in filling.items() if counts[0] >= counts[1]} == {}


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_dimensions_are_those_under_which_metrics_exist(environment: str, request: pytest.FixtureRequest) -> None:
    applied: Applied = request.getfixturevalue(environment)
    members = {f"ohmycoins-{environment}-redis-{number:03}" for number in range(1, 10)}
    for alarm in alarms_of(applied, environment).values():
        for _, dimensions, *_ in metrics_of(alarm):
            assert dimensions.get("DBInstanceIdentifier", f"ohmycoins-{environment}") == f"ohmycoins-{environment}"
            assert dimensions.get("CacheClusterId", f"ohmycoins-{environment}-redis-001") in members
            assert dimensions.get("ClusterName", f"ohmycoins-{environment}") == f"ohmycoins-{environment}"


# alarm_actions were once empty: no alert was ever delivered.
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_every_alarm_is_followed_to_the_responders_queue(environment: str, request: pytest.FixtureRequest) -> None:
    """Alarm → its severity's topic → subscription → queue, and CloudWatch may publish, the topic may send."""
    applied: Applied = request.getfixturevalue(environment)
    prefix = f"ohmycoins-{environment}"
    topics = {topic["tags"].get("Severity"): topic for topic in applied.all("aws_sns_topic")}
    assert topics.pop(None)["name"] == f"{prefix}-cache"
    assert {severity: topic["name"] for severity, topic in topics.items()} == {
        f"SEV-{number}": f"ohmycoins-{environment}-sev-{number}" for number in (1, 2, 3)
    }
    arns = {severity: topic["arn"] for severity, topic in topics.items()}
    for alarm in [*applied.all("aws_cloudwatch_metric_alarm"), *applied.all("aws_cloudwatch_composite_alarm")]:
        assert alarm["alarm_actions"] == [arns[alarm["tags"]["Severity"]]], alarm["alarm_name"]
        assert alarm["ok_actions"] == alarm["alarm_actions"]
        assert alarm["actions_enabled"] is not False
    queue = applied.named("aws_sqs_queue", f"ohmycoins-{environment}-alerts")
    assert [row["endpoint"] for row in applied.all("aws_sns_topic_subscription")] == [queue["arn"]] * 4
    assert json.loads(queue["redrive_policy"])["maxReceiveCount"] == 10
    for policy in applied.all("aws_sns_topic_policy"):
        if policy["arn"] in arns.values():
            publishers = {str(row["Principal"].get("Service")) for row in json.loads(policy["policy"])["Statement"]}
            assert {"cloudwatch.amazonaws.com", "events.amazonaws.com"} <= publishers
    senders = {
        arn
        for policy in applied.all("aws_sqs_queue_policy")
        for row in json.loads(policy["policy"])["Statement"]
        for arn in row["Condition"]["ArnEquals"]["aws:SourceArn"]
    }
    rules = {f"rule/{rule['name']}" for rule in applied.all("aws_cloudwatch_event_rule")}
    assert {arn.rsplit(":", 1)[1] for arn in senders} == rules | {topic["name"] for topic in topics.values()} | {
        f"{prefix}-cache"
    }


def test_the_key_lets_cloudwatch_publish_to_the_encrypted_topics(staging: Applied) -> None:
    [policy] = [json.loads(key["policy"]) for key in staging.all("aws_kms_key") if "alerts" in key["description"]]
    users = {
        service: row["Action"]
        for row in policy["Statement"]
        for service in [row["Principal"].get("Service")]
        if service == "cloudwatch.amazonaws.com"
    }
    assert users == {"cloudwatch.amazonaws.com": ["kms:Decrypt", "kms:GenerateDataKey*"]}


def test_every_alarm_has_what_the_responder_reads_in_tags_that_aws_takes(staging: Applied) -> None:
    for alarm in [*staging.all("aws_cloudwatch_metric_alarm"), *staging.all("aws_cloudwatch_composite_alarm")]:
        tags = alarm["tags"]
        assert tags["Priority"] == ("medium" if tags["Severity"] == "SEV-3" else "high")
        assert tags["Service"] in {"backend", "frontend", "database", "cache", "load-balancer", "operations"}
        # Letters, numbers, spaces and + - = . _ : / @ are all that a tag's value may hold everywhere: no #.
        assert [value for value in tags.values() if not re.fullmatch(r"[\w+\-=.:/@ ]*", value)] == []


def test_every_runbook_tag_leads_to_a_section(staging: Applied) -> None:
    for alarm in [*staging.all("aws_cloudwatch_metric_alarm"), *staging.all("aws_cloudwatch_composite_alarm")]:
        path, _, section = alarm["tags"]["Runbook"].partition(":")
        chapter = RUNBOOK.parents[1] / path
        headings = re.findall(r"^#+ (.+)$", chapter.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert section in anchors, alarm["alarm_name"]
        assert alarm["alarm_description"].endswith(f"Runbook: {path}#{section}")


def test_overload_is_both_of_its_halves(staging: Applied) -> None:
    names = set(alarms_of(staging, "staging"))
    for alarm in staging.all("aws_cloudwatch_composite_alarm"):
        service = alarm["alarm_name"].removeprefix("ohmycoins-staging-").removesuffix("-at-max")
        children = re.findall(r'ALARM\("ohmycoins-staging-([\w-]+)"\)', alarm["alarm_rule"])
        assert children == [f"{service}-cpu-high", f"{service}-capacity-reached"]
        assert set(children) <= names
        assert alarm["tags"]["Severity"] == "SEV-2"


# A burst of CPU at the start is no failure: a deployment is rolled back for 5xx and unhealthy targets only.
def test_deployments_are_rolled_back_for_errors_never_for_cpu(staging: Applied) -> None:
    names = {f"ohmycoins-staging-{name}" for name in alarms_of(staging, "staging")}
    for service in staging.all("aws_ecs_service"):
        [settings] = service["alarms"]
        assert settings["rollback"]
        assert set(settings["alarm_names"]) == {
            "ohmycoins-staging-alb-5xx-percent",
            f"ohmycoins-staging-{service['name']}-unhealthy",
        }
        assert set(settings["alarm_names"]) <= names
        [breaker] = service["deployment_circuit_breaker"]
        assert (breaker["enable"], breaker["rollback"]) == (True, True)
