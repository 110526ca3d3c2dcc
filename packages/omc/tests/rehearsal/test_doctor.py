"""`omc doctor` on the applied stack: what holds in it, and three things that are broken by hand and told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.stack import CLUSTER, Stack

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

HOLDS = frozenset(
    {
        *("identity", "permissions", "clocks", "oidc-trust", "environment-protection", "terraform-state"),
        *("alarm-actions", "log-groups", "certificate-and-name", "exec-agents", "quotas", "addresses"),
        *("question-deployment-configuration", "question-started-by", "question-flow-log-role"),
    }
)
"""Checks of which each line is ok. Not among them: a worker and who hears an alarm, which nobody set up here."""


def examined(stack: Stack, **env: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The findings by check and subject."""
    done = stack.omc("doctor", "--env", "local", "--output", "json", env=env)
    assert done.stdout, done.stderr
    assert done.json["exit_code"] == done.returncode
    return {(finding["check"], finding["subject"]): finding for finding in done.json["findings"]}


def levels(found: dict[tuple[str, str], dict[str, Any]], check: str) -> set[str]:
    return {finding["level"] for (name, _), finding in found.items() if name == check}


def test_what_holds_in_a_healthy_stack_is_ok_and_what_does_not_is_reported(healthy: Stack) -> None:
    found = examined(healthy)
    assert {check: levels(found, check) for check in HOLDS} == {check: {"ok"} for check in HOLDS}
    assert all(finding["evidence"] for finding in found.values())
    topic = found["alarm-reaches-a-person", f"topic {CLUSTER}-sev-1"]
    assert topic["level"] == "fail", "nobody reads the queue here, and nobody else subscribes"
    assert not [finding for finding in found.values() if "mistake in omc" in finding["sentence"]]


def test_a_user_s_missing_rights_are_reported_by_the_command_that_needs_them(healthy: Stack) -> None:
    iam = healthy.client("iam")
    iam.create_user(UserName="examined")
    held = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["ecs:StopServiceDeployment", "ecr:PutImage"], "Resource": "*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": held})
    iam.put_user_policy(UserName="examined", PolicyName="most", PolicyDocument=policy)
    key = iam.create_access_key(UserName="examined")["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    try:
        found = examined(healthy, **healthy.reach() | keys)
    finally:
        iam.delete_access_key(UserName="examined", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="examined", PolicyName="most")
        iam.delete_user(UserName="examined")
    lacking = {
        subject: finding["missing_permission"]
        for (check, subject), finding in found.items()
        if check == "permissions" and finding["level"] != "ok"
    }
    assert lacking == {"omc deploy": "ecr:PutImage", "omc rollback": "ecs:StopServiceDeployment"}


def test_an_alarm_without_action_an_unconfirmed_subscription_and_a_lost_log_group_are_reported(healthy: Stack) -> None:
    cloudwatch, sns, logs = healthy.client("cloudwatch"), healthy.client("sns"), healthy.client("logs")
    name, group = f"{CLUSTER}-backend-unhealthy", f"/ecs/{CLUSTER}/exec"
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    topic = alarm["AlarmActions"][0]
    [was] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    tags = logs.list_tags_for_resource(resourceArn=was["logGroupArn"])["tags"]
    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    mail = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="jo@example.com", ReturnSubscriptionArn=True)
    logs.delete_log_group(logGroupName=group)
    try:
        found = examined(healthy)
    finally:
        cloudwatch.enable_alarm_actions(AlarmNames=[name])
        sns.unsubscribe(SubscriptionArn=mail["SubscriptionArn"])
        logs.create_log_group(logGroupName=group, kmsKeyId=was["kmsKeyId"], tags=tags)
        logs.put_retention_policy(logGroupName=group, retentionInDays=was["retentionInDays"])
    assert found["alarm-actions", name]["level"] == "fail"
    finding = found["alarm-reaches-a-person", f"topic {topic.rpartition(':')[2]}"]
    assert finding["level"] == "fail"
    assert "confirmed" in finding["sentence"]
    assert "jo@example.com" not in json.dumps(finding)
    assert found["log-groups", group]["level"] == "fail"
    assert levels(examined(healthy), "log-groups") == {"ok"}
