"""A second stack, of another company: three services in their own cluster and region, Aurora, no Redis.

Made by plain boto3 calls, so that nothing of omc's Terraform is in it. ``api`` is behind the load balancer in two
target groups, ``web`` in one, ``worker`` runs on FARGATE_SPOT without a port. A task is scheduled at night.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

REGION: Final = "eu-central-1"
CLUSTER: Final = "acme"
ENVIRONMENT: Final = "acme-prod"
PORTS: Final[Mapping[str, int | None]] = {"api": 8080, "web": 3000, "worker": None}
SERVICES: Final = {name: f"{ENVIRONMENT}-{name}" for name in PORTS}
"""What ECS calls them."""


class Session(Protocol):
    """What makes clients: a boto3 session, or ``support.stack.Stack``."""

    def client(self, service: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Acme:
    """What was made."""

    subnets: tuple[str, ...]
    groups: Mapping[str, str]
    """Security groups by name."""
    load_balancer: str
    target_groups: Mapping[str, str]
    """ARNs by name."""
    images: Mapping[str, str]
    """References of the first release, pinned by digest, by service."""
    definitions: Mapping[str, str]
    """ARNs of the first revisions, by service and job."""


def make_acme(session: Session, state: Path | None = None) -> Acme:
    """Make all of it. ``state``: the local cloud's folder, where its images are real; without it (moto's own server)
    they are manifests alone. It waits for nothing."""
    subnets, groups, vpc = _network(session.client("ec2"))
    roles = _roles(session.client("iam"))
    images = {name: push_release(session, state, name, "1") for name in PORTS}
    secret = _database(session.client("rds"), subnets, groups["database"])
    balancer, targets = _load_balancer(session.client("elbv2"), subnets, groups["balancer"], vpc)
    definitions = _services(session, images, roles, subnets, groups["tasks"], targets, secret)
    _scaling(session.client("application-autoscaling"))
    _alarms(session, balancer, targets)
    _schedule(session.client("events"), definitions["cleanup"], roles["events"], subnets, groups["tasks"])
    return Acme(subnets, groups, balancer, targets, images, definitions)


def push_release(session: Session, state: Path | None, service: str, release: str, fail: str = "") -> str:
    """One more image of the stand-in for a service; its reference. ``fail``: what it does wrong."""
    ecr, name = session.client("ecr"), f"acme/{service}"
    if not any(each["repositoryName"] == name for each in ecr.describe_repositories()["repositories"]):
        ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    uri = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryUri"]
    if state is None:
        digest = f"sha256:{hashlib.sha256(f'{name} {release} {fail}'.encode()).hexdigest()}"
        config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": digest}
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}
        put = ecr.put_image(repositoryName=name, imageManifest=json.dumps(manifest), imageTag=release)
        return f"{uri}@{put['image']['imageId']['imageDigest']}"
    from localcloud import stand_in
    from localcloud.services.ecr import images

    with tempfile.TemporaryDirectory() as folder:
        made = stand_in.copy_image(Path(folder), f"{service}-{release}", fail)
        return images.push(ecr, state, made, name, release).uri


def _network(ec2: Any) -> tuple[tuple[str, ...], dict[str, str], str]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    zones = [each["ZoneName"] for each in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    subnets = tuple(
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{third}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for third, zone in zip((31, 32), zones, strict=True)
    )
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    groups = {
        name: ec2.create_security_group(GroupName=f"acme-{name}", Description=name, VpcId=vpc)["GroupId"]
        for name in ("balancer", "tasks", "database")
    }
    world = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    for group, port, source in (
        ("balancer", 80, world),
        ("balancer", 8443, world),
        ("tasks", 8080, {"UserIdGroupPairs": [{"GroupId": groups["balancer"]}]}),
        ("tasks", 3000, {"UserIdGroupPairs": [{"GroupId": groups["balancer"]}]}),
        ("database", 5432, {"UserIdGroupPairs": [{"GroupId": groups["tasks"]}]}),
    ):
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}
        ec2.authorize_security_group_ingress(GroupId=groups[group], IpPermissions=[rule])
    return subnets, groups, vpc


def _roles(iam: Any) -> dict[str, str]:
    roles = {}
    for name, principal, action in (
        (
            "tasks",
            "ecs-tasks.amazonaws.com",
            ["secretsmanager:GetSecretValue", "logs:*", "ecr:*", "kms:Decrypt", "ssmmessages:*"],
        ),
        ("events", "events.amazonaws.com", ["ecs:RunTask", "iam:PassRole"]),
    ):
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": principal}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName=f"acme-{name}", AssumeRolePolicyDocument=document)["Role"]
        allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
        iam.put_role_policy(RoleName=f"acme-{name}", PolicyName="all", PolicyDocument=json.dumps(allowed))
        roles[name] = role["Arn"]
    return roles


def _database(rds: Any, subnets: tuple[str, ...], group: str) -> str:
    """The Aurora cluster with a writer and a reader; the ARN of the secret with its password."""
    rds.create_db_subnet_group(DBSubnetGroupName="acme", DBSubnetGroupDescription="acme", SubnetIds=list(subnets))
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName="acme-aurora", DBParameterGroupFamily="aurora-postgresql16", Description="acme"
    )
    cluster = rds.create_db_cluster(
        DBClusterIdentifier=ENVIRONMENT,
        Engine="aurora-postgresql",
        EngineVersion="16.6",
        DatabaseName="acme",
        MasterUsername="acme",
        ManageMasterUserPassword=True,
        DBSubnetGroupName="acme",
        DBClusterParameterGroupName="acme-aurora",
        VpcSecurityGroupIds=[group],
        BackupRetentionPeriod=7,
        StorageEncrypted=True,
        DeletionProtection=True,
    )["DBCluster"]
    for number in (1, 2):
        rds.create_db_instance(
            DBInstanceIdentifier=f"{ENVIRONMENT}-{number}",
            DBClusterIdentifier=ENVIRONMENT,
            DBInstanceClass="db.r6g.large",
            Engine="aurora-postgresql",
            EnablePerformanceInsights=True,
        )
    secret = cluster.get("MasterUserSecret") or {}
    return str(secret.get("SecretArn", ""))


def _load_balancer(elb: Any, subnets: tuple[str, ...], group: str, vpc: str) -> tuple[str, dict[str, str]]:
    balancer = elb.create_load_balancer(
        Name="acme-public", Subnets=list(subnets), SecurityGroups=[group], Scheme="internet-facing"
    )["LoadBalancers"][0]["LoadBalancerArn"]
    targets = {
        name: elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=port,
            VpcId=vpc,
            TargetType="ip",
            HealthCheckPath=path,
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
            Matcher={"HttpCode": matcher},
        )["TargetGroups"][0]["TargetGroupArn"]
        for name, port, path, matcher in (
            ("acme-api", 8080, "/healthz", "204"),
            ("acme-api-partners", 8080, "/healthz", "204"),
            ("acme-web", 3000, "/", "200-299"),
        )
    }
    for arn in targets.values():
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
    public = elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": targets["acme-web"]}],
    )["Listeners"][0]["ListenerArn"]
    elb.create_rule(
        ListenerArn=public,
        Priority=10,
        Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": targets["acme-api"]}],
    )
    elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=8443,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": targets["acme-api-partners"]}],
    )
    return balancer, targets


def _services(
    session: Session,
    images: Mapping[str, str],
    roles: Mapping[str, str],
    subnets: tuple[str, ...],
    group: str,
    targets: Mapping[str, str],
    secret: str,
) -> dict[str, str]:
    ecs, logs = session.client("ecs"), session.client("logs")
    endpoint = session.client("rds").describe_db_clusters(DBClusterIdentifier=ENVIRONMENT)["DBClusters"][0]["Endpoint"]
    ecs.create_cluster(clusterName=CLUSTER, capacityProviders=["FARGATE", "FARGATE_SPOT"])
    network = {"awsvpcConfiguration": {"subnets": list(subnets), "securityGroups": [group]}}
    definitions = {}
    for name, port in {**PORTS, "cleanup": None}.items():
        logs.create_log_group(logGroupName=f"/acme/prod/{name}")
        logs.put_retention_policy(logGroupName=f"/acme/prod/{name}", retentionInDays=30)
        container: dict[str, Any] = {
            "name": "app",
            "image": images.get(name, images["worker"]),
            "essential": True,
            "stopTimeout": 5,
            "environment": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "DB_HOST", "value": endpoint}],
            "secrets": [{"name": "STAND_IN_DATABASE_SECRET", "valueFrom": secret}] if secret else [],
            "portMappings": [{"containerPort": port, "protocol": "tcp"}] if port else [],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": f"/acme/prod/{name}",
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": name,
                },
            },
        }
        if name == "api":
            pool = {"STAND_IN_DATABASE": f"{endpoint}:5432/acme", "STAND_IN_PATHS": '{"/healthz": 204}',
                    "DB_POOL_SIZE": "3", "DB_MAX_OVERFLOW": "1", "STAND_IN_CONNECTIONS": "3"}  # fmt: skip
            container["environment"] += [{"name": key, "value": value} for key, value in pool.items()]
        definitions[name] = ecs.register_task_definition(
            family=f"acme-{name}",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="512" if name == "api" else "256",
            memory="1024" if name == "api" else "512",
            executionRoleArn=roles["tasks"],
            taskRoleArn=roles["tasks"],
            containerDefinitions=[container],
        )["taskDefinition"]["taskDefinitionArn"]
    behind = {"api": ("acme-api", "acme-api-partners"), "web": ("acme-web",)}
    for name, port in PORTS.items():
        provider = "FARGATE_SPOT" if name == "worker" else "FARGATE"
        more: dict[str, Any] = {}
        if name in behind:
            more["healthCheckGracePeriodSeconds"] = 30
            more["loadBalancers"] = [
                {"targetGroupArn": targets[each], "containerName": "app", "containerPort": port}
                for each in behind[name]
            ]
        ecs.create_service(
            cluster=CLUSTER,
            serviceName=SERVICES[name],
            taskDefinition=definitions[name],
            desiredCount=1 if name == "worker" else 2,
            capacityProviderStrategy=[{"capacityProvider": provider, "weight": 1}],
            networkConfiguration=network,
            enableExecuteCommand=True,
            deploymentConfiguration={
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
            },
            **more,
        )
    return definitions


def _scaling(scaling: Any) -> None:
    for name, maximum in (("api", 6), ("web", 4)):
        place = {
            "ServiceNamespace": "ecs",
            "ResourceId": f"service/{CLUSTER}/{SERVICES[name]}",
            "ScalableDimension": "ecs:service:DesiredCount",
        }
        scaling.register_scalable_target(**place, MinCapacity=2, MaxCapacity=maximum)
        scaling.put_scaling_policy(
            **place,
            PolicyName=f"{SERVICES[name]}-cpu",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 60.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
                "ScaleInCooldown": 60,
                "ScaleOutCooldown": 30,
            },
        )


def _alarms(session: Session, balancer: str, targets: Mapping[str, str]) -> None:
    topic = session.client("sns").create_topic(Name="acme-pager")["TopicArn"]
    cloudwatch = session.client("cloudwatch")
    where = balancer.split("loadbalancer/", 1)[1]
    group = targets["acme-api"].rsplit(":", 1)[1]
    for name, namespace, metric, dimensions, statistic, threshold in (
        ("acme-api-5xx", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count",
         {"LoadBalancer": where, "TargetGroup": group}, "Sum", 10.0),
        ("acme-aurora-cpu", "AWS/RDS", "CPUUtilization", {"DBClusterIdentifier": ENVIRONMENT}, "Average", 80.0),
    ):  # fmt: skip
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            Statistic=statistic,
            Period=60,
            EvaluationPeriods=3,
            DatapointsToAlarm=2,
            Threshold=threshold,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            AlarmActions=[topic],
        )


def _schedule(events: Any, definition: str, role: str, subnets: tuple[str, ...], group: str) -> None:
    events.put_rule(Name="acme-cleanup", ScheduleExpression="cron(15 3 * * ? *)", State="ENABLED")
    account, region = definition.split(":")[4], definition.split(":")[3]
    target = {
        "Id": "cleanup",
        "Arn": f"arn:aws:ecs:{region}:{account}:cluster/{CLUSTER}",
        "RoleArn": role,
        "EcsParameters": {
            "TaskDefinitionArn": definition,
            "TaskCount": 1,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": list(subnets), "SecurityGroups": [group]}},
        },
    }
    events.put_targets(Rule="acme-cleanup", Targets=[target])
