"""Releasing something faulty to an ECS service as a developer would, and putting back what ran before.

A variant of the running image is pushed where the application itself is to misbehave; then a revision is registered
that differs in one thing, and the service is updated to it. What follows is ECS's: its circuit breaker may well roll
the service back by itself.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.core.images import ImageError
from localcloud.core.registry import AwsError
from localcloud.faults import developer
from localcloud.faults.catalogue import Memory, Setting
from localcloud.services.ecr import images as ecr
from localcloud.services.ecr.component import Images
from localcloud.services.ecr.images import REFERENCE

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

SERVICE = Setting("", "the ECS service that gets the release; the only one that reads secrets, if left out")
VARIANTS = Path(__file__).parent / "variants"
"""``start.py``, with which a faulty image starts its application, and what it makes faulty before: a module each."""

Definition = dict[str, Any]
Change = Callable[["Cloud", Definition, dict[str, Any]], None]
"""(cloud, task definition, its application's container): makes both faulty, in place."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service and what it runs."""

    cluster: str
    name: str
    definition: Definition


def start(cloud: Cloud, service: str, change: Change) -> Memory:
    """Release the service with one change. Raises ``AwsError`` where there is no such service, or nothing to change."""
    ecs = developer.client(cloud, "ecs")
    with _refusals(f"Nothing was released to {service}"):
        service = service or the_service(ecs)
        running = _find(ecs, service)
        accepted = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
        wanted = {name: value for name, value in running.definition.items() if name in accepted}
        change(cloud, wanted, _application(wanted))
        made = ecs.register_task_definition(**wanted)["taskDefinition"]["taskDefinitionArn"]
        try:
            ecs.update_service(cluster=running.cluster, service=service, taskDefinition=made)
        except Exception:
            ecs.deregister_task_definition(taskDefinition=made)
            raise
    before = running.definition["taskDefinitionArn"]
    return {"cluster": running.cluster, "service": service, "released": made, "before": before}


def stop(cloud: Cloud, memory: Memory) -> None:
    """Put back what ran before, where the faulty release is still wanted. Refused while another fault's release stands
    on this one: putting that one back would bring this one up again."""
    from localcloud.faults.component import StackFaults

    on_top = [
        name
        for name, other in cloud.part(StackFaults).memories().items()
        if other.get("before") == memory["released"] and "released" in other
    ]
    if on_top:
        raise AwsError("InvalidState", f"the release of {on_top[0]} was made from this one: stop {on_top[0]} first")
    ecs = developer.client(cloud, "ecs")
    with _refusals(f"{memory['service']} could not be put back"):
        found = ecs.describe_services(cluster=memory["cluster"], services=[memory["service"]])["services"]
        wanted = [service["taskDefinition"] for service in found if service["status"] == "ACTIVE"]
        if memory["released"] in wanted:
            ecs.update_service(cluster=memory["cluster"], service=memory["service"], taskDefinition=memory["before"])


def variant(
    cloud: Cloud, container: dict[str, Any], program: str, values: Mapping[str, float], processor: str = ""
) -> None:
    """Push the container's image with its application started by one of ``VARIANTS`` (none: as it is), or built for
    another processor, and name that image instead."""
    if container.get("command") or container.get("entryPoint"):
        raise AwsError("InvalidState", "The task definition has a start command of its own, so the image's isn't used.")
    try:
        image = cloud.part(Images).resolve(container["image"])
    except ImageError as error:
        raise AwsError("InvalidState", f"The image that runs now can't be read: {error}.") from error
    repository = str(REFERENCE.match(container["image"])["repository"])  # type: ignore[index]
    with tempfile.TemporaryDirectory(prefix="localcloud-release-") as folder:
        copy = Path(folder) / "image"
        shutil.copytree(image.folder, copy, symlinks=True)
        dockerfile = copy / "Dockerfile"
        if program:
            for name in ("start.py", f"{program}.py"):
                shutil.copy(VARIANTS / name, copy)
            (copy / f"{program}.json").write_text(json.dumps(values))
            start = f"{image.config.working_directory}/start.py"
            command = json.dumps(["python", start, program, *image.config.command])
            dockerfile.write_text(f"{dockerfile.read_text()}\nCMD {command}\n")
        if processor:
            built = re.sub(
                r"(?im)^FROM +(--platform=\S+ +)?", f"FROM --platform=linux/{processor} ", dockerfile.read_text()
            )
            dockerfile.write_text(built)
        pushed = ecr.push(developer.client(cloud, "ecr"), cloud.settings.state, copy, repository)
    container["image"] = pushed.uri


def shrink(definition: Definition, *, cpu: str, memory: str) -> None:
    """Give the revision a smaller task, so that the machine isn't filled to show what fills a task."""
    definition |= {"cpu": cpu, "memory": memory}
    for container in definition["containerDefinitions"]:
        container["cpu"] = 0
        for limit in ("memory", "memoryReservation"):
            container.pop(limit, None)


def the_service(ecs: Any) -> str:
    """The service to break where none is named: the only one, or the only one whose tasks read secrets. Raises
    ``AwsError`` where that doesn't settle it."""
    found: dict[str, str] = {}
    for cluster in ecs.list_clusters()["clusterArns"]:
        arns = ecs.list_services(cluster=cluster, maxResults=100)["serviceArns"]
        for start in range(0, len(arns), 10):  # DescribeServices takes ten
            described = ecs.describe_services(cluster=cluster, services=arns[start : start + 10])["services"]
            found |= {each["serviceName"]: each["taskDefinition"] for each in described if each["status"] == "ACTIVE"}
    chosen = list(found)
    if len(found) > 1:
        chosen = [name for name, definition in found.items() if _reads_secrets(ecs, definition)]
    if len(chosen) != 1:
        names = f"{len(found)} ({', '.join(sorted(found))}): say which with service=NAME" if found else "none"
        raise AwsError("ValidationError", f"This fault needs an ECS service; there are {names}.")
    return chosen[0]


def _reads_secrets(ecs: Any, definition: str) -> bool:
    payload = ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
    return any(container.get("secrets") for container in payload["containerDefinitions"])


def _find(ecs: Any, service: str) -> Running:
    names: list[str] = []
    for cluster in ecs.list_clusters()["clusterArns"]:
        for found in ecs.describe_services(cluster=cluster, services=[service])["services"]:
            if found["status"] == "ACTIVE":
                payload = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])
                return Running(cluster, service, payload["taskDefinition"])
        names += [arn.rsplit("/", 1)[1] for arn in ecs.list_services(cluster=cluster, maxResults=100)["serviceArns"]]
    there_are = f"There are {', '.join(sorted(names))}" if names else "There is none yet: deploy one first"
    raise AwsError("ValidationError", f"There is no ECS service {service!r}. {there_are}.")


def _application(definition: Definition) -> dict[str, Any]:
    """The container that serves: the first with a port."""
    containers: list[dict[str, Any]] = definition["containerDefinitions"]
    return next((each for each in containers if each.get("portMappings")), containers[0])


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """AWS's refusals within, as one sentence."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        payload = error.response["Error"]
        raise AwsError("InvalidState", f"{what}: {payload['Code']}: {payload['Message'].rstrip('.')}.") from error
    except BotoCoreError as error:
        raise AwsError("InvalidState", f"{what}: {str(error).rstrip('.')}.") from error
