"""AWS's calls about cache subnet groups, cache parameter groups and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.core import network, paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.elasticache import parameters
from localcloud.services.elasticache.component import Caches
from localcloud.services.elasticache.model import ParameterGroup

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

FAMILIES = ("redis6.x", "redis7", "valkey7", "valkey8")


def arn(cloud: Cloud, kind: str, name: str) -> str:
    return cloud.settings.arn("elasticache", f"{kind}:{name}")


# -- subnet groups --------------------------------------------------------------------------------------------------


def subnet_group(cloud: Cloud, name: str) -> dict[str, Any]:
    found = cloud.part(Caches).subnet_groups.get(name.lower())
    if found is None:
        raise AwsError("CacheSubnetGroupNotFoundFault", f"Cache Subnet Group {name} does not exist.")
    return found


def _subnets(cloud: Cloud, ids: list[str]) -> tuple[str, list[dict[str, Any]]]:
    subnets = [network.find_subnet(cloud, each) for each in ids]
    if len({subnet.vpc_id for subnet in subnets}) > 1:
        raise AwsError("InvalidSubnet", "The subnets are in different VPCs.")
    shown = [
        {
            "SubnetIdentifier": subnet.id,
            "SubnetAvailabilityZone": {"Name": subnet.availability_zone},
            "SupportedNetworkTypes": ["ipv4"],
        }
        for subnet in subnets
    ]
    return subnets[0].vpc_id, shown


@operation("elasticache", "CreateCacheSubnetGroup")
def create_subnet_group(cloud: Cloud, call: Call) -> Answer:
    caches, name = cloud.part(Caches), call.params["CacheSubnetGroupName"].lower()
    if name in caches.subnet_groups:
        raise AwsError("CacheSubnetGroupAlreadyExists", f"Cache subnet group {name} already exists.")
    vpc, subnets = _subnets(cloud, call.params["SubnetIds"])
    record = {
        "CacheSubnetGroupName": name,
        "CacheSubnetGroupDescription": call.params["CacheSubnetGroupDescription"],
        "VpcId": vpc,
        "Subnets": subnets,
        "ARN": arn(cloud, "subnetgroup", name),
        "SupportedNetworkTypes": ["ipv4"],
    }
    caches.subnet_groups[name] = record
    caches.tags[record["ARN"]] = [dict(tag) for tag in call.params.get("Tags") or ()]
    return {"CacheSubnetGroup": record}


@operation("elasticache", "DescribeCacheSubnetGroups")
def describe_subnet_groups(cloud: Cloud, call: Call) -> Answer:
    if name := call.params.get("CacheSubnetGroupName"):
        return {"CacheSubnetGroups": [subnet_group(cloud, name)]}
    every = cloud.part(Caches).subnet_groups
    return paging.marked([every[name] for name in sorted(every)], call.params, "CacheSubnetGroups")


@operation("elasticache", "ModifyCacheSubnetGroup")
def modify_subnet_group(cloud: Cloud, call: Call) -> Answer:
    record = subnet_group(cloud, call.params["CacheSubnetGroupName"])
    if ids := call.params.get("SubnetIds"):
        for group in cloud.part(Caches).groups.values():
            used = {interface.subnet for interface in group.interfaces}
            if group.settings["CacheSubnetGroupName"] == record["CacheSubnetGroupName"] and used - set(ids):
                raise AwsError("SubnetInUse", f"The subnets {', '.join(sorted(used - set(ids)))} are in use.")
        record["VpcId"], record["Subnets"] = _subnets(cloud, ids)
    if (description := call.params.get("CacheSubnetGroupDescription")) is not None:
        record["CacheSubnetGroupDescription"] = description
    return {"CacheSubnetGroup": record}


@operation("elasticache", "DeleteCacheSubnetGroup")
def delete_subnet_group(cloud: Cloud, call: Call) -> Answer:
    caches = cloud.part(Caches)
    record = subnet_group(cloud, call.params["CacheSubnetGroupName"])
    name = record["CacheSubnetGroupName"]
    if any(group.settings["CacheSubnetGroupName"] == name for group in caches.groups.values()):
        raise AwsError("CacheSubnetGroupInUse", f"Cache subnet group {name} is currently in use by a cache cluster.")
    del caches.subnet_groups[name]
    caches.tags.pop(record["ARN"], None)
    return {}


# -- parameter groups -----------------------------------------------------------------------------------------------


def parameter_group(cloud: Cloud, name: str) -> ParameterGroup:
    """A parameter group, default ones included; AWS's error where there is none."""
    found = cloud.part(Caches).parameter_groups.get(name.lower())
    if found is not None:
        return found
    family = name.removeprefix("default.")
    if name.startswith("default.") and family in FAMILIES:
        description = f"Default parameter group for {family}"
        return ParameterGroup(name, family, description, arn(cloud, "parametergroup", name))
    raise AwsError("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.", 404)


def _changeable(cloud: Cloud, name: str) -> ParameterGroup:
    if name.startswith("default."):
        raise AwsError("InvalidCacheParameterGroupState", f"The default parameter group {name} can't be changed.")
    return parameter_group(cloud, name)


@operation("elasticache", "CreateCacheParameterGroup")
def create_parameter_group(cloud: Cloud, call: Call) -> Answer:
    caches, name = cloud.part(Caches), call.params["CacheParameterGroupName"].lower()
    family = call.params["CacheParameterGroupFamily"]
    if family not in FAMILIES:
        message = f"CacheParameterGroupFamily {family} is not one of {', '.join(FAMILIES)}"
        raise AwsError("InvalidParameterValue", message)
    if name in caches.parameter_groups:
        raise AwsError("CacheParameterGroupAlreadyExists", f"Parameter group {name} already exists")
    group = ParameterGroup(name, family, call.params["Description"], arn(cloud, "parametergroup", name))
    caches.parameter_groups[name] = group
    caches.tags[group.arn] = [dict(tag) for tag in call.params.get("Tags") or ()]
    return {"CacheParameterGroup": group.shown()}


@operation("elasticache", "DescribeCacheParameterGroups")
def describe_parameter_groups(cloud: Cloud, call: Call) -> Answer:
    if name := call.params.get("CacheParameterGroupName"):
        return {"CacheParameterGroups": [parameter_group(cloud, name).shown()]}
    own = cloud.part(Caches).parameter_groups
    every = [*own.values(), *(parameter_group(cloud, f"default.{family}") for family in FAMILIES)]
    shown = [group.shown() for group in sorted(every, key=lambda group: group.name)]
    return paging.marked(shown, call.params, "CacheParameterGroups")


@operation("elasticache", "DescribeCacheParameters")
def describe_parameters(cloud: Cloud, call: Call) -> Answer:
    rows = parameters.shown(parameter_group(cloud, call.params["CacheParameterGroupName"]))
    if source := call.params.get("Source"):
        rows = [row for row in rows if row["Source"] == source]
    return paging.marked(rows, call.params, "Parameters")


@operation("elasticache", "ModifyCacheParameterGroup")
def modify_parameter_group(cloud: Cloud, call: Call) -> Answer:
    group = _changeable(cloud, call.params["CacheParameterGroupName"])
    for each in call.params["ParameterNameValues"]:
        parameters.check(each["ParameterName"], each["ParameterValue"])
    for each in call.params["ParameterNameValues"]:
        group.values[each["ParameterName"]] = each["ParameterValue"]
    _apply(cloud, group)
    return {"CacheParameterGroupName": group.name}


@operation("elasticache", "ResetCacheParameterGroup")
def reset_parameter_group(cloud: Cloud, call: Call) -> Answer:
    group = _changeable(cloud, call.params["CacheParameterGroupName"])
    if call.params.get("ResetAllParameters"):
        group.values.clear()
    for each in call.params.get("ParameterNameValues") or ():
        group.values.pop(each["ParameterName"], None)
    _apply(cloud, group)
    return {"CacheParameterGroupName": group.name}


@operation("elasticache", "DeleteCacheParameterGroup")
def delete_parameter_group(cloud: Cloud, call: Call) -> Answer:
    caches = cloud.part(Caches)
    group = _changeable(cloud, call.params["CacheParameterGroupName"])
    if any(each.parameter_group == group.name for each in caches.groups.values()):
        message = f"One or more cache clusters are still members of this parameter group {group.name}."
        raise AwsError("InvalidCacheParameterGroupState", message)
    del caches.parameter_groups[group.name]
    caches.tags.pop(group.arn, None)
    return {}


def _apply(cloud: Cloud, group: ParameterGroup) -> None:
    """The loop tells the running servers of every group that uses it."""
    for each in cloud.part(Caches).groups.values():
        if each.parameter_group == group.name and each.status == "available":
            each.status = "modifying"


# -- tags -----------------------------------------------------------------------------------------------------------


def _tags(cloud: Cloud, name: str) -> list[dict[str, str]]:
    """The list of tags of any resource, to read and to change."""
    caches = cloud.part(Caches)
    every = dict(caches.tags)
    for group in caches.groups.values():
        every[group.arn] = group.tags
        every |= {arn(cloud, "cluster", member.id): group.tags for member in group.members}
    if name not in every:
        raise AwsError("InvalidARN", f"The specified resource {name} is not in this account.")
    return every[name]


@operation("elasticache", "ListTagsForResource")
def list_tags(cloud: Cloud, call: Call) -> Answer:
    return {"TagList": _tags(cloud, call.params["ResourceName"])}


@operation("elasticache", "AddTagsToResource")
def add_tags(cloud: Cloud, call: Call) -> Answer:
    tags = _tags(cloud, call.params["ResourceName"])
    added = {tag["Key"]: tag.get("Value", "") for tag in call.params["Tags"]}
    tags[:] = [tag for tag in tags if tag["Key"] not in added]
    tags += [{"Key": key, "Value": value} for key, value in added.items()]
    return {"TagList": tags}


@operation("elasticache", "RemoveTagsFromResource")
def remove_tags(cloud: Cloud, call: Call) -> Answer:
    tags = _tags(cloud, call.params["ResourceName"])
    tags[:] = [tag for tag in tags if tag["Key"] not in call.params["TagKeys"]]
    return {"TagList": tags}
