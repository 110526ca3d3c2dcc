"""The records as the API shows them, in the shapes of botocore's model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from localcloud.services.ecs import model
from localcloud.services.ecs.model import STARTING, Status

if TYPE_CHECKING:
    from localcloud.services.ecs.records import Records


def _given(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Without what isn't there: AWS leaves a member out rather than answering null."""
    return {key: value for key, value in shape.items() if value is not None and value != ""}


def cluster(clusters: Records, record: model.Cluster, include: Iterable[str] = ()) -> dict[str, Any]:
    services = [s for s in clusters.state.services.values() if s.cluster == record.name and s.status != "INACTIVE"]
    tasks = [t for group in clusters.live.values() for t in group.values() if t.cluster == record.name]
    shape: dict[str, Any] = {
        "clusterArn": record.arn,
        "clusterName": record.name,
        "status": record.status,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": sum(task.status is Status.RUNNING for task in tasks),
        "pendingTasksCount": sum(task.status in STARTING for task in tasks),
        "activeServicesCount": sum(service.status == "ACTIVE" for service in services),
        "statistics": [],
        "tags": record.tags if "TAGS" in include else [],
        "settings": record.settings if "SETTINGS" in include else [],
        "capacityProviders": record.capacity_providers,
        "defaultCapacityProviderStrategy": record.default_strategy,
    }
    if "CONFIGURATIONS" in include and record.configuration:
        shape["configuration"] = record.configuration
    if record.service_connect:
        shape["serviceConnectDefaults"] = record.service_connect
    return shape


def _counts(tasks: Iterable[model.Task]) -> tuple[Counter[str], Counter[str]]:
    """(running, pending) by deployment: tasks that are wanted; what is on its way down is neither."""
    running: Counter[str] = Counter()
    pending: Counter[str] = Counter()
    for task in tasks:
        if task.wanted and task.status is Status.RUNNING:
            running[task.deployment] += 1
        elif task.wanted and task.status in STARTING:
            pending[task.deployment] += 1
    return running, pending


def service(clusters: Records, record: model.Service, include: Iterable[str] = ()) -> dict[str, Any]:
    running, pending = _counts(clusters.tasks_of(record))
    spec = record.spec
    shape: dict[str, Any] = {
        "serviceArn": record.arn,
        "serviceName": record.name,
        "clusterArn": clusters.names.arn("cluster", record.cluster),
        "loadBalancers": spec.get("loadBalancers", []),
        "serviceRegistries": spec.get("serviceRegistries", []),
        "status": record.status,
        "desiredCount": record.desired,
        "runningCount": running.total(),
        "pendingCount": pending.total(),
        "taskDefinition": spec["taskDefinition"],
        "deploymentConfiguration": spec.get("deploymentConfiguration", {}),
        "deployments": [
            _deployment(record, deployment, running[deployment.id], pending[deployment.id])
            for deployment in record.deployments
        ],
        "events": [{"id": event.id, "createdAt": event.at, "message": event.message} for event in record.events],
        "createdAt": record.created_at,
        "createdBy": record.created_by,
        "placementConstraints": spec.get("placementConstraints", []),
        "placementStrategy": spec.get("placementStrategy", []),
        "schedulingStrategy": spec.get("schedulingStrategy", "REPLICA"),
        "deploymentController": spec.get("deploymentController", {"type": "ECS"}),
        "enableECSManagedTags": spec.get("enableECSManagedTags", False),
        "propagateTags": spec.get("propagateTags", "NONE"),
        "enableExecuteCommand": spec.get("enableExecuteCommand", False),
        "availabilityZoneRebalancing": spec.get("availabilityZoneRebalancing", "DISABLED"),
        "healthCheckGracePeriodSeconds": spec.get("healthCheckGracePeriodSeconds"),
        "networkConfiguration": spec.get("networkConfiguration"),
        "roleArn": _role(clusters, spec),
        **_launch(spec),
    }
    if record.history and record.history[0].finished_at is None:
        shape["currentServiceDeployment"] = record.history[0].arn
    shape["currentServiceRevisions"] = [
        {
            "arn": deployment.revision.arn,
            "requestedTaskCount": _requested(record, deployment, running[deployment.id]),
            "runningTaskCount": running[deployment.id],
            "pendingTaskCount": pending[deployment.id],
        }
        for deployment in record.deployments
    ]
    if "TAGS" in include:
        shape["tags"] = record.tags
    return _given(shape)


def _role(clusters: Records, spec: Mapping[str, Any]) -> str | None:
    if not spec.get("loadBalancers"):
        return None
    names, role = clusters.names, "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    return f"arn:{names.partition}:iam::{names.account}:{role}"


def _launch(spec: Mapping[str, Any]) -> dict[str, Any]:
    shape = {key: spec.get(key) for key in ("launchType", "capacityProviderStrategy", "platformVersion")}
    return _given({**shape, "platformFamily": spec.get("platformFamily")})


def _requested(record: model.Service, deployment: model.Deployment, running: int) -> int:
    return record.desired if deployment.primary else running


def _deployment(record: model.Service, deployment: model.Deployment, running: int, pending: int) -> dict[str, Any]:
    spec = deployment.revision.spec
    return _given(
        {
            "id": deployment.id,
            "status": "PRIMARY" if deployment.primary else "ACTIVE",
            "taskDefinition": deployment.task_definition,
            "desiredCount": _requested(record, deployment, running + pending),
            "pendingCount": pending,
            "runningCount": running,
            "failedTasks": deployment.failed,
            "createdAt": deployment.created_at,
            "updatedAt": deployment.updated_at,
            "networkConfiguration": spec.get("networkConfiguration"),
            "rolloutState": str(deployment.rollout),
            "rolloutStateReason": deployment.reason,
            **_launch(spec),
        }
    )


def _resolved_platform(spec: Mapping[str, Any]) -> str:
    version = str(spec.get("platformVersion", "LATEST"))
    return "1.4.0" if version == "LATEST" else version


def task(clusters: Records, record: model.Task, include: Iterable[str] = ()) -> dict[str, Any]:
    spec = record.spec
    strategy = spec.get("capacityProviderStrategy") or []
    definition = clusters.definition(record.task_definition).body
    shape: dict[str, Any] = {
        "taskArn": record.arn,
        "clusterArn": clusters.names.arn("cluster", record.cluster),
        "taskDefinitionArn": record.task_definition,
        "group": record.group,
        "startedBy": record.started_by,
        "lastStatus": str(record.status),
        "desiredStatus": "RUNNING" if record.wanted else "STOPPED",
        "healthStatus": record.health,
        "launchType": "FARGATE" if not strategy else None,
        "capacityProviderName": strategy[0]["capacityProvider"] if strategy else None,
        "platformVersion": _resolved_platform(spec),
        "platformFamily": "Linux",
        "availabilityZone": record.interface.zone if record.interface else None,
        "attachments": _attachments(record),
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "connectivity": "CONNECTED" if record.interface else None,
        "connectivityAt": record.pull_started_at or (record.created_at if record.interface else None),
        "containers": [_container(clusters, record, container, definition) for container in record.containers],
        "cpu": str(record.cpu),
        "memory": str(record.memory),
        "createdAt": record.created_at,
        "pullStartedAt": record.pull_started_at,
        "pullStoppedAt": record.pull_stopped_at,
        "startedAt": record.started_at,
        "stoppingAt": record.stopping_at,
        "executionStoppedAt": record.execution_stopped_at,
        "stoppedAt": record.stopped_at,
        "stopCode": str(record.stop_code) if record.stop_code else None,
        "stoppedReason": record.stopped_reason,
        "enableExecuteCommand": spec.get("enableExecuteCommand", False),
        "overrides": _overrides(record),
        "tags": record.tags if "TAGS" in include else [],
        "version": record.version,
        "ephemeralStorage": {"sizeInGiB": 20},
        "fargateEphemeralStorage": {"sizeInGiB": 20},
    }
    return _given(shape)


def _overrides(record: model.Task) -> dict[str, Any]:
    provided = record.spec.get("overrides", {})
    named = {override["name"]: override for override in provided.get("containerOverrides", [])}
    containers = [named.get(container.name, {"name": container.name}) for container in record.containers]
    return {**provided, "containerOverrides": containers, "inferenceAcceleratorOverrides": []}


def _attachments(record: model.Task) -> list[dict[str, Any]]:
    interface = record.interface
    if interface is None:
        return []
    status = {Status.DEPROVISIONING: "DETACHING", Status.STOPPED: "DELETED"}.get(record.status, "ATTACHED")
    details = {
        "subnetId": interface.subnet,
        "networkInterfaceId": interface.eni,
        "macAddress": interface.mac,
        "privateDnsName": f"ip-{interface.address.replace('.', '-')}.{record.arn.split(':')[3]}.compute.internal",
        "privateIPv4Address": interface.address,
    }
    return [
        {
            "id": interface.attachment,
            "type": "ElasticNetworkInterface",
            "status": status,
            "details": [{"name": name, "value": value} for name, value in details.items()],
        }
    ]


def _container(
    clusters: Records, record: model.Task, container: model.Container, definition: Mapping[str, Any]
) -> dict[str, Any]:
    defined = next(d for d in definition["containerDefinitions"] if d["name"] == container.name)
    interfaces = []
    if record.interface is not None:
        interface = record.interface
        interfaces = [{"attachmentId": interface.attachment, "privateIpv4Address": interface.address}]
    return _given(
        {
            "containerArn": container.arn,
            "taskArn": record.arn,
            "name": container.name,
            "image": container.image,
            "imageDigest": container.digest,
            "runtimeId": container.runtime_id,
            "lastStatus": container.status,
            "exitCode": container.exit_code,
            "reason": container.reason,
            "networkBindings": [],
            "networkInterfaces": interfaces,
            "healthStatus": container.health,
            "managedAgents": _agents(record, container, record.arn in clusters.stopped_agents),
            "cpu": str(defined.get("cpu", 0)),
            "memory": str(defined["memory"]) if defined.get("memory") else None,
            "memoryReservation": str(defined["memoryReservation"]) if defined.get("memoryReservation") else None,
        }
    )


def _agents(record: model.Task, container: model.Container, has_stopped: bool) -> list[dict[str, Any]] | None:
    if not record.spec.get("enableExecuteCommand"):
        return None
    running = container.status == "RUNNING"
    agent: dict[str, Any] = {"name": "ExecuteCommandAgent", "lastStatus": "RUNNING" if running else container.status}
    if running and has_stopped:
        agent |= {"lastStatus": "STOPPED", "reason": "Received Container Stopped event"}
    if running and record.pull_stopped_at:
        agent["lastStartedAt"] = record.pull_stopped_at
    return [agent]


# --- service deployments and revisions


def service_deployment(clusters: Records, owner: model.Service, record: model.ServiceDeployment) -> dict[str, Any]:
    running, pending = _counts(clusters.tasks_of(owner))
    by_revision = {deployment.revision.arn: deployment for deployment in owner.deployments}

    def summary(arn: str, requested: int, at_end: int) -> dict[str, Any]:
        deployment = by_revision.get(arn)
        there = running[deployment.id] if deployment else 0
        waiting = pending[deployment.id] if deployment else 0
        if record.finished_at is not None:
            there, waiting = at_end, 0
        return {
            "arn": arn,
            "requestedTaskCount": requested,
            "runningTaskCount": there,
            "pendingTaskCount": waiting,
        }

    shape: dict[str, Any] = {
        **service_deployment_brief(clusters, owner, record),
        "stoppedAt": record.stopped_at,
        "updatedAt": record.updated_at,
        "sourceServiceRevisions": [summary(arn, 0, 0) for arn in record.sources],
        "targetServiceRevision": summary(record.target, record.requested, record.final_running),
        "deploymentConfiguration": record.configuration,
        "deploymentCircuitBreaker": {
            "status": record.breaker,
            "failureCount": record.failures,
            "threshold": record.threshold,
        },
        "alarms": {
            "status": record.alarms,
            "alarmNames": record.alarm_names,
            "triggeredAlarmNames": record.triggered_alarms,
        },
    }
    del shape["targetServiceRevisionArn"]
    if record.rollback_revision:
        shape["rollback"] = {
            "reason": record.rollback_reason,
            "startedAt": record.rollback_started_at,
            "serviceRevisionArn": record.rollback_revision,
        }
    return _given(shape)


def service_deployment_brief(
    clusters: Records, owner: model.Service, record: model.ServiceDeployment
) -> dict[str, Any]:
    return _given(
        {
            "serviceDeploymentArn": record.arn,
            "serviceArn": owner.arn,
            "clusterArn": clusters.names.arn("cluster", owner.cluster),
            "startedAt": record.started_at,
            "createdAt": record.created_at,
            "finishedAt": record.finished_at,
            "targetServiceRevisionArn": record.target,
            "status": record.status,
            "statusReason": record.status_reason,
        }
    )


def service_revision(clusters: Records, owner: model.Service, record: model.Revision) -> dict[str, Any]:
    shape = {
        "serviceRevisionArn": record.arn,
        "serviceArn": owner.arn,
        "clusterArn": clusters.names.arn("cluster", owner.cluster),
        "createdAt": record.created_at,
        "guardDutyEnabled": False,
        **record.spec,
    }
    if record.spec.get("platformVersion"):
        shape["platformVersion"] = _resolved_platform(record.spec)
        shape["platformFamily"] = "Linux"
    return shape
