"""The ECS component: its records, and the loop that makes what is real follow what is wanted.

Each turn takes in what was seen (ended processes, finished starts, target health), lets each task that is on its way
take its next step, and asks the scheduler about each service that isn't settled. Decisions are in ``decide`` and
``decide_task``; slow work (starting, ending, probing) is done by worker threads outside of the lock.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from localcloud.core.interfaces import LogSink
from localcloud.core.registry import component
from localcloud.services.ecs import networking, notices, usage
from localcloud.services.ecs.health import Watch
from localcloud.services.ecs.model import (
    KEEP_STOPPED_SECONDS,
    Service,
    Status,
    StopCode,
    Task,
)
from localcloud.services.ecs.output import Output
from localcloud.services.ecs.records import Records
from localcloud.services.ecs.scheduling import schedule
from localcloud.services.ecs.steps import step
from localcloud.services.ecs.targets import states

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

TURN_SECONDS: Final = 0.2
TARGETS_SECONDS: Final = 1.0
KEEP_INACTIVE: Final = timedelta(hours=1)
"""How long a deleted service is still described as INACTIVE."""
DOWN_GRACE: Final = 10.0
"""Seconds that tasks get when the whole cloud goes down."""


@component(order=80)
class Clusters(Records):
    """All of ECS. ``state`` is guarded by ``cloud.lock``; so are the indexes over it."""

    name = "ecs"

    # -- component ------------------------------------------------------------------------------------------------

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._pool = ThreadPoolExecutor(max_workers=6, thread_name_prefix="ecs")
        # Ending waits for a grace period; it must not keep tasks from being started.
        self._enders = ThreadPoolExecutor(max_workers=32, thread_name_prefix="ecs-end")
        self._output = Output(self._log_sink)
        with cloud.lock:
            self._end_of_the_earlier_run()
        cloud.loop("ecs", TURN_SECONDS, self.turn)
        cloud.loop("ecs-targets", TARGETS_SECONDS, self.look_at_targets)
        usage.start(cloud, self)

    def dump(self) -> object:
        return pickle.dumps(self.state)

    def load(self, state: Any) -> None:
        self.state = pickle.loads(state)  # noqa: S301 (our own snapshot)

    def stop(self) -> None:
        from localcloud.core.processes import Supervisor

        with self.cloud.lock:
            processes = [process for running in self.running.values() for process in running.processes()]
        if self.cloud.has(Supervisor):
            self.cloud.part(Supervisor).end_all(processes, DOWN_GRACE)
        for pool in (self._pool, self._enders):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        if self._output is not None:
            self._output.close()

    def _end_of_the_earlier_run(self) -> None:
        """No process of an earlier run lives: its tasks have stopped, and services start theirs anew."""
        now = self.cloud.now()
        for task in self.state.tasks.values():
            if task.status is Status.STOPPED:
                continue
            task.wanted = False
            task.stop_code = task.stop_code or StopCode.TERMINATION
            task.stopped_reason = task.stopped_reason or "The local cloud was stopped while this task was running"
            for container in task.containers:
                container.status = "STOPPED"
            networking.leave_targets(self.cloud, task)
            networking.detach(self.cloud, task)
            task.launching = task.ending = False
            # What was being stopped already ended with its cloud, however long ago that was.
            task.stopping_at = task.stopping_at or now
            task.status, task.stopped_at = Status.STOPPED, task.stopping_at
            task.execution_stopped_at = task.execution_stopped_at or task.stopped_at
        self.unsettled.update(self.state.services)

    def status(self) -> dict[str, Any]:
        """The tasks that have processes, with these: what ``status`` shows."""
        with self.cloud.lock:
            tasks = [(self.state.tasks[arn], running.processes()) for arn, running in self.running.items()]
        settings = self.cloud.settings
        return {
            "tasks": [
                {
                    "id": task.id,
                    "service": task.group.removeprefix("service:"),
                    "revision": task.task_definition.rsplit("/", 1)[1],
                    "status": task.status,
                    "health": task.health,
                    "address": settings.real_address(task.interface.address) if task.interface else None,
                    "pids": [process.pid for process in processes],
                }
                for task, processes in tasks
                if processes
            ]
        }

    # -- the turn -------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """One turn of the loop."""
        from localcloud.core.processes import still_running

        still_running(process for running in list(self.running.values()) for process in running.processes())
        ended = [
            (arn, name, code)
            for arn, running in list(self.running.items())
            for name, started in list(running.started.items())
            if name not in running.ended and (code := started.process.poll()) is not None
        ]
        with self._results_lock:
            results, self._results = self._results, []
        with self.cloud.lock:
            now = self.cloud.now()
            for arn, name, code in ended:
                self._container_ended(arn, name, code)
            for apply in results:
                apply()
            for task in list(self.moving.values()):
                step(self, task, now)
            for arn in list(self.unsettled):
                service = self.state.services.get(arn)
                if service is None or schedule(self, service, now):
                    self.unsettled.discard(arn)
            self._watch_containers(now)
            self._forget(now)
            jobs, self._jobs = self._jobs, []
        for job in jobs:
            self._submit(self._pool, job)

    def _container_ended(self, arn: str, name: str, code: int) -> None:
        task, running = self.state.tasks[arn], self.running[arn]
        running.ended.add(name)
        running.last_ended_at = time.monotonic()
        self.watches.drop(arn, name)
        container = next(container for container in task.containers if container.name == name)
        container.status = "STOPPED"
        container.exit_code = 137 if name in running.out_of_memory else code
        if name in running.out_of_memory:
            container.reason = "OutOfMemoryError: Container killed due to memory usage"
        task.execution_stopped_at = task.execution_stopped_at or self.cloud.now()
        if container.essential and task.wanted:
            self.count_failure(task)
            self.stop_task(task, StopCode.ESSENTIAL_EXITED, "Essential container in task exited")
        self.cloud.touch()

    # -- what is seen from outside --------------------------------------------------------------------------------

    def look_at_targets(self) -> None:
        """Ask the load balancers how the tasks' targets are."""
        # One lock for both: a target that is deregistered in between would count as gone, not as draining.
        with self.cloud.lock:
            groups = {t.group for tasks in self.live.values() for task in tasks.values() for t in task.targets}
            if not groups:
                return
            seen = states(self.cloud, groups)
            for service, tasks in self.live.items():
                for task in tasks.values():
                    if networking.take_states(task, seen) and service:
                        self.unsettled.add(service)

    def _watch_containers(self, now: datetime) -> None:
        for watch in self.watches.due(now.timestamp()):
            self.later(self._check(watch))

    def _check(self, watch: Watch) -> Callable[[], None]:
        def work() -> None:
            passed = watch.run(self.cloud)
            self.then(lambda: self._checked(watch, passed))

        return work

    def _checked(self, watch: Watch, passed: bool) -> None:
        task = self.state.tasks.get(watch.task)
        if task is None or not self.watches.has(watch):
            return
        health = watch.record(passed, self.cloud.now().timestamp())
        container = next(container for container in task.containers if container.name == watch.container)
        if container.health == health:
            return
        container.health = health
        self.cloud.touch()
        self.announce_task(task)
        if task.service:
            self.unsettled.add(task.service)
        elif health == "UNHEALTHY" and container.essential:
            self.stop_task(task, StopCode.ESSENTIAL_EXITED, "Task failed container health checks")

    def announce_task(self, task: Task) -> None:
        notices.task_changed(self, task)

    def announce_deployment(self, service: Service, kind: str, event: str, deployment: str, reason: str) -> None:
        notices.deployment_changed(self, service, kind, event, deployment, reason)

    def _log_sink(self, group: str, stream: str, events: Iterable[tuple[int, str]]) -> None:
        if self.cloud.has(LogSink):
            self.cloud.part(LogSink).put(group, stream, list(events))

    def _forget(self, now: datetime) -> None:
        """Stopped tasks go after an hour, deleted services too."""
        if now.timestamp() < self._forget_at:
            return
        self._forget_at = now.timestamp() + 10
        for arn, task in list(self.state.tasks.items()):
            if task.stopped_at and (now - task.stopped_at).total_seconds() > KEEP_STOPPED_SECONDS:
                del self.state.tasks[arn]
        for arn, service in list(self.state.services.items()):
            if service.inactive_at and now - service.inactive_at > KEEP_INACTIVE:
                del self.state.services[arn]
                self.live.pop(arn, None)
