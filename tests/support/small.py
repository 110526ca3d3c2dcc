"""A small cloud for many changes in a row: a local cloud without Terraform and load balancer, with light services.

Each environment in it has one service of sleeping processes and a Terraform root of one parameter; they change side by
side. What they share is the cloud, a database that nobody talks to, omc's store, and the folder where Terraform works:
that is for one of them at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.commands import CommandResult, clean_env
from support.prepared import omc
from support.stack import Stack
from support.waiting import eventually

SERVICE = "worker"
STACK = """\
name = "{environment}"
time_zone = "Australia/Sydney"

[environments.{environment}]
prefix = "{environment}"
local_state = "{state}"
database = "{database}"
cache = "{cache}"
audit_bucket = ""
record_log_group = ""

[services.{service}]
port = 8000
minimum = 1
maximum = 3
cpu_target = 70
migrate = ["python", "migrate.py"]

[on_call]
everyone_again_after_minutes = 60
mitigation_minutes = 30
business_hours = ["09:00", "17:00"]
chain = [{{ role = "Primary", name = "A", after_minutes = 0 }}]

[channels]
incidents = "#incidents"
alerts = "#alerts"
general = "#devops"
"""
DOCKERFILE = """\
FROM python:3.11-slim
WORKDIR /app
ENV HOST=0.0.0.0 PYTHONUNBUFFERED=1
EXPOSE 8000
USER 10001
CMD ["python", "main.py"]
"""
TERRAFORM = """\
terraform {{
  required_version = ">= 1.11"
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }}
  }}
}}

variable "note" {{
  type    = string
  default = "none"
}}

provider "aws" {{
  region = "ap-southeast-2"
}}

resource "aws_ssm_parameter" "note" {{
  name  = "/{environment}/note"
  type  = "String"
  value = var.note
}}
"""
BACKEND = """\
terraform {
  backend "s3" {
    key          = "staging/terraform.tfstate"
    region       = "ap-southeast-2"
    encrypt      = true
    use_lockfile = true
  }
}
"""
IMAGES = ("red", "blue")
"""Two images that differ by a word."""


@dataclass(frozen=True, slots=True)
class SmallEnvironment:
    """One environment: a stack file, a cluster, a service with an autoscaler."""

    stack: Stack
    name: str
    file: Path
    images: Mapping[str, str]
    """``red`` and ``blue`` to references pinned by digest."""
    provider: Mapping[str, str] = field(default_factory=dict)
    """The environment of a Terraform that uses a provider which runs; nothing, for providers of its own."""

    def command(self, *arguments: str) -> list[str]:
        import sys

        return [sys.executable, "-m", "omc", "--stack", str(self.file), *arguments]

    def omc(self, *arguments: str, timeout: float = 300) -> CommandResult:
        return omc(["--stack", self.file, *arguments], clean_env(**self.provider), timeout)

    @property
    def service(self) -> dict[str, Any]:
        ecs = self.stack.client("ecs")
        return dict(ecs.describe_services(cluster=self.name, services=[SERVICE])["services"][0])

    @property
    def image(self) -> str:
        """What the service is set to run."""
        ecs = self.stack.client("ecs")
        payload = ecs.describe_task_definition(taskDefinition=self.service["taskDefinition"])
        return str(payload["taskDefinition"]["containerDefinitions"][0]["image"])

    @property
    def limits(self) -> tuple[int, int]:
        scaling = self.stack.client("application-autoscaling")
        payload = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[self.resource])
        target = payload["ScalableTargets"][0]
        return target["MinCapacity"], target["MaxCapacity"]

    @property
    def resource(self) -> str:
        return f"service/{self.name}/{SERVICE}"

    @property
    def database(self) -> dict[str, Any]:
        """Its own, where the cloud has ``stores``."""
        name = f"{self.name}-db"
        [found] = self.stack.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        return dict(found)

    @property
    def cache(self) -> dict[str, Any]:
        """Its own, where the cloud has ``stores``."""
        name = f"{self.name}-redis"
        client = self.stack.client("elasticache")
        [found] = client.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"]
        return dict(found)

    @property
    def are_stores_available(self) -> bool:
        return (self.database["DBInstanceStatus"], self.cache["Status"]) == ("available", "available")

    def deployments(self) -> list[str]:
        """ARNs of all service deployments, newest first."""
        ecs = self.stack.client("ecs")
        pages = ecs.list_service_deployments(cluster=self.name, service=SERVICE, maxResults=100)
        return [each["serviceDeploymentArn"] for each in pages["serviceDeployments"]]

    def settled(self, within: float = 180) -> dict[str, Any]:
        """The service once it runs what it wants with one deployment, complete."""

        def settled() -> dict[str, Any] | None:
            service = self.service
            is_complete = [each["rolloutState"] for each in service["deployments"]] == ["COMPLETED"]
            return service if is_complete and service["runningCount"] == service["desiredCount"] else None

        return eventually(lambda: f"{self.name} has settled: {self.service['deployments']}", settled, within)


@contextmanager
def small_cloud(folder: Path, environments: int, *, stores: bool = False) -> Iterator[list[SmallEnvironment]]:
    """The cloud with so many environments, each settled; gone afterwards. ``stores``: the first has a database and a
    cache of its own."""
    stack = Stack(folder / "cloud")
    started = stack.localcloud("up")
    try:
        assert started.returncode == 0, started.stderr
        yield _furnish(stack, folder, environments, stores=stores)
    finally:
        ended = stack.localcloud("reset", "--force")
    assert ended.returncode == 0, ended.stderr


def _furnish(stack: Stack, folder: Path, environments: int, *, stores: bool) -> list[SmallEnvironment]:
    ec2 = stack.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{third}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for third, zone in zip((11, 12), zones, strict=False)
    ]
    group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)["GroupId"]
    rds = stack.client("rds")
    rds.create_db_subnet_group(DBSubnetGroupName="small", DBSubnetGroupDescription="small", SubnetIds=subnets)
    own = {name: store_of(name, is_own=stores and number == 0) for number, name in enumerate(names(environments))}
    for database in dict.fromkeys(database for database, _ in own.values()):
        rds.create_db_parameter_group(
            DBParameterGroupName=database, DBParameterGroupFamily="postgres17", Description="small"
        )
        rds.create_db_instance(
            DBInstanceIdentifier=database,
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            EngineVersion="17",
            AllocatedStorage=20,
            MasterUsername="keeper",
            ManageMasterUserPassword=True,
            DBSubnetGroupName="small",
            DBParameterGroupName=database,
            VpcSecurityGroupIds=[group],
            BackupRetentionPeriod=0,
        )
    if stores:
        _make_cache(stack, own[names(1)[0]][1], subnets, group)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
        ],
    }
    role = stack.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument=json.dumps(trust))
    images = _images(stack, folder)
    made = [
        _environment(stack, folder, name, images, subnets, group, role["Role"]["Arn"], own[name])
        for name in names(environments)
    ]
    for environment in made:
        environment.settled()
    if stores:
        eventually("the stores are there", lambda: made[0].are_stores_available)
    return made


def names(count: int) -> list[str]:
    """Of so many environments."""
    return [f"small{number}" for number in range(1, count + 1)]


def store_of(name: str, *, is_own: bool) -> tuple[str, str]:
    """Database and cache of an environment: its own, or the database that all share and a cache that isn't there."""
    return (f"{name}-db", f"{name}-redis") if is_own else ("small", "small")


def _make_cache(stack: Stack, name: str, subnets: list[str], group: str) -> None:
    cache = stack.client("elasticache")
    cache.create_cache_subnet_group(
        CacheSubnetGroupName="small", CacheSubnetGroupDescription="small", SubnetIds=subnets
    )
    cache.create_replication_group(
        ReplicationGroupId=name,
        ReplicationGroupDescription="small",
        Engine="redis",
        EngineVersion="7.1",
        CacheNodeType="cache.t4g.micro",
        NumCacheClusters=1,
        CacheSubnetGroupName="small",
        SecurityGroupIds=[group],
    )


def _images(stack: Stack, folder: Path) -> dict[str, str]:
    repository = stack.client("ecr").create_repository(repositoryName="small", imageTagMutability="IMMUTABLE")
    images = {}
    for name in IMAGES:
        app = folder / name
        app.mkdir()
        (app / "main.py").write_text(f"import time\nprint('{name}')\ntime.sleep(86400)\n")
        (app / "migrate.py").write_text("print('the schema is at version 1')\n")
        (app / "Dockerfile").write_text(DOCKERFILE)
        pushed = stack.localcloud("push", str(app), "--repository", "small", "--tag", name)
        assert pushed.returncode == 0, pushed.stderr
        images[name] = f"{repository['repository']['repositoryUri']}@{pushed.stdout.strip()}"
    return images


def _environment(
    stack: Stack,
    folder: Path,
    name: str,
    images: Mapping[str, str],
    subnets: list[str],
    group: str,
    role: str,
    stores: tuple[str, str],
) -> SmallEnvironment:
    ecs = stack.client("ecs")
    ecs.create_cluster(clusterName=name)
    stack.client("logs").create_log_group(logGroupName=f"/ecs/{name}/{SERVICE}")
    region = stack.reach()["AWS_REGION"]
    options = {"awslogs-group": f"/ecs/{name}/{SERVICE}", "awslogs-region": region, "awslogs-stream-prefix": SERVICE}
    definition = ecs.register_task_definition(
        family=f"{name}-{SERVICE}",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn=role,
        containerDefinitions=[
            {
                "name": SERVICE,
                "image": images["red"],
                "essential": True,
                "stopTimeout": 2,
                "logConfiguration": {"logDriver": "awslogs", "options": options},
            }
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(
        cluster=name,
        serviceName=SERVICE,
        taskDefinition=definition,
        desiredCount=1,
        launchType="FARGATE",
        enableExecuteCommand=True,
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets, "securityGroups": [group]}},
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
    )
    stack.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=f"service/{name}/{SERVICE}",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=1,
        MaxCapacity=3,
    )
    file = folder / name / "omc.toml"
    root = file.parent / "infrastructure/terraform/environments/staging"
    root.mkdir(parents=True)
    (root / "main.tf").write_text(TERRAFORM.format(environment=name))
    (root / "backend.tf").write_text(BACKEND)
    (root / "local.tfvars").write_text("")
    account = json.loads((stack.state / "cloud.json").read_text())["account"]
    stack.client("s3").create_bucket(
        Bucket=f"{name}-staging-tfstate-{account}", CreateBucketConfiguration={"LocationConstraint": region}
    )
    file.write_text(_stack_file(stack, name, stores))
    return SmallEnvironment(stack, name, file, images)


def _stack_file(stack: Stack, name: str, stores: tuple[str, str]) -> str:
    database, cache = stores
    return STACK.format(environment=name, state=stack.state, service=SERVICE, database=database, cache=cache)


def add_fault(stack: Stack, **rule: Any) -> None:
    """One more rule, whatever others wait for their calls."""
    stack.private("faults?add", [rule])


def faults_of(stack: Stack, text: str) -> list[Any]:
    """Rules for calls that contain the text and that still wait for one."""
    return [rule for rule in stack.private("faults")["faults"] if rule["containing"] == text]
