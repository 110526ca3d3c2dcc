"""From what a caller names (short names, ARNs, family:revision) to records; ECS's own errors where there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from localcloud.core import paging
from localcloud.core.registry import AwsError
from localcloud.services.ecs.model import Cluster, Service, Task, TaskDefinition

if TYPE_CHECKING:
    from localcloud.services.ecs.records import Records

T = TypeVar("T")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def client_error(message: str) -> AwsError:
    return AwsError("ClientException", message)


def cluster_name(provided: str | None) -> str:
    return (provided or "default").rsplit("/", 1)[-1]


def find_cluster(clusters: Records, provided: str | None) -> Cluster | None:
    name = cluster_name(provided)
    found = clusters.state.clusters.get(name)
    if found is None or (provided and provided.startswith("arn:") and provided != found.arn):
        return None
    return found


def cluster(clusters: Records, provided: str | None) -> Cluster:
    found = find_cluster(clusters, provided)
    if found is None or found.status != "ACTIVE":
        raise AwsError("ClusterNotFoundException", "Cluster not found.")
    return found


def find_service(clusters: Records, in_cluster: Cluster, provided: str) -> Service | None:
    name = provided.rsplit("/", 1)[-1]
    return clusters.state.services.get(clusters.names.arn("service", in_cluster.name, name))


def service(clusters: Records, in_cluster: Cluster, provided: str) -> Service:
    """A service that was not deleted."""
    found = find_service(clusters, in_cluster, provided)
    if found is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    if found.status != "ACTIVE":
        raise AwsError("ServiceNotActiveException", "Service was not ACTIVE.")
    return found


def find_definition(clusters: Records, provided: str) -> TaskDefinition | None:
    """By ARN, ``family:revision`` (of any status) or ``family`` (its latest ACTIVE revision)."""
    words = provided.rsplit("/", 1)[-1] if provided.startswith("arn:") else provided
    family, _, revision = words.partition(":")
    known = clusters.state.definitions.get(family, {})
    if revision:
        return known.get(int(revision)) if revision.isdigit() else None
    return next((known[number] for number in sorted(known, reverse=True) if known[number].active), None)


def usable_definition(clusters: Records, provided: str) -> TaskDefinition:
    """A definition that new tasks may use."""
    found = find_definition(clusters, provided)
    if found is None:
        raise client_error("TaskDefinition not found.")
    if not found.active:
        raise client_error("TaskDefinition is inactive")
    return found


def find_task(clusters: Records, in_cluster: Cluster, provided: str) -> Task | None:
    return clusters.state.tasks.get(clusters.names.arn("task", in_cluster.name, provided.rsplit("/", 1)[-1]))


def page(
    items: Sequence[T], params: Mapping[str, Any], default: int, most: int = 100
) -> tuple[list[T], dict[str, str]]:
    """One page and the token of the next; the token says where to go on."""
    size = params.get("maxResults") or default
    if not 1 <= size <= most:
        raise invalid(f"maxResults must be between 1 and {most}.")
    shown, following = paging.page(items, params.get("nextToken"), size, invalid("Invalid token in request"))
    return shown, {"nextToken": following} if following else {}
