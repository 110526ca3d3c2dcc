"""ECS: what CreateService, UpdateService, RunTask and the lists refuse (API reference)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from localcloud.core.registry import AwsError, Call, rule
from localcloud.services.ecs import lookup
from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.lookup import invalid

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
PLATFORMS: Final = ("LATEST", "1.4.0", "1.3.0")
"""Platform versions of Fargate for Linux that can still be asked for."""
MOST_SUBNETS, MOST_GROUPS, MOST_BALANCERS = 16, 5, 5
PERCENTS: Final = {"minimumHealthyPercent": (0, 100), "maximumPercent": (100, 200)}
STARTED_BY: Final = 128
"""Characters of ``startedBy``."""
PROVIDERS: Final = ("FARGATE", "FARGATE_SPOT")
MOST_WEIGHT, MOST_BASE = 1000, 100_000


@rule("ecs", "CreateService", "RunTask")
def check_launch(cloud: Cloud, call: Call) -> None:
    params = call.params
    kind = params.get("launchType")
    if kind and params.get("capacityProviderStrategy"):
        raise invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    if kind in ("EC2", "EXTERNAL", "MANAGED_INSTANCES"):
        # RunTask says so in AWS. CreateService waits there for instances; here none can ever come.
        raise invalid("No Container Instances were found in your cluster.")
    for key, what in (("placementConstraints", "constraints"), ("placementStrategy", "strategies")):
        if params.get(key):
            raise invalid(f"Placement {what} are not supported with FARGATE launch type.")
    _check_fargate_definition(cloud, params)


def _check_fargate_definition(cloud: Cloud, params: Mapping[str, Any]) -> None:
    if not params.get("taskDefinition") or not cloud.has(Clusters):
        return
    definition = lookup.find_definition(cloud.part(Clusters), params["taskDefinition"])
    request = definition.body.get("requiresCompatibilities") if definition else None
    if request and "FARGATE" not in request:
        raise invalid("Task definition does not support launch_type FARGATE.")


@rule("ecs", "CreateService", "UpdateService", "RunTask")
def check_platform(cloud: Cloud, call: Call) -> None:
    version = call.params.get("platformVersion")
    if version and version not in PLATFORMS:
        raise AwsError("PlatformUnknownException", "The specified platform does not exist.")


@rule("ecs", "CreateService", "UpdateService", "RunTask")
def check_providers(cloud: Cloud, call: Call) -> None:
    strategy = call.params.get("capacityProviderStrategy") or ()
    if not strategy:
        return
    names = [item["capacityProvider"] for item in strategy]
    if len(set(names)) < len(names):
        raise invalid("The capacity provider strategy cannot contain duplicate capacity providers.")
    cluster = lookup.find_cluster(cloud.part(Clusters), call.params.get("cluster"))
    there = {*(cluster.capacity_providers if cluster else ())}
    if cluster is not None and not set(names) <= there:
        raise invalid(
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with "
            "the cluster. Associate the capacity provider with the cluster and try again."
        )
    for item in strategy:
        if not 0 <= item.get("weight", 0) <= MOST_WEIGHT or not 0 <= item.get("base", 0) <= MOST_BASE:
            raise invalid(f"A capacity provider's weight is 0 to {MOST_WEIGHT}, its base 0 to {MOST_BASE}.")
    if sum(1 for item in strategy if item.get("base", 0) > 0) > 1:
        raise invalid("Only one capacity provider in a strategy can have a base defined.")
    if all(item.get("weight", 0) == 0 for item in strategy) and len(strategy) > 1:
        raise invalid("The capacity provider strategy needs a capacity provider with a weight above 0.")


@rule("ecs", "CreateService", "UpdateService", "RunTask")
def check_network(cloud: Cloud, call: Call) -> None:
    provided = (call.params.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if provided is None:
        return
    subnets, groups = provided.get("subnets") or (), provided.get("securityGroups") or ()
    if len(subnets) > MOST_SUBNETS:
        raise invalid(f"subnets can have at most {MOST_SUBNETS} items.")
    if len(groups) > MOST_GROUPS:
        raise invalid(f"securityGroups can have at most {MOST_GROUPS} items.")
    ec2 = cloud.moto("ec2")
    known = {subnet.id: subnet for zone in ec2.subnets.values() for subnet in zone.values()}
    for name in subnets:
        if name not in known:
            raise invalid(
                f"Error retrieving subnet information for [{', '.join(subnets)}]: The subnet ID '{name}' does not "
                "exist (ErrorCode: InvalidSubnetID.NotFound)"
            )
    networks = {known[name].vpc_id for name in subnets}
    if len(networks) > 1:
        raise invalid("The subnets must belong to one VPC.")
    for name in groups:
        group = ec2.get_security_group_from_id(name)
        if group is None:
            raise invalid(
                f"Error retrieving security group information for [{', '.join(groups)}]: The security group '{name}' "
                "does not exist (ErrorCode: InvalidGroup.NotFound)"
            )
        if networks and group.vpc_id not in networks:
            raise invalid(f"Security Group {name} does not appear to belong to the same VPC as the input subnets.")


@rule("ecs", "CreateService", "UpdateService")
def check_service(cloud: Cloud, call: Call) -> None:
    params = call.params
    if call.operation == "CreateService" and not NAME.fullmatch(params["serviceName"]):
        raise invalid("The service name is 1 to 255 letters, numbers, underscores and hyphens.")
    if (params.get("desiredCount") or 0) < 0:
        raise invalid("desiredCount cannot be negative.")
    grace = params.get("healthCheckGracePeriodSeconds")
    if grace is not None and not 0 <= grace <= 2_147_483_647:
        raise invalid("healthCheckGracePeriodSeconds is 0 to 2147483647.")
    if grace and call.operation == "CreateService" and not params.get("loadBalancers"):
        raise invalid("Health check grace period is only valid for services configured to use load balancers")
    if len(params.get("loadBalancers") or ()) > MOST_BALANCERS:
        raise invalid(f"loadBalancers can have at most {MOST_BALANCERS} items.")
    controller = (params.get("deploymentController") or {}).get("type", "ECS")
    if controller != "ECS":
        raise invalid(f"localcloud deploys by the deployment controller ECS only, not by {controller}.")
    _check_deployment(params.get("deploymentConfiguration") or {})


def _check_deployment(configuration: Mapping[str, Any]) -> None:
    for name, (least, most) in PERCENTS.items():
        value = configuration.get(name)
        if value is not None and not least <= value <= most:
            raise invalid(f"{name} must be between {least} and {most}, not {value}.")
    if configuration.get("maximumPercent") == 100 and configuration.get("minimumHealthyPercent", 100) == 100:
        raise invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
    alarms = configuration.get("alarms") or {}
    if alarms.get("enable") and not alarms.get("alarmNames"):
        raise invalid("alarmNames must name an alarm where deployment alarms are enabled.")
    bake = configuration.get("bakeTimeInMinutes")
    if bake is not None and not 0 <= bake <= 1440:
        raise invalid("bakeTimeInMinutes must be between 0 and 1440.")


@rule("ecs", "RunTask")
def check_run(cloud: Cloud, call: Call) -> None:
    params = call.params
    if len(params.get("startedBy") or "") > STARTED_BY:
        raise invalid(f"startedBy can have at most {STARTED_BY} characters.")
    if len(params.get("clientToken") or "") > 64:
        raise invalid("clientToken can have at most 64 characters.")


@rule(
    "ecs",
    "ListClusters",
    "ListServiceDeployments",
    "ListServices",
    "ListTaskDefinitionFamilies",
    "ListTaskDefinitions",
    "ListTasks",
)
def check_page(cloud: Cloud, call: Call) -> None:
    most = call.params.get("maxResults")
    if most is not None and not 1 <= most <= 100:
        raise invalid("maxResults must be between 1 and 100.")


@rule(
    "ecs",
    "CreateService",
    "RunTask",
    "RegisterTaskDefinition",
    "CreateCluster",
    "TagResource",
)
def check_tags(cloud: Cloud, call: Call) -> None:
    tags = call.params.get("tags") or ()
    keys = [tag.get("key") for tag in tags]
    if len(set(keys)) < len(keys):
        raise invalid("Duplicate tag keys found.")
    if len(tags) > 50:
        raise invalid("Too many tags: a resource has at most 50.")
    if any(str(key or "").lower().startswith("aws:") for key in keys):
        raise invalid("Tag keys can't begin with aws:, which is reserved.")
