"""AWS's calls about Aurora PostgreSQL clusters, their snapshots and their parameter groups.

Multi-AZ DB clusters (engine ``postgres``), global and restored clusters aren't there and are refused by name.
"""

from __future__ import annotations

import random
import re
import string
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from localcloud.core import network, paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.rds import api_groups, clusters, parameters, secret, snapshot_records
from localcloud.services.rds.api_support import kms_key
from localcloud.services.rds.component import Databases
from localcloud.services.rds.instance_records import record_of
from localcloud.services.rds.model import (
    AURORA,
    AURORA_VERSIONS,
    OF_CLUSTER,
    SERVERLESS,
    DbCluster,
    Instance,
    engine_version,
    size_of,
)
from localcloud.services.rds.parameters import ParameterGroup

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

BEFORE_MEMBERS: Final = "db.r6g.large"
"""The class by which a server is sized while its cluster has no member."""
_AT_ONCE = (
    "BackupRetentionPeriod",
    "CopyTagsToSnapshot",
    "DeletionProtection",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "ServerlessV2ScalingConfiguration",
)
_UNSUPPORTED = ("NewDBClusterIdentifier", "DBClusterInstanceClass", "AllocatedStorage", "StorageType", "Port", "Iops")
_OF_CLUSTER_ALONE = (
    "AllocatedStorage",
    "BackupRetentionPeriod",
    "CloudwatchLogsExportConfiguration",
    "EngineVersion",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "MultiAZ",
    "StorageType",
    "VpcSecurityGroupIds",
)
"""What ModifyDBInstance doesn't take of a member."""
_ALPHABET = string.ascii_uppercase + string.digits


def find(cloud: Cloud, identifier: str) -> DbCluster:
    """The cluster by its identifier or ARN; AWS's error where there is none."""
    found = cloud.part(Databases).clusters.get(identifier.rpartition(":cluster:")[2].lower())
    if found is None:
        raise AwsError("DBClusterNotFoundFault", f"DBCluster {identifier} not found.", 404)
    return found


def _status(databases: Databases, cluster: DbCluster) -> str:
    server = cluster.server
    if server.status == "rebooting":  # of the writer: the cluster stays as it is, but for a failover
        return "failing-over" if server.identifier in databases.failing_over else "available"
    return server.status


def shown(databases: Databases, cluster: DbCluster) -> dict[str, Any]:
    """As DescribeDBClusters shows it."""
    server = cluster.server.record
    record = {
        **cluster.record,
        "Status": _status(databases, cluster),
        "DBClusterMembers": [
            {
                "DBInstanceIdentifier": each.identifier,
                "IsClusterWriter": each.identifier == cluster.writer,
                "DBClusterParameterGroupStatus": server["DBParameterGroups"][0]["ParameterApplyStatus"],
                "PromotionTier": each.record["PromotionTier"],
            }
            for each in clusters.members(databases, cluster)
            if each.status != "deleting"
        ],
    }
    if "MasterUserSecret" in server:
        record["MasterUserSecret"] = server["MasterUserSecret"]
    automated = databases.automated(server["DbiResourceId"])
    if automated:
        record["EarliestRestorableTime"] = automated[0]["SnapshotCreateTime"]
    return record


@operation("rds", "CreateDBCluster")
def create(cloud: Cloud, call: Call) -> Answer:
    params, databases = call.params, cloud.part(Databases)
    _check_engine(params)
    identifier = params["DBClusterIdentifier"].lower()
    if not re.fullmatch(r"[a-z](-?[a-z0-9])*", identifier) or len(identifier) > 63:
        message = "The parameter DBClusterIdentifier is not a valid identifier: letters, digits and single hyphens."
        raise AwsError("InvalidParameterValue", message)
    if identifier in databases.clusters:
        raise AwsError("DBClusterAlreadyExistsFault", "DB Cluster already exists")
    subnet_group = api_groups.subnet_group(cloud, params.get("DBSubnetGroupName"))
    version = engine_version(params.get("EngineVersion"), AURORA)
    group = params.get("DBClusterParameterGroupName") or f"default.{AURORA}{version.split('.')[0]}"
    parameter_group(cloud, group)
    chosen = list(params.get("VpcSecurityGroupIds") or ())
    subnets = [each["SubnetIdentifier"] for each in subnet_group["Subnets"]]
    writer, reader = (
        network.allocate(cloud, each, chosen, "RDSNetworkInterface") for each in (subnets[0], subnets[-1])
    )
    record = _record(cloud, params, identifier, version, subnet_group)
    record |= {
        "DBClusterParameterGroup": group,
        "Endpoint": cloud.settings.real_address(writer.address),
        "ReaderEndpoint": cloud.settings.real_address(reader.address),
        "VpcSecurityGroups": [{"VpcSecurityGroupId": each, "Status": "active"} for each in chosen],
    }
    server = Instance(_server_record(record, subnet_group, group, writer.zone), writer)
    cluster = databases.clusters[identifier] = DbCluster(record, server, reader)
    if params.get("ManageMasterUserPassword"):
        secret.manage(cloud, server, params.get("MasterUserSecretKmsKeyId"))
    else:
        server.password = params["MasterUserPassword"]
    return {"DBCluster": shown(databases, cluster)}


def _check_engine(params: Mapping[str, Any]) -> None:
    if params.get("Engine") != AURORA:
        message = f"localcloud has clusters of the engine {AURORA} only, not of {params.get('Engine')}"
        raise AwsError("InvalidParameterValue", message)
    for name in ("GlobalClusterIdentifier", "ReplicationSourceIdentifier", "SnapshotIdentifier"):
        if params.get(name):
            raise AwsError("InvalidParameterCombination", f"localcloud makes no cluster with {name}")
    if params.get("EngineMode", "provisioned") != "provisioned":
        raise AwsError(
            "InvalidParameterValue", f"localcloud has no engine mode but provisioned, not {params['EngineMode']}"
        )
    if not params.get("MasterUsername"):
        raise AwsError("InvalidParameterValue", "The parameter MasterUsername must be provided.")
    if params.get("ManageMasterUserPassword") and params.get("MasterUserPassword"):
        message = "You can't specify MasterUserPassword when ManageMasterUserPassword is true."
        raise AwsError("InvalidParameterCombination", message)
    if not params.get("ManageMasterUserPassword") and len(params.get("MasterUserPassword") or "") < 8:
        raise AwsError("InvalidParameterValue", "The parameter MasterUserPassword must be at least 8 characters.")


def _record(
    cloud: Cloud, params: Mapping[str, Any], identifier: str, version: str, subnet_group: Mapping[str, Any]
) -> dict[str, Any]:
    encrypted = bool(params.get("StorageEncrypted", False))
    record: dict[str, Any] = {
        "DBClusterIdentifier": identifier,
        "DBClusterArn": cloud.settings.arn("rds", f"cluster:{identifier}"),
        "DbClusterResourceId": "cluster-" + "".join(random.choices(_ALPHABET, k=26)),  # noqa: S311 - no secret
        "DatabaseName": params.get("DatabaseName"),
        "Engine": AURORA,
        "EngineVersion": version,
        "EngineMode": "provisioned",
        "EngineLifecycleSupport": params.get("EngineLifecycleSupport", "open-source-rds-extended-support"),
        "MasterUsername": params["MasterUsername"],
        "Port": int(params.get("Port") or 5432),
        "MultiAZ": False,
        "AllocatedStorage": 1,  # what RDS shows of every Aurora cluster
        "StorageEncrypted": encrypted,
        "KmsKeyId": kms_key(cloud, params.get("KmsKeyId"), "rds") if encrypted else None,
        "DBSubnetGroup": subnet_group["DBSubnetGroupName"],
        "AvailabilityZones": sorted({each["SubnetAvailabilityZone"]["Name"] for each in subnet_group["Subnets"]}),
        "BackupRetentionPeriod": int(params.get("BackupRetentionPeriod") or 1),
        "PreferredBackupWindow": params.get("PreferredBackupWindow") or "13:00-13:30",
        "PreferredMaintenanceWindow": (params.get("PreferredMaintenanceWindow") or "sat:16:00-sat:16:30").lower(),
        "DeletionProtection": bool(params.get("DeletionProtection", False)),
        "CopyTagsToSnapshot": bool(params.get("CopyTagsToSnapshot", False)),
        "IAMDatabaseAuthenticationEnabled": bool(params.get("EnableIAMDatabaseAuthentication", False)),
        "EnabledCloudwatchLogsExports": list(params.get("EnableCloudwatchLogsExports") or ()),
        "HostedZoneId": "Z32T0VRHXEXS0V",
        "ClusterCreateTime": cloud.now(),
        "TagList": [dict(tag) for tag in params.get("Tags") or ()],
        "HttpEndpointEnabled": False,
        "CrossAccountClone": False,
        "AssociatedRoles": [],
        "ReadReplicaIdentifiers": [],
        "DomainMemberships": [],
        "AutoMinorVersionUpgrade": True,
        "NetworkType": "IPV4",
        "DatabaseInsightsMode": params.get("DatabaseInsightsMode") or "standard",
        "ActivityStreamStatus": "stopped",
    }
    if scaling := params.get("ServerlessV2ScalingConfiguration"):
        record["ServerlessV2ScalingConfiguration"] = dict(scaling)
    return record


def _server_record(record: Mapping[str, Any], subnet_group: Mapping[str, Any], group: str, zone: str) -> dict[str, Any]:
    """Of the cluster's own server, in the shape of an instance."""
    same = ("EngineVersion", "MasterUsername", "BackupRetentionPeriod", "StorageEncrypted", "KmsKeyId",
            "PreferredMaintenanceWindow", "IAMDatabaseAuthenticationEnabled", "CopyTagsToSnapshot")  # fmt: skip
    return {
        **{name: record[name] for name in same},
        "DBInstanceIdentifier": OF_CLUSTER + record["DBClusterIdentifier"],
        "DBInstanceArn": record["DBClusterArn"],
        "DbiResourceId": record["DbClusterResourceId"],
        "DBInstanceStatus": "creating",
        "DBInstanceClass": BEFORE_MEMBERS,
        "DbInstancePort": record["Port"],
        "DBName": record["DatabaseName"],
        "Engine": AURORA,
        "AllocatedStorage": 1,
        "StorageType": "aurora",
        "MultiAZ": False,
        "AvailabilityZone": zone,
        "DBSubnetGroup": dict(subnet_group),
        "DBParameterGroups": [{"DBParameterGroupName": OF_CLUSTER + group, "ParameterApplyStatus": "in-sync"}],
        "VpcSecurityGroups": [],
        "OptionGroupMemberships": [{"OptionGroupName": "", "Status": "in-sync"}],
        "PendingModifiedValues": {},
        "EnabledCloudwatchLogsExports": [],
        "LicenseModel": "postgresql-license",
        "TagList": [],
    }


@operation("rds", "DescribeDBClusters")
def describe(cloud: Cloud, call: Call) -> Answer:
    databases, params = cloud.part(Databases), call.params
    found = [databases.clusters[name] for name in sorted(databases.clusters)]
    if params.get("DBClusterIdentifier"):
        found = [find(cloud, params["DBClusterIdentifier"])]
    for each in params.get("Filters") or ():
        wanted = {value.rpartition(":cluster:")[2] for value in each["Values"]}
        keys = {
            "db-cluster-id": "DBClusterIdentifier",
            "db-cluster-resource-id": "DbClusterResourceId",
            "engine": "Engine",
        }
        if each["Name"] not in keys:
            raise AwsError("InvalidParameterValue", f"Unrecognized filter name: {each['Name']}")
        found = [cluster for cluster in found if cluster.record.get(keys[each["Name"]]) in wanted]
    return paging.marked([shown(databases, each) for each in found], params, "DBClusters")


@operation("rds", "DescribeDBClusterEndpoints")
def describe_endpoints(cloud: Cloud, call: Call) -> Answer:
    found = [
        {"DBClusterIdentifier": cluster.identifier, "Endpoint": cluster.record[key], "Status": "available",
         "EndpointType": kind}
        for name, cluster in sorted(cloud.part(Databases).clusters.items())
        if call.params.get("DBClusterIdentifier") in (None, name)
        for key, kind in (("Endpoint", "WRITER"), ("ReaderEndpoint", "READER"))
    ]  # fmt: skip
    return paging.marked(found, call.params, "DBClusterEndpoints")


def _in_state(databases: Databases, cluster: DbCluster, *allowed: str) -> None:
    status = _status(databases, cluster)
    if status not in allowed:
        message = (
            f"DBCluster {cluster.identifier} is in {status} state, but expected it to be in {' or '.join(allowed)}."
        )
        raise AwsError("InvalidDBClusterStateFault", message)


@operation("rds", "ModifyDBCluster")
def modify(cloud: Cloud, call: Call) -> Answer:
    params, databases = call.params, cloud.part(Databases)
    cluster = find(cloud, params["DBClusterIdentifier"])
    _in_state(databases, cluster, "available", "backing-up")
    for name in _UNSUPPORTED:
        if params.get(name) is not None:
            raise AwsError("InvalidParameterCombination", f"localcloud can't modify {name} of a DB cluster")
    record, server = cluster.record, cluster.server.record
    version = engine_version(params["EngineVersion"], AURORA) if params.get("EngineVersion") else ""
    for name in _AT_ONCE:
        if params.get(name) is not None:
            record[name] = params[name]
    server |= {
        name: record[name] for name in ("BackupRetentionPeriod", "PreferredMaintenanceWindow", "CopyTagsToSnapshot")
    }
    if (scaling := params.get("ServerlessV2ScalingConfiguration")) and server["DBInstanceClass"] == SERVERLESS:
        server["ServerlessV2ScalingConfiguration"] = dict(scaling)
    if group := params.get("DBClusterParameterGroupName"):
        parameter_group(cloud, group)
        record["DBClusterParameterGroup"] = group
        server["DBParameterGroups"] = [
            {"DBParameterGroupName": OF_CLUSTER + group, "ParameterApplyStatus": "pending-reboot"}
        ]
    if params.get("VpcSecurityGroupIds") is not None:
        _set_groups(cloud, cluster, list(params["VpcSecurityGroupIds"]))
    if exports := params.get("CloudwatchLogsExportConfiguration"):
        kept = set(record["EnabledCloudwatchLogsExports"]) - set(exports.get("DisableLogTypes") or ())
        record["EnabledCloudwatchLogsExports"] = sorted(kept | set(exports.get("EnableLogTypes") or ()))
    if version and version != record["EngineVersion"]:
        record["EngineVersion"] = server["EngineVersion"] = version
        for each in clusters.members(databases, cluster):
            each.record["EngineVersion"] = version
        cluster.server.status = "rebooting"
    if params.get("RotateMasterUserPassword") and "MasterUserSecret" in server:
        secret.rotate(cloud, cluster.server)
        cluster.server.status = "modifying"
    elif params.get("MasterUserPassword"):
        cluster.server.password = params["MasterUserPassword"]
        cluster.server.status = "modifying"
    return {"DBCluster": shown(databases, cluster)}


def _set_groups(cloud: Cloud, cluster: DbCluster, chosen: list[str]) -> None:
    cluster.record["VpcSecurityGroups"] = [{"VpcSecurityGroupId": each, "Status": "active"} for each in chosen]
    for each in (cluster.server, *clusters.members(cloud.part(Databases), cluster)):
        network.set_groups(cloud, each.interface, chosen)
    network.set_groups(cloud, cluster.reader, chosen)


@operation("rds", "DeleteDBCluster")
def delete(cloud: Cloud, call: Call) -> Answer:
    params, databases = call.params, cloud.part(Databases)
    cluster = find(cloud, params["DBClusterIdentifier"])
    if cluster.record["DeletionProtection"]:
        message = "Cannot delete protected Cluster, please disable deletion protection and try again."
        raise AwsError("InvalidParameterCombination", message)
    if any(each.status != "deleting" for each in clusters.members(databases, cluster)):
        message = "Cluster cannot be deleted, it still contains DB instances in non-deleting state."
        raise AwsError("InvalidDBClusterStateFault", message)
    _in_state(databases, cluster, "available", "backing-up", "stopped", "failed")
    final = params.get("FinalDBSnapshotIdentifier")
    if not params.get("SkipFinalSnapshot") and not final:
        message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
        raise AwsError("InvalidParameterCombination", message)
    if final:
        _check_new_snapshot(databases, final)
    cluster.server.final_snapshot = OF_CLUSTER + final if final else None
    answer = {"DBCluster": {**shown(databases, cluster), "Status": "deleting"}}
    cluster.server.status = "deleting"
    return answer


@operation("rds", "FailoverDBCluster")
def failover(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    cluster = find(cloud, call.params["DBClusterIdentifier"])
    _in_state(databases, cluster, "available")
    target = (call.params.get("TargetDBInstanceIdentifier") or "").rpartition(":db:")[2].lower()
    free = clusters.candidates(databases, cluster)
    if not free:
        message = f"DBCluster {cluster.identifier} has no reader instance to fail over to."
        raise AwsError("InvalidDBClusterStateFault", message)
    if target and target not in free:
        raise AwsError(
            "InvalidDBInstanceState", f"Target DB instance {target} is not an available reader of the cluster."
        )
    cluster.target = target or None
    databases.failing_over.add(cluster.server.identifier)
    cluster.server.status = "rebooting"
    return {"DBCluster": shown(databases, cluster)}


@operation("rds", "StopDBCluster")
def stop(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    cluster = find(cloud, call.params["DBClusterIdentifier"])
    _in_state(databases, cluster, "available")
    cluster.server.status = "stopping"
    return {"DBCluster": shown(databases, cluster)}


@operation("rds", "StartDBCluster")
def start(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    cluster = find(cloud, call.params["DBClusterIdentifier"])
    _in_state(databases, cluster, "stopped")
    cluster.server.status = "starting"
    return {"DBCluster": shown(databases, cluster)}


# -- members --------------------------------------------------------------------------------------------------------


def add_member(cloud: Cloud, params: Mapping[str, Any], identifier: str) -> Instance:
    """A new member, which the loop makes available. Under the cloud's lock. Raises AWS's errors."""
    databases = cloud.part(Databases)
    if not params.get("DBClusterIdentifier"):
        raise AwsError("InvalidParameterCombination", f"An instance of {AURORA} needs a DBClusterIdentifier.")
    cluster = find(cloud, params["DBClusterIdentifier"])
    for name in (
        "MasterUsername",
        "MasterUserPassword",
        "AllocatedStorage",
        "DBName",
        "MultiAZ",
        "VpcSecurityGroupIds",
    ):
        if params.get(name):
            raise AwsError("InvalidParameterCombination", f"{name} of an Aurora instance is its cluster's to say.")
    kind = params["DBInstanceClass"]
    size_of(kind)
    if kind == SERVERLESS and not cluster.record.get("ServerlessV2ScalingConfiguration"):
        message = (
            "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a Serverless v2 DB "
            "instance."
        )
        raise AwsError("InvalidDBClusterStateFault", message)
    server = cluster.server.record
    subnets = [each["SubnetIdentifier"] for each in server["DBSubnetGroup"]["Subnets"]]
    zones = [each["SubnetAvailabilityZone"]["Name"] for each in server["DBSubnetGroup"]["Subnets"]]
    place = len(clusters.members(databases, cluster)) % len(subnets)
    if params.get("AvailabilityZone") in zones:
        place = zones.index(params["AvailabilityZone"])
    chosen = [each["VpcSecurityGroupId"] for each in cluster.record["VpcSecurityGroups"]]
    interface = network.allocate(cloud, subnets[place], chosen, "RDSNetworkInterface")
    major = cluster.record["EngineVersion"].split(".")[0]
    group = params.get("DBParameterGroupName") or f"default.{AURORA}{major}"
    api_groups.parameter_group(cloud, group)
    record = record_of(cloud, {**params, "MasterUsername": cluster.record["MasterUsername"]}, identifier, "")
    same = ("BackupRetentionPeriod", "PreferredBackupWindow", "StorageEncrypted", "KmsKeyId", "EngineVersion")
    record |= {name: cluster.record[name] for name in same}
    record |= {
        "DBClusterIdentifier": cluster.identifier,
        "Engine": AURORA,
        "DBName": cluster.record["DatabaseName"],
        "PromotionTier": int(params.get("PromotionTier", 1)),
        "StorageType": "aurora",
        "AllocatedStorage": 1,
        "Iops": None,
        "StorageThroughput": None,
        "DbInstancePort": cluster.record["Port"],
        "AvailabilityZone": interface.zone,
        "DBSubnetGroup": {name: value for name, value in server["DBSubnetGroup"].items() if name != "DBSubnetGroupArn"},
        "DBParameterGroups": [{"DBParameterGroupName": group, "ParameterApplyStatus": "in-sync"}],
        "VpcSecurityGroups": [{"VpcSecurityGroupId": each, "Status": "active"} for each in chosen],
        "OptionGroupMemberships": [{"OptionGroupName": f"default:{AURORA}-{major}", "Status": "in-sync"}],
        "Endpoint": {
            "Address": cloud.settings.real_address(interface.address),
            "Port": cluster.record["Port"],
            "HostedZoneId": cluster.record["HostedZoneId"],
        },
    }
    member = Instance(record, interface, cluster=cluster.identifier)
    databases.instances[identifier] = member
    return member


def modify_member(cloud: Cloud, member: Instance, params: Mapping[str, Any]) -> None:
    """What ModifyDBInstance may of a member: its class and what is told of it. Raises AWS's errors."""
    for name in _OF_CLUSTER_ALONE:
        if params.get(name) is not None:
            message = f"{name} of a member of a DB cluster is modified by the ModifyDBCluster API."
            raise AwsError("InvalidParameterCombination", message)
    if params.get("NewDBInstanceIdentifier"):
        raise AwsError("InvalidParameterCombination", "localcloud renames no member of a DB cluster")
    for name in ("AutoMinorVersionUpgrade", "PreferredMaintenanceWindow", "PromotionTier", "PubliclyAccessible"):
        if params.get(name) is not None:
            member.record[name] = params[name]
    kind = params.get("DBInstanceClass")
    if kind and kind != member.record["DBInstanceClass"]:
        size_of(kind)
        member.record["PendingModifiedValues"]["DBInstanceClass"] = kind
        if params.get("ApplyImmediately"):
            member.status = "modifying"


# -- snapshots ------------------------------------------------------------------------------------------------------

_OF_SNAPSHOT = (
    "AllocatedStorage",
    "Engine",
    "EngineVersion",
    "IAMDatabaseAuthenticationEnabled",
    "KmsKeyId",
    "LicenseModel",
    "MasterUsername",
    "PercentProgress",
    "Port",
    "SnapshotCreateTime",
    "SnapshotType",
    "Status",
    "StorageType",
    "TagList",
    "VpcId",
)


def _snapshot(cloud: Cloud, record: Mapping[str, Any]) -> dict[str, Any]:
    """As DescribeDBClusterSnapshots shows it."""
    name = str(record["DBSnapshotIdentifier"]).replace(OF_CLUSTER, "", 1)
    found = {each: record[each] for each in _OF_SNAPSHOT if record.get(each) is not None}
    return found | {
        "DBClusterSnapshotIdentifier": name,
        "DBClusterIdentifier": str(record["DBInstanceIdentifier"]).removeprefix(OF_CLUSTER),
        "DBClusterSnapshotArn": cloud.settings.arn("rds", f"cluster-snapshot:{name}"),
        "DbClusterResourceId": record["DbiResourceId"],
        "StorageEncrypted": record["Encrypted"],
        "ClusterCreateTime": record.get("InstanceCreateTime"),
    }


def _snapshots(databases: Databases) -> dict[str, dict[str, Any]]:
    """By the names that AWS gives them."""
    return {
        name.replace(OF_CLUSTER, "", 1): record
        for name, record in databases.snapshots.items()
        if str(record["DBInstanceIdentifier"]).startswith(OF_CLUSTER)
    }


def _check_new_snapshot(databases: Databases, name: str) -> None:
    if name in _snapshots(databases):
        message = f"Cannot create the snapshot because a snapshot with the identifier {name} already exists."
        raise AwsError("DBClusterSnapshotAlreadyExistsFault", message)


@operation("rds", "CreateDBClusterSnapshot")
def create_snapshot(cloud: Cloud, call: Call) -> Answer:
    databases, name = cloud.part(Databases), call.params["DBClusterSnapshotIdentifier"].lower()
    cluster = find(cloud, call.params["DBClusterIdentifier"])
    _check_new_snapshot(databases, name)
    _in_state(databases, cluster, "available")
    record = snapshot_records.new(cluster.server, OF_CLUSTER + name, "manual", cloud.now())
    record["TagList"] = [dict(tag) for tag in call.params.get("Tags") or ()]
    databases.snapshots[OF_CLUSTER + name] = record

    def take() -> None:
        try:
            databases.take_snapshot(cluster.server, record)
        except Exception as problem:  # noqa: BLE001 - whatever it was, the snapshot is not there, and says so
            with cloud.lock:
                record["Status"] = "failed"
                databases.tell(cluster.server.identifier, f"Manual cluster snapshot failed: {problem}", "backup")
            return
        with cloud.lock:
            databases.tell(cluster.server.identifier, "Manual cluster snapshot created", "backup")

    threading.Thread(target=take, name=f"rds-snapshot-{name}", daemon=True).start()
    return {"DBClusterSnapshot": _snapshot(cloud, record)}


@operation("rds", "DescribeDBClusterSnapshots")
def describe_snapshots(cloud: Cloud, call: Call) -> Answer:
    params, every = call.params, _snapshots(cloud.part(Databases))
    if name := params.get("DBClusterSnapshotIdentifier"):
        name = name.rpartition(":cluster-snapshot:")[2]
        if name not in every:
            raise AwsError("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {name} not found.", 404)
        every = {name: every[name]}
    found = [_snapshot(cloud, each) for each in sorted(every.values(), key=lambda each: each["SnapshotCreateTime"])]
    for key, parameter in (("DBClusterIdentifier", "DBClusterIdentifier"), ("SnapshotType", "SnapshotType")):
        if wanted := params.get(parameter):
            found = [each for each in found if each[key] == wanted.rpartition(":cluster:")[2]]
    return paging.marked(found, params, "DBClusterSnapshots")


@operation("rds", "DeleteDBClusterSnapshot")
def delete_snapshot(cloud: Cloud, call: Call) -> Answer:
    databases, name = cloud.part(Databases), call.params["DBClusterSnapshotIdentifier"]
    record = _snapshots(databases).get(name.rpartition(":cluster-snapshot:")[2])
    if record is None:
        raise AwsError("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {name} not found.", 404)
    if record["SnapshotType"] == "automated":
        raise AwsError("InvalidDBClusterSnapshotStateFault", "Automated snapshots are deleted with their cluster.")
    databases.remove_snapshot(record["DBSnapshotIdentifier"])
    return {"DBClusterSnapshot": {**_snapshot(cloud, record), "Status": "deleted"}}


# -- parameter groups -----------------------------------------------------------------------------------------------


def parameter_group(cloud: Cloud, name: str) -> ParameterGroup:
    """A cluster's parameter group, default ones included; AWS's error where there is none."""
    found = cloud.part(Databases).parameter_groups.get(OF_CLUSTER + name.lower())
    if found is not None:
        return found
    family = name.removeprefix("default.")
    if name.startswith("default.") and family.removeprefix(AURORA) in AURORA_VERSIONS:
        return ParameterGroup(name, family, f"Default cluster parameter group for {family}", _group_arn(cloud, name))
    raise AwsError("DBParameterGroupNotFound", f"DBClusterParameterGroup not found: {name}", 404)


def _group_arn(cloud: Cloud, name: str) -> str:
    return cloud.settings.arn("rds", f"cluster-pg:{name}")


def _shown_group(group: ParameterGroup) -> dict[str, str]:
    return {
        "DBClusterParameterGroupName": group.name,
        "DBParameterGroupFamily": group.family,
        "Description": group.description,
        "DBClusterParameterGroupArn": group.arn,
    }


def _changeable(cloud: Cloud, name: str) -> ParameterGroup:
    if name.startswith("default."):
        raise AwsError("InvalidDBParameterGroupState", f"The default parameter group {name} can't be changed.")
    return parameter_group(cloud, name)


@operation("rds", "CreateDBClusterParameterGroup")
def create_group(cloud: Cloud, call: Call) -> Answer:
    databases, name = cloud.part(Databases), call.params["DBClusterParameterGroupName"].lower()
    family = call.params["DBParameterGroupFamily"]
    if family.removeprefix(AURORA) not in AURORA_VERSIONS:
        raise AwsError("InvalidParameterValue", f"ParameterGroupFamily {family} is not a valid parameter group family")
    if OF_CLUSTER + name in databases.parameter_groups:
        raise AwsError("DBParameterGroupAlreadyExists", f"Parameter group {name} already exists")
    group = ParameterGroup(name, family, call.params["Description"], _group_arn(cloud, name))
    databases.parameter_groups[OF_CLUSTER + name] = group
    databases.tags[group.arn] = [dict(tag) for tag in call.params.get("Tags") or ()]
    return {"DBClusterParameterGroup": _shown_group(group)}


@operation("rds", "DescribeDBClusterParameterGroups")
def describe_groups(cloud: Cloud, call: Call) -> Answer:
    if name := call.params.get("DBClusterParameterGroupName"):
        return {"DBClusterParameterGroups": [_shown_group(parameter_group(cloud, name))]}
    own = [group for key, group in cloud.part(Databases).parameter_groups.items() if key.startswith(OF_CLUSTER)]
    defaults = [parameter_group(cloud, f"default.{AURORA}{major}") for major in AURORA_VERSIONS]
    every = [_shown_group(group) for group in sorted([*own, *defaults], key=lambda group: group.name)]
    return paging.marked(every, call.params, "DBClusterParameterGroups")


@operation("rds", "DescribeDBClusterParameters")
def describe_parameters(cloud: Cloud, call: Call) -> Answer:
    rows = parameters.shown(parameter_group(cloud, call.params["DBClusterParameterGroupName"]))
    if source := call.params.get("Source"):
        rows = [row for row in rows if row["Source"] == source]
    return paging.marked(rows, call.params, "Parameters")


@operation("rds", "ModifyDBClusterParameterGroup")
def modify_group(cloud: Cloud, call: Call) -> Answer:
    group = _changeable(cloud, call.params["DBClusterParameterGroupName"])
    for each in call.params["Parameters"]:
        parameters.check(
            each["ParameterName"], each.get("ParameterValue", ""), each.get("ApplyMethod", "pending-reboot")
        )
    for each in call.params["Parameters"]:
        group.values[each["ParameterName"]] = each["ParameterValue"]
        group.methods[each["ParameterName"]] = each.get("ApplyMethod", "pending-reboot")
    api_groups.apply(cloud, group, OF_CLUSTER + group.name)
    return {"DBClusterParameterGroupName": group.name}


@operation("rds", "ResetDBClusterParameterGroup")
def reset_group(cloud: Cloud, call: Call) -> Answer:
    group = _changeable(cloud, call.params["DBClusterParameterGroupName"])
    if call.params.get("ResetAllParameters"):
        group.values.clear()
    for each in call.params.get("Parameters") or ():
        group.values.pop(each["ParameterName"], None)
    api_groups.apply(cloud, group, OF_CLUSTER + group.name)
    return {"DBClusterParameterGroupName": group.name}


@operation("rds", "DeleteDBClusterParameterGroup")
def delete_group(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    group = _changeable(cloud, call.params["DBClusterParameterGroupName"])
    if any(each.record["DBClusterParameterGroup"] == group.name for each in databases.clusters.values()):
        message = f"One or more database clusters are still members of the parameter group {group.name}."
        raise AwsError("InvalidDBParameterGroupState", message)
    del databases.parameter_groups[OF_CLUSTER + group.name]
    databases.tags.pop(group.arn, None)
    return {}
