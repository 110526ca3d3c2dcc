"""What of the infrastructure is the responder's: the switches in the environments, what EventBridge lets through to its
queue, and what its role may look at.

The patterns are tried with events as AWS documents them, by moto's matcher, which the local cloud uses as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from moto.events.models import EventPattern

from contract.terraform_support import ENVIRONMENTS, INFRASTRUCTURE, Applied
from omc import github_api
from omc.aws.command_permissions import operations_of
from omc.aws.permissions import action_for
from omc.config.notify_tables import SECRETS
from omc.responder import pulse

REGION, ACCOUNT = "ap-southeast-2", "123456789012"
ARN = f"{REGION}:{ACCOUNT}"
CLUSTER = f"arn:aws:ecs:{ARN}:cluster/ohmycoins-staging"
BACKEND = f"arn:aws:ecs:{ARN}:service/ohmycoins-staging/backend"


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.name)
def test_a_responder_is_expected_by_default_and_runs_here_only_on_request(environment: Any) -> None:
    tfvars = (environment / "terraform.tfvars").read_text()
    assert re.findall(r"^(responder|run_responder) +?= (\w+)$", tfvars.replace("     =", " ="), re.MULTILINE) == [
        ("responder", "true"),
        ("run_responder", "false"),
    ]
    variables = (environment / "variables.tf").read_text()
    for name, default in (("responder", "true"), ("run_responder", "false")):
        [body] = re.findall(rf'^variable "{name}" {{\n(.*?)^}}', variables, re.MULTILINE | re.DOTALL)
        assert f"default     = {default}" in body


def test_a_local_cloud_expects_none() -> None:
    """`omc local up` starts none: its heartbeat would be missed in a cloud that is well."""
    local = (INFRASTRUCTURE / "environments/staging/local.tfvars").read_text()
    assert re.findall(r"^responder = (\w+)$", local, re.MULTILINE) == ["false"]


def event(source: str, kind: str, detail: Mapping[str, Any], *resources: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "1",
        "time": "2026-11-30T01:02:03Z",
        "account": ACCOUNT,
        "region": REGION,
        "source": source,
        "detail-type": kind,
        "resources": list(resources),
        "detail": dict(detail),
    }


def task(**detail: Any) -> dict[str, Any]:
    found = {
        "clusterArn": CLUSTER,
        "group": "service:backend",
        "lastStatus": "STOPPED",
        "version": 4,
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
    }
    return event("aws.ecs", "ECS Task State Change", found | detail)


def deployment(name: str, service: str = BACKEND) -> dict[str, Any]:
    detail = {"eventType": "ERROR", "eventName": name, "deploymentId": "ecs-svc/123", "reason": "circuit breaker"}
    return event("aws.ecs", "ECS Deployment State Change", detail, service)


def action(kind: str, name: str) -> dict[str, Any]:
    return event(
        "aws.ecs", "ECS Service Action", {"eventType": kind, "eventName": name, "clusterArn": CLUSTER}, BACKEND
    )


def health(service: str) -> dict[str, Any]:
    detail = {"service": service, "eventTypeCategory": "scheduledChange", "eventArn": "arn:aws:health:…"}
    return event("aws.health", "AWS Health Event", detail)


def database(identifier: str, *categories: str) -> dict[str, Any]:
    detail = {"EventCategories": list(categories), "SourceIdentifier": identifier, "EventID": "RDS-EVENT-0013"}
    return event("aws.rds", "RDS DB Instance Event", detail, f"arn:aws:rds:{ARN}:db:{identifier}")


def alarm(name: str, value: str, kind: str = "State", **detail: Any) -> dict[str, Any]:
    found = {"alarmName": name, "state": {"value": value, "timestamp": "2026-11-30T01:02:03.000+0000"}, **detail}
    return event("aws.cloudwatch", f"CloudWatch Alarm {kind} Change", found, f"arn:aws:cloudwatch:{ARN}:alarm:{name}")


OURS = "ohmycoins-staging"
LET_THROUGH = [
    ("deployment-failed", deployment("SERVICE_DEPLOYMENT_FAILED")),
    ("task-stopped", task()),
    ("task-stopped", task(stopCode="ServiceSchedulerInitiated", stoppedReason="Task failed ELB health checks in (…)")),
    ("task-stopped", {**task(), "detail": {k: v for k, v in task()["detail"].items() if k != "stoppedReason"}}),
    ("service-action", action("WARN", "SERVICE_TASK_START_IMPAIRED")),
    ("service-action", action("ERROR", "SERVICE_TASK_PLACEMENT_FAILURE")),
    ("health", health("ECS")),
    ("health", health("ELASTICLOADBALANCING")),
    ("database-event", database(OURS, "failover")),
    ("database-event", database(OURS, "configuration change", "low storage")),
    ("alarm-changed", alarm(f"{OURS}-rds-cpu-high", "ALARM")),
    ("alarm-changed", alarm(f"{OURS}-rds-cpu-high", "OK")),
    ("alarm-changed", alarm(f"{OURS}-backend-no-healthy", "INSUFFICIENT_DATA")),
    ("alarm-deleted", alarm(f"{OURS}-rds-cpu-high", "ALARM", "Configuration", operation="delete")),
]
HELD_BACK = [
    deployment("SERVICE_DEPLOYMENT_COMPLETED"),
    deployment("SERVICE_DEPLOYMENT_FAILED", f"arn:aws:ecs:{ARN}:service/another/backend"),
    task(lastStatus="DEPROVISIONING"),
    task(stopCode="ServiceSchedulerInitiated", stoppedReason="Scaling activity initiated by (deployment ecs-svc/123)"),
    task(group="family:ohmycoins-migrate-backend"),
    task(clusterArn=f"arn:aws:ecs:{ARN}:cluster/another"),
    action("INFO", "SERVICE_STEADY_STATE"),
    health("EC2"),
    database("another", "failover"),
    database(OURS, "backup"),
    alarm("TargetTracking-service/ohmycoins-staging/backend-AlarmLow-1", "ALARM"),
    alarm(f"{OURS}-rds-cpu-high", "INSUFFICIENT_DATA"),
    alarm(f"{OURS}-rds-cpu-high", "OK", "Configuration", operation="update"),
]


def matching(applied: Applied, told: Mapping[str, Any]) -> list[str]:
    return [
        rule["name"].removeprefix("ohmycoins-staging-")
        for rule in applied.all("aws_cloudwatch_event_rule")
        if EventPattern(rule["event_pattern"], json.loads(rule["event_pattern"])).matches_event(told)
    ]


@pytest.mark.terraform
@pytest.mark.parametrize(("rule", "told"), LET_THROUGH)
def test_one_rule_lets_it_through(staging: Applied, rule: str, told: Mapping[str, Any]) -> None:
    assert matching(staging, told) == [rule]


@pytest.mark.terraform
@pytest.mark.parametrize("told", HELD_BACK)
def test_no_rule_lets_it_through(staging: Applied, told: Mapping[str, Any]) -> None:
    assert matching(staging, told) == []


@pytest.mark.terraform
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_every_rule_ends_in_the_queue_with_the_dead_letter_queue_behind_it(
    environment: str, request: pytest.FixtureRequest
) -> None:
    applied: Applied = request.getfixturevalue(environment)
    queue, dead = (
        applied.named("aws_sqs_queue", f"ohmycoins-{environment}-{end}") for end in ("alerts", "alerts-dead-letter")
    )
    targets = applied.all("aws_cloudwatch_event_target")
    assert [target["dead_letter_config"] for target in targets] == [[{"arn": dead["arn"]}]] * len(targets)
    told = {target["rule"] for target in targets if target["target_id"] == "queue" and target["arn"] == queue["arn"]}
    assert told == {rule["name"] for rule in applied.all("aws_cloudwatch_event_rule")}
    assert all(name.startswith(f"ohmycoins-{environment}-") for name in told)


@pytest.mark.terraform
def test_the_queues_key_lets_in_whoever_sends_to_it(staging: Applied) -> None:
    """What the key refuses SNS drops at once, and EventBridge after a day; neither says so anywhere but in metrics."""
    queues = staging.all("aws_sqs_queue")
    [key] = [key for key in staging.all("aws_kms_key") if "alerts" in key["description"]]
    assert {queue["kms_master_key_id"] for queue in queues} == {key["arn"]}
    senders = {
        service
        for row in json.loads(key["policy"])["Statement"]
        if {"kms:Decrypt", "kms:GenerateDataKey*"} <= set(row["Action"]) and "Condition" not in row
        for service in [row["Principal"].get("Service", [])]
        for service in ([service] if isinstance(service, str) else service)
    }
    assert senders == {"sns.amazonaws.com", "events.amazonaws.com"}


@pytest.mark.terraform
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_every_topic_signs_with_sha_256(environment: str, request: pytest.FixtureRequest) -> None:
    """A topic signs with SHA-1 unless it is told otherwise, and the responder takes no such message by HTTPS."""
    applied: Applied = request.getfixturevalue(environment)
    topics = applied.all("aws_sns_topic")
    assert {topic["name"]: topic["signature_version"] for topic in topics} == {topic["name"]: 2 for topic in topics}
    assert len(topics) >= 4


@pytest.mark.terraform
def test_the_cache_tells_to_a_topic_that_elasticache_can_publish_to(staging: Applied) -> None:
    topic = staging.named("aws_sns_topic", "ohmycoins-staging-cache")
    assert not topic["kms_master_key_id"]
    [policy] = [
        json.loads(one["policy"]) for one in staging.all("aws_sns_topic_policy") if "SourceOwner" in one["policy"]
    ]
    assert [row["Condition"] for row in policy["Statement"]] == [{"StringEquals": {"aws:SourceOwner": ACCOUNT}}]
    assert staging.one("aws_elasticache_replication_group")["notification_topic_arn"] is not None


BESIDE = {"OMC_WATCHDOG_URL", "GH_TOKEN"}
"""What `omc serve` reads that no channel and nothing that comes in needs."""


def test_the_module_takes_every_secret_that_omc_serve_reads_and_says_what_it_is_for() -> None:
    module = INFRASTRUCTURE / "modules/responder"
    [allowed] = re.findall(r'can\(regex\("(\^\(OMC_.*?)", key\)\)', (module / "variables.tf").read_text())
    names = {name.replace("<NAME>", "A_1") for name in SECRETS} | BESIDE
    assert [name for name in sorted(names) if not re.search(allowed, name)] == []
    for name in names:
        assert not re.search(allowed, f"{name}-")
        assert not re.search(allowed, f"X{name}")
    [listed] = re.findall(r"^## Secrets\n(.*?)^## ", (module / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    rows = "".join(line.split("|")[1] for line in listed.splitlines() if line.startswith("|"))
    assert set(re.findall(r"`([A-Z0-9_]+(?:<NAME>)?)`", rows)) == {*SECRETS, *BESIDE}
    words = re.findall(r"[A-Z]+_[A-Z_]*[A-Z]", allowed)
    assert {name for name in words if not any(name in each for each in (*SECRETS, *BESIDE))} == set()
    assert (pulse.WATCHDOG, "GH_TOKEN" in github_api.TOKENS) == ("OMC_WATCHDOG_URL", True)


NOT_THE_RESPONDERS = {
    "s3:GetObject": "Terraform's state: what should be there it takes from omc.toml and ECS; access logs, see below",
    "elasticache:DescribeServerlessCaches": "only where omc.toml names a serverless cache, and this stack has none",
    "rds:DescribeDBClusters": "only where omc.toml names a cluster, and this stack has none",
    "scheduler:GetSchedule": "only where omc.toml names a job with a schedule, and this stack has none",
    "s3:ListBucket": "the load balancer's access logs, which hold whole URLs: its diagnosis says so",
}


def test_the_role_may_do_what_the_responder_does_and_look_at_what_a_morning_check_looks_at() -> None:
    """The look is how it knows that all is well again."""
    text = (INFRASTRUCTURE / "modules/responder/roles.tf").read_text()
    allowed = set(re.findall(r'"([a-z0-9-]+:[A-Za-z]+)"', text))
    wanted = {
        action_for(service, operation)
        for command in ("serve", "check morning")
        for service, operation in operations_of(command)
    }
    assert wanted - allowed == set(NOT_THE_RESPONDERS)
