"""`make demo`'s command, whole: what a newcomer sees must be true, and nothing may be left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.commands import clean_env, run

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]


def test_the_demo_shows_a_healthy_stack_then_two_true_failures(tmp_path: Path) -> None:
    state = tmp_path / "cloud"
    done = run([sys.executable, "-m", "omc", "demo", "--state", str(state)], clean_env(), timeout=1500)
    assert done.returncode == 0, done.stderr + done.stdout
    healthy, killed, broken = done.stdout.split("$ omc check morning --env local")[1:]
    assert "exit code 0" in healthy
    assert "exit code 1" in killed
    assert "137" in killed
    assert "exit code 1" in broken
    assert "exchange_rates" in broken
    assert "omc local up" in broken
    assert not state.exists()
