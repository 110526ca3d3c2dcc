"""A second opinion on the reading half: the same stack on moto's own server, which knows nothing of localcloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from omc.config import load
from support.acme_stack import REGION, make_acme

pytestmark = pytest.mark.cloud
KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "OMC_ALLOW_LOOPBACK": "1",
}


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


def test_the_reading_half_agrees_with_moto(place: tuple[Path, str]) -> None:
    made = omc(place, "init", "--yes")
    assert made.returncode == 0, made.stdout + made.stderr
    prod = load(place[0] / "omc.toml").environments["prod"]
    api, web, worker = prod.services
    assert (prod.cluster, prod.database_cluster, prod.load_balancer, prod.cache) == (
        *("acme", "acme-prod", "acme-public", ""),
    )
    assert [each.ecs_service for each in (api, web, worker)] == ["acme-prod-api", "acme-prod-web", "acme-prod-worker"]
    assert (api.target_groups, web.port, worker.port) == (("acme-api", "acme-api-partners"), 3000, None)
    assert (api.minimum, api.maximum, api.cpu_target) == (2, 6, 60)
    shown = omc(place, "stack", "show", "--env", "prod")
    assert shown.returncode == 3  # moto has no serverless caches to tell of
    assert "the same: names" in shown.stdout, shown.stdout
    checked = omc(place, "check", "morning", "--env", "prod", "--output", "json")
    assert checked.returncode == 1  # moto starts no task, and the check says so
    found = {(each["check"], each["level"], each["subject"]) for each in json.loads(checked.stdout)["findings"]}
    assert {("rollouts", "fail", each) for each in ("api", "web", "worker")} <= found
    assert {("targets", "fail", each) for each in ("acme-api", "acme-api-partners", "acme-web")} <= found
    assert ("database-cluster", "unknown") in {each[:2] for each in found}  # it answers half of what is asked
    asked = omc(place, "doctor", "--env", "prod", "--output", "json")
    assert asked.returncode == 1
    wrong = {each["subject"] for each in json.loads(asked.stdout)["findings"] if each["level"] == "fail"}
    assert "topic acme-pager" in wrong  # nobody subscribes to it
    assert not any("github" in each for each in wrong)
    runs = omc(place, "deployments", "--env", "prod")
    assert runs.returncode == 3
    assert "ecs ListServiceDeployments" in runs.stderr  # which moto doesn't have
