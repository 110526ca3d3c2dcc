"""DB snapshots: base backups of the real servers, from which instances are really restored."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from localcloud.core import paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.rds import api
from localcloud.services.rds.component import Databases
from localcloud.services.rds.snapshot_records import folder_name, new

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


OWN = ("DBName", "SharedWith")
"""What the record keeps beside what RDS shows of a snapshot."""


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in OWN}


def _find(databases: Databases, name: str) -> dict[str, Any]:
    record = databases.snapshots.get(name.rpartition(":snapshot:")[2])
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
    found = sorted(databases.snapshots.values(), key=lambda each: each["SnapshotCreateTime"])
    if name := params.get("DBSnapshotIdentifier"):
        found = [_find(databases, name)]
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
    record = _find(databases, call.params["DBSnapshotIdentifier"])
    if record["SnapshotType"] == "automated":
        raise AwsError("InvalidDBSnapshotState", "Automated snapshots are deleted with their instance.")
    databases.remove_snapshot(record["DBSnapshotIdentifier"])
    return {"DBSnapshot": {**_shown(record), "Status": "deleted"}}


@operation("rds", "DescribeDBSnapshotAttributes")
def describe_attributes(cloud: Cloud, call: Call) -> Answer:
    return _attributes(_find(cloud.part(Databases), call.params["DBSnapshotIdentifier"]))


@operation("rds", "ModifyDBSnapshotAttribute")
def modify_attribute(cloud: Cloud, call: Call) -> Answer:
    """Who may restore it is kept and shown; nobody else is there to do it."""
    record, params = _find(cloud.part(Databases), call.params["DBSnapshotIdentifier"]), call.params
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


@operation("rds", "RestoreDBInstanceFromDBSnapshot")
def restore(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    if "DBSnapshotIdentifier" not in call.params:
        raise AwsError("InvalidParameterCombination", "localcloud restores from a DBSnapshotIdentifier only.")
    record = _find(databases, call.params["DBSnapshotIdentifier"])
    if record["Status"] != "available":
        raise AwsError("InvalidDBSnapshotState", f"Snapshot {record['DBSnapshotIdentifier']} is not available.")
    origin = databases.instances.get(record["DBInstanceIdentifier"])
    inherited = {
        "AllocatedStorage": record["AllocatedStorage"],
        "BackupRetentionPeriod": origin.record["BackupRetentionPeriod"] if origin else 1,
        "DBInstanceClass": origin.record["DBInstanceClass"] if origin else "db.t4g.micro",
        "Engine": record["Engine"],
        "EngineVersion": record["EngineVersion"],
        "MasterUsername": record["MasterUsername"],
        "DBName": record.get("DBName"),
        "StorageEncrypted": record["Encrypted"],
        "StorageType": record["StorageType"],
        "KmsKeyId": record.get("KmsKeyId"),
        "Port": record["Port"],
    }
    request = {name: value for name, value in call.params.items() if name != "DBSnapshotIdentifier"}
    if origin and "DBSubnetGroupName" not in request:
        request["DBSubnetGroupName"] = origin.record["DBSubnetGroup"]["DBSubnetGroupName"]
    instance = api.add_instance(
        cloud, {**{k: v for k, v in inherited.items() if v is not None}, **request}, source=folder_name(record)
    )
    return {"DBInstance": instance.record}


@operation("rds", "DescribeDBInstanceAutomatedBackups")
def describe_automated_backups(cloud: Cloud, call: Call) -> Answer:
    found = []
    for instance in cloud.part(Databases).instances.values():
        record = instance.record
        request = call.params.get("DBInstanceIdentifier") in (None, instance.identifier)
        if not record["BackupRetentionPeriod"] or not request:
            continue
        shown = {
            name: record[name]
            for name in (
                "DBInstanceArn", "DbiResourceId", "DBInstanceIdentifier", "AllocatedStorage", "MasterUsername",
                "Engine", "EngineVersion", "BackupRetentionPeriod", "StorageType", "InstanceCreateTime",
            )
            if record.get(name) is not None
        }  # fmt: skip
        window = {"EarliestTime": record.get("InstanceCreateTime"), "LatestTime": record.get("LatestRestorableTime")}
        found.append({**shown, "Status": "active", "Region": call.region, "RestoreWindow": window, "Port": 5432})
    return {"DBInstanceAutomatedBackups": found}
