"""The ECS component: its records, and the loop that makes what is real follow what is wanted.

Each turn takes in what was seen (ended processes, finished starts, target health), lets each task that is on its way
take its next step, and asks the scheduler about each service that isn't settled. Decisions are in ``scheduler`` and
``lifecycle``; slow work (starting, ending, probing) is done by worker threads outside of the lock.
"""

from __future__ import annotations

import logging
import pickle
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from localcloud.services.ecs import calls, networking, notices
from localcloud.services.ecs.deploying import Deploying
from localcloud.services.ecs.health import Watch, Watches
from localcloud.services.ecs.model import (
    KEEP_STOPPED_SECONDS,
    Names,
    Rollout,
    Service,
    State,
    Status,
    StopCode,
    Task,
    TaskDefinition,
)
from localcloud.services.ecs.output import Output
from localcloud.services.ecs.running import Running
from localcloud.services.ecs.scheduler import pause_after
from localcloud.services.ecs.scheduling import schedule
from localcloud.services.ecs.steps import step

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

TURN_SECONDS: Final = 0.2
TARGETS_SECONDS: Final = 1.0
KEEP_INACTIVE: Final = timedelta(hours=1)
"""How long a deleted service is still described as INACTIVE."""
DOWN_GRACE: Final = 10.0
"""Seconds that tasks get when the whole cloud goes down."""


class Clusters:
    """All of ECS. ``state`` is guarded by ``cloud.lock``; so are the indexes over it."""

    name = "ecs"

    def __init__(self) -> None:
        self.state = State()
        self.live: dict[str, dict[str, Task]] = defaultdict(dict)
        """Tasks that have not stopped, by the ARN of their service ("" for tasks run on their own)."""
        self.moving: dict[str, Task] = {}
        """Tasks with a step due."""
        self.unsettled: set[str] = set()
        """ARNs of services that the scheduler must look at."""
        self.running: dict[str, Running] = {}
        """What runs for a task, by its ARN."""
        self.watches = Watches()
        self._jobs: list[Callable[[], None]] = []
        self._results: list[Callable[[], None]] = []
        self._results_lock = threading.Lock()
        self._forget_at = 0.0
        self._cloud: Cloud | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._enders: ThreadPoolExecutor | None = None
        self._output: Output | None = None

    # -- component ------------------------------------------------------------------------------------------------

    @property
    def cloud(self) -> Cloud:
        if self._cloud is None:
            raise RuntimeError("ECS was used before it was started")
        return self._cloud

    @property
    def output(self) -> Output:
        if self._output is None:
            raise RuntimeError("ECS was used before it was started")
        return self._output

    @property
    def names(self) -> Names:
        return Names(self.cloud.settings.account, self.cloud.settings.region)

    @property
    def deploying(self) -> Deploying:
        return Deploying(self.names, self._announce_deployment, self.breached_alarms)

    def start(self, cloud: Cloud) -> None:
        from localcloud.services.ecs import usage

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
            task.status, task.stopped_at = Status.STOPPED, now
            task.stopping_at = task.stopping_at or now
            task.execution_stopped_at = task.execution_stopped_at or now
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

    # -- joints for the API ---------------------------------------------------------------------------------------

    def definition(self, arn: str) -> TaskDefinition:
        family, revision = arn.rsplit("/", 1)[1].rsplit(":", 1)
        return self.state.definitions[family][int(revision)]

    def wake(self, service: Service) -> None:
        """The scheduler must look at this service again."""
        self.unsettled.add(service.arn)
        self.cloud.touch()

    def tasks_of(self, service: Service) -> list[Task]:
        """The service's tasks that have not stopped."""
        return list(self.live[service.arn].values())

    def add_task(self, task: Task) -> None:
        self.state.tasks[task.arn] = task
        self.live[task.service][task.arn] = task
        self.moving[task.arn] = task
        self.cloud.touch()
        self.announce_task(task)

    def stop_task(self, task: Task, code: StopCode, reason: str) -> None:
        """From now on the task isn't wanted. Its first reason stays: later ones are consequences."""
        if not task.wanted:
            return
        task.wanted = False
        task.stop_code, task.stopped_reason = code, reason
        task.stopping_at = self.cloud.now()
        self.moving[task.arn] = task
        if task.service:
            self.unsettled.add(task.service)
        self.announce_task(task)

    def set_desired(self, service: Service, desired: int) -> None:
        """Change how many tasks are wanted (``UpdateService``, autoscaling)."""
        service.desired = desired
        self.wake(service)

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

    def _submit(self, pool: ThreadPoolExecutor | None, job: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                job()
            except Exception:
                log.exception("work for ECS failed")

        if pool is not None and not self.cloud.stopping.is_set():
            pool.submit(guarded)

    def later(self, job: Callable[[], None]) -> None:
        """Do slow work in a worker thread after this turn."""
        self._jobs.append(job)

    def end_later(self, job: Callable[[], None]) -> None:
        """Do work that waits for a grace period, apart from what starts tasks."""
        self._submit(self._enders, job)

    def then(self, apply: Callable[[], None]) -> None:
        """Called by worker threads: take their result in, under the lock, at the next turn."""
        with self._results_lock:
            self._results.append(apply)

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

    def count_failure(self, task: Task, *, unhealthy: bool = False) -> None:
        """A task of a service stopped though it was wanted."""
        service = self.state.services.get(task.service)
        if service is None or (task.ever_healthy and not unhealthy):
            return
        deployment = next((d for d in service.deployments if d.id == task.deployment), None)
        if deployment is not None and deployment.rollout is Rollout.IN_PROGRESS:
            deployment.failed += 1
        if not task.ever_healthy:
            service.failures += 1
            service.not_before = self.cloud.now().timestamp() + pause_after(service.failures)

    def fail_task(self, task: Task, reason: str) -> None:
        """A task that runs but failed its health checks is replaced."""
        self.count_failure(task, unhealthy=True)
        self.stop_task(task, StopCode.SCHEDULER, reason)

    # -- what is seen from outside --------------------------------------------------------------------------------

    def look_at_targets(self) -> None:
        """Ask the load balancers how the tasks' targets are."""
        from localcloud.services.ecs.targets import states

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

    def breached_alarms(self, names: Iterable[str]) -> list[str]:
        """Which of these CloudWatch alarms are in ALARM."""
        return calls.alarms_in_alarm(self.cloud, list(names))

    def announce_task(self, task: Task) -> None:
        notices.task_changed(self, task)

    def _announce_deployment(self, service: Service, kind: str, event: str, deployment: str, reason: str) -> None:
        notices.deployment_changed(self, service, kind, event, deployment, reason)

    def _log_sink(self, group: str, stream: str, events: Iterable[tuple[int, str]]) -> None:
        from localcloud.services.logs import Logs

        if self.cloud.has(Logs):
            self.cloud.part(Logs).put(group, stream, list(events))

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
