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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc.errors import OmcError, WrongUse

COMMAND_TIMEOUT = 120.0


class LocalCloudError(OmcError):
    """The local cloud said no; the message is its own."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How to reach a running local cloud, as its ``cloud.json`` says."""

    endpoint: str
    region: str
    account: str
    access_key: str
    secret_key: str
    port_shift: int
    """Added to ports below 1024 where this user may not listen on them."""

    def environment(self) -> dict[str, str]:
        """What any AWS client needs in its environment to talk to this cloud and to nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            # StartLiveTail would go to "stream-" and the endpoint, which is an address and no name.
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        }


def reach(state: Path) -> Reach:
    """Read ``cloud.json`` of a state folder; ``LocalCloudError`` where there is none."""
    try:
        said = json.loads((state / "cloud.json").read_text())
        return Reach(
            endpoint=said["endpoint"],
            region=said["region"],
            account=said["account"],
            access_key=said["access_key_id"],
            secret_key=said["secret_access_key"],
            port_shift=said["port_shift"],
        )
    except FileNotFoundError as error:
        raise LocalCloudError(f"No local cloud runs in {state}. Start one: omc local up") from error
    except (ValueError, KeyError) as error:
        raise LocalCloudError(f"{state / 'cloud.json'} can't be read ({error}). Make it anew: omc local up") from error


def command(state: Path, arguments: Sequence[str]) -> list[str]:
    """The command line of localcloud's own tool for this state folder."""
    if importlib.util.find_spec("localcloud") is None or importlib.util.find_spec("moto") is None:
        raise LocalCloudError(
            "The local cloud isn't installed. Install it with the extra: pip install 'omc[local,apps]'"
        )
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
    said = tell(state, *arguments)
    if said.returncode != 0:
        reason = said.stderr.strip() or said.stdout.strip() or f"it ended with {said.returncode} and said nothing"
        sentence = reason.splitlines()[-1].removeprefix("localcloud: ")
        raise WrongUse(sentence) if said.returncode == WrongUse.exit_code else LocalCloudError(sentence)
    return said.stdout


def status(state: Path) -> Mapping[str, Any]:
    """What the cloud says of itself: ``running``, ``endpoint``, its loops, its parts (``ecs``: tasks and processes)."""
    said: Mapping[str, Any] = json.loads(tell(state, "status", "--json").stdout)
    return said
