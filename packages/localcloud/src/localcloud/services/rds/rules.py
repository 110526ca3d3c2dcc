"""RDS: what it refuses of a DB instance's settings (API reference, CreateDBInstance and ModifyDBInstance)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from localcloud.core import window_rules
from localcloud.core.registry import AwsError, Call, rule
from localcloud.services.rds.component import Databases
from localcloud.services.rds.model import AURORA

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

LEAST_WINDOW: Final = 30
"""Minutes, of both windows."""
STORAGE: Final = {
    "gp2": (20, 65536),
    "gp3": (20, 65536),
    "io1": (100, 65536),
    "io2": (100, 65536),
    "standard": (5, 3072),
}
"""GiB of each storage type for PostgreSQL."""
MONITORING: Final = (0, 1, 5, 10, 15, 30, 60)
RETENTION: Final = (7, 731, *(31 * months for months in range(1, 24)))
"""Days of Performance Insights."""
LOGS: Final = {"postgresql", "upgrade", "iam-db-auth-error"}
AUTHORITIES: Final = ("rds-ca-2019", "rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1")
RESERVED: Final = ("rdsadmin", "rdsrepladmin", "rdstopmgr", "rdswriteforwarduser", "rds_superuser")
INSTANCE: Final = (
    "CreateDBInstance",
    "ModifyDBInstance",
    "RestoreDBInstanceFromDBSnapshot",
    "RestoreDBInstanceToPointInTime",
)
PAGED: Final = (
    "DescribeDBInstances",
    "DescribeDBClusters",
    "DescribeDBClusterSnapshots",
    "DescribeDBClusterParameterGroups",
    "DescribeDBClusterParameters",
    "DescribeDBSnapshots",
    "DescribeDBParameterGroups",
    "DescribeDBParameters",
    "DescribeDBSubnetGroups",
    "DescribeEvents",
    "DescribeOptionGroups",
    "DescribePendingMaintenanceActions",
    "DescribeDBEngineVersions",
    "DescribeDBMajorEngineVersions",
)


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterValue", text)


def _before(cloud: Cloud, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The instance's record, where there is one already."""
    identifier = str(params.get("DBInstanceIdentifier") or "").rpartition(":db:")[2].lower()
    known = cloud.part(Databases).instances.get(identifier) if cloud.has(Databases) else None
    return known.record if known else {}


@rule("rds", *INSTANCE)
def check_windows(cloud: Cloud, call: Call) -> None:
    params = call.params
    now = _before(cloud, params) if call.operation == "ModifyDBInstance" else {}
    before = (now["PreferredMaintenanceWindow"], now["PreferredBackupWindow"]) if now else ()
    maintenance, backup = params.get("PreferredMaintenanceWindow"), params.get("PreferredBackupWindow")
    window_rules.check(maintenance, backup, "backup window", LEAST_WINDOW, before)


@rule("rds", *INSTANCE)
def check_sizes(cloud: Cloud, call: Call) -> None:
    params = call.params
    before = _before(cloud, params) if call.operation == "ModifyDBInstance" else {}
    if AURORA in (params.get("Engine"), before.get("Engine")):
        return  # storage and backups are the cluster's
    kind = params.get("StorageType") or before.get("StorageType") or "gp3"
    if kind not in STORAGE:
        raise _invalid(f"Invalid storage type: {kind}")
    storage, most = params.get("AllocatedStorage"), params.get("MaxAllocatedStorage")
    least, largest = STORAGE[kind]
    if before:
        least = 0  # less than there is can't be had: the handler says so
    if storage is not None and not least <= storage <= largest:
        raise _invalid(f"Invalid storage size for engine name postgres and storage type {kind}: {storage}")
    size = storage or before.get("AllocatedStorage")
    if most is not None and size and not size <= most <= largest:
        raise AwsError(
            "InvalidParameterCombination", "Invalid max storage size: it must be above the allocated storage"
        )
    if not 0 <= (params.get("BackupRetentionPeriod") or 0) <= 35:
        text = f"Invalid backup retention period: {params['BackupRetentionPeriod']}. Must be between 0 and 35."
        raise _invalid(text)
    port = params.get("Port") or params.get("DBPortNumber")
    if port is not None and not 1150 <= port <= 65535:
        raise _invalid(f"Invalid port: {port}. Must be between 1150 and 65535.")
    if params.get("MonitoringInterval") is not None and params["MonitoringInterval"] not in MONITORING:
        raise _invalid(f"Invalid monitoring interval: {params['MonitoringInterval']}. Must be one of {MONITORING}.")
    if params.get("MonitoringInterval") and not (params.get("MonitoringRoleArn") or before.get("MonitoringRoleArn")):
        text = "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0."
        raise AwsError("InvalidParameterCombination", text)
    retention = params.get("PerformanceInsightsRetentionPeriod")
    if retention is not None and retention not in RETENTION:
        raise _invalid(f"Invalid Performance Insights retention period: {retention}.")


@rule("rds", *INSTANCE)
def check_names(cloud: Cloud, call: Call) -> None:
    params = call.params
    if params.get("CACertificateIdentifier") and params["CACertificateIdentifier"] not in AUTHORITIES:
        raise AwsError("CertificateNotFound", f"Certificate {params['CACertificateIdentifier']} not found.", 404)
    group = params.get("OptionGroupName")
    if params.get("Engine") == AURORA:
        return
    if group and not group.startswith("default:postgres-") and group not in cloud.moto("rds").option_groups:
        raise AwsError("OptionGroupNotFoundFault", f"Specified OptionGroupName: {group} not found.", 404)
    exports = params.get("EnableCloudwatchLogsExports") or (params.get("CloudwatchLogsExportConfiguration") or {}).get(
        "EnableLogTypes"
    )
    if unknown := sorted(set(exports or ()) - LOGS):
        text = f"You cannot use the log types '{', '.join(unknown)}' with engine version postgres."
        raise AwsError("InvalidParameterCombination", text)
    if params.get("MultiAZ") and params.get("AvailabilityZone"):
        text = "Requesting a specific availability zone is not valid for Multi-AZ instances."
        raise AwsError("InvalidParameterCombination", text)
    if params.get("DBName") and not re.fullmatch(r"[A-Za-z_]\w{0,62}", params["DBName"]):
        raise _invalid("DBName must begin with a letter and contain only alphanumeric characters.")
    _check_master(params)


def _check_master(params: Mapping[str, Any]) -> None:
    user, password = params.get("MasterUsername"), params.get("MasterUserPassword")
    if user is not None and not re.fullmatch(r"[A-Za-z]\w{0,62}", user):
        raise _invalid("The parameter MasterUsername is not a valid identifier: 1 to 63 letters, numbers, underscores.")
    if user in RESERVED:
        raise _invalid(f"MasterUsername {user} cannot be used as it is a reserved word used by the engine")
    if password is None:
        return
    if not 8 <= len(password) <= 128:
        text = "it is shorter than 8 characters" if len(password) < 8 else "it is longer than 128 characters"
        raise _invalid(f"The parameter MasterUserPassword is not a valid password because {text}.")
    if re.search(r'[/@" ]', password) or not all("!" <= each <= "~" for each in password):
        text = "Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        raise _invalid(f"The parameter MasterUserPassword is not a valid password. {text}")


@rule("rds", *PAGED)
def check_page(cloud: Cloud, call: Call) -> None:
    most = call.params.get("MaxRecords")
    if most is not None and not 20 <= most <= 100:
        raise _invalid(f"Invalid value {most} for MaxRecords. Must be between 20 and 100")
