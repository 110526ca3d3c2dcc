"""Why a task stopped, in a few words, and whether that is a failure. Tables over ECS's own wording."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from omc.facts.tasks import Container, StoppedTask


class Blame(StrEnum):
    """Whose doing it is that a task stopped."""

    TASK = "task"
    """The task's own: it ended, would not start, or was ill. A failure."""
    WANTED = "wanted"
    """Somebody, or the scheduler, wanted fewer or other tasks."""
    AWS = "aws"
    """AWS took away what it ran on: maintenance, a sick host, Spot capacity. Nobody's failure."""


STOP_CODES: Mapping[str, Blame] = {
    "TaskFailedToStart": Blame.TASK,
    "EssentialContainerExited": Blame.TASK,
    "UserInitiated": Blame.WANTED,
    "ServiceSchedulerInitiated": Blame.WANTED,
    "SpotInterruption": Blame.AWS,
    "TerminationNotice": Blame.AWS,
    "InfrastructureHealth": Blame.AWS,
}
"""ECS's TaskStopCode, all of it. One that is not here counts as the task's own, so that somebody looks at it."""
REASONS: tuple[tuple[re.Pattern[str], Blame], ...] = (
    (
        re.compile(
            r"ECS is performing maintenance|stopped for maintenance|Your (Spot )?Task was interrupted|"
            r"(scheduled for|task) retirement|container instance is in (the )?DRAINING|"
            r"Host EC2 .*(terminated|stopped)|instance .*(terminated|is being terminated)",
            re.IGNORECASE,
        ),
        Blame.AWS,
    ),
    (re.compile(r"failed (ELB|container) health checks", re.IGNORECASE), Blame.TASK),
    (
        re.compile(
            r"Scaling activity initiated by|Task stopped by user|Service scheduler.*(deleted|inactive)|"
            r"Task set.*deleted",
            re.IGNORECASE,
        ),
        Blame.WANTED,
    ),
)
"""A stopped task's reason outranks its code, which is the scheduler's for several of these: AWS's own documented
wordings, the first that fits. A code for trouble of AWS's outranks any reason."""
EXIT_CODES: Mapping[int, str] = {
    125: "the container could not be run",
    126: "the start command can't be executed",
    127: "the start command was not found",
    129: "SIGHUP",
    130: "it was interrupted, SIGINT",
    131: "SIGQUIT",
    132: "it crashed: an instruction that this processor doesn't know, SIGILL",
    134: "it aborted, SIGABRT",
    135: "it crashed, SIGBUS",
    136: "it crashed: an arithmetic error, SIGFPE",
    137: "it was killed, SIGKILL",
    139: "it crashed: an access to memory that isn't its own, SIGSEGV",
    141: "SIGPIPE",
    143: "it was told to stop, SIGTERM",
    152: "it used up its CPU time, SIGXCPU",
    153: "a file grew too large, SIGXFSZ",
    159: "it made a system call that is forbidden, SIGSYS",
    255: "its exit status was out of range, or it was ended before it could report one",
}
"""What shells and container runtimes mean: 125 to 127, 128 plus a signal's number, and 255. All others are the
image's own to document (``omc.facts.image_labels``)."""
FIRST_SIGNAL, LAST_SIGNAL = 128, 64
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


def blame(task: StoppedTask) -> Blame:
    """Whose doing it was."""
    code = STOP_CODES.get(task.stop_code, Blame.TASK)
    if code is Blame.AWS:
        return code
    for pattern, found in REASONS:
        if pattern.search(task.reason):
            return found
    codes = {container.exit_code for container in task.containers}
    if task.stop_code == "EssentialContainerExited" and task.service is None and codes == {0}:
        return Blame.WANTED  # a task of its own that came to its end
    if task.stop_code == "ServiceSchedulerInitiated" and not task.reason:
        return Blame.TASK  # it may have been ill: only the reason would tell
    return code


def is_failure(task: StoppedTask) -> bool:
    """A service's task that ended by itself or was ended for ill health; a one-off task that exited with an error."""
    return blame(task) is Blame.TASK


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
        meaning = exit_meaning(container.exit_code)
        words.append(f"{container.name} exited with {container.exit_code}{f' ({meaning})' if meaning else ''}")
    if container.reason:
        reason = _without_ids(container.reason)
        words.append(reason if words else f"{container.name}: {reason}")
    return ", ".join(words)


def exit_meaning(code: int) -> str:
    """What an exit code means by itself; empty for one that is the program's own."""
    if code in EXIT_CODES:
        return EXIT_CODES[code]
    signal = code - FIRST_SIGNAL
    return f"signal {signal} ended it" if 0 < signal <= LAST_SIGNAL else ""


def _without_ids(text: str) -> str:
    for pattern, placeholder in _IDS:
        text = pattern.sub(placeholder, text)
    return text
