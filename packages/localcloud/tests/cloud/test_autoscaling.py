"""Autoscaling acts: alarms invoke policies, policies set the desired count within limits and cooldowns, and say why."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from localcloud.services.autoscaling.decide import Decision, scale_in, scale_out, tracked
from support.ecs_cluster import SERVER, EcsCluster, create_cluster
from support.waiting import eventually

PROFILE = "minimal"


def test_tracking_aims_at_the_count_that_brings_the_metric_to_its_target() -> None:
    assert tracked(2, 140.0, 70.0) == 4
    assert tracked(3, 71.0, 70.0) == 4
    assert tracked(4, 20.0, 70.0) == 2


def test_scaling_out_adds_at_least_one_and_never_passes_the_maximum() -> None:
    assert scale_out(2, 2, 71.0, 70.0, 10, cooling=False) == Decision(3)
    assert scale_out(2, 2, 700.0, 70.0, 10, cooling=False) == Decision(10)
    assert scale_out(10, 10, 99.0, 70.0, 10, cooling=False) == Decision(code="AlreadyAtMaxCapacity")


def test_during_a_cooldown_only_more_than_the_last_scale_out_counts() -> None:
    assert scale_out(4, 2, 140.0, 70.0, 10, cooling=True) == Decision()
    assert scale_out(4, 2, 210.0, 70.0, 10, cooling=True) == Decision(6)


def test_scaling_in_waits_for_the_policy_that_needs_most_and_for_the_cooldown() -> None:
    assert scale_in(8, [(10.0, 70.0), (60.0, 80.0)], 2, cooling=False) == Decision(6)
    assert scale_in(8, [(10.0, 70.0)], 4, cooling=False) == Decision(4)
    assert scale_in(4, [(10.0, 70.0)], 4, cooling=False) == Decision(code="AlreadyAtMinCapacity")
    assert scale_in(4, [(69.0, 70.0)], 2, cooling=False) == Decision(code="AlreadyAtDesiredCapacity")
    assert scale_in(8, [(10.0, 70.0)], 2, cooling=True) == Decision()


RESOURCE = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/rehearsal/scaled",
    "ScalableDimension": "ecs:service:DesiredCount",
}
CONFIGURATION = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
    "ScaleOutCooldown": 0,
    "ScaleInCooldown": 0,
}


@pytest.fixture
def cluster(cloud: Cloud, aws: Callable[..., Any], tmp_path: Any) -> EcsCluster:
    built = create_cluster(cloud, aws, tmp_path)
    built.create_service("scaled", built.register("scaled", built.push("server", SERVER)), desired=1)
    return built


def put_policy(cluster: EcsCluster) -> list[str]:
    answer = cluster.aws("application-autoscaling").put_scaling_policy(
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=CONFIGURATION,
        **RESOURCE,
    )
    return [alarm["AlarmName"] for alarm in answer["Alarms"]]


def raise_alarm(cluster: EcsCluster, name: str, value: float) -> None:
    """Only a change of state is told at once, so the alarm is OK for a moment first."""
    data = json.dumps({"recentDatapoints": [value]})
    watch = cluster.aws("cloudwatch")
    watch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="rehearsed")
    watch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="rehearsed", StateReasonData=data)


def activities(cluster: EcsCluster, **more: Any) -> list[dict[str, Any]]:
    client = cluster.aws("application-autoscaling")
    return list(client.describe_scaling_activities(**RESOURCE, **more)["ScalingActivities"])


@pytest.mark.cloud
def test_an_alarm_scales_out_and_in_within_the_limits(cluster: EcsCluster) -> None:
    scaling = cluster.aws("application-autoscaling")
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=3, Tags={"Name": "scaled"}, **RESOURCE)
    high, low = put_policy(cluster)
    alarms = cluster.aws("cloudwatch").describe_alarms(AlarmNames=[high, low])["MetricAlarms"]
    shapes = {a["AlarmName"]: (a["Threshold"], a["EvaluationPeriods"], a["ComparisonOperator"]) for a in alarms}
    assert shapes == {high: (70.0, 3, "GreaterThanThreshold"), low: (63.0, 15, "LessThanThreshold")}
    assert high.startswith("TargetTracking-service/rehearsal/scaled-AlarmHigh-")

    raise_alarm(cluster, high, 140.0)
    eventually("the service is scaled out", lambda: cluster.service("scaled")["desiredCount"] == 2)
    eventually("the scaling has succeeded", lambda: activities(cluster)[0]["StatusCode"] == "Successful")
    done = activities(cluster)[0]
    assert done["Description"] == "Setting desired count to 2."
    assert done["Cause"] == f"monitor alarm {high} in state ALARM triggered policy cpu"
    assert done["EndTime"] >= done["StartTime"]

    raise_alarm(cluster, low, 5.0)
    eventually("the service is scaled in", lambda: cluster.service("scaled")["desiredCount"] == 1)
    raise_alarm(cluster, low, 4.0)
    eventually(
        "it is said why nothing was scaled",
        lambda: any("NotScaledReasons" in one for one in activities(cluster, IncludeNotScaledActivities=True)),
    )
    reason = activities(cluster, IncludeNotScaledActivities=True)[0]["NotScaledReasons"][0]
    assert reason == {"Code": "AlreadyAtMinCapacity", "MinCapacity": 1, "CurrentCapacity": 1}
    assert all("NotScaledReasons" not in one for one in activities(cluster))


@pytest.mark.cloud
def test_a_raised_minimum_starts_tasks_and_a_suspended_target_stays(cluster: EcsCluster) -> None:
    scaling = cluster.aws("application-autoscaling")
    arn = scaling.register_scalable_target(MinCapacity=2, MaxCapacity=4, Tags={"Name": "scaled"}, **RESOURCE)
    eventually("the service has the new minimum", lambda: cluster.service("scaled")["desiredCount"] == 2)
    assert activities(cluster)[0]["Cause"] == "minimum capacity was set to 2"
    assert scaling.list_tags_for_resource(ResourceARN=arn["ScalableTargetARN"])["Tags"] == {"Name": "scaled"}

    suspended = {"DynamicScalingOutSuspended": True}
    scaling.register_scalable_target(SuspendedState=suspended, **RESOURCE)
    described = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    assert (described["MinCapacity"], described["MaxCapacity"]) == (2, 4)
    assert described["SuspendedState"]["DynamicScalingOutSuspended"]
    high, low = put_policy(cluster)
    raise_alarm(cluster, high, 700.0)
    raise_alarm(cluster, low, 69.0)  # carried out after the other: when it has its answer, so has that
    eventually(
        "it is said why nothing was scaled",
        lambda: activities(cluster, IncludeNotScaledActivities=True)[0].get("NotScaledReasons"),
    )
    assert cluster.service("scaled")["desiredCount"] == 2

    scaling.deregister_scalable_target(**RESOURCE)
    assert cluster.aws("cloudwatch").describe_alarms(AlarmNames=[high, low])["MetricAlarms"] == []
    with pytest.raises(ClientError) as gone:
        put_policy(cluster)
    assert gone.value.response["Error"]["Code"] == "ObjectNotFoundException"
    missing = RESOURCE | {"ResourceId": "service/rehearsal/nowhere"}
    with pytest.raises(ClientError) as nowhere:
        scaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, **missing)
    assert nowhere.value.response["Error"]["Code"] == "ValidationException"
