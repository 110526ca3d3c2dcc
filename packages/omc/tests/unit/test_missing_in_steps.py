"""Each field taken away from each answer of AWS in turn: no step of a change then says that it succeeded.

It waits, or says that it isn't known: what AWS doesn't say is not taken for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from omc.actions.action import Verdict, action_named
from omc.errors import OmcError
from omc.judgement.bake import Readings
from support import release_facts as example
from support.fake_gateway import FakeGateway, context
from support.missing_fields import Path, paths, watched, without, words

NOW = example.NOW
OURS, TASK = "arn:ours", "arn:aws:ecs:r:1:task/c/0a1b"
REVISION = "x/ohmycoins-backend:8"
DIGEST = "sha256:" + "b" * 64
PERIODS = 5

NOTHING_RESTS_ON: Mapping[str, str] = {
    r".* describe_services services 0 taskDefinition": "the deployments' own are judged; the watch compares it",
    r".* describe_services services 0 createdAt": "how young the service is",
    r".* describe_services services 0 events": "shown",
    r".* describe_services services 0 deployments 0 (id|failedTasks|rolloutStateReason)": "shown",
    r".* describe_services services 0 deployments 0 rolloutState": "ECS has none without a circuit breaker",
    r".* describe_services services 0 deploymentConfiguration.*": "how it is deployed: the plan was refused before",
    r".* describe_services services 0 (deploymentController|schedulingStrategy|launchType).*": "the same",
    r"(scale|watch) describe_services services 0 deployments.*": "a count is waited for, in whatever deployment",
    r"watch describe_services services 0 loadBalancers.*": "the rolling before has waited for its targets",
    r"watch describe_alarms (Metric|Composite)Alarms": "an empty list may be left out of the answer",
    r".* describe_tasks tasks 0 (startedAt|createdAt)": "without it the task counts as a new one",
    r".* describe_tasks tasks 0 healthStatus": "its containers have no check",
    r".* describe_tasks tasks 0 attachments.*": "for how many seconds it took",
    r".* describe_tasks tasks 0 containers 0 (imageDigest|image|reason)": "one of digest and name is enough",
    r"(scale|stop) describe_tasks tasks 0 containers 0 name": "no image is expected",
    r"(scale|stop|migrate) describe_tasks tasks 0 containers": "no image is expected",
    r".* describe_target_health .* (Target Port|TargetHealth (Reason|Description))": "shown",
    r".* describe_service_deployments serviceDeployments 0 (finishedAt|createdAt|rollback reason)": "shown",
    r".* describe_service_deployments serviceDeployments 0 targetServiceRevision.*": "what runs is judged by the tasks",
    r".* describe_service_revisions serviceRevisions . taskDefinition": "the same",
    r".* get_metric_data MetricDataResults . StatusCode": "a bad one is looked for; its metric has no values",
    r"migrate (get_log_events|describe_task_definition) .*": "words to an exit code",
}
"""Fields that are read and that no success rests on: step, call and path, with the reason."""


def service() -> dict[str, Any]:
    deployment = {
        "id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED", "desiredCount": 1, "runningCount": 1,
        "pendingCount": 0, "failedTasks": 0, "taskDefinition": REVISION, "createdAt": NOW, "updatedAt": NOW,
    }  # fmt: skip
    return {
        "serviceName": "backend", "status": "ACTIVE", "desiredCount": 1, "runningCount": 1, "pendingCount": 0,
        "taskDefinition": REVISION, "deployments": [deployment], "events": [], "createdAt": NOW - timedelta(days=9),
        "loadBalancers": [{"targetGroupArn": "arn:group", "containerName": "backend", "containerPort": 8000}],
        "deploymentController": {"type": "ECS"}, "schedulingStrategy": "REPLICA", "launchType": "FARGATE",
        "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100},
    }  # fmt: skip


def task(**more: Any) -> dict[str, Any]:
    details = [{"name": "privateIPv4Address", "value": "10.0.0.1"}]
    known = {
        "taskArn": TASK, "taskDefinitionArn": REVISION, "lastStatus": "RUNNING", "healthStatus": "HEALTHY",
        "group": "service:backend", "createdAt": NOW - timedelta(hours=1), "startedAt": NOW - timedelta(hours=1),
        "containers": [{"name": "backend", "image": f"x/ohmycoins/backend@{DIGEST}", "imageDigest": DIGEST}],
        "attachments": [{"details": details}],
    }  # fmt: skip
    return known | more


def metric_data(params: Mapping[str, Any]) -> dict[str, Any]:
    times = [params["EndTime"] - timedelta(seconds=60 * number) for number in range(1, PERIODS + 1)]
    value = {"HTTPCode_Target_2XX_Count": 60.0, "TargetResponseTime": 0.1}
    names = [query["MetricStat"]["Metric"]["MetricName"] for query in params["MetricDataQueries"]]
    return {
        "MetricDataResults": [
            {"Id": query["Id"], "StatusCode": "Complete", "Timestamps": times, "Values": [value.get(name, 0)] * PERIODS}
            for query, name in zip(params["MetricDataQueries"], names, strict=True)
        ]
    }  # fmt: skip


def answers() -> dict[tuple[str, str], Any]:
    deployment = {
        "serviceDeploymentArn": OURS, "status": "SUCCESSFUL", "createdAt": NOW, "finishedAt": NOW,
        "targetServiceRevision": {"arn": "arn:revision"},
    }  # fmt: skip
    balancer = {"LoadBalancerName": "ohmycoins-staging", "LoadBalancerArn": "a:loadbalancer/app/ohmycoins/1"}
    record: dict[tuple[str, str], Any] = {
        ("ecs", "describe_services"): {"services": [service()]},
        ("ecs", "list_tasks"): lambda params: {"taskArns": [] if "desiredStatus" in params else [TASK]},
        ("ecs", "describe_tasks"): {"tasks": [task()]},
        ("ecs", "list_service_deployments"): {"serviceDeployments": [{"serviceDeploymentArn": OURS, "createdAt": NOW}]},
        ("ecs", "describe_service_deployments"): {"serviceDeployments": [deployment]},
        ("ecs", "describe_service_revisions"): {
            "serviceRevisions": [{"serviceRevisionArn": "arn:revision", "taskDefinition": REVISION}]
        },
        ("elbv2", "describe_target_health"): {
            "TargetHealthDescriptions": [
                {"Target": {"Id": "10.0.0.1", "Port": 8000}, "TargetHealth": {"State": "healthy"}}
            ]
        },
        ("elbv2", "describe_load_balancers"): {"LoadBalancers": [balancer]},
        ("cloudwatch", "describe_alarms"): {"MetricAlarms": [], "CompositeAlarms": []},
        ("cloudwatch", "get_metric_data"): metric_data,
        ("application-autoscaling", "describe_scalable_targets"): {
            "ScalableTargets": [{"MinCapacity": 1, "MaxCapacity": 3}]
        },
        ("logs", "get_log_events"): {"events": [{"message": "the schema is at version 7", "timestamp": 1}]},
        ("ecs", "describe_task_definition"): {
            "taskDefinition": {
                "taskDefinitionArn": REVISION, "family": "ohmycoins-backend", "revision": 8, "status": "ACTIVE",
                "containerDefinitions": [{"name": "backend", "image": f"x/ohmycoins/backend@{DIGEST}"}],
            }
        },
    }  # fmt: skip
    return record


ROLL = {"service": "backend", "task_definition": "ohmycoins-backend:8", "digests": {"backend": DIGEST}}
MEMORY = {"deployment": OURS, "asked_at": (NOW - timedelta(minutes=5)).isoformat()}
STOPPED = task(
    lastStatus="STOPPED", stopCode="EssentialContainerExited", stoppedReason="Essential container in task exited",
    stoppedAt=NOW, containers=[{"name": "backend", "exitCode": 0, "lastStatus": "STOPPED"}],
)  # fmt: skip
BACK = {
    "serviceDeploymentArn": OURS, "status": "ROLLBACK_SUCCESSFUL", "createdAt": NOW, "finishedAt": NOW,
    "targetServiceRevision": {"arn": "arn:bad"}, "rollback": {"serviceRevisionArn": "arn:revision", "reason": "asked"},
}  # fmt: skip
BOTH = {
    "serviceRevisions": [
        {"serviceRevisionArn": "arn:revision", "taskDefinition": REVISION},
        {"serviceRevisionArn": "arn:bad", "taskDefinition": "x/ohmycoins-backend:9"},
    ]
}

STEPS: Mapping[str, tuple[str, dict[str, Any], dict[str, Any], Callable[[], dict[tuple[str, str], Any]]]] = {
    "roll": ("ecs.roll_service", ROLL, MEMORY, answers),
    "way back": ("ecs.roll_service", ROLL | {"settle_seconds": 60.0, "back": True}, MEMORY, answers),
    "stop": (
        "ecs.stop_deployment",
        {"service": "backend", "service_deployment": OURS, "failing": "ohmycoins-backend:9", "settle_seconds": 60.0},
        MEMORY,
        lambda: answers() | {
            ("ecs", "describe_service_deployments"): {"serviceDeployments": [BACK]},
            ("ecs", "describe_service_revisions"): BOTH,
        },
    ),
    "scale": (
        "scaling.set",
        {"service": "backend", "minimum": 1, "maximum": 3, "at_least": 1, "at_most": 1, "settle_seconds": 60.0},
        {"since": NOW.isoformat(), "desired": 1},
        answers,
    ),
    "watch": (
        "cloudwatch.settle",
        {"seconds": 300.0, "before": asdict(Readings()), "services": {"backend": "ohmycoins-backend:8"}},
        {"began": (NOW - timedelta(seconds=330)).isoformat()},
        answers,
    ),
    "migrate": (
        "ecs.run_task",
        {"task_definition": REVISION, "container": "backend", "command": [], "network": {}, "launch": {}, "what": "it"},
        {"task": TASK, "asked_at": NOW.isoformat()},
        lambda: answers() | {("ecs", "describe_tasks"): {"tasks": [STOPPED]}},
    ),
}  # fmt: skip


def outcome_of(step: str, record: dict[tuple[str, str], Any]) -> Verdict | None:
    """What the step comes to; None where it waits, or will ask again since the answer is none."""
    action, arguments, memory, _ = STEPS[step]
    where = context(FakeGateway(record), now=lambda: NOW, state=dict(memory))
    try:
        outcome = action_named(action).poll(where, action_named(action).read(arguments))
    except (OmcError, KeyError):  # the runner asks again, until the deadline
        return None
    return outcome.verdict if outcome else None


def fields_read(step: str) -> list[tuple[tuple[str, str], Path]]:
    read: dict[tuple[str, str], set[Path]] = {}
    samples: dict[tuple[str, str], Any] = {}
    record = {}
    for call, answer in STEPS[step][3]().items():

        def watching(params: Any, call: tuple[str, str] = call, answer: Any = answer) -> Any:
            provided = answer(params) if callable(answer) else answer
            if not samples.get(call) or "MetricDataResults" in provided:
                samples[call] = provided
            return watched(provided, (), read.setdefault(call, set()))

        record[call] = watching
    assert outcome_of(step, record) is Verdict.SUCCEEDED
    return [(call, path) for call, sample in samples.items() for path in paths(sample) if path in read[call]]


@cache
def succeeds_without(step: str) -> tuple[list[str], set[str]]:
    """Fields without which the step succeeds although nothing says that it may; and the exceptions that do say so."""
    fields = fields_read(step)
    assert len(fields) > 5
    silent, used = [], set()
    for call, path in fields:
        record = STEPS[step][3]()
        try:
            record[call] = without(record[call], path)
            found = outcome_of(step, record)
        except (IndexError, TypeError):  # an answer that differs from call to call hasn't got the path each time
            continue
        if found is Verdict.SUCCEEDED:
            name = f"{step} {words(call[1], path)}"
            excepted = {each for each in NOTHING_RESTS_ON if re.fullmatch(each, name)}
            used |= excepted
            silent += [] if excepted else [name]
    return silent, used


@pytest.mark.parametrize("step", STEPS)
def test_no_field_that_is_missing_lets_a_step_succeed(step: str) -> None:
    assert succeeds_without(step)[0] == [], f"{step} succeeds without these"


def test_there_are_no_exceptions_that_are_none_any_more() -> None:
    used = {each for step in STEPS for each in succeeds_without(step)[1]}
    assert sorted(set(NOTHING_RESTS_ON) - used) == []
