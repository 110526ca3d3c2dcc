"""The steps of a task's life, performed: what ``decide_task`` decides is done here to the record and to the world.

Called under ``cloud.lock``; what takes time is handed to worker threads.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from localcloud.services.ecs import launch, networking
from localcloud.services.ecs.decide_task import Step, TaskFacts, next_step
from localcloud.services.ecs.deploying import add_event
from localcloud.services.ecs.health import Watch
from localcloud.services.ecs.model import DEFAULT_STOP_TIMEOUT, Status, StopCode, Task
from localcloud.services.ecs.running import Running

if TYPE_CHECKING:
    from localcloud.services.ecs.records import Records


def step(clusters: Records, task: Task, now: datetime) -> None:
    """Let a task take the one step that is due."""
    running = clusters.running.get(task.arn)
    due = next_step(
        TaskFacts(
            status=task.status,
            wanted=task.wanted,
            launching=task.launching,
            launched=task.launched,
            has_targets=any(target.registered for target in task.targets),
            draining=any(target.state == "draining" for target in task.targets),
            processes=running is not None and running.alive(),
            ending=task.ending,
        )
    )
    match due:
        case Step.ATTACH:
            _attach(clusters, task)
        case Step.LAUNCH:
            _launch(clusters, task)
        case Step.ACTIVATE:
            networking.join_targets(clusters.cloud, task)
            _to(clusters, task, Status.ACTIVATING)
        case Step.RUN:
            task.started_at = now
            _to(clusters, task, Status.RUNNING)
            _say_of_targets(clusters, task, "registered", now)
        case Step.DEREGISTER:
            _say_of_targets(clusters, task, "deregistered", now)
            networking.leave_targets(clusters.cloud, task)
            _to(clusters, task, Status.DEACTIVATING)
        case Step.END:
            _end(clusters, task)
            _to(clusters, task, Status.STOPPING)
        case Step.DETACH:
            networking.detach(clusters.cloud, task)
            clusters.running.pop(task.arn, None)
            _to(clusters, task, Status.DEPROVISIONING)
        case Step.FINISH:
            _finish(clusters, task, now)
        case Step.WAIT:
            if task.wanted and task.status is Status.RUNNING:
                del clusters.moving[task.arn]


def _to(clusters: Records, task: Task, status: Status) -> None:
    task.status = status
    task.version += 1
    if task.service:
        clusters.unsettled.add(task.service)
    clusters.cloud.touch()
    clusters.announce_task(task)


def _attach(clusters: Records, task: Task) -> None:
    try:
        networking.attach(clusters.cloud, task)
    except networking.NoAddress as error:
        service = clusters.state.services.get(task.service)
        if service is not None:
            message = f"(service {service.name}) was unable to place a task. Reason: {error}."
            add_event(service, message, clusters.cloud.now())
        clusters.count_failure(task)
        reason = f"Unexpected EC2 error while creating network interface: {error}"
        clusters.stop_task(task, StopCode.FAILED_TO_START, reason)
        return
    _to(clusters, task, Status.PENDING)


def _launch(clusters: Records, task: Task) -> None:
    request = networking.launch_request(clusters, task)
    task.launching = True
    output = clusters.output

    def work() -> None:
        outcome = launch.launch(clusters.cloud, output, request)
        clusters.then(lambda: _launched(clusters, task, outcome))

    clusters.later(work)


def _launched(clusters: Records, task: Task, outcome: launch.Outcome) -> None:
    task.launching = False
    task.launched = True
    task.pull_started_at, task.pull_stopped_at = outcome.pull_started_at, outcome.pull_stopped_at
    clusters.running[task.arn] = running = Running(dict(outcome.started), clusters.cloud.now())
    for container in task.containers:
        started = outcome.started.get(container.name)
        if started is not None:
            container.status, container.digest = "RUNNING", started.digest
            container.runtime_id = f"{task.id}-{started.process.pid}"
    if outcome.error is not None:
        for container in task.containers:
            if container.name == outcome.error.container:
                container.reason = outcome.error.reason
            container.status = "STOPPED"
        clusters.count_failure(task)
        clusters.stop_task(task, StopCode.FAILED_TO_START, outcome.error.reason)
        return
    networking.settle_digests(clusters, task)
    definition = clusters.definition(task.task_definition)
    address = task.interface.address if task.interface else ""
    for defined in definition.containers:
        if defined.get("healthCheck"):
            started_now = running.started[defined["name"]]
            clusters.watches.add(Watch.of(task.arn, defined, started_now, address, clusters.cloud.now().timestamp()))


def _end(clusters: Records, task: Task) -> None:
    running = clusters.running.get(task.arn)
    if running is None or not running.alive():
        return
    task.ending = True
    grace = max(
        (c.get("stopTimeout", DEFAULT_STOP_TIMEOUT) for c in clusters.definition(task.task_definition).containers),
        default=DEFAULT_STOP_TIMEOUT,
    )

    def work() -> None:
        from localcloud.core.processes import Supervisor

        clusters.cloud.part(Supervisor).end_all(running.processes(), grace)
        clusters.then(ended)

    def ended() -> None:
        task.ending = False

    clusters.end_later(work)


def _finish(clusters: Records, task: Task, now: datetime) -> None:
    task.stopped_at = now
    task.execution_stopped_at = task.execution_stopped_at or now
    for container in task.containers:
        container.status = "STOPPED"
    task.status = Status.STOPPED
    clusters.live[task.service].pop(task.arn, None)
    clusters.moving.pop(task.arn, None)
    clusters.running.pop(task.arn, None)
    clusters.watches.drop_task(task.arn)
    _to(clusters, task, Status.STOPPED)


def _say_of_targets(clusters: Records, task: Task, what: str, now: datetime) -> None:
    service = clusters.state.services.get(task.service)
    if service is None:
        return
    for target in task.targets:
        if target.registered:
            add_event(service, f"(service {service.name}) {what} 1 targets in (target-group {target.group})", now)
    if what == "deregistered" and any(target.registered for target in task.targets):
        add_event(service, f"(service {service.name}) has begun draining connections on 1 tasks.", now)
