"""What RDS would let the database become: versions, classes, parameters, authorities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.backups import Backups
from omc.facts.collector import NO_READING, Reading, reads, reads_in
from omc.facts.secrets import current_version
from omc.model.requests import DatabaseClassRequest, DatabaseParameterRequest
from omc.times import in_utc

STORAGE_PAUSE_MINUTES = 6 * 60
"""For which RDS takes no other change of the storage after one (RDS's guide, "Increasing DB instance storage
capacity")."""
STORAGE_CHANGED = "modification to allocated storage"
"""Part of RDS's event message about the end of such a change, asked for or by autoscaling."""


@dataclass(frozen=True, slots=True)
class UpgradeTarget:
    """A version that the running one can be upgraded to."""

    version: str
    is_major: bool


@dataclass(frozen=True, slots=True)
class RunningVersion:
    """What RDS says of the version that the database runs."""

    version: str = ""
    targets: tuple[UpgradeTarget, ...] = ()
    authorities: tuple[str, ...] = ()
    """Certificate authorities that it can have."""
    rotates_without_restart: bool = False
    """Its certificate."""
    reading: Reading = NO_READING

    def target(self, version: str) -> UpgradeTarget | None:
        return next((each for each in self.targets if each.version == version), None)


@reads_in(2)
def read_running_version(aws: Gateway, backups: Backups) -> RunningVersion:
    """One call."""
    instance = backups.instance
    if instance is None:
        return RunningVersion()
    version = str(instance["EngineVersion"])
    answer: Any = aws.client("rds").describe_db_engine_versions(
        Engine=instance["Engine"], EngineVersion=version, IncludeAll=True
    )
    record: Mapping[str, Any] = next(iter(answer["DBEngineVersions"]), {})
    return RunningVersion(
        version,
        tuple(
            UpgradeTarget(each["EngineVersion"], bool(each.get("IsMajorVersionUpgrade")))
            for each in record.get("ValidUpgradeTarget", ())
        ),
        tuple(record.get("SupportedCACertificateIdentifiers", ())),
        bool(record.get("SupportsCertificateRotationWithoutRestart")),
    )


@dataclass(frozen=True, slots=True)
class OfferedClass:
    """Whether RDS has the class that is asked for, for this engine and version here."""

    is_offered: bool
    offers_standby: bool = False
    reading: Reading = NO_READING


@reads_in(2)
def read_offered_class(aws: Gateway, request: DatabaseClassRequest, backups: Backups) -> OfferedClass:
    """One call."""
    instance = backups.instance
    if instance is None:
        return OfferedClass(is_offered=False)
    answer: Any = aws.client("rds").describe_orderable_db_instance_options(
        Engine=instance["Engine"], EngineVersion=instance["EngineVersion"], DBInstanceClass=request.instance_class
    )
    found = answer["OrderableDBInstanceOptions"]
    return OfferedClass(bool(found), any(each.get("MultiAZCapable") for each in found))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One of a DB parameter group, as the group has it."""

    name: str
    value: str | None
    is_static: bool
    is_modifiable: bool
    allowed: str = ""
    """``6-8388607``, ``on,off``; empty where RDS doesn't say."""
    is_set: bool = False
    """Somebody set it; else it is the engine's default."""


@dataclass(frozen=True, slots=True)
class AskedParameters:
    """Of the instance's parameter group those that are asked for; one that doesn't exist is left out."""

    group: str = ""
    family: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    reading: Reading = NO_READING


@reads_in(2)
def read_asked_parameters(aws: Gateway, request: DatabaseParameterRequest, backups: Backups) -> AskedParameters:
    """Some pages: RDS doesn't find parameters by name."""
    groups = (backups.instance or {}).get("DBParameterGroups") or ()
    if not groups:
        return AskedParameters()
    group = groups[0]["DBParameterGroupName"]
    found: dict[str, Parameter] = {}
    for page in aws.client("rds").get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group):
        for each in page["Parameters"]:
            name = each.get("ParameterName", "")
            if name in request.values:
                found[name] = Parameter(
                    name,
                    each.get("ParameterValue"),
                    is_static=each.get("ApplyType") == "static",
                    is_modifiable=bool(each.get("IsModifiable", True)),
                    allowed=each.get("AllowedValues", ""),
                    is_set=each.get("Source") == "user",
                )
    return AskedParameters(group, parameters=found)


@dataclass(frozen=True, slots=True)
class StorageChange:
    """When the storage was last changed, of the last six hours."""

    at: datetime | None = None
    reading: Reading = NO_READING


@reads
def read_storage_change(aws: Gateway, environment: Environment) -> StorageChange:
    """RDS's events of six hours."""
    if not environment.database:
        return StorageChange()
    answer: Any = aws.client("rds").describe_events(
        SourceIdentifier=environment.database, SourceType="db-instance", Duration=STORAGE_PAUSE_MINUTES
    )
    found = [each["Date"] for each in answer["Events"] if STORAGE_CHANGED in each["Message"]]
    return StorageChange(in_utc(max(found)) if found else None)


@dataclass(frozen=True, slots=True)
class MasterSecret:
    """The managed master password's."""

    arn: str = ""
    """Empty where RDS manages none."""
    version: str = ""
    """The id of the one that is current."""
    reading: Reading = NO_READING


@reads_in(2)
def read_master_secret(aws: Gateway, backups: Backups) -> MasterSecret:
    """One call; never the value."""
    arn = str((backups.instance or {}).get("MasterUserSecret", {}).get("SecretArn", ""))
    return MasterSecret(arn, current_version(aws, arn)) if arn else MasterSecret()


@dataclass(frozen=True, slots=True)
class BlueGreen:
    """A blue/green deployment of the database."""

    name: str = ""
    status: str = ""
    """``PROVISIONING``, ``AVAILABLE``, ``SWITCHOVER_COMPLETED`` …; empty: there is none."""
    version: str = ""
    """Of the copy; after a switchover, of the database."""
    logical_replication: str = ""
    """``rds.logical_replication`` of the database's parameter group, where somebody set it."""
    old: tuple[str, str] = ("", "")
    """Identifier and resource id of what a switchover put aside."""
    reading: Reading = NO_READING


@reads_in(3)
def read_blue_green(aws: Gateway, environment: Environment, backups: Backups) -> BlueGreen:
    """omc's own deployments of the database, which are named after it; its copy, and what the group sets."""
    rds, instance = aws.client("rds"), backups.instance
    if instance is None:
        return BlueGreen()
    group = instance["DBParameterGroups"][0]["DBParameterGroupName"]
    pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group, Source="user")
    values = {
        each.get("ParameterName"): each.get("ParameterValue", "") for page in pages for each in page["Parameters"]
    }
    logical = values.get("rds.logical_replication", "")
    found: Any = rds.describe_blue_green_deployments(
        Filters=[{"Name": "blue-green-deployment-name", "Values": [name_of(environment)]}]
    )
    ours = next((each for each in found["BlueGreenDeployments"] if each["Status"] != "DELETING"), None)
    if ours is None:
        return BlueGreen(logical_replication=logical)
    version = _described(rds, ours.get("Target", "")).get("EngineVersion", "")
    aside = _described(rds, ours.get("Source", "")) if ours["Status"] == "SWITCHOVER_COMPLETED" else {}
    old = (str(aside.get("DBInstanceIdentifier", "")), str(aside.get("DbiResourceId", "")))
    return BlueGreen(name_of(environment), ours["Status"], version, logical, old)


def _described(rds: Any, arn: str) -> Mapping[str, Any]:
    try:
        found: list[Mapping[str, Any]] = (
            rds.describe_db_instances(DBInstanceIdentifier=arn)["DBInstances"] if arn else []
        )
    except NotFound:
        return {}
    return next(iter(found), {})


def name_of(environment: Environment) -> str:
    """What omc calls the blue/green deployment of an environment's database; there is one at a time."""
    return f"{environment.database}-upgrade"
