"""What the ECS stories stand on: a network, a repository, tiny apps with a Dockerfile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.core.cloud import Cloud
from localcloud.services.ecr import images as ecr
from support.waiting import eventually

Clients = Callable[..., Any]

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        broken = os.environ.get("BROKEN") and self.path == "/health"
        self.send_response(503 if broken else 200)
        self.end_headers()
        self.wfile.write(os.environ.get("GREETING", "hello").encode())
    def log_message(self, *words):
        pass
address = (os.environ["HOST"], int(os.environ["PORT"]))
server = http.server.ThreadingHTTPServer(address, Handler)
print("listening on", *address, flush=True)
server.serve_forever()
"""
WAITER = "import time\nprint('waiting', flush=True)\ntime.sleep(3600)\n"


def app(folder: Path, source: str, *, more: str = "") -> Path:
    """An app's folder with a main.py and a Dockerfile that starts it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.py").write_text(source)
    (folder / "Dockerfile").write_text(
        f'FROM python:3.11-slim AS build\nCMD ["false"]\nFROM python:3.11-slim\nWORKDIR /app\n'
        f'ENV HOST=0.0.0.0 PYTHONUNBUFFERED=1\n{more}EXPOSE 8000\nUSER 10001\nCMD ["python", "/app/main.py"]\n'
    )
    return folder


@dataclass(slots=True)
class EcsCluster:
    """A cloud with a cluster ``rehearsal``, two subnets and a repository ``tiny``."""

    cloud: Cloud
    aws: Clients
    folder: Path
    subnets: list[str]
    group: str
    repository: str

    @property
    def ecs(self) -> Any:
        return self.aws("ecs")

    def push(self, name: str, source: str, *, more: str = "") -> str:
        """Push an app under a tag of its own; answers what a task definition names."""
        folder = app(self.folder / name, source, more=more)
        ecr.push(self.aws("ecr"), self.cloud.settings.state, folder, "tiny", name)
        return f"{self.repository}:{name}"

    def allow(self, action: str, *resources: str) -> None:
        """Let the role that starts the tasks do this on these resources; nothing else is allowed to it."""
        iam = self.aws("iam")
        if not any(role["RoleName"] == "execution" for role in iam.list_roles()["Roles"]):
            iam.create_role(RoleName="execution", AssumeRolePolicyDocument="{}")
        statement = {"Effect": "Allow", "Action": action, "Resource": list(resources)}
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_role_policy(RoleName="execution", PolicyName=action.replace(":", "-"), PolicyDocument=document)

    def register(self, family: str, image: str, **container: Any) -> str:
        """Register a task definition with one container ``app``."""
        sizes = {key: container.pop(key) for key in ("cpu", "memory") if key in container}
        definition = {
            "name": "app",
            "image": image,
            "portMappings": [{"containerPort": 8000}],
            "stopTimeout": 2,
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/ecs/rehearsal",
                    "awslogs-region": self.cloud.settings.region,
                    "awslogs-stream-prefix": "ecs",
                },
            },
        }
        answer = self.ecs.register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu=sizes.get("cpu", "256"),
            memory=sizes.get("memory", "512"),
            executionRoleArn=f"arn:aws:iam::{self.cloud.settings.account}:role/execution",
            containerDefinitions=[definition | container],
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": self.subnets, "securityGroups": [self.group]}}

    def create_service(self, name: str, definition: str, desired: int = 1, **more: Any) -> dict[str, Any]:
        answer = self.ecs.create_service(
            cluster="rehearsal",
            serviceName=name,
            taskDefinition=definition,
            desiredCount=desired,
            launchType="FARGATE",
            networkConfiguration=self.network,
            **more,
        )
        return dict(answer["service"])

    def service(self, name: str) -> dict[str, Any]:
        return dict(self.ecs.describe_services(cluster="rehearsal", services=[name])["services"][0])

    def run(self, definition: str, **more: Any) -> str:
        answer = self.ecs.run_task(
            cluster="rehearsal", taskDefinition=definition, networkConfiguration=self.network, **more
        )
        return str(answer["tasks"][0]["taskArn"])

    def task(self, arn: str) -> dict[str, Any]:
        return dict(self.ecs.describe_tasks(cluster="rehearsal", tasks=[arn])["tasks"][0])

    def tasks(self, name: str, status: str = "RUNNING") -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster="rehearsal", serviceName=name, desiredStatus=status)["taskArns"]
        return list(self.ecs.describe_tasks(cluster="rehearsal", tasks=arns)["tasks"]) if arns else []

    def stopped(self, arn: str, seconds: float = 60.0) -> dict[str, Any]:
        """The task once it has stopped."""

        def look() -> dict[str, Any] | None:
            task = self.task(arn)
            return task if task["lastStatus"] == "STOPPED" else None

        return eventually("the task has stopped", look, seconds)

    def steady(self, name: str, seconds: float = 90.0) -> dict[str, Any]:
        """The service once its one deployment is complete and all its tasks run."""

        def look() -> dict[str, Any] | None:
            service = self.service(name)
            only = [d["rolloutState"] for d in service["deployments"]] == ["COMPLETED"]
            return service if only and service["runningCount"] == service["desiredCount"] else None

        return eventually("the service is steady", look, seconds)

    def messages(self, name: str) -> list[str]:
        return [event["message"] for event in self.service(name)["events"]]

    def log_lines(self, task_arn: str) -> list[str]:
        """What the task has written so far."""
        logs = self.aws("logs")
        stream = f"ecs/app/{task_arn.rsplit('/', 1)[1]}"
        try:
            answer = logs.get_log_events(logGroupName="/ecs/rehearsal", logStreamName=stream, startFromHead=True)
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in answer["events"]]

    def real_address(self, task: dict[str, Any]) -> str:
        """Where the task really listens."""
        details = {detail["name"]: detail["value"] for detail in task["attachments"][0]["details"]}
        return self.cloud.settings.real_address(details["privateIPv4Address"])


def create_cluster(cloud: Cloud, aws: Clients, folder: Path) -> EcsCluster:
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{third}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for third, zone in zip((11, 12), zones, strict=False)
    ]
    group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)["GroupId"]
    inside = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[inside])
    aws("ecs").create_cluster(clusterName="rehearsal", settings=[{"name": "containerInsights", "value": "enabled"}])
    repository = aws("ecr").create_repository(repositoryName="tiny", imageTagMutability="IMMUTABLE")["repository"]
    aws("logs").create_log_group(logGroupName="/ecs/rehearsal")
    return EcsCluster(cloud, aws, folder, subnets, group, repository["repositoryUri"])
