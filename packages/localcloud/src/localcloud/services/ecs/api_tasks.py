"""ECS's operations on tasks: run, stop, describe, list."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.ecs import lookup, shapes
from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.factory import new_task, propagated_tags
from localcloud.services.ecs.model import StopCode, Task

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


FILTERS = ("containerInstance", "desiredStatus", "family", "launchType", "serviceName", "daemonName")
"""ListTasks' filters, of which none may stand beside startedBy."""


@operation("ecs", "RunTask")
def run_task(cloud: Cloud, call: Call) -> Answer:
    """With a ``clientToken`` that was used already, the tasks of then are answered and none is started."""
    clusters = cloud.part(Clusters)
    params = call.params
    cluster = lookup.cluster(clusters, params.get("cluster"))
    request = {"clientToken": params["clientToken"], "request": repr(params)} if params.get("clientToken") else {}
    if earlier := _run_with(clusters, cluster.name, request):
        return {"tasks": [shapes.task(clusters, task, ["TAGS"]) for task in earlier], "failures": []}
    definition = lookup.usable_definition(clusters, params["taskDefinition"])
    count = params.get("count", 1)
    if not 1 <= count <= 10:
        raise lookup.invalid("count should be between 1 and 10.")
    network = params.get("networkConfiguration", {})
    if definition.body["networkMode"] == "awsvpc" and not network.get("awsvpcConfiguration", {}).get("subnets"):
        raise lookup.invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    known = {container["name"] for container in definition.containers}
    for override in params.get("overrides", {}).get("containerOverrides", []):
        if override.get("name") not in known:
            raise lookup.invalid(
                f"Override for container named {override.get('name')} is not a container in the TaskDefinition."
            )
    spec: dict[str, Any] = {
        key: copy.deepcopy(params[key])
        for key in ("networkConfiguration", "overrides", "platformVersion", "capacityProviderStrategy", "launchType")
        if params.get(key)
    }
    spec |= {"asked": request} if request else {}
    spec["enableExecuteCommand"] = params.get("enableExecuteCommand", False)
    tasks = []
    for _ in range(count):
        group = params.get("group") or f"family:{definition.family}"
        task = new_task(clusters, definition, cluster.name, spec, group, cloud.now())
        task.started_by = params.get("startedBy", "")
        own = [dict(tag) for tag in params.get("tags", [])]
        task.tags = own + propagated_tags(params, [], definition, cluster.name)
        clusters.add_task(task)
        tasks.append(shapes.task(clusters, task, ["TAGS"]))
    return {"tasks": tasks, "failures": []}


def _run_with(clusters: Clusters, cluster: str, request: dict[str, str]) -> list[Task]:
    """The tasks that a request with this token started. Another request with the same token is refused."""
    tasks = [
        task
        for task in clusters.state.tasks.values()
        if request
        and task.cluster == cluster
        and task.spec.get("asked", {}).get("clientToken") == request["clientToken"]
    ]
    if tasks and any(task.spec["asked"] != request for task in tasks):
        raise AwsError(
            "ConflictException",
            "The RunTask request could not be processed due to conflicts. The provided clientToken is already in use "
            f"with a different RunTask request. The resourceIds are {', '.join(task.arn for task in tasks)}.",
        )
    return tasks


@operation("ecs", "StopTask")
def stop_task(cloud: Cloud, call: Call) -> Answer:
    """The task is stopped; a service starts another in its place."""
    clusters = cloud.part(Clusters)
    cluster = lookup.cluster(clusters, call.params.get("cluster"))
    task = lookup.find_task(clusters, cluster, call.params["task"])
    if task is None:
        raise lookup.invalid("The referenced task was not found.")
    clusters.stop_task(task, StopCode.USER, call.params.get("reason") or "Task stopped by user")
    cloud.touch()
    return {"task": shapes.task(clusters, task)}


@operation("ecs", "DescribeTasks")
def describe_tasks(cloud: Cloud, call: Call) -> Answer:
    """Reading changes nothing: a task's state moves with its process."""
    clusters = cloud.part(Clusters)
    cluster = lookup.cluster(clusters, call.params.get("cluster"))
    provided = call.params["tasks"]
    if not provided:
        raise lookup.invalid("Tasks cannot be empty.")
    if len(provided) > 100:
        raise lookup.invalid("Tasks cannot have more than 100 elements")
    found, failures = [], []
    for name in provided:
        task = lookup.find_task(clusters, cluster, name)
        if task is None:
            arn = name if name.startswith("arn:") else clusters.names.arn("task", cluster.name, name)
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            found.append(shapes.task(clusters, task, call.params.get("include", [])))
    return {"tasks": found, "failures": failures}


@operation("ecs", "ListTasks")
def list_tasks(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    params = call.params
    cluster = lookup.cluster(clusters, params.get("cluster"))
    others = [key for key in FILTERS if params.get(key)]
    if params.get("startedBy") and others:
        raise lookup.invalid(f"startedBy must be the only filter of the request; it has {', '.join(others)} too.")
    wanted = params.get("desiredStatus", "RUNNING")
    service = None
    if params.get("serviceName"):
        found = lookup.find_service(clusters, cluster, params["serviceName"])
        if found is None:
            raise AwsError("ServiceNotFoundException", "Service not found.")
        service = found.arn
    arns = []
    if wanted != "PENDING":  # by the API reference no task's desiredStatus is ever PENDING
        arns = [
            task.arn
            for task in clusters.state.tasks.values()
            if task.cluster == cluster.name
            and task.wanted == (wanted == "RUNNING")
            and service in (None, task.service)
            and params.get("family") in (None, clusters.definition(task.task_definition).family)
            and params.get("startedBy") in (None, task.started_by)
            and params.get("launchType") in (None, "FARGATE")
            and not params.get("containerInstance")
        ]
    page, more = lookup.page(arns, params, 100)
    return {"taskArns": page, **more}
