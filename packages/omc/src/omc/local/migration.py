"""The migration of a stack that was just applied: its first tasks wait for the schema and for their database user.

In AWS this is ``omc migrate``, a plan like any other. A local cloud that is filled needs no plan and no approval.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from omc.aws.gateway import Gateway, access_to
from omc.facts.definitions import newest_migration
from omc.facts.task_logs import last_lines_if_readable
from omc.local.cloud import LocalCloudError

if TYPE_CHECKING:
    from omc.config import Environment, Service

TIMEOUT = 300.0
"""Seconds: a start, and every migration there is on an empty database, with room for a slow machine."""


class EarlyMigration:
    """Migrates as soon as Terraform has made the services, while it goes on with the rest.

    The first tasks can't serve before. On a slow machine they would be ended for it, and the first morning check would
    tell of them.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._missing = {service.name for service in environment.services if service.migrate}
        self._pool = ThreadPoolExecutor(1)
        self._begun: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def note(self, record: Mapping[str, Any]) -> None:
        """Hear what Terraform does; begin when the last service that migrates stands."""
        match record:
            case {
                "type": "apply_complete",
                "hook": {"resource": {"resource_type": "aws_ecs_service"}, "id_value": str(arn)},
            } if self._missing:
                self._missing.discard(arn.rpartition("/")[2])
                if not self._missing:
                    self._begun = self._pool.submit(migrate, self.environment)

    def finish(self) -> None:
        """Wait for its end. Where it hasn't begun, or failed before all of its rights stood, it is run now. Raises
        ``LocalCloudError`` if it fails."""
        if self._begun is None or self._begun.exception() is not None:
            migrate(self.environment)


def migrate(environment: Environment) -> None:
    """Run the migration of each service that has one and wait for its end. Raises ``LocalCloudError`` if it fails."""

    gateway = Gateway(environment, access_to(environment), writes=True)
    for service in environment.services:
        if service.migrate:
            _run(gateway, service)


def _run(gateway: Gateway, service: Service) -> None:

    ecs, cluster = gateway.client("ecs"), service.cluster
    definition = newest_migration(gateway, service)
    if definition is None:
        raise LocalCloudError(
            f"There is no task definition {service.migrate_family or service.family} to migrate with."
        )
    [running] = ecs.describe_services(cluster=cluster, services=[service.ecs_service])["services"]
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
