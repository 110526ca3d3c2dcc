"""Between the service records and the scheduler's pure decisions: views in, decisions performed on the records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from localcloud.services.ecs.decide import (
    FIRST_PAUSE_AFTER,
    DeploymentView,
    Plan,
    ServiceView,
    Stage,
    Stop,
    TaskView,
    Verdict,
    judge,
    plan,
)
from localcloud.services.ecs.deploying import add_event
from localcloud.services.ecs.factory import service_task
from localcloud.services.ecs.model import (
    STARTING,
    Deployment,
    Rollout,
    Service,
    Status,
    StopCode,
    Task,
    deployment_percents,
)

if TYPE_CHECKING:
    from localcloud.services.ecs.records import Records

SETTLE_SECONDS: Final = 5.0
"""How long a task that nothing checks (no target group, no health check) must run to count as healthy. ECS doesn't
say; without it a task that dies at once would complete its deployment."""


def schedule(clusters: Records, service: Service, now: datetime) -> bool:
    """Bring one service a turn closer to what is wanted; True when it needs no further look until something changes."""
    if service.status == "INACTIVE":
        return True
    tasks = clusters.tasks_of(service)
    if service.status == "DRAINING" and not tasks:
        service.status, service.inactive_at = "INACTIVE", now
        service.deployments = []
        clusters.cloud.touch()
        return True
    clusters.deploying.in_progress(service, now)
    grace = float(service.spec.get("healthCheckGracePeriodSeconds") or 0)
    views = [_view(task, now, grace) for task in tasks]
    _note_health(service, tasks, views)
    decided = plan(_service_view(service, views, now))
    _stop(clusters, service, decided.stop, now)
    _start(clusters, service, decided.start, now)
    _retire(clusters, service)
    if service.status != "ACTIVE":
        return False
    _judge(clusters, service, decided, now)
    _events(clusters, service, decided, now)
    return service.steady


def _stage(task: Task) -> Stage:
    if not task.wanted:
        return Stage.STOPPING
    return Stage.STARTING if task.status in STARTING else Stage.RUNNING


def is_healthy(task: Task, now: datetime) -> bool:
    """Running, and whatever checks it says so."""
    if not task.wanted or task.status is not Status.RUNNING or task.started_at is None:
        return False
    targets = [target for target in task.targets if target.registered]
    if not targets and not task.health_checked:
        return (now - task.started_at).total_seconds() >= SETTLE_SECONDS
    return all(target.state == "healthy" for target in targets) and (
        not task.health_checked or task.health == "HEALTHY"
    )


def _failing(task: Task, now: datetime, grace: float) -> str:
    if not task.wanted or task.status is not Status.RUNNING or task.started_at is None:
        return ""
    if (now - task.started_at).total_seconds() < grace:
        return ""
    if task.health == "UNHEALTHY":
        return "Task failed container health checks"
    sick = next((target for target in task.targets if target.registered and target.state == "unhealthy"), None)
    return f"Task failed ELB health checks in (target-group {sick.group})" if sick else ""


def _view(task: Task, now: datetime, grace: float) -> TaskView:
    return TaskView(
        id=task.arn,
        deployment=task.deployment,
        stage=_stage(task),
        healthy=is_healthy(task, now),
        failing=_failing(task, now, grace),
        order=task.created_at.timestamp(),
    )


def _service_view(service: Service, views: Sequence[TaskView], now: datetime) -> ServiceView:
    minimum, maximum = deployment_percents(service.spec)
    draining = service.status == "DRAINING"
    return ServiceView(
        desired=0 if draining else service.desired,
        minimum_percent=minimum,
        maximum_percent=maximum,
        primary=service.primary.id,
        may_start=not service.primary.frozen and now.timestamp() >= service.not_before,
        frozen=service.primary.frozen and not draining and service.desired > 0,
        tasks=views,
    )


def _note_health(service: Service, tasks: Sequence[Task], views: Sequence[TaskView]) -> None:
    """A task that becomes healthy ends the row of failures."""
    breaker = service.spec.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
    for task, view in zip(tasks, views, strict=True):
        if not view.healthy or task.ever_healthy:
            continue
        task.ever_healthy = True
        service.failures, service.not_before = 0, 0.0
        deployment = _deployment(service, task.deployment)
        if deployment is not None and breaker.get("resetOnHealthyTask", True):
            deployment.failed = 0


def _deployment(service: Service, deployment: str) -> Deployment | None:
    return next((found for found in service.deployments if found.id == deployment), None)


def _stop(clusters: Records, service: Service, stops: Sequence[Stop], now: datetime) -> None:
    if not stops:
        return
    named = []
    for stop in stops:
        task = clusters.state.tasks[stop.task]
        if stop.failed:
            _say_unhealthy(service, task, stop.reason, now)
            clusters.fail_task(task, stop.reason)
        else:
            clusters.stop_task(task, StopCode.SCHEDULER, stop.reason)
        named.append(f"(task {task.id})")
    message = f"(service {service.name}) has stopped {len(named)} running tasks: {' '.join(named)}."
    add_event(service, message, now)


def _say_unhealthy(service: Service, task: Task, reason: str, now: datetime) -> None:
    sick = next((target for target in task.targets if target.state == "unhealthy"), None)
    if sick is not None and "ELB" in reason:
        why = sick.reason or "Health checks failed"
        message = (
            f"(service {service.name}) (port {sick.port}) is unhealthy in (target-group {sick.group}) "
            f"due to (reason {why})."
        )
    else:
        message = f"(service {service.name}) (task {task.id}) failed container health checks."
    add_event(service, message, now)


def _start(clusters: Records, service: Service, count: int, now: datetime) -> None:
    if count <= 0:
        return
    named = []
    for _ in range(count):
        task = service_task(clusters, service, service.primary, now)
        clusters.add_task(task)
        named.append(f"(task {task.id})")
    add_event(service, f"(service {service.name}) has started {count} tasks: {' '.join(named)}.", now)


def _retire(clusters: Records, service: Service) -> None:
    """A replaced deployment without running tasks is INACTIVE and no longer described."""
    used = {task.deployment for task in clusters.tasks_of(service) if task.wanted}
    kept = [deployment for deployment in service.deployments if deployment.primary or deployment.id in used]
    if len(kept) != len(service.deployments):
        service.deployments = kept
        clusters.cloud.touch()


def _judge(clusters: Records, service: Service, decided: Plan, now: datetime) -> None:
    deployment = service.primary
    if deployment.rollout is not Rollout.IN_PROGRESS:
        return
    configuration = service.spec.get("deploymentConfiguration", {})
    record = service.service_deployment(deployment.service_deployment)
    if record is not None and not deployment.rollback:
        record.failures = deployment.failed
    alarms = configuration.get("alarms", {})
    heeded = alarms.get("enable") and record is not None and record.alarms == "MONITORING"
    breached = clusters.breached_alarms(alarms.get("alarmNames", [])) if heeded else []
    if record is not None and breached:
        record.triggered_alarms = breached
    verdict = judge(
        DeploymentView(
            steady=decided.steady,
            failed=deployment.failed,
            desired=service.desired,
            breaker=configuration.get("deploymentCircuitBreaker", {}),
            breached=bool(breached),
            rollback=deployment.rollback,
        )
    )
    if verdict is not Verdict.GOING_ON:
        clusters.deploying.conclude(service, verdict, now)
        clusters.cloud.touch()


def _events(clusters: Records, service: Service, decided: Plan, now: datetime) -> None:
    if decided.steady and not service.steady:
        add_event(service, f"(service {service.name}) has reached a steady state.", now)
        clusters.cloud.touch()
    service.steady = decided.steady
    if decided.stuck:
        message = (
            f"(service {service.name}) was unable to stop or start tasks during a deployment because of the service "
            "deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
        )
        _say_once(service, message, now)
    if service.failures > FIRST_PAUSE_AFTER + 1:
        message = f"(service {service.name}) is unable to consistently start tasks successfully."
        _say_once(service, message, now)


def _say_once(service: Service, message: str, now: datetime) -> None:
    """ECS leaves a message out while its cause lasts, for up to six hours."""
    last = next((event for event in service.events if event.message == message), None)
    if last is None or (now - last.at).total_seconds() > 6 * 3600:
        add_event(service, message, now)
