"""The local cloud as a process: start it, ask it, end it, all by its own command.

omc imports nothing of localcloud. What it knows of a cloud is what the cloud writes for any client
(``cloud.json``) and what its command prints.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omc.aws.local import LocalEndpoint, local_endpoint
from omc.distribution import install_line
from omc.errors import OmcError, WrongUse

__all__ = ["LocalCloudError", "LocalEndpoint", "ask", "command", "local_endpoint", "status", "tell"]

COMMAND_TIMEOUT = 300.0
"""Seconds; above what localcloud's own `up` and `down` allow themselves."""


class LocalCloudError(OmcError):
    """The local cloud said no; the message is its own."""


APPLICATIONS = ("fastapi", "psycopg_pool", "redis", "uvicorn")
"""What the sample's applications import; in AWS their images hold it (the extra ``apps``)."""


def require_installed(*, applications: bool = False) -> None:
    """``LocalCloudError`` where the packages of a local cloud, or of the sample's applications, aren't there."""
    if any(importlib.util.find_spec(name) is None for name in ("localcloud", "moto")):
        raise LocalCloudError(f"The local cloud isn't installed. Install it: {install_line('local', 'apps')}")
    missing = [name for name in APPLICATIONS if importlib.util.find_spec(name) is None] if applications else []
    if missing:
        raise LocalCloudError(
            f"The sample's applications need packages that aren't installed ({', '.join(missing)}). Install them: "
            f"{install_line('local', 'apps')}"
        )


def command(state: Path, arguments: Sequence[str]) -> list[str]:
    """The command line of localcloud's own tool for this state folder."""
    require_installed()
    verb, *rest = arguments
    return [sys.executable, "-m", "localcloud", verb, "--state", str(state), *rest]


def tell(state: Path, *arguments: str, timeout: float = COMMAND_TIMEOUT) -> subprocess.CompletedProcess[str]:
    """Run localcloud's tool, whatever its exit code says."""
    try:
        return subprocess.run(command(state, arguments), capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise LocalCloudError(
            f"The local cloud did not answer `{arguments[0]}` within {timeout:.0f} s. Look at: omc local logs"
        ) from error


def ask(state: Path, *arguments: str) -> str:
    """Run localcloud's tool and return what it printed; its own sentence becomes the error."""
    response = tell(state, *arguments)
    if response.returncode != 0:
        reason = (
            response.stderr.strip()
            or response.stdout.strip()
            or f"it ended with {response.returncode} and said nothing"
        )
        sentence = reason.splitlines()[-1].removeprefix("localcloud: ")
        raise WrongUse(sentence) if response.returncode == WrongUse.exit_code else LocalCloudError(sentence)
    return response.stdout


def status(state: Path) -> Mapping[str, Any]:
    """What the cloud says of itself: ``running``, ``endpoint``, its loops, its parts (``ecs``: tasks and processes)."""
    payload: Mapping[str, Any] = json.loads(tell(state, "status", "--json").stdout)
    return payload
