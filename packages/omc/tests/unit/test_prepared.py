"""The tests' quick start of commands (support.prepared): nothing sets it apart from a process that was started."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from support import prepared
from support.commands import ROOT, clean_env, run
from support.waiting import eventually


@pytest.mark.parametrize(
    "words",
    [("--version",), ("nope",), ("stack", "show"), ("runs", "show", "é"), ("check", "explain", "alarms"), ("infra",)],
    ids=" ".join,
)
def test_omc_answers_as_one_that_was_started(words: tuple[str, ...], tmp_path: Path) -> None:
    env = clean_env(OMC_STORE_FOLDER=str(tmp_path / "store"), COLUMNS="60", HOME=str(tmp_path), TZ="Asia/Tokyo")
    for folder in (ROOT, tmp_path):  # the second has no omc.toml
        started = run([sys.executable, "-m", "omc", *words], env, cwd=folder)
        assert prepared.omc(words, env, cwd=folder) == started


@pytest.mark.parametrize("words", [("--version",), ("nope",), ("sts", "get-caller-identity")], ids=" ".join)
def test_the_aws_cli_answers_as_one_that_was_started(words: tuple[str, ...], tmp_path: Path) -> None:
    prepared.aws_script(tmp_path)
    env = clean_env(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_REGION="eu-west-1", AWS_MAX_ATTEMPTS="1")
    env |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    started = run([Path(sys.executable).parent / "aws", *words], env)
    assert run([tmp_path / "aws", *words], env) == started


def test_a_command_whose_time_is_over_is_ended() -> None:
    """It waits for an AWS that takes connections and never answers."""
    forks = psutil.Process(prepared._server("omc")._process.pid)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = clean_env(AWS_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}", AWS_REGION="eu-west-1")
        env |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "OMC_ALLOW_LOOPBACK": "1"}
        with pytest.raises(subprocess.TimeoutExpired):
            prepared.omc(["check", "morning", "--env", "staging"], env, timeout=0.2)
        eventually("it has ended", lambda: forks.children() == [], within=30)
