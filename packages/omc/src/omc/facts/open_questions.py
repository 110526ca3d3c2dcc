"""Questions that AWS's documents leave open and that one read of a real account answers.

Each is asked as it stands in "First contact": what came is kept as it came, and ``omc.checks.doctor_questions`` says
what follows for omc.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AwsRefused
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.scope import Scope
from omc.facts.services import Services

STARTED_BY = "omc/doctor"
"""The ``startedBy`` of no existing task."""


@dataclass(frozen=True, slots=True)
class DeploymentOrder:
    """By service: when each deployment of one page was created, in the order in which ECS gave them."""

    created: Mapping[str, tuple[datetime, ...]]
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class StartedByAnswer:
    """What ListTasks answers to ``startedBy`` together with ``desiredStatus``."""

    code: str
    """The error; empty where it answered with a list."""
    message: str
    listed: int
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class FlowLogDelivery:
    """By flow log: whether what it writes arrives, and its error."""

    logs: Mapping[str, tuple[str, str]]
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class RunnerDocker:
    """Docker's version on GitHub's runner, where this is one."""

    is_runner: bool
    version: str = ""
    reading: Reading = NO_READING


@reads
def read_deployment_order(aws: Gateway, services: Services) -> DeploymentOrder:
    """One page for each service, as it comes."""
    ecs = aws.client("ecs")
    names = [service.name for service in services.services]

    def ask(name: str) -> tuple[datetime, ...]:
        cluster, ecs_service = aws.environment.in_ecs(name)
        response = ecs.list_service_deployments(cluster=cluster, service=ecs_service, maxResults=100)
        return tuple(brief["createdAt"] for brief in response["serviceDeployments"])

    return DeploymentOrder(dict(zip(names, parallel_map(ask, names), strict=True)))


@reads
def read_started_by_answer(aws: Gateway) -> StartedByAnswer:
    """A listing that can hold no task, so it only shows whether ECS accepts the question."""
    try:
        response = aws.client("ecs").list_tasks(
            cluster=aws.environment.cluster, startedBy=STARTED_BY, desiredStatus="STOPPED"
        )
    except AwsRefused as error:
        return StartedByAnswer(error.code, error.message, 0)
    return StartedByAnswer("", "", len(response["taskArns"]))


@reads
def read_flow_log_delivery(aws: Gateway, environment: Environment) -> FlowLogDelivery:
    """All of the account's, a page at a time; kept are those that write into the environment's group."""
    group = f"/vpc/{environment.prefix}/flow"
    return FlowLogDelivery(
        {
            str(payload.get("FlowLogId", "")): (
                payload.get("DeliverLogsStatus", ""),
                payload.get("DeliverLogsErrorMessage", ""),
            )
            for page in aws.client("ec2").get_paginator("describe_flow_logs").paginate()
            for payload in page["FlowLogs"]
            if group in (payload.get("LogGroupName"), payload.get("LogDestination", "").partition(":log-group:")[2])
        }
    )


@reads
def read_runner_docker(scope: Scope) -> RunnerDocker:  # noqa: ARG001 - a reader needs something; it asks this machine
    """Only a job on GitHub's own runner can tell what is on it."""
    if os.environ.get("GITHUB_ACTIONS") != "true" or os.environ.get("RUNNER_ENVIRONMENT") != "github-hosted":
        return RunnerDocker(is_runner=False)
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],  # noqa: S607 - the runner's own
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return RunnerDocker(is_runner=True)
    return RunnerDocker(True, done.stdout.strip() if done.returncode == 0 else "")
