"""A second opinion on the reading half: the same stack on moto's own server, which knows nothing of localcloud."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from support.acme_stack import REGION, make_acme

pytestmark = pytest.mark.cloud
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": REGION}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """An adopter's folder, and where moto answers."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        session = boto3.Session(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], region_name=REGION)

        class Clients:
            def client(self, service: str, /) -> Any:
                return session.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]

        make_acme(Clients())
        yield tmp_path_factory.mktemp("acme"), endpoint
    finally:
        server.stop()


def omc(place: tuple[Path, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
    done = subprocess.run(
        [sys.executable, "-m", "omc", *arguments],
        cwd=place[0],
        env=inherited | KEYS | {"AWS_ENDPOINT_URL": place[1]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done
