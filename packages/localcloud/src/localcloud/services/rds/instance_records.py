"""The records of new database instances, with RDS's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from localcloud.services.rds.api_support import kms_key
from localcloud.services.rds.model import resource_id

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


def record_of(cloud: Cloud, params: Mapping[str, Any], identifier: str, version: str) -> dict[str, Any]:
    """As DescribeDBInstances shows it, but for its network and groups."""
    settings = cloud.settings
    storage_type = params.get("StorageType") or "gp3"
    insights = bool(params.get("EnablePerformanceInsights"))
    encrypted = bool(params.get("StorageEncrypted", False))
    record: dict[str, Any] = {
        "DBInstanceIdentifier": identifier,
        "DBInstanceArn": settings.arn("rds", f"db:{identifier}"),
        "DbiResourceId": resource_id(),
        "DBInstanceStatus": "creating",
        "DBInstanceClass": params["DBInstanceClass"],
        "DbInstancePort": int(params.get("Port") or 5432),
        "DBName": params.get("DBName"),
        "Engine": "postgres",
        "EngineVersion": version,
        "EngineLifecycleSupport": params.get("EngineLifecycleSupport", "open-source-rds-extended-support"),
        "MasterUsername": params["MasterUsername"],
        "AllocatedStorage": int(params.get("AllocatedStorage") or 20),
        "MaxAllocatedStorage": params.get("MaxAllocatedStorage"),
        "StorageType": storage_type,
        "StorageEncrypted": encrypted,
        "KmsKeyId": kms_key(cloud, params.get("KmsKeyId"), "rds") if encrypted else None,
        "Iops": params.get("Iops") or (3000 if storage_type == "gp3" else None),
        "StorageThroughput": params.get("StorageThroughput") or (125 if storage_type == "gp3" else None),
        "MultiAZ": bool(params.get("MultiAZ", False)),
        "PubliclyAccessible": bool(params.get("PubliclyAccessible", False)),
        "BackupRetentionPeriod": int(params.get("BackupRetentionPeriod", 1)),
        "PreferredBackupWindow": params.get("PreferredBackupWindow") or "13:00-13:30",
        "PreferredMaintenanceWindow": (params.get("PreferredMaintenanceWindow") or "sat:16:00-sat:16:30").lower(),
        "AutoMinorVersionUpgrade": bool(params.get("AutoMinorVersionUpgrade", True)),
        "CopyTagsToSnapshot": bool(params.get("CopyTagsToSnapshot", False)),
        "DeletionProtection": bool(params.get("DeletionProtection", False)),
        "IAMDatabaseAuthenticationEnabled": bool(params.get("EnableIAMDatabaseAuthentication", False)),
        "CACertificateIdentifier": params.get("CACertificateIdentifier") or "rds-ca-rsa2048-g1",
        "MonitoringInterval": int(params.get("MonitoringInterval") or 0),
        "MonitoringRoleArn": params.get("MonitoringRoleArn"),
        "DatabaseInsightsMode": params.get("DatabaseInsightsMode") or "standard",
        "PerformanceInsightsEnabled": insights,
        "EnabledCloudwatchLogsExports": list(params.get("EnableCloudwatchLogsExports") or ()),
        "TagList": [dict(tag) for tag in params.get("Tags") or ()],
        "LicenseModel": "postgresql-license",
        "OptionGroupMemberships": [
            {"OptionGroupName": f"default:postgres-{version.split('.')[0]}", "Status": "in-sync"}
        ],
        "PendingModifiedValues": {},
        "DBSecurityGroups": [],
        "ReadReplicaDBInstanceIdentifiers": [],
        "DomainMemberships": [],
        "AssociatedRoles": [],
        "NetworkType": params.get("NetworkType") or "IPV4",
        "BackupTarget": "region",
        "ActivityStreamStatus": "stopped",
        "CustomerOwnedIpEnabled": False,
        "DedicatedLogVolume": False,
        "IsStorageConfigUpgradeAvailable": False,
    }
    if insights:
        record["PerformanceInsightsKMSKeyId"] = kms_key(cloud, params.get("PerformanceInsightsKMSKeyId"), "rds")
        record["PerformanceInsightsRetentionPeriod"] = int(params.get("PerformanceInsightsRetentionPeriod") or 7)
    if record["MonitoringInterval"]:
        stream = f"RDSOSMetrics:log-stream:{record['DbiResourceId']}"
        arn = settings.arn("logs", f"log-group:{stream}")
        record["EnhancedMonitoringResourceArn"] = arn
    record["CertificateDetails"] = {
        "CAIdentifier": record["CACertificateIdentifier"],
        "ValidTill": cloud.now() + timedelta(days=365),
    }
    return {name: value for name, value in record.items() if value is not None}
