"""New tasks must stay well: a service whose tasks run for some seconds and exit is never said to be well.

A service of two tasks, played by the second: each task runs for a while, exits, and ECS starts another in its place.
The steps look at it at moments that a test chooses, also only at those at which all of it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.actions.action import Outcome, Verdict, action_named
from support import release_facts as example
from support.fake_gateway import FakeGateway, context

START, SETTLE = example.NOW, 90.0
REVISION = "ohmycoins-backend:7"


@dataclass
class Play:
    """Tasks of a service over time, in seconds from the beginning of the step."""

    lives: float
    """So long each task runs before it exits with 3."""
    pause: float = 1.0
    """Until another takes its place."""
    starts: float = 2.0
    """When the first two ran."""
    checked: bool = False
    health: str = "UNKNOWN"
    at: float = 0.0
    memory: dict[str, Any] = field(default_factory=dict)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.at)

    def tasks(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """(those that run, those that stopped)"""
        running, stopped = [], []
        for place in range(2):
            begin, number = self.starts, 0
            while begin <= self.at:
                task = {
                    "taskArn": f"arn:aws:ecs:r:1:task/c/{place}-{number}",
                    "taskDefinitionArn": f"arn:aws:ecs:r:1:task-definition/{REVISION}",
                    "group": "service:backend",
                    "createdAt": START + timedelta(seconds=begin - 1),
                    "startedAt": START + timedelta(seconds=begin),
                    "lastStatus": "RUNNING",
                    "healthStatus": self.health,
                }
                if begin + self.lives > self.at:
                    running.append(task)
                    break
                end = START + timedelta(seconds=begin + self.lives)
                containers = [{"name": "backend", "exitCode": 3}]
                stopped.append(
                    task | {"lastStatus": "STOPPED", "stoppedAt": end, "containers": containers,
                            "stopCode": "EssentialContainerExited"}
                )  # fmt: skip
                begin, number = begin + self.lives + self.pause, number + 1
        return running, stopped

    def gateway(self) -> FakeGateway:
        def service(_: Any) -> Any:
            running = len(self.tasks()[0])
            deployment = {
                "id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED", "desiredCount": 2,
                "runningCount": running, "pendingCount": 0, "taskDefinition": f"x/{REVISION}",
                "createdAt": START, "updatedAt": START,
            }  # fmt: skip
            record = {
                "serviceName": "backend", "status": "ACTIVE", "desiredCount": 2, "runningCount": running,
                "pendingCount": 0, "taskDefinition": f"x/{REVISION}", "deployments": [deployment], "events": [],
                "loadBalancers": [],
                "createdAt": START,
            }  # fmt: skip
            return {"services": [record]}

        def listed(params: Any) -> Any:
            which = self.tasks()[params.get("desiredStatus") == "STOPPED"]
            return {"taskArns": [task["taskArn"] for task in which]}

        def described(params: Any) -> Any:
            return {"tasks": [t for some in self.tasks() for t in some if t["taskArn"] in params["tasks"]]}

        check = {"healthCheck": {"command": ["CMD", "true"]}} if self.checked else {}
        definition = {
            "taskDefinitionArn": f"x/{REVISION}", "family": "ohmycoins-backend", "revision": 7, "status": "ACTIVE",
            "containerDefinitions": [{"name": "backend", "image": "x", **check}],
        }  # fmt: skip
        deployments = {
            "serviceDeploymentArn": "arn:ours", "status": "SUCCESSFUL", "createdAt": START, "finishedAt": START,
            "targetServiceRevision": {"arn": "arn:revision"},
        }  # fmt: skip
        return FakeGateway(
            {
                ("ecs", "describe_services"): service,
                ("ecs", "list_tasks"): listed,
                ("ecs", "describe_tasks"): described,
                ("ecs", "describe_task_definition"): {"taskDefinition": definition},
                ("ecs", "list_service_deployments"): {
                    "serviceDeployments": [{"serviceDeploymentArn": "arn:ours", "createdAt": START}]
                },
                ("ecs", "describe_service_deployments"): {"serviceDeployments": [deployments]},
                ("ecs", "describe_service_revisions"): {
                    "serviceRevisions": [{"serviceRevisionArn": "arn:revision", "taskDefinition": f"x/{REVISION}"}]
                },
                ("logs", "get_log_events"): {"events": []},
            }
        )


SCALE = (
    "scaling.set",
    {"service": "backend", "minimum": None, "maximum": None, "at_least": 2, "at_most": 2, "settle_seconds": SETTLE},
    {"since": START.isoformat()},
)
RESTART = (
    "ecs.roll_service",
    {"service": "backend", "task_definition": REVISION, "digests": {}, "force_new": True, "settle_seconds": SETTLE},
    {"deployment": "arn:ours", "asked_at": START.isoformat()},
)
STEPS = pytest.mark.parametrize(("action", "arguments", "memory"), [SCALE, RESTART], ids=["scale", "restart"])
Look = Callable[[Play], bool]


def watched(play: Play, step: tuple[str, dict[str, Any], dict[str, Any]], when: Look, until: float) -> Outcome | None:
    """What the step says, looking each second at which ``when`` is true."""
    action, arguments, memory = step
    known = action_named(action)
    play.memory = dict(memory)
    where = context(play.gateway(), now=play.now, state=play.memory)
    while play.at < until:
        if when(play) and (outcome := known.poll(where, known.read(arguments))) is not None:
            return outcome
        play.at += 1.0
    return None


def always(_: Play) -> bool:
    return True


def at_good_moments(play: Play) -> bool:
    return len(play.tasks()[0]) == 2


@STEPS
@pytest.mark.parametrize("when", [always, at_good_moments])
@pytest.mark.parametrize("lives", [1, 2, 5, 10, 20, 30, 45, 60, 80, 89])
def test_tasks_that_exit_after_some_seconds_are_never_passed(
    action: str, arguments: Any, memory: Any, when: Look, lives: float
) -> None:
    outcome = watched(Play(lives=lives), (action, arguments, memory), when, until=900)
    assert outcome is not None
    assert outcome.verdict is Verdict.FAILED
    assert "failed" in outcome.sentence


@STEPS
def test_tasks_that_stay_are_passed_once_they_have_stayed(action: str, arguments: Any, memory: Any) -> None:
    play = Play(lives=9999, starts=30)
    outcome = watched(play, (action, arguments, memory), always, until=900)
    assert outcome is not None
    assert outcome.verdict is Verdict.SUCCEEDED
    assert play.at == pytest.approx(30 + SETTLE, abs=2)


@STEPS
def test_tasks_that_ran_before_the_step_have_proved_themselves(action: str, arguments: Any, memory: Any) -> None:
    play = Play(lives=9999, starts=-600)
    outcome = watched(play, (action, arguments, memory), always, until=900)
    assert outcome is not None
    assert (outcome.verdict, play.at) == (Verdict.SUCCEEDED, 0.0)


@STEPS
@pytest.mark.parametrize(
    ("checked", "health", "passes"),
    [(False, "UNKNOWN", True), (True, "HEALTHY", True), (True, "UNKNOWN", False), (True, "UNHEALTHY", False)],
)
def test_what_checks_the_containers_is_heeded(
    action: str, arguments: Any, memory: Any, checked: bool, health: str, passes: bool
) -> None:
    outcome = watched(Play(9999, checked=checked, health=health), (action, arguments, memory), always, until=300)
    assert (outcome is not None and outcome.verdict is Verdict.SUCCEEDED) is passes


@given(
    lives=st.floats(1, 89),
    pause=st.floats(0, 20),
    looks=st.sets(st.integers(0, 600)),
    step=st.sampled_from([SCALE, RESTART]),
)
def test_whenever_it_is_looked_at_it_never_passes(lives: float, pause: float, looks: set[int], step: Any) -> None:
    outcome = watched(Play(lives=lives, pause=pause), step, lambda play: int(play.at) in looks, until=600)
    assert outcome is None or outcome.verdict is Verdict.FAILED
