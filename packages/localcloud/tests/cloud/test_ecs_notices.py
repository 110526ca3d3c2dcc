"""EventBridge hears of failed deployments, and a deployment's own alarms roll it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ecs_world import SERVER, World, build
from localcloud.core.cloud import Cloud
from support.stack import put_silent_alarm
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@pytest.fixture
def world(cloud: Cloud, aws: Callable[..., Any], tmp_path: Any) -> World:
    return build(cloud, aws, tmp_path)


def test_a_rule_delivers_failed_deployments_to_a_queue(world: World) -> None:
    queue = world.aws("sqs").create_queue(QueueName="deployments")["QueueUrl"]
    events = world.aws("events")
    pattern = {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Deployment State Change"],
        "detail": {"eventName": ["SERVICE_DEPLOYMENT_FAILED"]},
    }
    events.put_rule(Name="failed", EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:{world.cloud.settings.region}:{world.cloud.settings.account}:deployments"
    events.put_targets(Rule="failed", Targets=[{"Id": "queue", "Arn": arn}])
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    bad = world.register("failing", f"{world.repository}:never-pushed")
    created = world.create_service("failing", bad, deploymentConfiguration=breaker)

    def received() -> list[dict[str, Any]]:
        answer = world.aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    (event,) = eventually("the queue gets the event", received)
    assert event["resources"] == [created["serviceArn"]]
    assert event["detail"]["eventType"] == "ERROR"
    assert event["detail"]["deploymentId"] == created["deployments"][0]["id"]
    assert event["detail"]["reason"] == "ECS deployment circuit breaker: tasks failed to start."


def watched(world: World) -> tuple[str, str]:
    """A service whose deployments an alarm ends, and two revisions: what it runs, and one that takes its time."""
    put_silent_alarm(world.aws("cloudwatch"), "errors")
    configuration = {"alarms": {"alarmNames": ["errors"], "enable": True, "rollback": True}}
    image = world.push("server", SERVER)
    good = world.register("watched", image)
    world.create_service("watched", good, deploymentConfiguration=configuration)
    world.steady("watched")
    unsure = {"command": ["CMD", "true"], "interval": 300}  # not healthy before that: its deployment can't end earlier
    return good, world.register("watched", image, healthCheck=unsure)


def alarms_of_newest(world: World) -> dict[str, Any]:
    history = world.ecs.list_service_deployments(cluster="rehearsal", service="watched")["serviceDeployments"]
    described = world.ecs.describe_service_deployments(serviceDeploymentArns=[history[0]["serviceDeploymentArn"]])
    return dict(described["serviceDeployments"][0]["alarms"])


def test_an_alarm_of_the_deployment_rolls_it_back(world: World) -> None:
    good, other = watched(world)
    world.ecs.update_service(cluster="rehearsal", service="watched", taskDefinition=other)
    world.aws("cloudwatch").set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="rehearsed")
    assert eventually("the deployment is rolled back", lambda: world.service("watched")["taskDefinition"] == good)
    assert alarms_of_newest(world) == {
        "status": "TRIGGERED",
        "alarmNames": ["errors"],
        "triggeredAlarmNames": ["errors"],
    }
    assert world.steady("watched")["deployments"][0]["rolloutState"] == "COMPLETED"


def test_an_alarm_that_rings_at_the_beginning_is_not_heeded(world: World) -> None:
    """The deployment may be what mends it, as AWS says."""
    good, other = watched(world)
    world.aws("cloudwatch").set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="rehearsed")
    world.ecs.update_service(cluster="rehearsal", service="watched", taskDefinition=other)
    assert alarms_of_newest(world) == {"status": "DISABLED", "alarmNames": ["errors"], "triggeredAlarmNames": []}
    eventually("both tasks run", lambda: [task["lastStatus"] for task in world.tasks("watched")] == ["RUNNING"] * 2)
    assert world.service("watched")["taskDefinition"] == other
    world.ecs.update_service(cluster="rehearsal", service="watched", taskDefinition=good)
    world.steady("watched")
