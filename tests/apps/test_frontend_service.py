"""The frontend as a process, seen from outside: the page, its files, health, logs, shutdown."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.waiting import eventually

APP = Path(__file__).parents[2] / "apps" / "frontend"
PORT = "18400"


class _Page(HTMLParser):
    """Collects ids, and the files that the page asks for; complains about tags that aren't closed in order."""

    VOID = frozenset({"meta", "link", "br", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.files: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.ids |= {values["id"]} if "id" in values else set()
        self.files |= {values[key] for key in ("src", "href") if key in values}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def get(url: str, **options: Any) -> httpx.Response:
    return httpx.get(url, timeout=60, **options)


@pytest.fixture(scope="module")
def frontend() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    address = f"127.31.{os.getpid() % 250 + 1}.1"  # of its own, so that the port is free
    process = subprocess.Popen(
        [sys.executable, "-m", "frontend"],
        cwd=APP,
        env={"PATH": os.environ["PATH"], "HOST": address, "PORT": PORT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    url = f"http://{address}:{PORT}"
    try:

        def answers() -> bool:
            assert process.poll() is None, process.communicate()[0]
            try:
                get(f"{url}/health")
            except httpx.TransportError:
                return False
            return True

        eventually("the frontend answers", answers)
        yield url, process
    finally:
        process.kill()
        process.communicate()


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(frontend: tuple[str, subprocess.Popen[str]]) -> None:
    url, _ = frontend
    answer = get(url)
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    page = _Page()
    page.feed(answer.text)
    assert page.open == []
    assert {"prices", "coin", "line", "range", "freshness"} <= page.ids
    for file in page.files:
        assert re.match(r"/\w", file), f"{file} is not of this origin"
        assert get(url + file).status_code == 200
    script = get(f"{url}/app.js").text
    used = set(re.findall(r'byId\("([a-z-]+)"\)', script))
    assert used <= page.ids, f"the script looks for {used - page.ids}"
    assert not re.search(r"https?://(?!www\.w3\.org/)", answer.text + script)


def test_it_is_healthy_and_serves_nothing_but_the_page(frontend: tuple[str, subprocess.Popen[str]]) -> None:
    url, _ = frontend
    assert {get(url + path).status_code for path in ("/health", "/health/live", "/health/ready")} == {200}
    assert get(f"{url}/../../requirements.txt").status_code == 404
    assert get(f"{url}/%2e%2e/__main__.py").status_code == 404


def test_it_logs_requests_as_json_and_stops_in_order(frontend: tuple[str, subprocess.Popen[str]]) -> None:
    url, process = frontend
    assert get(url, headers={"X-Request-Id": "page-1"}).headers["x-request-id"] == "page-1"
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    [line] = [line for line in lines if line.get("request_id") == "page-1"]
    assert (line["level"], line["method"], line["path"], line["status"]) == ("INFO", "GET", "/", 200)
    assert not [line for line in lines if line["level"] in {"ERROR", "WARNING"}]
