"""Backups of the database: snapshots of every kind, the window of a point in time, copies elsewhere, and instances that
were restored to look at them. What was found out about them is in omc's own record: ``facts/verifications.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.databases import database_records

RUN_TAG, PURPOSE_TAG, EXPIRES_TAG = "omc:run", "omc:purpose", "omc:expires"
"""Tags of what omc makes: by which run, what for, and when it is removed."""
VERIFICATION, RESTORE, BACKUP = "verification", "restore", "backup"
VERIFIED_AS, RESTORED_AS = "-verify", "-restored"
"""What follows the database's name in the identifier of an instance that was restored to look at it, or for good."""
KINDS = ("automated", "manual", "awsbackup")
"""Snapshot types that are the account's own. What others share with it is no backup of ours."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A DB snapshot of the database."""

    name: str
    kind: str
    """``automated``, ``manual`` or ``awsbackup``."""
    status: str
    """``creating``, ``available``, ``failed`` …"""
    progress: int
    """Percent."""
    taken_at: datetime | None
    """Of the last transaction in it; None until it is known."""
    size_gib: int
    encrypted: bool
    resource: str = ""
    """The resource id of the instance that it is of."""
    tags: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    """The region that it was copied from; else empty."""

    @property
    def is_ours(self) -> bool:
        """Made by ``omc backup create``."""
        return self.kind == "manual" and self.tags.get(PURPOSE_TAG) == BACKUP


@dataclass(frozen=True, slots=True)
class RestoredInstance:
    """An instance that omc made from a backup."""

    name: str
    status: str
    purpose: str
    run: str
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Backups:
    """Of the environment's database."""

    instance: Mapping[str, Any] | None
    """As DescribeDBInstances shows it; None: there is none of the name."""
    snapshots: tuple[Snapshot, ...] = ()
    """The newest first."""
    earliest: datetime | None = None
    latest: datetime | None = None
    """Between them any second can be restored; None: there are no automated backups."""
    replicas: tuple[str, ...] = ()
    """ARNs of automated backups that are copied to other regions."""
    restored: tuple[RestoredInstance, ...] = ()
    others: tuple[str, ...] = ()
    """Identifiers of all instances here."""
    reading: Reading = NO_READING
    cluster: Mapping[str, Any] | None = None
    """Where the database is a cluster, that one as DescribeDBClusters shows it; there is no instance then."""

    def named(self, name: str) -> Snapshot | None:
        return next((one for one in self.snapshots if one.name == name), None)

    @property
    def usable(self) -> tuple[Snapshot, ...]:
        """Those that can be restored, the newest first."""
        return tuple(one for one in self.snapshots if one.status == "available" and one.taken_at)


@reads
def read_backups(aws: Gateway, environment: Environment) -> Backups:
    """One call for the instances, one for each kind of snapshots, one for the automated backups."""
    if not environment.database:
        return _of_cluster(aws) if environment.database_cluster else Backups(None)
    pages = aws.client("rds").get_paginator("describe_db_instances").paginate()
    every: list[Any] = [one for page in pages for one in page["DBInstances"]]
    instance = next((one for one in every if one["DBInstanceIdentifier"] == environment.database), None)
    found: list[Snapshot] = []
    for kind in KINDS:
        of_kind = aws.client("rds").get_paginator("describe_db_snapshots")
        for page in of_kind.paginate(DBInstanceIdentifier=environment.database, SnapshotType=kind):
            found += [_snapshot(one) for one in page["DBSnapshots"]]
    resource = str(instance.get("DbiResourceId", "")) if instance else ""
    earliest, latest, replicas = _window(aws, environment.database, resource)
    return Backups(
        instance=instance,
        snapshots=tuple(sorted(found, key=_taken, reverse=True)),
        earliest=earliest,
        latest=latest,
        replicas=replicas,
        restored=tuple(_restored(one) for one in every if _is_of(environment.database, one)),
        others=tuple(one["DBInstanceIdentifier"] for one in every),
    )


def _of_cluster(aws: Gateway) -> Backups:
    """A cluster's snapshots, and its own window: continuous backups are the cluster's."""
    rds, name = aws.client("rds"), aws.environment.database_cluster or ""
    records = database_records(aws)
    found: list[Snapshot] = []
    for kind in KINDS:
        for page in rds.get_paginator("describe_db_cluster_snapshots").paginate(
            DBClusterIdentifier=name, SnapshotType=kind
        ):
            found += [_cluster_snapshot(dict(one)) for one in page["DBClusterSnapshots"]]
    cluster = records.cluster or {}
    return Backups(
        instance=None,
        snapshots=tuple(sorted(found, key=_taken, reverse=True)),
        earliest=_utc(cluster.get("EarliestRestorableTime")),
        latest=_utc(cluster.get("LatestRestorableTime")),
        cluster=records.cluster,
    )


def _taken(snapshot: Snapshot) -> datetime:
    return snapshot.taken_at or datetime.min.replace(tzinfo=UTC)


def _cluster_snapshot(record: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        name=record["DBClusterSnapshotIdentifier"],
        kind=record.get("SnapshotType", ""),
        status=record.get("Status", ""),
        progress=record.get("PercentProgress", 0),
        taken_at=_utc(record.get("SnapshotCreateTime")),
        size_gib=record.get("AllocatedStorage", 0),
        encrypted=record.get("StorageEncrypted", False),
        resource=record.get("DbClusterResourceId", ""),
        tags=tags_of(record),
    )


def _window(aws: Gateway, database: str, resource: str) -> tuple[datetime | None, datetime | None, tuple[str, ...]]:
    try:
        answer: Any = aws.client("rds").describe_db_instance_automated_backups(DBInstanceIdentifier=database)
    except NotFound:
        return None, None, ()
    for one in answer["DBInstanceAutomatedBackups"]:
        is_another = resource and one.get("DbiResourceId", resource) != resource  # that had the name before
        if one.get("Status") in ("active", "creating") and not is_another:
            window = one.get("RestoreWindow", {})
            copies = one.get("DBInstanceAutomatedBackupsReplications", ())
            arns = tuple(copy.get("DBInstanceAutomatedBackupsArn", "") for copy in copies)
            return _utc(window.get("EarliestTime")), _utc(window.get("LatestTime")), arns
    return None, None, ()


def _snapshot(record: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        name=record["DBSnapshotIdentifier"],
        kind=record.get("SnapshotType", ""),
        status=record.get("Status", ""),
        progress=record.get("PercentProgress", 0),
        taken_at=taken_at(record),
        size_gib=record.get("AllocatedStorage", 0),
        encrypted=record.get("Encrypted", False),
        resource=record.get("DbiResourceId", ""),
        tags=tags_of(record),
        origin=record.get("SourceRegion", ""),
    )


def _is_of(database: str, record: Mapping[str, Any]) -> bool:
    """Whether omc made the instance of this database's backups: the account has other environments' too."""
    name = str(record["DBInstanceIdentifier"])
    made = (f"{database}{VERIFIED_AS}-", f"{database}{RESTORED_AS}-")
    return PURPOSE_TAG in tags_of(record) and (name == database or name.startswith(made))


def _restored(record: Mapping[str, Any]) -> RestoredInstance:
    tags = tags_of(record)
    return RestoredInstance(
        name=record["DBInstanceIdentifier"],
        status=record["DBInstanceStatus"],
        purpose=tags.get(PURPOSE_TAG, ""),
        run=tags.get(RUN_TAG, ""),
        expires=_expiry(tags.get(EXPIRES_TAG, "")),
    )


def _expiry(tag: str) -> datetime | None:
    """None where the tag says no moment: anybody may write tags."""
    try:
        moment = datetime.fromisoformat(tag)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def taken_at(record: Mapping[str, Any]) -> datetime | None:
    """The moment that a snapshot holds: of its last transaction, where RDS tells that."""
    names = ("SnapshotDatabaseTime", "OriginalSnapshotCreateTime", "SnapshotCreateTime")
    return next((_utc(record[name]) for name in names if record.get(name)), None)


def tags_of(record: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in record.get("TagList", ())}


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
