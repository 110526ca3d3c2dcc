"""From a message in the queue to a page that a receiver has, beside Alertmanager with the same alerts in the same run.

A part of `make bench-respond`. A responder as `omc serve` runs it, in a process and with a PostgreSQL of its own, reads
a queue that speaks SQS's protocol and pages by a webhook. Alertmanager is Debian's package, with no time to wait
for a group, and tells a webhook too. Each is given an alert when the other is done with the one before, so that neither
is in the other's way; then both are given the storm.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx

from killsweep.outside import Handed, Outside, Queue, outside_wire
from killsweep.responder_process import Nursery
from killsweep.wire import Gate, Instance
from omc.responder.model import Notification
from omc.store import embedded
from omc.store.database import open_store
from omc.store.incidents import incidents_of
from support.engine_world import execute, place_in
from support.http_server import serving
from support.notify_world import SECRETS

PROGRAMS = ("prometheus-alertmanager", "alertmanager")
PACKAGE = "prometheus-alertmanager"
WITHIN = 120.0
"""Seconds for anything: many times what it needs."""
CONFIGURATION = """\
route:
  receiver: hook
  group_by: [service]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
receivers:
  - name: hook
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


@dataclass(frozen=True, slots=True)
class Delivered:
    """How one of the two did."""

    who: str
    alerts: int
    median_ms: float
    p99_ms: float
    """From when an alert was available to when the receiver had what tells of it; one alert at a time."""
    storm_seconds: float
    """From the first of the storm to the last message to the receiver."""
    storm_messages: int
    """To the receiver, in the storm."""
    missing: int
    """Alerts of which nobody was told, and services of the storm of which nobody was."""


def row(it: Delivered) -> str:
    return (
        f"| {it.who} | {it.median_ms:.0f} ms | {it.p99_ms:.0f} ms | {it.storm_seconds:.1f} s | {it.storm_messages} | "
        f"{it.missing} |"
    )


def table(found: Sequence[Delivered], notifications: int) -> str:
    one, many = f"one of {found[0].alerts} alerts, median", f"{notifications} at once"
    head = f"| | {one} | p99 | {many} | messages sent for these | missing |"
    return "\n".join([head, "|---|---|---|---|---|---|", *map(row, found)])


# ── omc ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Omc:
    """A responder, its queue and its receiver."""

    outside: Outside
    incidents: Any
    """Gives the number of open incidents."""
    name: str = "omc"

    def tell(self, number: int) -> None:
        self.outside.queue.put(alarm(f"check-{number}", f"probe-{number}", datetime.now(UTC), is_end=False))

    def is_told(self, number: int) -> float | None:
        """When the receiver had it."""
        return next((each.at for each in self.pages if f"check-{number} " in f"{_words(each)} "), None)

    @property
    def pages(self) -> list[Handed]:
        return [each for each in list(self.outside.handed) if each.key.startswith("page:")]

    def storm(self, notifications: Sequence[Notification]) -> None:
        bodies = [
            alarm(f"{each.service}-{each.name}", each.service or "", each.at, is_end=each.state == "ended")
            for each in notifications
        ]
        self.outside.queue.put(*bodies)

    def is_calm(self) -> bool:
        return self.outside.queue.is_empty() and len(self.pages) >= int(self.incidents())

    def told_services(self) -> set[str]:
        return {word for each in self.pages for word in _words(each).split() if word.startswith("service-")}

    def times(self) -> list[float]:
        return [each.at for each in self.pages]


def _words(page: Handed) -> str:
    """What a page says, without punctuation."""
    message = json.loads(page.content)["message"]
    text = " ".join([message["short"], *message["lines"]])
    return " ".join("".join(each if each.isalnum() or each == "-" else " " for each in text).split())


def alarm(name: str, service: str, at: datetime, *, is_end: bool) -> dict[str, Any]:
    full = f"ohmycoins-staging-{name}"
    return {
        "AlarmName": full,
        "AlarmArn": f"arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:{full}",
        "NewStateValue": "OK" if is_end else "ALARM",
        "StateChangeTime": at.isoformat(timespec="milliseconds"),
        "NewStateReason": "Threshold Crossed",
        "AlarmTags": [{"Key": "Severity", "Value": "SEV-2"}, {"Key": "Service", "Value": service}],
        "Trigger": {},
    }


@contextmanager
def omc_serving(folder: Path) -> Iterator[Omc]:
    with ExitStack() as stack:
        server = embedded.Server(folder / "pg")
        server.enter()
        stack.callback(server.leave)
        execute(server, "CREATE DATABASE serving")
        place = place_in(server, "serving")
        store = stack.enter_context(open_store(place))
        instance = Instance("omc")
        outside = Outside(Queue(lambda: datetime.now(UTC), repeats=0, most=10))
        address = stack.enter_context(outside_wire(outside, instance, Gate(lambda _: "")))
        (folder / "state").mkdir()
        cloud = {"endpoint": address, "region": "ap-southeast-2", "account": "1", "port_shift": 0}
        keys = {"access_key_id": "a", "secret_access_key": "b"}
        (folder / "state" / "cloud.json").write_text(json.dumps(cloud | keys))
        nursery = Nursery(SECRETS)
        stack.callback(nursery.end)
        instance.pid = nursery.start(
            url=place.url,
            address=address,
            state=str(folder / "state"),
            clock=str(folder / "clock"),
            log=str(folder / "log"),
            is_hurried=False,
        )
        stack.callback(instance.kill)
        yield Omc(outside, lambda: sum(each.is_open for each in incidents_of(store, "local")))


# ── Alertmanager ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Alertmanager:
    """Debian's, and its receiver."""

    address: str
    name: str
    received: list[tuple[float, Mapping[str, Any]]] = field(default_factory=list)
    http: httpx.Client = field(default_factory=httpx.Client)

    def tell(self, number: int) -> None:
        self._post([_alert(f"check-{number}", f"probe-{number}", datetime.now(UTC), is_end=False)])

    def is_told(self, number: int) -> float | None:
        wanted = f"check-{number}"
        return next(
            (
                at
                for at, body in list(self.received)
                if any(each["labels"]["alertname"] == wanted for each in body["alerts"])
            ),
            None,
        )

    def storm(self, notifications: Sequence[Notification]) -> None:
        for first in range(0, len(notifications), 10):
            self._post(
                [
                    _alert(each.name, each.service or "", each.at, is_end=each.state == "ended")
                    for each in notifications[first : first + 10]
                ]
            )

    def is_calm(self) -> bool:
        """It has no word for that: nothing came for three of its intervals."""
        return bool(self.received) and time.monotonic() - self.received[-1][0] > 3

    def told_services(self) -> set[str]:
        return {each["labels"]["service"] for _, body in list(self.received) for each in body["alerts"]}

    def times(self) -> list[float]:
        return [at for at, _ in list(self.received)]

    def _post(self, alerts: Sequence[Any]) -> None:
        self.http.post(f"{self.address}/api/v2/alerts", json=alerts).raise_for_status()


def _alert(name: str, service: str, at: datetime, *, is_end: bool) -> dict[str, Any]:
    found = {"labels": {"alertname": name, "service": service, "severity": "SEV-2"}, "startsAt": at.isoformat()}
    return found | {"endsAt": at.isoformat()} if is_end else found


@contextmanager
def alertmanager_serving(folder: Path, program: str) -> Iterator[Alertmanager]:
    received: list[tuple[float, Mapping[str, Any]]] = []

    class Hook(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append((time.monotonic(), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with serving(Hook) as hook:
        (folder / "alertmanager.yml").write_text(CONFIGURATION.format(url=hook))
        port = _free_port()
        words = [
            program,
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        name = " ".join((version.stdout or version.stderr).split()[:3]).replace("alertmanager, version", "Alertmanager")
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            made = Alertmanager(f"http://127.0.0.1:{port}", name, received)
            _wait("Alertmanager is ready", lambda: _is_ready(made))
            yield made
        finally:
            process.terminate()
            process.wait(30)


def _is_ready(made: Alertmanager) -> bool:
    with suppress(httpx.HTTPError):
        return made.http.get(f"{made.address}/-/ready").is_success
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# ── Both ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _wait(what: str, is_so: Any, within: float = WITHIN) -> Any:
    deadline = time.monotonic() + within
    while not (found := is_so()):
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {within:.0f} s: {what}")
        time.sleep(0.002)
    return found


def compare(storm: Sequence[Notification], alerts: int = 200) -> list[Delivered]:
    """Omc, and Alertmanager where there is one."""
    program = next((found for each in PROGRAMS if (found := shutil.which(each))), None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omc-bench-")))
        both: list[Omc | Alertmanager] = [stack.enter_context(omc_serving(folder))]
        if program is not None:
            both.append(stack.enter_context(alertmanager_serving(folder, program)))
        else:
            print(f"Alertmanager isn't measured: there is no {' or '.join(PROGRAMS)}. apt-get install {PACKAGE}")
        took: dict[str, list[float]] = {each.name: [] for each in both}
        for number in range(-5, alerts):  # the first ones warm both up
            for each in both:
                began = time.monotonic()
                each.tell(number)
                told = _wait(f"{each.name} tells of alert {number}", lambda: each.is_told(number))  # noqa: B023
                if number >= 0:
                    took[each.name].append((told - began) * 1000)
        return [_in_storm(each, storm, took[each.name]) for each in both]


def _in_storm(each: Omc | Alertmanager, storm: Sequence[Notification], took: list[float]) -> Delivered:
    before = len(each.times())
    began = time.monotonic()
    sending = threading.Thread(target=each.storm, args=[storm])
    sending.start()
    sending.join()
    _wait(f"{each.name} is done with the storm", lambda: len(each.times()) > before and each.is_calm())
    wanted = {str(one.service) for one in storm}
    return Delivered(
        who=each.name,
        alerts=len(took),
        median_ms=round(statistics.median(took), 1),
        p99_ms=round(statistics.quantiles(took, n=100)[98], 1),
        storm_seconds=round(each.times()[-1] - began, 1),
        storm_messages=len(each.times()) - before,
        missing=len(wanted - each.told_services()),
    )


def machine() -> str:
    """Of which the figures are."""
    model = "an unknown processor"
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    return f"{os.cpu_count()} cores of {model}"
