"""What nobody notices on the day it is changed: alarms, deployment alarms, subscriptions, queues, keys, roles, scaling.

Not tuned for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rehearsal.outside.story import Story
from rehearsal.outside.world import World
from support.stack import CLUSTER

CPU = "rds-cpu-high"


@contextmanager
def _alarm_watches_another(world: World) -> Iterator[None]:
    """Somebody has made the database anew under another name, and given it up again: the alarm watches what isn't."""
    cloudwatch, name = world.aws("cloudwatch"), world.output("alarm_names")[CPU]
    payload = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    accepted = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    before = {key: value for key, value in payload.items() if key in accepted and value not in ([], None)}
    dimensions = [{**each, "Value": f"{each['Value']}-new"} for each in before["Dimensions"]]
    cloudwatch.put_metric_alarm(**before | {"Dimensions": dimensions})
    try:
        yield
    finally:
        cloudwatch.put_metric_alarm(**before)


@contextmanager
def _deployment_alarms_off(world: World) -> Iterator[None]:
    ecs, configuration = world.aws("ecs"), world.service("backend")["deploymentConfiguration"]
    assert configuration["alarms"]["enable"]
    off = configuration | {"alarms": configuration["alarms"] | {"enable": False}}
    ecs.update_service(cluster=CLUSTER, service="backend", deploymentConfiguration=off)
    try:
        yield
    finally:
        ecs.update_service(cluster=CLUSTER, service="backend", deploymentConfiguration=configuration)


@contextmanager
def _told_elsewhere(world: World) -> Iterator[None]:
    """The responder's queue isn't subscribed to SEV-2 any more, another is: there still is a subscription."""
    sns, sqs, topic = world.aws("sns"), world.aws("sqs"), world.output("alerts")["topic_arns"]["SEV-2"]
    [ours] = [
        each
        for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        if each["Endpoint"] == world.output("alerts")["queue_arn"]
    ]
    payload = sns.get_subscription_attributes(SubscriptionArn=ours["SubscriptionArn"])["Attributes"]
    theirs = sqs.create_queue(QueueName="somebody-tries-things")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=theirs, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    other = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)["SubscriptionArn"]
    sns.unsubscribe(SubscriptionArn=ours["SubscriptionArn"])
    try:
        yield
    finally:
        sns.unsubscribe(SubscriptionArn=other)
        sqs.delete_queue(QueueUrl=theirs)
        kept = {
            key: payload[key] for key in ("RawMessageDelivery", "RedrivePolicy", "FilterPolicy") if payload.get(key)
        }
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ours["Endpoint"], Attributes=kept)


@contextmanager
def _queue_refuses(world: World) -> Iterator[None]:
    """The alerts' queue has no policy any more: every topic may still send, and nothing comes in."""
    sqs, queue = world.aws("sqs"), world.output("alerts")["queue_url"]
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})


@contextmanager
def _key_disabled(world: World) -> Iterator[None]:
    """The key of the database's storage and secrets: what runs holds it in memory, what starts next can't have it."""
    kms = world.aws("kms")
    [key] = [
        each["TargetKeyId"]
        for page in kms.get_paginator("list_aliases").paginate()
        for each in page["Aliases"]
        if each["AliasName"] == f"alias/{CLUSTER}-data"
    ]
    kms.disable_key(KeyId=key)
    try:
        yield
    finally:
        kms.enable_key(KeyId=key)


@contextmanager
def _role_trusts_nobody(world: World) -> Iterator[None]:
    """ECS may not take the backend's task role any more; the tasks that run have their credentials for some hours."""
    iam, role = world.aws("iam"), str(world.output("services")["backend"]["task_role_arn"]).rpartition("/")[2]
    before = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    nobody: dict[str, Any] = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(nobody))
    try:
        yield
    finally:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(before))


@contextmanager
def _scaling_policy_deleted(world: World) -> Iterator[None]:
    """The limits of autoscaling are as they were, and nothing makes it scale by CPU any more."""
    scaling, resource = world.aws("application-autoscaling"), f"service/{CLUSTER}/backend"
    policies = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=resource)["ScalingPolicies"]
    [policy] = [
        each
        for each in policies
        if "CPU" in str(each["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"])
    ]
    names = ("ServiceNamespace", "ScalableDimension", "ResourceId", "PolicyName")
    which = {name: policy[name] for name in names}
    scaling.delete_scaling_policy(**which)
    try:
        yield
    finally:
        configuration = policy["TargetTrackingScalingPolicyConfiguration"]
        scaling.put_scaling_policy(
            **which, PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=configuration
        )


NEVER = (r"rollback", r"security group", r"omc restart")

STORIES = (
    Story(
        "alarm-watches-another",
        _alarm_watches_another,
        "the alarm of the database's CPU watches an instance that there isn't",
        headline=r"alarm.*rds-cpu-high|rds-cpu-high.*alarm",
        words=(r"rds-cpu-high", rf"{CLUSTER}-new|dimension|watches"),
        never=NEVER,
        exits=(0, 1),
        within=60,
    ),
    Story(
        "deployment-alarms-off",
        _deployment_alarms_off,
        "the backend's deployments don't heed alarms any more",
        headline=r"backend.*(deployment alarm|alarms)|alarms?.*deployment.*backend|deployment alarms",
        words=(r"backend", r"deployment alarm|alarms? .*deploy|deploy\w* .*alarm"),
        never=NEVER,
        exits=(0, 1),
        within=60,
    ),
    Story(
        "told-elsewhere",
        _told_elsewhere,
        "the responder's queue isn't subscribed to SEV-2 any more, somebody's is",
        headline=r"sev-2.*(subscri|alerts|queue|tell|receiv)|(subscri|queue).*sev-2",
        words=(r"sev-2", r"-alerts|queue"),
        never=NEVER,
        exits=(0, 1),
        within=60,
    ),
    Story(
        "queue-refuses",
        _queue_refuses,
        "the alerts' queue lets no topic send to it",
        headline=r"-alerts.*(policy|refus|send|let|allow|deliver)|(policy|refus|deliver).*-alerts",
        words=(r"policy|allow|refus|may send",),
        never=NEVER,
        exits=(0, 1),
        within=60,
    ),
    Story(
        "key-disabled",
        _key_disabled,
        "the KMS key of secrets and storage is disabled",
        headline=r"\bkey\b.*(disabl|off|not (be )?use)|disabl.*\bkey\b",
        words=(r"\w{8}-\w{4}-\w{4}-", r"disabled"),
        never=NEVER,
        exits=(0, 1),
        within=60,
    ),
    Story(
        "role-trusts-nobody",
        _role_trusts_nobody,
        "the backend's task role can't be assumed by ECS any more",
        headline=r"role.*(trust|assum|ecs-tasks|taken)|(trust|assum).*role",
        words=(rf"{CLUSTER}-backend\S*", r"trust|assum|ecs-tasks"),
        never=NEVER,
        exits=(0, 1),
        within=60,
    ),
    Story(
        "scaling-policy-deleted",
        _scaling_policy_deleted,
        "the policy by which the backend scales with its CPU is deleted",
        headline=r"(scal\w+|policy).*backend|backend.*(scal|policy)",
        words=(r"polic|target|CPU", r"backend", r"gone|delet|missing|no longer|isn't there"),
        never=NEVER,
        exits=(0, 1),
        within=60,
    ),
)
