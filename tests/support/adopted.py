"""What AWS answers about a stack that omc has never seen, for ``omc init`` and ``omc stack show``: made of a few words
by ``answers``, as Python values for a fake gateway. ``acme`` is the stack of docs/adopting.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omc.adoption.discovery import discover
from omc.adoption.model import Found
from omc.config import parse
from support.fake_gateway import FakeGateway

ACCOUNT, REGION = "123456789012", "eu-central-1"
Answers = dict[tuple[str, str], Any]


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


@dataclass
class Service:
    """An ECS service in a few words."""

    name: str
    cluster: str
    family: str = ""
    container: str = "app"
    port: int | None = None
    groups: Sequence[str] = ()
    balancer: str = ""
    log_group: str = ""
    limits: tuple[int, int, float, float | None] | None = None
    """Minimum, maximum, target of CPU and of memory."""
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    sidecar: str = ""
    providers: Sequence[str] = ()


def group_arn(name: str) -> str:
    return arn("elasticloadbalancing", f"targetgroup/{name}/0123456789abcdef")


def balancer_arn(name: str) -> str:
    return arn("elasticloadbalancing", f"loadbalancer/app/{name}/50dc6c495c0c9188")


def _service(service: Service) -> dict[str, Any]:
    record: dict[str, Any] = {
        "serviceName": service.name,
        "serviceArn": arn("ecs", f"service/{service.cluster}/{service.name}"),
        "status": "ACTIVE",
        "desiredCount": 2,
        "taskDefinition": arn("ecs", f"task-definition/{service.family or service.name}:7"),
        "loadBalancers": [
            {"targetGroupArn": group_arn(name), "containerName": service.container, "containerPort": service.port}
            for name in service.groups
        ],
        "tags": [{"key": key, "value": value} for key, value in service.tags.items()],
    }
    if service.providers:
        record["capacityProviderStrategy"] = [{"capacityProvider": each} for each in service.providers]
    else:
        record["launchType"] = "FARGATE"
    return record


def _definition(service: Service) -> dict[str, Any]:
    main: dict[str, Any] = {
        "name": service.container,
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/acme/{service.container}@sha256:{'a' * 64}",
        "essential": True,
        "portMappings": [{"containerPort": service.port}] if service.port else [],
        "environment": [{"name": name, "value": value} for name, value in service.variables.items()],
        "secrets": [{"name": name, "valueFrom": arn("secretsmanager", "secret:x")} for name in service.secrets],
    }
    if service.log_group:
        main["logConfiguration"] = {"logDriver": "awslogs", "options": {"awslogs-group": service.log_group}}
    beside = [{"name": service.sidecar, "image": "x", "essential": False}] if service.sidecar else []
    return {"taskDefinition": {"family": service.family or service.name, "containerDefinitions": [*beside, main]}}


def answers(
    services: Sequence[Service],
    *,
    databases: Sequence[str] = (),
    aurora: Sequence[str] = (),
    caches: Sequence[str] = (),
    serverless: Sequence[str] = (),
    alarms: Mapping[str, Mapping[str, str]] | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
    rules: Mapping[str, tuple[str, str]] | None = None,
) -> Answers:
    """``alarms``: names to dimensions; ``states``: buckets to keys; ``rules``: names to cluster and family."""
    clusters = list(dict.fromkeys(each.cluster for each in services))
    by_arn = {arn("ecs", f"cluster/{name}"): name for name in clusters}
    definitions = {arn("ecs", f"task-definition/{each.family or each.name}:7"): each for each in services}
    definitions |= {
        arn("ecs", f"task-definition/{family}:3"): Service(family, cluster, log_group=f"/jobs/{family}")
        for cluster, family in (rules or {}).values()
    }
    groups = {name: each for each in services for name in each.groups}
    balancers = list(dict.fromkeys(each.balancer for each in services if each.balancer))

    def described(params: Mapping[str, Any]) -> dict[str, Any]:
        named = [by_arn.get(each, each) for each in params["clusters"]]
        found = [name for name in named if name in clusters]
        return {
            "clusters": [
                {"clusterName": name, "clusterArn": arn("ecs", f"cluster/{name}"), "status": "ACTIVE", "tags": []}
                for name in found
            ]
        }

    def listed(params: Mapping[str, Any]) -> dict[str, Any]:
        own = [each for each in services if each.cluster == by_arn[params["cluster"]]]
        return {"serviceArns": [arn("ecs", f"service/{each.cluster}/{each.name}") for each in own]}

    def detailed(params: Mapping[str, Any]) -> dict[str, Any]:
        assert len(params["services"]) <= 10
        wanted = {each.rpartition("/")[2] for each in params["services"]}
        cluster = by_arn[params["cluster"]]
        return {"services": [_service(each) for each in services if each.cluster == cluster and each.name in wanted]}

    return {
        ("sts", "get_caller_identity"): {"Account": ACCOUNT},
        ("ecs", "list_clusters"): {"clusterArns": list(by_arn)},
        ("ecs", "describe_clusters"): described,
        ("ecs", "list_services"): listed,
        ("ecs", "describe_services"): detailed,
        ("ecs", "describe_task_definition"): lambda params: _definition(definitions[params["taskDefinition"]]),
        ("elbv2", "describe_target_groups"): {
            "TargetGroups": [
                {
                    "TargetGroupName": name,
                    "TargetGroupArn": group_arn(name),
                    "LoadBalancerArns": [balancer_arn(each.balancer)] if each.balancer else [],
                    "VpcId": "vpc-1",
                }
                for name, each in groups.items()
            ]
        },
        ("elbv2", "describe_load_balancers"): {
            "LoadBalancers": [
                {
                    "LoadBalancerName": name,
                    "LoadBalancerArn": balancer_arn(name),
                    "Type": "application",
                    "VpcId": "vpc-1",
                }
                for name in balancers
            ]
        },
        ("elbv2", "describe_tags"): {"TagDescriptions": []},
        ("rds", "describe_db_instances"): {
            "DBInstances": [
                {
                    "DBInstanceIdentifier": name,
                    "Engine": "postgres",
                    "Endpoint": {"Address": f"{name}.c1.{REGION}.rds.amazonaws.com"},
                    "DBSubnetGroup": {"VpcId": "vpc-1"},
                }
                for name in databases
            ]
        },
        ("rds", "describe_db_clusters"): {
            "DBClusters": [
                {
                    "DBClusterIdentifier": name,
                    "Engine": "aurora-postgresql",
                    "Endpoint": f"{name}.cluster-c1.{REGION}.rds.amazonaws.com",
                }
                for name in aurora
            ]
        },
        ("elasticache", "describe_replication_groups"): {
            "ReplicationGroups": [
                {"ReplicationGroupId": name, "Engine": "valkey", "Status": "available"} for name in caches
            ]
        },
        ("elasticache", "describe_cache_clusters"): {"CacheClusters": []},
        ("elasticache", "describe_serverless_caches"): {
            "ServerlessCaches": [{"ServerlessCacheName": name, "Engine": "valkey"} for name in serverless]
        },
        ("application-autoscaling", "describe_scalable_targets"): {
            "ScalableTargets": [
                {
                    "ResourceId": f"service/{each.cluster}/{each.name}",
                    "MinCapacity": each.limits[0],
                    "MaxCapacity": each.limits[1],
                }
                for each in services
                if each.limits
            ]
        },
        ("application-autoscaling", "describe_scaling_policies"): {
            "ScalingPolicies": [policy for each in services for policy in _policies(each)]
        },
        ("cloudwatch", "describe_alarms"): {
            "MetricAlarms": [
                {
                    "AlarmName": name,
                    "AlarmActions": [arn("sns", "acme-pages")],
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                }
                for name, dimensions in (alarms or {}).items()
            ]
        },
        ("cloudwatch", "list_dashboards"): {"DashboardEntries": []},
        ("logs", "describe_log_groups"): lambda params: {"logGroups": [{"logGroupName": params["logGroupNamePrefix"]}]},
        ("s3", "list_buckets"): {"Buckets": [{"Name": name} for name in states or {}]},
        ("s3", "list_objects_v2"): lambda params: {
            "Contents": [{"Key": key} for key in (states or {}).get(params["Bucket"], ())]
        },
        ("events", "list_rule_names_by_target"): lambda params: {
            "RuleNames": [
                name for name, (cluster, _) in (rules or {}).items() if cluster == by_arn[params["TargetArn"]]
            ]
        },
        ("events", "describe_rule"): {"ScheduleExpression": "rate(1 day)"},
        ("events", "list_targets_by_rule"): lambda params: {"Targets": [_target(*(rules or {})[params["Rule"]])]},
        ("scheduler", "list_schedules"): {"Schedules": []},
    }


def _target(cluster: str, family: str) -> dict[str, Any]:
    definition = arn("ecs", f"task-definition/{family}:3")
    return {"Arn": arn("ecs", f"cluster/{cluster}"), "EcsParameters": {"TaskDefinitionArn": definition}}


def _policies(service: Service) -> list[dict[str, Any]]:
    if not service.limits:
        return []
    metrics = ("ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization")
    return [
        {
            "PolicyName": metric,
            "ResourceId": f"service/{service.cluster}/{service.name}",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": target,
                "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
            },
        }
        for metric, target in zip(metrics, service.limits[2:], strict=True)
        if target is not None
    ]


def gateway(what: Answers) -> FakeGateway:
    text = f'name = "x"\n[environments.x]\nregion = "{REGION}"\n[services.x]\n'
    return FakeGateway(what, parse(text, Path("omc.toml")).environments["x"])


def found(what: Answers) -> Found:
    return discover(gateway(what))


def acme_services(environment: str = "prod") -> list[Service]:
    """api behind two target groups, web, and a worker on FARGATE_SPOT without a port; all in the cluster acme."""
    name = f"acme-{environment}"
    host = f"{name}.cluster-c1.{REGION}.rds.amazonaws.com"
    return [
        Service(
            f"{name}-api",
            "acme",
            family=f"{name}-api",
            container="api",
            port=8080,
            groups=(f"{name}-api-public", f"{name}-api-internal"),
            balancer=f"{name}-alb",
            log_group=f"/ecs/{name}",
            limits=(2, 6, 60.0, None),
            variables={"DATABASE_HOST": host, "DB_POOL_SIZE": "5", "DB_MAX_OVERFLOW": "10"},
            sidecar="envoy",
        ),
        Service(
            f"{name}-web",
            "acme",
            family=f"{name}-web",
            container="web",
            port=3000,
            groups=(f"{name}-web",),
            balancer=f"{name}-alb",
            log_group=f"/ecs/{name}",
            limits=(2, 4, 70.0, 80.0),
        ),
        Service(
            f"{name}-worker",
            "acme",
            family=f"{name}-worker",
            container="worker",
            log_group=f"/ecs/{name}-worker",
            secrets=("DATABASE_URL",),
            providers=("FARGATE_SPOT",),
        ),
    ]


def acme(**more: Any) -> Answers:
    alarms = {
        "acme-prod-api-5xx": {"TargetGroup": "targetgroup/acme-prod-api-public/0123456789abcdef"},
        "acme-prod-db-cpu": {"DBClusterIdentifier": "acme-prod"},
    }
    states = {"acme-tfstate": ["prod/terraform.tfstate", "staging/terraform.tfstate"]}
    return answers(acme_services(), **({"aurora": ("acme-prod",), "alarms": alarms, "states": states} | more))
