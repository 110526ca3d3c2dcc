"""What ECS really serves: the tasks that run, by service and by the images that they were started from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.services import Services
from omc.facts.tasks import RunningTask, running_tasks_of

RUNNING = "RUNNING"


@dataclass(frozen=True, slots=True)
class Served:
    """Tasks of one service that run the same images."""

    service: str
    digests: Mapping[str, str]
    """Each container's image as it was pulled; as it was named, where ECS doesn't tell what was pulled."""
    task_definitions: tuple[str, ...]
    """``family:revision``, the ones by which they were started."""
    tasks: int
    since: datetime | None
    """When the oldest of them started."""


@dataclass(frozen=True, slots=True)
class Serving:
    """By service and images, in the services' order, the most tasks first."""

    served: tuple[Served, ...] = ()
    reading: Reading = NO_READING
    starting: Mapping[str, int] = field(default_factory=dict)
    """By service, tasks that are wanted and don't run yet."""


@reads_in(3)
def read_serving(aws: Gateway, services: Services) -> Serving:
    """A listing of each service's tasks, then a hundred a call."""
    found = running_tasks_of(aws, [service.name for service in services.services])
    served: list[Served] = []
    for name, tasks in found.items():
        groups: dict[tuple[tuple[str, str], ...], list[RunningTask]] = {}
        for task in tasks:
            if task.status == RUNNING:
                groups.setdefault(tuple(sorted({**task.images, **task.digests}.items())), []).append(task)
        served += [
            Served(
                name,
                dict(images),
                tuple(sorted({task.task_definition for task in some})),
                len(some),
                min((task.started for task in some if task.started), default=None),
            )
            for images, some in sorted(groups.items(), key=lambda one: -len(one[1]))
        ]
    starting = {
        name: sum(task.status in ("PROVISIONING", "PENDING", "ACTIVATING") for task in tasks)
        for name, tasks in found.items()
    }
    return Serving(tuple(served), starting={name: count for name, count in starting.items() if count})
