"""AWS's calls about database instances and their events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from localcloud.core import network, paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.front import moto_calls
from localcloud.services.rds import api_clusters, api_groups, secret
from localcloud.services.rds.api_support import kms_key
from localcloud.services.rds.component import Databases
from localcloud.services.rds.instance_records import record_of
from localcloud.services.rds.model import (
    AURORA,
    Instance,
    check_upgrade,
    engine_version,
    settle_zones,
    size_of,
)

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

_AT_ONCE = (
    "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod",
    "CACertificateIdentifier",
    "CopyTagsToSnapshot",
    "DeletionProtection",
    "MaxAllocatedStorage",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PubliclyAccessible",
)
"""What ModifyDBInstance changes whether or not it is asked to apply immediately."""
_PENDING = ("AllocatedStorage", "DBInstanceClass", "Iops", "MultiAZ", "StorageThroughput", "StorageType")
"""What waits for the maintenance window unless it is to be applied immediately."""
_UNSUPPORTED = ("Domain", "OptionGroupName", "DBSubnetGroupName", "Engine")


def find(cloud: Cloud, identifier: str) -> Instance:
    """The instance by its identifier or ARN; AWS's error where there is none."""
    instance = cloud.part(Databases).instances.get(identifier.rpartition(":db:")[2].lower())
    if instance is None:
        raise AwsError("DBInstanceNotFound", f"DBInstance {identifier} not found.", 404)
    return instance


def _in_state(instance: Instance, *allowed: str) -> None:
    if instance.status not in allowed:
        message = f"Instance {instance.identifier} is not in {' or '.join(allowed)} state; it is {instance.status}."
        raise AwsError("InvalidDBInstanceState", message)


@operation("rds", "CreateDBInstance")
def create(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    if params.get("Engine") == AURORA:
        member = api_clusters.add_member(cloud, params, _identifier(cloud, params["DBInstanceIdentifier"]))
        return {"DBInstance": member.record}
    if params.get("Engine") != "postgres":
        raise AwsError(
            "InvalidParameterValue", f"localcloud has no engine but postgres and {AURORA}, not {params.get('Engine')}"
        )
    if not params.get("MasterUsername"):
        raise AwsError("InvalidParameterValue", "The parameter MasterUsername must be provided.")
    if params.get("ManageMasterUserPassword") and params.get("MasterUserPassword"):
        message = "You can't specify MasterUserPassword when ManageMasterUserPassword is true."
        raise AwsError("InvalidParameterCombination", message)
    if not params.get("ManageMasterUserPassword") and len(params.get("MasterUserPassword") or "") < 8:
        raise AwsError("InvalidParameterValue", "The parameter MasterUserPassword must be at least 8 characters.")
    instance = add_instance(cloud, params)
    if params.get("ManageMasterUserPassword"):
        secret.manage(cloud, instance, params.get("MasterUserSecretKmsKeyId"))
    else:
        instance.password = params["MasterUserPassword"]
    return {"DBInstance": instance.record}


def _identifier(cloud: Cloud, requested: str) -> str:
    """An identifier that is free, as RDS keeps it. AWS's error for one that isn't."""
    identifier = requested.lower()
    if not re.fullmatch(r"[a-z](-?[a-z0-9])*", identifier) or len(identifier) > 63:
        message = "The parameter DBInstanceIdentifier is not a valid identifier: letters, digits and single hyphens."
        raise AwsError("InvalidParameterValue", message)
    databases = cloud.part(Databases)
    if identifier in {*databases.instances, *(each.new_identifier for each in databases.instances.values())}:
        raise AwsError("DBInstanceAlreadyExists", "DB instance already exists")
    return identifier


def add_instance(cloud: Cloud, params: Mapping[str, Any], source: str | None = None) -> Instance:
    """A new record with an address in its subnet group; the loop does the rest. Under the cloud's lock."""
    databases = cloud.part(Databases)
    identifier = _identifier(cloud, params["DBInstanceIdentifier"])
    size_of(params["DBInstanceClass"])
    subnet_group = api_groups.subnet_group(cloud, params.get("DBSubnetGroupName"))
    version = engine_version(params.get("EngineVersion"))
    parameter_group = params.get("DBParameterGroupName") or f"default.postgres{version.split('.')[0]}"
    api_groups.parameter_group(cloud, parameter_group)
    security_groups = list(params.get("VpcSecurityGroupIds") or ())
    subnets = [each["SubnetIdentifier"] for each in subnet_group["Subnets"]]
    interface = databases.addresses.pop(identifier, None) or network.allocate(
        cloud, subnets[0], security_groups, "RDSNetworkInterface"
    )
    record = record_of(cloud, params, identifier, version)
    record |= {
        "AvailabilityZone": interface.zone,
        "DBSubnetGroup": {name: value for name, value in subnet_group.items() if name != "DBSubnetGroupArn"},
        "DBParameterGroups": [{"DBParameterGroupName": parameter_group, "ParameterApplyStatus": "in-sync"}],
        "VpcSecurityGroups": [{"VpcSecurityGroupId": each, "Status": "active"} for each in security_groups],
        "Endpoint": {
            "Address": cloud.settings.real_address(interface.address),
            "Port": record["DbInstancePort"],
            "HostedZoneId": "Z32T0VRHXEXS0V",  # RDS's zone in ap-southeast-2
        },
    }
    settle_zones(record)
    instance = Instance(record, interface, source=source)
    databases.instances[identifier] = instance
    return instance


@operation("rds", "DescribeDBInstances")
def describe(cloud: Cloud, call: Call) -> Answer:
    databases, params = cloud.part(Databases), call.params
    found = [databases.instances[name] for name in sorted(databases.instances)]
    if params.get("DBInstanceIdentifier"):
        found = [find(cloud, params["DBInstanceIdentifier"])]
    for each in params.get("Filters") or ():
        wanted = {value.rpartition(":db:")[2] for value in each["Values"]}
        keys = {
            "db-instance-id": "DBInstanceIdentifier",
            "dbi-resource-id": "DbiResourceId",
            "engine": "Engine",
            "db-cluster-id": "DBClusterIdentifier",
        }
        if each["Name"] not in keys:
            raise AwsError("InvalidParameterValue", f"Unrecognized filter name: {each['Name']}")
        found = [instance for instance in found if instance.record.get(keys[each["Name"]]) in wanted]
    shown = []
    for instance in found:
        record = dict(instance.record)
        if record["DBInstanceStatus"] == "creating":
            record.pop("Endpoint", None)  # RDS shows it when it can be reached
        shown.append(record)
    return paging.marked(shown, params, "DBInstances")


@operation("rds", "ModifyDBInstance")
def modify(cloud: Cloud, call: Call) -> Answer:
    params, databases = call.params, cloud.part(Databases)
    instance = find(cloud, params["DBInstanceIdentifier"])
    _in_state(instance, "available", "backing-up", "incompatible-parameters", "stopped")
    for name in _UNSUPPORTED:
        if params.get(name) is not None:
            raise AwsError("InvalidParameterCombination", f"localcloud can't modify {name} of a DB instance")
    if instance.cluster:
        api_clusters.modify_member(cloud, instance, params)
        return {"DBInstance": instance.record}
    record, pending = instance.record, instance.record["PendingModifiedValues"]
    if params.get("DBInstanceClass"):
        size_of(params["DBInstanceClass"])
    if (params.get("AllocatedStorage") or record["AllocatedStorage"]) < record["AllocatedStorage"]:
        raise AwsError("InvalidParameterCombination", "The allocated storage of a DB instance can't be reduced")
    if params.get("EngineVersion"):
        check_upgrade(record, engine_version(params["EngineVersion"]), params)
    begins_backups = bool(params.get("BackupRetentionPeriod")) and not record["BackupRetentionPeriod"]
    _name_anew(cloud, instance, params)
    for name in _AT_ONCE:
        if params.get(name) is not None:
            record[name] = params[name]
    if params.get("CACertificateIdentifier"):
        record["CertificateDetails"] = {
            "CAIdentifier": params["CACertificateIdentifier"],
            "ValidTill": cloud.now() + timedelta(days=365),
        }
    _modify_rest(cloud, instance, params)
    _wait(instance, params)
    if (pending and params.get("ApplyImmediately")) or instance.password:
        if instance.status == "stopped":
            raise AwsError("InvalidDBInstanceState", f"Instance {instance.identifier} is not in available state.")
        instance.status = "upgrading" if "EngineVersion" in pending else "modifying"
    elif begins_backups and instance.status == "available":
        instance.status = "backing-up"
    if instance.new_identifier:
        instance.status = "renaming"
    databases.tell(instance.identifier, "Applying modification to DB instance", "configuration change")
    return {"DBInstance": record}


def _wait(instance: Instance, params: Mapping[str, Any]) -> None:
    """Note what waits for the maintenance window, or is applied next."""
    record, pending = instance.record, instance.record["PendingModifiedValues"]
    waiting = {name: params[name] for name in _PENDING if params.get(name) not in (None, record.get(name))}
    if params.get("EngineVersion"):
        version = engine_version(params["EngineVersion"])
        if version != record["EngineVersion"]:
            waiting["EngineVersion"] = version
    pending |= waiting
    for name in (*_PENDING, "EngineVersion"):  # asking for what is in force takes a pending change back
        request = params.get(name)
        if request is not None and name not in waiting:
            pending.pop(name, None)


def _name_anew(cloud: Cloud, instance: Instance, params: Mapping[str, Any]) -> None:
    name = params.get("NewDBInstanceIdentifier")
    if not name:
        return
    if not params.get("ApplyImmediately"):
        raise AwsError("InvalidParameterCombination", "localcloud renames a DB instance with ApplyImmediately only")
    _in_state(instance, "available")
    instance.new_identifier = _identifier(cloud, name)


def _modify_rest(cloud: Cloud, instance: Instance, params: Mapping[str, Any]) -> None:
    record = instance.record
    if params.get("VpcSecurityGroupIds") is not None:
        chosen = list(params["VpcSecurityGroupIds"])
        record["VpcSecurityGroups"] = [{"VpcSecurityGroupId": each, "Status": "active"} for each in chosen]
        network.set_groups(cloud, instance.interface, chosen)
    if name := params.get("DBParameterGroupName"):
        api_groups.parameter_group(cloud, name)
        if name != instance.parameter_group:
            record["DBParameterGroups"] = [{"DBParameterGroupName": name, "ParameterApplyStatus": "pending-reboot"}]
    if params.get("EnableIAMDatabaseAuthentication") is not None:
        record["IAMDatabaseAuthenticationEnabled"] = params["EnableIAMDatabaseAuthentication"]
    if (insights := params.get("EnablePerformanceInsights")) is not None:
        record["PerformanceInsightsEnabled"] = insights
    if record["PerformanceInsightsEnabled"]:
        request = params.get("PerformanceInsightsKMSKeyId") or record.get("PerformanceInsightsKMSKeyId")
        record["PerformanceInsightsKMSKeyId"] = kms_key(cloud, request, "rds")
        period = params.get("PerformanceInsightsRetentionPeriod") or record.get("PerformanceInsightsRetentionPeriod")
        record["PerformanceInsightsRetentionPeriod"] = period or 7
    if exports := params.get("CloudwatchLogsExportConfiguration"):
        kept = set(record["EnabledCloudwatchLogsExports"]) - set(exports.get("DisableLogTypes") or ())
        record["EnabledCloudwatchLogsExports"] = sorted(kept | set(exports.get("EnableLogTypes") or ()))
    if params.get("RotateMasterUserPassword"):
        if "MasterUserSecret" not in record:
            message = "You can't rotate the password because it isn't managed in AWS Secrets Manager."
            raise AwsError("InvalidParameterCombination", message)
        secret.rotate(cloud, instance)
    elif params.get("ManageMasterUserPassword") and "MasterUserSecret" not in record:
        secret.manage(cloud, instance, params.get("MasterUserSecretKmsKeyId"))
    elif params.get("MasterUserPassword"):
        if params.get("ManageMasterUserPassword") is False:
            secret.delete(cloud, instance)
        instance.password = params["MasterUserPassword"]


@operation("secretsmanager", "RotateSecret")
def rotate_managed_secret(cloud: Cloud, call: Call) -> Answer:
    """Rotating a secret that RDS manages changes the password of the database too. moto answers for every other."""
    params = call.params
    held = cloud.moto("secretsmanager").secrets.get(params["SecretId"])
    databases = cloud.part(Databases)
    for instance in [*databases.instances.values(), *(each.server for each in databases.clusters.values())]:
        if held is None or instance.record.get("MasterUserSecret", {}).get("SecretArn") != held.arn:
            continue
        if params.get("RotationLambdaARN"):
            message = "You can't specify a rotation function for a secret that is managed by another service."
            raise AwsError("InvalidRequestException", message)
        if rules := params.get("RotationRules"):
            secret.set_rules(cloud, instance, rules)
        answer = {"ARN": held.arn, "Name": held.name}
        if params.get("RotateImmediately") is False:
            return answer
        _in_state(instance, "available", "backing-up")
        version = secret.rotate(cloud, instance, params.get("ClientRequestToken"))
        instance.status = "modifying"
        return {**answer, "VersionId": version}
    return moto_calls.ask(cloud, call.service, call.operation, params, call.region)


@operation("rds", "DeleteDBInstance")
def delete(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    instance = find(cloud, params["DBInstanceIdentifier"])
    if instance.record["DeletionProtection"]:
        message = "Cannot delete protected DB Instance, please disable deletion protection and try again."
        raise AwsError("InvalidParameterCombination", message)
    if instance.status == "deleting":
        raise AwsError("InvalidDBInstanceState", f"Instance {instance.identifier} is already being deleted.")
    if instance.cluster:  # what it holds is the cluster's, which a snapshot of it would be of
        instance.status = "deleting"
        return {"DBInstance": instance.record}
    final = params.get("FinalDBSnapshotIdentifier")
    if not params.get("SkipFinalSnapshot") and not final:
        message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
        raise AwsError("InvalidParameterCombination", message)
    if final and final in cloud.part(Databases).snapshots:
        message = f"Cannot create the snapshot because a snapshot with the identifier {final} already exists."
        raise AwsError("DBSnapshotAlreadyExists", message)
    instance.final_snapshot = final
    instance.status = "deleting"
    return {"DBInstance": instance.record}


@operation("rds", "RebootDBInstance")
def reboot(cloud: Cloud, call: Call) -> Answer:
    instance = find(cloud, call.params["DBInstanceIdentifier"])
    _in_state(instance, "available", "incompatible-parameters")
    if call.params.get("ForceFailover"):
        if not instance.record["MultiAZ"]:
            message = "ForceFailover can't be specified for an instance that is not in Multi-AZ"
            raise AwsError("InvalidParameterCombination", message)
        cloud.part(Databases).failing_over.add(instance.identifier)
    instance.status = "rebooting"
    if instance.cluster and cloud.part(Databases).is_writer(instance):
        cloud.part(Databases).held(instance).status = "rebooting"
    return {"DBInstance": instance.record}


@operation("rds", "StopDBInstance")
def stop(cloud: Cloud, call: Call) -> Answer:
    instance = find(cloud, call.params["DBInstanceIdentifier"])
    _in_state(instance, "available")
    if instance.cluster:
        message = "Aurora instances aren't stopped one by one: StopDBCluster stops their cluster."
        raise AwsError("InvalidParameterCombination", message)
    instance.status = "stopping"
    return {"DBInstance": instance.record}


@operation("rds", "StartDBInstance")
def start(cloud: Cloud, call: Call) -> Answer:
    instance = find(cloud, call.params["DBInstanceIdentifier"])
    _in_state(instance, "stopped", "incompatible-parameters", "failed")
    instance.status = "starting"
    return {"DBInstance": instance.record}


@operation("rds", "DescribeEvents")
def describe_events(cloud: Cloud, call: Call) -> Answer:
    params, now = call.params, cloud.now()
    end = params.get("EndTime") or now
    begin = params.get("StartTime") or end - timedelta(minutes=int(params.get("Duration") or 60))
    categories = set(params.get("EventCategories") or ())
    found = [
        each
        for each in cloud.part(Databases).events
        if begin <= each["Date"] <= end
        and params.get("SourceIdentifier") in (None, each["SourceIdentifier"])
        and params.get("SourceType") in (None, each["SourceType"])
        and (not categories or categories & set(each["EventCategories"]))
    ]
    return paging.marked(found, params, "Events")


@operation("rds", "DescribeDBLogFiles")
def describe_log_files(cloud: Cloud, call: Call) -> Answer:
    databases = cloud.part(Databases)
    log = databases.server(find(cloud, call.params["DBInstanceIdentifier"]).identifier).log
    if not log.exists():
        return {"DescribeDBLogFiles": []}
    status = log.stat()
    shown = {"LogFileName": "error/postgresql.log", "LastWritten": int(status.st_mtime * 1000), "Size": status.st_size}
    return {"DescribeDBLogFiles": [shown]}


@operation("rds", "DownloadDBLogFilePortion")
def download_log(cloud: Cloud, call: Call) -> Answer:
    databases, params = cloud.part(Databases), call.params
    log = databases.server(find(cloud, params["DBInstanceIdentifier"]).identifier).log
    if params["LogFileName"] != "error/postgresql.log" or not log.exists():
        raise AwsError("DBLogFileNotFoundFault", f"DBLog File: {params['LogFileName']}, is not found.", 404)
    lines = log.read_text(errors="replace").splitlines(keepends=True)
    wanted = int(params.get("NumberOfLines") or 10_000)
    marker = str(params.get("Marker") or "")
    start = int(marker) if marker.isdigit() else max(0, len(lines) - wanted)
    text = "".join(lines[start : start + wanted])
    end = min(len(lines), start + wanted)
    return {"LogFileData": text, "Marker": str(end), "AdditionalDataPending": end < len(lines)}
