"""The shapes of messages, each with where it is published and what is to be read from it.

To read published ones as they are, put them into a folder as JSON files (a list of objects with ``name``, ``source``,
``payload`` and ``expected``, which is what ``told`` gives) and set ``OMC_PUBLIC_PAYLOADS`` to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from omc.model.planned import Planned
from omc.responder.model import Intake, Notification
from support.payloads import (
    ACCOUNT,
    DATABASE,
    REGION,
    TOPIC,
    alarm,
    alarm_event,
    composite_alarm,
    computed_alarm,
    configured_event,
    container,
    contributor_event,
    database_event,
    database_message,
    deployment,
    entity,
    enveloped,
    event,
    grafana_group,
    group,
    health,
    prometheus_alert,
    service_action,
    stopped_task,
)

PUBLIC = "OMC_PUBLIC_PAYLOADS"

# Where each shape is published.
GO = "aws/aws-lambda-go, events/testdata/cloudwatch-alarm-sns-payload-*.json"
HISTORY = "publishedMessage of CloudWatch's DescribeAlarmHistory, part “default”"
CW_EVENTS = "CloudWatch's guide, “Alarm events and EventBridge”"
LOG_ALARMS = "CloudWatch's guide, “Log alarms”"
TAGS = "CloudWatch's guide, “Alarm tags in action payloads”"
ECS_EVENTS = "ECS's guide, “Amazon ECS events”"
STOPPED = "ECS's guide, “Stopped tasks error messages”"
DEPLOYMENTS = "ECS's guide, “Service deployment state change events”"
HEALTH = "AWS Health's guide, “EventBridge events schema”"
FARGATE = "ECS's guide, “Task retirement and maintenance for Fargate”"
RDS = "RDS's guide, “Amazon RDS event categories and event messages”"
RDS_TOPIC = "RDS's guide, “Amazon RDS event notification”"
ELASTICACHE = "ElastiCache's guide, “Amazon SNS notifications”"
SNS = "SNS's guide, “Raw message delivery”"
ALERTMANAGER = "Alertmanager's documentation, “<webhook_config>”"
GRAFANA = "Grafana's documentation, “Webhook notifications”"


@dataclass(frozen=True, slots=True)
class Case:
    """A message, and what is to be read from it."""

    name: str
    source: str
    body: str
    expected: tuple[str, ...]


def told(found: Iterable[Intake]) -> tuple[str, ...]:
    """What was read, by words: ``firing NAME``, ``planned SUBJECT``, ``over SUBJECT``, ``ignored``, ``unreadable``."""
    return tuple(_line(one) for one in found)


def _line(one: Intake) -> str:
    if isinstance(one, Notification):
        return f"{one.state} {one.name}"
    if isinstance(one, Planned):
        return f"{'over' if one.is_over else 'planned'} {one.subject}"
    return type(one).__name__.lower()


def _case(name: str, source: str, body: object, *expected: str) -> Case:
    return Case(name, source, body if isinstance(body, str) else json.dumps(body), expected)


TASK_FAILED = "firing backend task failed"
FAILOVER = "ohmycoins-staging failover"
EXITED = "Essential container in task exited"
WINDOW = "from Start Time: 2026-11-09T16:00:00Z, End Time: 2026-11-09T18:00:00Z"
SUPPRESSED = {"value": "ALARM", "timestamp": "2026-11-03T02:04:10.912+0000", "actionsSuppressedBy": "WaitPeriod"}
MUTED = {"mutedByArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm-mute-rule:nightly"}

CASES = (
    _case("metric alarm in SNS's envelope", SNS, enveloped(json.dumps(alarm())), "firing backend-no-healthy"),
    _case("metric alarm, raw", GO, alarm(), "firing backend-no-healthy"),
    _case(
        "metric alarm that is over", GO, alarm(NewStateValue="OK", OldStateValue="ALARM"), "ended backend-no-healthy"
    ),
    _case(
        "metric alarm of 2012",
        GO,
        alarm(AlarmArn=None, OKActions=None, AlarmDescription=None),
        "firing backend-no-healthy",
    ),
    _case("metric-math alarm", GO, computed_alarm(), "firing alb-5xx-percent"),
    _case("composite alarm", HISTORY, composite_alarm(), "firing backend-at-max"),
    _case("composite alarm, forced", HISTORY, composite_alarm(TriggeringChildren=[]), "firing backend-at-max"),
    _case(
        "silence that is told",
        HISTORY,
        alarm(
            NewStateValue="INSUFFICIENT_DATA", InsufficientDataActions=[TOPIC], Trigger={"TreatMissingData": "missing"}
        ),
        "firing backend-no-healthy",
    ),
    _case(
        "series of a log alarm", LOG_ALARMS, alarm(AlarmContributorId="a1b2", Trigger=None), "firing backend-no-healthy"
    ),
    _case(
        "alarm with tags",
        TAGS,
        alarm(AlarmTags={"Severity": "SEV-1"}, AlarmTagsStatus="SUCCESS"),
        "firing backend-no-healthy",
    ),
    _case("alarm's event", CW_EVENTS, alarm_event(), "firing backend-no-healthy"),
    _case("alarm's event, over", CW_EVENTS, alarm_event(value="OK"), "ended backend-no-healthy"),
    _case("alarm's event without data", CW_EVENTS, alarm_event(value="INSUFFICIENT_DATA"), "ignored"),
    _case("alarm's event, suppressed", CW_EVENTS, alarm_event(state=SUPPRESSED), "firing backend-no-healthy"),
    _case("alarm's event, muted", CW_EVENTS, alarm_event(muteDetail=MUTED), "firing backend-no-healthy"),
    _case("series of an alarm over many", CW_EVENTS, contributor_event(), "firing queries-slow"),
    _case("alarm that was deleted", CW_EVENTS, configured_event("delete"), "ended backend-no-healthy"),
    _case("alarm that was changed", CW_EVENTS, configured_event("update"), "ignored"),
    _case(
        "container that failed", ECS_EVENTS, stopped_task("EssentialContainerExited", EXITED, container(1)), TASK_FAILED
    ),
    _case(
        "container that ended well",
        ECS_EVENTS,
        stopped_task("EssentialContainerExited", EXITED, container(0)),
        "ignored",
    ),
    _case(
        "container out of memory",
        STOPPED,
        stopped_task("EssentialContainerExited", EXITED, container(137, reason="OutOfMemoryError: Container killed")),
        TASK_FAILED,
    ),
    _case(
        "image that can't be pulled",
        STOPPED,
        stopped_task("TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried 5 time(s)"),
        TASK_FAILED,
    ),
    _case(
        "secret that can't be read",
        STOPPED,
        stopped_task("TaskFailedToStart", "ResourceInitializationError: unable to pull secrets", container(None)),
        TASK_FAILED,
    ),
    _case(
        "load balancer's health checks failed",
        STOPPED,
        stopped_task("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group x)", container(143)),
        TASK_FAILED,
    ),
    _case(
        "container's health checks failed",
        STOPPED,
        stopped_task("ServiceSchedulerInitiated", "Task failed container health checks", container(137)),
        TASK_FAILED,
    ),
    _case(
        "scaling in",
        ECS_EVENTS,
        stopped_task(
            "ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)", container(143)
        ),
        "ignored",
    ),
    _case(
        "stopped by a person",
        ECS_EVENTS,
        stopped_task("UserInitiated", "Task stopped by user", container(137)),
        "ignored",
    ),
    _case(
        "Spot interruption", ECS_EVENTS, stopped_task("SpotInterruption", "Your Spot Task was interrupted."), "ignored"
    ),
    _case("task that runs", ECS_EVENTS, stopped_task("", "", lastStatus="RUNNING"), "ignored"),
    _case(
        "deployment failed",
        DEPLOYMENTS,
        deployment("SERVICE_DEPLOYMENT_FAILED", "ERROR", "…"),
        "firing backend deployment failed",
    ),
    _case("deployment completed", DEPLOYMENTS, deployment("SERVICE_DEPLOYMENT_COMPLETED", "INFO", "…"), "ignored"),
    _case(
        "deployment failed, by a topic",
        DEPLOYMENTS,
        enveloped(json.dumps(deployment("SERVICE_DEPLOYMENT_FAILED", "ERROR", "…"))),
        "firing backend deployment failed",
    ),
    _case(
        "no place for a task",
        ECS_EVENTS,
        service_action("SERVICE_TASK_PLACEMENT_FAILURE", "ERROR", reason="RESOURCE:FARGATE"),
        "firing backend SERVICE_TASK_PLACEMENT_FAILURE",
    ),
    _case("steady state", ECS_EVENTS, service_action("SERVICE_STEADY_STATE", "INFO"), "ignored"),
    _case(
        "Fargate retirement",
        FARGATE,
        health("AWS_ECS_TASK_PATCHING_RETIREMENT", "scheduledChange", entity("ohmycoins-staging|backend")),
        "planned ohmycoins-staging|backend",
    ),
    _case(
        "life of a version ends",
        HEALTH,
        health("AWS_RDS_PLANNED_LIFECYCLE_EVENT", "scheduledChange", entity("a"), entity("b", "RESOLVED")),
        "planned a",
        "over b",
    ),
    _case(
        "planned work is called off",
        HEALTH,
        health("AWS_ECS_X", "scheduledChange", entity("a"), statusCode="closed"),
        "over a",
    ),
    _case(
        "issue of AWS's",
        HEALTH,
        health("AWS_ECS_OPERATIONAL_ISSUE", "issue", statusCode="open"),
        "firing AWS_ECS_OPERATIONAL_ISSUE",
    ),
    _case(
        "issue that is over",
        HEALTH,
        health("AWS_ECS_OPERATIONAL_ISSUE", "issue", statusCode="closed"),
        "ended AWS_ECS_OPERATIONAL_ISSUE",
    ),
    _case(
        "report of abuse",
        HEALTH,
        health("AWS_ABUSE_DOS_REPORT", "issue", kind="AWS Health Abuse Event"),
        "firing AWS_ABUSE_DOS_REPORT",
    ),
    _case("account's notification", HEALTH, health("AWS_BILLING_NOTIFICATION", "accountNotification"), "ignored"),
    _case(
        "account's notification that wants something done",
        HEALTH,
        health("AWS_IAM_ACTION", "accountNotification", entity("role"), actionability="ACTION_REQUIRED"),
        "planned role",
    ),
    _case(
        "failover begins",
        RDS,
        database_event("0013", "Multi-AZ instance failover started.", "failover"),
        f"firing {FAILOVER}",
    ),
    _case(
        "failover ends",
        RDS,
        database_event("0049", "Multi-AZ instance failover completed.", "failover"),
        f"ended {FAILOVER}",
    ),
    _case(
        "failover ends, by a topic",
        RDS_TOPIC,
        database_message("0049", "Multi-AZ instance failover completed"),
        f"ended {FAILOVER}",
    ),
    _case(
        "storage is used up",
        RDS,
        database_event("0007", "Allocated storage has been exhausted.", "low storage"),
        "firing ohmycoins-staging storage",
    ),
    _case(
        "patches are applied",
        RDS,
        database_event("0026", "Applying off-line patches to DB instance.", "maintenance"),
        "planned ohmycoins-staging",
    ),
    _case(
        "patches were applied",
        RDS,
        database_event("0027", "Finished applying off-line patches to DB instance.", "maintenance"),
        "over ohmycoins-staging",
        "over ohmycoins-staging",
    ),
    _case(
        "system update",
        RDS,
        database_event("0230", "A system update is available for your DB instance.", "security patching"),
        "planned ohmycoins-staging",
    ),
    _case("backup", RDS, database_event("0001", "Backing up DB instance.", "backup"), "ignored"),
    _case(
        "failure that is new",
        RDS,
        database_event("0999", "Something failed.", "failure"),
        "firing ohmycoins-staging failure",
    ),
    _case(
        "cache's failover",
        ELASTICACHE,
        {"ElastiCache:FailoverComplete": "ohmycoins-staging-redis-001"},
        "firing ohmycoins-staging-redis-001 failover",
    ),
    _case(
        "cache's failover, as text",
        ELASTICACHE,
        "ElastiCache:FailoverComplete : ohmycoins-staging-redis",
        "firing ohmycoins-staging-redis failover",
    ),
    _case(
        "cache's node is replaced soon",
        ELASTICACHE,
        {"ElastiCache:NodeReplacementScheduled": f"The node with Cache Cluster ID: redis-001 is scheduled {WINDOW}"},
        "planned redis-001",
    ),
    _case("cache's snapshot", ELASTICACHE, {"Elasticache:SnapshotComplete": "redis-001"}, "ignored"),
    _case(
        "cache's snapshot failed", ELASTICACHE, {"ElastiCache:SnapshotFailed": "redis-001"}, "firing redis-001 failure"
    ),
    _case(
        "serverless cache failed",
        ELASTICACHE,
        event("aws.elasticache", "Cache Creation Failed", {"message": "…"}, [f"{DATABASE}:c"]),
        "firing c failure",
    ),
    _case("Alertmanager's alert", ALERTMANAGER, group(prometheus_alert()), "firing HighLatency"),
    _case(
        "Alertmanager's alert that is over, in a group that fires",
        ALERTMANAGER,
        group(prometheus_alert("resolved", endsAt="2026-11-03T02:10:00Z"), prometheus_alert(fingerprint="2")),
        "ended HighLatency",
        "firing HighLatency",
    ),
    _case(
        "Alertmanager's group, cut",
        ALERTMANAGER,
        group(prometheus_alert(), truncatedAlerts=7),
        "firing HighLatency",
        "unreadable",
    ),
    _case("Grafana's alert", GRAFANA, grafana_group(prometheus_alert(orgId=1)), "firing HighLatency"),
    _case(
        "Grafana's test",
        GRAFANA,
        grafana_group(prometheus_alert(labels={"alertname": "TestAlert", "instance": "Grafana"})),
        "ignored",
    ),
    _case("text on a topic", SNS, enveloped("Hello."), "unreadable"),
    _case(
        "subscription that waits",
        SNS,
        {"Type": "SubscriptionConfirmation", "TopicArn": TOPIC, "Token": "0"},
        "unreadable",
    ),
    _case(
        "event of another service",
        ECS_EVENTS,
        event("aws.s3", "Object Created", {"bucket": {"name": "b"}}),
        "unreadable",
    ),
)


def public_cases() -> tuple[Case, ...]:
    """The published ones as they are, where somebody has put them."""
    folder = os.environ.get(PUBLIC)
    if not folder:
        return ()
    found = [each for path in sorted(Path(folder).glob("*.json")) for each in json.loads(path.read_text())]
    return tuple(_case(each["name"], each["source"], each["payload"], *each["expected"]) for each in found)
