"""Maintenance of a real PostgreSQL and a real Valkey: each restarts, is something else afterwards, and serves again."""

from __future__ import annotations

from typing import Any

import pytest

from support.commands import CommandResult
from support.stack import CLUSTER, Stack, wait_until_healthy

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]

GROUP = f"{CLUSTER}-redis"


def change(stack: Stack, *words: str) -> CommandResult:
    done = stack.omc(*words, "--env", "local", "--yes", "--output", "json", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def undo(stack: Stack, done: CommandResult) -> None:
    change(stack, "runs", "undo", done.json["run"]["run"])


def instance(stack: Stack) -> dict[str, Any]:
    [found] = stack.client("rds").describe_db_instances(DBInstanceIdentifier=CLUSTER)["DBInstances"]
    return dict(found)


def restarts(stack: Stack) -> int:
    events = stack.client("rds").describe_events(SourceIdentifier=CLUSTER, SourceType="db-instance", Duration=60)
    return sum("restarted" in each["Message"] for each in events["Events"])


def steps(done: CommandResult) -> dict[str, str]:
    return {each["name"]: each["sentence"] for each in done.json["run"]["steps"]}


def test_the_database_restarts_for_a_static_parameter_and_is_of_another_class_and_both_are_taken_back(
    stack: Stack,
) -> None:
    wait_until_healthy(stack)
    began = restarts(stack)
    parameter = change(stack, "database", "parameter", "max_connections=90")
    assert restarts(stack) == began + 1
    said = steps(parameter)
    assert "a reboot brings it into force" in said["parameters"]
    assert "has restarted and is available" in said["reboot"]
    assert said["connect"] == "a new connection to the database ended with 0."
    assert "serve" in said["services"]
    assert instance(stack)["DBParameterGroups"][0]["ParameterApplyStatus"] == "in-sync"

    undo(stack, parameter)
    class_ = change(stack, "database", "class", "db.t4g.small")
    assert instance(stack)["DBInstanceClass"] == "db.t4g.small"
    assert instance(stack)["DBParameterGroups"][0]["ParameterApplyStatus"] == "in-sync", "the value of before"
    undo(stack, class_)
    assert instance(stack)["DBInstanceClass"] == "db.t4g.micro"
    wait_until_healthy(stack)


def test_the_cache_fails_over_to_a_replica_that_was_added(stack: Stack) -> None:
    cache = stack.client("elasticache")
    scaled = change(stack, "cache", "scale", "--replicas", "1")
    failed_over = change(stack, "cache", "failover")
    assert f"{GROUP}-002 is the primary of {GROUP} now" in steps(failed_over)["failover"]
    [group] = cache.describe_replication_groups(ReplicationGroupId=GROUP)["ReplicationGroups"]
    roles = {each["CacheClusterId"]: each["CurrentRole"] for each in group["NodeGroups"][0]["NodeGroupMembers"]}
    assert roles == {f"{GROUP}-001": "replica", f"{GROUP}-002": "primary"}
    assert (group["AutomaticFailover"], group["MultiAZ"]) == ("enabled", "enabled")
    change(stack, "cache", "failover")
    undo(stack, scaled)
    [group] = cache.describe_replication_groups(ReplicationGroupId=GROUP)["ReplicationGroups"]
    assert group["MemberClusters"] == [f"{GROUP}-001"]
    wait_until_healthy(stack)


def test_a_rotated_master_password_lets_a_new_connection_in(stack: Stack) -> None:
    secrets, arn = stack.client("secretsmanager"), instance(stack)["MasterUserSecret"]["SecretArn"]
    before = secrets.get_secret_value(SecretId=arn)["VersionId"]
    done = change(stack, "database", "rotate")
    assert secrets.get_secret_value(SecretId=arn)["VersionId"] != before
    assert steps(done)["connect"] == "a new connection to the database ended with 0."
