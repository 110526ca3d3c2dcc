"""Commands run as a person would run them, and how they ended."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended, in subprocess's own words, and its output where that is JSON."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def clean_env(**extra: str) -> dict[str, str]:
    """This process's environment without anything that would lead a client elsewhere, or name somebody else."""
    others = ("AWS_", "TF_", "OMC_", "GITHUB_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(others) and k != "NO_COLOR"}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true"} | extra


def run(
    command: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
    cwd: Path = ROOT,
    *,
    typed: str | None = None,
) -> CommandResult:
    """A failure is an answer like any other; a command that takes longer than ``timeout`` seconds fails the test.

    Without ``env`` it has this process's environment; ``typed`` is what it reads from stdin.
    """
    ended = subprocess.run(
        command, cwd=cwd, env=env, input=typed, capture_output=True, text=True, timeout=timeout, check=False
    )
    return CommandResult(ended.returncode, ended.stdout, ended.stderr)
