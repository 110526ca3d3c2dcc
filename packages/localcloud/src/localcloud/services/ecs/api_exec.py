"""What is asked of AWS for a session inside a task: ECS's ExecuteCommand, Session Manager's StartSession for ports. The
session itself is in ``sessions``."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.front.policies import why_role_may_not
from localcloud.services.ecs import lookup
from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.model import Cluster, Container, Status, Task
from localcloud.services.ecs.session_ports import Port
from localcloud.services.ecs.sessions import Sessions, SessionTarget

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


CHANNEL_ACTIONS = (
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What the agent needs of the task role."""
PORT_DOCUMENTS = {"AWS-StartPortForwardingSession": False, "AWS-StartPortForwardingSessionToRemoteHost": True}
"""To whether a host is named."""
_TARGET = re.compile(r"ecs:(?P<cluster>[A-Za-z0-9_-]+)_(?P<task>[0-9a-f]{32})_(?P<runtime>[A-Za-z0-9-]+)")


@operation("ssm", "StartSession")
def start_session(cloud: Cloud, call: Call) -> Answer:
    """Grant a session by which ports are reached from inside a task; machines and other documents aren't there."""
    params = call.params
    document = str(params.get("DocumentName") or "SSM-SessionManagerRunShell")
    if document not in PORT_DOCUMENTS:
        raise AwsError("InvalidDocument", f"Document with name {document} does not exist.")
    found = _TARGET.fullmatch(str(params["Target"]))
    clusters = cloud.part(Clusters)
    cluster = lookup.find_cluster(clusters, found["cluster"]) if found else None
    task = lookup.find_task(clusters, cluster, found["task"]) if found and cluster else None
    containers = task.containers if task else []
    container = next((each for each in containers if found and each.runtime_id == found["runtime"]), None)
    if cluster is None or task is None or container is None or not task.spec.get("enableExecuteCommand"):
        raise AwsError("TargetNotConnected", f"{params['Target']} is not connected.")
    try:
        place = _place(cloud, cluster, task, container)
    except AwsError as problem:
        raise AwsError("TargetNotConnected", f"{params['Target']} is not connected.") from problem
    given = {name: values[0] for name, values in (params.get("Parameters") or {}).items() if values}
    number = str(given.get("portNumber", ""))
    if not number.isdigit() or not 0 < int(number) < 65_536 or (PORT_DOCUMENTS[document] and not given.get("host")):
        raise AwsError("InvalidParameters", "Invalid parameters: a host and a port number are needed.")
    port = Port(str(given.get("host", "")) if PORT_DOCUMENTS[document] else "", int(number))
    session = cloud.part(Sessions).grant((), replace(place, key=""), port)
    return {"SessionId": session["sessionId"], "StreamUrl": session["streamUrl"], "TokenValue": session["tokenValue"]}


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
    session = cloud.part(Sessions).grant(command, _place(cloud, cluster, task, container))
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


def _place(cloud: Cloud, cluster: Cluster, task: Task, container: Container) -> SessionTarget:
    clusters = cloud.part(Clusters)
    running = clusters.running.get(task.arn)
    name = container.name
    ready = task.status is Status.RUNNING and task.wanted
    gone = running is None or name not in running.started or name in running.ended
    if running is None or gone or not ready or not _has_agent(cloud, task):
        raise AwsError(
            "TargetNotConnectedException", "The execute command failed due to an internal error. Try again later."
        )
    started = running.started[name]

    def lives() -> bool:
        return clusters.running.get(task.arn) is running and name not in running.ended

    runtime = f"{task.id}-{started.process.pid}"
    target = f"ecs:{cluster.name}_{task.id}_{runtime}"
    return SessionTarget(target, started.environment, started.folder, lives, _log_group(cluster), _key(cluster))


def _has_agent(cloud: Cloud, task: Task) -> bool:
    """Whether the agent in the task is connected: it runs, and the task role lets it be. A task without a role is taken
    for one whose image brings its own."""
    clusters = cloud.part(Clusters)
    if task.arn in clusters.stopped_agents:
        return False
    defined = clusters.definition(task.task_definition).body
    role = (task.spec.get("overrides") or {}).get("taskRoleArn") or defined.get("taskRoleArn")
    if not role:
        return True
    return not any(why_role_may_not(cloud, role, task.id, action, "*") for action in CHANNEL_ACTIONS)


def _key(cluster: Cluster) -> str:
    return str(cluster.configuration.get("executeCommandConfiguration", {}).get("kmsKeyId", ""))


def _log_group(cluster: Cluster) -> str:
    wanted = cluster.configuration.get("executeCommandConfiguration", {})
    if wanted.get("logging") != "OVERRIDE":
        return ""
    return str(wanted.get("logConfiguration", {}).get("cloudWatchLogGroupName", ""))
