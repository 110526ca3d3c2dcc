"""The log store under stress: kills, many writers, a worker that dies, retention, a cloud that comes up again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud import assemble
from localcloud.core import addresses
from localcloud.core.cloud import Cloud, Settings
from localcloud.core.processes import read_entry
from localcloud.services.logs import Logs
from localcloud.services.logs.insights.translate import translate
from localcloud.services.logs.reader import Question
from localcloud.services.logs.store import TAIL_EVENTS, Store
from support.waiting import eventually

Clients = Callable[..., Any]

WRITER = """
import sys, time
from pathlib import Path
from localcloud.services.logs.store import Store
group = Store(Path(sys.argv[1])).open("g")
number = 0
while True:
    group.append("s", [(number, f"event {number}")])
    print(number, flush=True)
    number += 1
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "packages/localcloud/src"},
    )
    assert process.stdout is not None
    for _ in range(2_000):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    acknowledged = 1_999 + len(process.stdout.read().splitlines())
    process.wait(10)

    store = Store(tmp_path)
    kept = [event.message for event in store.open("g").view(0, 2**62).events]
    assert kept[: acknowledged + 1] == [f"event {number}" for number in range(acknowledged + 1)]
    assert len(kept) <= acknowledged + 2
    store.close()


def make(state: Path) -> tuple[Logs, Cloud]:
    """Logs alone, without loops: sealing happens when a test says so."""
    logs = Logs(state)
    return logs, Cloud(Settings(state, "123456789012", "ap-southeast-2", 0, 4566, 0))


def every(logs: Logs, group: str) -> list[str]:
    """All messages, page by page."""
    found: list[str] = []
    question = Question()
    while True:
        page = logs.page(logs.groups[group], question)
        found.extend(event.message for event in page.events)
        if page.reached is None:
            return found
        question = Question(after=page.reached)


def test_many_writers_lose_nothing_while_tails_are_sealed(tmp_path: Path) -> None:
    logs, _ = make(tmp_path)
    logs.make_group("g")

    def write(writer: int) -> None:
        for number in range(100):
            logs.put("g", f"s{writer}", [(number, f"{writer} {number} {place}") for place in range(80)])

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        logs.seal()
    logs.seal()

    held = logs.store.open(logs.groups["g"].identity)
    assert sum(segment.events for segment in held.view(0, 2**62).segments) >= TAIL_EVENTS
    found = every(logs, "g")
    assert len(found) == len(set(found)) == 6 * 100 * 80
    logs.stop()


def test_a_cloud_killed_between_the_steps_of_sealing_has_each_event_once(tmp_path: Path) -> None:
    """The segment has its name, the tail's file is still there: the worst instant."""
    logs, _ = make(tmp_path)
    group = logs.make_group("g")
    logs.put("g", "s", [(number, f"event {number}") for number in range(100)])
    held = logs.store.open(group.identity)
    (tail,) = held.rotate()
    copy = tail.path.read_bytes()
    logs.put("g", "s", [(200, "after")])
    logs.seal()
    state = logs.dump()
    logs.stop()
    tail.path.write_bytes(copy)
    (tail.path.parent / "segment_9_1_1_1_1.new").write_bytes(b"half")

    again, cloud = make(tmp_path)
    again.load(state)
    again.start(cloud)
    assert every(again, "g") == [*(f"event {number}" for number in range(100)), "after"]
    assert not tail.path.exists()
    cloud.stopping.set()
    again.stop()


def test_streams_that_no_snapshot_knows_are_found_in_the_tail(tmp_path: Path) -> None:
    logs, _ = make(tmp_path)
    logs.make_group("g")
    state = logs.dump()
    logs.put("g", "late", [(1000, "a"), (3000, "b")])
    logs.store.close()

    again, cloud = make(tmp_path)
    again.load(state)
    again.start(cloud)
    assert (again.groups["g"].streams["late"].first, again.groups["g"].streams["late"].last) == (1000, 3000)
    cloud.stopping.set()
    again.stop()


def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    logs, _ = make(tmp_path)
    group = logs.make_group("g")
    logs.put("g", "s", [(1, "a")])
    logs.store.open(group.identity).rotate()
    logs.seal()
    assert every(logs, "g") == ["a"]
    process = logs.workshop._process
    assert process is not None
    process.send(signal.SIGKILL)
    eventually("the worker ends", lambda: process.poll() is not None)
    eventually("its channel is closed", lambda: logs.workshop._channel is None)
    assert every(logs, "g") == ["a"]
    logs.stop()


def test_no_worker_outlives_its_server(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from localcloud.services.logs import Logs\n"
        "logs = Logs(Path(sys.argv[1])); logs.make_group('g'); logs.put('g', 's', [(1, 'a')])\n"
        "logs.store.open(logs.groups['g'].identity).rotate(); logs.seal()\n"
        "print(logs.workshop._process.pid, flush=True); time.sleep(60)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "packages/localcloud/src"},
    )
    assert server.stdout is not None
    worker = int(server.stdout.readline())
    entry = read_entry(worker)
    assert entry is not None
    server.kill()
    server.wait(10)

    def gone() -> bool:
        now = read_entry(worker)
        return now is None or now.zombie or now.started_at != entry.started_at

    eventually("it is gone", gone)


def test_retention_deletes_segments_and_hides_what_is_too_old(tmp_path: Path) -> None:
    logs, _ = make(tmp_path)
    group = logs.make_group("g", retention=1)
    held = logs.store.open(group.identity)
    now = int(time.time() * 1000)
    logs.put("g", "s", [(now - 3 * 86_400_000, "old")])
    held.rotate()
    logs.seal()
    (segment,) = held.view(0, 2**62).segments
    logs.put("g", "s", [(now - 2 * 86_400_000, "old too"), (now, "new")])

    with logs.store.reading():
        logs.expire()
        assert segment.path.exists()  # a reader may have it open
    assert not segment.path.exists()

    statement = translate("fields @message")
    query = logs.queries.start("fields @message", statement, [(group, "g")], 0, now)

    def is_complete() -> bool:
        found = logs.queries.find(query.identity)
        return found is not None and found.status == "Complete"

    eventually("the query is complete", is_complete)
    assert [row[0] for row in logs.queries.rows(query)] == ["new"]
    logs.stop()


def test_a_stopped_query_is_cancelled_and_ends(tmp_path: Path) -> None:
    logs, _ = make(tmp_path)
    group = logs.make_group("g")
    logs.put("g", "s", [(number, "x" * 50) for number in range(15_000)])
    text = "fields " + ", ".join(f"replace(@message, 'x', 'xxxxxxxx{n}') as f{n}" for n in range(60)) + " | sort f1"
    query = logs.queries.start(text, translate(text), [(group, "g")], 0, 10**9)
    assert logs.queries.cancel(query)
    assert not logs.queries.cancel(query)
    assert query.status == "Cancelled"
    eventually("no work waits", lambda: not logs.workshop._waiting, 120)
    logs.stop()


def test_what_cannot_be_stored_is_dropped_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A writer of logs is never ended by its logs."""
    logs, _ = make(tmp_path)
    logs.make_group("g")
    logs.store.open(logs.groups["g"].identity).close()
    logs.put("g", "s", [(1, "a")])
    assert "1 log events for g were dropped" in caplog.text
    with pytest.raises(OSError, match="is closed"):
        logs.store_events("g", "s", [(1, "a")])
    logs.stop()


@contextmanager
def up(state: Path) -> Iterator[tuple[Cloud, Any]]:
    """A whole cloud on this state folder, and a client of its logs; taken down afterwards.

    Its addresses stay its own: another process could take them before the next one on the same folder starts.
    """
    home = addresses.load(state) or addresses.create(state)
    cloud = assemble.assemble(home.settings, home.access_key_id, home.secret_access_key)
    server = assemble.start(cloud)
    try:
        yield (
            cloud,
            boto3.client(
                "logs",
                endpoint_url=cloud.settings.endpoint,
                region_name=cloud.settings.region,
                aws_access_key_id=home.access_key_id,
                aws_secret_access_key=home.secret_access_key,
            ),
        )
    finally:
        assemble.stop(cloud, server)
        assemble.forget(cloud)


def test_everything_is_there_after_down_and_up(tmp_path: Path) -> None:
    at = int(time.time() * 1000)
    with up(tmp_path) as (cloud, client):
        client.create_log_group(logGroupName="/g", tags={"a": "b"})
        client.put_retention_policy(logGroupName="/g", retentionInDays=7)
        client.put_query_definition(name="q", queryString="fields @log", logGroupNames=["/g"])
        cloud.part(Logs).put("/g", "s", [(at, "one")])
    with up(tmp_path) as (cloud, client):
        (group,) = client.describe_log_groups()["logGroups"]
        assert group["retentionInDays"] == 7
        assert [event["message"] for event in client.filter_log_events(logGroupName="/g")["events"]] == ["one"]
        (stream,) = client.describe_log_streams(logGroupName="/g")["logStreams"]
        assert stream["lastEventTimestamp"] == at
        assert client.describe_query_definitions()["queryDefinitions"][0]["name"] == "q"
    addresses.release(cloud.settings.state)


def test_a_metric_filter_publishes_what_matches(cloud: Cloud, aws: Clients) -> None:
    logs, cloudwatch = aws("logs"), aws("cloudwatch")
    logs.create_log_group(logGroupName="/g")
    filters: list[tuple[str, str, str, dict[str, Any]]] = [
        ("errors", '{ $.level = "ERROR" }', "1", {"defaultValue": 0.0}),
        ("latency", "{ $.ms = * }", "$.ms", {"unit": "Milliseconds", "dimensions": {"path": "$.path"}}),
    ]
    for name, pattern, value, more in filters:
        transformation = {"metricName": name, "metricNamespace": "App", "metricValue": value, **more}
        logs.put_metric_filter(
            logGroupName="/g", filterName=name, filterPattern=pattern, metricTransformations=[transformation]
        )
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    at = int(minute.timestamp() * 1000)
    cloud.part(Logs).put(
        "/g",
        "s",
        [
            (at, '{"level": "ERROR", "ms": 30, "path": "/a"}'),
            (at + 1000, '{"level": "ERROR", "ms": 10, "path": "/a"}'),
            (at + 60_000, '{"level": "INFO"}'),
            (at + 61_000, "no JSON"),
        ],
    )

    def statistics(name: str, **more: Any) -> list[dict[str, Any]]:
        answer = cloudwatch.get_metric_statistics(
            Namespace="App",
            MetricName=name,
            StartTime=minute,
            EndTime=minute + timedelta(minutes=3),
            Period=60,
            Statistics=["Sum", "Maximum", "SampleCount"],
            **more,
        )
        return sorted(answer["Datapoints"], key=lambda each: each["Timestamp"])

    eventually("both are counted", lambda: len(statistics("errors")) == 2)
    assert [each["Sum"] for each in statistics("errors")] == [2.0, 0.0]
    (latency,) = statistics("latency", Dimensions=[{"Name": "path", "Value": "/a"}])
    assert (latency["Maximum"], latency["SampleCount"], latency["Unit"]) == (30.0, 2.0, "Milliseconds")
