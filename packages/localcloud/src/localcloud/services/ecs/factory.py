"""Makes task records: from a service's deployment, or for a task that is run on its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.services.ecs.model import (
    Container,
    Deployment,
    Service,
    Target,
    Task,
    TaskDefinition,
    new_task_id,
)

if TYPE_CHECKING:
    from localcloud.services.ecs.records import Records


def new_task(
    clusters: Records, definition: TaskDefinition, cluster: str, spec: Mapping[str, Any], group: str, now: datetime
) -> Task:
    """A task in PROVISIONING, not yet added."""
    task_id = new_task_id()
    overrides = spec.get("overrides", {})
    cpu, memory = task_size(definition, overrides)
    containers = [
        Container(
            name=container["name"],
            arn=clusters.names.arn("container", cluster, task_id, new_task_id()),
            image=container["image"],
            essential=container.get("essential", True),
        )
        for container in definition.containers
    ]
    return Task(
        id=task_id,
        arn=clusters.names.arn("task", cluster, task_id),
        cluster=cluster,
        task_definition=definition.arn,
        group=group,
        created_at=now,
        containers=containers,
        cpu=cpu,
        memory=memory,
        spec=dict(spec),
        health_checked=any(c.get("healthCheck") and c.get("essential", True) for c in definition.containers),
    )


def task_size(definition: TaskDefinition, overrides: Mapping[str, Any]) -> tuple[int, int]:
    """(CPU units, MiB) of the task; where it has no size of its own, its containers' together."""
    cpu = overrides.get("cpu") or definition.body.get("cpu")
    memory = overrides.get("memory") or definition.body.get("memory")
    containers = definition.containers
    return (
        int(cpu) if cpu else sum(c.get("cpu", 0) for c in containers),
        int(memory) if memory else sum(c.get("memory") or c.get("memoryReservation") or 0 for c in containers),
    )


def service_task(clusters: Records, service: Service, deployment: Deployment, now: datetime) -> Task:
    """A task for a deployment of a service, with its places in the service's target groups."""
    spec: dict[str, Any] = {
        key: deployment.revision.spec[key]
        for key in ("networkConfiguration", "launchType", "platformVersion", "capacityProviderStrategy")
        if key in deployment.revision.spec
    }
    spec["enableExecuteCommand"] = service.spec.get("enableExecuteCommand", False)
    definition = clusters.definition(deployment.task_definition)
    task = new_task(clusters, definition, service.cluster, spec, f"service:{service.name}", now)
    task.service, task.deployment, task.started_by = service.arn, deployment.id, deployment.id
    task.targets = [
        Target(balancer["targetGroupArn"], balancer["containerPort"])
        for balancer in deployment.revision.spec.get("loadBalancers", [])
        if balancer.get("targetGroupArn")
    ]
    task.tags = propagated_tags(service.spec, service.tags, definition, service.cluster, service.name)
    return task


def propagated_tags(
    spec: Mapping[str, Any],
    own: list[dict[str, str]],
    definition: TaskDefinition,
    cluster: str,
    service: str = "",
) -> list[dict[str, str]]:
    """The tags that a new task gets by ``propagateTags`` and ``enableECSManagedTags``."""
    chosen = spec.get("propagateTags", "NONE")
    tags = own if chosen == "SERVICE" else definition.tags if chosen == "TASK_DEFINITION" else []
    managed = [{"key": "aws:ecs:clusterName", "value": cluster}] if spec.get("enableECSManagedTags") else []
    if managed and service:
        managed.append({"key": "aws:ecs:serviceName", "value": service})
    return [dict(tag) for tag in [*tags, *managed]]
