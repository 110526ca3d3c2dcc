"""What RDS says of an instance, for the actions that change one: by identifier or by resource id, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.actions.action import Context
from omc.errors import NotFound
from omc.facts.backups import PURPOSE_TAG, RUN_TAG, tags_of


def described(context: Context, identifier: str) -> Mapping[str, Any] | None:
    """The instance of this identifier; None where there is none."""
    try:
        answer: Any = context.gateway.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)
    except NotFound:
        return None
    return next(iter(answer["DBInstances"]), None)


def described_by_resource(context: Context, resource: str) -> Mapping[str, Any] | None:
    """The instance of this resource id, whatever it is called now."""
    by_resource: Any = [{"Name": "dbi-resource-id", "Values": [resource]}]
    answer: Any = context.gateway.client("rds").describe_db_instances(Filters=by_resource)
    return next(iter(answer["DBInstances"]), None)


def is_made_by(record: Mapping[str, Any], run: str, purpose: str) -> bool:
    """Whether a run of omc made the instance for this purpose, as its tags say."""
    tags = tags_of(record)
    return (tags.get(RUN_TAG), tags.get(PURPOSE_TAG)) == (run, purpose)


def described_snapshot(context: Context, name: str) -> Mapping[str, Any] | None:
    """The snapshot of this name; None where there is none."""
    try:
        answer: Any = context.gateway.client("rds").describe_db_snapshots(DBSnapshotIdentifier=name)
    except NotFound:
        return None
    return next(iter(answer["DBSnapshots"]), None)
