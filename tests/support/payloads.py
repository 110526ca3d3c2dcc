"""Messages as AWS, Alertmanager and Grafana send them: our own values in the shapes that they publish.

Where each shape is published, and what is to be read from it, has ``support.payload_cases``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ACCOUNT, REGION = "111122223333", "ap-southeast-2"
ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:ohmycoins-staging-sev-2"
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/ohmycoins-staging"
SERVICE = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/ohmycoins-staging/backend"
TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/ohmycoins-staging/0f3c5d7e9b1a4c2d8e6f00112233aabb"
DATABASE = f"arn:aws:rds:{REGION}:{ACCOUNT}:db:ohmycoins-staging"


def enveloped(message: str, **more: str) -> dict[str, Any]:
    """As SNS delivers it to a queue, unless raw delivery is asked for."""
    return {
        "Type": "Notification",
        "MessageId": "5f0c2a2e-6d1b-5b7e-9a55-70f8a3e1c001",
        "TopicArn": TOPIC,
        "Subject": 'ALARM: "backend-no-healthy" in Asia Pacific (Sydney)',
        "Message": message,
        "Timestamp": "2026-11-03T02:04:11.207Z",
        "SignatureVersion": "2",
        "Signature": "bm90IG9uZQ==",
        "SigningCertURL": f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService-{'0' * 32}.pem",
        "UnsubscribeURL": f"https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={TOPIC}:1",
        **more,
    }


def alarm(name: str = "backend-no-healthy", **more: Any) -> dict[str, Any]:
    """What CloudWatch publishes; None takes a field out."""
    message = {
        "AlarmName": name,
        "AlarmDescription": "No healthy target",
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": "2026-10-01T00:00:00.000+0000",
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed: 3 out of the last 5 datapoints were less than the threshold (1.0).",
        "StateChangeTime": "2026-11-03T02:04:10.912+0000",
        "Region": "Asia Pacific (Sydney)",
        "AlarmArn": ALARM + name,
        "OldStateValue": "OK",
        "OKActions": [TOPIC],
        "AlarmActions": [TOPIC],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "HealthyHostCount",
            "Namespace": "AWS/ApplicationELB",
            "StatisticType": "Statistic",
            "Statistic": "MINIMUM",
            "Unit": None,
            "Dimensions": [
                {"value": "targetgroup/backend/6d0ecf831eec9f09", "name": "TargetGroup"},
                {"value": "app/ohmycoins-staging/50dc6c495c0c9188", "name": "LoadBalancer"},
            ],
            "Period": 60,
            "EvaluationPeriods": 5,
            "DatapointsToAlarm": 3,
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": 1.0,
            "TreatMissingData": "breaching",
            "EvaluateLowSampleCountPercentile": "",
        },
    }
    return {key: value for key, value in {**message, **more}.items() if value is not None}


def computed_alarm() -> dict[str, Any]:
    trigger = {
        "Period": 60,
        "EvaluationPeriods": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "TreatMissingData": "- TreatMissingData:                    notBreaching",
        "EvaluateLowSampleCountPercentile": "",
        "Metrics": [
            {"Expression": "100*(t5+e5)/total", "Id": "result", "Label": "alb-5xx-percent", "ReturnData": True},
            {
                "Id": "t5",
                "MetricStat": {
                    "Metric": {
                        "Dimensions": [{"value": "app/ohmycoins-staging/50dc6c495c0c9188", "name": "LoadBalancer"}],
                        "MetricName": "HTTPCode_Target_5XX_Count",
                        "Namespace": "AWS/ApplicationELB",
                    },
                    "Period": 60,
                    "Stat": "Sum",
                },
                "ReturnData": False,
            },
        ],
    }
    return alarm("alb-5xx-percent", Trigger=trigger)


def composite_alarm(**more: Any) -> dict[str, Any]:
    child = {
        "Arn": ALARM + "backend-cpu-high",
        "State": {"Value": "ALARM", "Timestamp": "2026-11-03T02:03:02.000+0000"},
    }
    rule = f'ALARM("{ALARM}backend-cpu-high") AND ALARM("{ALARM}backend-at-limit")'
    return alarm("backend-at-max", Trigger=None, AlarmRule=rule, **{"TriggeringChildren": [child], **more})


def event(
    source: str, kind: str, detail: Mapping[str, Any], resources: Iterable[str] = (), **more: Any
) -> dict[str, Any]:
    """As EventBridge delivers it."""
    return {
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": "2026-11-03T02:04:11Z",
        "region": REGION,
        "resources": list(resources),
        "detail": dict(detail),
        **more,
    }


def alarm_event(
    name: str = "backend-no-healthy", value: str = "ALARM", configuration: Any = None, **detail: Any
) -> dict[str, Any]:
    measured = {
        "id": "m1",
        "metricStat": {
            "metric": {
                "namespace": "AWS/ApplicationELB",
                "name": "HealthyHostCount",
                "dimensions": {"TargetGroup": "targetgroup/backend/6d0ecf831eec9f09"},
            },
            "period": 60,
            "stat": "Minimum",
        },
        "returnData": True,
    }
    found = {
        "alarmName": name,
        "configuration": configuration or {"description": "No healthy target", "metrics": [measured]},
        "previousState": {"value": "OK", "reason": "…", "timestamp": "2026-11-03T01:00:00.000+0000"},
        "state": {
            "value": value,
            "reason": "Threshold Crossed",
            "reasonData": '{"version":"1.0"}',
            "timestamp": "2026-11-03T02:04:10.912+0000",
        },
        **detail,
    }
    return event("aws.cloudwatch", "CloudWatch Alarm State Change", found, [ALARM + name])


def configured_event(operation: str, value: str = "ALARM") -> dict[str, Any]:
    changed = alarm_event(value=value, operation=operation)
    return {**changed, "detail-type": "CloudWatch Alarm Configuration Change"}


def contributor_event() -> dict[str, Any]:
    changed = alarm_event(
        "queries-slow", alarmContributor={"id": "6d442278dba546f6", "attributes": {"Table": "orders"}}
    )
    return {**changed, "detail-type": "CloudWatch Alarm Contributor State Change"}


def container(code: int | None, name: str = "backend", **more: Any) -> dict[str, Any]:
    return {"name": name, "lastStatus": "STOPPED", **({} if code is None else {"exitCode": code}), **more}


def stopped_task(code: str, reason: str, *containers: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    detail = {
        "clusterArn": CLUSTER,
        "containers": list(containers),
        "createdAt": "2026-11-03T01:00:00.5Z",
        "desiredStatus": "STOPPED",
        "executionStoppedAt": "2026-11-03T02:04:09Z",
        "group": "service:backend",
        "lastStatus": "STOPPED",
        "launchType": "FARGATE",
        "startedBy": "ecs-svc/1234567890123456789",
        "stoppingAt": "2026-11-03T02:04:08.795Z",
        "stoppedAt": "2026-11-03T02:04:31.004Z",
        "stopCode": code,
        "stoppedReason": reason,
        "taskArn": TASK,
        "taskDefinitionArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/ohmycoins-backend:7",
        "updatedAt": "2026-11-03T02:04:31.004Z",
        "version": 6,
        "overrides": {
            "containerOverrides": [{"name": "backend", "environment": [{"name": "TOKEN", "value": "hidden"}]}]
        },
        **more,
    }
    return event("aws.ecs", "ECS Task State Change", detail, [str(detail["taskArn"])])


def deployment(name: str, level: str, reason: str, service: str = SERVICE) -> dict[str, Any]:
    detail = {
        "eventType": level,
        "eventName": name,
        "deploymentId": "ecs-svc/1234567890123456789",
        "updatedAt": "2026-11-03T02:04:05Z",
        "reason": reason,
    }
    return event("aws.ecs", "ECS Deployment State Change", detail, [service])


def service_action(name: str, level: str, **more: Any) -> dict[str, Any]:
    detail = {
        "eventType": level,
        "eventName": name,
        "clusterArn": CLUSTER,
        "createdAt": "2026-11-03T02:04:05.7Z",
        **more,
    }
    return event("aws.ecs", "ECS Service Action", detail, [SERVICE])


def health(
    code: str, category: str, *entities: Mapping[str, str], kind: str = "AWS Health Event", **more: Any
) -> dict[str, Any]:
    detail = {
        "eventArn": f"arn:aws:health:{REGION}::event/ECS/{code}/{code}_1",
        "service": "ECS",
        "eventTypeCode": code,
        "eventTypeCategory": category,
        "eventScopeCode": "ACCOUNT_SPECIFIC",
        "communicationId": "0f3c5d7e9b1a4c2d8e6f00112233aabb-1",
        "startTime": "Tue, 10 Nov 2026 02:00:00 GMT",
        "endTime": "Thu, 12 Nov 2026 02:00:00 GMT",
        "lastUpdatedTime": "Tue, 03 Nov 2026 02:04:00 GMT",
        "statusCode": "upcoming",
        "eventRegion": REGION,
        "eventDescription": [
            {"language": "en_US", "latestDescription": "Your tasks will be replaced.\\nNothing to do."}
        ],
        "affectedEntities": list(entities),
        "affectedAccount": ACCOUNT,
        "page": "1",
        "totalPages": "1",
        **more,
    }
    return event("aws.health", kind, {key: value for key, value in detail.items() if value is not None})


def entity(value: str, status: str = "PENDING") -> dict[str, str]:
    return {"entityValue": value, "lastupdatedTime": "Tue, 03 Nov 2026 02:04:00 GMT", "statusCode": status}


def database_event(number: str, message: str, *categories: str, **more: Any) -> dict[str, Any]:
    detail = {
        "EventCategories": list(categories),
        "SourceType": "DB_INSTANCE",
        "SourceArn": DATABASE,
        "Date": "2026-11-03T02:04:09.293Z",
        "Message": message,
        "SourceIdentifier": "ohmycoins-staging",
        "EventID": f"RDS-EVENT-{number}",
        **more,
    }
    return event("aws.rds", "RDS DB Instance Event", detail, [DATABASE])


def database_message(number: str, message: str) -> dict[str, str]:
    return {
        "Event Source": "db-instance",
        "Event Time": "2026-11-03 02:04:09.293",
        "Identifier Link": "https://console.aws.amazon.com/rds/home#dbinstance:id=ohmycoins-staging",
        "Source ID": "ohmycoins-staging",
        "Source ARN": DATABASE,
        "Event ID": f"http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#RDS-EVENT-{number}",
        "Event Message": message,
    }


def prometheus_alert(status: str = "firing", **more: Any) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {
            "alertname": "HighLatency",
            "severity": "critical",
            "service": "backend",
            "instance": "10.0.0.7:8000",
        },
        "annotations": {"summary": "Backend answers slowly", "description": "p95 is 3.2 s"},
        "startsAt": "2026-11-03T02:03:04.567890123Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=up",
        "fingerprint": "c0ffee0123456789",
        **more,
    }


def group(*alerts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}/{severity="critical"}:{alertname="HighLatency"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "omc",
        "groupLabels": {"alertname": "HighLatency"},
        "commonLabels": {"alertname": "HighLatency"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "notification_reason": "first notification",
        "alerts": list(alerts),
        **more,
    }


def grafana_group(*alerts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return group(*alerts, version="1", orgId=1, title="[FIRING:1] HighLatency", state="alerting", message="…", **more)
