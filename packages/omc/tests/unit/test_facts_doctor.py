"""What the doctor reads: each answer of AWS and GitHub as it comes, with each field of it taken away in turn."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from omc.checks.doctor import DOCTOR
from omc.checks.finding import Finding, Level
from omc.checks.run import run_checks
from omc.config.tables import GitHubSettings
from omc.errors import AccessDenied, AwsRefused, NotFound
from omc.facts.account import Caller, read_aws_clock
from omc.facts.alarm_paths import read_alarm_paths
from omc.facts.alarms import read_alarms
from omc.facts.github import (
    named_by,
    protection_in,
    read_github_trust,
    read_protection,
    read_repository,
    trust_in,
)
from omc.facts.permissions import read_permissions
from omc.facts.project import Project
from omc.facts.record_places import read_record_bucket
from omc.facts.record_store import read_record_store
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.facts.state_file import read_state_file
from omc.store.location import StoreLocation
from support import release_facts as example
from support.canned_aws import ACCOUNT, NOW, alarm, arn
from support.fake_gateway import FakeGateway
from support.http_server import serving

STAGING = replace(example.environment(), local_state=None, name="staging")
GATEWAY = FakeGateway({}, STAGING)
USER = Caller(f"arn:aws:iam::{ACCOUNT}:user/jo", ACCOUNT)
PROJECT = Project(Path(__file__).parents[4], "ohmycoins")
TOPIC = arn("sns", "ohmycoins-staging-sev-1")
QUEUE = arn("sqs", "ohmycoins-staging-alerts")
KEY = arn("kms", "key/abc")
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


def trusting(*subjects: str, operator: str = "StringEquals") -> dict[str, Any]:
    claims = {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": list(subjects),
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": PROVIDER},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {operator: claims},
            }
        ],
    }


def simulated(params: Mapping[str, Any], decision: str = "allowed") -> dict[str, Any]:
    """As IAM answers: the resources below each action, where there are several."""
    resources = params["ResourceArns"]
    each = [{"EvalResourceName": one, "EvalResourceDecision": decision} for one in resources]
    return {
        "EvaluationResults": [
            {"EvalActionName": action, "EvalResourceName": resources[0], "EvalDecision": decision}
            | ({"ResourceSpecificResults": each} if len(each) > 1 else {})
            for action in params["ActionNames"]
        ]
    }


def answers() -> dict[tuple[str, str], Any]:
    """An account in which all is as omc wants it, by python's names of calls."""
    service: dict[str, Any] = {
        "status": "ACTIVE",
        "desiredCount": 1,
        "runningCount": 1,
        "pendingCount": 0,
        "taskDefinition": "arn:aws:ecs:r:1:task-definition/ohmycoins-backend:7",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "ROLLING"},
        "deployments": [],
        "events": [],
    }
    definition = {
        "family": "ohmycoins-backend",
        "revision": 7,
        "taskDefinitionArn": "arn:aws:ecs:r:1:task-definition/ohmycoins-backend:7",
        "cpu": "256",
        "containerDefinitions": [],
    }
    task = {
        "taskArn": "arn:aws:ecs:r:1:task/c/t1",
        "taskDefinitionArn": "arn:aws:ecs:r:1:task-definition/ohmycoins-backend:7",
        "lastStatus": "RUNNING",
        "enableExecuteCommand": True,
        "containers": [
            {"name": "backend", "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}]}
        ],
    }
    balancer = {
        "LoadBalancerName": "ohmycoins-staging",
        "LoadBalancerArn": arn("elasticloadbalancing", "loadbalancer/app/ohmycoins-staging/1"),
        "State": {"Code": "active"},
    }
    listener = {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": arn("acm", "certificate/1")}]}
    certificate = {
        "Status": "ISSUED",
        "DomainName": "app.example.com",
        "NotAfter": NOW + timedelta(days=200),
        "Type": "AMAZON_ISSUED",
    }
    date = format_datetime(NOW, usegmt=True)
    return {
        ("sts", "get_caller_identity"): lambda _: {
            "Arn": USER.arn,
            "Account": ACCOUNT,
            "ResponseMetadata": {"HTTPHeaders": {"date": date}},
        },
        ("iam", "simulate_principal_policy"): simulated,
        ("iam", "list_open_id_connect_providers"): {"OpenIDConnectProviderList": [{"Arn": PROVIDER}]},
        ("iam", "get_role"): lambda params: {"Role": {"AssumeRolePolicyDocument": _trust_of(params["RoleName"])}},
        ("s3", "list_objects_v2"): lambda params: {"Contents": _objects(params)},
        ("s3", "head_object"): {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY},
        ("s3", "get_bucket_encryption"): {
            "ServerSideEncryptionConfiguration": {
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"KMSMasterKeyID": KEY}}]
            }
        },
        ("s3", "get_bucket_versioning"): {"Status": "Enabled"},
        ("s3", "get_object_lock_configuration"): {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
        ("cloudwatch", "describe_alarms"): {"MetricAlarms": [alarm("a") | {"AlarmActions": [TOPIC]}]},
        ("cloudwatch", "get_metric_data"): {
            "MetricDataResults": [
                {"Id": "q0_0", "Timestamps": [], "Values": []},
                {"Id": "q0_1", "Timestamps": [NOW, NOW], "Values": [12.0, 12.0]},
            ]
        },
        ("sns", "list_subscriptions_by_topic"): {
            "Subscriptions": [{"Protocol": "sqs", "Endpoint": QUEUE, "SubscriptionArn": f"{TOPIC}:1"}]
        },
        ("logs", "describe_log_groups"): lambda params: {
            "logGroups": [
                {"logGroupName": name, "retentionInDays": 30, "kmsKeyId": KEY}
                for name in [params["logGroupNamePrefix"]]
                if name != "RDSOSMetrics"
            ]
        },
        ("elbv2", "describe_load_balancers"): {"LoadBalancers": [balancer]},
        ("elbv2", "describe_listeners"): {"Listeners": [listener]},
        ("acm", "describe_certificate"): {"Certificate": certificate},
        ("rds", "describe_db_instances"): {"DBInstances": []},
        ("ecs", "describe_services"): {
            "services": [service | {"serviceName": name} for name in ("backend", "frontend")]
        },
        ("ecs", "list_tasks"): {"taskArns": ["arn:aws:ecs:r:1:task/c/t1"]},
        ("ecs", "describe_tasks"): {"tasks": [task]},
        ("ecs", "describe_task_definition"): {"taskDefinition": definition, "tags": []},
        ("ecs", "list_task_definitions"): {"taskDefinitionArns": []},
        ("ecs", "list_service_deployments"): {
            "serviceDeployments": [
                {"serviceDeploymentArn": "b", "createdAt": NOW},
                {"serviceDeploymentArn": "a", "createdAt": NOW - timedelta(days=1)},
            ]
        },
        ("ec2", "describe_subnets"): {
            "Subnets": [{"SubnetId": "subnet-1", "AvailabilityZone": "a", "AvailableIpAddressCount": 200}]
        },
        ("ec2", "describe_flow_logs"): {
            "FlowLogs": [
                {"FlowLogId": "fl-1", "LogGroupName": "/vpc/ohmycoins-staging/flow", "DeliverLogsStatus": "SUCCESS"}
            ]
        },
        ("service-quotas", "get_service_quota"): {"Quota": {"Value": 64.0}},
    }


def _trust_of(name: str) -> dict[str, Any]:
    context = "environment:staging" if name.endswith("apply") else "ref:refs/heads/main"
    return trusting(f"repo:owner/app:{context}", f"repo:owner@7/app@42:{context}")


def _objects(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"Key": params["Prefix"], "LastModified": NOW - timedelta(days=1)}]


def examined(record: dict[tuple[str, str], Any], **environment: Any) -> list[Finding]:
    place = replace(STAGING, github=GitHubSettings(repository="owner/app"), **environment)
    more = {Project: PROJECT, StoreLocation: StoreLocation(folder=Path("/nonexistent/omc"))}
    gateway = FakeGateway(dict(record), place)
    return list(run_checks(DOCTOR, Facts(gateway, Scope(NOW), more)).findings)


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ACTIONS", "GITHUB_API_URL"):
        monkeypatch.delenv(name, raising=False)


def levels(findings: list[Finding]) -> dict[str, set[Level]]:
    found: dict[str, set[Level]] = {}
    for finding in findings:
        found.setdefault(finding.check, set()).add(finding.level)
    return found


OF_AWS = (
    *("permissions", "oidc-trust", "terraform-state", "record-kept-outside", "alarm-actions", "exec-agents"),
    *("alarm-reaches-a-person", "log-groups", "quotas", "addresses", "question-deployment-order", "clocks"),
    *("question-deployment-configuration", "question-flow-log-role", "question-started-by"),
)
"""Checks that rest on what AWS answers alone."""


def test_where_all_is_as_it_should_be_every_check_of_aws_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    record = answers()
    record["sts", "get_caller_identity"] = _now
    found = levels(examined(record))
    assert {check: found[check] for check in OF_AWS} == {check: {Level.OK} for check in OF_AWS}


def _now(_: Mapping[str, Any]) -> dict[str, Any]:
    from datetime import UTC, datetime

    date = format_datetime(datetime.now(UTC), usegmt=True)
    return {"Arn": USER.arn, "Account": ACCOUNT, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}


TAKEN: tuple[tuple[str, str, tuple[str | int, ...], str], ...] = (
    ("s3", "head_object", ("ServerSideEncryption",), "terraform-state"),
    ("s3", "get_bucket_versioning", ("Status",), "terraform-state"),
    ("s3", "get_object_lock_configuration", ("ObjectLockConfiguration",), "record-kept-outside"),
    ("s3", "get_object_lock_configuration", ("ObjectLockConfiguration", "ObjectLockEnabled"), "record-kept-outside"),
    ("iam", "list_open_id_connect_providers", ("OpenIDConnectProviderList",), "oidc-trust"),
    ("sns", "list_subscriptions_by_topic", ("Subscriptions",), "alarm-reaches-a-person"),
    ("sns", "list_subscriptions_by_topic", ("Subscriptions", 0, "Protocol"), "alarm-reaches-a-person"),
    ("sns", "list_subscriptions_by_topic", ("Subscriptions", 0, "Endpoint"), "alarm-reaches-a-person"),
    ("cloudwatch", "describe_alarms", ("MetricAlarms", 0, "AlarmActions"), "alarm-actions"),
    ("cloudwatch", "describe_alarms", ("MetricAlarms", 0, "ActionsEnabled"), "alarm-actions"),
    ("cloudwatch", "get_metric_data", ("MetricDataResults",), "alarm-reaches-a-person"),
    ("cloudwatch", "get_metric_data", ("MetricDataResults", 1, "Values"), "alarm-reaches-a-person"),
    ("ecs", "describe_tasks", ("tasks",), "exec-agents"),
    ("ecs", "describe_tasks", ("tasks", 0, "lastStatus"), "exec-agents"),
    ("ecs", "describe_tasks", ("tasks", 0, "enableExecuteCommand"), "exec-agents"),
    ("ecs", "describe_tasks", ("tasks", 0, "containers"), "exec-agents"),
    ("ecs", "describe_tasks", ("tasks", 0, "containers", 0, "managedAgents"), "exec-agents"),
    ("ecs", "describe_tasks", ("tasks", 0, "containers", 0, "managedAgents", 0, "lastStatus"), "exec-agents"),
    ("ecs", "list_service_deployments", ("serviceDeployments", 0, "createdAt"), "question-deployment-order"),
    ("ecs", "list_tasks", ("taskArns",), "question-started-by"),
    ("ec2", "describe_flow_logs", ("FlowLogs", 0, "DeliverLogsStatus"), "question-flow-log-role"),
    ("ec2", "describe_subnets", ("Subnets", 0, "AvailableIpAddressCount"), "addresses"),
    ("ec2", "describe_subnets", ("Subnets",), "addresses"),
    ("service-quotas", "get_service_quota", ("Quota", "Value"), "quotas"),
    ("acm", "describe_certificate", ("Certificate", "Status"), "certificate-and-name"),
    ("acm", "describe_certificate", ("Certificate", "NotAfter"), "certificate-and-name"),
    ("elbv2", "describe_listeners", ("Listeners", 0, "Protocol"), "certificate-and-name"),
)


@pytest.mark.parametrize(("service", "operation", "path", "check"), TAKEN, ids=lambda value: str(value))
def test_a_field_that_is_missing_is_never_ok(
    service: str, operation: str, path: tuple[str | int, ...], check: str
) -> None:
    record = copy.deepcopy(answers())
    inner = record[service, operation]
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    found = levels(examined(record))
    assert found[check] - {Level.OK}, found[check]


@pytest.mark.parametrize("call", [call for call in answers() if call != ("sts", "get_caller_identity")], ids=str)
def test_what_may_not_be_read_is_unknown_and_hurts_nothing_else(call: tuple[str, str]) -> None:
    action = f"{call[0]}:{call[1]}"
    whole = examined(answers())
    found = examined(answers() | {call: AccessDenied(f"{action} is not allowed.", action)})
    assert {finding.check for finding in found} == {finding.check for finding in whole}
    unknown = {finding.check for finding in found if finding.level is Level.UNKNOWN}
    assert unknown or call[1] in ("describe_task_definition", "list_task_definitions", "describe_db_instances")
    assert not any("mistake in omc" in finding.sentence for finding in found)


def test_every_command_is_simulated_on_the_things_that_it_touches() -> None:
    aws = FakeGateway(answers(), STAGING)
    read = read_permissions(aws, STAGING, USER, PROJECT)
    assert not read.unanswered
    assert all(one.decision == "allowed" for some in read.of.values() for one in some)
    requested = aws.calls("simulate_principal_policy")
    assert len(requested) < 25
    assert all(params["PolicySourceArn"] == USER.arn for params in requested)
    regions = {
        entry["ContextKeyValues"][0]
        for params in requested
        for entry in params["ContextEntries"]
        if entry["ContextKeyName"] == "aws:RequestedRegion"
    }
    assert regions == {STAGING.region, "us-east-1"}


def test_a_session_is_simulated_as_its_role_with_the_role_s_path() -> None:
    record = answers() | {
        ("iam", "get_role"): {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/R"}}
    }
    session = Caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/R/jo", ACCOUNT)
    read = read_permissions(FakeGateway(record, STAGING), STAGING, session, PROJECT)
    assert read.principal.endswith("role/aws-reserved/sso.amazonaws.com/R")
    record["iam", "get_role"] = AccessDenied("no", "iam:GetRole")
    read = read_permissions(FakeGateway(record, STAGING), STAGING, session, PROJECT)
    assert read.principal == f"arn:aws:iam::{ACCOUNT}:role/R"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (AccessDenied("iam SimulatePrincipalPolicy is not allowed", "iam:SimulatePrincipalPolicy"), "not allowed"),
        (NotFound("NoSuchEntity", "NoSuchEntity"), "may have another path"),
        (AwsRefused("InvalidInput", "InvalidInput"), "InvalidInput"),
    ],
)
def test_a_simulation_that_is_refused_is_unknown(error: Exception, says: str) -> None:
    record = answers() | {("iam", "simulate_principal_policy"): error}
    read = read_permissions(FakeGateway(record, STAGING), STAGING, USER, PROJECT)
    assert says in read.unknown
    assert not read.of


def test_root_and_federated_users_are_not_simulated() -> None:
    for name, unrestricted in (
        (f"arn:aws:iam::{ACCOUNT}:root", True),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/x", False),
    ):
        aws = FakeGateway(answers(), STAGING)
        read = read_permissions(aws, STAGING, Caller(name, ACCOUNT), PROJECT)
        assert (read.unrestricted, bool(read.unknown)) == (unrestricted, not unrestricted)
        assert not aws.requests


@pytest.mark.parametrize(("date", "ahead"), [(NOW - timedelta(seconds=400), -400), (NOW + timedelta(hours=1), 3600)])
def test_aws_s_clock_is_known_by_its_own_date(date: Any, ahead: float) -> None:
    from datetime import UTC, datetime

    shift = datetime.now(UTC) - NOW
    record = {"ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(date + shift, usegmt=True)}}}
    aws = FakeGateway({("sts", "get_caller_identity"): record}, STAGING)
    found = read_aws_clock(aws).ahead_seconds
    assert found is not None
    assert abs(found - ahead) < 5


def test_a_topic_that_is_gone_is_reported() -> None:
    record = answers() | {("sns", "list_subscriptions_by_topic"): NotFound("gone", "NotFound")}
    aws = FakeGateway(record, STAGING)
    paths = read_alarm_paths(aws, STAGING, read_alarms(aws), Scope(NOW))
    assert paths.missing == (TOPIC,)


@pytest.mark.parametrize("arn_of_it", ["PendingConfirmation", "Deleted"])
def test_a_subscription_without_an_arn_is_not_confirmed(arn_of_it: str) -> None:
    mail = {"Protocol": "email", "Endpoint": "jo@example.com", "SubscriptionArn": arn_of_it}
    aws = FakeGateway(answers() | {("sns", "list_subscriptions_by_topic"): {"Subscriptions": [mail]}}, STAGING)
    [[subscription]] = read_alarm_paths(aws, STAGING, read_alarms(aws), Scope(NOW)).topics.values()
    assert subscription.confirmed is False


def test_a_bucket_of_another_kind() -> None:
    for code, missing, locks in (("NoSuchBucket", True, None), ("ObjectLockConfigurationNotFoundError", False, False)):
        record = answers() | {("s3", "get_object_lock_configuration"): NotFound(code, code)}
        read = read_record_bucket(FakeGateway(record, STAGING), STAGING)
        assert (read.missing, read.object_lock) == (missing, locks)
    record = answers() | {("s3", "list_objects_v2"): NotFound("NoSuchBucket", "NoSuchBucket")}
    assert read_state_file(FakeGateway(record, STAGING), STAGING, USER, PROJECT).bucket_missing


def test_a_lock_that_was_left_is_seen_beside_the_state() -> None:
    def two(params: Mapping[str, Any]) -> dict[str, Any]:
        times = ((params["Prefix"], 2), (f"{params['Prefix']}.tflock", 1))
        return {"Contents": [{"Key": key, "LastModified": NOW - timedelta(days=days)} for key, days in times]}

    record = answers() | {("s3", "list_objects_v2"): two}
    read = read_state_file(FakeGateway(record, STAGING), STAGING, USER, PROJECT)
    assert read.locked == NOW - timedelta(days=1)


# GitHub


@pytest.mark.parametrize(
    ("remote", "name"),
    [
        ("git@github.com:owner/app.git", "owner/app"),
        ("https://github.com/owner/app", "owner/app"),
        ("https://github.com/owner/app.git/", "owner/app"),
        ("https://x:ghp_secret@github.com/owner/app.git", "owner/app"),
        ("ssh://git@github.com/owner/app.git", "owner/app"),
        ("ssh://git@github.com:22/owner/app.git", "owner/app"),
        ("https://acme.ghe.com/owner/app", "owner/app"),
        ("https://github.example.com/owner/app", "owner/app"),
        ("https://gitlab.com/owner/app", ""),
        ("https://github.com.evil.example/owner/app", ""),
        ("/srv/git/app.git", ""),
        ("https://github.com/owner", ""),
        ("", ""),
    ],
)
def test_the_repository_of_a_remote(remote: str, name: str) -> None:
    assert named_by(remote, "https://github.example.com/api/v3") == name


@pytest.mark.parametrize(
    ("document", "subjects", "patterns", "is_open"),
    [
        (trusting("repo:o/r:ref:refs/heads/main"), ("repo:o/r:ref:refs/heads/main",), (), False),
        (trusting("repo:o/r:*", operator="StringLike"), (), ("repo:o/r:*",), False),
        (trusting("repo:o/r:x", operator="StringLike"), ("repo:o/r:x",), (), False),
        (trusting("repo:o/r:*"), ("repo:o/r:*",), (), False),  # StringEquals takes a star for a star
        (trusting("repo:o/r:*", operator="ForAnyValue:StringLike"), (), ("repo:o/r:*",), False),
        (trusting(), (), (), True),
        (trusting("x", operator="StringNotEquals"), (), (), True),
        ({"Statement": trusting("a")["Statement"][0]}, ("a",), (), False),
        ({"Statement": [{"Effect": "Deny"} | {"Principal": {"Federated": PROVIDER}}]}, (), (), False),
        ({"Statement": [{"Effect": "Allow", "Principal": "*"}]}, (), (), False),
        ({}, (), (), False),
    ],
)
def test_whom_a_trust_policy_trusts(
    document: dict[str, Any], subjects: tuple[str, ...], patterns: tuple[str, ...], is_open: bool
) -> None:
    read = trust_in("r", document)
    assert (read.subjects, read.patterns, read.open) == (subjects, patterns, is_open)


def test_a_policy_may_come_quoted() -> None:
    record = answers() | {
        ("iam", "get_role"): {"Role": {"AssumeRolePolicyDocument": quote(json.dumps(trusting("repo:o/r:x")))}}
    }
    read = read_github_trust(FakeGateway(record, STAGING), STAGING)
    assert {role.subjects for role in read.roles} == {("repo:o/r:x",)}


RULE = {"type": "required_reviewers", "prevent_self_review": True, "reviewers": [{"type": "User"}]}


@pytest.mark.parametrize(
    ("expected", "reviewers", "prevents", "bypass", "branches"),
    [
        (
            {"protection_rules": [RULE], "can_admins_bypass": False, "deployment_branch_policy": {}},
            1,
            True,
            False,
            True,
        ),
        ({"protection_rules": [], "can_admins_bypass": True, "deployment_branch_policy": None}, 0, None, True, False),
        ({"protection_rules": [{"type": "wait_timer", "wait_timer": 30}]}, 0, None, None, None),
        ({"protection_rules": [{"type": "required_reviewers", "reviewers": []}]}, 0, None, None, None),
        ({"protection_rules": [RULE | {"prevent_self_review": False}]}, 1, False, None, None),
        ({"protection_rules": None}, None, None, None, None),
        ({"protection_rules": ["odd"], "can_admins_bypass": "no"}, 0, None, None, None),
        ({}, None, None, None, None),
    ],
)
def test_what_an_environment_s_answer_comes_to(
    expected: Any, reviewers: int | None, prevents: bool | None, bypass: bool | None, branches: bool | None
) -> None:
    read = protection_in(expected)
    assert (read.reviewers, read.prevents_self_review, read.admins_bypass, read.restricts_branches) == (
        *(reviewers, prevents, bypass),
        branches,
    )


@contextmanager
def github(pages: Mapping[str, tuple[int, Any]], seen: list[tuple[str, str]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization", "")))
            status, payload = pages.get(self.path, (404, {"message": "Not Found"}))
            body = json.dumps(payload).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with serving(Handler) as address:
        yield address


REPOSITORY = {"id": 42, "owner": {"id": 7}, "created_at": "2026-08-01T00:00:00Z", "full_name": "owner/app"}


@pytest.mark.parametrize(
    ("pages", "identifier", "missing", "unknown"),
    [
        ({"/repos/owner/app": (200, REPOSITORY)}, 42, True, ""),
        ({"/repos/owner/app": (200, {})}, None, False, "token may not see"),
        ({"/repos/owner/app": (200, [])}, None, False, "can't be read"),
        ({"/repos/owner/app": (401, {})}, None, False, "401"),
        ({}, None, False, "404"),
        (
            {
                "/repos/owner/app": (200, REPOSITORY),
                "/repos/owner/app/environments/staging": (200, {"protection_rules": [RULE]}),
            },
            *(42, False, ""),
        ),
        (
            {"/repos/owner/app": (200, REPOSITORY), "/repos/owner/app/environments/staging": (403, {})},
            *(42, False, "403"),
        ),
    ],
)
def test_github_is_asked_with_the_token_of_the_shell(
    monkeypatch: pytest.MonkeyPatch, pages: Any, identifier: int | None, missing: bool, unknown: str
) -> None:
    monkeypatch.setenv("GH_TOKEN", "ghp_canary")
    seen: list[tuple[str, str]] = []
    with github(pages, seen) as api:
        place = replace(STAGING, github=GitHubSettings(api=api, repository="owner/app"))
        repository = read_repository(place, PROJECT)
        protection = read_protection(place, repository)
    assert repository.id == identifier
    assert protection.missing == missing
    assert unknown in protection.unknown
    assert bool(unknown) == bool(protection.unknown)
    assert {token for _, token in seen} == {"Bearer ghp_canary"}
    assert "canary" not in repr((repository, protection))


def test_without_a_token_nobody_is_asked(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    remote = "https://x:ghp_canary@github.com/owner/app.git"
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", remote], check=True)
    place = replace(STAGING, github=GitHubSettings(api="http://127.0.0.1:9"))
    repository = read_repository(place, Project(tmp_path, "ohmycoins"))
    assert (repository.name, repository.remote) == ("owner/app", "owner/app")
    assert "GH_TOKEN" in read_protection(place, repository).unknown
    assert "canary" not in repr(repository)


# The store


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://omc:p@ss/w@localhost:1/omc", ""),
        ("postgresql://omc@127.0.0.1:1/omc?sslmode=require", "require"),
        ("postgresql://omc@[::1]:1/omc?sslmode=verify-full", "verify-full"),
    ],
)
def test_a_store_on_the_loopback_is_not_shared_and_one_that_is_gone_is_unknown(url: str, mode: str) -> None:
    from omc.facts import record_store
    from omc.store.embedded import StoreUnreachable

    host, message = record_store._host_and_mode(StoreLocation(url=url))
    assert host in record_store.LOOPBACK
    assert message == mode
    with pytest.raises(StoreUnreachable) as raised:
        read_record_store(StoreLocation(url=url), GATEWAY)
    assert "p@ss" not in raised.value.message


def test_a_store_that_was_never_begun_is_not_started(tmp_path: Path) -> None:
    read = read_record_store(StoreLocation(folder=tmp_path / "omc"), GATEWAY)
    assert not read.has_begun
    assert not (tmp_path / "omc").exists()
