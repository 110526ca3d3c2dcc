"""What tasks use: CPU and memory of the real processes, to CloudWatch, and the memory limits that end a container.

``AWS/ECS`` has per cent of the task's size; ``ECS/ContainerInsights`` absolute values and counts, where the cluster
has insights on. One look at the kernel's process table serves all tasks.
"""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.core.interfaces import MetricSink
from localcloud.services.ecs.model import STARTING, Service, Status, Task

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.core.processes import Entry
    from localcloud.services.ecs.records import Records
    from localcloud.services.ecs.running import Running

log = logging.getLogger(__name__)

MEASURE_SECONDS: Final = 2.0
PUBLISH_SECONDS: Final = 10.0
MIB: Final = 1024 * 1024
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def start(cloud: Cloud, clusters: Records) -> None:
    cloud.loop("ecs-usage", MEASURE_SECONDS, lambda: measure(clusters))
    cloud.loop("ecs-metrics", PUBLISH_SECONDS, lambda: publish(clusters))


def measure(clusters: Records) -> None:
    """Read what each task uses now; end each container above its hard limit, and all of a task above its size."""
    from localcloud.core.processes import Supervisor

    with clusters.cloud.lock:
        watched = [
            (running, clusters.state.tasks[arn].memory * MIB, _hard_limits(clusters, clusters.state.tasks[arn]))
            for arn, running in clusters.running.items()
            if running.processes()
        ]
    if not watched:
        return
    sessions: dict[int, list[Entry]] = defaultdict(list)
    for entry in clusters.cloud.part(Supervisor).table().values():
        sessions[entry.session].append(entry)
    for running, limit, limits in watched:
        used = _measure_one(running, sessions)
        over = {name for name, size in used.items() if size > limits.get(name, size)}
        if limit and running.memory_bytes > limit:
            over |= used.keys()
        for name in over:
            log.info("container %s out of memory: it uses %d MiB", name, used[name] // MIB)
            running.out_of_memory.add(name)
            clusters.cloud.part(Supervisor).end(running.started[name].process, 0.0)


def _hard_limits(clusters: Records, task: Task) -> dict[str, int]:
    """Bytes that each container may use, by name; those without a limit of their own (``memory``) aren't in it."""
    defined = {each["name"]: each.get("memory") for each in clusters.definition(task.task_definition).containers}
    overrides = (task.spec.get("overrides") or {}).get("containerOverrides") or ()
    defined |= {each["name"]: each["memory"] for each in overrides if each.get("name") and each.get("memory")}
    return {name: int(mebibytes) * MIB for name, mebibytes in defined.items() if mebibytes}


def _measure_one(running: Running, sessions: dict[int, list[Entry]]) -> dict[str, int]:
    """Take the task's figures in, and return the bytes of each container that runs.

    Pages that its processes share are counted once, as large as the largest of them has.
    """
    ticks, private, shared = 0, 0, 0
    containers: dict[str, int] = {}
    for name, started in running.started.items():
        if name in running.ended:
            continue
        own_private, own_shared = 0, 0
        for entry in sessions.get(started.process.pid, []):
            ticks += entry.cpu_ticks
            try:
                pages = Path(f"/proc/{entry.pid}/statm").read_text().split()
            except OSError:
                continue
            own_private += (int(pages[1]) - int(pages[2])) * _PAGE
            own_shared = max(own_shared, int(pages[2]) * _PAGE)
        containers[name] = own_private + own_shared
        private, shared = private + own_private, max(shared, own_shared)
    now = time.monotonic()
    if running.measured_at and now > running.measured_at:
        running.cpu_cores = max(0.0, (ticks - running.cpu_ticks) / _TICKS / (now - running.measured_at))
    running.cpu_ticks, running.measured_at = ticks, now
    running.memory_bytes = private + shared
    return containers


def publish(clusters: Records) -> None:
    """One sample a task for utilisation, one a service and cluster for counts."""
    cloud = clusters.cloud
    if not cloud.has(MetricSink):
        return
    metrics = cloud.part(MetricSink)
    with cloud.lock:
        services = [
            (service, clusters.tasks_of(service))
            for service in clusters.state.services.values()
            if service.status == "ACTIVE"
        ]
        insights = {cluster.name for cluster in clusters.state.clusters.values() if cluster.insights}
        used = {arn: (r.cpu_cores * 1024, r.memory_bytes / MIB) for arn, r in clusters.running.items() if r.measured_at}
        totals = _totals(clusters)
    whole: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for service, tasks in services:
        measured = [(task, *used[task.arn]) for task in tasks if task.arn in used and task.status is Status.RUNNING]
        cpu = [100 * units / task.cpu for task, units, _ in measured if task.cpu]
        memory = [100 * mebibytes / task.memory for task, _, mebibytes in measured if task.memory]
        dimensions = {"ClusterName": service.cluster, "ServiceName": service.name}
        for name, values in (("CPUUtilization", cpu), ("MemoryUtilization", memory)):
            if values:
                metrics.put_values("AWS/ECS", name, dimensions, values, unit="Percent")
        whole[service.cluster][0].extend(cpu)
        whole[service.cluster][1].extend(memory)
        if service.cluster in insights:
            for name, value, unit in _insights(service, tasks, measured):
                metrics.put("ECS/ContainerInsights", name, dimensions, value, unit=unit)
    for cluster, (cpu, memory) in whole.items():
        for name, values in (("CPUUtilization", cpu), ("MemoryUtilization", memory)):
            if values:
                metrics.put_values("AWS/ECS", name, {"ClusterName": cluster}, values, unit="Percent")
    for cluster in insights:
        for name, count in totals[cluster].items():
            metrics.put("ECS/ContainerInsights", name, {"ClusterName": cluster}, float(count), unit="Count")


def _totals(clusters: Records) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = defaultdict(lambda: {"TaskCount": 0, "ServiceCount": 0})
    for tasks in clusters.live.values():
        for task in tasks.values():
            totals[task.cluster]["TaskCount"] += task.status is Status.RUNNING
    for service in clusters.state.services.values():
        totals[service.cluster]["ServiceCount"] += service.status == "ACTIVE"
    return totals


def _insights(
    service: Service, tasks: list[Task], measured: list[tuple[Task, float, float]]
) -> list[tuple[str, float, str]]:
    wanted = [task for task in tasks if task.wanted]
    running = [task for task in wanted if task.status is Status.RUNNING]
    return [
        ("DesiredTaskCount", float(service.desired), "Count"),
        ("RunningTaskCount", float(len(running)), "Count"),
        ("PendingTaskCount", float(sum(task.status in STARTING for task in wanted)), "Count"),
        ("DeploymentCount", float(len(service.deployments)), "Count"),
        ("TaskSetCount", 0.0, "Count"),
        ("CpuUtilized", sum(units for _, units, _ in measured), "None"),
        ("CpuReserved", float(sum(task.cpu for task in running)), "None"),
        ("MemoryUtilized", sum(mebibytes for _, _, mebibytes in measured), "Megabytes"),
        ("MemoryReserved", float(sum(task.memory for task in running)), "Megabytes"),
    ]
