"""What should be there and isn't, or not as it was: alarms, autoscaling, backups, the trail, log groups, topics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rehearsal.outside.story import Story
from rehearsal.outside.world import DATABASE, World
from support.stack import CLUSTER

ALARM = f"{CLUSTER}-alb-5xx-percent"
GONE = r"delet|missing|gone|no longer|doesn't exist|not there|isn't there"


def _alarm(world: World, name: str) -> dict[str, Any]:
    cloudwatch = world.aws("cloudwatch")
    payload = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    accepted = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    return {key: value for key, value in payload.items() if key in accepted}


@contextmanager
def _alarm_deleted(world: World) -> Iterator[None]:
    cloudwatch, before = world.aws("cloudwatch"), _alarm(world, ALARM)
    arn = cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]["AlarmArn"]
    tags = cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]
    cloudwatch.delete_alarms(AlarmNames=[ALARM])
    try:
        yield
    finally:
        cloudwatch.put_metric_alarm(**before, Tags=tags)


@contextmanager
def _actions_off(world: World) -> Iterator[None]:
    cloudwatch = world.aws("cloudwatch")
    cloudwatch.disable_alarm_actions(AlarmNames=[ALARM])
    try:
        yield
    finally:
        cloudwatch.enable_alarm_actions(AlarmNames=[ALARM])


@contextmanager
def _threshold_raised(world: World) -> Iterator[None]:
    cloudwatch, name = world.aws("cloudwatch"), f"{CLUSTER}-rds-connections-high"
    before = _alarm(world, name)
    cloudwatch.put_metric_alarm(**before | {"Threshold": 100_000.0})
    try:
        yield
    finally:
        cloudwatch.put_metric_alarm(**before)


KIND = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


@contextmanager
def _limits_changed(world: World) -> Iterator[None]:
    scaling, resource = world.aws("application-autoscaling"), f"service/{CLUSTER}/backend"
    scaling.register_scalable_target(**KIND, ResourceId=resource, MaxCapacity=2)
    try:
        yield
    finally:
        scaling.register_scalable_target(**KIND, ResourceId=resource, MaxCapacity=10)


@contextmanager
def _scaling_suspended(world: World) -> Iterator[None]:
    scaling, resource = world.aws("application-autoscaling"), f"service/{CLUSTER}/backend"
    names = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")

    def suspend(value: bool) -> None:
        scaling.register_scalable_target(**KIND, ResourceId=resource, SuspendedState=dict.fromkeys(names, value))

    suspend(True)
    try:
        yield
    finally:
        suspend(False)


@contextmanager
def _no_backups(world: World) -> Iterator[None]:
    rds = world.aws("rds")
    before = rds.describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"][0]["BackupRetentionPeriod"]

    def keep(days: int) -> None:
        rds.modify_db_instance(DBInstanceIdentifier=DATABASE, BackupRetentionPeriod=days, ApplyImmediately=True)

    keep(0)
    try:
        yield
    finally:
        keep(before)


@contextmanager
def _trail_stopped(world: World) -> Iterator[None]:
    trail, name = world.aws("cloudtrail"), world.output("audit")["trail_arn"]
    trail.stop_logging(Name=name)
    try:
        yield
    finally:
        trail.start_logging(Name=name)


@contextmanager
def _retention_gone(world: World) -> Iterator[None]:
    logs, name = world.aws("logs"), world.output("log_groups")["backend"]
    before = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["retentionInDays"]
    logs.delete_retention_policy(logGroupName=name)
    try:
        yield
    finally:
        logs.put_retention_policy(logGroupName=name, retentionInDays=before)


@contextmanager
def _nobody_is_told(world: World) -> Iterator[None]:
    """The subscription through which a SEV-1 reaches somebody is gone."""
    sns, topic = world.aws("sns"), world.output("alerts")["topic_arns"]["SEV-1"]
    for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
    try:
        yield
    finally:
        world.apply()


STORIES = (
    Story(
        "alarm-deleted",
        _alarm_deleted,
        "an alarm is deleted",
        headline=r"alarm.*alb-5xx-percent|alb-5xx-percent.*" + f"({GONE})",
        words=(r"alb-5xx-percent", GONE),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "alarm-actions-off",
        _actions_off,
        "an alarm's actions are off",
        headline=r"alb-5xx-percent|alarm.*(action|page)",
        words=(r"alb-5xx-percent", r"action"),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "alarm-threshold-raised",
        _threshold_raised,
        "an alarm's threshold is raised so that it never rings",
        headline=r"rds-connections-high|alarm.*threshold",
        words=(r"rds-connections-high", r"100[, ]?000"),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "scaling-limits-changed",
        _limits_changed,
        "the backend may no longer be scaled out",
        headline=r"backend.*(scal|limit|2)|scal.*backend",
        words=(r"10",),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "scaling-suspended",
        _scaling_suspended,
        "the backend's autoscaling is suspended",
        headline=r"backend.*(scal|suspend)|scal.*backend",
        words=(r"suspend",),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "backups-off",
        _no_backups,
        "the database is no longer backed up",
        headline=r"backup",
        words=(r"database|ohmycoins-staging", r"0|off|no "),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "trail-stopped",
        _trail_stopped,
        "CloudTrail's trail is stopped",
        headline=r"trail",
        words=(r"stop|not log|isn't log|off",),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "retention-gone",
        _retention_gone,
        "the backend's log group keeps everything for ever",
        headline=r"log group|retention|/ecs/",
        words=(r"/ecs/ohmycoins-staging/backend", r"retention|ever|kept"),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "nobody-is-told",
        _nobody_is_told,
        "no subscription is left of the topic of SEV-1",
        headline=r"sev-1|subscri|page",
        words=(r"sev-1", r"subscri|nobody|page"),
        exits=(0, 1),
        within=60,
        healed_within=480,
    ),
)
