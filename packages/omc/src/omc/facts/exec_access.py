"""ECS Exec: the tasks in which a session may be opened, and all that a session in one of them depends on.

What the parts mean is judged elsewhere (``omc.sessions.checks``). The list is that of AWS's developer guide ("Monitor
Amazon ECS containers with ECS Exec") and of aws-containers/amazon-ecs-exec-checker, version 0.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import AccessDenied, NotFound, OmcError
from omc.facts.account import Caller, read_caller
from omc.facts.exec_agents import AGENT
from omc.facts.services import short_name
from omc.facts.tasks import TASKS_A_CALL

Found = TypeVar("Found")
CHANNEL_ACTIONS = (
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What the agent in the container does with the task's role."""
LOG_ACTIONS = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
KEY_VARIABLES = ("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Variables that the agent takes in place of the task's role."""
PORT_DOCUMENT = "AWS-StartPortForwardingSession"
REMOTE_DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"


@dataclass(frozen=True, slots=True)
class ExecContainer:
    """One container of a task."""

    name: str
    status: str
    health: str
    runtime: str
    """Its runtime id, which a session's target ends with; empty where ECS gives none."""
    agent: str
    """RUNNING, PENDING or STOPPED; empty where ECS names no agent."""
    agent_reason: str = ""


@dataclass(frozen=True, slots=True)
class ExecTask:
    """A task of a service."""

    id: str
    arn: str
    service: str
    definition: str
    status: str
    health: str
    launch: str
    """FARGATE, EC2 or EXTERNAL."""
    platform: str
    """The platform version, ``1.4.0``; empty on EC2."""
    family: str
    """``Linux``, ``Windows_Server_2022_Core`` …; empty where ECS doesn't say."""
    is_enabled: bool | None
    """Whether it was started with ECS Exec; None where ECS doesn't say."""
    containers: tuple[ExecContainer, ...]
    role: str = ""
    """The task role that replaces the definition's."""
    subnet: str = ""
    started: datetime | None = None

    def container(self, name: str) -> ExecContainer | None:
        return next((each for each in self.containers if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Transcript:
    """How the cluster has sessions recorded."""

    logging: str
    """NONE, DEFAULT (the container's own log) or OVERRIDE; empty where nothing is configured, which is DEFAULT."""
    log_group: str = ""
    bucket: str = ""
    key: str = ""
    """The KMS key with which sessions are encrypted."""
    wants_encrypted_group: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """What of the task's network a session needs."""

    has_way_out: bool
    """Whether the subnet's default route leads anywhere: to a NAT gateway, an internet gateway, a transit gateway."""
    endpoints: frozenset[str]
    """Services that have an interface endpoint in the VPC: ``ssmmessages``."""


@dataclass(frozen=True, slots=True)
class ExecAccess:
    """All that a session in one container of one task depends on. What couldn't be read is None, with the reason in
    ``unread``."""

    task: ExecTask
    container: str
    service_enabled: bool | None
    definition: Mapping[str, Any] | None
    transcript: Transcript | None
    caller: str
    """The ARN that was simulated, or the account's root user, whom nothing restricts; empty where nobody can be."""
    decisions: Mapping[str, str] | None
    """By IAM action, what the simulation says of the caller."""
    role: str
    """The task role's ARN; empty where there is none."""
    role_decisions: Mapping[str, str] | None
    network: Network | None
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_container(self) -> Mapping[str, Any]:
        """The container's part of the task definition."""
        for each in (self.definition or {}).get("containerDefinitions", ()):
            if each.get("name") == self.container:
                return dict(each)
        return {}


def exec_tasks(aws: Gateway, service: str) -> tuple[ExecTask, ...]:
    """The tasks of a service that should run; a listing and a hundred a call."""
    ecs, (cluster, ecs_service) = aws.client("ecs"), aws.environment.in_ecs(service)
    arns = [
        arn
        for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, serviceName=ecs_service)
        for arn in page["taskArns"]
    ]
    answers = parallel_map(
        lambda some: ecs.describe_tasks(cluster=cluster, tasks=list(some)), batches(arns, TASKS_A_CALL)
    )
    records: list[Any] = [task for answer in answers for task in answer["tasks"]]
    return tuple(_task(each, service) for each in records)


def read_transcript(aws: Gateway, cluster: str = "") -> Transcript:
    """Of the environment's own cluster, or of another. Raises ``NotFound`` where there is no such cluster."""
    cluster = cluster or aws.environment.cluster
    answer: Any = aws.client("ecs").describe_clusters(clusters=[cluster], include=["CONFIGURATIONS"])
    if not answer["clusters"]:
        raise NotFound(f"There is no cluster {cluster}.", "ClusterNotFoundException")
    found = answer["clusters"][0].get("configuration", {}).get("executeCommandConfiguration", {})
    logs = found.get("logConfiguration", {})
    return Transcript(
        found.get("logging", ""),
        logs.get("cloudWatchLogGroupName", ""),
        logs.get("s3BucketName", ""),
        found.get("kmsKeyId", ""),
        bool(logs.get("cloudWatchEncryptionEnabled")),
    )


def read_exec_access(aws: Gateway, task: ExecTask, container: str, is_tunnel: bool = False) -> ExecAccess:
    """Ask for all of it, side by side. ``is_tunnel``: of a port's session, which Session Manager grants and not ECS."""
    unread: dict[str, str] = {}

    def attempt(part: str, read: Callable[[], Found]) -> Found | None:
        try:
            return read()
        except OmcError as error:
            unread[part] = error.message
            return None

    parts: list[Any] = parallel_map(
        lambda pair: attempt(*pair),
        [
            ("definition", lambda: _definition(aws, task)),
            ("transcript", lambda: read_transcript(aws, aws.environment.in_ecs(task.service)[0])),
            ("service", lambda: _service(aws, task.service)),
            ("network", lambda: _network(aws, task)),
            ("caller", lambda: read_caller(aws)),
        ],
    )
    definition, transcript, service_enabled, network, caller = parts
    role = task.role or str((definition or {}).get("taskRoleArn", ""))
    key = transcript.key if transcript else ""
    principal = _principal(aws, caller) if caller else ""
    is_root = caller is not None and caller.kind == "root"
    questions: list[tuple[str, Callable[[], Mapping[str, str] | None]]] = [
        ("decisions", lambda: _of_caller(aws, principal, caller, task, key, is_tunnel)),
        ("role_decisions", lambda: _of_role(aws, role, transcript, caller)),
    ]
    decisions, role_decisions = parallel_map(lambda pair: attempt(*pair), questions)
    return ExecAccess(
        task=task,
        container=container,
        service_enabled=service_enabled,
        definition=definition,
        transcript=transcript,
        caller=caller.arn if caller and is_root else principal,
        decisions={} if is_root else decisions if principal else None,
        role=role,
        role_decisions=role_decisions if role else None,
        network=network,
        unread=unread,
    )


def _task(record: Any, service: str) -> ExecTask:
    details = {
        each["name"]: each["value"]
        for attachment in record.get("attachments", [])
        for each in attachment.get("details", [])
        if "value" in each
    }
    started = record.get("startedAt")
    return ExecTask(
        id=short_name(record["taskArn"]),
        arn=record["taskArn"],
        service=service,
        definition=short_name(record["taskDefinitionArn"]),
        status=record.get("lastStatus", ""),
        health=record.get("healthStatus", "UNKNOWN"),
        launch=record.get("launchType", ""),
        platform=record.get("platformVersion", ""),
        family=record.get("platformFamily", ""),
        is_enabled=record.get("enableExecuteCommand"),
        containers=tuple(_container(each) for each in record.get("containers", [])),
        role=record.get("overrides", {}).get("taskRoleArn", ""),
        subnet=details.get("subnetId", ""),
        started=started.astimezone(UTC) if started else None,
    )


def _container(record: Any) -> ExecContainer:
    agent: Any = next((each for each in record.get("managedAgents", []) if each.get("name") == AGENT), {})
    return ExecContainer(
        record.get("name", ""),
        record.get("lastStatus", ""),
        record.get("healthStatus", "UNKNOWN"),
        record.get("runtimeId", ""),
        agent.get("lastStatus", ""),
        agent.get("reason", ""),
    )


def _definition(aws: Gateway, task: ExecTask) -> Mapping[str, Any]:
    answer: Any = aws.client("ecs").describe_task_definition(taskDefinition=task.definition)
    return dict(answer["taskDefinition"])


def _service(aws: Gateway, name: str) -> bool | None:
    cluster, ecs_service = aws.environment.in_ecs(name)
    answer: Any = aws.client("ecs").describe_services(cluster=cluster, services=[ecs_service])
    found = answer["services"]
    return found[0].get("enableExecuteCommand") if found else None


def _network(aws: Gateway, task: ExecTask) -> Network | None:
    if not task.subnet:
        return None
    ec2 = aws.client("ec2")
    subnets: list[Any] = ec2.describe_subnets(SubnetIds=[task.subnet])["Subnets"]
    vpc: Any = [{"Name": "vpc-id", "Values": [subnets[0]["VpcId"]]}]
    tables: list[Any] = ec2.describe_route_tables(Filters=vpc)["RouteTables"]
    endpoints: list[Any] = ec2.describe_vpc_endpoints(Filters=vpc)["VpcEndpoints"]
    region = aws.environment.region
    return Network(
        any(_leads_out(route) for route in _table_of(tables, task.subnet).get("Routes", ())),
        frozenset(
            each["ServiceName"].partition(f".{region}.")[2]
            for each in endpoints
            if each.get("VpcEndpointType") == "Interface" and each.get("State", "").lower() == "available"
        ),
    )


def _table_of(tables: Sequence[Any], subnet: str) -> Mapping[str, Any]:
    """The subnet's own route table, else the VPC's main one."""
    associations = [(table, each) for table in tables for each in table.get("Associations", ())]
    own = [table for table, each in associations if each.get("SubnetId") == subnet]
    main = [table for table, each in associations if each.get("Main")]
    return dict((own or main or [{}])[0])


def _leads_out(route: Any) -> bool:
    targets = ("NatGatewayId", "GatewayId", "TransitGatewayId", "NetworkInterfaceId", "InstanceId")
    is_default = route.get("DestinationCidrBlock") == "0.0.0.0/0"
    return is_default and route.get("State") != "blackhole" and any(route.get(name) for name in targets)


def _principal(aws: Gateway, caller: Caller) -> str:
    """Whom IAM can simulate: a user, or the role behind a session. Nobody for the root user, whom nothing restricts."""
    if caller.kind == "user":
        return caller.arn
    if caller.kind != "assumed-role":
        return ""
    try:
        return str(aws.client("iam").get_role(RoleName=caller.name)["Role"]["Arn"])
    except (AccessDenied, NotFound):
        return f"arn:{caller.partition}:iam::{caller.account}:role/{caller.name}"


def _of_caller(
    aws: Gateway, principal: str, caller: Caller | None, task: ExecTask, key: str, is_tunnel: bool
) -> Mapping[str, str]:
    if not principal or caller is None:
        return {}
    if is_tunnel:
        document = f"arn:{caller.partition}:ssm:{aws.environment.region}::document/{REMOTE_DOCUMENT}"
        wanted: dict[str, tuple[str, ...]] = {"ssm:StartSession": (task.arn, document)}
    else:
        wanted = {"ecs:ExecuteCommand": (task.arn,)}
    if key:
        wanted["kms:GenerateDataKey"] = (_key_arn(aws, key, caller),)
    return _simulated(aws, principal, wanted)


def _of_role(aws: Gateway, role: str, transcript: Transcript | None, caller: Caller | None) -> Mapping[str, str] | None:
    if not role or caller is None:
        return None
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys(CHANNEL_ACTIONS, ("*",))
    if transcript and transcript.key:
        wanted["kms:Decrypt"] = (_key_arn(aws, transcript.key, caller),)
    if transcript and transcript.logging == "OVERRIDE" and transcript.log_group:
        place = f"arn:{caller.partition}:logs:{aws.environment.region}:{caller.account}:log-group:"
        wanted |= dict.fromkeys(LOG_ACTIONS, (f"{place}{transcript.log_group}:*",))
        wanted["logs:DescribeLogGroups"] = ("*",)
    return _simulated(aws, role, wanted)


def _key_arn(aws: Gateway, key: str, caller: Caller) -> str:
    """Of a key that is given by its ARN, its id or its alias."""
    if key.startswith("arn:") and ":key/" in key:
        return key
    try:
        return str(aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"])
    except OmcError:
        return f"arn:{caller.partition}:kms:{aws.environment.region}:{caller.account}:key/{key}"


def _simulated(aws: Gateway, principal: str, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """By action, the worst that the simulation says of its resources."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for action, resources in wanted.items():
        groups.setdefault(resources, []).append(action)

    def ask(resources: tuple[str, ...]) -> list[tuple[str, str]]:
        pages: Any = (
            aws.client("iam")
            .get_paginator("simulate_principal_policy")
            .paginate(PolicySourceArn=principal, ActionNames=groups[resources], ResourceArns=list(resources))
        )
        return [(each["EvalActionName"], each["EvalDecision"]) for page in pages for each in page["EvaluationResults"]]

    names = {action.lower(): action for action in wanted}
    found: dict[str, str] = {}
    for answer in parallel_map(ask, list(groups)):
        for action, decision in answer:
            name = names.get(action.lower(), action)
            if found.get(name, "allowed") == "allowed":
                found[name] = decision
    return found
