"""Faults of the data layer in the whole stack: the alarms that watch for them fire, and are OK once it is over."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from support.alert_causes import CONNECTIONS, HIT_RATE, Watch
from support.stack import Stack
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]
WATCHED = {"rds-connections-high", "rds-storage-low", "redis-evictions-high", "redis-hit-rate-low"}


@pytest.fixture
def stack_to_break(healthy: Stack) -> Iterator[Stack]:
    """The healthy stack; whatever fault a test leaves in force is stopped."""
    yield healthy
    assert healthy.omc("local", "fault", "stop", "--all").returncode == 0


def in_alarm(stack: Stack) -> set[str]:
    """The alarms in ALARM, without the prefix that all of them share."""
    pages = stack.client("cloudwatch").get_paginator("describe_alarms").paginate(StateValue="ALARM")
    names = {alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]}
    return {name.removeprefix("ohmycoins-staging-") for name in names}


def logged(stack: Stack, group: str, words: str) -> bool:
    found = stack.client("logs").filter_log_events(logGroupName=group, filterPattern=f'"{words}"')
    return bool(found["events"])


def start(stack: Stack, name: str) -> None:
    done = stack.omc("local", "fault", "start", name)
    assert done.returncode == 0, done.stderr


def test_each_alarm_of_the_data_layer_sees_its_fault_and_its_end(stack_to_break: Stack, watch: Watch) -> None:
    """Of four alarms and an event of RDS's come two incidents, one of the database and one of the cache."""
    stack = stack_to_break
    for name in ("connection-leak", "storage-filling", "cache-evicting"):
        start(stack, name)
    eventually("all four alarms fire", lambda: in_alarm(stack) >= WATCHED, within=360)
    group, words = "/aws/rds/instance/ohmycoins-staging/postgresql", "connection slots are reserved"
    eventually("PostgreSQL's log says it", lambda: logged(stack, group, words), within=120)
    cache, database = watch.incident(HIT_RATE), watch.incident(CONNECTIONS)
    watch.acknowledged(cache)
    watch.escalated(database)
    ended = stack.omc("local", "fault", "stop", "--all")
    assert ended.returncode == 0, ended.stderr
    eventually("all four alarms are OK again", lambda: not in_alarm(stack) & WATCHED, within=360)
    watch.resolved()


def test_what_aws_announces_is_planned_work_and_no_page(stack_to_break: Stack, watch: Watch) -> None:
    """By each service's own way: AWS Health, an event of RDS's, ElastiCache's topic."""
    stack = stack_to_break

    def planned() -> dict[str, str]:
        found = watch.team.omc("alerts", "planned", "--env", "local", "--output", "json").json
        assert not found["unreadable"]
        return {each["subject"]: each["source"] for each in found["planned"]}

    before = set(planned())
    start(stack, "maintenance-announced")
    expected = {
        "ohmycoins-staging|backend": "health",
        "ohmycoins-staging|frontend": "health",
        "ohmycoins-staging": "rds",
        "ohmycoins-staging-redis-001": "elasticache",
    }
    eventually("all of it is planned work", lambda: planned() == expected, within=180, every=1)
    shown = watch.team.omc("alerts", "planned", "--env", "local").stdout
    assert "AWS_ECS_TASK_PATCHING_RETIREMENT" in shown, shown
    assert stack.client("rds").describe_pending_maintenance_actions()["PendingMaintenanceActions"]
    assert stack.omc("local", "fault", "stop", "maintenance-announced").returncode == 0
    # Of a database's update nobody says that it is off.
    eventually("it is off", lambda: set(planned()) == before | {"ohmycoins-staging"}, within=180, every=1)
    assert not watch.new()
    assert not watch.team.pages


def test_the_site_answers_without_its_cache(stack_to_break: Stack) -> None:
    stack = stack_to_break

    def cache() -> str:
        with urllib.request.urlopen(f"{stack.url}/api/v1/status", timeout=60) as answer:
            return str(json.load(answer)["cache"])

    eventually("the application has its cache", lambda: cache() == "available", within=120)
    start(stack, "cache-stopped")
    eventually("the application notices", lambda: cache() == "unavailable", within=120)
    with urllib.request.urlopen(f"{stack.url}/api/v1/prices", timeout=60) as answer:
        assert answer.status == 200
    group = "/ecs/ohmycoins-staging/backend"
    eventually("its log says it", lambda: logged(stack, group, "cache unavailable"), within=120)
    assert stack.omc("local", "fault", "stop", "cache-stopped").returncode == 0
    eventually("the application has its cache again", lambda: cache() == "available", within=120)
