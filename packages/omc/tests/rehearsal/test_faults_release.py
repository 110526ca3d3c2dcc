"""Faulty releases, and an exchange that is away: each symptom shows through the AWS API and is gone after `stop`."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.alert_causes import CPU, ERRORS, Watch
from support.stack import CLUSTER, Stack, all_tasks, wait_until_healthy
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

WITHIN = 180.0
"""Seconds for a symptom to show. Most do in five; the machine may be busy."""
LOGS = f"/ecs/{CLUSTER}/backend"


def service(stack: Stack, name: str = "backend") -> dict[str, Any]:
    return dict(stack.client("ecs").describe_services(cluster=CLUSTER, services=[name])["services"][0])


def stopped_tasks(stack: Stack, revision: str) -> list[dict[str, Any]]:
    """The tasks of a task definition that have stopped."""
    return [
        task
        for task in all_tasks(stack, CLUSTER, "STOPPED")
        if task["taskDefinitionArn"] == revision and task["lastStatus"] == "STOPPED"
    ]


def newest_revision(stack: Stack, family: str = "ohmycoins-backend") -> str:
    found = stack.client("ecs").list_task_definitions(familyPrefix=family, sort="DESC", maxResults=1)
    return str(found["taskDefinitionArns"][0])


def logged(stack: Stack, words: str, since: datetime) -> bool:
    """Whether the backend wrote these words since then."""
    found = stack.client("logs").filter_log_events(
        logGroupName=LOGS, filterPattern=f'"{words}"', startTime=int(since.timestamp() * 1000)
    )
    return bool(found["events"])


def metric(stack: Stack, namespace: str, name: str, statistic: str, since: datetime, **dimensions: str) -> float:
    """The highest value of a metric in the periods that began since then; 0 without any."""
    found = stack.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=since,
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=10,
        Statistics=[statistic],
    )
    return max((float(point[statistic]) for point in found["Datapoints"]), default=0.0)


def ask(stack: Stack, path: str) -> tuple[int, Any]:
    """Status and body of an answer through the load balancer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    shift = json.loads((stack.state / "cloud.json").read_text())["port_shift"]
    try:
        with opener.open(f"{stack.url}:{80 + shift}{path}", timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


def in_force(stack: Stack) -> set[str]:
    response = stack.omc("local", "fault", "list", "--output", "json")
    return {it["name"] for it in response.json["faults"] if it["in_force"]}


@contextmanager
def fault(stack: Stack, name: str, **settings: str) -> Iterator[datetime]:
    """A fault in force, given when it began; at the end it is stopped and the stack is as it was found."""
    before = service(stack)["taskDefinition"]
    began = datetime.now(UTC)
    started = stack.omc("local", "fault", "start", name, *(f"--set={key}={value}" for key, value in settings.items()))
    assert started.returncode == 0, started.stderr
    try:
        assert name in in_force(stack)
        yield began
    finally:
        ended = stack.omc("local", "fault", "stop", name)
    assert ended.returncode == 0, ended.stderr
    assert name not in in_force(stack)
    wait_until_healthy(stack)

    def as_before() -> bool:
        record = service(stack)
        return record["taskDefinition"] == before and [it["rolloutState"] for it in record["deployments"]] == [
            "COMPLETED"
        ]

    eventually("what ran before is deployed again", as_before, WITHIN)


Seen = Callable[[dict[str, Any]], bool]


def exited(code: int) -> Seen:
    return lambda task: task["containers"][0].get("exitCode") == code


def because(words: str) -> Seen:
    return lambda task: words in task.get("stoppedReason", "")


NEVER_UP = {
    "crash-on-start": ({}, exited(1), "No module named 'package_that_is_missing'"),
    "missing-image": ({}, because("CannotPullContainerError"), ""),
    "wrong-secret": ({}, because("did not contain json key db_password"), ""),
    "a secret mixed up": ({"kind": "mixed-up"}, because("failed ELB health checks"), "password authentication failed"),
    "bad-environment-variable": ({}, exited(2), "DATABASE_POOL_SIZE is"),
}


@pytest.mark.parametrize("case", NEVER_UP)
def test_a_release_that_cannot_start_stops_with_its_cause_while_the_one_before_serves(
    healthy: Stack, case: str
) -> None:
    settings, seen, words = NEVER_UP[case]
    with fault(healthy, "wrong-secret" if case == "a secret mixed up" else case, **settings) as began:
        revision = newest_revision(healthy)
        eventually(f"a stopped task shows it: {case}", lambda: any(map(seen, stopped_tasks(healthy, revision))), WITHIN)
        if words:
            eventually(f"the log says: {words}", lambda: logged(healthy, words, began), WITHIN)
        assert ask(healthy, "/api/v1/prices")[0] == 200
        made = healthy.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "UpdateService"}], StartTime=began
        )["Events"]
        assert {event["Username"] for event in made} == {"developer"}


def test_a_release_that_starts_slowly_hangs_in_its_deployment(healthy: Stack) -> None:
    with fault(healthy, "slow-start", seconds="600") as began:
        revision = newest_revision(healthy)
        eventually("it says what it does", lambda: logged(healthy, "warming the caches up", began), WITHIN)
        primary = next(it for it in service(healthy)["deployments"] if it["status"] == "PRIMARY")
        assert (primary["taskDefinition"], primary["rolloutState"]) == (revision, "IN_PROGRESS")
        assert ask(healthy, "/api/v1/prices")[0] == 200


def test_a_leak_ends_in_out_of_memory(healthy: Stack) -> None:
    with fault(healthy, "memory-leak", rate="60"):
        revision = newest_revision(healthy)

        def out_of_memory(task: dict[str, Any]) -> bool:
            container = task["containers"][0]
            return container.get("exitCode") == 137 and "OutOfMemory" in container.get("reason", "")

        eventually("a task ran out of memory", lambda: any(map(out_of_memory, stopped_tasks(healthy, revision))), 240)


@contextmanager
def capped(stack: Stack) -> Iterator[None]:
    """Scaling may start no task more: what the alarm of the CPU warns of, and all that this machine can bear."""
    scaling = stack.client("application-autoscaling")
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{CLUSTER}/backend",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=2)
    try:
        yield
    finally:
        scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=10)


def test_a_release_that_computes_all_the_time_fills_its_cpu(healthy: Stack, watch: Watch) -> None:
    with capped(healthy), fault(healthy, "cpu-burn", percent="120") as began:
        dimensions = {"ClusterName": CLUSTER, "ServiceName": "backend"}
        eventually(
            "a task's CPU is full",
            lambda: metric(healthy, "AWS/ECS", "CPUUtilization", "Maximum", began, **dimensions) > 80,
            240,
        )
        try:
            number = watch.incident(CPU)
        except AssertionError:
            if lowest_cpu(healthy) > 80:
                raise
            pytest.skip("this machine has too much to do: the tasks don't get the CPU that they ask for")
        watch.acknowledged(number)
    watch.resolved()


def lowest_cpu(stack: Stack) -> float:
    """What the service's tasks got of their CPU in the worst ten seconds of the last two minutes, on average."""
    points = stack.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ECS",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "ClusterName", "Value": CLUSTER}, {"Name": "ServiceName", "Value": "backend"}],
        StartTime=datetime.now(UTC) - timedelta(minutes=2),
        EndTime=datetime.now(UTC),
        Period=10,
        Statistics=["Average"],
    )["Datapoints"]
    return min((float(each["Average"]) for each in points), default=0.0)


def test_an_exchange_that_hangs_slows_requests_and_ages_the_data_but_fails_no_probe(healthy: Stack) -> None:
    with fault(healthy, "dependency-timeout") as began:
        eventually("a quote is answered with 504", lambda: ask(healthy, "/api/v1/quote/BTC")[0] == 504, WITHIN)
        eventually("the log names it", lambda: logged(healthy, "did not answer within 2 s", began), WITHIN)
        eventually("the data grows old", lambda: ask(healthy, "/api/v1/status")[1]["data_age_seconds"] > 10, WITHIN)
        with fault(healthy, "missing-image", service="frontend"):  # several at once
            assert {"dependency-timeout", "missing-image"} <= in_force(healthy)
        record = service(healthy)
        assert record["runningCount"] == record["desiredCount"]
    eventually("a quote is answered again", lambda: ask(healthy, "/api/v1/quote/BTC")[0] == 200, WITHIN)
    eventually("the data is fresh again", lambda: ask(healthy, "/api/v1/status")[1]["data_age_seconds"] < 6, WITHIN)


def test_a_release_with_errors_shows_in_the_load_balancers_count_and_in_the_log(healthy: Stack, watch: Watch) -> None:
    balancer = healthy.output("load_balancer")["arn"].split(":loadbalancer/")[1]
    with fault(healthy, "5xx-burst", percent="100", after="0") as began:

        def counted() -> bool:
            ask(healthy, "/api/v1/prices")
            name = "HTTPCode_Target_5XX_Count"
            return metric(healthy, "AWS/ApplicationELB", name, "Sum", began, LoadBalancer=balancer) > 0

        eventually("the load balancer counts 5xx of its targets", counted, 240)
        eventually("the log has the reason", lambda: logged(healthy, "the answer can't be put together", began), WITHIN)
        with asked_all_the_time(healthy):
            watch.acknowledged(watch.incident(ERRORS))
    # A task that is on its way out may still answer a little.
    eventually("users see no error", lambda: {ask(healthy, "/api/v1/prices")[0] for _ in range(20)} == {200}, WITHIN)
    cloudwatch = healthy.client("cloudwatch")
    eventually(
        "no alarm of errors is left",
        lambda: (
            not [
                alarm["AlarmName"]
                for alarm in cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]
                if "5xx" in alarm["AlarmName"]
            ]
        ),
        within=240,
    )
    watch.resolved()


@contextmanager
def asked_all_the_time(stack: Stack) -> Iterator[None]:
    """Users are there, five of them a second."""
    over = threading.Event()

    def ask_on() -> None:
        while not over.wait(0.2):
            ask(stack, "/api/v1/prices")

    user = threading.Thread(target=ask_on)
    user.start()
    try:
        yield
    finally:
        over.set()
        user.join(60)


def test_an_unknown_fault_or_setting_is_wrong_use(healthy: Stack) -> None:
    done = healthy.omc("local", "fault", "start", "crash-at-start")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert 'Did you mean "crash-on-start"?' in done.stderr
    done = healthy.omc("local", "fault", "start", "slow-start", "--set", "second=3")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert 'Did you mean "seconds"?' in done.stderr
    for value in ("much", "-1", "nan"):
        done = healthy.omc("local", "fault", "start", "slow-start", "--set", f"seconds={value}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "from 1 to 3600" in done.stderr
    done = healthy.omc("local", "fault", "start", "slow-start", "--set", "service=backends")
    assert done.returncode == 2
    assert "There are backend, frontend" in done.stderr
    assert in_force(healthy) == set()
    assert healthy.omc("local", "fault", "stop", "--all").stdout == "No fault is in force.\n"
