"""ECS's operations on tags of clusters, services, tasks and task definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.core.registry import Answer, Call, operation
from localcloud.services.ecs import lookup
from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.model import Cluster, Service, Task, TaskDefinition

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


def _tags(clusters: Clusters, arn: str) -> list[dict[str, str]]:
    """The list that holds the tags of what the ARN names."""
    state = clusters.state
    kind = arn.split(":", 5)[-1].split("/", 1)[0]
    found: Cluster | Service | Task | TaskDefinition | None = None
    if kind == "cluster":
        found = lookup.find_cluster(clusters, arn)
    elif kind == "service":
        found = state.services.get(arn)
    elif kind == "task":
        found = state.tasks.get(arn)
    elif kind == "task-definition":
        found = lookup.find_definition(clusters, arn)
    if found is None:
        raise lookup.invalid("The specified resource is not found.")
    return found.tags


@operation("ecs", "ListTagsForResource")
def list_tags_for_resource(cloud: Cloud, call: Call) -> Answer:
    return {"tags": list(_tags(cloud.part(Clusters), call.params["resourceArn"]))}


@operation("ecs", "TagResource")
def tag_resource(cloud: Cloud, call: Call) -> Answer:
    tags = _tags(cloud.part(Clusters), call.params["resourceArn"])
    provided = {tag["key"]: tag.get("value", "") for tag in call.params["tags"]}
    tags[:] = [tag for tag in tags if tag["key"] not in provided]
    tags.extend({"key": key, "value": value} for key, value in provided.items())
    cloud.touch()
    return {}


@operation("ecs", "UntagResource")
def untag_resource(cloud: Cloud, call: Call) -> Answer:
    tags = _tags(cloud.part(Clusters), call.params["resourceArn"])
    tags[:] = [tag for tag in tags if tag["key"] not in call.params["tagKeys"]]
    cloud.touch()
    return {}
