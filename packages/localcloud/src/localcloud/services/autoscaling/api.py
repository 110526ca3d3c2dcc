"""Application Auto Scaling's operations: scalable targets, target tracking policies with their alarms, activities."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core import calls, paging
from localcloud.core.registry import Answer, AwsError, Call, operation

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

from localcloud.services.autoscaling.component import Autoscaling
from localcloud.services.autoscaling.model import (
    DIMENSION,
    HIGH_PERIODS,
    LOW_PERIODS,
    LOW_SHARE,
    PERIOD_SECONDS,
    PREDEFINED,
    PRINCIPAL,
    Activity,
    Policy,
    ScalableTarget,
)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def _check(params: Mapping[str, Any]) -> None:
    dimension = params.get("ScalableDimension", DIMENSION)
    resource = params.get("ResourceId", "service/a/b")
    if params["ServiceNamespace"] != "ecs" or dimension != DIMENSION or resource.count("/") != 2:
        raise _invalid("Unsupported service namespace, resource type or scalable dimension")


def _target(scaling: Autoscaling, params: Mapping[str, Any]) -> ScalableTarget:
    _check(params)
    resource = params["ResourceId"]
    found = scaling.state.targets.get(resource)
    if found is None:
        raise AwsError(
            "ObjectNotFoundException",
            f"No scalable target found for service namespace: ecs, resource ID: {resource}, "
            f"scalable dimension: {DIMENSION}",
        )
    return found


def _page(items: list[Any], params: Mapping[str, Any]) -> tuple[list[Any], dict[str, str]]:
    refused = AwsError("InvalidNextTokenException", "The NextToken isn't one that this operation gave.")
    shown, following = paging.page(items, params.get("NextToken"), params.get("MaxResults") or 50, refused)
    return shown, {"NextToken": following} if following else {}


@operation("application-autoscaling", "RegisterScalableTarget")
def register_scalable_target(cloud: Cloud, call: Call) -> Answer:
    """Limits that don't hold the service's count change it, within a second."""
    scaling, params = cloud.part(Autoscaling), call.params
    _check(params)
    resource = params["ResourceId"]
    known = scaling.state.targets.get(resource)
    if known is None:
        if scaling.service(resource) is None:
            raise _invalid(f"ECS service doesn't exist: {resource}")
        if params.get("MinCapacity") is None or params.get("MaxCapacity") is None:
            raise _invalid("Both minimum and maximum capacity are required when a scalable target is registered.")
        settings = cloud.settings
        arn = settings.arn("application-autoscaling", f"scalable-target/{uuid.uuid4().hex}")
        name = f"role/aws-service-role/{PRINCIPAL}/AWSServiceRoleForApplicationAutoScaling_ECSService"
        role = settings.arn("iam", name, is_global=True)
        known = ScalableTarget(resource, arn, 0, 0, role, cloud.now(), tags=dict(params.get("Tags", {})))
    minimum = params.get("MinCapacity", known.minimum)
    maximum = params.get("MaxCapacity", known.maximum)
    if minimum > maximum:
        raise _invalid("Maximum capacity cannot be less than minimum capacity")
    known.minimum, known.maximum = minimum, maximum
    known.suspended = known.suspended | dict(params.get("SuspendedState", {}))
    scaling.state.targets[resource] = known
    cloud.touch()
    return {"ScalableTargetARN": known.arn}


@operation("application-autoscaling", "DeregisterScalableTarget")
def deregister_scalable_target(cloud: Cloud, call: Call) -> Answer:
    """Its policies and their alarms go with it."""
    scaling = cloud.part(Autoscaling)
    target = _target(scaling, call.params)
    for policy in [p for p in scaling.state.policies.values() if p.resource == target.resource]:
        _delete(scaling, policy)
    del scaling.state.targets[target.resource]
    cloud.touch()
    return {}


@operation("application-autoscaling", "DescribeScalableTargets")
def describe_scalable_targets(cloud: Cloud, call: Call) -> Answer:
    _check({"ServiceNamespace": call.params["ServiceNamespace"]})
    ids = call.params.get("ResourceIds")
    targets = [t for t in cloud.part(Autoscaling).state.targets.values() if not ids or t.resource in ids]
    page, more = _page(targets, call.params)
    described = [
        {
            "ServiceNamespace": "ecs",
            "ResourceId": target.resource,
            "ScalableDimension": DIMENSION,
            "MinCapacity": target.minimum,
            "MaxCapacity": target.maximum,
            "RoleARN": target.role,
            "CreationTime": target.created_at,
            "SuspendedState": {
                "DynamicScalingInSuspended": False,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
                **target.suspended,
            },
            "ScalableTargetARN": target.arn,
        }
        for target in page
    ]
    return {"ScalableTargets": described, **more}


def _alarm(policy: Policy, high: bool) -> dict[str, Any]:
    configuration = policy.configuration
    _, cluster, service = policy.resource.split("/")
    goal = float(configuration["TargetValue"])
    custom = configuration.get("CustomizedMetricSpecification")
    if custom:
        metric = {
            "Namespace": custom["Namespace"],
            "MetricName": custom["MetricName"],
            "Dimensions": custom.get("Dimensions", []),
            "Statistic": custom["Statistic"],
        }
    else:
        kind = configuration["PredefinedMetricSpecification"]["PredefinedMetricType"]
        metric = {
            "Namespace": "AWS/ECS",
            "MetricName": PREDEFINED[kind],
            "Dimensions": [{"Name": "ClusterName", "Value": cluster}, {"Name": "ServiceName", "Value": service}],
            "Statistic": "Average",
        }
    return {
        **metric,
        "AlarmName": f"TargetTracking-{policy.resource}-Alarm{'High' if high else 'Low'}-{uuid.uuid4()}",
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}.",
        "ActionsEnabled": True,
        "AlarmActions": [policy.arn],
        "Period": PERIOD_SECONDS,
        "EvaluationPeriods": HIGH_PERIODS if high else LOW_PERIODS,
        "Threshold": goal if high else goal * LOW_SHARE,
        "ComparisonOperator": "GreaterThanThreshold" if high else "LessThanThreshold",
    }


@operation("application-autoscaling", "PutScalingPolicy")
def put_scaling_policy(cloud: Cloud, call: Call) -> Answer:
    scaling, params = cloud.part(Autoscaling), call.params
    target = _target(scaling, params)
    if params.get("PolicyType", "StepScaling") != "TargetTrackingScaling":
        raise _invalid("localcloud scales by TargetTrackingScaling policies only.")
    configuration = dict(params.get("TargetTrackingScalingPolicyConfiguration", {}))
    predefined = configuration.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
    custom = configuration.get("CustomizedMetricSpecification")
    if not custom and predefined not in PREDEFINED:
        raise _invalid(f"localcloud tracks {', '.join(PREDEFINED)} or a customized metric, not {predefined}.")
    if custom and not {"MetricName", "Namespace", "Statistic"} <= set(custom):
        raise _invalid("localcloud tracks a customized metric by MetricName, Namespace and Statistic only.")
    name = params["PolicyName"]
    key = (target.resource, name)
    known = scaling.state.policies.get(key)
    if known is None:
        of = f"resource/ecs/{target.resource}:policyName/{name}"
        arn = cloud.settings.arn("autoscaling", f"scalingPolicy:{uuid.uuid4()}:{of}")
        known = Policy(name, arn, target.resource, configuration, cloud.now())
        scaling.state.policies[key] = known
    if known.configuration != configuration or not known.alarms:
        _delete_alarms(scaling, known)
        known.configuration = configuration
        known.alarms = _make_alarms(scaling, known)
    cloud.touch()
    return {"PolicyARN": known.arn, "Alarms": known.alarms}


def _make_alarms(scaling: Autoscaling, policy: Policy) -> list[dict[str, str]]:
    cloud = scaling.cloud
    made = []
    for high in (True, False):
        alarm = _alarm(policy, high)
        if calls.answers("cloudwatch", "PutMetricAlarm"):
            calls.ask(cloud, "cloudwatch", "PutMetricAlarm", alarm, PRINCIPAL)
        arn = cloud.settings.arn("cloudwatch", f"alarm:{alarm['AlarmName']}")
        made.append({"AlarmName": alarm["AlarmName"], "AlarmARN": arn})
    return made


def _delete_alarms(scaling: Autoscaling, policy: Policy) -> None:
    names = [alarm["AlarmName"] for alarm in policy.alarms]
    if names and calls.answers("cloudwatch", "DeleteAlarms"):
        calls.ask(scaling.cloud, "cloudwatch", "DeleteAlarms", {"AlarmNames": names}, PRINCIPAL)
    policy.alarms = []


def _delete(scaling: Autoscaling, policy: Policy) -> None:
    _delete_alarms(scaling, policy)
    del scaling.state.policies[policy.resource, policy.name]


@operation("application-autoscaling", "DeleteScalingPolicy")
def delete_scaling_policy(cloud: Cloud, call: Call) -> Answer:
    scaling = cloud.part(Autoscaling)
    _check(call.params)
    policy = scaling.state.policies.get((call.params["ResourceId"], call.params["PolicyName"]))
    if policy is None:
        raise AwsError(
            "ObjectNotFoundException",
            f"No scaling policy found for service namespace: ecs, resource ID: {call.params['ResourceId']}, "
            f"scalable dimension: {DIMENSION}, policy name: {call.params['PolicyName']}",
        )
    _delete(scaling, policy)
    cloud.touch()
    return {}


@operation("application-autoscaling", "DescribeScalingPolicies")
def describe_scaling_policies(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    _check({"ServiceNamespace": params["ServiceNamespace"]})
    policies = [
        policy
        for policy in cloud.part(Autoscaling).state.policies.values()
        if params.get("ResourceId") in (None, policy.resource)
        and (not params.get("PolicyNames") or policy.name in params["PolicyNames"])
    ]
    page, more = _page(policies, params)
    described = [
        {
            "PolicyARN": policy.arn,
            "PolicyName": policy.name,
            "ServiceNamespace": "ecs",
            "ResourceId": policy.resource,
            "ScalableDimension": DIMENSION,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": policy.configuration,
            "Alarms": policy.alarms,
            "CreationTime": policy.created_at,
        }
        for policy in page
    ]
    return {"ScalingPolicies": described, **more}


@operation("application-autoscaling", "DescribeScalingActivities")
def describe_scaling_activities(cloud: Cloud, call: Call) -> Answer:
    """Latest first; what was asked for but not done only where the caller wants to see that too."""
    params = call.params
    _check({"ServiceNamespace": params["ServiceNamespace"]})
    activities = [
        activity
        for activity in cloud.part(Autoscaling).state.activities
        if params.get("ResourceId") in (None, activity.resource)
        and (params.get("IncludeNotScaledActivities") or activity.not_scaled is None)
    ]
    page, more = _page(activities, params)
    return {"ScalingActivities": [_activity(activity) for activity in page], **more}


def _activity(activity: Activity) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "ActivityId": activity.id,
        "ServiceNamespace": "ecs",
        "ResourceId": activity.resource,
        "ScalableDimension": DIMENSION,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.started_at,
        "StatusCode": activity.status,
        "StatusMessage": activity.message,
    }
    if activity.ended_at is not None:
        shape["EndTime"] = activity.ended_at
    if activity.not_scaled:
        shape["NotScaledReasons"] = [activity.not_scaled]
    return shape


def _tagged(cloud: Cloud, call: Call) -> ScalableTarget:
    arn = call.params["ResourceARN"]
    found = next((t for t in cloud.part(Autoscaling).state.targets.values() if t.arn == arn), None)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"The specified resource doesn't exist: {arn}")
    return found


@operation("application-autoscaling", "ListTagsForResource")
def list_tags_for_resource(cloud: Cloud, call: Call) -> Answer:
    return {"Tags": dict(_tagged(cloud, call).tags)}


@operation("application-autoscaling", "TagResource")
def tag_resource(cloud: Cloud, call: Call) -> Answer:
    _tagged(cloud, call).tags.update(call.params["Tags"])
    cloud.touch()
    return {}


@operation("application-autoscaling", "UntagResource")
def untag_resource(cloud: Cloud, call: Call) -> Answer:
    target = _tagged(cloud, call)
    for key in call.params["TagKeys"]:
        target.tags.pop(key, None)
    cloud.touch()
    return {}


@operation("application-autoscaling", "DescribeScheduledActions")
def describe_scheduled_actions(cloud: Cloud, call: Call) -> Answer:
    """There are none: nobody can put one here."""
    return {"ScheduledActions": []}


@operation("application-autoscaling", "PutScheduledAction")
def put_scheduled_action(cloud: Cloud, call: Call) -> Answer:
    raise _invalid("localcloud has no scheduled scaling. Nothing was changed.")
