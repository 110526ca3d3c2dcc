"""Questions that AWS's documentation leaves open: what was asked, what was answered, and what follows for omc.

What is judged is omc's assumption, not the answer: ok if omc is right whatever the answer, or if the answer is the one
that it was built on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from omc.checks.doctor_finding import by_terraform, finding
from omc.checks.finding import Finding, Level
from omc.checks.runbook import FIRST_DAY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.open_questions import DeploymentOrder, FlowLogDelivery, RunnerDocker, StartedByAnswer
from omc.facts.services import Services
from omc.output.text import counted

SENT_BACK = frozenset({"maximumPercent", "minimumHealthyPercent", "deploymentCircuitBreaker", "alarms"})
"""The parts of a deployment configuration that a rollback by omc sends back."""
DOCKER_WITH_INDEXES = 29
"""From this version on, Docker pushes an index of manifests, even for a single platform."""
PROBE_AGAIN = "Run this again once there is something to see"


@check(
    "question-deployment-order",
    title="Order of deployments",
    question="In which order does ECS list a service's deployments?",
    severity=Level.UNKNOWN,
    runbook=FIRST_DAY,
)
def question_deployment_order(order: DeploymentOrder) -> Iterator[Finding]:
    seen = {name: times for name, times in order.created.items() if len(times) > 1}
    evidence = [
        f"asked: ecs ListServiceDeployments of {name}, one page; answered: {counted(len(times), 'deployment')}"
        f"{', ' + _order(times) if len(times) > 1 else ''}"
        for name, times in order.created.items()
    ]
    check, subject = "question-deployment-order", "order of deployments"
    if not seen:
        yield finding(
            check,
            Level.UNKNOWN,
            subject,
            "Not settled: no service has two deployments. omc sorts them by itself.",
            order.reading,
            *evidence,
            do=PROBE_AGAIN,
        )
        return
    orders = sorted({_order(times) for times in seen.values()})
    follows = "as omc was built on" if orders == ["newest first"] else "and omc, which sorts them by itself, is right"
    yield finding(check, Level.OK, subject, f"They come {' or '.join(orders)}, {follows}.", order.reading, *evidence)


def _order(times: tuple[object, ...]) -> str:
    known = list(times)
    if known == sorted(known, reverse=True):  # type: ignore[type-var]
        return "newest first"
    return "oldest first" if known == sorted(known) else "in no order"  # type: ignore[type-var]


@check(
    "question-deployment-configuration",
    title="Configuration of a rolling service",
    question="What does ECS return of a rolling service's configuration that a rollback would have to send back?",
    severity=Level.UNKNOWN,
    runbook=FIRST_DAY,
)
def question_deployment_configuration(services: Services) -> Iterator[Finding]:
    check, subject = "question-deployment-configuration", "configuration of a rolling service"
    rolling = [
        service for service in services.services if service.controller == "ECS" and service.strategy == "ROLLING"
    ]
    record = {service.name: service.configuration for service in rolling if service.configuration}
    evidence = [
        f"asked: ecs DescribeServices; answered for {name}: "
        + ", ".join(
            f"{key}={value}" if key in ("strategy", "bakeTimeInMinutes") else key
            for key, value in sorted(found.items())
        )
        for name, found in record.items()
    ]
    if not record:
        yield finding(
            check,
            Level.UNKNOWN,
            subject,
            "Not settled: ECS returns no configuration of a rolling service.",
            services.reading,
            do=PROBE_AGAIN,
        )
        return
    more = sorted({key for found in record.values() for key in found} - SENT_BACK)
    lacking = sorted(SENT_BACK - {key for found in record.values() for key in found})
    if more:
        sentence = f"It also returns {', '.join(more)}, which a rollback by omc doesn't send back."
    else:
        sentence = "It returns only what a rollback by omc sends back."
    if lacking:
        sentence += (
            f" {', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not returned, and a "
            "rollback leaves that unchanged."
        )
    yield finding(check, Level.OK, subject, sentence, services.reading, *evidence)


@check(
    "question-started-by",
    title="startedBy beside desiredStatus",
    question="Does ECS accept a filter by startedBy together with one by desiredStatus?",
    severity=Level.UNKNOWN,
    runbook=FIRST_DAY,
)
def question_started_by(answer: StartedByAnswer) -> Iterator[Finding]:
    requested = "asked: ecs ListTasks with startedBy and desiredStatus=STOPPED"
    if answer.code:
        came, follows = f"it is refused ({answer.code})", "as its documentation says; omc filters by one at a time"
    elif answer.listed:
        came, follows = (
            f"it lists {answer.listed} tasks with another startedBy",
            "so ECS ignores the filter; omc doesn't use it",
        )
    else:
        came, follows = (
            "it accepts both and lists nothing",
            "which proves nothing about tasks that exist; omc doesn't combine the two",
        )
    yield finding(
        "question-started-by",
        Level.OK,
        "startedBy beside desiredStatus",
        f"{came[0].upper()}{came[1:]}, {follows}.",
        answer.reading,
        requested,
        f"answered: {answer.message or came}",
    )


@check(
    "question-flow-log-role",
    title="Permissions of the flow log's role",
    question="Does the flow log's role have enough permissions to deliver it?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def question_flow_log_role(delivery: FlowLogDelivery, environment: Environment) -> Iterator[Finding]:
    check, requested = "question-flow-log-role", "asked: ec2 DescribeFlowLogs"
    if not delivery.logs:
        yield finding(
            check,
            Level.UNKNOWN,
            "flow log",
            "Not settled: there is no flow log.",
            delivery.reading,
            requested,
            **by_terraform(environment, "Give the VPC a flow log that goes to CloudWatch Logs"),
        )
    for name, (status, error) in delivery.logs.items():
        level = Level.OK if status == "SUCCESS" else Level.FAIL if status == "FAILED" or error else Level.UNKNOWN
        state = error or status or "EC2 gives no status"
        record = {
            Level.OK: "Its records arrive: the role's three permissions are enough.",
            Level.FAIL: f"It isn't delivered: {state}.",
        }
        yield finding(
            check,
            level,
            f"flow log {name}",
            record.get(level, f"Whether it is delivered is unknown: {state}."),
            delivery.reading,
            requested,
            f"answered: {status or 'nothing'} {error}".strip(),
            do="Give the flow log's role logs:CreateLogGroup and logs:DescribeLogGroups",
        )


@check(
    "question-runner-docker",
    title="Docker on GitHub's runner",
    question="What does Docker on GitHub's runner push: an image's manifest, or an index of them?",
    severity=Level.WARN,
    runbook=FIRST_DAY,
)
def question_runner_docker(docker: RunnerDocker) -> Iterator[Finding]:
    check, subject = "question-runner-docker", "Docker on GitHub's runner"
    number = re.match(r"\d+", docker.version)
    if number is None:
        why = "Docker there doesn't say its version" if docker.is_runner else "only a job on the runner can ask"
        yield finding(
            check,
            Level.WARN,
            subject,
            f"Unknown: {why}. The workflow builds and copies images correctly in either case.",
            docker.reading,
            do="Let a step of the workflow run this command",
        )
        return
    pushes = "an index of manifests" if int(number[0]) >= DOCKER_WITH_INDEXES else "a plain manifest"
    yield finding(
        check,
        Level.OK,
        subject,
        f"It is {docker.version}, which pushes {pushes}; the workflow copies either whole.",
        docker.reading,
    )
