"""pytest's part of `conformance.py`: moto's tests talk to a local cloud, and how each ended is written down.

Loaded into each worker with ``-p conformance_plugin``. CONFORMANCE_RESULTS names the folder for a file of JSON lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import requests
from moto.core import models

STRANGER = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId"),
        *(
            "MissingAuthenticationToken",
            "SignatureDoesNotMatch",
            "UnauthorizedOperation",
            "UnrecognizedClientException",
        ),
    }
)
INTERNAL = ("InternalFailure", "InternalError")


class Cloud:
    """The worker's own local cloud (``conformance_cloud``)."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="conformance-"))
        self._answers = self._folder / "answers.jsonl"
        self._answers.touch()
        command = [sys.executable, str(Path(__file__).with_name("conformance_cloud.py"))]
        self._process = subprocess.Popen(
            [*command, str(self._folder), str(self._answers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.endpoint = ""
        self._read = 0

    def renew(self) -> None:
        """Nothing of an earlier test is in it any more."""
        if self.endpoint:
            with contextlib.suppress(requests.RequestException):
                if requests.post(f"{self.endpoint}/empty", timeout=30).status_code == 204:
                    return
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("new\n")
        self._process.stdin.flush()
        self.endpoint = self._process.stdout.readline().strip()
        if not self.endpoint:
            raise RuntimeError("the local cloud did not come up")

    def errors(self) -> list[dict[str, Any]]:
        """The errors that it gave since the last time that somebody asked."""
        with self._answers.open() as file:
            file.seek(self._read)
            lines = file.read()
            self._read = file.tell()
        return [json.loads(line) for line in lines.splitlines()]

    def end(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(30)
        shutil.rmtree(self._folder, ignore_errors=True)


_cloud: Cloud | None = None
_results: Any = None


def _start(mock: Any, reset: bool = True) -> None:
    """Instead of moto's own: an empty cloud for each test, and clients that are made for it."""
    if mock.__class__._nested_count == 1 and reset:
        assert _cloud is not None
        _cloud.renew()
    _enable(mock, False)


_enable = models.ServerModeMockAWS._enable_patching


def _resolved(host: Any, *more: Any, **how: Any) -> Any:
    """As at AWS, where every name below an endpoint's is one of the endpoint's: S3 Control's clients put the account
    before it, and below an address there are no names."""
    below = re.fullmatch(r"[\w-]+\.(127(?:\.\d+){3})", host) if isinstance(host, str) else None
    return _resolve(below[1] if below else host, *more, **how)


_resolve = socket.getaddrinfo


def pytest_configure(config: pytest.Config) -> None:
    global _cloud, _results
    if not hasattr(config, "workerinput"):
        return
    _cloud = Cloud()
    name = config.workerinput["workerid"]
    _results = (Path(os.environ["CONFORMANCE_RESULTS"]) / f"{name}.jsonl").open("a")
    socket.getaddrinfo = _resolved
    models.ServerModeMockAWS._enable_patching = _start
    models.ServerModeMockAWS.reset = lambda _: None
    # Decorators are made when tests are imported, before there is a cloud: its address is looked up at each use.
    endpoint = property(lambda _: _endpoint(), lambda *_: None)
    models.ServerModeMockAWS._test_server_mode_endpoint = endpoint


def _endpoint() -> str:
    return _cloud.endpoint if _cloud is not None else ""


def pytest_unconfigure() -> None:
    if _cloud is not None:
        _cloud.end()
    if _results is not None:
        _results.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
    report: Any = yield
    if (
        _cloud is not None
        and _results is not None
        and (call.when == "call" or report.outcome != "passed")
        and call.when != "teardown"
    ):
        errors = _cloud.errors()
        line = {
            "test": item.nodeid,
            "outcome": report.outcome,
            "kind": kind(report, errors),
            "verified": item.get_closest_marker("aws_verified") is not None,
            "failed_with": [each for each in errors if each["status"] >= 500 or each["code"] in INTERNAL],
            "why": str(report.longrepr)[-300:] if report.outcome == "failed" else "",
        }
        _results.write(json.dumps(line) + "\n")
        _results.flush()
    return report


def kind(report: Any, errors: list[dict[str, Any]]) -> str:
    """Why a test failed, as far as the cloud's answers tell; empty for one that did not fail."""
    if report.outcome != "failed":
        return ""
    if any(each["status"] >= 500 for each in errors):
        return "5xx"
    if "Timeout" in str(report.longrepr)[-400:]:
        return "slow"
    if any(each["refused"] for each in errors):
        return "refused"
    if "Signature expired" in str(report.longrepr):
        return "clock"
    if any(each["code"] in STRANGER for each in errors):
        return "identity"
    return "internal" if any(each["code"] in INTERNAL for each in errors) else "differs"
