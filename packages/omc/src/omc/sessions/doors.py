"""Opening doors: the task is chosen, AWS is asked for the session, and where it stays closed the reason is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from omc.aws.gateway import Gateway, access_to
from omc.config import Environment, Service
from omc.errors import AccessDenied, AwsRefused, OmcError, WrongUse, did_you_mean
from omc.facts.exec_access import (
    PORT_DOCUMENT,
    REMOTE_DOCUMENT,
    ExecTask,
    Transcript,
    exec_tasks,
    read_exec_access,
    read_transcript,
)
from omc.sessions.checks import Condition, Door, choose_task, closing, conditions
from omc.sessions.connection import DoorClosed, Grant, Session
from omc.sessions.encryption import KEY_BYTES

ALLOWED: Final = frozenset(
    {
        ("ecs", "ExecuteCommand"),
        ("ssm", "StartSession"),
        ("kms", "GenerateDataKey"),
    }
)
"""What a door sends that isn't a read."""
CREDENTIALS: Final = frozenset({("secretsmanager", "GetSecretValue")})
"""The same of doors to the database and the cache, which need its password."""


@dataclass(frozen=True, slots=True)
class Doorway:
    """Where a session is opened: one container of one task."""

    service: str
    task: ExecTask
    container: str

    @property
    def target(self) -> str:
        """As Session Manager names it."""
        cluster = self.task.arn.split("/")[1] if self.task.arn.count("/") > 1 else ""
        found = self.task.container(self.container)
        return f"ecs:{cluster}_{self.task.id}_{found.runtime if found else ''}"


def door_gateway(environment: Environment, more: frozenset[tuple[str, str]] = frozenset()) -> Gateway:
    """Reads, and asks for sessions."""
    return Gateway(environment, access_to(environment), allowed=ALLOWED | more)


def service_of(environment: Environment, name: str) -> Service:
    """The service of this name; the first of omc.toml without one."""
    names = [service.name for service in environment.services]
    if not names:
        raise WrongUse(f"omc.toml has no service in {environment.name}, so there is no task to open a session in.")
    for service in environment.services:
        if service.name == (name or names[0]):
            return service
    raise WrongUse(f"There is no service {name}; there is {', '.join(names)}.{did_you_mean(name, names)}")


def choose_place(aws: Gateway, service: Service, task: str = "", container: str = "") -> Doorway:
    """The task and the container. ``WrongUse`` where there is none, or none that is called so."""
    tasks = exec_tasks(aws, service.name)
    if not tasks:
        raise WrongUse(f"No task of {service.name} runs. See: omc check morning --env {aws.environment.name}")
    chosen = choose_task(tasks, task)
    if chosen is None:
        listed = ", ".join(each.id for each in tasks)
        raise WrongUse(f"{service.name} has no task {task}; running are {listed}.")
    names = [each.name for each in chosen.containers]
    wanted = container or (service.container if service.container in names or not names else names[0])
    if wanted not in names:
        raise WrongUse(f"The task has no container {wanted}; it has {', '.join(names)}.{did_you_mean(wanted, names)}")
    return Doorway(service.name, chosen, wanted)


def open_exec(aws: Gateway, place: Doorway, command: str, on_data: Callable[[bytes], None]) -> Session:
    """A session in which the command runs. Raises ``DoorClosed`` with what closes it."""

    def ask() -> Mapping[str, Any]:
        answer: Any = aws.client("ecs").execute_command(
            cluster=aws.environment.in_ecs(place.service)[0],
            task=place.task.arn,
            container=place.container,
            command=command,
            interactive=True,
        )
        return dict(answer["session"])

    return _open(aws, place, ask, on_data)


def open_tunnel(aws: Gateway, place: Doorway, host: str, port: int, on_data: Callable[[bytes], None]) -> Session:
    """A session by which ports are reached as the task reaches them; without a host, a port of the task itself."""
    parameters = {"portNumber": [str(port)], "localPortNumber": ["0"]}
    if host:
        parameters["host"] = [host]

    def ask() -> Mapping[str, Any]:
        answer: Any = aws.client("ssm").start_session(
            Target=place.target,
            DocumentName=REMOTE_DOCUMENT if host else PORT_DOCUMENT,
            Parameters=parameters,
        )
        return dict(answer)

    return _open(aws, place, ask, on_data, is_tunnel=True)


def _open(
    aws: Gateway,
    place: Doorway,
    ask: Callable[[], Mapping[str, Any]],
    on_data: Callable[[bytes], None],
    *,
    is_tunnel: bool = False,
) -> Session:
    found = place.task.container(place.container)
    if place.task.is_enabled is False or (found and found.agent and found.agent != "RUNNING"):
        raise explained(aws, place, None, is_tunnel=is_tunnel)  # AWS would only say that it failed
    try:
        grant = Grant.of(ask(), place.target)
        make_key = partial(_data_key, aws)
        return Session(grant, on_data, make_key, is_direct=aws.environment.is_local)
    except (AccessDenied, AwsRefused, DoorClosed) as error:
        raise explained(aws, place, error, is_tunnel=is_tunnel) from error


def _data_key(aws: Gateway, key: str, context: dict[str, str]) -> tuple[bytes, bytes]:
    made = aws.client("kms").generate_data_key(KeyId=key, NumberOfBytes=KEY_BYTES, EncryptionContext=context)
    return bytes(made["Plaintext"]), bytes(made["CiphertextBlob"])


def explained(aws: Gateway, place: Doorway, error: OmcError | None, *, is_tunnel: bool = False) -> DoorClosed:
    """Why the door is closed: each precondition is looked at, and those that fail are named."""
    found = conditions(read_exec_access(aws, place.task, place.container, is_tunnel))
    return DoorClosed(sentence_of(place, found, error))


def sentence_of(place: Doorway, found: tuple[Condition, ...], error: OmcError | None) -> str:
    """What closes the door, one line each, and what to do; what AWS itself said."""
    where = f"the container {place.container} of {place.service}"
    closed = closing(found)
    lines = [f"The door to {where} is closed."]
    if error is not None:
        lines.append(f"It was told: {error.message.rstrip('.')}.")
    lines += [
        f"{each.name}: {each.sentence}" + (f" To open it: {each.remedy.rstrip('.')}." if each.remedy else "")
        for each in closed
    ]
    if not closed:
        lines.append("Every precondition that can be read holds, so the reason isn't known.")
        doubtful = [each for each in found if each.door in (Door.UNKNOWN, Door.WARNING) and each.name != "transcript"]
        lines += [f"{each.name}: {each.sentence}" for each in doubtful]
    return " ".join(lines)


def transcript_of(aws: Gateway, service: str) -> Transcript | OmcError:
    """How the service's cluster records sessions, or why that isn't known."""
    try:
        return read_transcript(aws, aws.environment.in_ecs(service)[0])
    except OmcError as error:
        return error
