"""Why a task stopped, in a few words, and whether that is a failure. Tables over ECS's own wording."""

from __future__ import annotations

import re
from dataclasses import dataclass

from omc.facts.tasks import Container, StoppedTask

ON_PURPOSE = re.compile(
    r"Scaling activity initiated by|Task stopped by user|Service scheduler.*(deleted|inactive)|"
    r"ECS is performing maintenance|Task set.*deleted|Your (Spot Task|task) was (interrupted|stopped for maintenance)",
    re.IGNORECASE,
)
"""Stopped because somebody or the scheduler wanted fewer or other tasks."""
HEALTH = re.compile(r"failed (ELB|container) health checks", re.IGNORECASE)
EXIT_CODES = {
    126: "the start command can't be executed",
    127: "the start command was not found",
    134: "it aborted (SIGABRT)",
    137: "it was killed (SIGKILL)",
    139: "it crashed (SIGSEGV)",
    143: "it was told to stop (SIGTERM)",
}
_IDS = (
    (re.compile(r"\barn:aws[\w-]*:[\w-]*:[\w-]*:\d*:"), ""),
    (re.compile(r"\btargetgroup/([\w-]+)/[0-9a-f]{16}\b"), r"\1"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "…"),
    (re.compile(r"\becs-svc/\d+"), "deployment"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "address"),
    (re.compile(r"request ?id:? ?[\w-]+", re.IGNORECASE), "request id"),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Tasks with the same cause count as one group."""

    service: str | None
    text: str


def is_failure(task: StoppedTask) -> bool:
    """A service's task that ended by itself or was ended for ill health; a one-off task that exited with an error."""
    if HEALTH.search(task.reason):
        return True
    if task.stop_code in ("UserInitiated", "SpotInterruption", "TerminationNotice"):
        return False
    if task.stop_code == "ServiceSchedulerInitiated" or ON_PURPOSE.search(task.reason):
        return False
    if task.stop_code == "EssentialContainerExited" and task.service is None:
        return any(container.exit_code for container in task.containers)
    return True


def cause_of(task: StoppedTask) -> Cause:
    """ECS's reason without what differs from task to task, with the container that ended it."""
    parts = [_without_ids(task.reason)] if task.reason else []
    parts += [_ended(container) for container in task.containers if container.exit_code or container.reason]
    if not any(container.exit_code or container.reason for container in task.containers):
        parts += [f"{container.name} exited with 0" for container in task.containers if container.exit_code == 0]
    return Cause(task.service, "; ".join(dict.fromkeys(part.rstrip(".") for part in parts)) or task.stop_code)


def _ended(container: Container) -> str:
    words = []
    if container.exit_code is not None:
        meaning = EXIT_CODES.get(container.exit_code)
        words.append(f"{container.name} exited with {container.exit_code}{f' ({meaning})' if meaning else ''}")
    if container.reason:
        reason = _without_ids(container.reason)
        words.append(reason if words else f"{container.name}: {reason}")
    return ", ".join(words)


def _without_ids(text: str) -> str:
    for pattern, placeholder in _IDS:
        text = pattern.sub(placeholder, text)
    return text
