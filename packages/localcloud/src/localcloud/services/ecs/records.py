"""ECS's records: what there is, what of it moves, and how a task is wanted, ended and counted as failed.

Everything that decides or acts on tasks works on these; ``component`` adds the loops and says of each change that it
happened. ``state`` is guarded by ``cloud.lock``; so are the indexes over it.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from localcloud.core import calls
from localcloud.core.interfaces import ScalableServices, ServiceCounts
from localcloud.services.ecs.decide import pause_after
from localcloud.services.ecs.deploying import Deploying
from localcloud.services.ecs.health import Watches
from localcloud.services.ecs.model import Names, Rollout, Service, State, Status, StopCode, Task, TaskDefinition
from localcloud.services.ecs.output import Output
from localcloud.services.ecs.running import Running

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)


class Records(ScalableServices):
    """All of ECS that isn't a loop."""

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
        self.stopped_agents: set[str] = set()
        """ARNs of tasks whose agent of ECS Exec has stopped: a fault's doing, which no restart keeps."""
        self.watches = Watches()
        self._jobs: list[Callable[[], None]] = []
        self._results: list[Callable[[], None]] = []
        self._results_lock = threading.Lock()
        self._forget_at = 0.0
        self._cloud: Cloud | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._enders: ThreadPoolExecutor | None = None
        self._output: Output | None = None

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
        return Deploying(self.names, self.announce_deployment, self.breached_alarms)

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

    def counts(self, resource: str) -> ServiceCounts | None:
        service = self._active(resource)
        if service is None:
            return None
        running = sum(task.wanted and task.status is Status.RUNNING for task in self.tasks_of(service))
        return ServiceCounts(service.desired, running)

    def set_desired_count(self, resource: str, count: int) -> None:
        if service := self._active(resource):
            self.set_desired(service, count)

    def _active(self, resource: str) -> Service | None:
        found = self.state.services.get(self.names.arn(resource))
        return found if found is not None and found.status == "ACTIVE" else None

    def set_desired(self, service: Service, desired: int) -> None:
        """Change how many tasks are wanted (``UpdateService``, autoscaling)."""
        service.desired = desired
        self.wake(service)

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

    def _submit(self, pool: ThreadPoolExecutor | None, job: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                job()
            except Exception:
                log.exception("work for ECS failed")

        if pool is not None and not self.cloud.stopping.is_set():
            pool.submit(guarded)

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

    def breached_alarms(self, names: Iterable[str]) -> list[str]:
        """Which of these CloudWatch alarms are in ALARM."""
        return calls.alarms_in_alarm(self.cloud, list(names))

    # -- said by whoever tells the world -----------------------------------------------------------------------------

    def announce_task(self, task: Task) -> None:
        """A task changed in what is seen from outside."""
        raise NotImplementedError

    def announce_deployment(self, service: Service, kind: str, event: str, deployment: str, reason: str) -> None:
        """A deployment began, completed or failed."""
        raise NotImplementedError
