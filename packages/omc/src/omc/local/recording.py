"""Writing a real environment down, by the API alone, so that its like can be made in a local cloud.

What is written is what the calls that make such things take, without addresses: where one stands there is a
placeholder, ``${target_group.NAME.arn}``. No secret's value is ever read, and what looks like one among the variables
of a container is left out. ``localcloud make`` reads the file; docs/localcloud.md describes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from omc.aws.gateway import Gateway
from omc.config import Environment, Service
from omc.errors import WrongUse
from omc.redaction import mask
from omc.secret_names import is_secret_name

VERSION: Final = 1
"""Of the file's format."""
MADE_UP: Final = "${made-up}"
"""In place of a value that is, or looks like, a secret: whoever makes the stack makes one up."""
LABEL: Final = "stand-in.recorded"
"""A docker label by which a stand-in's container says what it stands for; so a copy's copy is the same again."""
OURS: Final = "STAND_IN_"
"""How variables begin that a stand-in alone has."""
SERVICES_AT_ONCE: Final = 10
"""That DescribeServices takes (ECS API reference)."""

SERVICE: Final = (
    "serviceName", "desiredCount", "launchType", "capacityProviderStrategy", "healthCheckGracePeriodSeconds",
    "enableExecuteCommand", "propagateTags",
)  # fmt: skip
DEFINITION: Final = ("family", "cpu", "memory", "networkMode", "runtimePlatform")
CONTAINER: Final = (
    "name", "image", "cpu", "memory", "memoryReservation", "essential", "portMappings", "environment", "secrets",
    "healthCheck", "logConfiguration", "stopTimeout", "startTimeout", "dependsOn", "entryPoint", "command",
    "dockerLabels",
)  # fmt: skip
LEFT_OUT_OF_CONTAINER: Final = (
    "mountPoints",
    "volumesFrom",
    "firelensConfiguration",
    "repositoryCredentials",
    "environmentFiles",
)
TARGET_GROUP: Final = (
    "Protocol", "ProtocolVersion", "Port", "TargetType", "HealthCheckProtocol", "HealthCheckPort", "HealthCheckPath",
    "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds", "HealthyThresholdCount", "UnhealthyThresholdCount",
    "Matcher",
)  # fmt: skip
ATTRIBUTES: Final = (
    "deregistration_delay.timeout_seconds",
    "slow_start.duration_seconds",
    "idle_timeout.timeout_seconds",
)
ALARM: Final = (
    "AlarmName", "AlarmDescription", "ActionsEnabled", "MetricName", "Namespace", "Statistic", "ExtendedStatistic",
    "Dimensions", "Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator",
    "TreatMissingData", "Metrics", "Unit",
)  # fmt: skip
INSTANCE: Final = (
    "DBInstanceIdentifier", "DBInstanceClass", "Engine", "EngineVersion", "AllocatedStorage", "MaxAllocatedStorage",
    "StorageType", "MultiAZ", "BackupRetentionPeriod", "PreferredBackupWindow", "PreferredMaintenanceWindow", "DBName",
    "MasterUsername", "DeletionProtection", "StorageEncrypted",
)  # fmt: skip
CLUSTER: Final = (
    "DBClusterIdentifier", "Engine", "EngineVersion", "DatabaseName", "MasterUsername", "BackupRetentionPeriod",
    "PreferredBackupWindow", "PreferredMaintenanceWindow", "DeletionProtection", "StorageEncrypted", "Port",
    "ServerlessV2ScalingConfiguration",
)  # fmt: skip
CACHE: Final = (
    "ReplicationGroupId", "Description", "CacheNodeType", "TransitEncryptionEnabled", "AtRestEncryptionEnabled",
    "SnapshotRetentionLimit",
)  # fmt: skip
ENGINES: Final = ("postgres", "aurora-postgresql")
SECRET: Final = re.compile(
    r"arn:[\w-]+:secretsmanager:[\w-]+:\d+:secret:(?P<name>[^:]+?)(?:-[A-Za-z0-9]{6})?(?::(?P<key>[^:]*))?(?::[^:]*){0,2}"
)


@dataclass(slots=True)
class _Recorder:
    """What was found so far: the addresses that have placeholders, and what was left out."""

    aws: Gateway
    known: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    managed_secret: str = ""

    @property
    def environment(self) -> Environment:
        return self.aws.environment

    def leave_out(self, sentence: str) -> None:
        if sentence not in self.left_out:
            self.left_out.append(sentence)

    def placed(self, value: Any) -> Any:
        """The value with placeholders for every address in it that is known, the longest first."""
        if isinstance(value, str):
            for address in sorted(self.known, key=len, reverse=True):
                value = value.replace(address, self.known[address])
            return value
        if isinstance(value, Mapping):
            return {key: self.placed(each) for key, each in value.items()}
        return [self.placed(each) for each in value] if isinstance(value, Sequence) else value


def record(aws: Gateway, at: datetime | None = None) -> dict[str, Any]:
    """The environment as one JSON value. Raises what the gateway raises where a reading isn't allowed."""
    recorder = _Recorder(aws)
    environment = aws.environment
    recorder.known[str(aws.client("sts").get_caller_identity()["Account"])] = "${account}"
    database = _database(recorder)
    cache = _cache(recorder)
    services = _services(recorder)
    groups, balancers = _load_balancing(recorder, services)
    definitions = _definitions(recorder, services)
    found = {
        "version": VERSION,
        "recorded_at": (at or datetime.now(UTC)).isoformat(timespec="seconds"),
        "environment": environment.name,
        "region": environment.region if not environment.is_local else str(aws.client("ecs").meta.region_name),
        "clusters": _clusters(recorder),
        "task_definitions": definitions,
        "services": [_service(recorder, each) for each in services],
        "target_groups": groups,
        "load_balancers": balancers,
        "scaling": _scaling(recorder, services),
        "alarms": _alarms(recorder),
        "log_groups": _log_groups(recorder, definitions),
        "database": database,
        "cache": cache,
        "left_out": recorder.left_out,
    }
    return dict(json.loads(json.dumps(found, default=str)))


def kept(value: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Of a description what a call that makes such a thing takes."""
    return {key: value[key] for key in keys if value.get(key) not in (None, "", [], {})}


def image_of(aws: Gateway, service: Service) -> str:
    """What the service's container is set to run, as its task definition names it."""
    ecs = aws.client("ecs")
    found = ecs.describe_services(cluster=service.cluster, services=[service.ecs_service])["services"]
    if not found:
        raise WrongUse(f"ECS has no service {service.ecs_service} in {service.cluster}.")
    described = ecs.describe_task_definition(taskDefinition=found[0]["taskDefinition"])["taskDefinition"]
    containers = {each["name"]: each["image"] for each in described["containerDefinitions"]}
    return containers.get(service.container) or next(iter(containers.values()))


# -- ECS --------------------------------------------------------------------------------------------------------------


def _clusters(recorder: _Recorder) -> list[dict[str, Any]]:
    names = list(recorder.environment.clusters)
    found = recorder.aws.client("ecs").describe_clusters(clusters=names, include=["SETTINGS"])["clusters"]
    keys = ("clusterName", "capacityProviders", "defaultCapacityProviderStrategy", "settings")
    return [kept(each, keys) for each in found]


def _services(recorder: _Recorder) -> list[dict[str, Any]]:
    """As ECS describes them. One that isn't there is a mistake of the file's."""
    ecs, found = recorder.aws.client("ecs"), list[dict[str, Any]]()
    for cluster in recorder.environment.clusters:
        names = [each.ecs_service for each in recorder.environment.services if each.cluster == cluster]
        for at in range(0, len(names), SERVICES_AT_ONCE):
            answer = ecs.describe_services(cluster=cluster, services=names[at : at + SERVICES_AT_ONCE])
            found += [{**each, "cluster": cluster} for each in answer["services"] if each["status"] == "ACTIVE"]
    wanted = {each.ecs_service for each in recorder.environment.services}
    if missing := sorted(wanted - {each["serviceName"] for each in found}):
        raise WrongUse(
            f"ECS has no service {' and no '.join(missing)} in {', '.join(recorder.environment.clusters)}, so the "
            f"environment {recorder.environment.name} can't be recorded. Compare omc.toml with AWS: omc stack show"
        )
    return found


def _service(recorder: _Recorder, described: Mapping[str, Any]) -> dict[str, Any]:
    made = kept(described, SERVICE) | {"cluster": described["cluster"]}
    name = described["serviceName"]
    if described.get("deploymentController", {}).get("type", "ECS") != "ECS":
        recorder.leave_out(f"The deployment controller of {name}: it is made as one that ECS deploys.")
    if described.get("schedulingStrategy", "REPLICA") != "REPLICA":
        recorder.leave_out(f"The scheduling strategy of {name}: it is made with as many tasks as run.")
        made["desiredCount"] = described["runningCount"]
    if made.get("launchType", "FARGATE") != "FARGATE":
        recorder.leave_out(f"The launch type {made.pop('launchType')} of {name}: it is made on Fargate.")
    configuration = described.get("deploymentConfiguration", {})
    made["deploymentConfiguration"] = kept(
        configuration, ("deploymentCircuitBreaker", "maximumPercent", "minimumHealthyPercent")
    )
    made["loadBalancers"] = recorder.placed(
        [kept(each, ("targetGroupArn", "containerName", "containerPort")) for each in described["loadBalancers"]]
    )
    made["taskDefinition"] = described["taskDefinition"].rsplit("/", 1)[1].partition(":")[0]
    return made


def _definitions(recorder: _Recorder, services: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The revisions that serve, and the newest ones of jobs and migrations; one for each family."""
    ecs, environment = recorder.aws.client("ecs"), recorder.environment
    wanted = {each["taskDefinition"].rsplit("/", 1)[1].partition(":")[0]: each["taskDefinition"] for each in services}
    others = [each.family for each in environment.jobs]
    others += [each.migrate_family for each in environment.services if each.migrate_family]
    found = []
    for family, revision in {**{each: each for each in others}, **wanted}.items():
        described = ecs.describe_task_definition(taskDefinition=revision)["taskDefinition"]
        made = kept(described, DEFINITION)
        if described.get("volumes"):
            recorder.leave_out(f"The volumes of {family}.")
        made["containerDefinitions"] = [
            _container(recorder, family, each) for each in described["containerDefinitions"]
        ]
        found.append(made)
    return found


def _container(recorder: _Recorder, family: str, described: Mapping[str, Any]) -> dict[str, Any]:
    made = kept(described, CONTAINER)
    for key in LEFT_OUT_OF_CONTAINER:
        if described.get(key):
            recorder.leave_out(f"{key} of the container {described['name']} of {family}.")
    label = made.get("dockerLabels", {}).pop(LABEL, None)
    if not made.get("dockerLabels"):
        made.pop("dockerLabels", None)
    variables = [each for each in made.pop("environment", []) if not each["name"].startswith(OURS)]
    if variables:
        made["environment"] = [_variable(each) for each in sorted(variables, key=lambda each: each["name"])]
    secrets = [each for each in made.pop("secrets", []) if not each["name"].startswith(OURS)]
    if secrets:
        made["secrets"] = [_secret(recorder, each) for each in sorted(secrets, key=lambda each: each["name"])]
    log = made.get("logConfiguration", {})
    if log and log.get("logDriver") != "awslogs":
        recorder.leave_out(f"The log driver {log['logDriver']} of the container {made['name']} of {family}.")
        del made["logConfiguration"]
    if label:
        stood_for = json.loads(label)
        for key in ("image", "entryPoint", "command"):
            made.pop(key, None)
        command = stood_for.pop("healthCheck", None)
        made |= stood_for
        if command:
            made["healthCheck"]["command"] = command
    made = recorder.placed(made)
    return {key: made[key] for key in CONTAINER if key in made}


def _variable(each: Mapping[str, str]) -> dict[str, str]:
    """With its value, unless its name or its value looks like a secret's."""
    name, value = each["name"], each.get("value", "")
    is_secret = is_secret_name(name) or mask(value) != value or mask(f"{name}={value}") != f"{name}={value}"
    return {"name": name, "value": MADE_UP if is_secret and value else value}


def _secret(recorder: _Recorder, each: Mapping[str, str]) -> dict[str, str]:
    """By name: where it is, never what it is."""
    place = each["valueFrom"]
    if recorder.managed_secret and place.startswith(recorder.managed_secret):
        key = place.removeprefix(recorder.managed_secret).lstrip(":").partition(":")[0]
        return {"name": each["name"], "secret": "${database.secret}", "key": key}
    if match := SECRET.fullmatch(place):
        return {"name": each["name"], "secret": match["name"], "key": match["key"] or ""}
    return {"name": each["name"], "parameter": place.rpartition(":parameter")[2] if place.startswith("arn:") else place}


# -- load balancing, scaling ------------------------------------------------------------------------------------------


def _load_balancing(
    recorder: _Recorder, services: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The target groups of the services, with the load balancers that lead to them and all their listeners."""
    elb = recorder.aws.client("elbv2")
    arns = sorted({each["targetGroupArn"] for service in services for each in service["loadBalancers"]})
    if not arns:
        return [], []
    groups = list(elb.describe_target_groups(TargetGroupArns=arns)["TargetGroups"])
    places = sorted({arn for each in groups for arn in each["LoadBalancerArns"]})
    balancers = elb.describe_load_balancers(LoadBalancerArns=places)["LoadBalancers"] if places else []
    listeners = {
        each["LoadBalancerArn"]: elb.describe_listeners(LoadBalancerArn=each["LoadBalancerArn"])["Listeners"]
        for each in balancers
    }
    rules = {
        listener["ListenerArn"]: elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        for each in listeners.values()
        for listener in each
    }
    named = set(
        re.findall(
            r"arn:[\w-]+:elasticloadbalancing:[^\"]+?:targetgroup/[^\"]+", json.dumps([listeners, rules], default=str)
        )
    )
    if more := sorted(named - set(arns)):  # groups of others behind the same load balancer
        groups += elb.describe_target_groups(TargetGroupArns=more)["TargetGroups"]
    for group in groups:
        name = group["TargetGroupName"]
        recorder.known[group["TargetGroupArn"]] = f"${{target_group.{name}.arn}}"
        recorder.known[group["TargetGroupArn"].rsplit(":", 1)[1]] = f"${{target_group.{name}.id}}"
    for balancer in balancers:
        name = balancer["LoadBalancerName"]
        recorder.known[balancer["LoadBalancerArn"]] = f"${{load_balancer.{name}.arn}}"
        recorder.known[balancer["LoadBalancerArn"].split(":loadbalancer/", 1)[1]] = f"${{load_balancer.{name}.id}}"
        recorder.known[balancer["DNSName"]] = f"${{load_balancer.{name}.name}}"
    return [_target_group(recorder, each) for each in sorted(groups, key=lambda each: each["TargetGroupName"])], [
        _load_balancer(recorder, each, listeners[each["LoadBalancerArn"]], rules) for each in balancers
    ]


def _target_group(recorder: _Recorder, group: Mapping[str, Any]) -> dict[str, Any]:
    arn = group["TargetGroupArn"]
    attributes = recorder.aws.client("elbv2").describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    return {
        "Name": group["TargetGroupName"],
        **kept(group, TARGET_GROUP),
        "attributes": {each["Key"]: each["Value"] for each in attributes if each["Key"] in ATTRIBUTES},
    }


def _load_balancer(
    recorder: _Recorder,
    balancer: Mapping[str, Any],
    listeners: Sequence[Mapping[str, Any]],
    rules: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    arn, name = balancer["LoadBalancerArn"], balancer["LoadBalancerName"]
    attributes = recorder.aws.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    if balancer["Type"] != "application":
        raise WrongUse(f"{name} is a {balancer['Type']} load balancer, and the local cloud has application ones only.")
    made = []
    for listener in sorted(listeners, key=lambda each: int(each["Port"])):
        own = [each for each in rules[listener["ListenerArn"]] if not each["IsDefault"]]
        shown = {
            **kept(listener, ("Protocol", "Port")),
            "DefaultActions": _actions(recorder, listener["DefaultActions"]),
        }
        shown["rules"] = [
            {
                "Priority": int(each["Priority"]),
                "Conditions": [_condition(one) for one in each["Conditions"]],
                "Actions": _actions(recorder, each["Actions"]),
            }
            for each in sorted(own, key=lambda each: int(each["Priority"]))
        ]
        made.append(shown)
    return {
        "Name": name,
        "Scheme": balancer["Scheme"],
        "attributes": {each["Key"]: each["Value"] for each in attributes if each["Key"] in ATTRIBUTES},
        "listeners": made,
    }


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    """One form of the two in which ELB describes the same values."""
    config = next((key for key in condition if key.endswith("Config") and condition[key]), None)
    return {"Field": condition["Field"], **({config: condition[config]} if config else kept(condition, ("Values",)))}


def _actions(recorder: _Recorder, actions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for each in sorted(actions, key=lambda one: one.get("Order", 0)):
        if each["Type"].startswith("authenticate"):
            recorder.leave_out(f"An action {each['Type']} of a listener.")
            continue
        kinds = ("TargetGroupArn",) if each.get("TargetGroupArn") else ("ForwardConfig",)
        found.append(recorder.placed(kept(each, ("Type", *kinds, "RedirectConfig", "FixedResponseConfig"))))
    return found


def _scaling(recorder: _Recorder, services: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    scaling = recorder.aws.client("application-autoscaling")
    resources = [f"service/{each['cluster']}/{each['serviceName']}" for each in services]
    targets = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=resources)["ScalableTargets"]
    found = []
    for target in sorted(targets, key=lambda each: each["ResourceId"]):
        resource = target["ResourceId"]
        policies = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=resource)["ScalingPolicies"]
        followed = [each for each in policies if each["PolicyType"] == "TargetTrackingScaling"]
        if len(followed) < len(policies):
            recorder.leave_out(f"The step scaling of {resource}.")
        found.append(
            {
                **kept(target, ("ResourceId", "MinCapacity", "MaxCapacity")),
                "policies": [
                    {
                        "PolicyName": each["PolicyName"],
                        "TargetTrackingScalingPolicyConfiguration": recorder.placed(
                            each["TargetTrackingScalingPolicyConfiguration"]
                        ),
                    }
                    for each in sorted(followed, key=lambda one: one["PolicyName"])
                ],
            }
        )
    return found


# -- alarms, logs -----------------------------------------------------------------------------------------------------


def _alarms(recorder: _Recorder) -> list[dict[str, Any]]:
    cloudwatch, prefix = recorder.aws.client("cloudwatch"), recorder.environment.alarm_prefix
    found = []
    for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix):
        if page.get("CompositeAlarms"):
            recorder.leave_out("Composite alarms.")
        for alarm in page.get("MetricAlarms", ()):
            actions = {"AlarmActions": alarm.get("AlarmActions", []), "OKActions": alarm.get("OKActions", [])}
            topics = {kind: [arn.rsplit(":", 1)[1] for arn in arns if ":sns:" in arn] for kind, arns in actions.items()}
            found.append(recorder.placed(kept(alarm, ALARM)) | {"topics": topics})
    return sorted(found, key=lambda each: str(each["AlarmName"]))


def _log_groups(recorder: _Recorder, definitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    logs = recorder.aws.client("logs")
    names = {
        each["logConfiguration"]["options"].get("awslogs-group", "")
        for definition in definitions
        for each in definition["containerDefinitions"]
        if "logConfiguration" in each
    }
    found = []
    for name in sorted(names - {""}):
        described = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        own = next((each for each in described if each["logGroupName"] == name), None)
        found.append({"logGroupName": name, **(kept(own, ("retentionInDays",)) if own else {})})
    return found


# -- database, cache --------------------------------------------------------------------------------------------------


def _database(recorder: _Recorder) -> dict[str, Any] | None:
    environment, rds = recorder.environment, recorder.aws.client("rds")
    if environment.database_cluster:
        cluster = rds.describe_db_clusters(DBClusterIdentifier=environment.database_cluster)["DBClusters"][0]
        names = [each["DBInstanceIdentifier"] for each in cluster["DBClusterMembers"]]
        writer = next((e["DBInstanceIdentifier"] for e in cluster["DBClusterMembers"] if e["IsClusterWriter"]), None)
        members = [rds.describe_db_instances(DBInstanceIdentifier=each)["DBInstances"][0] for each in names]
        recorder.known[cluster["Endpoint"]] = "${database.endpoint}"
        recorder.known[cluster.get("ReaderEndpoint") or cluster["Endpoint"]] = "${database.reader}"
        recorder.known[cluster["Endpoint"]] = "${database.endpoint}"
        recorder.managed_secret = cluster.get("MasterUserSecret", {}).get("SecretArn", "")
        if not _is_known(recorder, cluster["Engine"]):
            return None
        keys = ("DBInstanceIdentifier", "DBInstanceClass", "PromotionTier")
        ordered = sorted(
            members, key=lambda each: (each["DBInstanceIdentifier"] != writer, each["DBInstanceIdentifier"])
        )
        return {
            "cluster": kept(cluster, CLUSTER)
            | _parameters(recorder, cluster["DBClusterParameterGroup"], of_cluster=True),
            "members": [kept(each, keys) for each in ordered],
        }
    if not environment.database:
        return None
    instance = rds.describe_db_instances(DBInstanceIdentifier=environment.database)["DBInstances"][0]
    if address := instance.get("Endpoint", {}).get("Address"):
        recorder.known[address] = "${database.endpoint}"
    recorder.managed_secret = instance.get("MasterUserSecret", {}).get("SecretArn", "")
    if not _is_known(recorder, instance["Engine"]):
        return None
    group = instance["DBParameterGroups"][0]["DBParameterGroupName"]
    made = kept(instance, INSTANCE)
    port = instance.get("Endpoint", {}).get("Port")
    return {"instance": made | ({"Port": port} if port else {}) | _parameters(recorder, group, of_cluster=False)}


def _is_known(recorder: _Recorder, engine: str) -> bool:
    if engine not in ENGINES:
        recorder.leave_out(f"The database: the local cloud has no {engine}.")
    return engine in ENGINES


def _parameters(recorder: _Recorder, group: str, *, of_cluster: bool) -> dict[str, Any]:
    """What is set in its parameter group."""
    rds = recorder.aws.client("rds")
    pages: Any
    if of_cluster:
        pages = rds.get_paginator("describe_db_cluster_parameters").paginate(
            DBClusterParameterGroupName=group, Source="user"
        )
    else:
        pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group, Source="user")
    found = {
        each["ParameterName"]: each["ParameterValue"]
        for page in pages
        for each in page["Parameters"]
        if "ParameterValue" in each
    }
    return {"parameters": found} if found else {}


def _cache(recorder: _Recorder) -> dict[str, Any] | None:
    environment = recorder.environment
    if environment.cache_serverless:
        recorder.leave_out(f"The serverless cache {environment.cache_serverless}: the local cloud has none.")
        return None
    if not environment.cache:
        return None
    elasticache = recorder.aws.client("elasticache")
    group = elasticache.describe_replication_groups(ReplicationGroupId=environment.cache)["ReplicationGroups"][0]
    if group.get("ClusterEnabled"):
        recorder.leave_out(f"The cache {environment.cache}: the local cloud has none with cluster mode.")
        return None
    member = elasticache.describe_cache_clusters(CacheClusterId=group["MemberClusters"][0])["CacheClusters"][0]
    endpoints = group["NodeGroups"][0]
    recorder.known[endpoints["PrimaryEndpoint"]["Address"]] = "${cache.endpoint}"
    if "ReaderEndpoint" in endpoints:
        recorder.known[endpoints["ReaderEndpoint"]["Address"]] = "${cache.reader}"
    return {
        **kept(group, CACHE),
        **kept(member, ("Engine", "EngineVersion")),
        "NumCacheClusters": len(group["MemberClusters"]),
        "AutomaticFailoverEnabled": group.get("AutomaticFailover") == "enabled",
        "MultiAZEnabled": group.get("MultiAZ") == "enabled",
        "Port": endpoints["PrimaryEndpoint"]["Port"],
        "has_token": bool(group.get("AuthTokenEnabled")),
    }
