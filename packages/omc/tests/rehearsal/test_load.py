"""`omc local load` on the whole stack: what it says it sent is what the load balancer, CloudWatch and the logs saw."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from support.commands import CommandResult
from support.stack import Stack, wait_until_healthy
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

SINCE = datetime.now(UTC) - timedelta(hours=1)


def counted(stack: Stack, metric: str) -> float:
    """The metric's sum over all that this cloud has seen."""
    arn = stack.client("elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    points = stack.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ApplicationELB",
        MetricName=metric,
        Dimensions=[{"Name": "LoadBalancer", "Value": arn.partition("loadbalancer/")[2]}],
        StartTime=SINCE,
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def test_what_load_says_it_sent_is_what_cloudwatch_counts(healthy: Stack) -> None:
    metrics = ("RequestCount", "HTTPCode_Target_2XX_Count")
    before: list[float] = []
    since = time.monotonic()

    def quiet() -> bool:
        """Nothing new for fifteen seconds: what earlier tests sent has arrived."""
        nonlocal since
        look = [counted(healthy, metric) for metric in metrics]
        if look != before:
            before[:], since = look, time.monotonic()
        return time.monotonic() - since > 15

    eventually("the load balancer is idle", quiet, within=180)
    done = healthy.omc("local", "load", "--rate", "25", "--duration", "12", "--shape", "diurnal", "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    payload = done.json
    assert payload["sent"] == payload["requests"] == payload["good"] > 150
    assert {each["journey"] for each in payload["journeys"] if each["requests"]} >= {"front-page", "prices", "history"}
    wanted = [payload["sent"], sum(count for status, count in payload["statuses"].items() if status.startswith("2"))]
    seen: list[float] = []

    def arrived() -> bool:
        seen[:] = [counted(healthy, metric) - past for metric, past in zip(metrics, before, strict=True)]
        return seen == wanted or seen > wanted  # more than were sent won't become fewer

    eventually(f"CloudWatch counts the {wanted} that were sent", arrived, within=180)
    assert seen == wanted


def test_where_no_task_is_left_the_load_balancer_answers_and_the_report_says_so(healthy: Stack) -> None:
    over = threading.Event()

    def kill() -> None:
        """Whatever ECS starts meanwhile."""
        while not over.is_set():
            for pid in healthy.task_pids("backend"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    words = ("local", "load", "--rate", "20", "--duration", "2", "--journey", "history=1", "--output", "json")
    seen: list[CommandResult] = []

    def finds_nobody() -> bool:
        """ECS has new tasks within seconds, which may serve a whole load before they are killed."""
        seen.append(healthy.omc(*words))
        return seen[-1].returncode != 0

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        eventually("a load finds nobody", finds_nobody, within=180)
        done = seen[-1]
        assert done.returncode == 1, done.stderr
        payload = done.json
        assert payload["outcomes"]["load balancer error"] > 0
        assert payload["outcomes"]["application error"] == 0
        assert set(payload["statuses"]) - {"200"} <= {"502", "503", "504"}
        assert payload["first_error"]["request"].startswith("GET /api/v1/prices/")
    finally:
        over.set()
        killer.join(180)
        wait_until_healthy(healthy)
