"""ECS's operations on clusters, their capacity providers, and the account's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.ecs import lookup, shapes
from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.model import Cluster

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

PROVIDERS: Final = ("FARGATE", "FARGATE_SPOT")
DESCRIBED: Final = ("SETTINGS", "CONFIGURATIONS", "TAGS")

ACCOUNT_SETTINGS: Final = {
    "serviceLongArnFormat": "enabled",
    "taskLongArnFormat": "enabled",
    "containerInstanceLongArnFormat": "enabled",
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "fargateFIPSMode": "disabled",
    "tagResourceAuthorization": "off",
    "fargateTaskRetirementWaitPeriod": "7",
    "guardDutyActivate": "off",
    "defaultLogDriverMode": "non-blocking",
    "dualStackIPv6": "disabled",
}


def _merged_settings(clusters: Clusters, provided: list[dict[str, str]]) -> list[dict[str, str]]:
    chosen = {setting["name"]: setting["value"] for setting in provided}
    default = clusters.state.account_settings.get("containerInsights", "disabled")
    return [{"name": "containerInsights", "value": chosen.get("containerInsights", default)}]


def _check_providers(names: list[str]) -> None:
    for name in names:
        if name not in PROVIDERS:
            raise lookup.invalid(
                f"The specified capacity provider '{name}' was not found. localcloud has {' and '.join(PROVIDERS)}."
            )


@operation("ecs", "CreateCluster")
def create_cluster(cloud: Cloud, call: Call) -> Answer:
    """Creating a cluster that is there already answers it as it is."""
    clusters = cloud.part(Clusters)
    name = call.params.get("clusterName") or "default"
    known = clusters.state.clusters.get(name)
    if known is None or known.status != "ACTIVE":
        _check_providers(call.params.get("capacityProviders", []))
        known = Cluster(
            name=name,
            arn=clusters.names.arn("cluster", name),
            settings=_merged_settings(clusters, call.params.get("settings", [])),
            configuration=dict(call.params.get("configuration", {})),
            capacity_providers=list(call.params.get("capacityProviders", [])),
            default_strategy=list(call.params.get("defaultCapacityProviderStrategy", [])),
            service_connect=dict(call.params.get("serviceConnectDefaults", {})),
            tags=list(call.params.get("tags", [])),
        )
        clusters.state.clusters[name] = known
        cloud.touch()
    return {"cluster": shapes.cluster(clusters, known, DESCRIBED)}


@operation("ecs", "DescribeClusters")
def describe_clusters(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    found, failures = [], []
    for provided in call.params.get("clusters") or ["default"]:
        record = lookup.find_cluster(clusters, provided)
        if record is None:
            arn = provided if provided.startswith("arn:") else clusters.names.arn("cluster", provided)
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            found.append(shapes.cluster(clusters, record, call.params.get("include", [])))
    return {"clusters": found, "failures": failures}


@operation("ecs", "ListClusters")
def list_clusters(cloud: Cloud, call: Call) -> Answer:
    records = cloud.part(Clusters).state.clusters.values()
    arns = [record.arn for record in records if record.status == "ACTIVE"]
    page, more = lookup.page(arns, call.params, 100)
    return {"clusterArns": page, **more}


@operation("ecs", "UpdateCluster")
def update_cluster(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    record = lookup.cluster(clusters, call.params["cluster"])
    if "settings" in call.params:
        record.settings = _merged_settings(clusters, call.params["settings"])
    if "configuration" in call.params:
        record.configuration = dict(call.params["configuration"])
    if "serviceConnectDefaults" in call.params:
        record.service_connect = dict(call.params["serviceConnectDefaults"])
    cloud.touch()
    return {"cluster": shapes.cluster(clusters, record, DESCRIBED)}


@operation("ecs", "UpdateClusterSettings")
def update_cluster_settings(cloud: Cloud, call: Call) -> Answer:
    return update_cluster(cloud, call)


@operation("ecs", "PutClusterCapacityProviders")
def put_cluster_capacity_providers(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    record = lookup.cluster(clusters, call.params["cluster"])
    _check_providers(call.params["capacityProviders"])
    record.capacity_providers = list(call.params["capacityProviders"])
    record.default_strategy = [
        {"weight": 0, "base": 0, **item} for item in call.params["defaultCapacityProviderStrategy"]
    ]
    cloud.touch()
    return {"cluster": shapes.cluster(clusters, record, DESCRIBED)}


@operation("ecs", "DeleteCluster")
def delete_cluster(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    record = lookup.cluster(clusters, call.params["cluster"])
    if any(s.cluster == record.name and s.status == "ACTIVE" for s in clusters.state.services.values()):
        raise AwsError("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
    if any(task.cluster == record.name for tasks in clusters.live.values() for task in tasks.values()):
        raise AwsError("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
    record.status = "INACTIVE"
    cloud.touch()
    return {"cluster": shapes.cluster(clusters, record, DESCRIBED)}


@operation("ecs", "DescribeCapacityProviders")
def describe_capacity_providers(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    provided = [name.rsplit("/", 1)[-1] for name in call.params.get("capacityProviders") or PROVIDERS]
    found: list[dict[str, Any]] = [
        {"capacityProviderArn": clusters.names.arn("capacity-provider", name), "name": name, "status": "ACTIVE"}
        for name in provided
        if name in PROVIDERS
    ]
    failures = [
        {"arn": clusters.names.arn("capacity-provider", name), "reason": "MISSING"}
        for name in provided
        if name not in PROVIDERS
    ]
    return {"capacityProviders": found, "failures": failures}


@operation("ecs", "ListAccountSettings")
def list_account_settings(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    chosen = clusters.state.account_settings
    values = {**ACCOUNT_SETTINGS, **chosen} if call.params.get("effectiveSettings") else chosen
    name = call.params.get("name")
    settings = [_setting(clusters, key, value) for key, value in values.items() if name in (None, key)]
    return {"settings": settings}


def _setting(clusters: Clusters, name: str, value: str) -> dict[str, str]:
    root = f"arn:{clusters.names.partition}:iam::{clusters.names.account}:root"
    return {"name": name, "value": value, "principalArn": root, "type": "user"}


@operation("ecs", "PutAccountSettingDefault")
def put_account_setting_default(cloud: Cloud, call: Call) -> Answer:
    clusters = cloud.part(Clusters)
    name, value = call.params["name"], call.params["value"]
    if name not in ACCOUNT_SETTINGS:
        raise lookup.invalid(f"The specified account setting {name} is not valid.")
    clusters.state.account_settings[name] = value
    cloud.touch()
    return {"setting": _setting(clusters, name, value)}


@operation("ecs", "PutAccountSetting")
def put_account_setting(cloud: Cloud, call: Call) -> Answer:
    return put_account_setting_default(cloud, call)
