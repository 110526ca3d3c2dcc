"""Scaling and restarting a real stack: with the autoscaler, for a while, killed half-way, refused; a rotated secret."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.commands import ROOT, CommandResult, clean_env
from support.stack import CLUSTER, Stack, wait_until_healthy
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

RESOURCE = f"service/{CLUSTER}/backend"


def limits(stack: Stack) -> tuple[int, int]:
    client = stack.client("application-autoscaling")
    [target] = client.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[RESOURCE])["ScalableTargets"]
    return target["MinCapacity"], target["MaxCapacity"]


def backend(stack: Stack) -> dict[str, Any]:
    return dict(stack.client("ecs").describe_services(cluster=CLUSTER, services=["backend"])["services"][0])


def tasks(stack: Stack) -> set[str]:
    return set(stack.client("ecs").list_tasks(cluster=CLUSTER, serviceName="backend")["taskArns"])


def scale(stack: Stack, *arguments: str) -> CommandResult:
    return stack.omc("scale", "--env", "local", "backend", *arguments, "--yes", "--output", "json")


@pytest.fixture
def as_found(healthy: Stack) -> Iterator[Stack]:
    """The stack, which gets its limits and its count back."""
    yield healthy
    healthy.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=RESOURCE,
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2,
        MaxCapacity=10,
    )
    healthy.client("ecs").update_service(cluster=CLUSTER, service="backend", desiredCount=2)
    wait_until_healthy(healthy)


def test_scaling_within_the_limits_holds_against_the_autoscaler(as_found: Stack) -> None:
    done = scale(as_found, "3")
    assert done.returncode == 0, done.stderr
    assert done.json["run"]["sentence"] == "backend: 3 tasks run and are healthy."
    assert limits(as_found) == (3, 10)
    assert (backend(as_found)["desiredCount"], backend(as_found)["runningCount"]) == (3, 3)
    undone = as_found.omc("runs", "undo", done.json["run"]["run"], "--yes", "--output", "json")
    assert undone.returncode == 0, undone.stderr
    assert limits(as_found) == (2, 10)
    assert backend(as_found)["desiredCount"] == 2


def test_more_than_the_database_can_bear_is_refused_with_the_sum_and_nothing_changes(as_found: Stack) -> None:
    refused = scale(as_found, "12")
    assert refused.returncode == 1
    assert "12 tasks of backend may open 72 database connections (12 backend at 6 each)" in refused.stdout
    assert (limits(as_found), backend(as_found)["desiredCount"]) == ((2, 10), 2)
    beyond = scale(as_found, "12", "--override", "the sale starts", "--dry-run")
    assert beyond.returncode == 0, beyond.stderr
    assert beyond.json["plan"]["risk"] == "high"
    assert any("Overridden (the sale starts)" in note for note in beyond.json["plan"]["notes"])
    assert (limits(as_found), backend(as_found)["desiredCount"]) == ((2, 10), 2)


def test_killed_half_way_a_worker_goes_on_and_the_time_is_over_when_it_was_to_be(as_found: Stack) -> None:
    command = [sys.executable, "-m", "omc", "scale", "--env", "local", "backend", "3", "--for", "2m", "--yes"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean_env(OMC_LOCAL_STATE=str(as_found.state)), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[2/2]"):
            os.kill(process.pid, signal.SIGKILL)
            break
    process.communicate(timeout=60)
    assert as_found.omc("worker", "--once", "--env", "local").returncode == 0
    runs = as_found.omc("runs", "list", "--env", "local", "--output", "json").json
    assert (runs["runs"][0]["procedure"], runs["runs"][0]["verdict"]) == ("scale", "succeeded")
    assert [timer["why"] for timer in runs["timers"]] == ["backend was scaled for 2m: back to 2-10 tasks"]
    assert limits(as_found) == (3, 10)
    wait_until_healthy(as_found)

    def given_back() -> bool:
        assert as_found.omc("worker", "--once", "--env", "local").returncode == 0
        return limits(as_found) == (2, 10)

    eventually("the limits are given back", given_back, within=300)
    last = as_found.omc("runs", "list", "--env", "local", "--output", "json").json
    assert last["timers"] == []
    assert (last["runs"][0]["verdict"], last["runs"][0]["title"]) == ("succeeded", "Scale backend to 2-10 tasks")


def token_works(stack: Stack, token: str) -> bool:
    request = urllib.request.Request(f"{stack.url}/api/v1/portfolio", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60):
            return True
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
        return False


def test_a_restart_brings_new_tasks_of_the_same_revision_which_read_the_rotated_secret(as_found: Stack) -> None:
    stack, keeper = as_found, as_found.client("secretsmanager")
    name = stack.output("secret_key_name")
    with urllib.request.urlopen(urllib.request.Request(f"{stack.url}/api/v1/portfolio", method="POST")) as answer:
        token = json.load(answer)["token"]
    versions = keeper.describe_secret(SecretId=name)["VersionIdsToStages"]
    before = next(version for version, stages in versions.items() if "AWSCURRENT" in stages)
    rotated = keeper.put_secret_value(SecretId=name, SecretString=secrets.token_hex(32))["VersionId"]
    try:
        assert token_works(stack, token), "a rotation alone reaches nobody"
        old, revision = tasks(stack), backend(stack)["taskDefinition"]
        done = stack.omc("restart", "--env", "local", "backend", "--yes", "--output", "json")
        assert done.returncode == 0, done.stderr
        assert done.json["run"]["verdict"] == "succeeded"
        assert backend(stack)["taskDefinition"] == revision
        assert len(tasks(stack)) == 2
        assert not tasks(stack) & old
        assert not token_works(stack, token)
    finally:
        keeper.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=rotated, MoveToVersionId=before
        )
    # What an earlier story broke may still be in an alarm, and an alarm that fires refuses a deployment.
    words = ("deploy", "--env", "local", "--force-new", "backend", "--watch", "1s", "--override", "a rehearsal")
    done = stack.omc(*words, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert token_works(stack, token), "so does a deployment that forces new tasks"


def test_the_records_head_is_kept_where_its_owner_cannot_rewrite_it(as_found: Stack, tmp_path: Path) -> None:
    """A record that was wiped is told by what lies under lock in the audit bucket and in a log group."""
    done = as_found.omc("restart", "--env", "local", "backend", "--yes", "--output", "json")
    assert done.returncode == 0, done.stderr
    proof = as_found.omc("audit", "verify", "--env", "local", "--output", "json")
    assert proof.returncode == 0, proof.stdout
    [record] = proof.json["stores"]
    assert record["heads_outside"] >= 2, "one in the bucket and one in the log group, at least"

    s3, bucket = as_found.client("s3"), as_found.output("audit")["bucket"]
    newest = f"/{record['events']:012d}-{record['head']}.json"
    [locked] = [
        version
        for version in s3.list_object_versions(Bucket=bucket, Prefix="record/local/")["Versions"]
        if version["Key"].endswith(newest)
    ]
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=locked["Key"], VersionId=locked["VersionId"])

    as_found.omc("audit", "verify", "--env", "local", "--inside")  # the last user has ended the store's server
    shutil.move(as_found.state / "omc", tmp_path / "omc")
    try:
        wiped = as_found.omc("audit", "verify", "--env", "local")
    finally:
        shutil.rmtree(as_found.state / "omc", ignore_errors=True)
        shutil.move(tmp_path / "omc", as_found.state / "omc")
    assert wiped.returncode == 1, wiped.stdout
    assert "the store was wiped" in wiped.stdout
    assert as_found.omc("audit", "verify", "--env", "local").returncode == 0


def test_heads_that_cannot_be_read_are_reported_and_the_rest_stands(as_found: Stack) -> None:
    nobody = {"AWS_ENDPOINT_URL": as_found.reach()["AWS_ENDPOINT_URL"], "AWS_ACCESS_KEY_ID": "AKIANOBODY00000000"}
    shell = nobody | {"AWS_SECRET_ACCESS_KEY": "x"}
    proof = as_found.omc("audit", "verify", "--env", "local", "--output", "json", env=shell)
    assert proof.returncode == 3, proof.stdout + proof.stderr
    [record] = proof.json["stores"]
    assert not record["problems"]
    assert len(record["unread"]) == 2, "the bucket and the log group"
    assert as_found.omc("audit", "verify", "--env", "local", "--inside").returncode == 0
