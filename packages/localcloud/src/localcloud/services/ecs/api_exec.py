"""ECS's operation on what is inside a task: ExecuteCommand. The session itself is in ``sessions``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.ecs import lookup
from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.model import Cluster, Container, Status, Task
from localcloud.services.ecs.sessions import Sessions, SessionTarget

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@operation("ecs", "ExecuteCommand")
def execute_command(cloud: Cloud, call: Call) -> Answer:
    """Grant a session in which the command runs once a client has connected.

    As on Fargate the command is split into words and started without a shell. How it ended isn't told to anybody:
    AWS's agent sends no exit code of an interactive session.
    """
    clusters = cloud.part(Clusters)
    params = call.params
    cluster = lookup.cluster(clusters, params.get("cluster"))
    if not params["interactive"]:
        raise lookup.invalid("Interactive is the only mode supported currently.")
    try:
        command = tuple(shlex.split(params["command"]))
    except ValueError as problem:
        raise lookup.invalid(f"Command cannot be parsed: {problem}.") from problem
    if not command:
        raise lookup.invalid("Command cannot be empty.")
    task = lookup.find_task(clusters, cluster, params["task"])
    if task is None:
        raise lookup.invalid("The referenced task was not found.")
    container = _container(task, params.get("container"))
    if not task.spec.get("enableExecuteCommand"):
        raise lookup.invalid(
            "The execute command failed because execute command was not enabled when the task was run or the execute "
            "command agent isn\u2019t running. Wait and try again or run a new task with execute command enabled and "
            "try again."
        )
    session = cloud.part(Sessions).grant(command, _place(clusters, cluster, task, container))
    return {
        "clusterArn": cluster.arn,
        "containerArn": container.arn,
        "containerName": container.name,
        "interactive": True,
        "session": session,
        "taskArn": task.arn,
    }


def _container(task: Task, wanted: str | None) -> Container:
    if wanted is None and len(task.containers) == 1:
        return task.containers[0]
    if wanted is None:
        names = ", ".join(container.name for container in task.containers)
        raise lookup.invalid(f"The task has several containers ({names}): a container name must be specified.")
    found = next((container for container in task.containers if container.name == wanted), None)
    if found is None:
        raise lookup.invalid(f"Container {wanted} was not found in the task.")
    return found


def _place(clusters: Clusters, cluster: Cluster, task: Task, container: Container) -> SessionTarget:
    running = clusters.running.get(task.arn)
    name = container.name
    ready = task.status is Status.RUNNING and task.wanted
    if running is None or not ready or name not in running.started or name in running.ended:
        raise AwsError(
            "TargetNotConnectedException", "The execute command failed due to an internal error. Try again later."
        )
    started = running.started[name]

    def lives() -> bool:
        return clusters.running.get(task.arn) is running and name not in running.ended

    runtime = f"{task.id}-{started.process.pid}"
    target = f"ecs:{cluster.name}_{task.id}_{runtime}"
    return SessionTarget(target, started.environment, started.folder, lives, _log_group(cluster))


def _log_group(cluster: Cluster) -> str:
    wanted = cluster.configuration.get("executeCommandConfiguration", {})
    if wanted.get("logging") != "OVERRIDE":
        return ""
    return str(wanted.get("logConfiguration", {}).get("cloudWatchLogGroupName", ""))
