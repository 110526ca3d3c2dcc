"""The migration of a stack that was just applied: its first tasks wait for the schema and for their database user.

In AWS this is ``omc migrate``, a plan like any other. A local cloud that is filled needs no plan and no approval.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from omc.aws.gateway import Gateway, access_to
from omc.facts.definitions import newest_migration
from omc.facts.task_logs import last_lines_if_readable
from omc.local.cloud import LocalCloudError

if TYPE_CHECKING:
    from omc.config import Environment, Service

TIMEOUT = 300.0
"""Seconds: a start, and every migration there is on an empty database, with room for a slow machine."""


def migrate(environment: Environment) -> None:
    """Run the migration of each service that has one and wait for its end. Raises ``LocalCloudError`` if it fails."""

    gateway = Gateway(environment, access_to(environment), writes=True)
    for service in environment.services:
        if service.migrate:
            _run(gateway, service)


def _run(gateway: Gateway, service: Service) -> None:

    ecs, cluster = gateway.client("ecs"), gateway.environment.cluster
    definition = newest_migration(gateway, service)
    if definition is None:
        raise LocalCloudError(
            f"There is no task definition {service.migrate_family or service.family} to migrate with."
        )
    [running] = ecs.describe_services(cluster=cluster, services=[service.name])["services"]
    overrides: Any = {"containerOverrides": [{"name": service.container, "command": list(service.migrate)}]}
    started = ecs.run_task(
        cluster=cluster,
        taskDefinition=definition.arn,
        networkConfiguration=running["networkConfiguration"],
        launchType="FARGATE",
        overrides=overrides,
        startedBy="omc/local-up",
    )
    if not started["tasks"]:
        raise LocalCloudError(f"ECS started no task for the migration of {service.name}: {started['failures']}")
    arn = started["tasks"][0]["taskArn"]
    deadline = time.monotonic() + TIMEOUT
    while True:
        [task] = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
        if task["lastStatus"] == "STOPPED":
            break
        if time.monotonic() > deadline:
            raise LocalCloudError(f"The migration of {service.name} has not ended within {TIMEOUT:.0f} s.")
        time.sleep(0.2)
    [container] = (each for each in task["containers"] if each.get("name") == service.container)
    if container.get("exitCode") != 0:
        lines = last_lines_if_readable(gateway, definition, service.container, arn.rpartition("/")[2])
        why = " / ".join(lines[-2:]) or task.get("stoppedReason", "ECS gave no reason")
        raise LocalCloudError(f"The migration of {service.name} failed: {why}")
