"""EventBridge hears of failed deployments, and a deployment's own alarms roll it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.core.cloud import Cloud
from support.ecs_cluster import SERVER, EcsCluster, create_cluster
from support.stack import put_silent_alarm
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@pytest.fixture
def cluster(cloud: Cloud, aws: Callable[..., Any], tmp_path: Any) -> EcsCluster:
    return create_cluster(cloud, aws, tmp_path)


def test_a_rule_delivers_failed_deployments_to_a_queue(cluster: EcsCluster) -> None:
    queue = cluster.aws("sqs").create_queue(QueueName="deployments")["QueueUrl"]
    events = cluster.aws("events")
    pattern = {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Deployment State Change"],
        "detail": {"eventName": ["SERVICE_DEPLOYMENT_FAILED"]},
    }
    events.put_rule(Name="failed", EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:{cluster.cloud.settings.region}:{cluster.cloud.settings.account}:deployments"
    events.put_targets(Rule="failed", Targets=[{"Id": "queue", "Arn": arn}])
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    bad = cluster.register("failing", f"{cluster.repository}:never-pushed")
    created = cluster.create_service("failing", bad, deploymentConfiguration=breaker)

    def received() -> list[dict[str, Any]]:
        answer = cluster.aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    (event,) = eventually("the queue gets the event", received)
    assert event["resources"] == [created["serviceArn"]]
    assert event["detail"]["eventType"] == "ERROR"
    assert event["detail"]["deploymentId"] == created["deployments"][0]["id"]
    assert event["detail"]["reason"] == "ECS deployment circuit breaker: tasks failed to start."


def watched(cluster: EcsCluster) -> tuple[str, str]:
    """A service whose deployments an alarm ends, and two revisions: what it runs, and one that takes its time."""
    put_silent_alarm(cluster.aws("cloudwatch"), "errors")
    configuration = {"alarms": {"alarmNames": ["errors"], "enable": True, "rollback": True}}
    image = cluster.push("server", SERVER)
    good = cluster.register("watched", image)
    cluster.create_service("watched", good, deploymentConfiguration=configuration)
    cluster.steady("watched")
    unsure = {"command": ["CMD", "true"], "interval": 300}  # not healthy before that: its deployment can't end earlier
    return good, cluster.register("watched", image, healthCheck=unsure)


def alarms_of_newest(cluster: EcsCluster) -> dict[str, Any]:
    history = cluster.ecs.list_service_deployments(cluster="rehearsal", service="watched")["serviceDeployments"]
    described = cluster.ecs.describe_service_deployments(serviceDeploymentArns=[history[0]["serviceDeploymentArn"]])
    return dict(described["serviceDeployments"][0]["alarms"])


def test_an_alarm_of_the_deployment_rolls_it_back(cluster: EcsCluster) -> None:
    good, other = watched(cluster)
    cluster.ecs.update_service(cluster="rehearsal", service="watched", taskDefinition=other)
    cluster.aws("cloudwatch").set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="rehearsed")
    assert eventually("the deployment is rolled back", lambda: cluster.service("watched")["taskDefinition"] == good)
    assert alarms_of_newest(cluster) == {
        "status": "TRIGGERED",
        "alarmNames": ["errors"],
        "triggeredAlarmNames": ["errors"],
    }
    assert cluster.steady("watched")["deployments"][0]["rolloutState"] == "COMPLETED"


def test_an_alarm_that_rings_at_the_beginning_is_not_heeded(cluster: EcsCluster) -> None:
    """The deployment may be what mends it, as AWS says."""
    good, other = watched(cluster)
    cluster.aws("cloudwatch").set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="rehearsed")
    cluster.ecs.update_service(cluster="rehearsal", service="watched", taskDefinition=other)
    assert alarms_of_newest(cluster) == {"status": "DISABLED", "alarmNames": ["errors"], "triggeredAlarmNames": []}
    eventually("both tasks run", lambda: [task["lastStatus"] for task in cluster.tasks("watched")] == ["RUNNING"] * 2)
    assert cluster.service("watched")["taskDefinition"] == other
    cluster.ecs.update_service(cluster="rehearsal", service="watched", taskDefinition=good)
    cluster.steady("watched")
