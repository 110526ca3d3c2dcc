"""Faults of the network: a security group that somebody closes, a task that pulls megabytes through the NAT gateway.

What then happens to connections, bytes and costs is ``localcloud.services.vpc``'s.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from localcloud.backends import outside, tools
from localcloud.core.network import ADDRESS_VARIABLE
from localcloud.core.processes import Process, Supervisor
from localcloud.core.registry import AwsError
from localcloud.faults import developer, releasing
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.faults.values import choice, number
from localcloud.services.ecs import Clusters
from localcloud.services.ecs.model import Status, Task
from localcloud.services.elasticache import Caches
from localcloud.services.rds import Databases
from localcloud.services.vpc import Network

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

TARGETS = ("database", "cache", "tasks")
MENDED = ("InvalidPermission.Duplicate", "InvalidGroup.NotFound")
"""Refusals that say that somebody has put a rule back already, or that its group is gone."""

# --- security-group-closed


def close_group(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    """Revoke every inbound rule of the target's security groups."""
    target = choice(settings, "target", TARGETS)
    groups = sorted(set(_groups(cloud, target)))
    ec2 = developer.client(cloud, "ec2")
    rules: list[dict[str, Any]] = []
    if groups:
        described = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": groups}])
        rules = [rule for rule in described["SecurityGroupRules"] if not rule["IsEgress"]]
    if not rules:
        raise AwsError(
            "InvalidPermission.NotFound", f"No security group of the {target} has an inbound rule to revoke."
        )
    for group in sorted({rule["GroupId"] for rule in rules}):
        identifiers = [rule["SecurityGroupRuleId"] for rule in rules if rule["GroupId"] == group]
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=identifiers)
    return {"rules": rules}


def open_group(cloud: Cloud, memory: Memory) -> None:
    """Authorise the same rules again, with their descriptions and tags."""
    ec2 = developer.client(cloud, "ec2")
    for rule in memory["rules"]:
        tags = [{"ResourceType": "security-group-rule", "Tags": rule["Tags"]}] if rule.get("Tags") else []
        try:
            made = ec2.authorize_security_group_ingress(
                GroupId=rule["GroupId"], IpPermissions=[_permission(rule)], TagSpecifications=tags
            )
        except ClientError as refusal:
            if refusal.response["Error"]["Code"] not in MENDED:
                raise
            continue
        for fresh in made["SecurityGroupRules"]:
            _rename(cloud, rule["GroupId"], fresh["SecurityGroupRuleId"], rule["SecurityGroupRuleId"], rule)


def _permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": rule["IpProtocol"]}
    if rule["IpProtocol"] != "-1":
        permission |= {"FromPort": rule["FromPort"], "ToPort": rule["ToPort"]}
    about = {"Description": rule["Description"]} if rule.get("Description") else {}
    if rule.get("ReferencedGroupInfo"):
        other = {"GroupId": rule["ReferencedGroupInfo"]["GroupId"]}
        return permission | {"UserIdGroupPairs": [other | about]}
    if rule.get("PrefixListId"):
        return permission | {"PrefixListIds": [{"PrefixListId": rule["PrefixListId"]} | about]}
    return permission | {"IpRanges": [{"CidrIp": rule["CidrIpv4"]} | about]}


def _rename(cloud: Cloud, group: str, fresh: str, before: str, rule: Mapping[str, Any]) -> None:
    """Give the rule its former id. AWS wouldn't; but Terraform knows it by that, and would make it a second time."""
    with cloud.lock:
        ec2 = cloud.moto("ec2")
        held = next((each[group] for each in ec2.groups.values() if group in each), None)
        for each in held.ingress_rules if held else ():
            if each.id == fresh:
                each.id = before
                ec2.tags.pop(fresh, None)
                each.add_tags({tag["Key"]: tag["Value"] for tag in rule.get("Tags", ())})
                cloud.touch()


def _groups(cloud: Cloud, target: str) -> Iterator[str]:
    """The security groups of the interfaces that a target has."""
    with cloud.lock:
        interfaces: list[str] = []
        if target == "database" and cloud.has(Databases):
            interfaces = [each.interface.id for each in cloud.part(Databases).instances.values()]
        elif target == "cache" and cloud.has(Caches):
            interfaces = [each.id for group in cloud.part(Caches).groups.values() for each in group.interfaces]
        elif target == "tasks" and cloud.has(Clusters):
            tasks = list(cloud.part(Clusters).state.tasks.values())
            interfaces = [each.interface.eni for each in tasks if each.interface and each.targets]
        known = cloud.moto("ec2").enis
        found = [group.id for identifier in interfaces if identifier in known for group in known[identifier].group_set]
    yield from found


# --- nat-surge

DESTINATION = "198.51.100.20"
"""Of a range that is kept for examples (RFC 5737)."""
PORT = 443
"""The tasks' security groups let nothing else out."""
SERVER, WORKER = "nat-surge server", "nat-surge worker"
MAX_MEGABYTES_PER_SECOND = 50.0


def start_surge(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    """Download at the set rate, as a task of the service."""
    rate = number(settings, "megabytes_per_second", 0.1, MAX_MEGABYTES_PER_SECOND)
    service = settings["service"] or releasing.the_service(developer.client(cloud, "ecs"))
    if _running_task(cloud, service) is None:
        raise AwsError("InvalidState", f"No task of the service {service} is running.")
    memory = {"service": service, "bytes_per_second": int(rate * 1e6)}
    keep_surge(cloud, memory)
    return memory


def keep_surge(cloud: Cloud, memory: Memory) -> None:
    """Keep the server, the gate before it and the worker; a worker whose task has ended moves to another."""
    supervisor = cloud.part(Supervisor)
    real = cloud.settings.real_address(DESTINATION)
    inner = cloud.settings.real_port(PORT) + 20_000
    if not _processes(cloud, SERVER):
        _spawn(cloud, SERVER, ["serve", real, str(inner)], {})
    listen = cloud.part(Network).open("nat-surge", destination=DESTINATION, port=PORT, forward=(real, inner))
    task = _running_task(cloud, memory["service"], memory.get("task", ""))
    workers = _processes(cloud, WORKER)
    if workers and task is not None and task.id == memory.get("task"):
        return
    supervisor.end_all(workers, grace=1.0)
    if task is not None and task.interface is not None:
        memory["task"] = task.id
        words = ["download", listen[0], str(listen[1]), str(memory["bytes_per_second"])]
        _spawn(cloud, WORKER, words, {ADDRESS_VARIABLE: task.interface.address})


def stop_surge(cloud: Cloud, memory: Memory) -> None:  # noqa: ARG001
    cloud.part(Supervisor).end_all([*_processes(cloud, WORKER), *_processes(cloud, SERVER)], grace=2.0)
    cloud.part(Network).close("nat-surge")


def _processes(cloud: Cloud, name: str) -> list[Process]:
    return [each for each in cloud.part(Supervisor).running() if each.name == name]


def _spawn(cloud: Cloud, name: str, words: list[str], more: Mapping[str, str]) -> None:
    folder = cloud.settings.state / "network"
    cloud.part(Supervisor).spawn(
        name,
        [sys.executable, "-I", outside.__file__, *words],
        env={**tools.environment(folder), **more},
        cwd=folder,
        output=folder / "outside.log",
    )


def _running_task(cloud: Cloud, service: str, preferred: str = "") -> Task | None:
    """A running task of the service, the preferred one where it still is."""
    with cloud.lock:
        tasks = [
            task
            for task in cloud.part(Clusters).state.tasks.values()
            if task.status == Status.RUNNING
            and task.wanted
            and task.interface
            and task.service.rpartition("/")[2] == service
        ]
    return next((task for task in tasks if task.id == preferred), tasks[0] if tasks else None)


FAULTS = (
    Fault(
        "security-group-closed",
        "The inbound rules of a security group are revoked.",
        "New connections to the target get no answer and time out; for tasks, their targets become unhealthy with "
        "Target.Timeout. The flow log has REJECT records, CloudTrail RevokeSecurityGroupIngress.",
        close_group,
        open_group,
        {"target": Setting("database", "database, cache or tasks: whose security groups are closed")},
    ),
    Fault(
        "nat-surge",
        "A task downloads megabytes each second from outside of the VPC.",
        "AWS/NATGateway BytesInFromDestination and the flow log show it, and Cost Explorer NatGateway-Bytes.",
        start_surge,
        stop_surge,
        {
            "megabytes_per_second": Setting("5", f"how much, up to {MAX_MEGABYTES_PER_SECOND:g}"),
            "service": Setting("", "the ECS service whose task does it; the only one that reads secrets, if left out"),
        },
        keep_surge,
    ),
)
