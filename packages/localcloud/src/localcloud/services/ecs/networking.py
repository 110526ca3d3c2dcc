"""A task's place in the network: its interface in a subnet, its targets in target groups.

The interface is a true ENI of EC2, so that ``DescribeNetworkInterfaces`` shows it and a subnet with tasks in it can't
be deleted. Everything here runs under ``cloud.lock``.
"""

from __future__ import annotations

import ipaddress
import logging
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core.interfaces import TargetGroups
from localcloud.core.network import listening
from localcloud.services.ecs.launch import ContainerRequest, Request
from localcloud.services.ecs.model import Interface, Task

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.services.ecs.records import Records

log = logging.getLogger(__name__)

PROCESSORS = {"X86_64": "amd64", "ARM64": "arm64"}
"""A task's processor, as images name it."""
RESERVED = 4
"""Addresses at the start of each subnet that AWS keeps for itself."""

_next_host: dict[str, int] = {}
"""Where the search for a free address goes on, by subnet: an address just given back rests for a while."""


class NoAddress(Exception):
    """No interface can be made; the message is EC2's."""


def attach(cloud: Cloud, task: Task) -> None:
    """Give the task an interface in one of its subnets."""
    configuration = task.spec.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    subnets = configuration.get("subnets", [])
    ec2 = cloud.moto("ec2")
    if not subnets:
        raise NoAddress("the task has no awsvpcConfiguration with subnets")
    known = {subnet.id: subnet for zone in ec2.subnets.values() for subnet in zone.values()}
    subnet_id = subnets[int(task.id, 16) % len(subnets)] if not task.service else _emptiest(cloud, task, subnets)
    subnet = known.get(subnet_id)
    if subnet is None:
        raise NoAddress(f"The subnet ID '{subnet_id}' does not exist")
    address = _free_address(cloud, subnet)
    attachment = str(uuid.uuid4())
    eni = ec2.create_network_interface(
        subnet,
        address,
        group_ids=configuration.get("securityGroups") or None,
        description=cloud.settings.arn("ecs", f"attachment/{attachment}"),
    )
    eni.requester_managed = True
    eni.status = "in-use"
    task.interface = Interface(eni.id, subnet.id, address, eni.mac_address, subnet.availability_zone, attachment)


def _emptiest(cloud: Cloud, task: Task, subnets: list[str]) -> str:
    """Tasks of a service are spread over its subnets."""
    from localcloud.services.ecs.records import Records

    siblings = cloud.part(Records).live[task.service].values() if cloud.has(Records) else []
    taken = [other.interface.subnet for other in siblings if other.interface and other.wanted]
    return min(subnets, key=lambda subnet: (taken.count(subnet), subnets.index(subnet)))


def _free_address(cloud: Cloud, subnet: Any) -> str:
    network, used = ipaddress.ip_network(subnet.cidr_block), listening(cloud)
    hosts = network.num_addresses - RESERVED - 1
    start = _next_host.get(subnet.id, 0)
    for offset in range(hosts):
        host = RESERVED + (start + offset) % hosts
        address = str(network.network_address + host)
        if cloud.settings.real_address(address) not in used:
            _next_host[subnet.id] = (host - RESERVED + 1) % hosts
            return address
    raise NoAddress(f"Insufficient IP addresses in subnet {subnet.id}")


def detach(cloud: Cloud, task: Task) -> None:
    """Give the interface back; the task keeps the record of it, as ECS's attachment does."""
    if task.interface is not None:
        cloud.moto("ec2").enis.pop(task.interface.eni, None)


# --- targets


def join_targets(cloud: Cloud, task: Task) -> None:
    if not cloud.has(TargetGroups) or task.interface is None:
        return
    for target in task.targets:
        try:
            cloud.part(TargetGroups).register(target.group, task.interface.address, target.port)
        except Exception:
            log.exception("could not register %s in %s", task.interface.address, target.group)
            continue
        target.registered, target.state = True, "initial"


def leave_targets(cloud: Cloud, task: Task) -> None:
    if not cloud.has(TargetGroups) or task.interface is None:
        return
    for target in task.targets:
        if not target.registered:
            continue
        try:
            cloud.part(TargetGroups).deregister(target.group, task.interface.address, target.port)
        except Exception:
            log.exception("could not deregister %s from %s", task.interface.address, target.group)
            target.state = ""
        else:
            target.state = "draining"
        target.registered = False


def take_states(task: Task, seen: Mapping[str, Mapping[tuple[str, int], tuple[str, str]]]) -> bool:
    """Note what the load balancers say of the task's targets; whether anything changed."""
    if task.interface is None:
        return False
    changed = False
    for target in task.targets:
        if target.group not in seen:
            continue
        state, reason = seen[target.group].get((task.interface.address, target.port), ("", ""))
        if not target.registered and state != "draining":
            state, reason = "", ""
        if (state, reason) != (target.state, target.reason):
            target.state, target.reason = state, reason
            changed = True
    return changed


# --- what a start needs


def launch_request(clusters: Records, task: Task) -> Request:
    """Everything about the task that a worker thread needs to start it."""
    definition = clusters.definition(task.task_definition)
    overrides = {
        override["name"]: override for override in task.spec.get("overrides", {}).get("containerOverrides", [])
    }
    digests = _settled_digests(clusters, task)
    requests = []
    for container in definition.containers:
        override = overrides.get(container["name"], {})
        merged = dict(container)
        if override.get("command"):
            merged["command"] = override["command"]
        environment = {pair["name"]: pair.get("value", "") for pair in override.get("environment", [])}
        image = container["image"]
        digest = digests.get(container["name"])
        if digest:
            image = f"{image.split('@')[0].rsplit(':', 1)[0] if ':' in image.rsplit('/', 1)[-1] else image}@{digest}"
        requests.append(ContainerRequest(merged, image, environment))
    address = task.interface.address if task.interface else ""
    role = task.spec.get("overrides", {}).get("executionRoleArn") or definition.body.get("executionRoleArn", "")
    processor = PROCESSORS.get(definition.body.get("runtimePlatform", {}).get("cpuArchitecture", ""), "amd64")
    return Request(task.id, task.arn, address, definition.family, tuple(requests), role, processor)


def _settled_digests(clusters: Records, task: Task) -> dict[str, str]:
    """All tasks of a service revision run one digest, even if the tag moves meanwhile ("version consistency")."""
    service = clusters.state.services.get(task.service)
    deployment = next((d for d in service.deployments if d.id == task.deployment), None) if service else None
    if deployment is None:
        return {}
    images = deployment.revision.spec.get("containerImages", [])
    return {image["containerName"]: image["imageDigest"] for image in images}


def settle_digests(clusters: Records, task: Task) -> None:
    """The first task of a revision settles which digests it runs."""
    service = clusters.state.services.get(task.service)
    deployment = next((d for d in service.deployments if d.id == task.deployment), None) if service else None
    if deployment is not None and not deployment.revision.spec.get("containerImages"):
        deployment.revision.spec["containerImages"] = [
            {"containerName": container.name, "imageDigest": container.digest, "image": container.image}
            for container in task.containers
        ]
