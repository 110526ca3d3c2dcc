"""Why a door is closed: each precondition of ECS Exec, judged of what was read. Pure.

The conditions are AWS's ("Monitor Amazon ECS containers with ECS Exec" in its developer guide) and those that
aws-containers/amazon-ecs-exec-checker looks at, which learnt them from people's reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from omc.facts.exec_access import CHANNEL_ACTIONS, KEY_VARIABLES, LOG_ACTIONS, ExecAccess, ExecTask, Transcript

LEAST_PLATFORM: Final = (1, 4, 0)
LEAST_WINDOWS_PLATFORM: Final = (1, 0, 0)
WRITABLE: Final = ("/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm")
"""Where the agent writes: volumes there let it live with a read-only root (aws/containers-roadmap issue 1359)."""


class Door(StrEnum):
    """What a precondition means for the door."""

    OPEN = "ok"
    CLOSED = "closed"
    WARNING = "warning"
    """It opens, and something about it is to be known."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One precondition, and how it is."""

    name: str
    door: Door
    sentence: str
    remedy: str = ""


Judge = Callable[[ExecAccess], Condition]


def conditions(access: ExecAccess) -> tuple[Condition, ...]:
    """All of them, in the order in which they are worth mending."""
    return tuple(judge(access) for judge in JUDGES)


def closing(found: Sequence[Condition]) -> tuple[Condition, ...]:
    """Those that close the door."""
    return tuple(each for each in found if each.door is Door.CLOSED)


def choose_task(tasks: Sequence[ExecTask], wanted: str = "") -> ExecTask | None:
    """The one in which a session has the best prospects: running, healthy, its agent running, the oldest of these."""

    def rank(task: ExecTask) -> tuple[bool, bool, bool, str, str]:
        agents = [each.agent for each in task.containers if each.agent]
        started = task.started.isoformat() if task.started else "9"
        return (task.status != "RUNNING", task.health == "UNHEALTHY", "RUNNING" not in agents, started, task.id)

    chosen = [task for task in tasks if task.id.startswith(wanted)]
    return min(chosen, key=rank, default=None)


def _task_runs(access: ExecAccess) -> Condition:
    task = access.task
    if task.status == "RUNNING":
        return Condition("task", Door.OPEN, f"The task {task.id} runs.")
    return Condition("task", Door.CLOSED, f"The task {task.id} is {task.status}.", "Wait until a task runs.")


def _enabled(access: ExecAccess) -> Condition:
    task, name = access.task, "enableExecuteCommand"
    if task.is_enabled:
        return Condition(name, Door.OPEN, "The task was started with ECS Exec.")
    if task.is_enabled is None:
        return Condition(name, Door.UNKNOWN, "ECS doesn't say whether the task was started with ECS Exec.")
    if access.service_enabled:
        return Condition(
            name,
            Door.CLOSED,
            f"The service {task.service} has ECS Exec on, but the task {task.id} was started before that.",
            f"omc restart {task.service}",
        )
    return Condition(
        name,
        Door.CLOSED,
        f"ECS Exec is off in the service {task.service}, and so in the task {task.id}.",
        "Set enable_execute_command in the service's Terraform and apply it; then: omc restart " + task.service,
    )


def _platform(access: ExecAccess) -> Condition:
    task, name = access.task, "platform"
    if task.launch == "EC2":
        return Condition(
            name, Door.UNKNOWN, "The task runs on EC2: the ECS agent there must be 1.50.2 or newer, which isn't read."
        )
    if task.launch == "EXTERNAL":
        return Condition(
            name, Door.UNKNOWN, "The task runs on a machine outside of AWS, whose ECS agent isn't looked at."
        )
    is_windows = "windows" in task.family.lower()
    least = LEAST_WINDOWS_PLATFORM if is_windows else LEAST_PLATFORM
    try:
        version = tuple(int(part) for part in task.platform.split("."))
    except ValueError:
        return Condition(name, Door.UNKNOWN, f'ECS gives "{task.platform}" as the platform version.')
    if version >= least:
        return Condition(name, Door.OPEN, f"Fargate's platform version is {task.platform}.")
    wanted = ".".join(map(str, least))
    return Condition(
        name,
        Door.CLOSED,
        f"Fargate's platform version is {task.platform}; ECS Exec needs {wanted} or newer.",
        f"Set the service's platform version to LATEST and apply it; then: omc restart {task.service}",
    )


def _windows(access: ExecAccess) -> Condition:
    if "windows" not in access.task.family.lower():
        return Condition("Windows", Door.OPEN, "The container runs Linux.")
    return Condition(
        "Windows",
        Door.WARNING,
        f"The container runs {access.task.family}: it has no /bin/sh, so the command is sent as it is and its exit "
        "code isn't told.",
        "--bare",
    )


def _container_runs(access: ExecAccess) -> Condition:
    found = access.task.container(access.container)
    if found is None:
        return Condition("container", Door.CLOSED, f"The task has no container {access.container}.")
    if found.status not in ("RUNNING", ""):
        return Condition("container", Door.CLOSED, f"The container {found.name} is {found.status}.")
    if found.health == "UNHEALTHY":
        return Condition(
            "container", Door.WARNING, f"The container {found.name} is unhealthy: ECS may replace the task any moment."
        )
    return Condition("container", Door.OPEN, f"The container {found.name} runs.")


def _agent(access: ExecAccess) -> Condition:
    found, name = access.task.container(access.container), "agent"
    state = found.agent if found else ""
    if state == "RUNNING":
        return Condition(name, Door.OPEN, f"ECS Exec's agent runs in {access.container}.")
    if not access.task.is_enabled:
        return Condition(name, Door.UNKNOWN, "There is no agent in a task that was started without ECS Exec.")
    if state == "PENDING":
        return Condition(
            name, Door.CLOSED, f"ECS Exec's agent in {access.container} is still starting.", "Try again in a minute."
        )
    if state == "STOPPED":
        why = f": {found.agent_reason}" if found and found.agent_reason else ""
        return Condition(
            name,
            Door.CLOSED,
            f"ECS Exec's agent in {access.container} has stopped{why}. ECS doesn't start it again.",
            f"Mend what else is closed here; then: omc restart {access.task.service}",
        )
    return Condition(
        name, Door.CLOSED, f"ECS names no agent of ECS Exec in {access.container}.", "Try again in a minute."
    )


def _read_only(access: ExecAccess) -> Condition:
    name = "readonlyRootFilesystem"
    if access.definition is None:
        return _unread(access, name, "definition")
    found = access.of_container
    if not found.get("readonlyRootFilesystem"):
        return Condition(name, Door.OPEN, "The container's root file system can be written.")
    paths = [
        each.get("containerPath", "").rstrip("/") for each in found.get("mountPoints", ()) if not each.get("readOnly")
    ]
    covered = [each for each in WRITABLE if any(each == path or each.startswith(f"{path}/") for path in paths if path)]
    if len(covered) == len(WRITABLE):
        return Condition(
            name,
            Door.WARNING,
            "The root file system is read-only. The agent writes to volumes, which AWS doesn't support.",
        )
    return Condition(
        name,
        Door.CLOSED,
        "The container's root file system is read-only, and ECS Exec's agent must write to it.",
        "Leave readonlyRootFilesystem out of the definition, or run the command as a task: omc exec --detach",
    )


def _pid_mode(access: ExecAccess) -> Condition:
    if access.definition is None:
        return _unread(access, "pidMode", "definition")
    if access.definition.get("pidMode") != "task":
        return Condition("pidMode", Door.OPEN, "Each container has its own processes.")
    return Condition(
        "pidMode",
        Door.WARNING,
        "The containers share their processes (pidMode task): ECS Exec then works in one container of the task.",
        "Choose the container in which the agent runs: --container NAME",
    )


def _keys(access: ExecAccess) -> Condition:
    name = "AWS keys"
    if access.definition is None:
        return _unread(access, name, "definition")
    found = access.of_container
    given = {each.get("name") for part in ("environment", "secrets") for each in found.get(part, ())}
    set_ = [variable for variable in KEY_VARIABLES if variable in given]
    if not set_:
        return Condition(name, Door.OPEN, "The container's environment has no AWS keys.")
    return Condition(
        name,
        Door.WARNING,
        f"The container's environment has {', '.join(set_)}: ECS Exec's agent takes those keys in place of the task "
        "role, and needs its rights of them.",
        "Take the keys out of the definition and use the task role.",
    )


def _role(access: ExecAccess) -> Condition:
    name = "task role"
    if access.definition is None:
        return _unread(access, name, "definition")
    if not access.role:
        return Condition(
            name,
            Door.CLOSED,
            "The task definition has no task role, and ECS Exec's agent works by its rights.",
            f"Give it a role with {', '.join(CHANNEL_ACTIONS)}.",
        )
    if access.role_decisions is None:
        return _unread(access, name, "role_decisions")
    short = access.role.rpartition("/")[2]
    missing = _denied(access.role_decisions, CHANNEL_ACTIONS)
    if missing:
        return Condition(
            name,
            Door.CLOSED,
            f"The task role {short} lacks {', '.join(missing)}.",
            f"Allow them in its policy on every resource; then: omc restart {access.task.service}",
        )
    if _denied(access.role_decisions, ["kms:Decrypt"]):
        key = access.transcript.key if access.transcript else ""
        return Condition(
            name,
            Door.CLOSED,
            f"Sessions are encrypted with {key}, and the task role {short} lacks kms:Decrypt on it.",
            "Allow it in the role's policy and in the key's.",
        )
    return Condition(name, Door.OPEN, f"The task role {short} may open channels.")


def _caller(access: ExecAccess) -> Condition:
    name = "your right"
    if access.decisions is None:
        if not access.caller and "caller" not in access.unread:
            return Condition(name, Door.UNKNOWN, "IAM simulates users and roles, and you are neither.")
        return _unread(access, name, "decisions")
    denied = [action for action, decision in access.decisions.items() if decision != "allowed"]
    if not denied:
        return Condition(name, Door.OPEN, f"{access.caller.rpartition(':')[2]} may.")
    kms = " The key of sessions needs it of you too." if "kms:GenerateDataKey" in denied else ""
    return Condition(
        name,
        Door.CLOSED,
        f"{access.caller.rpartition(':')[2]} lacks {', '.join(denied)} on the task {access.task.id}.{kms}",
        "Ask for a role that has it.",
    )


def _network(access: ExecAccess) -> Condition:
    name = "network"
    if access.network is None:
        return _unread(access, name, "network")
    wanted = ["ssmmessages"]
    if access.transcript and access.transcript.key:
        wanted.append("kms")
    if access.transcript and access.transcript.logging == "OVERRIDE" and access.transcript.log_group:
        wanted.append("logs")
    missing = [each for each in wanted if each not in access.network.endpoints]
    if access.network.has_way_out or not missing:
        return Condition(name, Door.OPEN, "The task's subnet has a way to Session Manager.")
    return Condition(
        name,
        Door.CLOSED,
        f"The task's subnet has no way out (no NAT) and no interface endpoint for {', '.join(missing)}.",
        "Add the endpoints (the Terraform's module endpoints), or a NAT gateway.",
    )


def _transcript(access: ExecAccess) -> Condition:
    name = "transcript"
    if access.transcript is None:
        return _unread(access, name, "transcript")
    message = transcript_sentence(access.transcript)
    if access.transcript.logging != "OVERRIDE":
        return Condition(name, Door.WARNING, message)
    if access.role_decisions is not None and (missing := _denied(access.role_decisions, LOG_ACTIONS)):
        return Condition(
            name, Door.WARNING, f"No transcript is kept: the task role lacks {', '.join(missing)} on the log group."
        )
    return Condition(name, Door.OPEN, message)


def transcript_sentence(transcript: Transcript) -> str:
    """Where what is typed and shown in a session of ECS Exec is kept."""
    if transcript.logging == "OVERRIDE" and (transcript.log_group or transcript.bucket):
        places = [f"the log group {transcript.log_group}"] if transcript.log_group else []
        places += [f"the bucket {transcript.bucket}"] if transcript.bucket else []
        return f"A transcript is kept in {' and in '.join(places)}."
    if transcript.logging in ("DEFAULT", ""):
        return "A transcript is kept only among the container's own log lines (the cluster's logging is DEFAULT)."
    return "No transcript is kept: the cluster has none configured."


def _denied(decisions: Mapping[str, str], actions: Sequence[str]) -> list[str]:
    return [action for action in actions if decisions.get(action, "allowed") != "allowed"]


def _unread(access: ExecAccess, name: str, part: str) -> Condition:
    why = access.unread.get(part) or access.unread.get("caller") or "it couldn't be read"
    return Condition(name, Door.UNKNOWN, f"Not known: {why}")


JUDGES: Final[tuple[Judge, ...]] = (
    *(_task_runs, _enabled, _platform, _windows, _container_runs, _caller, _role, _read_only, _keys),
    *(_network, _agent, _pid_mode, _transcript),
)
