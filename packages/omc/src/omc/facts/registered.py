"""Every revision of the services' task definitions that is ACTIVE, and those that any task of the cluster runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.services import short_name
from omc.facts.tasks import tasks_of_cluster


@dataclass(frozen=True, slots=True)
class Registered:
    """What is registered, and what of it is in use."""

    active: Mapping[str, tuple[str, ...]]
    """By service, and by ``migrate-<service>`` where migrations have a family of their own: ``family:revision``, oldest
    first."""
    used_by_tasks: frozenset[str]
    reading: Reading = NO_READING


@reads
def read_registered(aws: Gateway, environment: Environment) -> Registered:
    """A listing for each family, and all running tasks of the cluster, services' or not."""
    ecs = aws.client("ecs")

    def of_family(family: str) -> tuple[str, ...]:
        pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family, status="ACTIVE", sort="ASC")
        names = [short_name(arn) for page in pages for arn in page["taskDefinitionArns"]]
        return tuple(name for name in names if name.rpartition(":")[0] == family)

    families = {service.name: service.family for service in environment.services}
    families |= {f"migrate-{each.name}": each.migrate_family for each in environment.services if each.migrate_family}
    found = parallel_map(of_family, list(families.values()))
    running = parallel_map(lambda cluster: tasks_of_cluster(aws, cluster), environment.clusters)
    used = frozenset(short_name(task["taskDefinitionArn"]) for tasks in running for task in tasks)
    return Registered(dict(zip(families, found, strict=True)), used)
