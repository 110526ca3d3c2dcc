"""What databases and their snapshots costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.core.billing import GIB, RDS, Item, Rate, tags_of
from localcloud.core.registry import billable
from localcloud.services.rds.component import Databases
from localcloud.services.rds.snapshot_records import folder_name

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

UNPAID_DATABASE = ("creating", "deleting", "stopped", "failed", "incompatible-parameters")
RDS_STORAGE = {"gp2": "GP2", "gp3": "GP3"}


@billable
def databases(cloud: Cloud) -> Iterator[Rate]:
    if not cloud.has(Databases):
        return
    provisioned = 0.0
    for instance in cloud.part(Databases).instances.values():
        record, tags = instance.record, tags_of(instance.record.get("TagList"))
        multi = bool(record.get("MultiAZ"))
        operation = "CreateDBInstance:0021" if instance.cluster else "CreateDBInstance:0014"  # Aurora PostgreSQL
        if instance.status not in UNPAID_DATABASE:
            usage = f"APS2-{'Multi-AZUsage' if multi else 'InstanceUsage'}:{record['DBInstanceClass']}"
            yield Rate(Item(RDS, usage, operation, tags), 1.0)
        if instance.status not in ("creating", "deleting") and not instance.cluster:
            kind = RDS_STORAGE.get(str(record.get("StorageType")), str(record.get("StorageType")).upper())
            usage = f"APS2-RDS:{'Multi-AZ-' if multi else ''}{kind}-Storage"
            size = float(record["AllocatedStorage"])
            provisioned += size
            yield Rate(Item(RDS, usage, operation, tags), size, monthly=True)
    # As much backup storage as is provisioned is free.
    charged = _backups(cloud) / GIB - provisioned
    if charged > 0:
        yield Rate(Item(RDS, "APS2-RDS:ChargedBackupUsage", "CreateDBInstance:0014"), charged, monthly=True)


_backup_sizes: dict[tuple[str, Any], int] = {}


def _backups(cloud: Cloud) -> int:
    """Bytes of all snapshots. A finished one never changes, so each is measured once."""
    total = 0
    for record in cloud.part(Databases).snapshots.values():
        if record.get("Status") != "available":
            continue
        key = (str(record["DBSnapshotArn"]), record["SnapshotCreateTime"])
        if key not in _backup_sizes:
            _backup_sizes[key] = _size(cloud.settings.state / "rds-snapshots" / folder_name(record))
        total += _backup_sizes[key]
    return total


def _size(folder: Path) -> int:
    return sum((Path(path) / name).lstat().st_size for path, _, names in os.walk(folder) for name in names)
