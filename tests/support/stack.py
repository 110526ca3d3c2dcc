"""An applied local cloud as the rehearsals use it: commands run as a person would, and clients."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.commands import CommandResult, clean_env, run
from support.prepared import omc
from support.waiting import eventually

CLUSTER = "ohmycoins-staging"


@dataclass(frozen=True, slots=True)
class Stack:
    """A local cloud's state folder, and ways to ask it things as a person would."""

    state: Path

    def omc(self, *arguments: str, env: dict[str, str] | None = None, timeout: float = 300) -> CommandResult:
        """Run omc as a process in this project, with this cloud as `local`."""
        return omc(arguments, clean_env(OMC_LOCAL_STATE=str(self.state)) | (env or {}), timeout)

    def localcloud(self, verb: str, *arguments: str, timeout: float = 120) -> CommandResult:
        return run(
            [sys.executable, "-m", "localcloud", verb, "--state", str(self.state), *arguments], clean_env(), timeout
        )

    def status(self) -> dict[str, Any]:
        """What the cloud says of itself. On a busy machine one that runs may be too slow to answer the command."""
        for _ in range(10):
            record = dict(self.localcloud("status", "--json").json)
            if "endpoint" in record or not record["running"]:
                break
        return record

    def reach(self) -> dict[str, str]:
        """The environment that points any AWS client at this cloud."""
        payload = json.loads((self.state / "cloud.json").read_text())
        return {
            "AWS_ENDPOINT_URL": payload["endpoint"],
            "AWS_REGION": payload["region"],
            "AWS_DEFAULT_REGION": payload["region"],
            "AWS_ACCESS_KEY_ID": payload["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": payload["secret_access_key"],
            "OMC_ALLOW_LOOPBACK": "1",  # environments that omc.toml has in AWS are rehearsed here, too
        }

    def private(self, page: str, body: Any = None) -> Any:
        """Ask one of the cloud's private pages, with the token of its state folder."""
        payload = json.loads((self.state / "cloud.json").read_text())
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Localcloud-Token": payload["token"]}
        request = urllib.request.Request(f"{payload['endpoint']}/_localcloud/{page}", data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def client(self, service: str, config: Any = None) -> Any:
        """A boto3 client with retries off: a gap in the cloud must show."""
        import boto3
        from botocore.config import Config

        reach = self.reach()
        return boto3.client(  # type: ignore[call-overload]  # the stub wants a literal name
            service,
            endpoint_url=reach["AWS_ENDPOINT_URL"],
            region_name=reach["AWS_REGION"],
            aws_access_key_id=reach["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=reach["AWS_SECRET_ACCESS_KEY"],
            config=config or Config(retries={"max_attempts": 0}, read_timeout=60),
        )

    def output(self, name: str) -> Any:
        return json.loads((self.state / "stack.json").read_text())["outputs"][name]

    @property
    def url(self) -> str:
        return str(self.output("load_balancer")["url"])

    def task_pids(self, service: str) -> list[int]:
        """The first process of each task of the service that has processes."""
        return [int(task["pids"][0]) for task in self.status()["parts"]["ecs"]["tasks"] if task["service"] == service]

    def check(self, *arguments: str) -> CommandResult:
        return self.omc("check", "morning", "--env", "local", *arguments)


def wait_until_healthy(stack: Stack, within: float = 300) -> None:
    """Wait until nothing goes on any more: no deployment, no task that comes or goes, no target that is drained."""
    ecs, elb = stack.client("ecs"), stack.client("elbv2")

    def settled() -> bool:
        for service in ecs.describe_services(cluster=CLUSTER, services=["backend", "frontend"])["services"]:
            if service["runningCount"] != service["desiredCount"] or service["pendingCount"]:
                return False
            if [deployment["rolloutState"] for deployment in service["deployments"]] != ["COMPLETED"]:
                return False
            for group in service["loadBalancers"]:
                states = [
                    target["TargetHealth"]["State"]
                    for target in elb.describe_target_health(TargetGroupArn=group["targetGroupArn"])[
                        "TargetHealthDescriptions"
                    ]
                ]
                if states != ["healthy"] * service["desiredCount"]:
                    return False
        return not is_any_task_leaving(stack)

    eventually("all tasks run and all targets are healthy", settled, within)


def is_any_task_leaving(stack: Stack) -> bool:
    """Whether a task that is no longer wanted still has its processes. Its service doesn't count it any more."""
    return any(task["lastStatus"] != "STOPPED" for task in all_tasks(stack, CLUSTER, "STOPPED"))


def all_tasks(stack: Stack, cluster: str, desired: str) -> Iterator[dict[str, Any]]:
    """A cluster's tasks that are to run, or to stop. ECS remembers the stopped for an hour, so there may be pages."""
    ecs = stack.client("ecs")
    for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=desired):
        if page["taskArns"]:
            yield from ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]


def processes_below(state: Path) -> list[int]:
    """Every process whose command line or working folder lies in this state folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                folder = str((entry / "cwd").readlink())
            except OSError:
                continue
            if str(state) in words or folder.startswith(str(state)):
                found.append(int(entry.name))
    return found


def state_bucket(stack: Stack) -> str:
    """Where the state of the stack's Terraform is."""
    account = json.loads((stack.state / "cloud.json").read_text())["account"]
    return f"{CLUSTER}-tfstate-{account}"


def put_silent_alarm(cloudwatch: Any, name: str) -> None:
    """An alarm on a metric of which nothing is ever heard, so that it stays in the state in which it is put by hand."""
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Rehearsal",
        MetricName="Nothing",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
