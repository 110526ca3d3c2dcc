"""Programs of this machine that the runbook's procedures start, and which version of Terraform there is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from omc import terraform as tf
from omc.errors import OmcError
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.scope import Scope

WANTED: Mapping[str, str] = {
    "aws": "the runbook's own commands",
    "session-manager-plugin": "the runbook's aws ecs execute-command (omc exec doesn't)",
    "jq": "a task definition with another image, by hand",
    "git": "omc infra rollback",
}
"""A program, and what it is needed for."""


@dataclass(frozen=True, slots=True)
class Tools:
    missing: tuple[str, ...]
    terraform: str = ""
    """Where it is; empty where there is none that can be used."""
    terraform_problem: str = ""
    reading: Reading = NO_READING


@reads
def read_tools(scope: Scope) -> Tools:  # noqa: ARG001 - a reader needs something; it looks at this machine only
    """Looks along PATH, and asks Terraform for its version."""
    missing = tuple(name for name in WANTED if shutil.which(name) is None)
    try:
        return Tools(missing, str(tf.find_executable()))
    except OmcError as error:
        return Tools(missing, terraform_problem=error.message)
