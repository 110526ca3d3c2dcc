"""The runbook's own commands, as they stand in docs/runbook, and a shell to run them in."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from support.commands import ROOT, CommandResult, clean_env, run
from support.prepared import aws_script
from support.stack import Stack

RUNBOOK = ROOT / "docs" / "runbook"
OTHER_TOOLS = re.compile(r"^(terraform|git|eval|export) .*\n", re.MULTILINE)
VERSION_2 = re.compile(r"^aws logs tail .*\n", re.MULTILINE)

PRELUDE = """
aws() {
  # Version 1 of the AWS CLI ignores AWS_ENDPOINT_URL for SQS.
  if [ "$1" = sqs ]; then command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; else command aws "$@"; fi
}
# A query mostly takes less than the seconds that the runbook allows it; on a busy machine it may have more.
sleep() {
  for _ in {1..100}; do
    case $(aws logs get-query-results --query-id "$QUERY" --query status --output text) in Complete) return ;; esac
    command sleep 0.2
  done
}
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One bash block of a chapter."""

    name: str
    """Chapter, section, and which of its blocks: ``deployment#application-rollback-2``."""
    text: str

    @property
    def commands(self) -> str:
        """Without what isn't asked of AWS, and without what version 1 of the AWS CLI doesn't have."""
        return VERSION_2.sub("", OTHER_TOOLS.sub("", self.text))

    @property
    def asks_aws(self) -> bool:
        return bool(re.search(r"\baws [a-z]", self.commands))


def blocks() -> dict[str, Block]:
    """Every bash block of the runbook by its name."""
    found: dict[str, Block] = {}
    for chapter in sorted(RUNBOOK.glob("*.md")):
        section, number = chapter.stem, 0
        parts = re.findall(r"^#+ ([^\n]+)$|^```bash\n(.*?)^```$", chapter.read_text(), re.MULTILINE | re.DOTALL)
        for heading, text in parts:
            if heading:
                section, number = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"), 0
            else:
                number += 1
                name = f"{chapter.stem}#{section}-{number}"
                found[name] = Block(name, text)
    return found


def tools(folder: Path) -> Path:
    """A folder for PATH with a session-manager-plugin, and with the aws CLI."""
    folder.mkdir(exist_ok=True)
    script = folder / "session-manager-plugin"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).parent / "session_plugin.py"} "$@"\n')
    script.chmod(0o755)
    aws_script(folder)
    return folder


def shell(stack: Stack, text: str, folder: Path, *, typed: str = "", timeout: float = 900) -> CommandResult:
    """Paste commands into a shell whose environment says where the local cloud is; the first failure ends it.

    ``typed`` is what a person types into the session that they open.
    """
    path = os.pathsep.join([str(tools(folder / "bin")), str(Path(sys.executable).parent), os.environ["PATH"]])
    env = clean_env(ENV="staging", PATH=path, AWS_DEFAULT_OUTPUT="json", **stack.reach())
    command = ["bash", "-eu", "-o", "pipefail", "-c", PRELUDE + text]
    return run(command, env, timeout, folder, typed=typed)
