"""AWS's calls about replication groups, their members and events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from localcloud.core import network, paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.elasticache import api_groups
from localcloud.services.elasticache.component import Caches
from localcloud.services.elasticache.model import Group, Member, engine_version, max_memory

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

_CHANGEABLE = (
    "AutoMinorVersionUpgrade",
    "AutomaticFailoverEnabled",
    "CacheNodeType",
    "CacheParameterGroupName",
    "Engine",
    "EngineVersion",
    "MultiAZEnabled",
    "NotificationTopicArn",
    "PreferredMaintenanceWindow",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "TransitEncryptionMode",
)
_WAITING = ("CacheNodeType", "CacheParameterGroupName", "Engine", "EngineVersion")
"""What waits for the maintenance window unless it is to be applied immediately; members show it as pending."""
_SHOWN_PENDING = ("CacheNodeType", "EngineVersion")
_UNSUPPORTED = ("GlobalReplicationGroupId", "SnapshotArns", "SnapshotName", "UserGroupIds", "PrimaryClusterId")
MOST_MEMBERS = 6


def find(cloud: Cloud, identifier: str) -> Group:
    """The replication group; AWS's error where there is none."""
    group = cloud.part(Caches).groups.get(identifier.lower())
    if group is None:
        raise AwsError("ReplicationGroupNotFoundFault", f"ReplicationGroup {identifier} not found.", 404)
    return group


def _available(group: Group) -> None:
    if group.status != "available":
        message = f"Replication group {group.id} is not in available state; it is {group.status}."
        raise AwsError("InvalidReplicationGroupState", message)


@operation("elasticache", "CreateReplicationGroup")
def create(cloud: Cloud, call: Call) -> Answer:
    params, caches = call.params, cloud.part(Caches)
    identifier = params["ReplicationGroupId"].lower()
    if not re.fullmatch(r"[a-z](-?[a-z0-9])*", identifier) or len(identifier) > 40:
        message = "The parameter ReplicationGroupId is not a valid identifier: letters, digits and single hyphens."
        raise AwsError("InvalidParameterValue", message)
    if identifier in caches.groups:
        raise AwsError("ReplicationGroupAlreadyExists", f"Replication group {identifier} already exists.")
    settings = _settings(cloud, params)
    subnet_group = api_groups.subnet_group(cloud, settings["CacheSubnetGroupName"])
    subnets = [each["SubnetIdentifier"] for each in subnet_group["Subnets"]]
    count = _count(params)
    if settings.get("AutomaticFailoverEnabled") and count < 2:
        message = "Automatic failover is not supported for replication groups with fewer than 2 members."
        raise AwsError("InvalidParameterCombination", message)
    security = settings["SecurityGroupIds"]
    taken: list[network.Interface] = []
    try:
        for number in range(count + 2):
            description = f"ElastiCache {identifier}"
            taken.append(network.allocate(cloud, subnets[number % len(subnets)], security, description))
    except AwsError:
        for interface in taken:
            network.release(cloud, interface)
        raise
    now = cloud.now()
    members = [
        Member(f"{identifier}-{number:03d}", interface, interface.zone, now)
        for number, interface in enumerate(taken[:count], start=1)
    ]
    group = Group(
        id=identifier,
        settings=settings,
        members=members,
        primary=members[0].id,
        primary_interface=taken[-2],
        reader_interface=taken[-1],
        arn=api_groups.arn(cloud, "replicationgroup", identifier),
        created=now,
        tags=[dict(tag) for tag in params.get("Tags") or ()],
    )
    caches.groups[identifier] = group
    return {"ReplicationGroup": shown(cloud, group)}


def _settings(cloud: Cloud, params: Mapping[str, Any]) -> dict[str, Any]:
    for name in _UNSUPPORTED:
        if params.get(name):
            raise AwsError("InvalidParameterCombination", f"localcloud has no {name} for replication groups.")
    if (params.get("NumNodeGroups") or 1) > 1 or params.get("ClusterMode") == "enabled":
        raise AwsError("InvalidParameterCombination", "localcloud has replication groups of one node group only.")
    engine = params.get("Engine") or "redis"
    if engine not in ("redis", "valkey"):
        raise AwsError("InvalidParameterValue", f"The engine {engine} is not valid for replication groups.")
    max_memory(params.get("CacheNodeType") or "cache.t4g.micro")
    version = engine_version(engine, params.get("EngineVersion"))
    secure = bool(params.get("TransitEncryptionEnabled", False))
    if params.get("AuthToken") and not secure:
        message = "The AUTH token parameter is only supported when encryption-in-transit is enabled"
        raise AwsError("InvalidParameterCombination", message)
    family = f"{engine}{version.split('.')[0]}"
    settings = {
        "AtRestEncryptionEnabled": False,
        "AutoMinorVersionUpgrade": True,
        "CacheNodeType": "cache.t4g.micro",
        "CacheParameterGroupName": f"default.{family}",
        "CacheSubnetGroupName": "default",
        "LogDeliveryConfigurations": [],
        "Port": 6379,
        "PreferredMaintenanceWindow": "sat:16:00-sat:17:00",
        "ReplicationGroupDescription": "",
        "SecurityGroupIds": [],
        "SnapshotRetentionLimit": 0,
        "SnapshotWindow": "13:00-14:00",
        "TransitEncryptionMode": "required" if secure else None,
        **{name: value for name, value in params.items() if value is not None and name != "Tags"},
        "Engine": engine,
        "EngineVersion": version,
    }
    settings["PreferredMaintenanceWindow"] = settings["PreferredMaintenanceWindow"].lower()
    api_groups.parameter_group(cloud, settings["CacheParameterGroupName"])
    return settings


def _count(params: Mapping[str, Any]) -> int:
    count = int(params.get("NumCacheClusters") or (params.get("ReplicasPerNodeGroup") or 0) + 1)
    if not 1 <= count <= MOST_MEMBERS:
        raise AwsError("InvalidParameterValue", f"A replication group has 1 to {MOST_MEMBERS} members, not {count}.")
    return count


def shown(cloud: Cloud, group: Group) -> dict[str, Any]:
    """As DescribeReplicationGroups shows it."""
    settings, real = group.settings, cloud.settings.real_address

    def endpoint(interface: network.Interface) -> dict[str, Any]:
        return {"Address": real(interface.address), "Port": group.port}

    node_group: dict[str, Any] = {
        "NodeGroupId": "0001",
        "Status": group.status,
        "NodeGroupMembers": [
            {
                "CacheClusterId": member.id,
                "CacheNodeId": "0001",
                "ReadEndpoint": endpoint(member.interface),
                "PreferredAvailabilityZone": member.zone,
                "CurrentRole": "primary" if member.id == group.primary else "replica",
            }
            for member in group.members
        ],
    }
    if group.status != "creating":
        node_group |= {
            "PrimaryEndpoint": endpoint(group.primary_interface),
            "ReaderEndpoint": endpoint(group.reader_interface),
        }
    record = {
        "ReplicationGroupId": group.id,
        "Description": settings["ReplicationGroupDescription"],
        "Status": group.status,
        "PendingModifiedValues": {},
        "MemberClusters": [member.id for member in group.members],
        "NodeGroups": [node_group],
        "AutomaticFailover": "enabled" if settings.get("AutomaticFailoverEnabled") else "disabled",
        "MultiAZ": "enabled" if settings.get("MultiAZEnabled") else "disabled",
        "SnapshotRetentionLimit": settings["SnapshotRetentionLimit"],
        "SnapshotWindow": settings["SnapshotWindow"],
        "ClusterEnabled": False,
        "ClusterMode": "disabled",
        "CacheNodeType": settings["CacheNodeType"],
        "AuthTokenEnabled": bool(settings.get("AuthToken")),
        "TransitEncryptionEnabled": group.secure,
        "TransitEncryptionMode": settings.get("TransitEncryptionMode"),
        "AtRestEncryptionEnabled": settings["AtRestEncryptionEnabled"],
        "KmsKeyId": settings.get("KmsKeyId"),
        "ARN": group.arn,
        "UserGroupIds": [],
        "LogDeliveryConfigurations": _log_deliveries(settings),
        "ReplicationGroupCreateTime": group.created,
        "DataTiering": "disabled",
        "AutoMinorVersionUpgrade": settings["AutoMinorVersionUpgrade"],
        "NetworkType": "ipv4",
        "IpDiscovery": "ipv4",
        "Engine": group.engine,
    }
    return {name: value for name, value in record.items() if value is not None}


def _log_deliveries(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "LogType": each["LogType"],
            "DestinationType": each.get("DestinationType"),
            "DestinationDetails": each.get("DestinationDetails") or {},
            "LogFormat": each.get("LogFormat"),
            "Status": "active",
        }
        for each in settings["LogDeliveryConfigurations"]
    ]


@operation("elasticache", "DescribeReplicationGroups")
def describe(cloud: Cloud, call: Call) -> Answer:
    caches = cloud.part(Caches)
    if identifier := call.params.get("ReplicationGroupId"):
        return {"ReplicationGroups": [shown(cloud, find(cloud, identifier))]}
    every = [shown(cloud, caches.groups[name]) for name in sorted(caches.groups)]
    return paging.marked(every, call.params, "ReplicationGroups")


@operation("elasticache", "DescribeCacheClusters")
def describe_members(cloud: Cloud, call: Call) -> Answer:
    caches, params = cloud.part(Caches), call.params
    with_nodes = bool(params.get("ShowCacheNodeInfo"))
    found = [
        _member(cloud, caches.groups[name], member, with_nodes)
        for name in sorted(caches.groups)
        for member in caches.groups[name].members
    ]
    if identifier := params.get("CacheClusterId"):
        found = [each for each in found if each["CacheClusterId"] == identifier.lower()]
        if not found:
            raise AwsError("CacheClusterNotFound", f"CacheCluster not found: {identifier}", 404)
    if params.get("ShowCacheClustersNotInReplicationGroups"):
        found = []
    return paging.marked(found, params, "CacheClusters")


def _member(cloud: Cloud, group: Group, member: Member, with_nodes: bool) -> dict[str, Any]:
    settings = group.settings
    status = "deleting" if group.status == "deleting" or member.id in group.deleting_members else member.status
    record: dict[str, Any] = {
        "CacheClusterId": member.id,
        "ARN": api_groups.arn(cloud, "cluster", member.id),
        "CacheClusterStatus": status,
        "CacheClusterCreateTime": member.created,
        "CacheNodeType": settings["CacheNodeType"],
        "ClientDownloadLandingPage": "https://console.aws.amazon.com/elasticache/home#client-download:",
        "Engine": group.engine,
        "EngineVersion": settings["EngineVersion"],
        "NumCacheNodes": 1,
        "PreferredAvailabilityZone": member.zone,
        "PreferredMaintenanceWindow": settings["PreferredMaintenanceWindow"],
        "PendingModifiedValues": {key: value for key, value in group.pending.items() if key in _SHOWN_PENDING},
        "CacheSecurityGroups": [],
        "CacheParameterGroup": {
            "CacheParameterGroupName": group.parameter_group,
            "ParameterApplyStatus": "in-sync",
            "CacheNodeIdsToReboot": [],
        },
        "CacheSubnetGroupName": settings["CacheSubnetGroupName"],
        "SecurityGroups": [{"SecurityGroupId": each, "Status": "active"} for each in settings["SecurityGroupIds"]],
        "AutoMinorVersionUpgrade": settings["AutoMinorVersionUpgrade"],
        "ReplicationGroupId": group.id,
        "ReplicationGroupLogDeliveryEnabled": bool(settings["LogDeliveryConfigurations"]),
        "LogDeliveryConfigurations": _log_deliveries(settings),
        "SnapshotRetentionLimit": settings["SnapshotRetentionLimit"],
        "SnapshotWindow": settings["SnapshotWindow"],
        "AuthTokenEnabled": bool(settings.get("AuthToken")),
        "TransitEncryptionEnabled": group.secure,
        "AtRestEncryptionEnabled": settings["AtRestEncryptionEnabled"],
        "NetworkType": "ipv4",
        "IpDiscovery": "ipv4",
    }
    if settings.get("TransitEncryptionMode"):
        record["TransitEncryptionMode"] = settings["TransitEncryptionMode"]
    if topic := settings.get("NotificationTopicArn"):
        record["NotificationConfiguration"] = {"TopicArn": topic, "TopicStatus": "active"}
    if with_nodes:
        endpoint = {"Address": cloud.settings.real_address(member.interface.address), "Port": group.port}
        record["CacheNodes"] = [
            {
                "CacheNodeId": "0001",
                "CacheNodeStatus": status,
                "CacheNodeCreateTime": member.created,
                "Endpoint": endpoint,
                "ParameterGroupStatus": "in-sync",
                "CustomerAvailabilityZone": member.zone,
            }
        ]
    return record


@operation("elasticache", "RebootCacheCluster")
def reboot(cloud: Cloud, call: Call) -> Answer:
    """The node ends and starts again, empty; a replica then copies its primary, and a primary empties its replicas."""
    caches, identifier = cloud.part(Caches), call.params["CacheClusterId"].lower()
    for group in caches.groups.values():
        for member in group.members:
            if member.id == identifier:
                return _rebooted(cloud, group, member, call.params["CacheNodeIdsToReboot"])
    raise AwsError("CacheClusterNotFound", f"CacheCluster not found: {identifier}", 404)


def _rebooted(cloud: Cloud, group: Group, member: Member, nodes: list[str]) -> Answer:
    if unknown := [node for node in nodes if node != "0001"]:
        raise AwsError("InvalidParameterValue", f"Cache node {', '.join(unknown)} isn't one of {member.id}.")
    if group.status != "available" or member.status != "available":
        message = f"Cache cluster {member.id} is not in available state; it is {member.status}."
        raise AwsError("InvalidCacheClusterState", message)
    member.status = "rebooting cluster nodes"
    cloud.part(Caches).rebooting.add(member.id)
    return {"CacheCluster": _member(cloud, group, member, with_nodes=False)}


@operation("elasticache", "ModifyReplicationGroup")
def modify(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    group = find(cloud, params["ReplicationGroupId"])
    _available(group)
    settings = group.settings
    if params.get("AutomaticFailoverEnabled") and len(group.members) < 2:
        message = "Automatic failover is not supported for replication groups with fewer than 2 members."
        raise AwsError("InvalidParameterCombination", message)
    if params.get("CacheNodeType"):
        max_memory(params["CacheNodeType"])
    if params.get("CacheParameterGroupName"):
        api_groups.parameter_group(cloud, params["CacheParameterGroupName"])
    for name in ("PrimaryClusterId", "AuthToken", "UserGroupIdsToAdd", "SnapshottingClusterId"):
        if params.get(name):
            raise AwsError("InvalidParameterCombination", f"localcloud can't change {name} of a replication group.")
    if params.get("ReplicationGroupDescription") is not None:
        settings["ReplicationGroupDescription"] = params["ReplicationGroupDescription"]
    if params.get("SecurityGroupIds") is not None:
        settings["SecurityGroupIds"] = list(params["SecurityGroupIds"])
        for interface in group.interfaces:
            network.set_groups(cloud, interface, settings["SecurityGroupIds"])
    request = dict(params)
    engine = params.get("Engine") or group.engine
    if (group.engine, engine) == ("valkey", "redis"):
        message = "Changing the engine of a replication group from valkey to redis is not supported."
        raise AwsError("InvalidParameterCombination", message)
    if params.get("EngineVersion"):
        request["EngineVersion"] = engine_version(engine, params["EngineVersion"])
    for each in params.get("LogDeliveryConfigurations") or ():
        kept = [known for known in settings["LogDeliveryConfigurations"] if known["LogType"] != each["LogType"]]
        settings["LogDeliveryConfigurations"] = kept + ([each] if each.get("Enabled", True) else [])
    changes = {name: request[name] for name in _CHANGEABLE if request.get(name) not in (None, settings.get(name))}
    waiting = (
        {} if params.get("ApplyImmediately") else {name: changes.pop(name) for name in _WAITING if name in changes}
    )
    now_again = [name for name in _WAITING if request.get(name) is not None and request[name] == settings.get(name)]
    group.pending = {name: value for name, value in (group.pending | waiting).items() if name not in now_again}
    if params.get("ApplyImmediately") and (changes or group.pending):
        group.pending |= changes
        group.status = "modifying"
    elif changes:
        settings |= changes
    return {"ReplicationGroup": shown(cloud, group)}


@operation("elasticache", "IncreaseReplicaCount")
def increase(cloud: Cloud, call: Call) -> Answer:
    group = find(cloud, call.params["ReplicationGroupId"])
    _available(group)
    wanted = int(call.params.get("NewReplicaCount") or len(group.members)) + 1
    if not len(group.members) < wanted <= MOST_MEMBERS:
        message = f"The new replica count must be above {len(group.members) - 1} and at most {MOST_MEMBERS - 1}."
        raise AwsError("InvalidParameterValue", message)
    record = api_groups.subnet_group(cloud, group.settings["CacheSubnetGroupName"])
    subnets = [each["SubnetIdentifier"] for each in record["Subnets"]]
    numbers = (n for n in range(1, 500) if f"{group.id}-{n:03d}" not in {member.id for member in group.members})
    while len(group.members) < wanted:
        subnet = subnets[len(group.members) % len(subnets)]
        interface = network.allocate(cloud, subnet, group.settings["SecurityGroupIds"], f"ElastiCache {group.id}")
        group.members.append(Member(f"{group.id}-{next(numbers):03d}", interface, interface.zone, cloud.now()))
    group.status = "modifying"
    return {"ReplicationGroup": shown(cloud, group)}


@operation("elasticache", "DecreaseReplicaCount")
def decrease(cloud: Cloud, call: Call) -> Answer:
    group = find(cloud, call.params["ReplicationGroupId"])
    _available(group)
    named = list(call.params.get("ReplicasToRemove") or ())
    if not named:
        wanted = int(call.params["NewReplicaCount"]) + 1
        replicas = [member.id for member in group.members if member.id != group.primary]
        named = replicas[max(0, wanted - 1) :]
    least = 2 if group.settings.get("AutomaticFailoverEnabled") else 1
    if not named or group.primary in named or len(group.members) - len(named) < least:
        message = f"Replicas can't be removed like this: at least {least} members stay, and the primary among them."
        raise AwsError("InvalidParameterValue", message)
    group.deleting_members = named
    group.status = "modifying"
    return {"ReplicationGroup": shown(cloud, group)}


@operation("elasticache", "TestFailover")
def test_failover(cloud: Cloud, call: Call) -> Answer:
    group = find(cloud, call.params["ReplicationGroupId"])
    _available(group)
    if not group.settings.get("AutomaticFailoverEnabled"):
        message = f"Automatic failover is not enabled on replication group {group.id}."
        raise AwsError("InvalidParameterCombination", message)
    caches = cloud.part(Caches)
    caches.tell(group.id, f"Test Failover API called for node group {call.params['NodeGroupId']}")
    caches.failing_over.add(group.id)
    return {"ReplicationGroup": shown(cloud, group)}


@operation("elasticache", "DeleteReplicationGroup")
def delete(cloud: Cloud, call: Call) -> Answer:
    group = find(cloud, call.params["ReplicationGroupId"])
    if group.status == "deleting":
        message = f"Replication group {group.id} is already being deleted."
        raise AwsError("InvalidReplicationGroupState", message)
    if call.params.get("RetainPrimaryCluster") or call.params.get("FinalSnapshotIdentifier"):
        message = "localcloud deletes a replication group whole: no RetainPrimaryCluster, no FinalSnapshotIdentifier."
        raise AwsError("InvalidParameterCombination", message)
    group.status = "deleting"
    return {"ReplicationGroup": shown(cloud, group)}


@operation("elasticache", "CreateCacheCluster")
def create_cluster(cloud: Cloud, call: Call) -> Answer:
    message = "localcloud has cache clusters in replication groups only: use CreateReplicationGroup."
    raise AwsError("InvalidParameterCombination", message)


@operation("elasticache", "DescribeEvents")
def describe_events(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    end = params.get("EndTime") or cloud.now()
    begin = params.get("StartTime") or end - timedelta(minutes=int(params.get("Duration") or 60))
    found = [
        each
        for each in cloud.part(Caches).events
        if begin <= each["Date"] <= end
        and params.get("SourceIdentifier") in (None, each["SourceIdentifier"])
        and params.get("SourceType") in (None, each["SourceType"])
    ]
    return paging.marked(found, params, "Events")
