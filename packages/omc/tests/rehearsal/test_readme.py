"""README's first commands, as they are written, on the applied stack; `make newcomer` runs them from a fresh clone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.commands import ROOT, clean_env, run
from support.fences import commands_under
from support.stack import Stack, wait_until_healthy

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(900)]
LEFT_OUT = ("make install", ". .venv/bin/activate", "omc local down")
"""The environment is there, and the stack is others' too."""


def test_what_readme_lets_a_newcomer_type_works_as_written(stack: Stack) -> None:
    lines = commands_under(ROOT / "README.md", "Try it yourself")
    assert len(lines) > 8
    assert {line.partition("  ")[0].strip() for line in lines} >= set(LEFT_OUT)
    typed = [line for line in lines if not line.startswith(LEFT_OUT)]
    script = "\n".join(typed)
    env = clean_env(OMC_LOCAL_STATE=str(stack.state), PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    try:
        done = run(["bash", "--norc", "-e"], env, 600, typed=script)
    finally:
        stack.omc("local", "fault", "stop", "--all")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "nothing is wrong" in done.stdout
    assert '"serviceName": "backend"' in done.stdout, "aws was led to the local cloud"
    wait_until_healthy(stack)
