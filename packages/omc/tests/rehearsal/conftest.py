"""One local cloud with the whole stack in it, applied once and shared by the rehearsals; each leaves it healthy."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.alert_causes import Watch, watching
from support.grouping import group_of
from support.provider import running_provider
from support.responding import team_of
from support.stack import CLUSTER, Stack, wait_until_healthy
from support.waiting import eventually
from support.workflow import Repository
from support.workflow import repository as repository_of


class Stacks:
    """The stack that this process has: one for each group of tests, so that none sees what another left."""

    def __init__(self, folder: Path, shared: Path | None) -> None:
        self.folder = folder
        self.shared = shared
        """Where the processes of one run find the stack that was applied once; None applies it here."""
        self.group = ""
        self.current: Stack | None = None

    def of(self, group: str) -> Stack:
        if self.current is None or group != self.group:
            self.end()
            self.group, self.current = group, Stack(self.folder / group.replace(" ", "-"))
            try:
                self.start(self.current)
            except BaseException:
                self.end()
                raise
        return self.current

    def start(self, stack: Stack) -> None:
        if self.shared is not None:
            copy_of(applied_once(self.shared), stack)
        done = stack.omc("local", "up", timeout=900)
        assert done.returncode == 0, done.stderr + stack.localcloud("logs", "--lines", "80").stdout

    def end(self) -> None:
        if self.current is not None:
            ended = self.current.localcloud("reset", "--force")
            self.current = None
            assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    is_one_of_many = "PYTEST_XDIST_WORKER" in os.environ
    made = Stacks(
        tmp_path_factory.mktemp("rehearsal"),
        tmp_path_factory.getbasetemp().parent / "applied" if is_one_of_many else None,
    )
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def stack(stacks: Stacks, request: pytest.FixtureRequest) -> Stack:
    """The stack, applied by `omc local up` as a newcomer would, with its log kept clean of unsupported operations.

    Where tests run in several processes, the first that wants a stack applies it once, and each group of tests starts
    a copy.
    """
    return stacks.of(group_of(request.node.nodeid))


def applied_once(folder: Path) -> Stack:
    """A stack that was applied and stopped, by this process or another of the same run; others wait for it."""
    folder.mkdir(exist_ok=True)
    source, done = Stack(folder / "cloud"), folder / "stopped"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            up = source.omc("local", "up", timeout=900)
            assert up.returncode == 0, up.stderr + source.localcloud("logs", "--lines", "80").stdout
            down = source.omc("local", "down")
            assert down.returncode == 0, down.stderr
            done.touch()
    return source


def copy_of(source: Stack, stack: Stack) -> None:
    copied = source.localcloud("copy", str(stack.state))
    assert copied.returncode == 0, copied.stderr


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


@pytest.fixture(scope="module")
def provider(stack: Stack) -> Iterator[Mapping[str, str]]:
    """The environment in which Terraform uses one provider for all that the module's tests run on the stack."""
    with running_provider(stack.reach()) as environment:
        yield environment


@pytest.fixture
def watch(healthy: Stack, tmp_path: Path) -> Iterator[Watch]:
    """A responder beside the stack, for a rehearsal whose fault is an alert of the runbook."""
    with team_of(healthy, tmp_path) as team:
        yield watching(team)


@pytest.fixture
def repository(stack: Stack, provider: Mapping[str, str], tmp_path: Path) -> Iterator[Repository]:
    """The repository at GitHub whose staging is the stack."""
    with repository_of(stack, tmp_path, provider) as made:
        yield made
