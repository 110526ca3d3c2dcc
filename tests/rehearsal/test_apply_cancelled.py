"""`omc runs cancel` in the middle of an apply by real Terraform, and the death of its runner on top of that."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.small import Lane, add_fault, faults_of, small_world, until
from support.stack import clean_env

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

LONG = """
resource "terraform_data" "first" {{
  input = var.note
}}

resource "terraform_data" "long" {{
  triggers_replace = [terraform_data.first.output]
  provisioner "local-exec" {{
    command = "touch {folder}/begun; while [ ! -e {folder}/go ]; do sleep 0.05; done"
  }}
}}

resource "terraform_data" "last" {{
  input = terraform_data.long.id
}}
"""
"""One after the other; the second says nothing for as long as the test likes."""


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    folder = tmp_path_factory.mktemp("small")
    with small_world(folder, 1) as lanes:
        main = lanes[0].file.parent / "infrastructure/environments/staging/main.tf"
        head = main.read_text().partition('resource "aws_ssm_parameter"')[0]
        main.write_text(head + LONG.format(folder=folder))
        yield lanes[0]


def apply(lane: Lane, note: str) -> list[str]:
    return ["infra", "apply", "--env", lane.name, "--yes", "--var", f"note={note}", "--output", "json"]


def begin(lane: Lane, folder: Path, note: str) -> tuple[subprocess.Popen[str], str]:
    """An apply that is in the middle of its second resource, and its run."""
    for name in ("begun", "go"):
        (folder / name).unlink(missing_ok=True)
    process = subprocess.Popen(
        lane.command(*apply(lane, note)),
        env=clean_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def begun() -> bool:
        assert process.poll() is None, process.communicate()
        return (folder / "begun").exists()

    until("Terraform is in the middle", begun, 400)
    runs = lane.omc("runs", "list", "--env", lane.name, "--output", "json").json["runs"]
    return process, str(runs[0]["run"])


def unlocked(lane: Lane) -> bool:
    account = json.loads((lane.world.state / "cloud.json").read_text())["account"]
    bucket = f"{lane.name}-staging-tfstate-{account}"
    return "Contents" not in lane.world.client("s3").list_objects_v2(
        Bucket=bucket, Prefix="staging/terraform.tfstate.tfl"
    )


def test_an_apply_is_cancelled_and_what_is_left_applied_later(lane: Lane) -> None:
    folder = lane.file.parents[1]
    process, run = begin(lane, folder, "one")
    cancelled = lane.omc("runs", "cancel", run, "--env", lane.name)
    out, err = process.communicate(timeout=300)
    assert (cancelled.code, process.returncode) == (0, 7), cancelled.err + err
    told = json.loads(out)["run"]
    assert told["verdict"] == "cancelled"
    assert (
        "1 of 3 resources were changed, and the state knows them. See what is left: omc infra plan" in told["sentence"]
    )
    assert "Not finished: terraform_data.long" in told["sentence"]
    assert "Nothing was changed" not in told["sentence"]
    assert unlocked(lane)
    (folder / "go").touch()
    rest = lane.omc(*apply(lane, "one"))
    assert rest.code == 0, rest.out + rest.err
    assert "2 added" in rest.json["run"]["sentence"]


def test_a_runner_that_is_killed_after_a_cancel_leaves_a_run_that_ends_cancelled(lane: Lane) -> None:
    """Terraform, told to stop, is long about writing its state: its runner can't have ended before it is killed."""
    folder = lane.file.parents[1]
    process, run = begin(lane, folder, "two")
    add_fault(lane.world, service="s3", operation="PutObject", kind="slow", seconds=20.0, count=1, containing=lane.name)
    assert lane.omc("runs", "cancel", run, "--env", lane.name, "--no-wait").code == 0
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    resumed = lane.omc("runs", "resume", run, "--env", lane.name, "--output", "json")
    assert resumed.code == 7, resumed.out + resumed.err
    assert "The apply was cut off: of 3 resources 2 are still to be changed." in resumed.json["run"]["sentence"]
    assert unlocked(lane)
    assert not (folder / "go").exists()
    assert not faults_of(lane.world, lane.name)
