"""kill -9 in the middle of the first apply."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from support.commands import ROOT, clean_env
from support.stack import Stack, processes_below
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]


def is_applied(state: Path) -> bool:
    """Whether a Terraform that applies works on this cloud."""
    for pid in processes_below(state):
        with suppress(OSError):
            if b"apply" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return True
    return False


def test_an_apply_that_was_killed_is_started_over(tmp_path: Path) -> None:
    """kill -9 in the middle of the first apply, then `up`: it says so and starts over; no Terraform is left behind."""
    state = tmp_path / "cloud"
    stack = Stack(state)
    first = subprocess.Popen(
        [sys.executable, "-m", "omc", "local", "up"],
        cwd=ROOT,
        env=clean_env(OMC_LOCAL_STATE=str(state)),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        record = state / "stack.json"
        eventually(
            "the apply runs",
            lambda: record.exists() and json.loads(record.read_text())["phase"] == "applying",
            within=300,
        )
        eventually("Terraform applies", lambda: is_applied(state), within=120)
        first.kill()
        first.wait(60)
        second = subprocess.Popen(
            [sys.executable, "-m", "omc", "local", "up"],
            cwd=ROOT,
            env=clean_env(OMC_LOCAL_STATE=str(state)),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        message = ""
        assert second.stderr is not None
        for line in second.stderr:
            message += line
            if "Pushing the images: done" in line:  # past the point where the first was killed
                break
        second.send_signal(signal.SIGINT)
        _, rest = second.communicate(timeout=300)
        assert "started over" in message
        assert second.returncode == 130, message + rest
        assert "Interrupted" in rest
        assert json.loads(record.read_text())["phase"] == "interrupted"
    finally:
        first.kill()
        assert stack.localcloud("reset", "--force").returncode == 0
    eventually("no process is left", lambda: processes_below(state) == [], within=60)
