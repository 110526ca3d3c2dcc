"""The stand-in for an application: serves on its ports, logs, holds connections, and fails as it is told to.

By variables of its container:

* ``STAND_IN_PORTS``: where it serves, ``8080,9090``; without it at ``PORT``; without either it only logs.
* ``STAND_IN_PATHS``: ``{"/health": 204}``, the status that a health check wants there; everywhere else it is 200.
* ``STAND_IN_DATABASE``: ``host:port/name``, with ``STAND_IN_DATABASE_SECRET``: RDS's own, ``{"username", "password"}``.
* ``STAND_IN_CACHE``: a URL, ``rediss://:token@host:6379``.
* ``STAND_IN_CONNECTIONS``: how many connections it holds to the database (2).
* ``STAND_IN_FAIL``: ``5xx``, ``slow:2``, ``crash:10`` (after so many seconds), ``unhealthy``; else as its release is.
* ``STAND_IN_CONTROL``: a file that holds the same and is read every second; it goes before the variable.

``POST /_stand-in?fail=5xx`` tells one task alone, and ``?fail=`` ends that.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

RELEASE: dict[str, str] = json.loads(Path(__file__).with_name("release.json").read_text())
PATHS: dict[str, int] = json.loads(os.environ.get("STAND_IN_PATHS") or "{}")
CONTROL = os.environ.get("STAND_IN_CONTROL", "")
PROBE = "ELB-HealthChecker"
EVERY = 10.0
"""Seconds between two lines of a task to which nobody comes."""
CRASHED = 70
BEGAN = time.monotonic()
HEALTHY = 200


class State:
    """What this task was told by its own address, and what it could reach."""

    control: str | None = None
    database = "none"
    cache = "none"


def log(level: str, message: str, **more: Any) -> None:
    record = {"level": level, "message": message, "release": RELEASE["release"], **more}
    print(json.dumps(record), flush=True)


def failure() -> str:
    """What it is to do wrong now: by its own address, by the file, by its variable, by its release."""
    if State.control is not None:
        return State.control
    if CONTROL:
        try:
            return Path(CONTROL).read_text().strip()
        except OSError:
            pass
    return os.environ.get("STAND_IN_FAIL") or RELEASE["fail"]


def seconds(request: str, default: float) -> float:
    _, _, value = request.partition(":")
    try:
        return float(value)
    except ValueError:
        return default


class Handler(BaseHTTPRequestHandler):
    """Answers everything."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        split = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        if split.path == "/_stand-in" and self.command == "POST":
            State.control = parse_qs(split.query, keep_blank_values=True).get("fail", [""])[0]
            log("INFO", f"told to fail by {State.control or 'nothing'}")
            self.say(HEALTHY, {"fail": State.control})
            return
        is_probe = split.path in PATHS or PROBE in self.headers.get("User-Agent", "")
        status, wrong = PATHS.get(split.path, HEALTHY), failure()
        if wrong.startswith("slow"):
            time.sleep(seconds(wrong, 2.0))
        if (wrong == "5xx" and not is_probe) or (wrong == "unhealthy" and is_probe):
            status = 503 if is_probe else 500
        if not is_probe or status >= 500:
            log("ERROR" if status >= 500 else "INFO", f"{self.command} {split.path} {status}", status=status)
        self.say(status, {"service": "stand-in", "database": State.database, "cache": State.cache, **RELEASE})

    def __getattr__(self, name: str) -> Any:
        """``do_GET`` and the rest: every method is answered alike."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def say(self, status: int, payload: dict[str, Any]) -> None:
        body = b"" if status == 204 else json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - http.server's name
        """Nothing: ``answer`` logs."""


def ports() -> list[int]:
    """Where to listen. ``PORT`` is where the first one really is here; others below 1024 move as far."""
    names = [int(each) for each in os.environ.get("STAND_IN_PORTS", "").split(",") if each]
    port = os.environ.get("PORT", "")
    if not port.isdigit():
        return names
    if not names:
        return [int(port)]
    shift = int(port) - names[0]
    return [names[0] + shift, *(each + shift if each < 1024 else each for each in names[1:])]


def hold_database() -> None:
    """Keep connections open and ask something over them, as a pool does."""
    import psycopg

    address, _, name = os.environ["STAND_IN_DATABASE"].partition("/")
    host, _, port = address.rpartition(":")
    secret = json.loads(os.environ.get("STAND_IN_DATABASE_SECRET") or "{}")
    wanted, held = int(os.environ.get("STAND_IN_CONNECTIONS") or 2), list[Any]()
    while True:
        try:
            while len(held) < wanted:
                held.append(
                    psycopg.connect(
                        host=host, port=port or "5432", dbname=name or "postgres", user=secret.get("username"),
                        password=secret.get("password"), sslmode="require", connect_timeout=5, autocommit=True,
                        application_name=os.environ.get("STAND_IN_NAME", "stand-in"),
                    )
                )  # fmt: skip
            for connection in held:
                connection.execute("SELECT 1")
            State.database = f"{len(held)} connections"
        except psycopg.Error as problem:
            held.clear()
            State.database = "unreachable"
            log("ERROR", f"The database at {host} can't be used: {str(problem).splitlines()[0]}")
        time.sleep(5)


def hold_cache() -> None:
    """One connection to the cache, asked now and then."""
    import socket
    import ssl

    url = urlsplit(os.environ["STAND_IN_CACHE"])
    host, port = url.hostname or "", url.port or 6379
    while True:
        try:
            with socket.create_connection((host, port), 5) as plain:
                secure = plain
                if url.scheme == "rediss":
                    secure = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
                if url.password:
                    secure.sendall(f"AUTH {unquote(url.password)}\r\n".encode())
                    secure.recv(100)
                while True:
                    secure.sendall(b"PING\r\n")
                    if not secure.recv(100):
                        break
                    State.cache = "connected"
                    time.sleep(5)
        except OSError as problem:
            State.cache = "unreachable"
            log("ERROR", f"The cache at {host} can't be used: {problem}")
            time.sleep(5)


class Server(ThreadingHTTPServer):
    """Serves without a word of those who hang up: a load balancer's probe does, and that is no error."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for port in ports():
        server = Server((os.environ["HOST"], port), Handler)
        threading.Thread(target=server.serve_forever, name=f"port-{port}", daemon=True).start()
        log("INFO", f"serving on {port}")
    for variable, hold in (("STAND_IN_DATABASE", hold_database), ("STAND_IN_CACHE", hold_cache)):
        if os.environ.get(variable):
            threading.Thread(target=hold, name=variable, daemon=True).start()
    spoken = 0.0
    while True:
        age, wrong = time.monotonic() - BEGAN, failure()
        if wrong.startswith("crash") and age >= seconds(wrong, 0.0):
            log("ERROR", "It was told to crash.")
            sys.exit(CRASHED)
        if not spoken or age - spoken >= EVERY:
            spoken = age or EVERY
            log("INFO", "at work", database=State.database, cache=State.cache)
        time.sleep(0.5)


if __name__ == "__main__":
    main()
