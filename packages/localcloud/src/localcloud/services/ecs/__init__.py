"""ECS: clusters, services, task definitions, tasks and deployments, whole; nothing of it is left to moto.

``decide`` and ``decide_task`` decide and are pure; ``component`` holds the records and performs; the ``api_*`` modules
are the operations; ``shapes`` is how records look from outside. Tasks are real processes.
"""

from localcloud.services.ecs import (
    api_clusters,
    api_definitions,
    api_deployments,
    api_exec,
    api_services,
    api_tags,
    api_tasks,
)
from localcloud.services.ecs.component import Clusters

__all__ = [
    "Clusters",
    "api_clusters",
    "api_definitions",
    "api_deployments",
    "api_exec",
    "api_services",
    "api_tags",
    "api_tasks",
]
