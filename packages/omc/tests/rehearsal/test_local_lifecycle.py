"""A local cloud through its life: stopped and started, killed at bad moments, two beside each other, and gone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import ROOT, clean_env
from support.stack import Stack, processes_below, state_bucket, wait_until_healthy
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]


def prices(stack: Stack) -> int:
    """How many price points the database holds, asked of the application through the load balancer."""
    import urllib.request

    with urllib.request.urlopen(stack.url + "/api/v1/prices", timeout=60) as answer:
        return len(json.load(answer))


def state_of(stack: Stack) -> str:
    """What Terraform's state is now; an apply that does anything makes another of it."""
    return str(stack.client("s3").get_object(Bucket=state_bucket(stack), Key="staging/terraform.tfstate")["ETag"])


def test_down_leaves_no_process_and_up_needs_no_new_apply(healthy: Stack) -> None:
    before, state = prices(healthy), state_of(healthy)
    assert before > 0
    assert healthy.omc("local", "down").returncode == 0
    assert processes_below(healthy.state) == []
    done = healthy.omc("local", "up")
    assert done.returncode == 0, done.stderr
    assert "Applying" not in done.stderr
    assert state_of(healthy) == state
    wait_until_healthy(healthy)
    assert prices(healthy) >= before


def test_killed_with_9_the_next_up_recovers(healthy: Stack) -> None:
    os.kill(int(healthy.status()["pid"]), signal.SIGKILL)
    done = healthy.omc("local", "up")
    assert done.returncode == 0, done.stderr
    wait_until_healthy(healthy)
    assert prices(healthy) > 0
    assert len(healthy.task_pids("backend")) == 2


def test_killed_with_9_down_ends_what_was_left(healthy: Stack) -> None:
    os.kill(int(healthy.status()["pid"]), signal.SIGKILL)
    assert healthy.omc("local", "down").returncode == 0
    eventually("no process is left", lambda: processes_below(healthy.state) == [], within=60)
    assert healthy.omc("local", "up").returncode == 0
    wait_until_healthy(healthy)


def test_terraform_sees_no_change_after_all_of_this(healthy: Stack) -> None:
    """A plan of the unchanged root, as `omc local env --terraform` sets it up for a person's own terraform."""
    script = (
        f'eval "$({sys.executable} -m omc local env --terraform)" && '
        f"cd {healthy.state}/infrastructure/terraform/environments/staging "
        "&& terraform plan -detailed-exitcode -no-color -lock-timeout=60s"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=clean_env(OMC_LOCAL_STATE=str(healthy.state), TF_CLI_CONFIG_FILE="/dev/null"),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def test_no_operation_was_asked_that_the_cloud_does_not_know(stack: Stack) -> None:
    printed = stack.localcloud("logs", "--lines", "100000").stdout
    assert "unsupported operation" not in printed


def test_two_clouds_stand_side_by_side(stack: Stack, tmp_path: Path) -> None:
    other = Stack(tmp_path / "other")
    try:
        done = other.localcloud("up")
        assert done.returncode == 0, done.stderr
        assert other.reach()["AWS_ENDPOINT_URL"] != stack.reach()["AWS_ENDPOINT_URL"]
        assert other.client("ecs").list_clusters()["clusterArns"] == []
        assert len(stack.client("ecs").list_clusters()["clusterArns"]) == 1
    finally:
        assert other.localcloud("reset", "--force").returncode == 0
    assert stack.status()["running"]


def test_a_second_up_on_a_running_cloud_is_harmless(healthy: Stack) -> None:
    pid = healthy.status()["pid"]
    assert healthy.omc("local", "up").returncode == 0
    assert healthy.status()["pid"] == pid


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    state = tmp_path / "cloud"
    stack = Stack(state)
    assert stack.localcloud("up").returncode == 0
    address = stack.reach()["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
    assert stack.localcloud("down").returncode == 0
    with socket.create_server((address[0], int(address[1]))):
        done = stack.localcloud("up")
        assert done.returncode != 0
        assert address[1] in done.stderr
        assert "Traceback" not in done.stderr
    assert stack.localcloud("reset", "--force").returncode == 0
