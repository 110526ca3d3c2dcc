"""ECS as a state machine with real processes: whatever is asked of it and whatever dies, what it says stays true.

Hypothesis makes up the story. After each step, under the cloud's lock and so at one moment: counts are never negative,
they are the number of tasks in those states, and every process belongs to a task that isn't stopped. When it is left in
peace, every deployment ends, and desired, running and processes are one number. Deleted, it leaves no process. The same
without processes, and with many more stories, is in tests/property/test_ecs_scheduler.py.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.services.ecr import images as ecr
from localcloud.services.ecs import Clusters
from localcloud.services.ecs.model import STARTING, Status
from support.ecs_cluster import EcsCluster, create_cluster
from support.waiting import eventually

pytestmark = pytest.mark.cloud

PEACE = 90.0
"""Seconds until everything has come to rest: three failed starts, a rollback and a minimum of healthy tasks."""
MOST = 4
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
PERCENTS = [(100, 200), (50, 200), (0, 200), (0, 100)]
"""Those with room for a step at any count: 50 to 100 percent of one task lets ECS neither start nor stop one."""


@pytest.fixture(scope="module")
def cluster(
    shared_cloud: Cloud, shared_aws: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> EcsCluster:
    return create_cluster(shared_cloud, shared_aws, tmp_path_factory.mktemp("apps"))


@pytest.fixture(scope="module")
def revisions(cluster: EcsCluster) -> dict[bool, list[str]]:
    """Task definitions that run (True) and that end at once (False); processes as light as they can be."""

    def register(name: str, command: str) -> str:
        folder = cluster.folder / name
        folder.mkdir()
        (folder / "Dockerfile").write_text(f"FROM busybox:1.37\nWORKDIR /app\nCMD {command}\n")
        ecr.push(cluster.aws("ecr"), cluster.cloud.settings.state, folder, "tiny", name)
        return cluster.register(name, f"{cluster.repository}:{name}")

    return {
        True: [register("sound", '["sleep", "600"]'), register("sounder", '["sleep", "601"]')],
        False: [register("broken", '["false"]')],
    }


class Service(RuleBasedStateMachine):
    """One service of a shared cloud, from its creation to its deletion."""

    cluster: EcsCluster
    definitions: dict[bool, list[str]]
    number = 0

    def __init__(self) -> None:
        super().__init__()
        Service.number += 1
        self.name = f"story-{Service.number}"
        self.desired = 0
        self.created = False
        self.killed = 0
        """Processes whose end may not be noticed yet."""
        self.doubtful = False
        """A broken revision may be complete, having had no task to start: then nothing rolls it back, as in AWS."""

    @property
    def clusters(self) -> Clusters:
        return self.cluster.cloud.part(Clusters)

    @initialize(desired=st.integers(0, 3), percents=st.sampled_from(PERCENTS))
    def create(self, desired: int, percents: tuple[int, int]) -> None:
        minimum, maximum = percents
        self.desired = desired
        self.cluster.create_service(
            self.name,
            self.definitions[True][0],
            desired,
            deploymentConfiguration={"minimumHealthyPercent": minimum, "maximumPercent": maximum, **BREAKER},
        )
        self.created = True
        self.rest()  # from here on there is something to roll back to

    # -- what people and accidents do

    @rule(desired=st.integers(0, MOST))
    def scale(self, desired: int) -> None:
        self.desired = desired
        self.doubtful |= desired == 0 and self.cluster.service(self.name)["taskDefinition"] in self.definitions[False]
        self.update(desiredCount=desired)

    @rule(sound=st.sampled_from([True, True, False]), which=st.integers(0, 1))
    def deploy(self, sound: bool, which: int) -> None:
        revisions = self.definitions[sound]
        self.doubtful |= not sound and self.desired == 0
        self.update(taskDefinition=revisions[which % len(revisions)])

    @rule()
    def deploy_again(self) -> None:
        self.update(forceNewDeployment=True)

    @rule(which=st.integers(0, MOST))
    def stop_a_task(self, which: int) -> None:
        if listed := self.cluster.tasks(self.name):
            task = listed[which % len(listed)]["taskArn"]
            self.cluster.ecs.stop_task(cluster="rehearsal", task=task, reason="a story")

    @rule(which=st.integers(0, MOST))
    def kill_a_process(self, which: int) -> None:
        if pids := self.pids():
            self.killed += 1
            with suppress(ProcessLookupError):
                os.kill(pids[which % len(pids)], signal.SIGKILL)

    @rule()
    def leave_in_peace(self) -> None:
        if self.doubtful:
            self.update(taskDefinition=self.definitions[True][0], forceNewDeployment=True)
            self.doubtful = False
        self.rest()
        self.killed = 0
        assert self.cluster.service(self.name)["taskDefinition"] in self.definitions[True]

    def update(self, **changes: Any) -> None:
        self.cluster.ecs.update_service(cluster="rehearsal", service=self.name, **changes)

    # -- what must be so

    @invariant()
    def what_it_says_is_so(self) -> None:
        if not self.created:
            return
        with self.cluster.cloud.lock:
            service = self.described()
            tasks = [task for task in self.clusters.state.tasks.values() if task.group == f"service:{self.name}"]
            living = {
                arn: {process.pid for process in running.processes() if process.poll() is None}
                for arn, running in self.clusters.running.items()
            }
            states = Counter(task.status for task in tasks if task.wanted)  # who is told to stop counts no more
            assert min(service[key] for key in ("desiredCount", "runningCount", "pendingCount")) >= 0
            assert service["desiredCount"] == self.desired
            assert service["runningCount"] == states[Status.RUNNING]
            assert service["pendingCount"] == sum(states[status] for status in STARTING)
            assert not [task.arn for task in tasks if task.status is Status.STOPPED and living.get(task.arn)]
            idle = [
                task
                for task in tasks
                if task.wanted and task.status is Status.RUNNING and not living.get(task.arn)
                if task.task_definition in self.definitions[True]  # the broken one ends by itself
            ]
            assert len(idle) <= self.killed, idle
            for deployment in service["deployments"]:
                assert min(deployment[key] for key in ("runningCount", "pendingCount", "failedTasks")) >= 0
            assert sum(deployment["runningCount"] for deployment in service["deployments"]) == service["runningCount"]
            assert [deployment["status"] for deployment in service["deployments"]].count("PRIMARY") == 1

    def described(self) -> dict[str, Any]:
        """What DescribeServices answers, at the moment for which the lock is held."""
        from localcloud.services.ecs import shapes

        found = next(each for each in self.clusters.state.services.values() if each.name == self.name)
        return dict(shapes.service(self.clusters, found))

    def pids(self) -> list[int]:
        return [pid for task in self.clusters.status()["tasks"] if task["service"] == self.name for pid in task["pids"]]

    def at_rest(self) -> bool:
        service = self.cluster.service(self.name)
        return (
            [each["rolloutState"] for each in service["deployments"]] == ["COMPLETED"]
            and service["runningCount"] == service["desiredCount"] == self.desired
            and service["pendingCount"] == 0
            and len([pid for pid in self.pids() if Path(f"/proc/{pid}").exists()]) == self.desired
        )

    def rest(self) -> None:
        try:
            eventually("the service is at rest", self.at_rest, PEACE)
        except AssertionError:
            service = self.cluster.service(self.name)
            deployments = [
                [each[key] for key in ("status", "taskDefinition", "rolloutState", "rolloutStateReason", "failedTasks")]
                for each in service["deployments"]
            ]
            events = [event["message"] for event in service["events"][:10]]
            raise AssertionError(f"no rest: wants {self.desired}, {deployments}, {events}") from None

    def teardown(self) -> None:
        if not self.created:
            return
        self.leave_in_peace()
        with self.cluster.cloud.lock:
            ids = [task.id for task in self.clusters.state.tasks.values() if task.group == f"service:{self.name}"]
        self.cluster.ecs.delete_service(cluster="rehearsal", service=self.name, force=True)
        supervisor = self.cluster.cloud.part(Supervisor)
        names = {f"task {identity}/app" for identity in ids}
        eventually(
            "no process of the service's tasks is left",
            lambda: not names & {process.name for process in supervisor.running()},
            PEACE,
        )


def test_whatever_happens_it_says_what_is_so_and_comes_to_rest(
    cluster: EcsCluster, revisions: dict[bool, list[str]]
) -> None:
    Service.cluster, Service.definitions = cluster, revisions
    run_state_machine_as_test(
        Service,
        settings=settings(
            max_examples=3,
            phases=[Phase.generate],  # a story takes seconds; the first that fails is told as it is
            stateful_step_count=8,
            deadline=None,
            derandomize=True,  # a gate's result should depend on the code alone
            suppress_health_check=list(HealthCheck),
        ),
    )
