"""Sessions in tasks that stay closed, or that are cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from localcloud.core.registry import AwsError
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.faults.releasing import SERVICE
from localcloud.faults.values import number
from localcloud.services.ecs import Clusters
from localcloud.services.ecs.sessions import IDLE_SECONDS, Sessions

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


def _stop_agents(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    clusters, name = cloud.part(Clusters), settings["service"]
    with cloud.lock:
        arns = [task.arn for tasks in clusters.live.values() for task in tasks.values() if _is_of(task.service, name)]
        if not arns:
            raise AwsError("InvalidState", f"No task of {name} runs.")
        clusters.stopped_agents.update(arns)
    return {"tasks": arns}


def _is_of(service: str, name: str) -> bool:
    return service.rpartition("/")[2] == name


def _start_agents(cloud: Cloud, memory: Memory) -> None:
    with cloud.lock:
        cloud.part(Clusters).stopped_agents.difference_update(memory["tasks"])


def _cut(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    memory = {"seconds": number(settings, "seconds", 0.5, 3600)}
    _keep_cutting(cloud, memory)
    return memory


def _keep_cutting(cloud: Cloud, memory: Memory) -> None:
    cloud.part(Sessions).idle_seconds = memory["seconds"]


def _cut_late(cloud: Cloud, _: Memory) -> None:
    cloud.part(Sessions).idle_seconds = IDLE_SECONDS


FAULTS = (
    Fault(
        "exec-agent-stopped",
        "The agent of ECS Exec stops in the tasks of a service.",
        "Their managed agent is STOPPED, and sessions answer TargetNotConnectedException; new tasks have one.",
        _stop_agents,
        _start_agents,
        {"service": SERVICE},
    ),
    Fault(
        "session-idle-cut",
        "Sessions are ended much earlier than after AWS's 20 minutes without a move.",
        "A session in which nothing moves ends; what was begun in it isn't told any more.",
        _cut,
        _cut_late,
        {"seconds": Setting("5", "seconds without a move")},
        _keep_cutting,
    ),
)
