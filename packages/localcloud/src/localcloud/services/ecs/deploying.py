"""Deployments of a service: begun, completed, failed, rolled back. Records only; ``component`` starts and stops tasks.

Wording and states follow ECS: its service events, rollout reasons and service deployments are what a person or a
program sees of a deployment.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from localcloud.services.ecs.decide import Verdict, breaker_threshold
from localcloud.services.ecs.model import (
    KEEP_EVENTS,
    Deployment,
    Event,
    Names,
    Revision,
    Rollout,
    Service,
    ServiceDeployment,
    new_number,
    new_short_id,
)

REVISION_KEYS: Final = (
    "taskDefinition",
    "capacityProviderStrategy",
    "launchType",
    "platformVersion",
    "platformFamily",
    "loadBalancers",
    "serviceRegistries",
    "networkConfiguration",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "fargateEphemeralStorage",
    "vpcLatticeConfigurations",
)
"""What makes up a service revision: a change of any of these is a new deployment."""

KEEP_HISTORY: Final = 100

Announce = Callable[[Service, str, str, str, str], None]
"""(service, event type, event name, deployment id, reason): the EventBridge event of a deployment's change."""


@dataclass(frozen=True, slots=True)
class Deploying:
    """The tools that changes of deployments need."""

    names: Names
    announce: Announce
    breached: Callable[[Iterable[str]], list[str]]
    """Which of these CloudWatch alarms are in ALARM."""

    def begin(self, service: Service, now: datetime) -> Deployment:
        """A new deployment of what the service's spec says now; it replaces the one under way, if there is one."""
        revision = self._new_revision(service, now)
        record = ServiceDeployment(
            arn=self.names.arn("service-deployment", service.cluster, service.name, new_short_id()),
            target=revision.arn,
            sources=[service.primary.revision.arn] if service.deployments else [],
            created_at=now,
            updated_at=now,
            requested=service.desired,
            configuration=copy.deepcopy(service.spec.get("deploymentConfiguration", {})),
        )
        alarms = record.configuration.get("alarms", {})
        breaker = record.configuration.get("deploymentCircuitBreaker", {})
        record.breaker = "MONITORING" if breaker.get("enable") else "DISABLED"
        record.threshold = breaker_threshold(service.desired, breaker) if breaker.get("enable") else 0
        record.alarm_names = list(alarms.get("alarmNames", []))
        # One that is in ALARM at the beginning makes ECS heed none of them until the end: it may be the failure that
        # this deployment mends (developer guide, "How CloudWatch alarms detect Amazon ECS deployment failures").
        heeded = alarms.get("enable") and not self.breached(record.alarm_names)
        record.alarms = "MONITORING" if heeded else "DISABLED"
        self._supersede(service, now)
        service.history.insert(0, record)
        del service.history[KEEP_HISTORY:]
        messages = {arn for kept in service.history for arn in (kept.target, kept.rollback_revision, *kept.sources)}
        service.revisions = [kept for kept in service.revisions if kept.arn in messages]
        deployment = self._insert(service, revision, record.arn, now)
        self.announce(
            service, "INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", deployment.id, f"{_ecs(deployment)} in progress."
        )
        return deployment

    def _new_revision(self, service: Service, now: datetime) -> Revision:
        spec = {key: copy.deepcopy(service.spec[key]) for key in REVISION_KEYS if service.spec.get(key)}
        revision = Revision(self.names.arn("service-revision", service.cluster, service.name, new_number()), now, spec)
        service.revisions.append(revision)
        return revision

    def _insert(self, service: Service, revision: Revision, record: str, now: datetime) -> Deployment:
        for other in service.deployments:
            other.primary = False
        deployment = Deployment(f"ecs-svc/{new_number()}", revision, record, now, now)
        deployment.reason = f"{_ecs(deployment)} in progress."
        service.deployments.insert(0, deployment)
        service.steady = False
        service.failures, service.not_before = 0, 0.0
        return deployment

    def _supersede(self, service: Service, now: datetime) -> None:
        for record in service.history:
            if record.finished_at is None and record.stopped_at is None:
                record.status = "STOPPED"
                record.status_reason = "A new service deployment replaced this one before it was complete."
                record.stopped_at = record.finished_at = record.updated_at = now
                _settle_monitors(record)

    def in_progress(self, service: Service, now: datetime) -> None:
        """The scheduler took the deployment up."""
        record = service.service_deployment(service.primary.service_deployment)
        if record is not None and record.status == "PENDING":
            record.status = "IN_PROGRESS"
            record.started_at = record.updated_at = now

    def conclude(self, service: Service, verdict: Verdict, now: datetime) -> None:
        """Act on what ``scheduler.judge`` found for the primary deployment."""
        if verdict is Verdict.COMPLETED:
            self._complete(service, now)
        elif verdict in (Verdict.TASKS_FAILED, Verdict.ALARM):
            self._fail(service, verdict, now)

    def _complete(self, service: Service, now: datetime) -> None:
        deployment = service.primary
        deployment.rollout, deployment.updated_at = Rollout.COMPLETED, now
        deployment.reason = f"{_ecs(deployment)} completed."
        deployment.failed = 0
        record = service.service_deployment(deployment.service_deployment)
        if record is not None:
            record.status = "ROLLBACK_SUCCESSFUL" if deployment.rollback else "SUCCESSFUL"
            record.finished_at = record.updated_at = now
            record.final_running = service.desired
            _settle_monitors(record)
        add_event(service, f"(service {service.name}) (deployment {deployment.id}) deployment completed.", now)
        self.announce(service, "INFO", "SERVICE_DEPLOYMENT_COMPLETED", deployment.id, deployment.reason)

    def _fail(self, service: Service, verdict: Verdict, now: datetime) -> None:
        deployment = service.primary
        configuration = service.spec.get("deploymentConfiguration", {})
        alarm = verdict is Verdict.ALARM
        cause = "ECS deployment alarm" if alarm else "ECS deployment circuit breaker"
        record = service.service_deployment(deployment.service_deployment)
        if record is not None:
            record.failures = deployment.failed
            record.updated_at = now
            if alarm:
                record.alarms = "TRIGGERED"
            else:
                record.breaker = "TRIGGERED"
        deployment.rollout, deployment.updated_at = Rollout.FAILED, now
        deployment.reason = f"{cause}: {verdict.value}"
        message = f"(service {service.name}) (deployment {deployment.id}) deployment failed: {verdict.value}"
        add_event(service, message, now)
        self.announce(service, "ERROR", "SERVICE_DEPLOYMENT_FAILED", deployment.id, deployment.reason)
        wanted = configuration.get("alarms" if alarm else "deploymentCircuitBreaker", {}).get("rollback")
        if not wanted or deployment.rollback or not self.roll_back(service, cause, deployment.reason, now):
            deployment.frozen = True
            if record is not None:
                record.status = "ROLLBACK_FAILED" if wanted else "STOPPED"
                record.status_reason = deployment.reason
                record.finished_at = record.stopped_at = now

    def roll_back(self, service: Service, cause: str, why: str, now: datetime) -> bool:
        """Make the last revision that was completed the primary again; ``False`` where there is none."""
        failed = service.primary
        revision = last_completed(service)
        if revision is None or revision.arn == failed.revision.arn:
            return False
        record = service.service_deployment(failed.service_deployment)
        deployment = self._insert(service, revision, failed.service_deployment, now)
        deployment.rollback = True
        deployment.reason = f"{cause}: rolling back to deploymentId {deployment.id}."
        service.spec.update(copy.deepcopy({k: v for k, v in revision.spec.items() if k in REVISION_KEYS}))
        if record is not None:
            record.status, record.status_reason = "ROLLBACK_IN_PROGRESS", why
            record.rollback_reason = why
            record.rollback_started_at = record.updated_at = now
            record.rollback_revision = revision.arn
        add_event(service, f"(service {service.name}) rolling back to deployment {deployment.id}.", now)
        self.announce(service, "INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", deployment.id, deployment.reason)
        return True

    def abandon(self, service: Service, now: datetime) -> None:
        """The service is being deleted: what was under way ends here."""
        self._supersede(service, now)


def _settle_monitors(record: ServiceDeployment) -> None:
    if record.breaker == "MONITORING":
        record.breaker = "MONITORING_COMPLETE"
    if record.alarms == "MONITORING":
        record.alarms = "MONITORING_COMPLETE"


def _ecs(deployment: Deployment) -> str:
    return f"ECS deployment {deployment.id}"


def last_completed(service: Service) -> Revision | None:
    """The revision that the last successful service deployment left running."""
    for record in service.history:
        if record.status in ("SUCCESSFUL", "ROLLBACK_SUCCESSFUL"):
            return service.revision(record.rollback_revision or record.target)
    return None


def add_event(service: Service, message: str, now: datetime) -> None:
    """Put an event first in the service's list; the same message again right after itself is left out."""
    if service.events and service.events[0].message == message and not message.endswith("steady state."):
        return
    service.events.insert(0, Event(str(uuid.uuid4()), now, message))
    del service.events[KEEP_EVENTS:]


def revision_changed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether an update of a service calls for a new deployment."""
    return any(before.get(key) != after.get(key) for key in REVISION_KEYS)
