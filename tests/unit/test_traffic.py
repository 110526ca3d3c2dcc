"""Traffic for a local stack, sent to a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from omc.errors import WrongUse
from omc.local import traffic


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/broken" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_it_counts_what_users_saw(server: str) -> None:
    met = traffic.send(server, rate=200, seconds=0.2, paths=("/fine", "/broken"))
    assert met.total == 40
    assert met.statuses == {200: 20, 503: 20}
    assert met.good == 20


def test_no_answer_is_counted_too() -> None:
    met = traffic.send("http://127.0.0.1:9", rate=100, seconds=0.05)
    assert met.statuses == {0: 5}


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://example.com:8080", "https://192.168.1.1/"])
def test_it_never_leaves_the_machine(url: str) -> None:
    with pytest.raises(WrongUse, match="only sent to this machine"):
        traffic.send(url, rate=1, seconds=1)
