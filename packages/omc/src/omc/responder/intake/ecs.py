"""ECS's events: tasks that failed, deployments that were given up, services that can't start their tasks.

A task that stops is a failure only where nobody wanted it to stop. Scaling, deployments and people stop tasks all the
time, and AWS does to bring the hosts up to date: those are ignored, each with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from omc.responder.intake.reading import (
    Context,
    ignored,
    items,
    mapping,
    mappings,
    moment,
    notification,
    text,
    unreadable,
)
from omc.responder.model import Ignored, Intake

SOURCE = "ecs"
TASK = "ECS Task State Change"
DEPLOYMENT = "ECS Deployment State Change"
ACTION = "ECS Service Action"

STOPPED = frozenset({"DEPROVISIONING", "STOPPED"})
"""From here on an event says why the task stopped. One stop is told several times; each gives the same notification."""
TERMINATED = frozenset({137, 143})
"""128 + SIGKILL, 128 + SIGTERM: how a container ends that is stopped because another one of its task did."""

FAILED_CHECKS = re.compile(r"Task failed (?:\S+ ){0,3}health checks?|failed container health checks", re.IGNORECASE)
"""The ``stoppedReason`` after a load balancer's health checks, or the container's own, failed."""
ERRORS = re.compile(
    r"\b(CannotPull\w*|CannotCreate\w*|CannotStart\w*|CannotInspect\w*|OutOfMemory\w*|ResourceInitialization\w*"
    r"|ContainerRuntime\w*|DockerTimeout\w*|InternalError|TaskFailedToStart)\b"
)
"""ECS's own names of errors, as stopped reasons and containers' reasons begin with (its guide's page "Stopped tasks
error messages")."""
NOT_FAILED = {
    "UserInitiated": "somebody stopped it",
    "SpotInterruption": "Fargate Spot took its capacity back",
    "TerminationNotice": "AWS ends its host, as was announced",
}
"""Stop codes that aren't failures of ours (ECS's API, type Task: ``stopCode``)."""


def from_event(event: Mapping[str, Any], context: Context) -> tuple[Intake, ...]:
    """An event of EventBridge's, of ``aws.ecs``."""
    kind = text(event.get("detail-type"))
    if kind == TASK:
        return (_task(event, context),)
    if kind == DEPLOYMENT:
        return (_deployment(event, context),)
    if kind == ACTION:
        return _action(event, context)
    return (ignored(f"ECS's event “{kind}” is none that anybody is told of."),)


def _task(event: Mapping[str, Any], context: Context) -> Intake:
    detail = mapping(event, "detail")
    task = text(detail.get("taskArn") or next(iter(items(event.get("resources"))), ""), 600)
    if not task:
        return unreadable("An event about a task that doesn't say which.")
    short, last = task.rpartition("/")[2], text(detail.get("lastStatus"))
    if last not in STOPPED:
        return ignored(f"Task {short} is {last or 'in an unknown state'}; it hasn't stopped.")
    cause = failure(detail)
    if isinstance(cause, Ignored):
        return ignored(f"Task {short}: {cause.reason}")
    group, cluster = text(detail.get("group")), text(detail.get("clusterArn"), 600)
    service = group.removeprefix("service:") if group.startswith("service:") else ""
    containers = mappings(detail.get("containers"))
    name = service or group.removeprefix("family:") or short
    return notification(
        context,
        SOURCE,
        f"stopped {cluster} {group or task}",
        task,
        name=f"{name} task failed",
        state="firing",
        at=_first_moment(detail, "stoppingAt", "executionStoppedAt", "stoppedAt", "updatedAt")
        or moment(event.get("time")),
        title=f"A task of {name} failed: {cause}",
        description="\n".join(
            (
                text(detail.get("stoppedReason"), 1_000),
                *(f"{text(one.get('name'))}: {_ending(one)}" for one in containers[:10]),
            )
        ),
        found={
            **_place(event, cluster),
            "task_arn": task,
            "group": group,
            "stop_code": detail.get("stopCode"),
            "stopped_reason": detail.get("stoppedReason"),
            "started_by": detail.get("startedBy"),
            "task_definition": detail.get("taskDefinitionArn"),
            "availability_zone": detail.get("availabilityZone"),
            "exit_codes": " ".join(str(code) for one in containers if (code := _exit_code(one)) is not None),
            "has_end": "no",
        },
        service=service,
    )


def failure(detail: Mapping[str, Any]) -> str | Ignored:
    """Why the task failed, in a few words; or why its stop is no failure.

    Which container was essential the event doesn't say. Where one ended with 0 and the others were only told to stop,
    that one was, and ended well.
    """
    code, reason = text(detail.get("stopCode")), text(detail.get("stoppedReason"), 1_000)
    if because := NOT_FAILED.get(code):
        return ignored(f"{because} ({reason or code}).")
    if FAILED_CHECKS.search(reason):
        return "health checks failed"
    containers = mappings(detail.get("containers"))
    if code == "ServiceSchedulerInitiated":
        return ignored(f"the service's scheduler stopped it ({reason or 'no reason given'}).")
    if out_of_memory := [one for one in containers if "OutOfMemory" in text(one.get("reason"))]:
        return f"{text(out_of_memory[0].get('name')) or 'a container'} ran out of memory"
    if code == "TaskFailedToStart" or (not code and ERRORS.search(reason)):
        return _named_error(reason, containers) or "it couldn't start"
    exits = [found for one in containers if (found := _exit_code(one)) is not None]
    if code == "EssentialContainerExited" or (not code and "Essential container" in reason):
        failed = sorted({one for one in exits if one} - (TERMINATED if 0 in exits else frozenset()))
        if failed:
            return f"exit code {failed[0]}"
        if exits:
            return ignored("its essential container ended with exit code 0.")
        return _named_error(reason, containers) or "its essential container ended without an exit code"
    if error := _named_error(reason, containers):
        return error
    return ignored(f"it stopped for no reason that counts as a failure ({reason or code or 'none given'}).")


def _named_error(reason: str, containers: list[Mapping[str, Any]]) -> str:
    for where in (reason, *(text(one.get("reason"), 1_000) for one in containers)):
        if found := ERRORS.search(where):
            return found[1]
    return ""


def _exit_code(container: Mapping[str, Any]) -> int | None:
    code = container.get("exitCode")
    return code if isinstance(code, int) and not isinstance(code, bool) and -(2**31) <= code < 2**31 else None


def _ending(container: Mapping[str, Any]) -> str:
    code, reason = _exit_code(container), text(container.get("reason"), 500)
    return ", ".join(filter(None, (reason, "no exit code" if code is None else f"exit code {code}")))


def _deployment(event: Mapping[str, Any], context: Context) -> Intake:
    detail = mapping(event, "detail")
    name, service_arn = text(detail.get("eventName")), _service_arn(event)
    if not name or not service_arn:
        return unreadable("An event about a deployment that doesn't say which, or what became of it.")
    service = service_arn.rpartition("/")[2]
    if name != "SERVICE_DEPLOYMENT_FAILED":
        return ignored(f"{service}: {name} ({text(detail.get('reason')) or 'no reason given'}).")
    at = moment(detail.get("updatedAt"))
    return notification(
        context,
        SOURCE,
        f"deployment {service_arn}",
        text(detail.get("deploymentId")) or text(event.get("id")) or context.within(at).isoformat(),
        name=f"{service} deployment failed",
        state="firing",
        at=at or moment(event.get("time")),
        title=f"ECS gave up on a deployment of {service}",
        description=detail.get("reason"),
        found={
            **_place(event, ""),
            "service_arn": service_arn,
            "deployment_id": detail.get("deploymentId"),
            "event_name": name,
            "has_end": "no",
        },
        service=service,
    )


def _action(event: Mapping[str, Any], context: Context) -> tuple[Intake, ...]:
    detail = mapping(event, "detail")
    name, level, service_arn = text(detail.get("eventName")), text(detail.get("eventType")), _service_arn(event)
    if not name or not service_arn:
        return (unreadable("An event about a service that doesn't say which, or what happened."),)
    service = service_arn.rpartition("/")[2]
    if level not in ("WARN", "ERROR"):
        return (ignored(f"{service}: {name}."),)
    at = moment(detail.get("createdAt")) or moment(event.get("time"))
    return (
        notification(
            context,
            SOURCE,
            f"action {service_arn} {name}",
            context.within(at).isoformat(),
            name=f"{service} {name}",
            state="firing",
            at=at,
            title=f"ECS can't run {service} as it should: {name}",
            description=detail.get("reason"),
            found={
                **_place(event, text(detail.get("clusterArn"), 600)),
                "service_arn": service_arn,
                "event_name": name,
                "event_type": level,
                "reason": detail.get("reason"),
                "has_end": "no",
            },
            service=service,
        ),
    )


def _service_arn(event: Mapping[str, Any]) -> str:
    """With the cluster (``service/CLUSTER/NAME``) or, of accounts of long ago, without."""
    found = text(next(iter(items(event.get("resources"))), ""), 600)
    return found if ":service/" in found else ""


def _place(event: Mapping[str, Any], cluster: str) -> dict[str, object]:
    return {"account": event.get("account"), "region": event.get("region"), "cluster": cluster.rpartition("/")[2]}


def _first_moment(detail: Mapping[str, Any], *names: str) -> Any:
    return next((at for name in names if (at := moment(detail.get(name)))), None)
