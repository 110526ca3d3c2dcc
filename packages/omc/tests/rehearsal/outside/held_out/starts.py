"""What a task needs when it starts: its secret, the right to it, its settings, its log group; and who is told.

Not tuned for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rehearsal.outside.story import Story
from rehearsal.outside.world import World, environment

ALARM = "alb-5xx-percent"


def _password_secret(world: World) -> str:
    """The ARN of the secret that the backend's POSTGRES_PASSWORD comes from, without the JSON key."""
    secrets = world.definition("backend")["containerDefinitions"][0]["secrets"]
    [source] = [each["valueFrom"] for each in secrets if each["name"] == "POSTGRES_PASSWORD"]
    return ":".join(source.split(":")[:7])


@contextmanager
def _wrong_password(world: World) -> Iterator[None]:
    """Somebody has changed the secret's value and not the database: what runs goes on, what starts can't log in."""
    manager, secret = world.aws("secretsmanager"), _password_secret(world)
    before = manager.get_secret_value(SecretId=secret)["SecretString"]
    changed = json.dumps(json.loads(before) | {"password": "not-the-password-of-this-user"})
    manager.put_secret_value(SecretId=secret, SecretString=changed)
    try:
        world.stop_one_task("backend")
        yield
    finally:
        manager.put_secret_value(SecretId=secret, SecretString=before)


@contextmanager
def _role_policy_deleted(world: World) -> Iterator[None]:
    iam, role = world.aws("iam"), str(world.output("services")["backend"]["execution_role_arn"]).rpartition("/")[2]
    policy = iam.get_role_policy(RoleName=role, PolicyName="start-tasks")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="start-tasks")
    try:
        world.stop_one_task("backend")
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="start-tasks", PolicyDocument=json.dumps(policy))


def _set(name: str, value: str) -> Any:
    @contextmanager
    def fault(world: World) -> Iterator[None]:
        with world.released("backend", lambda _, container: environment(container, name, value)):
            yield

    return fault


@contextmanager
def _log_group_deleted(world: World) -> Iterator[None]:
    logs, name = world.aws("logs"), world.output("services")["backend"]["log_group"]
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    [group] = [each for each in groups if each["logGroupName"] == name]
    tags = logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
    logs.delete_log_group(logGroupName=name)
    try:
        yield
    finally:
        key = {"kmsKeyId": group["kmsKeyId"]} if "kmsKeyId" in group else {}
        logs.create_log_group(logGroupName=name, tags=tags, **key)
        logs.put_retention_policy(logGroupName=name, retentionInDays=group["retentionInDays"])


@contextmanager
def _alarm_tells_nobody(world: World) -> Iterator[None]:
    """The alarm is there, its actions are on, and there are none: not the same as switched off."""
    cloudwatch, name = world.aws("cloudwatch"), world.output("alarm_names")[ALARM]
    payload = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    accepted = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    before = {key: value for key, value in payload.items() if key in accepted and value not in ([], None)}
    assert before["AlarmActions"]
    cloudwatch.put_metric_alarm(**before | {"AlarmActions": []})
    try:
        yield
    finally:
        cloudwatch.put_metric_alarm(**before)


STORIES = (
    Story(
        "wrong-password-in-the-secret",
        _wrong_password,
        "the secret of the database user holds a wrong password, and a task starts",
        headline=r"(backend|ohmycoins_app).*(password|log ?in|authenticat)"
        r"|(password|log ?in|authenticat|database-user).*(backend|ohmycoins_app)",
        words=(r"password authentication failed", r"ohmycoins_app_\w|database-user-\w"),
        # One task still holds the right password: a restart would take it away.
        never=(r"rollback", r"security group", r"omc restart"),
        within=120,
    ),
    Story(
        "role-may-not-read-the-secret",
        _role_policy_deleted,
        "the execution role's policy was deleted, and a task starts",
        headline=r"backend.*(role|secret|not allowed|may not|denied|permission|not authori[sz]ed)"
        r"|(role|secret|denied|permission|not authori[sz]ed).*backend",
        words=(r"AccessDenied|not authori[sz]ed|may not|denied", r"backend-execution", r"secretsmanager|secret"),
        never=(r"rollback", r"security group"),
        within=120,
    ),
    Story(
        "wrong-database-name",
        _set("POSTGRES_DB", "ohmycoin"),
        "a release whose POSTGRES_DB names a database that there isn't",
        headline=r"backend.*(ohmycoin\b|POSTGRES_DB|database.*(does not|doesn.t) exist|no database)",
        words=(r"database \W*ohmycoin\W* (does not|doesn.t) exist|POSTGRES_DB",),
        never=(r"security group", r"reboot"),
        within=150,
    ),
    Story(
        "cache-without-tls",
        _set("REDIS_TLS", "false"),
        "a release that speaks to the cache without TLS: it serves, without the cache",
        headline=r"cache.*(unavailable|isn.t available|not available|away|reach|answer|use|bypass|TLS)"
        r"|(unavailable|reach|without|bypass|TLS).*cache",
        words=(r"cache", r"backend:\d+|revision|release|deploy|REDIS_TLS"),
        never=(r"fail ?over", r"reboot"),
        within=150,
    ),
    Story(
        "log-group-deleted",
        _log_group_deleted,
        "the backend's log group was deleted, and what it held",
        headline=r"log group",
        words=(r"log group\W+\S*backend|\S*backend\W+.*log group",),
        never=(r"rollback",),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "alarm-tells-nobody",
        _alarm_tells_nobody,
        "the error rate's alarm has no action any more",
        headline=r"alb-5xx-percent|alarm",
        words=(r"alb-5xx-percent", r"action|nobody|notif|topic"),
        never=(r"rollback",),
        exits=(0, 1),
        within=60,
    ),
)
