"""Starting a task's processes: image, secrets, environment, pipes. Runs in a worker thread, never under the lock.

What the agent on Fargate does between PENDING and ACTIVATING. A failure is told in the words in which ECS tells it,
since these words are what people and programs look for.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.backends import certificates
from localcloud.core.images import Image, ImageError, ImageStore
from localcloud.core.network import ADDRESS_VARIABLE
from localcloud.front.policies import why_role_may_not
from localcloud.front.resources import parameter, secret
from localcloud.services.ecs.output import Output, Reader, destination

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.core.processes import Process


log = logging.getLogger(__name__)


class StartError(Exception):
    """A task can't start. ``reason`` is the task's stoppedReason, ``container`` the container at fault if one is."""

    def __init__(self, reason: str, container: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.container = container


@dataclass(frozen=True, slots=True)
class ContainerRequest:
    definition: Mapping[str, Any]
    """The container definition with the task's overrides applied."""
    image: str
    """With the digest, where the service's revision has settled on one."""
    override_environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """All that a start needs, taken under the lock beforehand."""

    task_id: str
    task_arn: str
    address: str
    """In the VPC."""
    family: str
    containers: tuple[ContainerRequest, ...]
    execution_role: str = ""
    """The ARN of the role that reads the secrets; Fargate knows no task with secrets and without it."""
    processor: str = "amd64"
    """Of the task, as images name it."""


@dataclass(slots=True)
class Started:
    """One container's process, and what another process in the same container would be started with."""

    process: Process
    reader: Reader
    digest: str
    folder: Path
    environment: dict[str, str]


@dataclass(slots=True)
class Outcome:
    pull_started_at: datetime
    pull_stopped_at: datetime | None = None
    started: dict[str, Started] = field(default_factory=dict)
    error: StartError | None = None


def launch(cloud: Cloud, output: Output, request: Request) -> Outcome:
    """Pull, fetch secrets, start every container. On an error what was started already is for the caller to end."""
    outcome = Outcome(cloud.now())
    try:
        images = {c.definition["name"]: _pull(cloud, c) for c in request.containers}
        outcome.pull_stopped_at = cloud.now()
        secrets = {
            container.definition["name"]: read_secrets(cloud, request, container.definition.get("secrets", ()))
            for container in request.containers
        }
        for container in request.containers:
            name = container.definition["name"]
            outcome.started[name] = _start(cloud, output, request, container, images[name], secrets[name])
    except StartError as error:
        outcome.error = error
    except Exception:  # a task must never hang in PENDING
        log.exception("task %s could not be started", request.task_id)
        outcome.error = StartError("ResourceInitializationError: the local cloud failed to start the task; see its log")
    return outcome


def _pull(cloud: Cloud, container: ContainerRequest) -> Image:
    try:
        return cloud.part(ImageStore).resolve(container.image)
    except ImageError as error:
        raise StartError(
            f"CannotPullContainerError: pull image manifest has been retried 1 time(s): {error}",
            container.definition["name"],
        ) from error


# --- secrets


SECRET = re.compile(
    r"^(?P<arn>arn:aws[\w-]*:secretsmanager:[^:]+:\d+:secret:[^:]+)"
    r"(?::(?P<key>[^:]*))?(?::(?P<stage>[^:]*))?(?::(?P<version>[^:]*))?$"
)


def read_secrets(cloud: Cloud, request: Request, secrets: Any) -> dict[str, str]:
    """The values of a container definition's ``secrets``; ``StartError`` for the first that can't be read."""
    return {each["name"]: _read_secret(cloud, request, each["valueFrom"]) for each in secrets}


def _read_secret(cloud: Cloud, request: Request, reference: str) -> str:
    match = SECRET.match(reference)
    if match:
        return _from_secrets_manager(cloud, request, match)
    return _from_parameter_store(cloud, request, reference)


def _why_not(cloud: Cloud, request: Request, action: str, resource: str) -> str:
    """Why the execution role may not; empty where it may."""
    if not request.execution_role:
        return ""
    why = why_role_may_not(cloud, request.execution_role, request.task_id, action, resource)
    return f"AccessDeniedException: {why}" if why else ""


def _unreadable(service: str, detail: str) -> StartError:
    return StartError(
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        f"unable to retrieve secret from {service}: service call has been retried 1 time(s): {detail}"
    )


def _from_secrets_manager(cloud: Cloud, request: Request, match: re.Match[str]) -> str:
    arn, key = match["arn"], match["key"] or ""
    failed = f"failed to fetch secret {arn} from secrets manager: "
    with cloud.lock:
        whole = secret(cloud, arn, cloud.settings.region)
    if why := _why_not(cloud, request, "secretsmanager:GetSecretValue", whole):
        raise _unreadable("asm", failed + why)
    try:
        with cloud.lock:
            found = cloud.moto("secretsmanager").get_secret_value(arn, match["version"] or "", match["stage"] or "")
        found = json.loads(found) if isinstance(found, str) else found
    except Exception as error:
        code = str(getattr(error, "error_type", None) or "ResourceNotFoundException")
        what = getattr(error, "message", str(error))
        raise _unreadable("asm", f"{failed}{code}: {what}") from error
    text = found.get("SecretString") or ""
    if not key:
        return str(text)
    try:
        return str(json.loads(text)[key])
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable("asm", f"retrieved secret from Secrets Manager did not contain json key {key}") from error


def _from_parameter_store(cloud: Cloud, request: Request, reference: str) -> str:
    arn = parameter(reference, cloud.settings.region, cloud.settings.account)
    if why := _why_not(cloud, request, "ssm:GetParameters", arn):
        raise _unreadable("ssm", why)
    name = reference.split(":parameter", 1)[1] if ":parameter/" in reference else reference
    with cloud.lock:
        backend = cloud.moto("ssm")
        found = backend.get_parameter(name) or backend.get_parameter(name.lstrip("/"))
        if found is None:
            raise _unreadable("ssm", f"Invalid ssm parameters: {name}")
        return str(found.response_object(decrypt=True)["Value"])


# --- the process

NOT_RUN = "import sys; sys.exit(f'exec {sys.argv[1]}: exec format error')"
"""A line on standard error, and exit code 1."""


def _start(
    cloud: Cloud,
    output: Output,
    request: Request,
    container: ContainerRequest,
    image: Image,
    secrets: Mapping[str, str],
) -> Started:
    from localcloud.core.processes import Supervisor

    definition = container.definition
    name = definition["name"]
    environment = _environment(cloud, request, container, image, secrets)
    entrypoint = definition.get("entryPoint") or image.config.entrypoint
    # As Docker: an entry point of the task definition's own drops the image's command.
    command = definition.get("command") or (() if definition.get("entryPoint") else image.config.command)
    argv = [_inside(word, image) for word in (*entrypoint, *command)]
    if argv and image.config.architecture != request.processor:
        # The kernel refuses the first program of such an image; what the container runtime says of it is in its log.
        argv = [sys.executable, "-I", "-c", NOT_RUN, (*entrypoint, *command)[0]]
    group, stream = destination(definition.get("logConfiguration", {}), name, request.task_id)
    write_end, reader = output.open(group, stream)
    try:
        process = cloud.part(Supervisor).spawn(
            f"task {request.task_id}/{name}", argv, env=environment, cwd=image.folder, output=write_end
        )
    except OSError as error:
        executable = argv[0] if argv else ""
        missing = "executable file not found in $PATH" if isinstance(error, FileNotFoundError) else error.strerror
        raise StartError(
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: "
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
            f'process: exec: "{executable}": {missing}: unknown',
            name,
        ) from error
    finally:
        os.close(write_end)
    return Started(process, reader, image.digest, image.folder, environment)


def _inside(word: str, image: Image) -> str:
    """A path below the image's WORKDIR is a path below its folder here."""
    home = image.config.working_directory.rstrip("/")
    if home and (word == home or word.startswith(f"{home}/")):
        return f"{image.folder}{word[len(home) :]}"
    return word


def _environment(
    cloud: Cloud, request: Request, container: ContainerRequest, image: Image, secrets: Mapping[str, str]
) -> dict[str, str]:
    definition = container.definition
    merged = {name: _inside(value, image) for name, value in image.config.environment.items() if name != "PATH"}
    merged |= {pair["name"]: pair.get("value", "") for pair in definition.get("environment", ())}
    merged |= secrets
    merged |= container.override_environment
    settings = cloud.settings
    tools = Path(sys.executable).parent
    defaults = {
        "HOME": "/",
        "LANG": "C.UTF-8",
        "HOSTNAME": f"ip-{request.address.replace('.', '-')}.{settings.region}.compute.internal",
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "AWS_ENDPOINT_URL": settings.endpoint,
        # The system's certificates and this cloud's own authority, so that TLS to the local parts verifies.
        "SSL_CERT_FILE": str(certificates.bundle(settings.state)),
        # Byte code beside the sources would change the image's content.
        "PYTHONPYCACHEPREFIX": str(settings.state / "pycache"),
    }
    forced = {
        "PATH": f"{tools}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        # A container has the port to itself; here the task's address stands for that, so it must bind only there.
        "HOST": settings.real_address(request.address),
        # By this the network knows whose connections these are.
        ADDRESS_VARIABLE: request.address,
    }
    mappings = definition.get("portMappings", ())
    port = merged.get("PORT") or (str(mappings[0]["containerPort"]) if mappings else "")
    if port.isdigit():
        forced["PORT"] = str(settings.real_port(int(port)))
    return defaults | merged | forced


LOOPBACK = re.compile(r"\b(?:localhost|127\.0\.0\.1)(?::(\d+))?\b")


def at_own_address(cloud: Cloud, address: str, word: str) -> str:
    """A container's loopback is its task's address here: ``localhost:80`` becomes ``127.64.11.23:8080`` or the like."""

    def replace(match: re.Match[str]) -> str:
        real = cloud.settings.real_address(address)
        return f"{real}:{cloud.settings.real_port(int(match[1]))}" if match[1] else real

    return LOOPBACK.sub(replace, word)
