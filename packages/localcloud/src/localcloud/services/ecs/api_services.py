"""ECS's operations on services. They change what is wanted; the scheduler brings it about."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from localcloud.core.registry import Answer, Call, operation
from localcloud.services.ecs import lookup, shapes
from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.deploying import REVISION_KEYS, revision_changed
from localcloud.services.ecs.model import Service, TaskDefinition

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

SETTABLE: Final = (
    *(key for key in REVISION_KEYS if key != "taskDefinition"),
    "deploymentConfiguration",
    "placementConstraints",
    "placementStrategy",
    "healthCheckGracePeriodSeconds",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "propagateTags",
    "availabilityZoneRebalancing",
    "deploymentController",
)


def _configuration(provided: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The deployment configuration with ECS's defaults; what an update leaves out stays as it was."""
    defaults = {
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "strategy": "ROLLING",
        "bakeTimeInMinutes": 0,
    }
    return defaults | copy.deepcopy(before) | copy.deepcopy(provided)


def _check_strategy(configuration: dict[str, Any]) -> None:
    if configuration.get("strategy", "ROLLING") != "ROLLING":
        raise lookup.invalid(f"localcloud deploys by ROLLING only, not by {configuration['strategy']}.")


def _check_balancers(cloud: Cloud, balancers: list[dict[str, Any]], definition: TaskDefinition) -> None:
    groups = cloud.moto("elbv2").target_groups
    containers = {container["name"]: container for container in definition.containers}
    for balancer in balancers:
        name, port = balancer.get("containerName"), balancer.get("containerPort")
        if name not in containers:
            raise lookup.invalid(f"The container {name} does not exist in the task definition.")
        ports = [mapping.get("containerPort") for mapping in containers[name]["portMappings"]]
        if port not in ports:
            raise lookup.invalid(f"The container {name} did not have a container port {port} defined.")
        group = groups.get(balancer.get("targetGroupArn"))
        if group is None:
            raise lookup.invalid("The specified target group does not exist.")
        if not group.load_balancer_arns:
            raise lookup.invalid(
                f"The target group with targetGroupArn {group.arn} does not have an associated load balancer."
            )


def _check_network(definition: TaskDefinition, spec: dict[str, Any]) -> None:
    subnets = spec.get("networkConfiguration", {}).get("awsvpcConfiguration", {}).get("subnets")
    if definition.body["networkMode"] == "awsvpc" and not subnets:
        raise lookup.invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")


def _network(provided: dict[str, Any]) -> dict[str, Any]:
    """A network configuration with ECS's defaults."""
    defaults = {"securityGroups": [], "assignPublicIp": "DISABLED"}
    return {"awsvpcConfiguration": defaults | provided.get("awsvpcConfiguration", {})}


@operation("ecs", "CreateService")
def create_service(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    params = call.params
    cluster = lookup.cluster(clusters, params.get("cluster"))
    name = params["serviceName"]
    arn = clusters.names.arn("service", cluster.name, name)
    known = clusters.state.services.get(arn)
    if known is not None and known.status == "ACTIVE":
        raise lookup.invalid("Creation of service was not idempotent.")
    if known is not None and known.status == "DRAINING":
        raise lookup.invalid("Unable to Start a service that is still Draining.")
    if params.get("schedulingStrategy", "REPLICA") != "REPLICA":
        raise lookup.invalid("The daemon scheduling strategy is not supported on Fargate.")
    if not params.get("taskDefinition"):
        raise lookup.invalid("TaskDefinition can not be blank.")
    definition = lookup.usable_definition(clusters, params["taskDefinition"])
    spec: dict[str, Any] = {key: copy.deepcopy(params[key]) for key in SETTABLE if params.get(key) is not None}
    spec["taskDefinition"] = definition.arn
    if "networkConfiguration" in spec:
        spec["networkConfiguration"] = _network(spec["networkConfiguration"])
    spec["deploymentConfiguration"] = _configuration(spec.get("deploymentConfiguration", {}), {})
    if spec.get("loadBalancers"):
        spec.setdefault("healthCheckGracePeriodSeconds", 0)
    strategy = spec.get("capacityProviderStrategy") or ([] if params.get("launchType") else cluster.default_strategy)
    if strategy:
        spec["capacityProviderStrategy"] = [{"weight": 0, "base": 0, **item} for item in strategy]
    else:
        spec["launchType"] = params.get("launchType", "FARGATE")
    spec.setdefault("platformVersion", "LATEST")
    spec["platformFamily"] = "Linux"
    spec["schedulingStrategy"] = "REPLICA"
    _check_strategy(spec["deploymentConfiguration"])
    _check_network(definition, spec)
    _check_balancers(cloud, spec.get("loadBalancers", []), definition)
    now = cloud.now()
    service = Service(
        name=name,
        arn=arn,
        cluster=cluster.name,
        created_at=now,
        created_by=call.principal,
        desired=params.get("desiredCount") or 0,
        spec=spec,
        tags=list(params.get("tags", [])),
    )
    clusters.state.services[arn] = service
    clusters.deploying.begin(service, now)
    clusters.wake(service)
    return {"service": shapes.service(clusters, service, ["TAGS"])}


@operation("ecs", "UpdateService")
def update_service(cloud: Cloud, call: Call) -> Answer:
    """A changed revision or ``forceNewDeployment`` begins a deployment; a changed count alone doesn't."""
    clusters = cloud.part(Clusters)
    params = call.params
    service = lookup.service(clusters, lookup.cluster(clusters, params.get("cluster")), params["service"])
    before = service.spec
    spec = copy.deepcopy(before)
    for key in SETTABLE:
        if params.get(key) is not None:
            spec[key] = copy.deepcopy(params[key])
    if params.get("networkConfiguration"):
        spec["networkConfiguration"] = _network(spec["networkConfiguration"])
    definition = clusters.definition(before["taskDefinition"])
    if params.get("taskDefinition"):
        definition = lookup.usable_definition(clusters, params["taskDefinition"])
        spec["taskDefinition"] = definition.arn
    if params.get("capacityProviderStrategy"):
        spec["capacityProviderStrategy"] = [{"weight": 0, "base": 0, **i} for i in params["capacityProviderStrategy"]]
        spec.pop("launchType", None)
    spec["deploymentConfiguration"] = _configuration(
        params.get("deploymentConfiguration", {}), before.get("deploymentConfiguration", {})
    )
    _check_strategy(spec["deploymentConfiguration"])
    _check_network(definition, spec)
    if spec.get("loadBalancers") != before.get("loadBalancers") or params.get("taskDefinition"):
        _check_balancers(cloud, spec.get("loadBalancers", []), definition)
    changed = revision_changed(before, spec)
    service.spec = spec
    if params.get("desiredCount") is not None:
        service.desired = params["desiredCount"]
    if changed or params.get("forceNewDeployment"):
        clusters.deploying.begin(service, cloud.now())
    clusters.wake(service)
    return {"service": shapes.service(clusters, service, ["TAGS"])}


@operation("ecs", "DeleteService")
def delete_service(cloud: Cloud, call: Call) -> Answer:
    """DRAINING until its last task has stopped, then INACTIVE."""
    clusters = cloud.part(Clusters)
    service = lookup.service(clusters, lookup.cluster(clusters, call.params.get("cluster")), call.params["service"])
    if service.desired > 0 and not call.params.get("force"):
        raise lookup.invalid("The service cannot be stopped while it is scaled above 0.")
    service.desired = 0
    service.status = "DRAINING"
    clusters.deploying.abandon(service, cloud.now())
    clusters.wake(service)
    return {"service": shapes.service(clusters, service)}


@operation("ecs", "DescribeServices")
def describe_services(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    cluster = lookup.cluster(clusters, call.params.get("cluster"))
    provided = call.params["services"]
    if not provided:
        raise lookup.invalid("Services cannot be empty.")
    if len(provided) > 10:
        raise lookup.invalid("Services cannot have more than 10 elements")
    found, failures = [], []
    for name in provided:
        record = lookup.find_service(clusters, cluster, name)
        if record is None:
            arn = name if name.startswith("arn:") else clusters.names.arn("service", cluster.name, name)
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            found.append(shapes.service(clusters, record, call.params.get("include", [])))
    return {"services": found, "failures": failures}


@operation("ecs", "ListServices")
def list_services(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    cluster = lookup.cluster(clusters, call.params.get("cluster"))
    launch = call.params.get("launchType")
    arns = [
        service.arn
        for service in clusters.state.services.values()
        if service.cluster == cluster.name
        and service.status != "INACTIVE"
        and launch in (None, service.spec.get("launchType"))
    ]
    page, more = lookup.page(arns, call.params, 10)
    return {"serviceArns": page, **more}
