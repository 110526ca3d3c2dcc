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
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def clean_env(**extra: str) -> dict[str, str]:
    """This process's environment without anything that would lead a client elsewhere, or name somebody else."""
    others = ("AWS_", "TF_", "OMC_", "GITHUB_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(others) and k != "NO_COLOR"}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true"} | extra


def run(command: Sequence[str | Path], env: Mapping[str, str], timeout: float, cwd: Path = ROOT) -> Done:
    """A failure is an answer like any other; a command that takes longer than ``timeout`` seconds fails the test."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    return Done(done.returncode, done.stdout, done.stderr)
