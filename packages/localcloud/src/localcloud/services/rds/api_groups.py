"""AWS's calls about DB subnet groups, DB parameter groups and tags."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from localcloud.core import network, paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.rds import parameters
from localcloud.services.rds.component import Databases
from localcloud.services.rds.model import ENGINE_VERSIONS, OF_CLUSTER, VERSIONS
from localcloud.services.rds.parameters import ParameterGroup

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


def _arn(cloud: Cloud, kind: str, name: str) -> str:
    return cloud.settings.arn("rds", f"{kind}:{name}")


# -- subnet groups --------------------------------------------------------------------------------------------------


def subnet_group(cloud: Cloud, name: str | None) -> dict[str, Any]:
    """A subnet group's record; AWS's error where there is none."""
    if not name:
        message = "localcloud has no default DB subnet group: give a DBSubnetGroupName."
        raise AwsError("DBSubnetGroupNotFoundFault", message, 404)
    found = cloud.part(Databases).subnet_groups.get(name.lower())
    if found is None:
        raise AwsError("DBSubnetGroupNotFoundFault", f"DB subnet group '{name}' does not exist.", 404)
    return found


def _subnets(cloud: Cloud, ids: list[str]) -> tuple[str, list[dict[str, Any]]]:
    subnets = [network.find_subnet(cloud, each) for each in ids]
    if len({subnet.vpc_id for subnet in subnets}) > 1:
        raise AwsError("InvalidSubnet", "The subnets are in different VPCs.")
    if len({subnet.availability_zone for subnet in subnets}) < 2:
        message = "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement."
        raise AwsError("DBSubnetGroupDoesNotCoverEnoughAZs", f"{message} Add subnets to cover at least 2 AZs.")
    shown = [
        {
            "SubnetIdentifier": subnet.id,
            "SubnetAvailabilityZone": {"Name": subnet.availability_zone},
            "SubnetOutpost": {},
            "SubnetStatus": "Active",
        }
        for subnet in subnets
    ]
    return subnets[0].vpc_id, shown


@operation("rds", "CreateDBSubnetGroup")
def create_subnet_group(cloud: Cloud, call: Call) -> Answer:
    databases, name = cloud.part(Databases), call.params["DBSubnetGroupName"].lower()
    if name in databases.subnet_groups:
        raise AwsError("DBSubnetGroupAlreadyExists", f"The DB subnet group '{name}' already exists.")
    vpc, subnets = _subnets(cloud, call.params["SubnetIds"])
    record = {
        "DBSubnetGroupName": name,
        "DBSubnetGroupDescription": call.params["DBSubnetGroupDescription"],
        "VpcId": vpc,
        "SubnetGroupStatus": "Complete",
        "Subnets": subnets,
        "DBSubnetGroupArn": _arn(cloud, "subgrp", name),
        "SupportedNetworkTypes": ["IPV4"],
    }
    databases.subnet_groups[name] = record
    databases.tags[record["DBSubnetGroupArn"]] = [dict(tag) for tag in call.params.get("Tags") or ()]
    return {"DBSubnetGroup": record}


@operation("rds", "DescribeDBSubnetGroups")
def describe_subnet_groups(cloud: Cloud, call: Call) -> Answer:
    if name := call.params.get("DBSubnetGroupName"):
        return {"DBSubnetGroups": [subnet_group(cloud, name)]}
    every = cloud.part(Databases).subnet_groups
    return paging.marked([every[name] for name in sorted(every)], call.params, "DBSubnetGroups")


@operation("rds", "ModifyDBSubnetGroup")
def modify_subnet_group(cloud: Cloud, call: Call) -> Answer:
    record = subnet_group(cloud, call.params["DBSubnetGroupName"])
    wanted = set(call.params["SubnetIds"])
    for instance in cloud.part(Databases).instances.values():
        used = instance.record["DBSubnetGroup"]["DBSubnetGroupName"] == record["DBSubnetGroupName"]
        if used and instance.interface.subnet not in wanted:
            message = f"The subnet {instance.interface.subnet} is in use by {instance.identifier}."
            raise AwsError("SubnetAlreadyInUse", message)
    record["VpcId"], record["Subnets"] = _subnets(cloud, call.params["SubnetIds"])
    if description := call.params.get("DBSubnetGroupDescription"):
        record["DBSubnetGroupDescription"] = description
    return {"DBSubnetGroup": record}


@operation("rds", "DeleteDBSubnetGroup")
def delete_subnet_group(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    record = subnet_group(cloud, call.params["DBSubnetGroupName"])
    name = record["DBSubnetGroupName"]
    servers = [*databases.instances.values(), *(each.server for each in databases.clusters.values())]
    for instance in servers:
        if instance.record["DBSubnetGroup"]["DBSubnetGroupName"] == name:
            message = f"Cannot delete the subnet group '{name}' because at least one database instance is using it."
            raise AwsError("InvalidDBSubnetGroupStateFault", message)
    del databases.subnet_groups[name]
    databases.tags.pop(record["DBSubnetGroupArn"], None)
    return {}


# -- parameter groups -----------------------------------------------------------------------------------------------


def parameter_group(cloud: Cloud, name: str) -> ParameterGroup:
    """A parameter group, default ones included; AWS's error where there is none."""
    found = cloud.part(Databases).parameter_groups.get(name.lower())
    if found is not None:
        return found
    family = name.removeprefix("default.")
    if name.startswith("default.") and is_family(family):
        description = f"Default parameter group for {family}"
        return ParameterGroup(name, family, description, _arn(cloud, "pg", name))
    raise AwsError("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}", 404)


def is_family(family: str) -> bool:
    """Whether it is a parameter group family of an engine that there is, ``aurora-postgresql16``."""
    return any(family == f"{engine}{major}" for engine, majors in VERSIONS.items() for major in majors)


def _changeable(cloud: Cloud, name: str) -> ParameterGroup:
    if name.startswith("default."):
        raise AwsError("InvalidDBParameterGroupState", f"The default parameter group {name} can't be changed.")
    return parameter_group(cloud, name)


@operation("rds", "CreateDBParameterGroup")
def create_parameter_group(cloud: Cloud, call: Call) -> Answer:
    databases, name = cloud.part(Databases), call.params["DBParameterGroupName"].lower()
    family = call.params["DBParameterGroupFamily"]
    if not is_family(family):
        raise AwsError("InvalidParameterValue", f"ParameterGroupFamily {family} is not a valid parameter group family")
    if name in databases.parameter_groups:
        raise AwsError("DBParameterGroupAlreadyExists", f"Parameter group {name} already exists")
    group = ParameterGroup(name, family, call.params["Description"], _arn(cloud, "pg", name))
    databases.parameter_groups[name] = group
    databases.tags[group.arn] = [dict(tag) for tag in call.params.get("Tags") or ()]
    return {"DBParameterGroup": group.shown()}


@operation("rds", "DescribeDBParameterGroups")
def describe_parameter_groups(cloud: Cloud, call: Call) -> Answer:
    if name := call.params.get("DBParameterGroupName"):
        return {"DBParameterGroups": [parameter_group(cloud, name).shown()]}
    held = cloud.part(Databases).parameter_groups
    own = {name: group for name, group in held.items() if not name.startswith(OF_CLUSTER)}
    defaults = [parameter_group(cloud, f"default.postgres{major}") for major in ENGINE_VERSIONS]
    every = sorted([*own.values(), *defaults], key=lambda group: group.name)
    return paging.marked([group.shown() for group in every], call.params, "DBParameterGroups")


@operation("rds", "DescribeDBParameters")
def describe_parameters(cloud: Cloud, call: Call) -> Answer:
    rows = parameters.shown(parameter_group(cloud, call.params["DBParameterGroupName"]))
    if source := call.params.get("Source"):
        rows = [row for row in rows if row["Source"] == source]
    return paging.marked(rows, call.params, "Parameters")


@operation("rds", "ModifyDBParameterGroup")
def modify_parameter_group(cloud: Cloud, call: Call) -> Answer:
    group = _changeable(cloud, call.params["DBParameterGroupName"])
    for each in call.params["Parameters"]:
        name, value = each["ParameterName"], each.get("ParameterValue")
        if value is None:
            raise AwsError("InvalidParameterValue", f"A ParameterValue is required for {name}")
        parameters.check(name, value, each.get("ApplyMethod", "pending-reboot"))
    for each in call.params["Parameters"]:
        group.values[each["ParameterName"]] = each["ParameterValue"]
        group.methods[each["ParameterName"]] = each.get("ApplyMethod", "pending-reboot")
    apply(cloud, group)
    return {"DBParameterGroupName": group.name}


@operation("rds", "ResetDBParameterGroup")
def reset_parameter_group(cloud: Cloud, call: Call) -> Answer:
    group = _changeable(cloud, call.params["DBParameterGroupName"])
    if call.params.get("ResetAllParameters"):
        group.values.clear()
    for each in call.params.get("Parameters") or ():
        group.values.pop(each["ParameterName"], None)
        group.methods[each["ParameterName"]] = each.get("ApplyMethod", "pending-reboot")
    apply(cloud, group)
    return {"DBParameterGroupName": group.name}


@operation("rds", "DeleteDBParameterGroup")
def delete_parameter_group(cloud: Cloud, call: Call) -> Answer:
    group = _changeable(cloud, call.params["DBParameterGroupName"])
    databases = cloud.part(Databases)
    if any(instance.parameter_group == group.name for instance in databases.instances.values()):
        message = "One or more database instances are still members of this parameter group"
        raise AwsError("InvalidDBParameterGroupState", f"{message} {group.name}, so the group cannot be deleted")
    del databases.parameter_groups[group.name]
    databases.tags.pop(group.arn, None)
    return {}


def apply(cloud: Cloud, group: ParameterGroup, name: str | None = None) -> None:
    """Tell the running servers, out of the caller's lock. ``name``: what the component calls it, if otherwise."""
    databases = cloud.part(Databases)
    members = [each for each in databases.servers() if each.parameter_group == (name or group.name)]

    def tell() -> None:
        for instance in members:
            databases.apply_dynamic(instance)

    if members:
        threading.Thread(target=tell, name=f"rds-parameters-{group.name}", daemon=True).start()


# -- tags -----------------------------------------------------------------------------------------------------------


def _tags(cloud: Cloud, arn: str) -> list[dict[str, str]]:
    """The list of tags of any resource, to read and to change."""
    databases = cloud.part(Databases)
    every: dict[str, list[dict[str, str]]] = dict(databases.tags)
    every |= {instance.arn: instance.record["TagList"] for instance in databases.instances.values()}
    every |= {cluster.arn: cluster.record["TagList"] for cluster in databases.clusters.values()}
    every |= {snapshot["DBSnapshotArn"]: snapshot["TagList"] for snapshot in databases.snapshots.values()}
    if arn in every:
        return every[arn]
    raise AwsError("InvalidParameterValue", f"The specified resource name does not match an RDS resource: {arn}")


@operation("rds", "ListTagsForResource")
def list_tags(cloud: Cloud, call: Call) -> Answer:
    return {"TagList": _tags(cloud, call.params["ResourceName"])}


@operation("rds", "AddTagsToResource")
def add_tags(cloud: Cloud, call: Call) -> Answer:
    tags = _tags(cloud, call.params["ResourceName"])
    added = {tag["Key"]: tag.get("Value", "") for tag in call.params["Tags"]}
    tags[:] = [tag for tag in tags if tag["Key"] not in added]
    tags += [{"Key": key, "Value": value} for key, value in added.items()]
    return {}


@operation("rds", "RemoveTagsFromResource")
def remove_tags(cloud: Cloud, call: Call) -> Answer:
    tags = _tags(cloud, call.params["ResourceName"])
    tags[:] = [tag for tag in tags if tag["Key"] not in call.params["TagKeys"]]
    return {}
