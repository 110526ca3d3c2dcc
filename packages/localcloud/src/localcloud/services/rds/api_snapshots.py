"""DB snapshots: base backups of the real servers, from which instances are really restored."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.core import paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.rds import api
from localcloud.services.rds.component import Databases
from localcloud.services.rds.model import OF_CLUSTER, Instance
from localcloud.services.rds.snapshot_records import folder_name, new

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


OWN = ("DBName", "SharedWith", "Region")
"""What the record keeps beside what RDS shows of a snapshot."""


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in OWN}


def _key(cloud: Cloud, name: str, region: str) -> str:
    """Under which a snapshot is kept: copies in other regions have names of their own there. An ARN says its region."""
    if name.startswith("arn:"):
        region, name = name.split(":")[3], name.partition(":snapshot:")[2]
    return name if region == cloud.settings.region else f"{region}/{name}"


def _find(cloud: Cloud, name: str, region: str) -> dict[str, Any]:
    record = cloud.part(Databases).snapshots.get(_key(cloud, name, region))
    if record is None:
        raise AwsError("DBSnapshotNotFound", f"DBSnapshot {name} not found.", 404)
    return record


@operation("rds", "CreateDBSnapshot", locked=False)
def create_snapshot(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    name = call.params["DBSnapshotIdentifier"]
    with cloud.lock:
        instance = databases.instances.get(call.params["DBInstanceIdentifier"])
        if instance is None:
            message = f"DBInstance {call.params['DBInstanceIdentifier']} not found."
            raise AwsError("DBInstanceNotFound", message, 404)
        if instance.cluster:
            message = f"{instance.identifier} is a member of a DB cluster: CreateDBClusterSnapshot takes its snapshots."
            raise AwsError("InvalidParameterCombination", message)
        if name in databases.snapshots:
            message = f"Cannot create the snapshot because a snapshot with the identifier {name} already exists."
            raise AwsError("DBSnapshotAlreadyExists", message)
        if instance.status != "available":
            raise AwsError("InvalidDBInstanceState", f"Instance {instance.identifier} is not in available state.")
        record = new(instance, name, "manual", cloud.now())
        if tags := call.params.get("Tags"):
            record["TagList"] = [dict(tag) for tag in tags]
        databases.snapshots[name] = record
        databases.tell(instance.identifier, "Creating manual snapshot", "backup")
        shown = _shown(record)

    def take() -> None:
        try:
            databases.take_snapshot(instance, record)
        except Exception as problem:  # noqa: BLE001 - whatever it was, the snapshot is not there, and says so
            with cloud.lock:
                record["Status"] = "failed"
                databases.tell(instance.identifier, f"Manual snapshot failed: {problem}", "backup")
            return
        with cloud.lock:
            databases.tell(instance.identifier, "Manual snapshot created", "backup")

    threading.Thread(target=take, name=f"rds-snapshot-{name}", daemon=True).start()
    return {"DBSnapshot": shown}


@operation("rds", "DescribeDBSnapshots")
def describe_snapshots(cloud: Cloud, call: Call) -> Answer:
    databases, params = cloud.part(Databases), call.params
    here = [each for each in databases.snapshots.values() if each.get("Region", cloud.settings.region) == call.region]
    here = [each for each in here if not each["DBInstanceIdentifier"].startswith(OF_CLUSTER)]
    found = sorted(here, key=lambda each: each["SnapshotCreateTime"])
    if name := params.get("DBSnapshotIdentifier"):
        found = [_find(cloud, name, call.region)]
    if identifier := params.get("DBInstanceIdentifier"):
        found = [each for each in found if each["DBInstanceIdentifier"] == identifier]
    if kind := params.get("SnapshotType"):
        found = [each for each in found if each["SnapshotType"] == kind]
    if resource := params.get("DbiResourceId"):
        found = [each for each in found if each["DbiResourceId"] == resource]
    return paging.marked([_shown(each) for each in found], params, "DBSnapshots")


@operation("rds", "DeleteDBSnapshot")
def delete_snapshot(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    record = _find(cloud, call.params["DBSnapshotIdentifier"], call.region)
    if record["SnapshotType"] == "automated":
        raise AwsError("InvalidDBSnapshotState", "Automated snapshots are deleted with their instance.")
    databases.remove_snapshot(_key(cloud, record["DBSnapshotArn"], call.region))
    return {"DBSnapshot": {**_shown(record), "Status": "deleted"}}


@operation("rds", "DescribeDBSnapshotAttributes")
def describe_attributes(cloud: Cloud, call: Call) -> Answer:
    return _attributes(_find(cloud, call.params["DBSnapshotIdentifier"], call.region))


@operation("rds", "ModifyDBSnapshotAttribute")
def modify_attribute(cloud: Cloud, call: Call) -> Answer:
    """Who may restore it is kept and shown; nobody else is there to do it."""
    record, params = _find(cloud, call.params["DBSnapshotIdentifier"], call.region), call.params
    if params["AttributeName"] != "restore":
        raise AwsError("InvalidParameterValue", f"Invalid attribute name: {params['AttributeName']}.")
    if record["SnapshotType"] != "manual":
        raise AwsError("InvalidDBSnapshotState", "Only manual snapshots can be shared.")
    removed, added = params.get("ValuesToRemove", []), params.get("ValuesToAdd", [])
    kept = [one for one in record.get("SharedWith", []) if one not in removed]
    record["SharedWith"] = list(dict.fromkeys([*kept, *added]))
    return _attributes(record)


def _attributes(record: dict[str, Any]) -> Answer:
    attributes = [{"AttributeName": "restore", "AttributeValues": list(record.get("SharedWith", []))}]
    name = record["DBSnapshotIdentifier"]
    return {"DBSnapshotAttributesResult": {"DBSnapshotIdentifier": name, "DBSnapshotAttributes": attributes}}


@operation("rds", "CopyDBSnapshot")
def copy_snapshot(cloud: Cloud, call: Call) -> Answer:
    """Asked in the region where the copy is to be. A copy of an encrypted snapshot there needs a key of that region."""
    databases, params = cloud.part(Databases), call.params
    source, target = params["SourceDBSnapshotIdentifier"], params["TargetDBSnapshotIdentifier"]
    record = _find(cloud, source, params.get("SourceRegion") or call.region)
    key, origin = _key(cloud, target, call.region), record["DBSnapshotArn"].split(":")[3]
    if record["Status"] != "available":
        raise AwsError("InvalidDBSnapshotState", f"Snapshot {record['DBSnapshotIdentifier']} is not available.")
    if key in databases.snapshots:
        raise AwsError("DBSnapshotAlreadyExists", f"Cannot copy the snapshot: {target} already exists.")
    if record["Encrypted"] and origin != call.region and not params.get("KmsKeyId"):
        text = "A KmsKeyId of this region is needed to copy an encrypted snapshot from another region."
        raise AwsError("InvalidParameterCombination", text)
    tags = record["TagList"] if params.get("CopyTags") else params.get("Tags") or []
    arn = record["DBSnapshotArn"].replace(f":{origin}:", f":{call.region}:").rpartition(":snapshot:")[0]
    copied = record | {
        "DBSnapshotIdentifier": target,
        "DBSnapshotArn": f"{arn}:snapshot:{target}",
        "SnapshotType": "manual",
        "SourceDBSnapshotIdentifier": record["DBSnapshotArn"],
        "SourceRegion": origin,
        "SnapshotCreateTime": cloud.now(),
        "KmsKeyId": params.get("KmsKeyId") or record.get("KmsKeyId"),
        "TagList": [dict(tag) for tag in tags],
        "SharedWith": [],
        "Region": call.region,
    }
    shutil.copytree(databases.folder_of(record), databases.folder_of(copied), symlinks=True)
    databases.snapshots[key] = copied
    return {"DBSnapshot": _shown(copied)}


def _inherited(databases: Databases, record: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """What a restored instance has of its source where the call says nothing; ``record``: the snapshot's or instance's.

    Parameter group, security groups, tags, deletion protection, Multi-AZ, monitoring, Performance Insights, log exports
    and the managed password aren't inherited: what the call doesn't name is RDS's default.
    """
    origin = databases.instances.get(record["DBInstanceIdentifier"])
    inherited = {
        "AllocatedStorage": record["AllocatedStorage"],
        "BackupRetentionPeriod": origin.record["BackupRetentionPeriod"] if origin else 1,
        "DBInstanceClass": origin.record["DBInstanceClass"] if origin else "db.t4g.micro",
        "Engine": record["Engine"],
        "EngineVersion": record["EngineVersion"],
        "MasterUsername": record["MasterUsername"],
        "DBName": record.get("DBName"),
        "StorageEncrypted": record.get("Encrypted", record.get("StorageEncrypted")),
        "StorageType": record["StorageType"],
        "KmsKeyId": record.get("KmsKeyId"),
        "Port": record.get("Port") or record.get("DbInstancePort"),
    }
    if origin and "DBSubnetGroupName" not in params:
        params["DBSubnetGroupName"] = origin.record["DBSubnetGroup"]["DBSubnetGroupName"]
    return {**{name: value for name, value in inherited.items() if value is not None}, **params}


def _refuse_managed_password(params: Mapping[str, Any]) -> None:
    if params.get("ManageMasterUserPassword"):
        text = "ManageMasterUserPassword isn't supported when a postgres instance is restored: modify it afterwards."
        raise AwsError("InvalidParameterCombination", text)


@operation("rds", "RestoreDBInstanceFromDBSnapshot")
def restore(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    if "DBSnapshotIdentifier" not in call.params:
        raise AwsError("InvalidParameterCombination", "localcloud restores from a DBSnapshotIdentifier only.")
    record = _find(cloud, call.params["DBSnapshotIdentifier"], call.region)
    if record.get("Region", cloud.settings.region) != cloud.settings.region:
        raise AwsError("InvalidParameterCombination", "localcloud restores in its own region only.")
    if record["Status"] != "available":
        raise AwsError("InvalidDBSnapshotState", f"Snapshot {record['DBSnapshotIdentifier']} is not available.")
    _refuse_managed_password(call.params)
    request = {name: value for name, value in call.params.items() if name != "DBSnapshotIdentifier"}
    instance = api.add_instance(cloud, _inherited(databases, record, request), source=folder_name(record))
    return {"DBInstance": instance.record}


@operation("rds", "RestoreDBInstanceToPointInTime", locked=False)
def restore_to_point(cloud: Cloud, call: Call) -> Answer:
    """From the last automated snapshot before the moment, and the write-ahead log from there to it."""
    databases, params = cloud.part(Databases), call.params
    with cloud.lock:
        origin = _origin(cloud, params)
        first = databases.automated(origin.record["DbiResourceId"])
        if not origin.record["BackupRetentionPeriod"] or not first:
            text = f"Point in time restore is not enabled for {origin.identifier}: it keeps no automated backups."
            raise AwsError("PointInTimeRestoreNotEnabled", text)
        now = cloud.now()
        until: datetime = now if params.get("UseLatestRestorableTime") else params["RestoreTime"]
        if until > now:
            text = f"The specified instance cannot be restored to a time later than {now:%Y-%m-%dT%H:%M:%SZ}."
            raise AwsError("InvalidParameterValue", text)
        before = [each for each in first if each["SnapshotCreateTime"] <= until]
        if not before:
            earliest = first[0]["SnapshotCreateTime"]
            text = f"The specified instance cannot be restored to a time earlier than {earliest:%Y-%m-%dT%H:%M:%SZ}."
            raise AwsError("InvalidParameterValue", text)
        _refuse_managed_password(params)
    databases.ship(origin.identifier)
    named = ("SourceDBInstanceIdentifier", "SourceDbiResourceId", "RestoreTime", "UseLatestRestorableTime")
    request = {name: value for name, value in params.items() if name not in (*named, "TargetDBInstanceIdentifier")}
    request["DBInstanceIdentifier"] = params["TargetDBInstanceIdentifier"]
    with cloud.lock:
        inherited = _inherited(databases, dict(origin.record), request)
        instance = api.add_instance(cloud, inherited, source=folder_name(before[-1]))
        instance.until, instance.archive = until, origin.record["DbiResourceId"]
    return {"DBInstance": instance.record}


def _origin(cloud: Cloud, params: Mapping[str, Any]) -> Instance:
    if resource := params.get("SourceDbiResourceId"):
        found = cloud.part(Databases).by_resource_id(resource)
        if found is None:
            raise AwsError("DBInstanceNotFound", f"DBInstance {resource} not found.", 404)
        return found
    if not params.get("SourceDBInstanceIdentifier"):
        raise AwsError("InvalidParameterCombination", "Name the source: SourceDBInstanceIdentifier.")
    if not params.get("UseLatestRestorableTime") and not params.get("RestoreTime"):
        raise AwsError("InvalidParameterCombination", "Specify either RestoreTime or UseLatestRestorableTime.")
    return api.find(cloud, params["SourceDBInstanceIdentifier"])


@operation("rds", "DescribeDBInstanceAutomatedBackups")
def describe_automated_backups(cloud: Cloud, call: Call) -> Answer:
    found, databases = [], cloud.part(Databases)
    for instance in databases.instances.values():
        record = instance.record
        if instance.cluster:
            continue
        request = call.params.get("DBInstanceIdentifier") in (None, instance.identifier)
        if not record["BackupRetentionPeriod"] or not request or call.region != cloud.settings.region:
            continue
        shown = {
            name: record[name]
            for name in (
                "DBInstanceArn", "DbiResourceId", "DBInstanceIdentifier", "AllocatedStorage", "MasterUsername",
                "Engine", "EngineVersion", "BackupRetentionPeriod", "StorageType", "InstanceCreateTime",
            )
            if record.get(name) is not None
        }  # fmt: skip
        first = databases.automated(record["DbiResourceId"])
        window = {"LatestTime": record.get("LatestRestorableTime")} if first else {}
        window |= {"EarliestTime": first[0]["SnapshotCreateTime"]} if first else {}
        status = "active" if first else "creating"
        found.append({**shown, "Status": status, "Region": call.region, "RestoreWindow": window, "Port": 5432})
    return {"DBInstanceAutomatedBackups": found}
