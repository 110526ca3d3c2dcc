# ruff: noqa: E501 - a table has a row on a line
"""What is taken from Terraform's state, what stands in for it, and AWS's answers in Terraform's words."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omc.config import Environment, load
from omc.errors import AccessDenied, AwsRefused, NotFound
from omc.facts.alarms import Alarm, Alarms
from omc.facts.deviations import deviations
from omc.facts.expected import Expected, Thing, read_expected, things_of
from omc.facts.expected_without_state import without_state
from omc.facts.found import Found, Listed, read_found, read_listed
from omc.facts.listeners import Listeners
from omc.facts.load_balancers import LoadBalancers, TargetGroups
from omc.facts.pending import Pending
from omc.facts.services import EcsService, Services
from omc.model.releases import Release, ReleasedService
from omc.store.location import StoreLocation
from support import expected_facts as example
from support.fake_gateway import FakeGateway

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
WRITTEN = datetime(2026, 11, 23, 22, 2, tzinfo=UTC)
SECRET = "hunter2-hunter2"


def resource(kind: str, *attributes: Mapping[str, Any], mode: str = "managed") -> dict[str, Any]:
    instances = [{"attributes": dict(one), "sensitive_attributes": []} for one in attributes]
    return {"mode": mode, "type": kind, "name": "this", "instances": instances}


def state(*resources: Mapping[str, Any]) -> dict[str, Any]:
    return {"version": 4, "serial": 7, "resources": list(resources)}


def things(*resources: Mapping[str, Any], environment: Environment = STAGING, account: str = "") -> tuple[Thing, ...]:
    return things_of(state(*resources), environment, account)


def test_of_a_resource_only_what_its_row_names_is_taken() -> None:
    database = {**example.HEALTHY["aws_db_instance"], "password": SECRET, "password_wo": SECRET, "tags": {"x": SECRET}}
    found = things(
        resource("aws_db_instance", database),
        resource("aws_secretsmanager_secret_version", {"secret_string": SECRET}),
        resource("aws_db_instance", {"identifier": SECRET}, mode="data"),
        resource("random_password", {"result": SECRET}),
    )
    assert [thing.name for thing in found] == [example.NAME]
    assert SECRET not in repr(found)


def test_nothing_that_a_state_marks_as_sensitive_is_among_what_rows_name() -> None:
    from omc.facts.expected_kinds import KINDS

    words = {name for kind in KINDS for name in kind.keeps.split()}
    assert not {
        name for name in words if any(part in name for part in ("password", "token", "secret_string", "user_data"))
    }


@pytest.mark.parametrize(
    ("attributes", "is_here"),
    [
        ({"arn": f"arn:aws:sns:{example.REGION}:{example.ACCOUNT}:a"}, True),
        ({"arn": f"arn:aws:sns:us-east-1:{example.ACCOUNT}:a"}, False),
        ({"arn": f"arn:aws:sns:{example.REGION}:222222222222:a"}, False),
        ({"arn": f"arn:aws:sns:{example.REGION}:{example.ACCOUNT}:a", "region": "us-east-1"}, False),
        ({"arn": f"arn:aws:sns:{example.REGION}:{example.ACCOUNT}:a", "region": example.REGION}, True),
        ({"arn": "arn:aws:sns:::a"}, True),
        ({}, True),
        ({"service_namespace": "dynamodb"}, False),
        ({"service_namespace": "ecs"}, True),
    ],
)
def test_what_another_provider_made_elsewhere_is_not_expected_here(
    attributes: Mapping[str, str], is_here: bool
) -> None:
    found = things(resource("aws_sns_topic", {"name": "a", **attributes}), account=example.ACCOUNT)
    assert bool(found) == is_here


def test_older_names_of_the_same_kind_and_every_instance_count() -> None:
    found = things(resource("aws_alb", {"name": "one"}), resource("aws_lb", {"name": "two"}, {"name": "three"}))
    assert [(thing.type, thing.name) for thing in found] == [("aws_lb", name) for name in ("one", "two", "three")]


def test_a_rule_knows_its_listeners_port_and_a_group_by_its_name() -> None:
    rule = {name: value for name, value in example.HEALTHY["aws_lb_listener_rule"].items() if name != "_port"}
    group = {
        "security_group_id": "sg-1",
        "security_group_rule_id": "sgr-1",
        "ip_protocol": "-1",
        "cidr_ipv4": "0.0.0.0/0",
    }
    found = things(
        resource("aws_lb_listener", example.HEALTHY["aws_lb_listener"]),
        resource("aws_lb_listener_rule", rule),
        resource("aws_vpc_security_group_egress_rule", group),
        resource("aws_security_group", {"id": "sg-1", "name": "database"}),
        resource("aws_flow_log", {"id": "fl-1", "vpc_id": "vpc-1"}),
        resource("aws_vpc", {"id": "vpc-1", "tags": {"Name": "main"}}),
    )
    named = {thing.type: thing for thing in found}
    assert named["aws_lb_listener_rule"].values["_port"] == 443
    assert named["aws_vpc_security_group_egress_rule"].name == "database (all ports to 0.0.0.0/0)"
    assert named["aws_flow_log"].name == "of main"


IN_GROUP = {"from_port": 0, "to_port": 0, "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"], "self": False}


@pytest.mark.parametrize(
    ("resources", "rules"),
    [
        (
            [resource("aws_security_group", {"id": "sg-1", "name": "g", "egress": [IN_GROUP]})],
            ["g (all ports to 0.0.0.0/0)"],
        ),
        ([resource("aws_security_group", {"id": "sg-1", "name": "g", "egress": []})], []),
        (
            [
                resource(
                    "aws_security_group_rule",
                    {
                        "type": "ingress",
                        "security_group_id": "sg-1",
                        "protocol": "tcp",
                        "from_port": 5432,
                        "to_port": 5432,
                        "cidr_blocks": ["10.0.0.0/8", "10.1.0.0/16"],
                    },
                )
            ],
            ["sg-1 (tcp port 5432 from 10.0.0.0/8)", "sg-1 (tcp port 5432 from 10.1.0.0/16)"],
        ),
        (
            [
                resource(
                    "aws_security_group_rule",
                    {
                        "type": "ingress",
                        "security_group_id": "sg-1",
                        "protocol": "tcp",
                        "from_port": 80,
                        "to_port": 81,
                        "source_security_group_id": "sg-2",
                    },
                )
            ],
            ["sg-1 (tcp ports 80-81 from sg-2)"],
        ),
        (
            [
                resource(
                    "aws_security_group_rule",
                    {
                        "type": "ingress",
                        "security_group_id": "sg-1",
                        "protocol": "-1",
                        "from_port": 0,
                        "to_port": 0,
                        "self": True,
                    },
                )
            ],
            ["sg-1 (all ports from sg-1)"],
        ),
        (  # the group's own list is what Terraform found there
            [
                resource("aws_security_group", {"id": "sg-1", "name": "g", "egress": [IN_GROUP]}),
                resource(
                    "aws_vpc_security_group_ingress_rule",
                    {
                        "security_group_id": "sg-1",
                        "ip_protocol": "tcp",
                        "from_port": 1,
                        "to_port": 1,
                        "cidr_ipv6": "::/0",
                    },
                ),
            ],
            ["g (tcp port 1 from ::/0)"],
        ),
    ],
)
def test_rules_that_older_code_writes_otherwise_are_expected_one_by_one(
    resources: list[dict[str, Any]], rules: list[str]
) -> None:
    assert [thing.name for thing in things(*resources) if "gress" in thing.type] == rules


def test_a_rule_inside_a_group_is_the_one_that_aws_lists() -> None:
    wanted = things(resource("aws_security_group", {"id": "sg-1", "egress": [IN_GROUP]}))
    record = {
        "SecurityGroupRuleId": "sgr-9",
        "GroupId": "sg-1",
        "IsEgress": True,
        "IpProtocol": "-1",
        "FromPort": -1,
        "ToPort": -1,
        "CidrIpv4": "0.0.0.0/0",
    }
    found = _read(
        {("ec2", "describe_security_group_rules"): {"SecurityGroupRules": [record]}}, Expected(wanted, WRITTEN), {}
    )
    assert deviations(found) == ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"version": 3, "resources": []}, "it has version 3, and omc reads version 4"),
        ({"encrypted_data": "AAAA", "meta": {}}, "it is encrypted, or isn't a state"),
        ([], "it is encrypted, or isn't a state"),
        ({}, "it has version None"),
    ],
)
def test_what_is_no_state_that_omc_reads_is_reported(content: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        things_of(content, STAGING)


# Reading it


def reading(answer: Any, environment: Environment = STAGING) -> tuple[Expected, FakeGateway]:
    answers = {("s3", "get_object"): answer, ("sts", "get_caller_identity"): {"Account": example.ACCOUNT}}
    gateway = FakeGateway(answers, environment)
    return read_expected(gateway, environment), gateway


def body(content: Any) -> dict[str, Any]:
    return {
        "Body": io.BytesIO(content if isinstance(content, bytes) else json.dumps(content).encode()),
        "LastModified": WRITTEN,
    }


def test_the_state_is_one_object_whose_owner_is_made_sure_of() -> None:
    found, gateway = reading(body(state(resource("aws_sns_topic", example.HEALTHY["aws_sns_topic"]))))
    assert (found.written, found.is_states, len(found.things)) == (WRITTEN, True, 1)
    assert gateway.calls("get_object") == [
        {
            "Bucket": f"ohmycoins-staging-tfstate-{example.ACCOUNT}",
            "Key": "staging/terraform.tfstate",
            "ExpectedBucketOwner": example.ACCOUNT,
        }
    ]


@pytest.mark.parametrize(
    ("changes", "bucket", "asks_sts"),
    [
        ({"account": example.ACCOUNT}, f"ohmycoins-staging-tfstate-{example.ACCOUNT}", False),
        ({"terraform_state": "s3://theirs/env/state.json"}, "theirs", False),
        ({}, f"ohmycoins-staging-tfstate-{example.ACCOUNT}", True),
    ],
)
def test_sts_is_asked_only_for_a_bucket_that_is_named_by_an_unknown_account(
    changes: dict[str, Any], bucket: str, asks_sts: bool
) -> None:
    _, gateway = reading(body(state()), replace(STAGING, **changes))
    assert gateway.calls("get_object")[0]["Bucket"] == bucket
    assert bool(gateway.calls("get_caller_identity")) == asks_sts


@pytest.mark.parametrize(
    ("answer", "is_none", "action", "words"),
    [
        (NotFound("no", "NoSuchBucket"), True, "", "There is no Terraform state at s3://ohmycoins-staging-tfstate"),
        (NotFound("no", "NoSuchKey"), True, "", "There is no Terraform state"),
        (AwsRefused("no", "404"), True, "", "There is no Terraform state"),
        (AccessDenied("lacks s3:GetObject", "s3:GetObject"), False, "s3:GetObject", "lacks s3:GetObject"),
        (AwsRefused("It is archived.", "InvalidObjectState"), False, "", "It is archived."),
        (body(b"{"), False, "", "can't be used: Expecting property name"),
        (body({"version": 3}), False, "", "can't be used: it has version 3"),
    ],
)
def test_a_state_that_is_not_there_or_can_not_be_read(answer: Any, is_none: bool, action: str, words: str) -> None:
    found, _ = reading(answer)
    assert (found.is_none, found.action, found.is_states, found.things) == (is_none, action, False, ())
    assert words in found.problem


def test_where_omc_toml_wants_no_state_none_is_asked_for() -> None:
    found, gateway = reading(body(state()), replace(STAGING, terraform_state=""))
    assert (found.problem, found.things, gateway.requests) == ("", (), [])


# Without it


def service(**changes: Any) -> EcsService:
    made = EcsService("backend", "ACTIVE", 2, 2, 0, "ohmycoins-backend:7", (), ())
    return replace(made, **changes)


def names(found: tuple[Thing, ...], kind: str) -> list[str]:
    return sorted(thing.name for thing in found if thing.type == kind)


def alarm(name: str, *actions: str, acts: bool = True, kind: str = "metric") -> Alarm:
    record = {"ActionsEnabled": acts, "AlarmActions": list(actions)}
    return Alarm(
        name, f"arn:{name}", kind, "OK", WRITTEN, "", acts and bool(actions), "", actions=actions, record=record
    )


TABLE = (
    "rds-connections-high",
    "rds-no-data",
    "alb-5xx-percent",
    "alb-elb-5xx",
    "redis-hit-rate-low",
    "alert-delivery",
)
OF_SERVICE = ("unhealthy", "no-healthy", "tasks-short", "cpu-high", "at-max")
WHOLE_TABLE = (*TABLE, *(f"{name}-{end}" for name in ("backend", "frontend") for end in OF_SERVICE))


def test_an_alarm_of_the_table_that_is_gone_is_missed_where_most_of_the_table_is_there() -> None:
    there = Alarms(tuple(alarm(f"{example.NAME}-{name}", "arn:topic") for name in WHOLE_TABLE if name != "rds-no-data"))
    wanted = without_state(STAGING, None, there, None)
    assert f"{example.NAME}-rds-no-data" in names(wanted, "aws_cloudwatch_metric_alarm")


def test_another_teams_alarms_are_called_otherwise_and_none_is_missed() -> None:
    there = Alarms(
        tuple(alarm(f"{example.NAME}-{name}", "arn:topic") for name in ("db-is-ill", "rds-no-data", "web-slow"))
    )
    wanted = without_state(STAGING, None, there, None)
    assert names(wanted, "aws_cloudwatch_metric_alarm") == [
        f"{example.NAME}-{name}" for name in ("db-is-ill", "rds-no-data", "web-slow")
    ]


def test_actions_that_are_turned_off_are_reported_without_a_state_too() -> None:
    there = Alarms((alarm(f"{example.NAME}-a", "arn:topic", acts=False), alarm(f"{example.NAME}-b")))
    wanted = without_state(replace(STAGING, services=()), Services(()), there, None)
    found = found_of(wanted, alarms=there)
    assert [(one.thing.name, one.changes[0].label) for one in deviations(found)] == [(f"{example.NAME}-a", "actions")]


def test_a_target_group_is_expected_where_a_service_sends_to_it() -> None:
    web, worker = service(target_groups=(example.group("backend"),)), service(name="worker")
    wanted = without_state(STAGING, Services((web, worker)), None, None)
    assert names(wanted, "aws_lb_target_group") == [f"{example.NAME}-backend"]


def test_deployment_alarms_that_are_named_and_off_are_reported() -> None:
    ill, well = service(alarms_off=("a",)), service(name="frontend", alarms=("a",))
    wanted = without_state(STAGING, Services((ill, well)), None, None)
    found = found_of(wanted, services=Services((ill, well)))
    assert [(one.thing.name, one.changes[0].found) for one in deviations(found)] == [("backend", "off")]


def test_what_was_verified_last_is_expected() -> None:
    container = {"logConfiguration": {"options": {"awslogs-group": "/ecs/worker"}}}
    verified = ReleasedService("worker:3", {}, {"containerDefinitions": [container, {}]})
    release = Release(4, "staging", {"worker": verified}, WRITTEN, None, "alice", "r1")
    wanted = without_state(STAGING, Services(()), None, release)
    assert names(wanted, "aws_ecs_service") == ["worker"]
    assert names(wanted, "aws_cloudwatch_log_group") == ["/ecs/worker"]


def test_limits_of_omc_toml_are_compared_where_there_is_an_autoscaler() -> None:
    wanted = without_state(STAGING, Services(()), None, None)
    assert all(thing.is_optional for thing in wanted if thing.type == "aws_appautoscaling_target")
    assert deviations(Found(wanted, ())) == ()
    lowered = Thing("aws_appautoscaling_target", {"resource_id": example.SERVICE, "min_capacity": 0, "max_capacity": 1})
    assert [change.label for change in deviations(Found(wanted, (lowered,)))[0].changes] == ["minimum", "maximum"]


# AWS's answers


def listed(answers: Mapping[tuple[str, str], Any], *kinds: str, **facts: Any) -> Found:
    expected = Expected(tuple(Thing(kind, example.HEALTHY[kind]) for kind in kinds), written=WRITTEN)
    return _read(dict(answers), expected, facts)


def found_of(wanted: tuple[Thing, ...], **facts: Any) -> Found:
    return _read(
        {("application-autoscaling", "describe_scalable_targets"): {"ScalableTargets": []}},
        Expected(wanted, WRITTEN),
        facts,
    )


def _read(answers: dict[tuple[str, str], Any], expected: Expected, facts: dict[str, Any]) -> Found:
    known: dict[str, Any] = {
        "alarms": Alarms(()),
        "balancers": LoadBalancers(()),
        "groups": TargetGroups(()),
        "listeners": Listeners(()),
        "services": Services(()),
        "pending": Pending(()),
        **facts,
    }
    aws = FakeGateway(answers, STAGING)
    return read_found(aws, STAGING, StoreLocation(), expected, read_listed(aws, expected), **known)


FORWARD = {"Type": "forward", "Order": 1, "TargetGroupArn": example.group("backend")}
LISTENER = {
    "ListenerArn": example.LISTENER,
    "LoadBalancerArn": example.BALANCER,
    "Port": 443,
    "Protocol": "HTTPS",
    "DefaultActions": [{**FORWARD, "TargetGroupArn": example.group("frontend")}],
    "Certificates": [{"CertificateArn": example.HEALTHY["aws_lb_listener"]["certificate_arn"]}],
    "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "Rules": [
        {
            "RuleArn": example.RULE,
            "Priority": "10",
            "Conditions": [
                {"Field": "path-pattern", "Values": ["/api/*"], "PathPatternConfig": {"Values": ["/api/*"]}}
            ],
            "Actions": [
                {
                    **FORWARD,
                    "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": example.group("backend"), "Weight": 1}]},
                }
            ],
        },
        {"RuleArn": "default", "Priority": "default", "IsDefault": True, "Conditions": [], "Actions": []},
    ],
}
DATABASE = {
    "DBInstanceIdentifier": example.NAME,
    "BackupRetentionPeriod": 7,
    "DeletionProtection": True,
    "MultiAZ": True,
    "DBInstanceClass": "db.t4g.small",
    "PubliclyAccessible": False,
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-3", "Status": "active"}],
    "DBParameterGroups": [{"DBParameterGroupName": f"{example.NAME}-17"}],
    "PerformanceInsightsEnabled": True,
}
CACHE = {
    "ReplicationGroupId": f"{example.NAME}-redis",
    "SnapshotRetentionLimit": 1,
    "AutomaticFailover": "enabled",
    "MultiAZ": "enabled",
    "CacheNodeType": "cache.t4g.small",
    "MemberClusters": ["a", "b"],
    "SecurityGroups": [{"SecurityGroupId": "sg-4", "Status": "active"}],
}
METRIC = {
    "AlarmName": example.METRIC_ALARM["alarm_name"],
    "Threshold": 64.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 5,
    "DatapointsToAlarm": 5,
    "TreatMissingData": "breaching",
    "Period": 60,
    "Namespace": "AWS/RDS",
    "MetricName": "DatabaseConnections",
    "Statistic": "Maximum",
    "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": example.NAME}],
    "ActionsEnabled": True,
    "AlarmActions": [example.TOPIC],
    "OKActions": [example.TOPIC],
    "InsufficientDataActions": [],
}
COMPOSITE = {
    "AlarmRule": 'ALARM("a")  AND\n ALARM("b")',
    "ActionsEnabled": True,
    "AlarmActions": [example.TOPIC],
    "OKActions": [],
    "InsufficientDataActions": [],
}
LOAD_BALANCER = {
    "LoadBalancerName": example.NAME,
    "LoadBalancerArn": example.BALANCER,
    "SecurityGroups": ["sg-2", "sg-1"],
}
GROUP: dict[str, Any] = {
    "TargetGroupName": f"{example.NAME}-backend",
    "Port": 8000,
    "Protocol": "HTTP",
    "HealthCheckProtocol": "HTTP",
    "HealthCheckPath": "/health/ready",
    "HealthCheckPort": "traffic-port",
    "Matcher": {"HttpCode": "200"},
    "HealthCheckIntervalSeconds": 30,
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 3,
}
TRAIL = {
    "Name": example.NAME,
    "TrailARN": "arn:trail",
    "IsMultiRegionTrail": True,
    "LogFileValidationEnabled": True,
    "S3BucketName": f"{example.NAME}-audit",
}
ANSWERS: list[tuple[str, dict[tuple[str, str], Any], dict[str, Any]]] = [
    ("aws_lb", {}, {"balancers": LoadBalancers((), {example.NAME: LOAD_BALANCER})}),
    ("aws_lb_target_group", {}, {"groups": TargetGroups((), {GROUP["TargetGroupName"]: GROUP})}),
    ("aws_lb_listener", {}, {"listeners": Listeners((), records=(LISTENER,))}),
    ("aws_lb_listener_rule", {}, {"listeners": Listeners((), records=(LISTENER,))}),
    ("aws_ecs_cluster", {}, {"services": Services((service(),))}),
    ("aws_ecs_service", {}, {"services": Services((service(alarms=(f"{example.NAME}-backend-unhealthy",), breaker=True, target_groups=(example.group("backend"),)),))}),
    ("aws_appautoscaling_target", {("application-autoscaling", "describe_scalable_targets"): {"ScalableTargets": [{"ResourceId": example.SERVICE, "MinCapacity": 2, "MaxCapacity": 10, "SuspendedState": dict.fromkeys(("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False)}]}}, {}),
    ("aws_appautoscaling_policy", {("application-autoscaling", "describe_scaling_policies"): {"ScalingPolicies": [{"PolicyName": f"{example.NAME}-backend-cpu", "ResourceId": example.SERVICE, "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 70.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}, "DisableScaleIn": False}}]}}, {}),
    ("aws_cloudwatch_metric_alarm", {}, {"alarms": Alarms((replace(alarm(str(METRIC["AlarmName"])), record=METRIC),))}),
    ("aws_cloudwatch_composite_alarm", {}, {"alarms": Alarms((replace(alarm(f"{example.NAME}-backend-at-max", kind="composite"), record=COMPOSITE),))}),
    ("aws_sns_topic", {("sns", "list_topics"): {"Topics": [{"TopicArn": example.TOPIC}]}}, {}),
    ("aws_sns_topic_subscription", {("sns", "list_subscriptions"): {"Subscriptions": [{"SubscriptionArn": f"{example.TOPIC}:5e", "TopicArn": example.TOPIC, "Protocol": "sqs", "Endpoint": example.QUEUE}]}}, {}),
    ("aws_sqs_queue", {("sqs", "list_queues"): {"QueueUrls": [f"https://sqs.{example.REGION}.amazonaws.com/{example.ACCOUNT}/{example.NAME}-alerts"]}}, {}),
    ("aws_sns_topic_policy", {("sns", "get_topic_attributes"): {"Attributes": {"Policy": example.HEALTHY["aws_sns_topic_policy"]["policy"]}}}, {}),
    ("aws_sqs_queue_policy", {("sqs", "get_queue_attributes"): {"Attributes": {"Policy": example.HEALTHY["aws_sqs_queue_policy"]["policy"]}}}, {}),
    ("aws_cloudwatch_event_rule", {("events", "list_rules"): {"Rules": [{"Name": f"{example.NAME}-deployment-failed", "State": "ENABLED", "EventPattern": '{"source":["aws.ecs"]}'}]}}, {}),
    ("aws_cloudwatch_event_target", {("events", "list_rules"): {"Rules": [{"Name": f"{example.NAME}-deployment-failed"}]}, ("events", "list_targets_by_rule"): {"Targets": [{"Arn": example.TOPIC}]}}, {}),
    ("aws_cloudwatch_log_group", {("logs", "describe_log_groups"): {"logGroups": [{"logGroupName": f"/ecs/{example.NAME}/backend", "retentionInDays": 365, "kmsKeyId": f"arn:aws:kms:{example.REGION}:{example.ACCOUNT}:key/k-1"}]}}, {}),
    ("aws_db_instance", {}, {"pending": Pending((), database=DATABASE)}),
    ("aws_elasticache_replication_group", {}, {"pending": Pending((), cache=CACHE)}),
    ("aws_cloudtrail", {("cloudtrail", "describe_trails"): {"trailList": [TRAIL, {"Name": "another", "TrailARN": "x"}]}, ("cloudtrail", "get_trail_status"): {"IsLogging": True}}, {}),
    ("aws_flow_log", {("ec2", "describe_flow_logs"): {"FlowLogs": [{"FlowLogId": "fl-1", "ResourceId": "vpc-1", "TrafficType": "ALL", "LogDestination": example.HEALTHY["aws_flow_log"]["log_destination"]}]}}, {}),
    ("aws_vpc_security_group_ingress_rule", {("ec2", "describe_security_group_rules"): {"SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-3", "IsEgress": False, "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "ReferencedGroupInfo": {"GroupId": "sg-1"}}]}}, {}),
    ("aws_vpc_security_group_egress_rule", {("ec2", "describe_security_group_rules"): {"SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-2", "GroupId": "sg-1", "IsEgress": True, "IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "CidrIpv4": "0.0.0.0/0"}]}}, {}),
    ("aws_nat_gateway", {("ec2", "describe_nat_gateways"): {"NatGateways": [{"NatGatewayId": "nat-1", "State": "available"}]}}, {}),
    ("aws_route", {("ec2", "describe_route_tables"): {"RouteTables": [{"RouteTableId": "rtb-1", "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"}]}]}}, {}),
    ("aws_secretsmanager_secret", {("secretsmanager", "list_secrets"): {"SecretList": [{"Name": f"{example.NAME}/secret-key"}]}}, {}),
    ("aws_kms_key", {("kms", "describe_key"): {"KeyMetadata": {"KeyId": "k-1", "KeyState": "Enabled"}}}, {}),
    ("aws_iam_role", {("iam", "list_roles"): {"Roles": [{"RoleName": f"{example.NAME}-backend-task", "AssumeRolePolicyDocument": json.loads(example.HEALTHY["aws_iam_role"]["assume_role_policy"])}, {"RoleName": "another"}]}}, {}),
    ("aws_s3_bucket", {("s3", "list_buckets"): {"Buckets": [{"Name": f"{example.NAME}-audit"}]}}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "answers", "facts"), ANSWERS)
def test_aws_answers_of_a_healthy_thing_are_what_the_state_says(
    kind: str, answers: dict[tuple[str, str], Any], facts: dict[str, Any]
) -> None:
    found = listed(answers, kind, **facts)
    assert found.not_listed == ()
    assert deviations(found) == ()


def test_there_are_answers_for_every_kind() -> None:
    assert [kind for kind, _, _ in ANSWERS] == list(example.HEALTHY)


EMPTY = {
    "list_topics": {"Topics": []},
    "list_subscriptions": {"Subscriptions": []},
    "list_queues": {},
    "get_queue_attributes": {},
    "get_topic_attributes": NotFound("no", "NotFoundException"),
    "list_roles": {"Roles": []},
    "list_rules": {"Rules": []},
    "describe_log_groups": {"logGroups": []},
    "describe_scalable_targets": {"ScalableTargets": []},
    "describe_scaling_policies": {"ScalingPolicies": []},
    "describe_trails": {"trailList": []},
    "describe_flow_logs": {"FlowLogs": []},
    "describe_security_group_rules": {"SecurityGroupRules": []},
    "describe_nat_gateways": {"NatGateways": []},
    "describe_route_tables": {"RouteTables": []},
    "list_secrets": {"SecretList": []},
    "describe_key": NotFound("no", "NotFoundException"),
    "list_buckets": {"Buckets": []},
    "get_web_acl_for_resource": {},
    "describe_services": {"services": [], "failures": []},
}


@pytest.mark.parametrize(("kind", "answers", "facts"), ANSWERS)
def test_what_rests_on_no_other_fact_is_listed_before_others_are_read(
    kind: str, answers: dict[tuple[str, str], Any], facts: dict[str, Any]
) -> None:
    expected = Expected((Thing(kind, example.HEALTHY[kind]),), written=WRITTEN)
    aws = FakeGateway(answers, STAGING)
    early = read_listed(aws, expected)
    assert [kind in types for types in early.answers] == ([] if facts else [True])
    assert [problem for _, problem in early.answers.values() if problem] == []


def test_without_a_state_nothing_is_listed_before_others_are_read() -> None:
    gateway = FakeGateway({}, STAGING)
    expected = Expected((Thing("aws_sns_topic", example.HEALTHY["aws_sns_topic"]),))
    assert read_listed(gateway, expected) == Listed({})


def test_a_route_whose_gateway_is_gone_leads_nowhere() -> None:
    route = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "blackhole"}
    answers: dict[tuple[str, str], Any] = {
        ("ec2", "describe_route_tables"): {"RouteTables": [{"RouteTableId": "rtb-1", "Routes": [route]}]}
    }
    [found] = deviations(listed(answers, "aws_route"))
    assert found.is_missing


@pytest.mark.parametrize("kind", list(example.HEALTHY))
def test_empty_answers_are_things_that_are_gone(kind: str) -> None:
    services = {"sns": "sns", "sqs": "sqs"}
    every = (
        "sns",
        "sqs",
        "events",
        "logs",
        "application-autoscaling",
        "cloudtrail",
        "ec2",
        "secretsmanager",
        "kms",
        "iam",
        "s3",
        "ecs",
    )
    answers = {(name, operation): answer for name in (*services, *every) for operation, answer in EMPTY.items()}
    gone = {"services": Services((), cluster_missing=True)} if kind == "aws_ecs_cluster" else {}
    found = listed(answers, kind, **gone)
    assert [one.is_missing for one in deviations(found)] == [True]


@pytest.mark.parametrize(
    ("kind", "operation", "action"),
    [
        ("aws_sns_topic", ("sns", "list_topics"), "sns:ListTopics"),
        ("aws_kms_key", ("kms", "describe_key"), "kms:DescribeKey"),
        ("aws_nat_gateway", ("ec2", "describe_nat_gateways"), "ec2:DescribeNatGateways"),
    ],
)
def test_a_listing_that_is_denied_costs_its_own_kinds_only(kind: str, operation: tuple[str, str], action: str) -> None:
    answers = {operation: AccessDenied(f"lacks {action}", action), ("s3", "list_buckets"): {"Buckets": []}}
    found = listed(answers, kind, "aws_s3_bucket")
    assert [(one.types, one.action, one.is_reported) for one in found.not_listed] == [((kind,), action, False)]
    assert [one.thing.type for one in deviations(found)] == ["aws_s3_bucket"]


@pytest.mark.parametrize(
    ("kind", "fact"),
    [
        ("aws_lb", "balancers"),
        ("aws_lb_target_group", "groups"),
        ("aws_lb_listener", "listeners"),
        ("aws_cloudwatch_metric_alarm", "alarms"),
        ("aws_ecs_service", "services"),
        ("aws_db_instance", "pending"),
        ("aws_elasticache_replication_group", "pending"),
    ],
)
def test_what_another_fact_could_not_read_is_reported_by_its_own_check(kind: str, fact: str) -> None:
    found = listed({}, kind, **{fact: None})
    assert [one.is_reported for one in found.not_listed] == [True]
    assert deviations(found) == ()


def test_rules_that_may_not_be_read_are_not_gone() -> None:
    denied = Listeners((), AccessDenied("lacks it", "elasticloadbalancing:DescribeRules"), (LISTENER | {"Rules": []},))
    found = listed({}, "aws_lb_listener", "aws_lb_listener_rule", listeners=denied)
    assert [one.types for one in found.not_listed] == [("aws_lb_listener_rule",)]
    assert deviations(found) == ()


def test_services_of_the_state_that_omc_toml_does_not_name_are_asked_for() -> None:
    record = {"serviceName": "worker", "status": "ACTIVE", "desiredCount": 1, "runningCount": 1, "pendingCount": 0}
    worker = Thing("aws_ecs_service", {"name": "worker", "cluster": example.NAME})
    other = Thing("aws_ecs_service", {"name": "job", "cluster": f"arn:aws:ecs:x:1:cluster/{example.NAME}"})
    answers: Any = {
        ("ecs", "describe_services"): {"services": [record, {**record, "serviceName": "job", "status": "INACTIVE"}]}
    }
    expected = Expected((worker, other), WRITTEN)
    found = _read(answers, expected, {"services": Services((service(),))})
    assert [one.thing.name for one in deviations(found)] == ["job"]


@pytest.mark.parametrize(
    ("names", "prefix"),
    [(["ab-1", "ab-2"], "ab-"), (["a", "b"], ""), (["one"], "one"), ([], ""), (["a", "ab"], "a")],
)
def test_names_are_asked_for_by_what_they_begin_with(names: list[str], prefix: str) -> None:
    from omc.facts.listings.common import common_prefix

    assert common_prefix(names) == prefix
