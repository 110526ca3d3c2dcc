"""Service deployments: ECS's own history of what was deployed to a service, and how each ended. It keeps 90 days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from omc.aws.batches import batches
from omc.aws.calls import side_by_side
from omc.aws.gateway import Gateway
from omc.facts.collector import UNREAD, Reading, reads
from omc.facts.services import Services, short_name

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import ServiceDeploymentTypeDef

NEWEST = 40
"""Deployments of a service that are looked at."""
A_CALL = 20
"""DescribeServiceDeployments and DescribeServiceRevisions take so many ARNs."""
UNDER_WAY = frozenset({"PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
ROLLED_BACK = frozenset({"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"})


@dataclass(frozen=True, slots=True)
class ServiceDeployment:
    """One deployment of one service."""

    arn: str
    status: str
    """PENDING, IN_PROGRESS, SUCCESSFUL, STOP_REQUESTED, STOPPED, ROLLBACK_REQUESTED, ROLLBACK_IN_PROGRESS,
    ROLLBACK_SUCCESSFUL or ROLLBACK_FAILED."""
    reason: str
    task_definition: str
    """``family:revision`` that was deployed; empty where ECS has forgotten it."""
    created: datetime
    finished: datetime | None
    back_to: str = ""
    """``family:revision`` that it was rolled back to."""
    rollback_reason: str = ""
    breaker: str = ""
    """DISABLED, MONITORING, MONITORING_COMPLETE or TRIGGERED."""
    alarms: tuple[str, ...] = ()
    """Alarms that ended it."""

    @property
    def under_way(self) -> bool:
        return self.status in UNDER_WAY

    @property
    def left(self) -> str:
        """The revision that it left in service; empty where it left nothing new."""
        if self.status == "SUCCESSFUL":
            return self.task_definition
        return self.back_to if self.status == "ROLLBACK_SUCCESSFUL" else ""


@dataclass(frozen=True, slots=True)
class History:
    """By service, newest first."""

    of: Mapping[str, tuple[ServiceDeployment, ...]]
    reading: Reading = UNREAD

    def under_way(self, service: str) -> ServiceDeployment | None:
        """The deployment that goes on, if one does."""
        return next((deployment for deployment in self.of.get(service, ())[:1] if deployment.under_way), None)


@reads
def read_history(aws: Gateway, services: Services) -> History:
    """One listing a service, then twenty deployments, and twenty service revisions, a call."""
    names = [service.name for service in services.services]
    found = side_by_side(lambda name: list_deployments(aws, name, NEWEST), names)
    return History({name: describe_deployments(aws, arns) for name, arns in zip(names, found, strict=True)})


def list_deployments(aws: Gateway, service: str, most: int = 20) -> tuple[str, ...]:
    """ARNs of a service's deployments, newest first."""
    told = aws.client("ecs").list_service_deployments(
        cluster=aws.environment.cluster, service=service, maxResults=min(most, 100)
    )
    return tuple(brief["serviceDeploymentArn"] for brief in told["serviceDeployments"])[:most]


def describe_deployments(aws: Gateway, arns: Sequence[str]) -> tuple[ServiceDeployment, ...]:
    """Those that ECS still knows, newest first, with the task definitions of their service revisions."""
    ecs = aws.client("ecs")
    answers = side_by_side(
        lambda some: ecs.describe_service_deployments(serviceDeploymentArns=list(some)), batches(list(arns), A_CALL)
    )
    told = [deployment for answer in answers for deployment in answer["serviceDeployments"]]
    revisions = {
        revision
        for deployment in told
        for revision in (_target(deployment), deployment.get("rollback", {}).get("serviceRevisionArn", ""))
        if revision
    }
    described = side_by_side(
        lambda some: ecs.describe_service_revisions(serviceRevisionArns=list(some)), batches(sorted(revisions), A_CALL)
    )
    definitions = {
        revision["serviceRevisionArn"]: short_name(revision.get("taskDefinition", ""))
        for answer in described
        for revision in answer["serviceRevisions"]
    }
    found = (_deployment(deployment, definitions) for deployment in told)
    return tuple(sorted(found, key=lambda deployment: deployment.created, reverse=True))


def _target(told: ServiceDeploymentTypeDef) -> str:
    return told.get("targetServiceRevision", {}).get("arn", "")


def _deployment(told: ServiceDeploymentTypeDef, definitions: Mapping[str, str]) -> ServiceDeployment:
    rollback: Mapping[str, Any] = told.get("rollback", {})
    finished = told.get("finishedAt") or told.get("stoppedAt")
    return ServiceDeployment(
        arn=told["serviceDeploymentArn"],
        status=told["status"],
        reason=told.get("statusReason", ""),
        task_definition=definitions.get(_target(told), ""),
        created=told["createdAt"].astimezone(UTC),
        finished=finished.astimezone(UTC) if finished else None,
        back_to=definitions.get(rollback.get("serviceRevisionArn", ""), ""),
        rollback_reason=rollback.get("reason", ""),
        breaker=told.get("deploymentCircuitBreaker", {}).get("status", ""),
        alarms=tuple(told.get("alarms", {}).get("triggeredAlarmNames", [])),
    )
