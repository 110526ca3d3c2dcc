"""ECS: what RegisterTaskDefinition refuses (API reference and developer guide, "Task definition parameters")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from localcloud.core.registry import Call, rule
from localcloud.services.ecs.lookup import client_error
from localcloud.services.ecs.sizes import FARGATE_SIZES, cpu_units, memory_mib

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
MOST_CONTAINERS: Final = 10
FARGATE_DRIVERS: Final = ("awslogs", "splunk", "awsfirelens")
HEALTH: Final = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
"""Seconds and tries of a container's health check."""
MOST_PORT: Final = 65535
MOST_STOP: Final = 120
"""Seconds that Fargate waits for a container to stop."""
EPHEMERAL: Final = (21, 200)
"""GiB that may be asked for on Fargate; without asking there are 20."""

Container = Mapping[str, Any]


@rule("ecs", "RegisterTaskDefinition")
def check_containers(cloud: Cloud, call: Call) -> None:
    params = call.params
    containers = params["containerDefinitions"]
    if not params["family"]:
        raise client_error("Family should not be null or empty.")
    if not NAME.fullmatch(params["family"]):
        raise client_error("Family contains invalid characters.")
    if not containers:
        raise client_error("Container list cannot be empty.")
    if len(containers) > MOST_CONTAINERS:
        raise client_error(f"Too many containers. Maximum: {MOST_CONTAINERS}.")
    names = [container.get("name") for container in containers]
    if not all(names):
        raise client_error("Container.name should not be null or empty.")
    if not all(NAME.fullmatch(name) for name in names):
        raise client_error("Container.name contains invalid characters.")
    if len(set(names)) != len(names):
        raise client_error("Container.name contains duplicate values.")
    if not all(container.get("image") for container in containers):
        raise client_error("Container.image should not be null or empty.")
    if not any(_essential(container) for container in containers):
        raise client_error("There should be at least one essential container.")
    _check_dependencies(containers)
    volumes = {volume.get("name") for volume in params.get("volumes") or ()}
    for container in containers:
        _check_container(container, volumes)


def _essential(container: Container) -> bool:
    return container.get("essential") is not False


def _check_dependencies(containers: Sequence[Container]) -> None:
    named = {container["name"]: container for container in containers}
    for container in containers:
        for wanted in container.get("dependsOn") or ():
            other = named.get(wanted["containerName"])
            if other is None or other is container:
                text = (
                    f"Container '{container['name']}' depends on '{wanted['containerName']}', which isn't another one."
                )
                raise client_error(text)
            if wanted["condition"] == "HEALTHY" and not other.get("healthCheck"):
                text = f"Container '{other['name']}' has no health check, which the condition HEALTHY needs."
                raise client_error(text)
            if wanted["condition"] in ("COMPLETE", "SUCCESS") and _essential(other):
                text = f"Container '{other['name']}' is essential: the condition {wanted['condition']} forbids it."
                raise client_error(text)


def _check_container(container: Container, volumes: set[str | None]) -> None:
    variables = [pair.get("name") for pair in container.get("environment") or ()]
    secrets = [secret["name"] for secret in container.get("secrets") or ()]
    if not all(variables) or not all(secrets):
        raise client_error("Environment variable name should not be null or empty.")
    shared = sorted(set(secrets) & set(variables)) or sorted(name for name in secrets if secrets.count(name) > 1)
    if shared:
        raise client_error(
            "The secret name must be unique and not shared with any new or existing environment variables set on the "
            f"container, such as '{shared[0]}'."
        )
    for mapping in container.get("portMappings") or ():
        for key in ("containerPort", "hostPort"):
            if not 0 <= (mapping.get(key) or 0) <= MOST_PORT:
                raise client_error(f"Invalid setting for container '{container['name']}': {key} is 0 to {MOST_PORT}.")
    for point in container.get("mountPoints") or ():
        if point.get("sourceVolume") not in volumes:
            raise client_error(f"Unknown volume '{point.get('sourceVolume')}'.")
    hard, soft = container.get("memory"), container.get("memoryReservation")
    if hard is not None and hard < 6:
        raise client_error(f"Invalid setting for container '{container['name']}'. 'memory' is 6 MiB at least.")
    if hard is not None and soft is not None and soft > hard:
        text = f"Invalid setting for container '{container['name']}'. The memory must be above the memoryReservation."
        raise client_error(text)
    check = container.get("healthCheck")
    if check is not None:
        if not check["command"]:
            raise client_error("HealthCheck command should not be empty.")
        for key, (least, most) in HEALTH.items():
            if check.get(key) is not None and not least <= check[key] <= most:
                raise client_error(f"Invalid setting for healthCheck: {key} is {least} to {most}, not {check[key]}.")


@rule("ecs", "RegisterTaskDefinition")
def check_size(cloud: Cloud, call: Call) -> None:
    params = call.params
    cpu, memory = params.get("cpu"), params.get("memory")
    for name, value, read in (("cpu", cpu, cpu_units), ("memory", memory, memory_mib)):
        if value and read(value) is None:
            raise client_error(
                f"Invalid '{name}' setting for task. For more information, see the Troubleshooting section of the "
                "Amazon ECS Developer Guide."
            )
    containers = params["containerDefinitions"]
    room = memory_mib(memory) if memory else None
    if room is None and not all(each.get("memory") or each.get("memoryReservation") for each in containers):
        name = next(each["name"] for each in containers if not (each.get("memory") or each.get("memoryReservation")))
        raise client_error(
            f"Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be "
            "specified."
        )
    if room is not None:
        for each in containers:
            if (each.get("memory") or 0) > room:
                text = f"Invalid setting for container '{each['name']}': its memory is more than the task's."
                raise client_error(text)
    units = cpu_units(cpu) if cpu else None
    if units is not None and sum(each.get("cpu") or 0 for each in containers) > units:
        raise client_error("The containers' cpu is together more than the task's.")


@rule("ecs", "RegisterTaskDefinition")
def check_fargate(cloud: Cloud, call: Call) -> None:
    params = call.params
    if "FARGATE" not in (params.get("requiresCompatibilities") or ()):
        return
    if params.get("networkMode") != "awsvpc":
        raise client_error("Fargate only supports network mode \u2018awsvpc\u2019.")
    cpu, memory = params.get("cpu"), params.get("memory")
    if not cpu or not memory:
        raise client_error("Fargate requires that 'cpu' and 'memory' be defined at the task level.")
    if memory_mib(memory) not in FARGATE_SIZES.get(cpu_units(cpu) or 0, ()):
        raise client_error(f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory.")
    if params.get("pidMode") not in (None, "", "task"):
        raise client_error(
            f"Tasks using the Fargate launch type do not support pidMode '{params['pidMode']}'. The supported value "
            "for pidMode is 'task'."
        )
    if params.get("ipcMode"):
        raise client_error("Tasks using the Fargate launch type do not support ipcMode.")
    if params.get("placementConstraints"):
        raise client_error("Tasks using the Fargate launch type do not support placementConstraints.")
    storage = (params.get("ephemeralStorage") or {}).get("sizeInGiB")
    if storage is not None and not EPHEMERAL[0] <= storage <= EPHEMERAL[1]:
        raise client_error(f"Ephemeral storage is {EPHEMERAL[0]} to {EPHEMERAL[1]} GiB on Fargate, not {storage}.")
    for volume in params.get("volumes") or ():
        if (volume.get("host") or {}).get("sourcePath") or volume.get("dockerVolumeConfiguration"):
            raise client_error("host.sourcePath should not be set for volumes in Fargate.")
    for container in params["containerDefinitions"]:
        _check_on_fargate(container, bool(params.get("executionRoleArn")))


def _check_on_fargate(container: Container, has_role: bool) -> None:
    name, log = container["name"], container.get("logConfiguration") or {}
    if container.get("privileged"):
        raise client_error(f"Tasks using the Fargate launch type do not support privileged containers ('{name}').")
    for key in ("links", "dockerSecurityOptions", "extraHosts", "hostname", "dnsServers", "dnsSearchDomains"):
        if container.get(key):
            raise client_error(f"{key} is not supported on container '{name}' when networkMode=awsvpc.")
    _check_linux(container.get("linuxParameters") or {})
    if any(limit["name"] != "nofile" for limit in container.get("ulimits") or ()):
        raise client_error("Fargate lets only the ulimit nofile be set.")
    for mapping in container.get("portMappings") or ():
        if mapping.get("hostPort") not in (None, 0, mapping.get("containerPort")):
            text = "When networkMode=awsvpc, the host ports and container ports in port mappings must match."
            raise client_error(text)
    if not 0 <= (container.get("stopTimeout") or 0) <= MOST_STOP:
        raise client_error(f"stopTimeout is {MOST_STOP} seconds at most on Fargate.")
    _check_log(log)
    if has_role:
        return
    for needs, what in (
        (".dkr.ecr." in container["image"], "ECR images"),
        (log.get("logDriver") == "awslogs", "log driver awslogs"),
        (bool(container.get("secrets")), "secrets"),
    ):
        if needs:
            raise client_error(f"Fargate requires task definition to have execution role ARN to support {what}.")


def _check_linux(parameters: Mapping[str, Any]) -> None:
    if set((parameters.get("capabilities") or {}).get("add") or ()) - {"SYS_PTRACE"}:
        raise client_error("Fargate adds the Linux capability SYS_PTRACE only.")
    for key in ("devices", "tmpfs", "sharedMemorySize", "maxSwap", "swappiness"):
        if parameters.get(key):
            raise client_error(f"Tasks using the Fargate launch type do not support linuxParameters.{key}.")


def _check_log(log: Mapping[str, Any]) -> None:
    if log and log["logDriver"] not in FARGATE_DRIVERS:
        raise client_error(f"Fargate has the log drivers {', '.join(FARGATE_DRIVERS)}, not {log['logDriver']}.")
    if log.get("logDriver") == "awslogs":
        options = log.get("options") or {}
        lacking = [key for key in ("awslogs-group", "awslogs-region", "awslogs-stream-prefix") if not options.get(key)]
        if lacking:
            raise client_error(f"Log driver awslogs requires options: {', '.join(lacking)}.")
