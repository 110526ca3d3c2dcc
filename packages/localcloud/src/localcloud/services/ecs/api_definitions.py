"""ECS's operations on task definitions. A revision, once registered, never changes except for its status."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from localcloud.core.registry import Answer, Call, operation
from localcloud.services.ecs import lookup
from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.model import TaskDefinition
from localcloud.services.ecs.sizes import cpu_units, memory_mib

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

COPIED: Final = (
    "taskRoleArn",
    "executionRoleArn",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "runtimePlatform",
    "ephemeralStorage",
    "enableFaultInjection",
)


SIZES: Final = {"cpu": cpu_units, "memory": memory_mib}
"""What a task's size is told in, however it was written."""


def _container(provided: Any) -> dict[str, Any]:
    """A container definition with the defaults that ECS adds."""
    defaults: dict[str, Any] = {
        "cpu": 0,
        "portMappings": [],
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    }
    container = defaults | copy.deepcopy(dict(provided))
    for mapping in container["portMappings"]:
        mapping.setdefault("hostPort", mapping.get("containerPort", 0))
        mapping.setdefault("protocol", "tcp")
    if "healthCheck" in container:
        container["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3} | container["healthCheck"]
    return container


REQUIRED_ATTRIBUTES: Final = (
    "com.amazonaws.ecs.capability.logging-driver.awslogs",
    "ecs.capability.execution-role-awslogs",
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.docker-remote-api.1.19",
    "ecs.capability.task-eni",
)


@operation("ecs", "RegisterTaskDefinition")
def register_task_definition(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    params = call.params
    family = params["family"]
    state = clusters.state
    revision = state.last_revision.get(family, 0) + 1
    arn = clusters.names.arn("task-definition", f"{family}:{revision}")
    compatible = ["EC2", "FARGATE"] if params.get("networkMode") == "awsvpc" else ["EXTERNAL", "EC2"]
    body: dict[str, Any] = {
        "taskDefinitionArn": arn,
        "containerDefinitions": [_container(container) for container in params["containerDefinitions"]],
        "family": family,
        "revision": revision,
        "networkMode": params.get("networkMode", "bridge"),
        "volumes": copy.deepcopy(params.get("volumes", [])),
        "status": "ACTIVE",
        "requiresAttributes": [{"name": name} for name in REQUIRED_ATTRIBUTES],
        "placementConstraints": copy.deepcopy(params.get("placementConstraints", [])),
        "compatibilities": compatible,
        "registeredAt": cloud.now(),
        "registeredBy": call.principal,
    }
    if params.get("requiresCompatibilities"):
        body["requiresCompatibilities"] = list(params["requiresCompatibilities"])
    body |= {key: copy.deepcopy(params[key]) for key in COPIED if params.get(key) is not None}
    body |= {key: str(read(params[key])) for key, read in SIZES.items() if params.get(key)}
    record = TaskDefinition(arn, family, revision, body, list(params.get("tags", [])))
    state.last_revision[family] = revision
    state.definitions.setdefault(family, {})[revision] = record
    cloud.touch()
    return {"taskDefinition": body, "tags": record.tags}


@operation("ecs", "DescribeTaskDefinition")
def describe_task_definition(cloud: Cloud, call: Call) -> Answer:
    record = lookup.find_definition(cloud.part(Clusters), call.params["taskDefinition"])
    if record is None:
        raise lookup.client_error("Unable to describe task definition.")
    answer: dict[str, Any] = {"taskDefinition": record.body}
    if "TAGS" in call.params.get("include", []):
        answer["tags"] = record.tags
    return answer


@operation("ecs", "DeregisterTaskDefinition")
def deregister_task_definition(cloud: Cloud, call: Call) -> Answer:
    """INACTIVE: running tasks and services go on with it, new ones can't have it."""
    provided = call.params["taskDefinition"]
    record = lookup.find_definition(cloud.part(Clusters), provided) if ":" in provided.rsplit("/", 1)[-1] else None
    if record is None:
        raise lookup.client_error("The specified task definition does not exist. Specify a valid family and revision.")
    record.body["status"] = "INACTIVE"
    record.body.setdefault("deregisteredAt", cloud.now())
    cloud.touch()
    return {"taskDefinition": record.body}


@operation("ecs", "DeleteTaskDefinitions")
def delete_task_definitions(cloud: Cloud, call: Call) -> Answer:
    """Only what was deregistered before; what a service or task still uses is kept until it no longer does."""
    clusters = cloud.part(Clusters)
    deleted, failures = [], []
    used = {task.task_definition for task in clusters.state.tasks.values()}
    used |= {revision.spec["taskDefinition"] for s in clusters.state.services.values() for revision in s.revisions}
    for provided in call.params["taskDefinitions"]:
        record = lookup.find_definition(clusters, provided)
        if record is None:
            failures.append({"arn": provided, "reason": "The specified task definition does not exist."})
        elif record.active:
            detail = (
                "The specified task definition is still in ACTIVE status. Please deregister the target and try again."
            )
            failures.append({"arn": record.arn, "reason": detail})
        else:
            record.body["status"] = "DELETE_IN_PROGRESS"
            record.body["deleteRequestedAt"] = cloud.now()
            deleted.append(record.body)
            if record.arn not in used:
                del clusters.state.definitions[record.family][record.revision]
    cloud.touch()
    return {"taskDefinitions": deleted, "failures": failures}


@operation("ecs", "ListTaskDefinitions")
def list_task_definitions(cloud: Cloud, call: Call) -> Answer:
    """Families by name, revisions by number (not by text), oldest first unless DESC is asked for."""
    state = cloud.part(Clusters).state
    status, family = call.params.get("status", "ACTIVE"), call.params.get("familyPrefix")
    records = [
        record
        for name in sorted(state.definitions)
        if family in (None, name)
        for _, record in sorted(state.definitions[name].items())
        if record.body["status"] == status
    ]
    if call.params.get("sort") == "DESC":
        records.reverse()
    page, more = lookup.page([record.arn for record in records], call.params, 100)
    return {"taskDefinitionArns": page, **more}


@operation("ecs", "ListTaskDefinitionFamilies")
def list_task_definition_families(cloud: Cloud, call: Call) -> Answer:
    state = cloud.part(Clusters).state
    status, prefix = call.params.get("status", "ALL"), call.params.get("familyPrefix", "")

    def shown(family: str) -> bool:
        active = any(record.active for record in state.definitions[family].values())
        return family.startswith(prefix) and (status == "ALL" or active == (status == "ACTIVE"))

    page, more = lookup.page([family for family in sorted(state.definitions) if shown(family)], call.params, 100)
    return {"families": page, **more}
