"""The backup of a real database: taken, its data destroyed, restored to the moment before, and served again; a rotten
one found; a verification whose process was killed leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from omc.facts.backups import EXPIRES_TAG, PURPOSE_TAG, RUN_TAG
from support.commands import ROOT, CommandResult, clean_env
from support.stack import CLUSTER, Stack, wait_until_healthy
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]

TABLES = ("coins", "portfolios", "holdings")


@contextmanager
def sql(stack: Stack, identifier: str = CLUSTER) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an instance as its master user."""
    [shown] = stack.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"]
    held = stack.client("secretsmanager").get_secret_value(SecretId=shown["MasterUserSecret"]["SecretArn"])
    login = json.loads(held["SecretString"])
    with psycopg.connect(
        host=shown["Endpoint"]["Address"],
        port=shown["Endpoint"]["Port"],
        dbname="ohmycoins",
        user=login["username"],
        password=login["password"],
        sslmode="require",
        autocommit=True,
    ) as connection:
        yield connection


def counts(stack: Stack) -> dict[str, int]:
    with sql(stack) as connection:
        rows = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in TABLES}
    return {name: row[0] for name, row in rows.items() if row is not None}


def identifiers(stack: Stack) -> list[str]:
    found = stack.client("rds").describe_db_instances()["DBInstances"]
    return sorted(each["DBInstanceIdentifier"] for each in found)


def backup(stack: Stack, *words: str) -> CommandResult:
    verb, *rest = words
    return stack.omc("backup", verb, "--env", "local", *rest, "--yes", "--output", "json", timeout=900)


def last_verification(stack: Stack) -> dict[str, Any]:
    listed = stack.omc("backup", "list", "--env", "local", "--output", "json").json
    return dict(listed["verifications"][0])


@pytest.fixture(scope="module")
def taken(stack: Stack) -> str:
    """A snapshot with portfolios in it."""
    wait_until_healthy(stack)
    with sql(stack) as connection:
        connection.execute(
            "WITH p AS (INSERT INTO portfolios SELECT FROM generate_series(1, 300) RETURNING id) "
            "INSERT INTO holdings SELECT id, 'BTC', 1 FROM p"
        )
    done = backup(stack, "create", "--name", "before")
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.json["run"]["steps"][0]["evidence"]["snapshot"])


def restorable(stack: Stack) -> datetime:
    """A moment of now, once it can be restored."""
    moment = datetime.now(UTC)

    def is_there() -> bool:
        [found] = stack.client("rds").describe_db_instances(DBInstanceIdentifier=CLUSTER)["DBInstances"]
        return bool(found["LatestRestorableTime"] > moment)

    eventually("that moment can be restored", is_there)
    return moment


def test_a_killed_verification_of_a_moment_goes_on_and_leaves_nothing(stack: Stack, taken: str) -> None:
    at = restorable(stack).isoformat()
    command = [sys.executable, "-m", "omc", "backup", "verify", "--env", "local", "--at", at, "--yes"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean_env(OMC_LOCAL_STATE=str(stack.state)), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[2/"):
            os.kill(process.pid, signal.SIGKILL)
            break
    process.communicate(timeout=60)
    assert stack.omc("worker", "--once", "--env", "local", timeout=900).returncode == 0
    runs = stack.omc("runs", "list", "--env", "local", "--output", "json").json
    assert (runs["runs"][0]["procedure"], runs["runs"][0]["verdict"]) == ("backup-verify", "succeeded"), runs["runs"][0]
    assert runs["timers"] == []
    found = last_verification(stack)
    assert found["backup"].startswith("point in time ")
    assert (found["sound"], found["compared"]) == (True, True)
    assert 0 < found["recovery_seconds"] < 900
    assert identifiers(stack) == [CLUSTER]


def test_what_a_dead_verification_left_is_removed_when_its_six_hours_are_over(stack: Stack, taken: str) -> None:
    rds = stack.client("rds")
    left = f"{CLUSTER}-verify-left"
    [source] = rds.describe_db_instances(DBInstanceIdentifier=CLUSTER)["DBInstances"]
    tags = {
        PURPOSE_TAG: "verification",
        RUN_TAG: "0deadrun",
        EXPIRES_TAG: (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    made = rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier=left,
        DBSnapshotIdentifier=taken,
        DBSubnetGroupName=source["DBSubnetGroup"]["DBSubnetGroupName"],
        Tags=[{"Key": name, "Value": value} for name, value in tags.items()],
    )["DBInstance"]
    early = backup(stack, "sweep")
    assert early.returncode == 0, early.stdout + early.stderr
    assert left in identifiers(stack), "its time isn't over"
    over = [{"Key": EXPIRES_TAG, "Value": (datetime.now(UTC) - timedelta(minutes=1)).isoformat()}]
    rds.add_tags_to_resource(ResourceName=made["DBInstanceArn"], Tags=over)
    swept = backup(stack, "sweep")
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert identifiers(stack) == [CLUSTER]


def test_a_rotten_snapshot_is_found_and_what_was_restored_is_removed(stack: Stack, taken: str) -> None:
    damage = ("--set", f"snapshot={taken}", "--set", "table=public.holdings")
    started = stack.omc("local", "fault", "start", "snapshot-corrupt", *damage)
    assert started.returncode == 0, started.stderr
    try:
        done = backup(stack, "verify", "--snapshot", taken)
    finally:
        stack.omc("local", "fault", "stop", "snapshot-corrupt")
    assert done.returncode != 0
    assert (
        "is not sound. The table public.holdings can't be read: invalid page in block 0" in done.json["run"]["sentence"]
    )
    assert last_verification(stack)["sound"] is False
    assert identifiers(stack) == [CLUSTER]


def test_destroyed_data_comes_back_from_the_moment_before_and_the_services_serve(stack: Stack, taken: str) -> None:
    rds = stack.client("rds")
    before, old = counts(stack), rds.describe_db_instances(DBInstanceIdentifier=CLUSTER)["DBInstances"][0]
    assert before["holdings"] >= 300
    moment = datetime.now(UTC)
    with sql(stack) as connection:
        connection.execute("TRUNCATE holdings, portfolios")
    restorable(stack)
    done = backup(stack, "restore", "--at", moment.isoformat())
    assert done.returncode == 0, done.stdout + done.stderr
    [new] = rds.describe_db_instances(DBInstanceIdentifier=CLUSTER)["DBInstances"]
    assert new["DbiResourceId"] != old["DbiResourceId"]
    same = ("Endpoint", "DBInstanceClass", "DBParameterGroups", "VpcSecurityGroups", "DeletionProtection", "MultiAZ")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert counts(stack) == before
    wait_until_healthy(stack)
    [aside] = [name for name in identifiers(stack) if name != CLUSTER]
    assert aside.startswith(f"{CLUSTER}-before-")

    undone = stack.omc("runs", "undo", done.json["run"]["run"], "--yes", "--output", "json", timeout=900)
    assert undone.returncode == 0, undone.stdout + undone.stderr
    [again] = rds.describe_db_instances(DBInstanceIdentifier=CLUSTER)["DBInstances"]
    assert again["DbiResourceId"] == old["DbiResourceId"]
    assert identifiers(stack) == [CLUSTER]
    wait_until_healthy(stack)
