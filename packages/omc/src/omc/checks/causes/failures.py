"""Why a task failed, as one kind and the thing that it is about: from ECS's reason, exit codes, and the task's own
last words. Tables over ECS's documented wordings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from omc.checks.causes.words import ReportedError, last_error, most_telling, shortened
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.log_errors import error_of
from omc.facts.tasks import Container, StoppedTask
from omc.judgement.task_causes import FIRST_SIGNAL, exit_meaning

IMAGE, SECRET, LOG_GROUP, COMMAND, ROLE = "image", "secret", "log-group", "command", "role"
ADDRESS, CAPACITY, QUOTA, PROCESSOR, START = "address", "capacity", "quota", "processor", "start"
SLOW_START, NOT_READY, SIDECAR, VOLUME = "slow-start", "not-ready", "sidecar", "volume"
HEALTH, HANGS, EXIT, STORE = "health", "hangs", "exit", "store"
MEMORY_OF_CONTAINER, MEMORY_OF_TASK = "memory-of-container", "memory-of-task"

_SECRET_ARN = re.compile(
    r"arn:aws[\w-]*:secretsmanager:[\w-]*:\d*:secret:(?P<name>[\w/+=.@!-]+?)(?:-[A-Za-z0-9]{6})?(?=[\s:,'\"]|$)"
)
_PARAMETER = re.compile(
    r"(?:arn:aws[\w-]*:ssm:[\w-]*:\d*:parameter/|[Ii]nvalid (?:ssm )?parameters: ?)(?P<name>[\w/.-]+)"
)
_IMAGE = re.compile(r"(?P<image>[\w.-]+\.[\w-]+/[\w./-]+(?:@sha256:[0-9a-f]{64}|:[\w.-]+))")
_STARTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for kind, pattern in (
        (PROCESSOR, r"exec format error|image Manifest does not contain descriptor matching platform"),
        (IMAGE, r"CannotPull|pull image|manifest unknown|ImageNotFound|registry auth from|GetAuthorizationToken"),
        (
            LOG_GROUP,
            r"log ?group .{0,200}(?:does not exist|not found)|failed to validate logger args|"
            r"create log ?stream",
        ),
        (SECRET, r"secret|unable to retrieve .*from (?:asm|ssm)|parameter"),
        (ROLE, r"unable to assume|AssumeRole|is not authorized to perform"),
        (
            ADDRESS,
            r"network interface|RESOURCE:ENI|insufficient free addresses|InsufficientFreeAddresses|"
            r"no available IP",
        ),
        (QUOTA, r"reached the limit on|is above your limit|(?:vCPU|service) (?:limit|quota)|LimitExceeded"),
        (
            CAPACITY,
            r"Capacity is unavailable|no container instance met|RESOURCE:(?:CPU|MEMORY|PORTS)|unable to place|MemberOf|"
            r"insufficient capacity",
        ),
        (COMMAND, r"executable file not found|no such file or directory|exec: \"|permission denied"),
        (VOLUME, r"CannotCreateVolumeError|\bEFS\b|attachment of type ebs|\bvolume|mount(?:ing)? (?:callback|failed)"),
        (
            START,
            r"ResourceInitializationError|CannotStartContainerError|CannotCreateContainerError|ContainerRuntime\w*Error|"
            r"CannotInspectContainerError|CannotStopContainerError|InternalError|DockerTimeoutError|failed to start",
        ),
    )
)
_OUT_OF_MEMORY = re.compile(r"OutOfMemory|killed due to memory", re.IGNORECASE)
_HEALTH = re.compile(r"failed (?P<by>ELB|container) health checks", re.IGNORECASE)
_NOT_RUN = re.compile(r"\bexec (?P<program>\S+): exec format error|exec user process caused: exec format error")
"""What the container runtime writes into the log of a container whose program isn't for this processor."""
_NO_ANSWER = re.compile(
    r"Request timed out|Health checks failed$|Target\.Timeout|connection (?:refused|timed out)", re.IGNORECASE
)
_REFUSED = re.compile(r"codes?: ?\[?(?P<code>\d{3})", re.IGNORECASE)
SAME_TROUBLE = timedelta(minutes=3)
"""Between two tasks that stopped for the same, where only one's words are known."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one task failed. Tasks with the same kind and thing failed alike."""

    kind: str
    """One of the constants here, or a ``words.Kind``."""
    what: str
    """The image, secret, host, container … that it is about."""
    text: str
    """In words, without whose task it is: ``the image … can't be pulled: not found``."""
    message: ReportedError | None = None
    line: str = ""
    """What the task said last, where that says something."""


def failure_of(task: StoppedTask, words: LastWords | None) -> Failure:
    """What the task's own start, memory or words tell; else its health checks, else its exit code."""
    revision_told = (words.revisions if words else {}).get(task.task_definition, RevisionDetails())
    lines = (words.lines if words else {}).get(task.id, ())
    reasons = " ".join([task.reason, *(each.reason for each in task.containers)])
    for container in task.containers:
        if _ran_out_of_memory(container, task):
            return _memory(container, revision_told, lines)
    never_ran = task.stop_code == "TaskFailedToStart" or (
        task.started is None and all(each.exit_code is None for each in task.containers)
    )
    if never_ran:
        for kind, pattern in _STARTS:
            if pattern.search(reasons):
                return _start(kind, reasons, task, revision_told)
    if not_run := next((found for each in lines if (found := _NOT_RUN.search(each))), None):
        text = f'its image is built for another processor: its log says "{not_run[0]}"'
        return Failure(PROCESSOR, "", text, None, not_run[0])
    response = most_telling(lines)
    ended = next((each for each in task.containers if each.exit_code), None)
    if response:
        code = f"{exited_with(ended, revision_told)}; it said: " if ended and ended.exit_code not in (0, 143) else ""
        return Failure(response.kind, response.what or response.host, f"{code}{response.line}", response, response.line)
    line = last_error(lines)
    quoted = f'; it said last: "{line}"' if line else ""
    error = any(error_of(each) for each in lines)  # that it served until then says nothing
    if found := _HEALTH.search(reasons):
        return _health(found["by"], reasons, quoted if error else "", line if error else "")
    if ended:
        if not error and (ended.exit_code or 0) > FIRST_SIGNAL:
            quoted = line = ""
        return Failure(
            EXIT, f"{ended.name} {ended.exit_code}", f"{exited_with(ended, revision_told)}{quoted}", None, line
        )
    exited = next((each for each in task.containers if each.exit_code == 0), None)
    if exited and task.stop_code == "EssentialContainerExited":
        return Failure(EXIT, f"{exited.name} 0", f"{exited.name} ended by itself, with 0{quoted}", None, line)
    return Failure(START, "", shortened(task.reason.rstrip(".")) or task.stop_code or "ECS doesn't say why", None, line)


def kind_of_start(reasons: str) -> str:
    """Which of the kinds of a start that failed ECS's words are; empty for none."""
    return next((kind for kind, pattern in _STARTS if pattern.search(reasons)), "")


def _ran_out_of_memory(container: Container, task: StoppedTask) -> bool:
    """By ECS's word. Exit code 137 alone is a kill by whomever, also by ECS itself after the stop timeout."""
    if _OUT_OF_MEMORY.search(container.reason):
        return True
    return container.exit_code is not None and bool(_OUT_OF_MEMORY.search(task.reason))


def _memory(container: Container, revision_told: RevisionDetails, lines: tuple[str, ...]) -> Failure:
    own, whole = revision_told.memory.get(container.name), revision_told.task_memory
    if own and (whole is None or own < whole):
        return Failure(
            MEMORY_OF_CONTAINER,
            container.name,
            f"the container {container.name} was killed for needing more memory than its {own:,} MiB",
            None,
            last_error(lines),
        )
    limit = f" than the task's {whole:,} MiB" if whole else ""
    text = f"{container.name} was killed, since its task needed more memory{limit}"
    return Failure(MEMORY_OF_TASK, container.name, text, None, last_error(lines))


def _start(kind: str, reasons: str, task: StoppedTask, revision_told: RevisionDetails) -> Failure:
    why = _gist(reasons)
    if kind == IMAGE:
        named = _IMAGE.search(reasons)
        of_failed = next(
            (
                revision_told.images[each.name]
                for each in task.containers
                if each.reason and each.name in revision_told.images
            ),
            "",
        )
        image = (named["image"] if named else "") or of_failed or next(iter(revision_told.images.values()), "")
        name = f"the image {short_image(image)}" if image else "its image"
        return Failure(kind, image, f"{name} can't be pulled: {why}")
    if kind == SECRET:
        found = _SECRET_ARN.search(reasons) or _PARAMETER.search(reasons)
        name = found["name"] if found else ""
        which = (
            ("the parameter " if found and "secretsmanager" not in found[0] else "the secret ") + name
            if name
            else "a secret"
        )
        if key := re.search(r"json key (?P<key>\S+)", reasons):
            return Failure(kind, f"{name} {key['key']}", f"{which} has no key {key['key'].rstrip('.')}")
        return Failure(kind, name, f"{which} can't be read: {why}")
    if kind == LOG_GROUP:
        group = re.search(r"(?:log ?group:?|awslogs-group=?) ?\"?(?P<name>/[\w/.#-]{2,})", reasons, re.IGNORECASE)
        name = group["name"] if group else ""
        return Failure(kind, name, f"its log group {name}{' ' if name else ''}can't be used: {why}")
    if kind == COMMAND:
        found = re.search(r'exec: "(?P<name>[^"]*)"', reasons)
        name = found["name"] if found else ""
        return Failure(
            kind, name, f"its start command {name or 'can not be run'}{' can not be run' if name else ''}: {why}"
        )
    if kind == PROCESSOR:
        return Failure(kind, "", why)
    return Failure(kind, "", shortened(reasons.removeprefix("ResourceInitializationError: ").rstrip(". ")))


def _health(by: str, reasons: str, quoted: str, line: str) -> Failure:
    checks = "the load balancer's health checks" if by.upper() == "ELB" else "its container's own health check"
    if code := _REFUSED.search(reasons):
        return Failure(HEALTH, code["code"], f"{checks} got {code['code']}{quoted}", None, line)
    if _NO_ANSWER.search(reasons):
        return Failure(HANGS, by.lower(), f"{checks} got no answer in time{quoted}", None, line)
    return Failure(HEALTH, by.lower(), f"it failed {checks}{quoted}", None, line)


def exited_with(container: Container, revision_told: RevisionDetails) -> str:
    code = container.exit_code or 0
    meaning = revision_told.exit_codes.get(container.name, {}).get(code) or exit_meaning(code)
    return f"{container.name} exited with {code}{f' ({meaning})' if meaning else ''}"


_GISTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), text)
    for pattern, text in (
        (r"scheduled for deletion|marked for deletion|marked deleted", "it is scheduled for deletion"),
        (r"ResourceNotFoundException|can't find the specified secret|Invalid (?:ssm )?parameters", "it does not exist"),
        (r"AccessDenied\w*|is not authorized to perform|403 Forbidden|no basic auth credentials", "access is denied"),
        (r"manifest unknown|not found|does not exist|repository .* not exist", "it does not exist"),
        (r"toomanyrequests|rate limit", "the registry limits the rate of pulls"),
        (
            r"i/o timeout|connection issue|timed? ?out|deadline exceeded|dial tcp|no route",
            "no answer: is the way there open?",
        ),
        (r"executable file not found", "the image has no such file"),
        (r"permission denied", "permission denied"),
        (r"exec format error|descriptor matching platform", "it is built for another processor"),
        (r"no space left", "no space left on the task's disk"),
    )
)


def _gist(reasons: str) -> str:
    for pattern, text in _GISTS:
        if pattern.search(reasons):
            return text
    parts = reasons.rstrip(". ").split(": ")
    return shortened(": ".join(parts[-2:]))


def short_image(image: str) -> str:
    """``repository@sha256:1234…`` or ``repository:tag``, without the registry."""
    name = image.partition("/")[2] if "." in image.partition("/")[0] else image
    repository, _, digest = name.partition("@sha256:")
    return f"{repository}@sha256:{digest[:12]}…" if digest else name


def inherited(failures: Mapping[str, Failure], tasks: list[StoppedTask]) -> dict[str, Failure]:
    """By task id. Only some tasks' last words are read: those of the others are taken to be of the same kind where ECS
    says the same of them, they are of the same revision, and stopped about then."""

    def group(task: StoppedTask) -> tuple[str, str, bool]:
        return task.task_definition, task.stop_code, _HEALTH.search(task.reason) is not None

    spoke = [task for task in tasks if failures[task.id].line]
    found: dict[str, Failure] = {}
    for task in tasks:
        own = failures[task.id]
        alike = [
            each for each in spoke if group(each) == group(task) and abs(each.stopped - task.stopped) <= SAME_TROUBLE
        ]
        if own.kind in (HEALTH, EXIT, HANGS) and not own.line and alike:
            own = failures[min(alike, key=lambda each: abs(each.stopped - task.stopped)).id]
        found[task.id] = own
    return found
