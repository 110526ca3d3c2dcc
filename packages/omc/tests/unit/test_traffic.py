"""Traffic for a local stack: the shape of a day, what the report's figures come to, and users of a real server."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.errors import WrongUse
from omc.local import load_document as shown
from omc.local import load_report, traffic
from omc.local.traffic import Outcome, Plan, Sample, Shape, Traffic
from omc.output import markdown, terminal
from support.commands import ROOT, CommandResult, clean_env, run
from support.waiting import eventually


class Server(ThreadingHTTPServer):
    """The application's paths, and what was asked of it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, str]] = []
        self.connections: set[tuple[str, int]] = set()
        self.status: dict[str, int] = {}
        self.anonymous = False
        """Answers without X-Request-Id, as a load balancer's own."""
        self.slow = 0.0
        self.opened = threading.Event()
        """Nothing is answered before it is set."""
        self.opened.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.seen.append((self.command, self.path, self.headers.get("Authorization", "")))
        self.server.connections.add(self.client_address)
        self.server.opened.wait(60)
        time.sleep(self.server.slow)
        if self.command == "PUT":
            assert json.loads(body)["quantity"] > 0
        payload = json.dumps({"token": f"token-{len(self.server.seen)}"}).encode()
        self.send_response(self.server.status.get(self.path, {"POST": 201, "GET": 200, "PUT": 204}[self.command]))
        if not self.server.anonymous:
            self.send_header("X-Request-Id", "1")
        if self.command != "PUT":
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "PUT":
            self.wfile.write(payload)

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    httpd = Server()
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


# -- the shape


def test_the_day_is_quietest_in_the_maintenance_window_and_busiest_in_the_evening() -> None:
    minutes = [traffic.day_weight(minute / 1440) for minute in range(1440)]
    assert sum(minutes) / 1440 == pytest.approx(1, abs=0.001)
    assert 2 * 60 <= minutes.index(min(minutes)) <= 4 * 60
    assert 19 * 60 <= minutes.index(max(minutes)) <= 22 * 60
    assert max(minutes) / min(minutes) > 5
    assert traffic.day_weight(0.0) == pytest.approx(traffic.day_weight(1.0))  # no jump at midnight


@given(count=st.integers(0, 300), duration=st.floats(0.1, 1e5), shape=st.sampled_from(Shape), seed=st.integers())
def test_as_many_arrive_as_were_asked_for_in_order_and_in_time(
    count: int, duration: float, shape: Shape, seed: int
) -> None:
    times = traffic.arrivals(count, duration, shape, random.Random(seed))
    assert len(times) == count
    assert times == sorted(times)
    assert all(0 <= time <= duration for time in times)


def test_arrivals_follow_the_day() -> None:
    times = traffic.arrivals(50_000, 24.0, Shape.DIURNAL, random.Random(1))
    for hour in range(24):
        share = sum(hour <= at < hour + 1 for at in times) / len(times)
        wanted = sum(traffic.day_weight((hour + (each + 0.5) / 60) / 24) for each in range(60)) / 60 / 24
        assert share == pytest.approx(wanted, rel=0.15)


# -- the report


def sample(
    at: float, seconds: float, status: int = 200, outcome: Outcome = Outcome.OK, journey: str = "prices"
) -> Sample:
    return Sample(
        journey, "GET", "/api/v1/prices", at, seconds, status, outcome, "" if outcome is Outcome.OK else "why"
    )


def ran(*samples: Sample, duration: float = 60.0, shape: Shape = Shape.FLAT, lasted: float | None = None) -> Traffic:
    plan = Plan("http://127.0.0.1", rate=2, duration=duration, shape=shape, mix={"prices": 1, "history": 1})
    return Traffic(plan, samples, 1_700_000_000.0, lasted or duration, [0.0])


@given(st.lists(st.floats(0, 10), min_size=1), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = load_report.percentile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered)
    assert sum(value < found for value in ordered) < share * len(ordered)


def test_requests_are_counted_by_journey_time_and_outcome() -> None:
    found = load_report.report(
        ran(
            *(sample(at, 0.01) for at in range(90)[:58]),
            sample(58, 0.5, journey="history"),
            sample(59, 0.02, 503, Outcome.BALANCER),
            sample(31, 0.03, 500, Outcome.APPLICATION),
            sample(32, 10.0, 0, Outcome.GAVE_UP),
            sample(33, 1.0, 0, Outcome.NO_ANSWER),
        )
    )
    assert (found.total.requests, found.total.good, found.sent, found.answered) == (63, 59, 62, 61)
    assert found.total.error_share == pytest.approx(4 / 63)
    assert {part.name: part.requests for part in found.journeys} == {"prices": 62, "history": 1}
    assert [part.requests for part in found.slices] == [10, 10, 10, 13, 10, 10]
    assert found.slices[0].name == "0 to 10 s"
    assert found.first_error is not None
    assert found.first_error.status == 500
    assert [each.seconds for each in found.slowest] == [10.0, 1.0, 0.5]
    assert found.total.p99 == 0.5  # of what was answered
    assert found.total.rate == pytest.approx(63 / 60)


def test_the_slices_of_a_pressed_day_are_named_by_its_hours_and_end_where_it_was_interrupted() -> None:
    whole = ran(sample(1, 0.01), shape=Shape.DIURNAL)
    assert [part.name for part in load_report.report(whole).slices][:2] == ["00:00 to 04:00", "04:00 to 08:00"]
    cut = replace(ran(sample(1, 0.01), lasted=15.0), interrupted=True)
    found = load_report.report(cut)
    assert [part.name for part in found.slices] == ["0 to 10 s", "10 to 20 s"]
    assert found.total.rate == pytest.approx(1 / 15)


@pytest.mark.parametrize(
    ("outcomes", "code", "says"),
    [
        ([Outcome.OK] * 100, 0, "OK: users were served well; 0.00%"),
        ([Outcome.OK] * 99 + [Outcome.APPLICATION], 0, "1.00% of their requests failed"),
        ([Outcome.OK] * 98 + [Outcome.APPLICATION] * 2, 1, "FAIL: 2.00%"),
        ([Outcome.NO_ANSWER] * 3 + [Outcome.GAVE_UP], 3, "UNKNOWN: not one request was answered"),
        ([], 3, "UNKNOWN"),
    ],
)
def test_the_exit_code_and_the_verdict_agree(outcomes: list[Outcome], code: int, says: str) -> None:
    statuses = {Outcome.OK: 200, Outcome.APPLICATION: 500}
    found = load_report.report(ran(*(sample(1, 0.01, statuses.get(each, 0), each) for each in outcomes)))
    assert shown.exit_code(found, 0.01) == code
    document = shown.load_document(found, "Australia/Sydney", 0.01)
    assert says in terminal.render(document)
    assert says in markdown.render(document)
    assert document.data["exit_code"] == code


def test_who_made_an_error_is_known_by_the_request_id() -> None:
    assert traffic.outcome_of(503, from_application=True) is Outcome.APPLICATION
    assert traffic.outcome_of(503, from_application=False) is Outcome.BALANCER
    assert traffic.outcome_of(404, from_application=True) is Outcome.REFUSED
    assert traffic.outcome_of(304, from_application=False) is Outcome.OK


# -- users of a real server


def test_users_walk_as_browsers_do_and_all_of_it_is_counted(server: Server) -> None:
    found = load_report.report(traffic.send(Plan(server.url, rate=150, duration=1, users=8, seed=7)))
    assert found.sent == found.total.good == len(server.seen) > 100
    # Which coin a user takes hangs on who of them is free first: the seed settles the journeys, not the threads.
    requested = {(method, re.sub("|".join(traffic.COINS), "COIN", path)) for method, path, _ in server.seen}
    assert {
        ("GET", "/"),
        ("GET", "/app.js"),
        ("POST", "/api/v1/portfolio"),
        ("PUT", "/api/v1/portfolio/COIN"),
    } <= requested
    assert len(server.connections) <= 8  # kept
    own = [token for method, path, token in server.seen if method == "PUT"]
    assert own
    assert all(token.startswith("Bearer token-") for token in own)


def test_errors_are_counted_with_who_made_them(server: Server) -> None:
    server.status = {"/api/v1/prices": 503}
    plan = Plan(server.url, rate=50, duration=0.4, mix={"prices": 1})
    found = load_report.report(traffic.send(plan))
    assert found.outcomes == {Outcome.APPLICATION: 10}  # and no user went on from there
    server.anonymous = True
    found = load_report.report(traffic.send(plan))
    assert found.outcomes == {Outcome.BALANCER: 10}
    assert found.statuses == {503: 10}
    assert found.total.good == 0


def test_a_slow_server_holds_no_arrival_back_and_waiting_counts(server: Server) -> None:
    """Two places and 0.2 s an answer: the twentieth user waits about two seconds, and the report says so."""
    server.slow = 0.2
    server.opened.clear()
    looks: list[float] = []

    def watch(done: int, outcomes: Counter[Outcome], gone: float) -> None:
        """One look after the last arrival's time may be on the way to it. At the second all have come."""
        if gone > 0.5:
            looks.append(gone)
        if len(looks) == 2:
            server.opened.set()

    began = time.monotonic()
    run = traffic.send(Plan(server.url, rate=40, duration=0.5, users=2, mix={"history": 1}), watch)
    assert len(run.samples) == 20
    assert max(each.at for each in run.samples) <= 0.5
    assert max(each.seconds for each in run.samples) > 1.2
    assert time.monotonic() - began > 1.7
    came = [at + late for at, late in zip(sorted(each.at for each in run.samples), run.late, strict=True)]
    assert max(came) < looks[1], "an arrival was held back until others had been answered"


def test_no_answer_is_counted_too() -> None:
    found = load_report.report(traffic.send(Plan("http://127.0.0.1:9", rate=100, duration=0.05, mix={"history": 1})))
    assert found.outcomes == {Outcome.NO_ANSWER: 5}
    assert found.first_error is not None
    assert "refused" in found.first_error.reason


def test_a_connection_that_the_server_closed_is_made_anew(server: Server) -> None:
    class Closing(Handler):
        def answer(self) -> None:
            super().answer()
            self.connection.settimeout(0.05)  # closes what is idle after its first answer

        do_GET = answer  # noqa: N815 - the library's name

    server.RequestHandlerClass = Closing
    run = traffic.send(Plan(server.url, rate=10, duration=1.5, users=1, mix={"history": 1}, seed=3))
    assert {each.outcome for each in run.samples} == {Outcome.OK}
    assert len(server.connections) > 1


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://example.com:8080", "https://192.168.1.1/"])
def test_it_never_leaves_the_machine(url: str) -> None:
    with pytest.raises(WrongUse, match="only sent to this machine"):
        traffic.send(Plan(url, rate=1, duration=1))


def test_what_is_out_of_bounds_is_refused() -> None:
    plan = Plan("http://127.0.0.1", rate=1, duration=1)
    with pytest.raises(WrongUse, match="more than 500,000 requests"):
        traffic.send(replace(plan, rate=1000, duration=3600))
    with pytest.raises(WrongUse, match='no journey "shopping"; there are front-page'):
        traffic.send(replace(plan, mix=traffic.mix_of(["shopping=1"])))
    with pytest.raises(WrongUse, match="one must be more than 0"):
        traffic.send(replace(plan, mix={"prices": 0}))
    with pytest.raises(WrongUse, match="write NAME=SHARE"):
        traffic.mix_of(["prices"])


# -- the command


def applied(folder: Path, url: str, shift: int = 0) -> dict[str, str]:
    """A state folder as a running cloud leaves it, whose load balancer is at ``url``."""
    record = {"endpoint": "", "region": "", "account": "", "access_key_id": "", "secret_access_key": ""}
    (folder / "cloud.json").write_text(json.dumps(record | {"port_shift": shift}))
    outputs = {"load_balancer": {"url": url}}
    (folder / "stack.json").write_text(
        json.dumps({"phase": "applied", "mirror": None, "images": {}, "outputs": outputs})
    )
    return clean_env(OMC_LOCAL_STATE=str(folder))


def test_interrupted_it_reports_what_it_has(server: Server, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "omc", "local", "load", "--rate", "40", "--duration", "600", "--output", "json"],
        cwd=ROOT,
        env=applied(tmp_path, server.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually("sixty requests have arrived", lambda: len(server.seen) >= 60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    payload = json.loads(out)
    assert payload["interrupted"]
    assert payload["sent"] >= 20
    assert payload["seconds"] < 600


def test_without_a_cloud_or_an_answer_the_exit_code_is_3(tmp_path: Path) -> None:
    def load(env: dict[str, str]) -> CommandResult:
        return run([sys.executable, "-m", "omc", "local", "load", "--rate", "5", "--duration", "1"], env, 60)

    done = load(clean_env(OMC_LOCAL_STATE=str(tmp_path)))
    assert done.returncode == 3
    assert "Start one: omc local up" in done.stderr
    done = load(applied(tmp_path, "http://127.0.0.1:9"))
    assert done.returncode == 3
    assert "UNKNOWN: not one request was answered" in done.stdout
