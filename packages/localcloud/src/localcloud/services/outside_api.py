"""An API outside of AWS that the applications ask, kept running: it stands for somebody else's.

It listens on an address of the cloud's block that no subnet has, and stands there for a public address. What it answers
is a file's, which ``Settings.outside_api`` names; how it misbehaves is in ``localcloud.backends.outside_api``.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.backends import certificates, outside_api
from localcloud.backends.outside_api import Behaviour
from localcloud.core.connections import VpcNetwork
from localcloud.core.processes import Supervisor
from localcloud.core.registry import component

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud, Settings
    from localcloud.core.processes import Process

log = logging.getLogger(__name__)

PUBLIC_ADDRESS = "203.0.113.10"
"""The public address that it stands for, of a range that is kept for examples (RFC 5737)."""


def port(settings: Settings) -> int:
    """HTTPS: the tasks' security groups let nothing else out to the world."""
    return settings.real_port(443)


GATED_SHIFT = 20_000
"""Added to the program's own port when a gate listens at ``port``."""


def url(settings: Settings) -> str:
    """What an application is told."""
    shifted = f":{port(settings)}" if port(settings) != 443 else ""
    return f"https://{settings.outside_address}{shifted}"


@component()
class OutsideApi:
    """Keeps the program running. How it behaves is on disk, and normal again after each start of the cloud."""

    name = "outside-api"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.state / "outside-api"
        self._cloud: Cloud | None = None
        self._process: Process | None = None

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._behaviour_file.unlink(missing_ok=True)
        self._keep()
        cloud.loop("outside-api", 1.0, self._keep)

    def dump(self) -> object:
        """Nothing: a fault that changes the behaviour sets it again after a restart."""
        return None

    def load(self, state: Any) -> None:
        """Nothing to take back."""

    def stop(self) -> None:
        if self._cloud is not None and self._process is not None:
            self._cloud.part(Supervisor).end(self._process, grace=2.0)

    def status(self) -> dict[str, Any]:
        """For the cloud's status page."""
        running = self._process is not None and self._process.poll() is None
        return {"url": url(self._settings), "stands_for": PUBLIC_ADDRESS, "running": running}

    def behave(self, behaviour: Behaviour) -> None:
        """From the next request on."""
        outside_api.write_behaviour(self._behaviour_file, behaviour)

    def behaviour(self) -> Behaviour:
        return outside_api.read_behaviour(self._behaviour_file)

    @property
    def _behaviour_file(self) -> Path:
        return self._folder / "behaviour.json"

    def _keep(self) -> None:
        if self._cloud is None or (self._process is not None and self._process.poll() is None):
            return
        if self._process is not None:
            log.warning("the program of the API outside ended with %s and is started again", self._process.poll())
        settings = self._settings
        own_port = port(settings) + (GATED_SHIFT if self._cloud.has(VpcNetwork) else 0)
        certificate = certificates.server(settings.state, "outside-api", [settings.outside_address])
        self._process = self._cloud.part(Supervisor).spawn(
            "outside-api",
            [
                *(sys.executable, outside_api.__file__, settings.outside_address, str(own_port)),
                *(certificate.certificate, certificate.key, self._behaviour_file),
                *((settings.outside_api,) if settings.outside_api else ()),
            ],
            env={"LANG": "C.UTF-8"},
            cwd=self._folder,
            output=self._folder / "outside-api.log",
        )
        if self._cloud.has(VpcNetwork):
            # Tasks get there only where the VPC's rules and routes let them out.
            self._cloud.part(VpcNetwork).open(
                "outside-api",
                destination=PUBLIC_ADDRESS,
                port=443,
                forward=(settings.outside_address, own_port),
                at=settings.outside_address,
                wait=False,
            )
