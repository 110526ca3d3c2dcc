"""One local cloud with the whole stack in it, applied once and shared by the rehearsals; each leaves it healthy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.stack import CLUSTER, Stack, eventually, wait_until_healthy
from support.workflow import Repository
from support.workflow import repository as repository_of


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, applied by `omc local up` as a newcomer would, with its log kept clean of unsupported operations."""
    stack = Stack(tmp_path_factory.mktemp("rehearsal") / "cloud")
    try:
        done = stack.omc("local", "up", timeout=900)
        assert done.code == 0, done.err + stack.localcloud("logs", "--lines", "80").out
        yield stack
    finally:
        ended = stack.localcloud("reset", "--force")
    assert ended.code == 0, ended.err


@pytest.fixture
def healthy(stack: Stack) -> Stack:
    """The stack with every service running what it wants and every target healthy.

    What the autoscaler has added under an earlier test's load is taken back, and the alarms that ECS heeds are quiet:
    with one that still rings it would heed none of them in the next deployment.
    """
    ecs, cloudwatch = stack.client("ecs"), stack.client("cloudwatch")
    services = ecs.describe_services(cluster=CLUSTER, services=["backend", "frontend"])["services"]
    for service in services:
        if service["desiredCount"] > 2:
            ecs.update_service(cluster=CLUSTER, service=service["serviceName"], desiredCount=2)
    wait_until_healthy(stack)
    heeded = [name for service in services for name in service["deploymentConfiguration"]["alarms"]["alarmNames"]]
    eventually(
        f"none of {heeded} rings",
        lambda: not cloudwatch.describe_alarms(AlarmNames=heeded, StateValue="ALARM")["MetricAlarms"],
        within=180,
    )
    return stack


@pytest.fixture
def repository(stack: Stack, tmp_path: Path) -> Iterator[Repository]:
    """The repository at GitHub whose staging is the stack."""
    with repository_of(stack, tmp_path) as made:
        yield made
