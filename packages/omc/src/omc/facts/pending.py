"""What AWS has put off: values of the database and the cache that wait for a window or a reboot, and its maintenance.

Terraform compares with the values that are in force, so it sees none of this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.stores import cache_name, database_name
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.databases import database_records
from omc.facts.differences import ABSENT, differences, path_text
from omc.facts.serverless import serverless_cache
from omc.facts.terraform_json import Difference
from omc.facts.trail import NOBODY, Author, Trail
from omc.times import in_utc

ATTRIBUTES: Mapping[str, str] = {
    "DBInstanceClass": "instance_class",
    "AllocatedStorage": "allocated_storage",
    "Port": "port",
    "BackupRetentionPeriod": "backup_retention_period",
    "MultiAZ": "multi_az",
    "EngineVersion": "engine_version",
    "LicenseModel": "license_model",
    "Iops": "iops",
    "StorageThroughput": "storage_throughput",
    "StorageType": "storage_type",
    "DBInstanceIdentifier": "identifier",
    "CACertificateIdentifier": "ca_cert_identifier",
    "DBSubnetGroupName": "db_subnet_group_name",
    "IAMDatabaseAuthenticationEnabled": "iam_database_authentication_enabled",
    "DedicatedLogVolume": "dedicated_log_volume",
    "CacheNodeType": "node_type",
    "NumCacheNodes": "num_cache_nodes",
    "AutomaticFailoverStatus": "automatic_failover_enabled",
    "TransitEncryptionEnabled": "transit_encryption_enabled",
    "TransitEncryptionMode": "transit_encryption_mode",
    "ClusterMode": "cluster_mode",
}
"""AWS's name of a value to Terraform's; one that isn't here keeps AWS's."""
AT_ONCE = frozenset(
    {
        *("MasterUserPassword", "PendingCloudwatchLogsExports", "AutomationMode", "ResumeFullAutomationModeTime"),
        *("AuthTokenStatus", "LogDeliveryConfigurations", "Resharding", "UserGroups", "ScaleConfig"),
    }
)
"""Pending only until AWS has done them: they wait for no window."""


NEW_PASSWORD = Difference("master password", "(the one in force)", "(a new one is pending)")
PARAMETERS = "parameters of "
"""What is pending where a parameter group waits for a reboot; its name follows."""


class Waits(StrEnum):
    """What a change waits for."""

    WINDOW = "window"
    REBOOT = "reboot"
    """Somebody has to reboot it; AWS doesn't do so in the window."""
    UNDER_WAY = "under way"


@dataclass(frozen=True, slots=True)
class PendingChange:
    """One value of one resource, from what is in force to what will be."""

    resource: str
    """``the database ohmycoins-staging``."""
    identifier: str
    difference: Difference
    waits: Waits
    window: str = ""
    """The resource's own, as AWS writes it: ``sat:16:00-sat:18:00``, UTC."""
    author: Author = NOBODY


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Something that AWS wants to do, or wants done."""

    resource: str
    what: str
    window: str
    applied: datetime | None = None
    """When AWS does it, as things are."""
    forced: datetime | None = None
    """When AWS does it whatever anybody says."""
    wanted: datetime | None = None
    """By when AWS recommends it."""
    is_minor: bool = False
    """AWS itself doesn't press for it."""
    name: str = ""
    """What the call that applies it takes: ``system-update``, or the service update's name."""


@dataclass(frozen=True, slots=True)
class Pending:
    """All of it, of this environment."""

    changes: tuple[PendingChange, ...]
    maintenance: tuple[Maintenance, ...] = ()
    database: Mapping[str, Any] | None = field(default=None, repr=False)
    """The environment's database in RDS's own words, of a cluster the member that takes writes; None: there is none."""
    cache: Mapping[str, Any] | None = field(default=None, repr=False)
    """The environment's cache in ElastiCache's own words, with ``SecurityGroups`` of its members; None: there is none.
    """
    reading: Reading = NO_READING
    cluster: Mapping[str, Any] | None = field(default=None, repr=False)
    """Where the database is a cluster, that one."""
    members: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """All instances of the database, the one that takes writes first."""
    serverless: Mapping[str, Any] | None = field(default=None, repr=False)
    """Where the cache is serverless, that one in ElastiCache's own words."""
    left_out: frozenset[str] = frozenset()
    """``database``, ``cache``: those of which omc.toml has none."""


@reads_in(2)
def read_pending(aws: Gateway, environment: Environment) -> Pending:
    """The database, the cache with its members, and AWS's maintenance of both; CloudTrail where something waits."""
    parts = parallel_map(lambda read: read(aws, environment), [_database, _cache])
    changes = [change for part in parts for change in part.changes]
    trail = Trail(aws)
    found = tuple(replace(change, author=trail.author(*_made_by(change))) for change in changes)
    maintenance = tuple(each for part in parts for each in part.maintenance)
    return replace(
        parts[0],
        changes=found,
        maintenance=maintenance,
        cache=parts[1].cache,
        serverless=parts[1].serverless,
        left_out=frozenset(name for name, named in _named(environment).items() if not named),
    )


def _named(environment: Environment) -> Mapping[str, str]:
    return {"database": database_name(environment), "cache": cache_name(environment)}


def _made_by(change: PendingChange) -> tuple[Any, ...]:
    """The operations that could have asked for it, and what their parameters would name."""
    is_database = change.resource.startswith("the database")
    if change.waits is Waits.REBOOT:
        events = ("ModifyDBParameterGroup", "ModifyDBInstance") if is_database else ("ModifyCacheParameterGroup",)
        return events, change.difference.path.removeprefix(PARAMETERS)
    events = ("ModifyDBInstance",) if is_database else ("ModifyReplicationGroup", "ModifyCacheCluster")
    named = () if change.difference == NEW_PASSWORD else (change.difference.after,)
    return events, change.identifier, *named


def _database(aws: Gateway, environment: Environment) -> Pending:  # noqa: ARG001 - as the other part is asked
    records = database_records(aws)
    if not records.instances and records.cluster is None:
        return Pending(())
    changes: list[PendingChange] = []
    actions: list[Maintenance] = []
    if records.cluster is not None:
        found = _of_cluster(aws, records.cluster)
        changes, actions = list(found.changes), list(found.maintenance)
    for found in parallel_map(lambda each: _of_instance(aws, each), records.instances):
        changes += found.changes
        actions += found.maintenance
    writer = records.writer or next(iter(records.instances), None)
    return Pending(tuple(changes), tuple(actions), database=writer, cluster=records.cluster, members=records.instances)


def _of_cluster(aws: Gateway, payload: Mapping[str, Any]) -> Pending:
    name, window = payload["DBClusterIdentifier"], payload.get("PreferredMaintenanceWindow", "")
    resource = f"the database {name}"
    waiting = payload.get("PendingModifiedValues")
    changes = _waiting(resource, name, window, payload.get("Status", ""), waiting, payload)
    return Pending(tuple(changes), tuple(_actions(aws, "db-cluster-id", payload["DBClusterArn"], resource, window)))


def _of_instance(aws: Gateway, payload: Mapping[str, Any]) -> Pending:
    name, window = payload["DBInstanceIdentifier"], payload.get("PreferredMaintenanceWindow", "")
    resource, now = f"the database {name}", _values_of_database(payload)
    changes = list(_waiting(resource, name, window, payload["DBInstanceStatus"], payload["PendingModifiedValues"], now))
    changes += [
        _for_reboot(resource, name, window, PARAMETERS + group["DBParameterGroupName"])
        for group in payload["DBParameterGroups"]
        if group["ParameterApplyStatus"] == "pending-reboot"
    ]
    for group in payload.get("OptionGroupMemberships", ()):
        if group["Status"] in {"pending-maintenance-apply", "pending-maintenance-removal"}:
            old, new = ("(not in force)", "(in force)")[:: 1 if group["Status"].endswith("apply") else -1]
            step = Difference(f"option group {group['OptionGroupName']}", old, new)
            changes.append(PendingChange(resource, name, step, Waits.WINDOW, window))
    actions = _actions(aws, "db-instance-id", payload["DBInstanceArn"], resource, window)
    return Pending(tuple(changes), tuple(actions))


def _actions(aws: Gateway, kind: str, arn: str, resource: str, window: str) -> Iterator[Maintenance]:
    """Its ARN is what the filter takes for sure; a name alone is taken too."""
    wanted = [{"Name": kind, "Values": [arn]}]
    pages = aws.client("rds").get_paginator("describe_pending_maintenance_actions").paginate(Filters=wanted)  # type: ignore[arg-type]
    for page in pages:
        for one in page["PendingMaintenanceActions"]:
            yield from (_action(resource, window, each) for each in one["PendingMaintenanceActionDetails"])


def _values_of_database(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **record,
        "Port": record.get("Endpoint", {}).get("Port", record.get("DbInstancePort")),
        "DBSubnetGroupName": record.get("DBSubnetGroup", {}).get("DBSubnetGroupName"),
    }


def _cache(aws: Gateway, environment: Environment) -> Pending:
    client = aws.client("elasticache")
    if environment.cache_serverless and not environment.cache:
        return Pending((), serverless=serverless_cache(aws))
    if not environment.cache:
        return Pending(())
    try:
        listed = client.describe_replication_groups(ReplicationGroupId=environment.cache)["ReplicationGroups"]
    except NotFound:
        listed = []
    if not listed:
        return Pending(())
    payload = listed[0]
    name = payload["ReplicationGroupId"]
    resource, window, members = f"the cache {name}", "", payload.get("MemberClusters") or ()
    changes: list[PendingChange] = []
    groups: dict[str, Any] = {}

    def clusters() -> list[Any]:
        return list(client.get_paginator("describe_cache_clusters").paginate())

    def updates() -> list[Any]:
        return list(client.get_paginator("describe_update_actions").paginate(ReplicationGroupIds=[name]))

    pages, wanted = parallel_map(lambda ask: ask(), (clusters, updates))
    for page in pages:
        for member in page["CacheClusters"]:
            if member["CacheClusterId"] not in members:
                continue
            window = member.get("PreferredMaintenanceWindow", "")
            groups |= {group["SecurityGroupId"]: group for group in member.get("SecurityGroups") or ()}
            waiting, status = member["PendingModifiedValues"], member["CacheClusterStatus"]
            changes += _waiting(resource, name, window, status, waiting, member)
            group = member.get("CacheParameterGroup", {})
            if group.get("CacheNodeIdsToReboot") or group.get("ParameterApplyStatus") == "pending-reboot":
                changes.append(_for_reboot(resource, name, window, PARAMETERS + group["CacheParameterGroupName"]))
    now = {**payload, "AutomaticFailoverStatus": payload.get("AutomaticFailover")}
    changes += _waiting(resource, name, window, payload["Status"], payload["PendingModifiedValues"], now)
    actions = [
        action for page in wanted for each in page["UpdateActions"] for action in _update(resource, window, each)
    ]
    cache = {**payload, "SecurityGroups": list(groups.values())}
    return Pending(tuple(dict.fromkeys(changes)), tuple(dict.fromkeys(actions)), cache=cache)


def _waiting(
    resource: str, name: str, window: str, status: str, pending: Mapping[str, Any] | None, now: Mapping[str, Any]
) -> Iterator[PendingChange]:
    for key, value in sorted((pending or {}).items()):
        if value in (None, {}, []):
            continue
        path = ATTRIBUTES.get(key, key)
        waits = Waits.UNDER_WAY if key in AT_ONCE or status == "modifying" else Waits.WINDOW
        if key == "MasterUserPassword":  # AWS shows it as ****
            yield PendingChange(resource, name, NEW_PASSWORD, waits, window)
            continue
        for at, old, new in differences({path: now.get(key, ABSENT)}, {path: value}):
            yield PendingChange(resource, name, Difference(path_text(at), old, new), waits, window)


def _for_reboot(resource: str, name: str, window: str, what: str) -> PendingChange:
    step = Difference(what, "(as of the last start)", "(as the group sets them)")
    return PendingChange(resource, name, step, Waits.REBOOT, window)


def _action(resource: str, window: str, record: Mapping[str, Any]) -> Maintenance:
    what = f"{record.get('Action', 'maintenance')}"
    if record.get("Description"):
        what += f" ({record['Description']})"
    applied = record.get("CurrentApplyDate") or record.get("AutoAppliedAfterDate")
    name = record.get("Action", "")
    return Maintenance(resource, what, window, in_utc(applied), in_utc(record.get("ForcedApplyDate")), name=name)


DONE = frozenset({"complete", "not-applicable"})


def _update(resource: str, window: str, record: Mapping[str, Any]) -> Iterator[Maintenance]:
    if record.get("UpdateActionStatus") in DONE or record.get("ServiceUpdateStatus") in {"cancelled", "expired"}:
        return
    severity, status = record.get("ServiceUpdateSeverity", ""), record.get("UpdateActionStatus", "status unknown")
    yield Maintenance(
        resource,
        f"service update {record['ServiceUpdateName']} ({severity or 'severity unknown'}, {status})",
        window,
        wanted=in_utc(record.get("ServiceUpdateRecommendedApplyByDate")),
        is_minor=severity in {"medium", "low"} and status == "not-applied",
        name=record["ServiceUpdateName"],
    )
