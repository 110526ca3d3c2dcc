"""Other clients than boto3: the aws CLI, and what ``aws logs tail --follow`` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from localcloud.services.logs import Logs
from support.waiting import eventually

PROFILE = "minimal"

Clients = Callable[..., Any]


@pytest.fixture
def environment(cloud: Cloud) -> dict[str, str]:
    identity = cloud.part(Identity)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
        "AWS_ACCESS_KEY_ID": identity.access_key_id,
        "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        "AWS_DEFAULT_REGION": cloud.settings.region,
        "AWS_ENDPOINT_URL": cloud.settings.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "TF_IN_AUTOMATION": "1",
    }


@pytest.fixture
def command(environment: dict[str, str]) -> Callable[..., Any]:
    """The aws CLI of this virtual environment; its answer as parsed JSON."""

    def run(*arguments: str) -> Any:
        found = subprocess.run(
            [str(Path(sys.executable).parent / "aws"), *arguments],
            env=environment,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout) if found.stdout.strip() else None

    return run


def test_the_aws_cli_reads_filters_and_queries(command: Callable[..., Any], cloud: Cloud) -> None:
    group = "/ecs/shop-staging/backend"
    command("logs", "create-log-group", "--log-group-name", group)
    now = int(time.time() * 1000)
    cloud.part(Logs).put(
        group, "backend/backend/1", [(now + place, f"{'ERROR' if place % 2 else 'INFO'} {place}") for place in range(6)]
    )

    streams = command("logs", "describe-log-streams", "--log-group-name", group, "--order-by", "LastEventTime")
    assert streams["logStreams"][0]["lastEventTimestamp"] == now + 5
    found = command("logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "ERROR")
    assert [event["message"] for event in found["events"]] == ["ERROR 1", "ERROR 3", "ERROR 5"]
    stream = ["--log-group-name", group, "--log-stream-name", "backend/backend/1"]
    page = command("logs", "get-log-events", *stream, "--limit", "2", "--start-from-head")
    assert [event["message"] for event in page["events"]] == ["INFO 0", "ERROR 1"]

    times = ["--start-time", str(now // 1000 - 60), "--end-time", str(now // 1000 + 60)]
    query = "fields @timestamp, @message | filter @message like /ERROR/ | sort @timestamp desc | limit 100"
    started = command("logs", "start-query", "--log-group-name", group, *times, "--query-string", query)

    def completed() -> dict[str, Any] | None:
        answer: dict[str, Any] = command("logs", "get-query-results", "--query-id", started["queryId"])
        assert answer["status"] in ("Scheduled", "Running", "Complete")
        return answer if answer["status"] == "Complete" else None

    answer = eventually("the query is complete", completed)
    assert [row[1]["value"] for row in answer["results"]] == ["ERROR 5", "ERROR 3", "ERROR 1"]
    assert [item["field"] for item in answer["results"][0]] == ["@timestamp", "@message", "@ptr"]


def test_following_a_group_shows_each_event_once_while_they_arrive(aws: Clients, cloud: Cloud) -> None:
    """As ``aws logs tail --follow``: FilterLogEvents from the newest time seen, events known by their ids left out."""
    logs = aws("logs")
    logs.create_log_group(logGroupName="/g")
    held = cloud.part(Logs)
    start = int(time.time() * 1000)
    seen: list[str] = []
    newest: dict[int, set[str]] = {start: set()}

    def poll() -> None:
        latest = max(newest)
        params: dict[str, Any] = {"logGroupName": "/g", "startTime": latest, "interleaved": True, "limit": 7}
        while True:
            answer = logs.filter_log_events(**params)
            for event in answer["events"]:
                known = newest.setdefault(event["timestamp"], set())
                if event["eventId"] not in known:
                    known.add(event["eventId"])
                    seen.append(event["message"])
            if "nextToken" not in answer:
                return
            params["nextToken"] = answer["nextToken"]

    for burst in range(12):
        held.put("/g", f"s{burst % 3}", [(start + burst, f"{burst} {place}") for place in range(5)])
        poll()
        held.put("/g", "late", [(start + burst, f"{burst} late")])
        if burst == 6:
            held.store.open(held.groups["/g"].identity).rotate()
            held.seal()
        poll()

    wanted = [text for burst in range(12) for text in [*(f"{burst} {place}" for place in range(5)), f"{burst} late"]]
    assert seen == wanted
