"""Maintenance of a real PostgreSQL and a real Valkey: each restarts, is something else afterwards, and serves again."""

from __future__ import annotations

from typing import Any

import pytest

from support.commands import CommandResult
from support.stack import CLUSTER, Stack, wait_until_healthy
from support.waiting import eventually

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


def test_the_database_restarts_for_a_static_parameter_and_becomes_of_another_class(
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
    change(stack, "database", "class", "db.t4g.small")
    found = instance(stack)
    assert found["DBInstanceClass"] == "db.t4g.small"
    assert found["DBParameterGroups"][0]["ParameterApplyStatus"] == "in-sync", "the value of before"
    stack.client("rds").modify_db_instance(
        DBInstanceIdentifier=CLUSTER, DBInstanceClass="db.t4g.micro", ApplyImmediately=True
    )
    eventually("the class is as Terraform has it", lambda: is_as_it_was(stack))
    wait_until_healthy(stack)


def is_as_it_was(stack: Stack) -> bool:
    found = instance(stack)
    return (found["DBInstanceClass"], found["DBInstanceStatus"]) == ("db.t4g.micro", "available")


def test_the_cache_fails_over_to_a_replica_that_was_added(stack: Stack) -> None:
    cache = stack.client("elasticache")
    scaled = change(stack, "cache", "scale", "--replicas", "1")
    failed_over = change(stack, "cache", "failover")
    assert f"{GROUP}-002 is the primary of {GROUP} now" in steps(failed_over)["failover"]
    [group] = cache.describe_replication_groups(ReplicationGroupId=GROUP)["ReplicationGroups"]
    roles = {each["CacheClusterId"]: each["CurrentRole"] for each in group["NodeGroups"][0]["NodeGroupMembers"]}
    assert roles == {f"{GROUP}-001": "replica", f"{GROUP}-002": "primary"}
    assert (group["AutomaticFailover"], group["MultiAZ"]) == ("enabled", "enabled")
    cache.test_failover(ReplicationGroupId=GROUP, NodeGroupId="0001")
    eventually("the first member is the primary again", lambda: is_primary(stack, f"{GROUP}-001"))
    undo(stack, scaled)
    [group] = cache.describe_replication_groups(ReplicationGroupId=GROUP)["ReplicationGroups"]
    assert group["MemberClusters"] == [f"{GROUP}-001"]
    wait_until_healthy(stack)


def is_primary(stack: Stack, member: str) -> bool:
    [group] = stack.client("elasticache").describe_replication_groups(ReplicationGroupId=GROUP)["ReplicationGroups"]
    roles = {each["CacheClusterId"]: each["CurrentRole"] for each in group["NodeGroups"][0]["NodeGroupMembers"]}
    return bool(group["Status"] == "available" and roles[member] == "primary")


def test_the_database_gets_storage_a_certificate_what_aws_announced_and_newer_versions(stack: Stack) -> None:
    rds = stack.client("rds")
    change(stack, "database", "storage", "22")
    change(stack, "database", "certificate", "rds-ca-ecc384-g1")
    found = instance(stack)
    assert (found["AllocatedStorage"], found["CertificateDetails"]["CAIdentifier"]) == (22, "rds-ca-ecc384-g1")

    start_fault(stack, "maintenance-announced")
    began = restarts(stack)
    applied = change(stack, "database", "apply")
    assert steps(applied)["apply-system-update"] == f"system-update of {CLUSTER} is done: AWS announces it no more."
    assert restarts(stack) == began + 1

    minor = change(stack, "database", "upgrade", "17.7")
    assert "with EngineVersion 17.7" in steps(minor)["upgrade"]
    refused = stack.omc("database", "upgrade", "18.1", "--env", "local", "--yes")
    assert refused.returncode == 1
    assert "--in-place" in refused.stderr + refused.stdout
    change(stack, "database", "upgrade", "18.1", "--in-place")
    found = instance(stack)
    assert (found["EngineVersion"], found["DBParameterGroups"][0]["DBParameterGroupName"]) == (
        "18.1",
        "default.postgres18",
    )
    messages = [
        each["Message"] for each in rds.describe_events(SourceIdentifier=CLUSTER, SourceType="db-instance")["Events"]
    ]
    assert "DB instance has been upgraded from 17.7 to 18.1." in messages


def test_the_database_fails_over_to_its_standby(stack: Stack) -> None:
    rds = stack.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=CLUSTER, MultiAZ=True, ApplyImmediately=True)
    eventually("there is a standby", lambda: instance(stack).get("SecondaryAvailabilityZone"))
    before = instance(stack)
    change(stack, "database", "reboot", "--failover")
    after = instance(stack)
    assert (after["AvailabilityZone"], after["SecondaryAvailabilityZone"]) == (
        before["SecondaryAvailabilityZone"],
        before["AvailabilityZone"],
    )
    rds.modify_db_instance(DBInstanceIdentifier=CLUSTER, MultiAZ=False, ApplyImmediately=True)
    eventually("the standby is gone", lambda: instance(stack)["DBInstanceStatus"] == "available")


def test_the_cache_is_updated_restarted_and_becomes_valkey(stack: Stack) -> None:
    cache = stack.client("elasticache")
    [update] = cache.describe_update_actions(ReplicationGroupIds=[GROUP])["UpdateActions"]
    assert update["UpdateActionStatus"] == "not-applied"
    applied = change(stack, "cache", "apply")
    assert f"of {GROUP} is complete." in steps(applied)[f"apply-{update['ServiceUpdateName']}"]
    [done] = cache.describe_update_actions(ReplicationGroupIds=[GROUP])["UpdateActions"]
    assert (done["UpdateActionStatus"], done["NodesUpdated"]) == ("complete", "1/1")
    stop_faults(stack)

    change(stack, "cache", "reboot", f"{GROUP}-001")
    valkey = change(stack, "cache", "valkey")
    assert "valkey" in steps(valkey)
    [group] = cache.describe_replication_groups(ReplicationGroupId=GROUP)["ReplicationGroups"]
    assert group["Engine"] == "valkey"
    wait_until_healthy(stack)


def start_fault(stack: Stack, *words: str) -> None:
    done = stack.omc("local", "fault", "start", *words)
    assert done.returncode == 0, done.stdout + done.stderr


def stop_faults(stack: Stack) -> None:
    assert stack.omc("local", "fault", "stop", "maintenance-announced").returncode == 0
