"""`omc local load` on the whole stack: what it says it sent is what the load balancer, CloudWatch and the logs saw."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from support.stack import Stack, eventually, wait_until_healthy

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(300)]

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
    looks: list[list[float]] = []

    def quiet() -> bool:
        """Ten looks alike: what earlier tests sent has arrived."""
        looks.append([counted(healthy, metric) for metric in metrics])
        return len(looks) >= 10 and all(look == looks[-1] for look in looks[-10:])

    eventually("the load balancer is idle", quiet, within=60)
    before = looks[-1]
    done = healthy.omc("local", "load", "--rate", "40", "--duration", "8", "--shape", "diurnal", "--output", "json")
    assert done.code == 0, done.err + done.out
    said = done.json
    assert said["sent"] == said["requests"] == said["good"] > 150
    assert {each["journey"] for each in said["journeys"] if each["requests"]} >= {"front-page", "prices", "history"}
    wanted = [said["sent"], sum(count for status, count in said["statuses"].items() if status.startswith("2"))]
    eventually(
        f"CloudWatch counts {wanted}",
        lambda: [counted(healthy, metric) - past for metric, past in zip(metrics, before, strict=True)] == wanted,
        within=60,
    )


def test_where_no_task_is_left_the_load_balancer_answers_and_the_report_says_so(healthy: Stack) -> None:
    over = threading.Event()

    def kill() -> None:
        """Whatever ECS starts meanwhile, so that however slow the load is to begin, it finds nobody."""
        while not over.is_set():
            for pid in healthy.task_pids("backend"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        done = healthy.omc(
            "local", "load", "--rate", "20", "--duration", "2", "--journey", "history=1", "--output", "json"
        )
        assert done.code == 1, done.err
        said = done.json
        assert said["outcomes"]["load balancer error"] > 0
        assert said["outcomes"]["application error"] == 0
        assert set(said["statuses"]) - {"200"} <= {"502", "503", "504"}
        assert said["first_error"]["request"].startswith("GET /api/v1/prices/")
    finally:
        over.set()
        killer.join(60)
        wait_until_healthy(healthy)
