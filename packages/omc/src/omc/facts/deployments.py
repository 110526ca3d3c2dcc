"""Service deployments: ECS's own history of what was deployed to a service, and how each ended. It keeps 90 days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import BadAnswer
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.services import Services, short_name

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import ServiceDeploymentTypeDef

KEPT_DAYS = 90
"""ECS forgets a service deployment after so long."""
A_PAGE = 100
"""The most that ListServiceDeployments returns per page."""
MOST_LISTED = 2000
"""Deployments of a service that are listed: twenty calls, and a deployment an hour for most of the ninety days."""
AT_ONCE = 40
"""Deployments that are described before checking whether more of them are wanted."""
ENOUGH = 10
"""Revisions that a history names before it stops reading. A service that was only ever restarted is read to its end."""
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
    reading: Reading = NO_READING
    read_back_to: Mapping[str, datetime] = field(default_factory=dict)
    """Services of which ECS knows more than was read: when the oldest that was read was created."""

    def under_way(self, service: str) -> ServiceDeployment | None:
        """The deployment in progress, if there is one."""
        return next((deployment for deployment in self.of.get(service, ())[:1] if deployment.under_way), None)


@reads
def read_history(aws: Gateway, services: Services) -> History:
    """A listing of each service's deployments, all pages of it; then twenty of them a call, from the newest on, until
    enough revisions are known or none is left."""
    names = [service.name for service in services.services]
    found = dict(zip(names, parallel_map(lambda name: _history(aws, name), names), strict=True))
    return History(
        of={name: deployments for name, (deployments, _) in found.items()},
        read_back_to={
            name: deployments[-1].created for name, (deployments, whole) in found.items() if deployments and not whole
        },
    )


def _history(aws: Gateway, service: str) -> tuple[tuple[ServiceDeployment, ...], bool]:
    """Newest first, and whether that is all that ECS knows."""
    arns = list_deployments(aws, service, MOST_LISTED)
    found: tuple[ServiceDeployment, ...] = ()
    read = 0
    while read < len(arns) and len({deployment.left for deployment in found if deployment.left}) < ENOUGH:
        found += describe_deployments(aws, arns[read : read + AT_ONCE])
        read += AT_ONCE
    newest_first = sorted(found, key=lambda deployment: deployment.created, reverse=True)
    return tuple(newest_first), read >= len(arns) < MOST_LISTED


def list_deployments(aws: Gateway, service: str, most: int = A_PAGE) -> tuple[str, ...]:
    """ARNs of a service's ``most`` newest deployments, newest first.

    ECS promises no order and may give pages that are shorter than asked for, so all pages are read (up to
    ``MOST_LISTED``), whatever is wanted of them.
    """
    record: dict[str, datetime] = {}
    cluster, ecs_service = aws.environment.in_ecs(service)
    wire: dict[str, Any] = {"cluster": cluster, "service": ecs_service, "maxResults": A_PAGE}
    while True:
        answer = aws.client("ecs").list_service_deployments(**wire)
        record |= {brief["serviceDeploymentArn"]: brief["createdAt"] for brief in answer["serviceDeployments"]}
        following = answer.get("nextToken")
        if not following or len(record) >= MOST_LISTED:
            break
        if following == wire.get("nextToken"):
            raise BadAnswer(f"ECS's page of {service}'s deployments names itself as the next page. Try again.")
        wire["nextToken"] = following
    return tuple(sorted(record, key=lambda arn: record[arn], reverse=True))[:most]


def describe_deployments(aws: Gateway, arns: Sequence[str]) -> tuple[ServiceDeployment, ...]:
    """Those that ECS still knows, newest first, with the task definitions of their service revisions."""
    ecs = aws.client("ecs")
    answers = parallel_map(
        lambda some: ecs.describe_service_deployments(serviceDeploymentArns=list(some)), batches(list(arns), A_CALL)
    )
    records = [deployment for answer in answers for deployment in answer["serviceDeployments"]]
    revisions = {
        revision
        for deployment in records
        for revision in (_target(deployment), deployment.get("rollback", {}).get("serviceRevisionArn", ""))
        if revision
    }
    described = parallel_map(
        lambda some: ecs.describe_service_revisions(serviceRevisionArns=list(some)), batches(sorted(revisions), A_CALL)
    )
    definitions = {
        revision["serviceRevisionArn"]: short_name(revision.get("taskDefinition", ""))
        for answer in described
        for revision in answer["serviceRevisions"]
    }
    found = (_deployment(deployment, definitions) for deployment in records)
    return tuple(sorted(found, key=lambda deployment: deployment.created, reverse=True))


def _target(record: ServiceDeploymentTypeDef) -> str:
    return record.get("targetServiceRevision", {}).get("arn", "")


def _deployment(record: ServiceDeploymentTypeDef, definitions: Mapping[str, str]) -> ServiceDeployment:
    rollback: Mapping[str, Any] = record.get("rollback", {})
    finished = record.get("finishedAt") or record.get("stoppedAt")
    return ServiceDeployment(
        arn=record["serviceDeploymentArn"],
        status=record["status"],
        reason=record.get("statusReason", ""),
        task_definition=definitions.get(_target(record), ""),
        created=record["createdAt"].astimezone(UTC),
        finished=finished.astimezone(UTC) if finished else None,
        back_to=definitions.get(rollback.get("serviceRevisionArn", ""), ""),
        rollback_reason=rollback.get("reason", ""),
        breaker=record.get("deploymentCircuitBreaker", {}).get("status", ""),
        alarms=tuple(record.get("alarms", {}).get("triggeredAlarmNames", [])),
    )
