"""Checks of the ECS services: do the tasks run that are wanted, and did the last deployments go well?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import DEPLOYMENT, DEPLOYMENTS, MORNING_CHECKS, SCALING, TASKS_RESTARTING
from omc.checks.spec import check
from omc.config import Environment, Service
from omc.facts.scope import Scope
from omc.facts.services import Deployment, EcsService, Services
from omc.judgement.service_kinds import is_rolled_by_ecs, unsupported
from omc.times import format_duration, format_time

CANNOT_START = re.compile(
    r"was unable to|unable to place|unable to consistently start|failed to launch|failed to register|failed to start",
    re.IGNORECASE,
)
"""ECS's wording in service events for tasks that it could not start or place."""
ROLLED_BACK = re.compile(r"rolling back to|deployment failed|rollback", re.IGNORECASE)
PLACEMENT_MEMORY = timedelta(hours=1)
"""As long as ECS remembers stopped tasks."""
STUCK = timedelta(minutes=15)
"""A deployment that has been in progress for longer is worth a look, even if nothing of it has failed."""
HEALED = timedelta(minutes=5)
"""This long after its last failure, a service whose desired tasks all run counts as well again."""


@check(
    "services-running",
    title="Services: status, running against desired",
    question="Does every service run as many tasks as are wanted?",
    severity=Level.FAIL,
    runbook=TASKS_RESTARTING,
)
def services_running(services: Services, environment: Environment) -> Iterator[Finding]:
    if services.cluster_missing:
        for cluster in services.missing_clusters or (environment.cluster,):
            sentence = f"There is no ECS cluster {cluster} in this account and region."
            evidence = (Evidence(f"ECS answered that {cluster} is not found", services.reading),)
            yield Finding("services-running", Level.FAIL, cluster, sentence, evidence, MORNING_CHECKS)
        return
    for name in services.missing:
        sentence = f"{environment.called(name)} does not exist in the cluster {environment.in_ecs(name)[0]}."
        evidence = (Evidence(f"ECS answered that {name} is missing", services.reading),)
        yield Finding(
            "services-running", Level.FAIL, name, sentence, evidence, MORNING_CHECKS, place=f"services/{name}"
        )
    limits = {service.name: service for service in environment.services}
    for service in services.services:
        level, sentence = _running(service, limits[service.name])
        message = (
            f"status {service.status}, running {service.running}, desired {service.desired}, pending {service.pending}"
        )
        procedure = SCALING if level is Level.WARN else TASKS_RESTARTING
        yield Finding(
            check="services-running",
            level=level,
            subject=service.name,
            sentence=sentence,
            evidence=(Evidence(f"{service.task_definition}: {message}", services.reading),),
            procedure=None if level is Level.OK else procedure,
            place=f"services/{service.name}",
            is_under_way=level is Level.WARN and 0 < service.desired - service.running <= service.pending,
        )


def _running(service: EcsService, limits: Service) -> tuple[Level, str]:
    running, desired, pending = service.running, service.desired, service.pending
    tasks = f"{running} of {desired} tasks run"
    if service.status != "ACTIVE":
        return Level.FAIL, f"The service is {service.status}, not ACTIVE."
    if desired == 0:
        if not limits.minimum:
            return Level.OK, "Scaled to zero."
        return Level.WARN, f"Scaled to zero (desired 0), below its minimum of {limits.minimum}: it serves nobody."
    if running < desired:
        starting = (
            f", {pending} more {'is' if pending == 1 else 'are'} starting" if pending else ", and none is starting"
        )
        if running >= (limits.minimum or 1) and running + pending >= desired:
            return Level.WARN, f"{tasks}{starting}."
        return Level.FAIL, f"{tasks}{starting}."
    if service.scheduling == "DAEMON":  # as many as there are instances: omc.toml's limits say nothing of it
        return Level.OK, f"{tasks}."
    if limits.minimum is None or limits.maximum is None:
        return Level.OK, f"{tasks}."
    if desired < limits.minimum:
        return Level.WARN, f"{tasks}, fewer than its minimum of {limits.minimum}."
    if desired >= limits.maximum > limits.minimum:
        return Level.WARN, f"{tasks}, its maximum: it can't scale out further."
    return Level.OK, f"{tasks}."


@check(
    "rollouts",
    title="Deployments: rollout state",
    question="Did the last deployments succeed?",
    severity=Level.FAIL,
    runbook=DEPLOYMENTS,
)
def rollouts(services: Services, environment: Environment, scope: Scope) -> Iterator[Finding]:
    for service in services.services:
        evidence = tuple(Evidence(_told(deployment), services.reading) for deployment in service.deployments) + tuple(
            Evidence(f"event at {format_time(event.at, environment.time_zone)}: {event.message}", services.reading)
            for event in service.events
            if ROLLED_BACK.search(event.message) and event.at >= scope.now - scope.since
        )
        level, sentence = _rollout(service, environment, scope)
        undone = _undone(service, scope)
        yield Finding(
            check="rollouts",
            level=level,
            subject=service.name,
            sentence=sentence,
            evidence=evidence or (Evidence("ECS returned no deployment", services.reading),),
            procedure=None if level is Level.OK else DEPLOYMENT if undone else DEPLOYMENTS,
            place=f"services/{service.name}",
            since=_begun(service) if level is Level.FAIL else None,
            ended=undone if level is Level.WARN else None,
            is_under_way=level is Level.WARN and _is_under_way(service, scope),
        )


def _is_under_way(service: EcsService, scope: Scope) -> bool:
    """A deployment that goes on, of which nothing has failed, and that hasn't taken long enough to look stuck."""
    primary = next((each for each in service.deployments if each.status == "PRIMARY"), None)
    if primary is None or primary.rollout not in ("IN_PROGRESS", None):
        return False
    return not primary.failed and scope.now - primary.created <= STUCK


def is_rolling_back(deployment: Deployment) -> bool:
    """Whether this deployment is ECS's rollback of one that failed, and isn't complete yet."""
    return deployment.rollout == "IN_PROGRESS" and "rolling back" in deployment.rollout_reason.lower()


def _rollout(service: EcsService, environment: Environment, scope: Scope) -> tuple[Level, str]:
    primary = next((deployment for deployment in service.deployments if deployment.status == "PRIMARY"), None)
    if primary is None:
        if not is_rolled_by_ecs(service):
            return Level.WARN, f"Its deployments are not judged here: {unsupported(service)}"
        return Level.UNKNOWN, "ECS returned no deployment of it, so it is unknown whether the last one went well."
    revision, started = primary.task_definition, format_time(primary.created, environment.time_zone)
    others = [deployment for deployment in service.deployments if deployment is not primary and deployment.running]
    reason = f" {primary.rollout_reason.rstrip('.')}." if primary.rollout_reason else ""
    if primary.rollout == "FAILED":
        return Level.FAIL, f"The deployment of {revision} failed.{reason}"
    if is_rolling_back(primary):
        return Level.FAIL, f"A deployment failed and is being rolled back to {revision}.{reason}"
    if primary.failed and primary.rollout != "COMPLETED":
        return Level.FAIL, f"The deployment of {revision} is failing: {primary.failed} of its tasks failed to start."
    if primary.rollout is None and not others and is_rolled_by_ecs(service):
        return Level.UNKNOWN, f"ECS doesn't say how far the deployment of {revision} is."
    if primary.rollout == "IN_PROGRESS" or (primary.rollout is None and others):
        since = format_duration(scope.now - primary.created)
        progress = f"{primary.running} of {primary.desired} tasks run"
        return Level.WARN, f"The deployment of {revision} has been in progress for {since}; {progress}."
    if _rolled_back(service, primary, scope):
        return Level.WARN, f"A deployment failed and was rolled back; {revision} runs.{reason}"
    return Level.OK, f"{revision} is deployed, since {started}."


def _begun(service: EcsService) -> datetime | None:
    """When the deployment that fails was started."""
    return next((each.created for each in service.deployments if each.status == "PRIMARY"), None)


def _undone(service: EcsService, scope: Scope) -> datetime | None:
    """When a deployment was rolled back that nothing is left of: all wanted tasks run, and none other goes on."""
    primary = next((deployment for deployment in service.deployments if deployment.status == "PRIMARY"), None)
    if primary is None or primary.rollout != "COMPLETED" or service.running < service.desired:
        return None
    return _rolled_back(service, primary, scope)


def _rolled_back(service: EcsService, primary: Deployment, scope: Scope) -> datetime | None:
    """When a deployment was rolled back within the period, unless one has been completed after it."""
    for event in service.events:
        if event.at >= scope.now - scope.since and "rolling back to" in event.message.lower():
            later = primary.created > event.at + timedelta(minutes=1)
            return None if later else event.at
    return None


def _told(deployment: Deployment) -> str:
    return (
        f"{deployment.status} {deployment.task_definition}: rollout {deployment.rollout or 'state unknown'}, "
        f"{deployment.running} of {deployment.desired} run, {deployment.pending} pending, {deployment.failed} failed"
    )


@check(
    "task-starts",
    title="Task starts: placement, network, capacity",
    question="Can ECS place and start new tasks?",
    severity=Level.FAIL,
    runbook=TASKS_RESTARTING,
)
def task_starts(services: Services, environment: Environment, scope: Scope) -> Iterator[Finding]:
    any_event = False
    for service in services.services:
        events = [
            event
            for event in service.events
            if event.at >= scope.now - PLACEMENT_MEMORY and CANNOT_START.search(event.message)
        ]
        if not events:
            continue
        any_event = True
        message = events[0].words
        times = "once" if len(events) == 1 else f"{len(events)} times"
        last = max(event.at for event in events)
        is_past = service.running >= service.desired > 0 and scope.now - last > HEALED
        yield Finding(
            check="task-starts",
            level=Level.FAIL if service.running < service.desired else Level.WARN,
            subject=service.name,
            sentence=f"ECS could not start tasks, {times} in the last hour: {message}.",
            evidence=tuple(
                Evidence(f"event at {format_time(event.at, environment.time_zone)}: {event.message}", services.reading)
                for event in events
            ),
            procedure=TASKS_RESTARTING,
            place=f"services/{service.name}",
            since=min(event.at for event in events),
            ended=last if is_past else None,
        )
    untold = [service for service in services.services if "events" in service.unlisted]
    for service in untold:
        yield Finding(
            check="task-starts",
            level=Level.UNKNOWN,
            subject=service.name,
            sentence="ECS's answer lacks the service's events, so it is not known whether all tasks could start.",
            evidence=(Evidence("no events in ECS's answer", services.reading),),
            procedure=MORNING_CHECKS,
            place=f"services/{service.name}",
        )
    if services.services and not any_event and not untold:
        yield Finding(
            check="task-starts",
            level=Level.OK,
            subject="all services",
            sentence="ECS could place and start every task in the last hour.",
            evidence=(Evidence("no such event in the services' event logs", services.reading),),
        )
