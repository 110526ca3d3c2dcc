"""The records of DB snapshots, and the names of their folders."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from localcloud.services.rds.model import Instance

_FROM_INSTANCE = (
    "AllocatedStorage",
    "AvailabilityZone",
    "DbiResourceId",
    "Engine",
    "EngineVersion",
    "InstanceCreateTime",
    "KmsKeyId",
    "LicenseModel",
    "MasterUsername",
    "StorageType",
)


def new(instance: Instance, name: str, kind: str, at: datetime) -> dict[str, Any]:
    """The record of a snapshot that is about to be taken. ``kind``: automated or manual."""
    record = {key: instance.record[key] for key in _FROM_INSTANCE if instance.record.get(key) is not None}
    tags = instance.record["TagList"] if instance.record.get("CopyTagsToSnapshot") else []
    return record | {
        "DBSnapshotIdentifier": name,
        "DBInstanceIdentifier": instance.identifier,
        "DBSnapshotArn": instance.arn.replace(":db:", ":snapshot:").rpartition(":")[0] + f":{name}",
        "SnapshotType": kind,
        "Status": "creating",
        "PercentProgress": 0,
        "Encrypted": instance.record["StorageEncrypted"],
        "IAMDatabaseAuthenticationEnabled": instance.record["IAMDatabaseAuthenticationEnabled"],
        "OptionGroupName": instance.record["OptionGroupMemberships"][0]["OptionGroupName"],
        "Port": instance.record["DbInstancePort"],
        "VpcId": instance.record["DBSubnetGroup"]["VpcId"],
        "OriginalSnapshotCreateTime": at,
        "SnapshotCreateTime": at,
        "SnapshotTarget": "region",
        "SnapshotDatabaseTime": at,
        "DedicatedLogVolume": False,
        "TagList": [dict(tag) for tag in tags],
        "DBName": instance.record.get("DBName"),
    }


def folder_name(record: dict[str, Any]) -> str:
    """Of a copy in another region: with the region."""
    region = f"{record['Region']}_" if record.get("Region") else ""
    return region + str(record["DBSnapshotIdentifier"]).replace(":", "_")
