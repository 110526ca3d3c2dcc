"""An AWS endpoint over real HTTP whose answers a test writes down, for what no cloud does on demand: errors, cut-off
answers, exact states. It speaks every protocol of AWS through localcloud's wire code; nothing of omc is replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

from werkzeug.datastructures import Headers

from localcloud.core.registry import AwsError
from localcloud.front import protocol
from support.http_server import LoopbackServer

NOW = datetime.now(UTC).replace(microsecond=0)
ACCOUNT = "123456789012"
REGION = "ap-southeast-2"
PREFIX = "ohmycoins-staging"


@dataclass(frozen=True)
class Cut:
    """An answer of which only the first half arrives well-formed: the body is cut, the length is honest."""

    answer: Mapping[str, Any]


Answer = Mapping[str, Any] | AwsError | Cut | Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass
class CannedAws:
    """What is answered, and what was asked."""

    answers: dict[tuple[str, str], Any]
    """Each an ``Answer``, which a test may change in place."""
    endpoint: str = ""
    port_shift: int = 0
    """From port 80 to the server's: the stack's load balancer is this server too."""
    requests: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    status_page: Any = field(default_factory=lambda: (200, b'{"data_age_seconds": 12.5}'))
    pages: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Other pages, by path."""
    visits: list[protocol.HttpRequest] = field(default_factory=list)
    """How these were asked for."""
    site: dict[str, tuple[int, bytes]] = field(
        default_factory=lambda: {"/": (200, b"<!doctype html>"), "/api/v1/prices": (200, b"[]")}
    )
    """What users get beside the status page, by path."""

    def operations(self) -> list[str]:
        return [operation for _, operation, _ in self.requests]


def _answer(aws: CannedAws, request: protocol.HttpRequest) -> protocol.HttpAnswer:
    if request.path == "/api/v1/status":
        status, body = aws.status_page
        return protocol.HttpAnswer(status, body, {"Content-Type": "application/json"})
    if request.method == "GET" and request.path in aws.site:
        return protocol.HttpAnswer(*aws.site[request.path], {})
    if request.path in aws.pages:
        aws.visits.append(request)
        status, body = aws.pages[request.path]
        return protocol.HttpAnswer(status, body, {})
    wire = protocol.identify(request, protocol.service_of(request, protocol.signature(request)), "request-1")
    params = protocol.parse(wire, request)
    aws.requests.append((wire.service, wire.operation.name, params))
    answer = aws.answers.get((wire.service, wire.operation.name), AwsError("InvalidAction", "not canned"))
    if isinstance(answer, AwsError):
        return protocol.serialise_error(wire, answer)
    if isinstance(answer, Cut):
        whole = protocol.serialise(wire, answer.answer)
        return protocol.HttpAnswer(200, whole.body[: len(whole.body) // 2], whole.headers)
    try:
        return protocol.serialise(wire, answer(params) if callable(answer) else answer)
    except AwsError as error:
        return protocol.serialise_error(wire, error)


@contextmanager
def canned_aws(answers: Mapping[tuple[str, str], Answer]) -> Iterator[CannedAws]:
    aws = CannedAws(dict(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path, _, query = self.path.partition("?")
            headers = Headers(list(self.headers.items()))
            host = self.headers.get("Host", "")
            answer = _answer(
                aws, protocol.HttpRequest(self.command, path, query, headers, body, "127.0.0.1", host=host)
            )
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = LoopbackServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    aws.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    aws.port_shift = server.server_address[1] - 80
    described = aws.answers.get(("elbv2", "DescribeLoadBalancers"))
    if isinstance(described, dict):
        for load_balancer in described["LoadBalancers"]:
            load_balancer["DNSName"] = "127.0.0.1"
    try:
        yield aws
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def ecs_service(name: str, *, running: int = 2, desired: int = 2, **more: Any) -> dict[str, Any]:
    definition = arn("ecs", f"task-definition/ohmycoins-{name}:7")
    deployment = {
        "id": f"ecs-svc/{name}",
        "status": "PRIMARY",
        "taskDefinition": definition,
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": 0,
        "failedTasks": 0,
        "createdAt": NOW - timedelta(days=2),
        "updatedAt": NOW - timedelta(days=2),
        "rolloutState": "COMPLETED",
        "rolloutStateReason": "ECS deployment ecs-svc/1 completed.",
    }
    return {
        "serviceName": name,
        "serviceArn": arn("ecs", f"service/{PREFIX}/{name}"),
        "status": "ACTIVE",
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": 0,
        "taskDefinition": definition,
        "deployments": [deployment],
        "events": [],
    } | more


def target_group(name: str) -> dict[str, Any]:
    return {
        "TargetGroupName": f"{PREFIX}-{name}",
        "TargetGroupArn": arn("elasticloadbalancing", f"targetgroup/{PREFIX}-{name}/0123456789abcdef"),
        "LoadBalancerArns": [arn("elasticloadbalancing", f"loadbalancer/app/{PREFIX}/50dc6c495c0c9188")],
    }


def alarm(name: str, state: str = "OK", **more: Any) -> dict[str, Any]:
    return {
        "AlarmName": f"{PREFIX}-{name}",
        "AlarmArn": arn("cloudwatch", f"alarm:{PREFIX}-{name}"),
        "StateValue": state,
        "StateReason": "Threshold Crossed: 3 datapoints were greater than the threshold (0.0).",
        "StateUpdatedTimestamp": NOW - timedelta(minutes=42),
        "ActionsEnabled": True,
        "AlarmActions": [arn("sns", "high")],
    } | more


def fresh_metrics(params: Mapping[str, Any]) -> dict[str, Any]:
    """Forty answers a minute, none of them an error; CPU measured in the newest minute."""
    minutes = [params["EndTime"] - timedelta(minutes=number) for number in range(2, 12)]
    values = {"total": 40.0, "errors": 0.0}
    return {
        "MetricDataResults": [
            {
                "Id": query["Id"],
                "Label": query["Id"],
                "Timestamps": minutes,
                "Values": [values.get(query["Id"].partition("_")[0], 1.0)] * len(minutes),
                "StatusCode": "Complete",
            }
            for query in params["MetricDataQueries"]
            if query.get("ReturnData", True)
        ]
    }


def forward(name: str) -> dict[str, Any]:
    return {"Type": "forward", "TargetGroupArn": target_group(name)["TargetGroupArn"]}


LISTENER = {
    "ListenerArn": arn("elasticloadbalancing", f"listener/app/{PREFIX}/50dc6c495c0c9188/1"),
    "Protocol": "HTTP",
    "Port": 80,
    "DefaultActions": [forward("frontend")],
}
RULES = [
    {
        "Priority": "10",
        "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}, "Values": ["/api/*"]}],
        "Actions": [forward("backend")],
        "IsDefault": False,
    },
    {"Priority": "default", "Conditions": [], "Actions": [forward("frontend")], "IsDefault": True},
]


def scalable_target(name: str) -> dict[str, Any]:
    return {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{PREFIX}/{name}",
        "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 2,
        "MaxCapacity": 10,
        "RoleARN": arn("iam", "role/autoscaling"),
        "CreationTime": NOW - timedelta(days=30),
        "SuspendedState": {
            "DynamicScalingInSuspended": False,
            "DynamicScalingOutSuspended": False,
            "ScheduledScalingSuspended": False,
        },
    }


def healthy() -> dict[tuple[str, str], Any]:
    """A stack of which every morning check is ok."""
    health = [
        {"Target": {"Id": address, "Port": 8000}, "TargetHealth": {"State": "healthy"}}
        for address in ("10.0.11.23", "10.0.12.42")
    ]
    return {
        ("ecs", "DescribeServices"): {"services": [ecs_service("backend"), ecs_service("frontend")], "failures": []},
        ("ecs", "ListTasks"): {"taskArns": []},
        ("elbv2", "DescribeLoadBalancers"): {
            "LoadBalancers": [
                {
                    "LoadBalancerName": PREFIX,
                    "LoadBalancerArn": arn("elasticloadbalancing", f"loadbalancer/app/{PREFIX}/50dc6c495c0c9188"),
                    "DNSName": f"{PREFIX}-1.{REGION}.elb.amazonaws.com",
                    "State": {"Code": "active"},
                }
            ]
        },
        ("elbv2", "DescribeListeners"): {"Listeners": [LISTENER]},
        ("elbv2", "DescribeRules"): {"Rules": RULES},
        ("elbv2", "DescribeTargetGroups"): {"TargetGroups": [target_group("backend"), target_group("frontend")]},
        ("elbv2", "DescribeTargetHealth"): {"TargetHealthDescriptions": health},
        ("cloudwatch", "DescribeAlarms"): {"MetricAlarms": [alarm("backend-unhealthy")], "CompositeAlarms": []},
        ("cloudwatch", "ListTagsForResource"): {"Tags": [{"Key": "Severity", "Value": "SEV-2"}]},
        ("cloudwatch", "GetMetricData"): fresh_metrics,
        ("logs", "StartQuery"): {"queryId": "12ab3456-12ab-123a-789e-1234567890ab"},
        ("logs", "GetQueryResults"): {
            "status": "Complete",
            "results": [],
            "statistics": {"recordsMatched": 0.0, "recordsScanned": 812.0, "bytesScanned": 91000.0},
        },
        ("rds", "DescribeDBInstances"): {"DBInstances": []},
        ("rds", "DescribeEvents"): {"Events": []},
        ("elasticache", "DescribeReplicationGroups"): {"ReplicationGroups": []},
        ("elasticache", "DescribeCacheClusters"): {"CacheClusters": []},
        ("elasticache", "DescribeEvents"): {"Events": []},
        ("application-autoscaling", "DescribeScalableTargets"): {
            "ScalableTargets": [scalable_target("backend"), scalable_target("frontend")]
        },
        ("ec2", "DescribeFlowLogs"): {"FlowLogs": []},
        ("ec2", "DescribeNetworkAcls"): {"NetworkAcls": []},
        ("ec2", "DescribeSubnets"): {
            "Subnets": [{"SubnetId": "subnet-a", "VpcId": "vpc-1", "CidrBlock": "10.0.11.0/24"}]
        },
        ("ec2", "DescribeSecurityGroupRules"): {"SecurityGroupRules": []},
        ("cloudtrail", "LookupEvents"): {"Events": []},
        ("s3", "GetObject"): AwsError("NoSuchKey", "The specified key does not exist."),  # no Terraform state
        ("sts", "GetCallerIdentity"): {"Account": ACCOUNT, "Arn": arn("iam", "user/someone"), "UserId": "AIDA"},
    }
