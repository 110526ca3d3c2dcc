"""The exchange outside of AWS that the backend asks for quotes, kept running: it stands for somebody else's API.

It listens on an address of the cloud's block that no subnet has, and stands there for a public address. What it answers
and how it misbehaves is in ``localcloud.backends.exchange``.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.backends import certificates, exchange
from localcloud.backends.exchange import Behaviour
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
    """What a backend is told in EXCHANGE_URL."""
    shifted = f":{port(settings)}" if port(settings) != 443 else ""
    return f"https://{settings.exchange_address}{shifted}"


@component()
class Exchange:
    """Keeps the program running. How it behaves is on disk, and normal again after each start of the cloud."""

    name = "exchange"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.state / "exchange"
        self._cloud: Cloud | None = None
        self._process: Process | None = None

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._behaviour_file.unlink(missing_ok=True)
        self._keep()
        cloud.loop("exchange", 1.0, self._keep)

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
        exchange.write_behaviour(self._behaviour_file, behaviour)

    def behaviour(self) -> Behaviour:
        return exchange.read_behaviour(self._behaviour_file)

    @property
    def _behaviour_file(self) -> Path:
        return self._folder / "behaviour.json"

    def _keep(self) -> None:
        if self._cloud is None or (self._process is not None and self._process.poll() is None):
            return
        if self._process is not None:
            log.warning("the exchange's program ended with %s and is started again", self._process.poll())
        settings = self._settings
        own_port = port(settings) + (GATED_SHIFT if self._cloud.has(VpcNetwork) else 0)
        certificate = certificates.server(settings.state, "exchange", [settings.exchange_address])
        self._process = self._cloud.part(Supervisor).spawn(
            "exchange",
            [
                *(sys.executable, exchange.__file__, settings.exchange_address, str(own_port)),
                *(certificate.certificate, certificate.key, self._behaviour_file),
            ],
            env={"LANG": "C.UTF-8"},
            cwd=self._folder,
            output=self._folder / "exchange.log",
        )
        if self._cloud.has(VpcNetwork):
            # Tasks get there only where the VPC's rules and routes let them out.
            self._cloud.part(VpcNetwork).open(
                "exchange",
                destination=PUBLIC_ADDRESS,
                port=443,
                forward=(settings.exchange_address, own_port),
                at=settings.exchange_address,
                wait=False,
            )
