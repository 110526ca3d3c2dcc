"""ECS's operations on service deployments and service revisions: the history of what was deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.ecs import lookup, shapes
from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.model import Rollout, Service, ServiceDeployment

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


def _find(clusters: Clusters, arn: str) -> tuple[Service, ServiceDeployment] | None:
    for service in clusters.state.services.values():
        record = service.service_deployment(arn)
        if record is not None:
            return service, record
    return None


@operation("ecs", "ListServiceDeployments")
def list_service_deployments(cloud: Cloud, call: Call) -> Answer:
    """Latest first."""
    clusters = cloud.part(Clusters)
    cluster = lookup.cluster(clusters, call.params.get("cluster"))
    service = lookup.find_service(clusters, cluster, call.params["service"])
    if service is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    statuses, span = call.params.get("status"), call.params.get("createdAt", {})
    briefs = [
        shapes.service_deployment_brief(clusters, service, record)
        for record in service.history
        if (not statuses or record.status in statuses)
        and ("after" not in span or record.created_at >= span["after"])
        and ("before" not in span or record.created_at <= span["before"])
    ]
    page, more = lookup.page(briefs, call.params, 20)
    return {"serviceDeployments": page, **more}


@operation("ecs", "DescribeServiceDeployments")
def describe_service_deployments(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    found, failures = [], []
    for arn in call.params["serviceDeploymentArns"]:
        owned = _find(clusters, arn)
        if owned is None:
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            found.append(shapes.service_deployment(clusters, *owned))
    return {"serviceDeployments": found, "failures": failures}


@operation("ecs", "DescribeServiceRevisions")
def describe_service_revisions(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    known = {
        revision.arn: (service, revision)
        for service in clusters.state.services.values()
        for revision in service.revisions
    }
    arns = call.params["serviceRevisionArns"]
    return {
        "serviceRevisions": [shapes.service_revision(clusters, *known[arn]) for arn in arns if arn in known],
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known],
    }


@operation("ecs", "StopServiceDeployment")
def stop_service_deployment(cloud: Cloud, call: Call) -> Answer:
    """ROLLBACK goes back to the last completed revision; ABORT stops where the deployment is."""
    clusters = cloud.part(Clusters)
    arn = call.params["serviceDeploymentArn"]
    owned = _find(clusters, arn)
    if owned is None:
        raise AwsError("ServiceDeploymentNotFoundException", "The service deployment was not found.")
    service, record = owned
    if record.status not in ("PENDING", "IN_PROGRESS"):
        raise AwsError("ConflictException", f"The service deployment can't be stopped: its status is {record.status}.")
    now = cloud.now()
    why = "The service deployment was stopped by the user."
    failed = service.primary
    if call.params.get("stopType", "ROLLBACK") == "ROLLBACK":
        if not clusters.deploying.roll_back(service, "ECS deployment stopped", why, now):
            raise AwsError(
                "ConflictException",
                "The service deployment can't be rolled back: no earlier deployment of the service was completed.",
            )
    else:
        failed.frozen = True
        record.status, record.status_reason = "STOPPED", why
        record.finished_at = now
    record.stopped_at = record.updated_at = now
    failed.rollout, failed.reason, failed.updated_at = Rollout.FAILED, why, now
    clusters.wake(service)
    return {"serviceDeploymentArn": arn}
