"""What ECS tells EventBridge: "ECS Task State Change" and "ECS Deployment State Change"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.core.interfaces import EventBus
from localcloud.services.ecs import shapes
from localcloud.services.ecs.model import Service, Task

if TYPE_CHECKING:
    from localcloud.services.ecs.records import Records

SOURCE = "aws.ecs"


def task_changed(clusters: Records, task: Task) -> None:
    if (bus := _bus(clusters)) is not None:
        bus.tell(SOURCE, "ECS Task State Change", [task.arn], shapes.task(clusters, task))


def deployment_changed(
    clusters: Records, service: Service, kind: str, event: str, deployment: str, reason: str
) -> None:
    if (bus := _bus(clusters)) is not None:
        detail = {
            "eventType": kind,
            "eventName": event,
            "deploymentId": deployment,
            "updatedAt": clusters.cloud.now(),
            "reason": reason,
        }
        bus.tell(SOURCE, "ECS Deployment State Change", [service.arn], detail)


def _bus(clusters: Records) -> EventBus | None:
    """None where nobody would hear of it: a task's description takes its time."""
    bus = clusters.cloud.part(EventBus) if clusters.cloud.has(EventBus) else None
    return bus if bus is not None and bus.is_heard() else None
