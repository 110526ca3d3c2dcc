"""The stand-in as a program: it serves, fails as it is told, by its release, a file or its own address."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import recorded, stand_in
from support.waiting import eventually


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    def __init__(self, folder: Path, fail: str = "") -> None:
        image, self.port, self.control = stand_in.copy_image(folder, "7", fail), free_port(), folder / "control"
        environment = {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "STAND_IN_PATHS": '{"/healthz": 204}',
            "STAND_IN_CONTROL": str(self.control),
        }
        self.process = subprocess.Popen(
            [sys.executable, "main.py"], cwd=image, env=environment, stdout=subprocess.PIPE, text=True
        )

    def status(self, path: str, method: str = "GET") -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            return refusal.code
        except OSError:
            return 0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    started = Running(tmp_path)
    yield started
    started.process.kill()
    started.process.communicate()


def test_it_answers_health_checks_as_they_want_and_fails_as_it_is_told(running: Running) -> None:
    eventually("it serves", lambda: running.status("/healthz") == 204)
    assert [running.status("/any", method) for method in ("GET", "POST", "DELETE")] == [200, 200, 200]
    running.control.write_text("5xx")
    assert (running.status("/any"), running.status("/healthz")) == (500, 204)
    running.control.write_text("unhealthy")
    assert (running.status("/any"), running.status("/healthz")) == (200, 503)
    assert running.status("/_stand-in?fail=5xx", "POST") == 200
    assert (running.status("/any"), running.status("/healthz")) == (500, 204)
    assert running.status("/_stand-in?fail=", "POST") == 200
    assert (running.status("/any"), running.status("/healthz")) == (200, 204)
    running.process.terminate()
    lines = [json.loads(line) for line in running.process.communicate(timeout=30)[0].splitlines()]
    assert running.process.returncode == 0
    assert {each["release"] for each in lines} == {"7"}
    assert {"ERROR", "INFO"} == {each["level"] for each in lines}


def test_a_release_that_crashes_ends_with_a_code_of_its_own(tmp_path: Path) -> None:
    started = Running(tmp_path, fail="crash")
    started.process.communicate(timeout=60)
    assert started.process.returncode == 70


@pytest.mark.parametrize("fail", ["", "5xx", "unhealthy", "slow", "slow:1.5", "crash:10"])
def test_what_it_can_be_told_is_taken(fail: str) -> None:
    stand_in.check(fail)


@pytest.mark.parametrize("fail", ["404", "slow:", "crash:soon", "5xx;rm"])
def test_what_it_cant_be_told_is_refused_in_a_sentence(fail: str) -> None:
    with pytest.raises(ValueError, match="It knows 5xx, unhealthy, slow:SECONDS and crash:SECONDS"):
        stand_in.check(fail)


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/acme/api@sha256:00", "acme/api"),
        ("${account}.dkr.ecr.eu-central-1.amazonaws.com/acme/api:7", "acme/api"),
        ("ghcr.io/acme/Api:main", "acme/api"),
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("localhost:5000/web:2", "web"),
    ],
)
def test_an_images_repository_is_its_name_without_where_and_which(image: str, repository: str) -> None:
    assert recorded.repository_of(image) == repository
