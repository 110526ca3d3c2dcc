"""What ECS tells EventBridge: "ECS Task State Change" and "ECS Deployment State Change".

Events go to the rules of the default bus; of their targets, queues and topics are served. Delivery happens in a
worker thread.
"""

from __future__ import annotations

import json
import logging
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.core import calls
from localcloud.services.ecs import shapes
from localcloud.services.ecs.model import Service, Task

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.services.ecs.records import Records

log = logging.getLogger(__name__)


def task_changed(clusters: Records, task: Task) -> None:
    if _rules(clusters.cloud):
        detail = shapes.task(clusters, task)
        _emit(clusters, "ECS Task State Change", [task.arn], detail)


def deployment_changed(
    clusters: Records, service: Service, kind: str, event: str, deployment: str, reason: str
) -> None:
    if _rules(clusters.cloud):
        detail = {
            "eventType": kind,
            "eventName": event,
            "deploymentId": deployment,
            "updatedAt": clusters.cloud.now(),
            "reason": reason,
        }
        _emit(clusters, "ECS Deployment State Change", [service.arn], detail)


def _rules(cloud: Cloud) -> dict[str, Any]:
    buses = cloud.moto("events").event_buses
    rules: dict[str, Any] = buses["default"].rules if "default" in buses else {}
    return rules


def _emit(clusters: Records, detail_type: str, resources: list[str], detail: dict[str, Any]) -> None:
    cloud = clusters.cloud
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": "aws.ecs",
        "account": cloud.settings.account,
        "time": cloud.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": cloud.settings.region,
        "resources": resources,
        "detail": json.loads(json.dumps(detail, default=_plain)),
    }
    clusters.later(lambda: _deliver(cloud, event))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    raise TypeError(f"{type(value)} has no place in an event")


def _deliver(cloud: Cloud, event: dict[str, Any]) -> None:
    with cloud.lock:
        for rule in list(_rules(cloud).values()):
            if rule.state != "ENABLED" or not rule.event_pattern.matches_event(event):
                continue
            for target in rule.targets:
                _send(cloud, rule, target, event)


def _send(cloud: Cloud, rule: Any, target: dict[str, Any], event: dict[str, Any]) -> None:
    arn = target["Arn"]
    service, name = arn.split(":")[2], arn.split(":", 5)[5]
    if service == "sns":
        _publish(cloud, arn, json.dumps(event))
    elif service == "sqs":
        group = target.get("SqsParameters", {}).get("MessageGroupId")
        cloud.moto("sqs").send_message(queue_name=name, message_body=json.dumps(event), group_id=group)
    else:
        log.warning("rule %s: an event for %s was not delivered: only queues and topics are served", rule.name, arn)


def _publish(cloud: Cloud, topic: str, message: str) -> None:
    if calls.answers("sns", "Publish"):
        calls.ask(cloud, "sns", "Publish", {"TopicArn": topic, "Message": message}, "events.amazonaws.com")
    else:
        cloud.moto("sns").publish(message, arn=topic)
