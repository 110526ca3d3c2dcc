"""``rds.create_snapshot``, ``rds.delete_snapshot``: manual DB snapshots.

A snapshot's name ends with the step's token, so that after a crash it is known as ours, and there is one.
Outputs of the first: ``snapshot``, ``taken_at``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Interrupted, Outcome, Verdict, register
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.backups import PURPOSE_TAG, RUN_TAG, tags_of, taken_at
from omc.model.arguments.backups import CreateSnapshot, DeleteSnapshot
from omc.model.plan import Json

POLL_SECONDS = 5.0
PURPOSE = "backup"


def _described(context: Context, name: str) -> Mapping[str, Any] | None:
    try:
        answer: Any = context.gateway.client("rds").describe_db_snapshots(DBSnapshotIdentifier=name)
    except NotFound:
        return None
    return next(iter(answer["DBSnapshots"]), None)


def name_of(context: Context, arguments: CreateSnapshot) -> str:
    """``ohmycoins-staging-before-deploy-3f9a21c07b11``."""
    return "-".join(part for part in (arguments.instance, arguments.label, context.token[:12]) if part)


def _is_created(context: Context, arguments: CreateSnapshot) -> bool:
    return _described(context, name_of(context, arguments)) is not None


def _create(context: Context, arguments: CreateSnapshot) -> Mapping[str, Json]:
    name = name_of(context, arguments)
    tags: Any = [{"Key": RUN_TAG, "Value": context.run}, {"Key": PURPOSE_TAG, "Value": PURPOSE}]
    context.gateway.client("rds").create_db_snapshot(
        DBInstanceIdentifier=arguments.instance, DBSnapshotIdentifier=name, Tags=tags
    )
    return {"snapshot": name}


def _watch_created(context: Context, arguments: CreateSnapshot) -> Outcome | None:
    name = name_of(context, arguments)
    found = _described(context, name)
    status = found["Status"] if found else "gone"
    if found and status == "available":
        at = taken_at(found)
        outputs: dict[str, Json] = {"snapshot": name, "taken_at": at.isoformat() if at else ""}
        return Outcome(Verdict.SUCCEEDED, f"The snapshot {name} is available.", outputs, outputs)
    if found and status == "creating":
        context.report(f"{name}: {found.get('PercentProgress', 0)} %")
        return None
    return Outcome(Verdict.FAILED, f"The snapshot {name} is {status}: RDS could not take it.", {"status": status})


def _by_hand(environment: Environment, arguments: CreateSnapshot) -> Sequence[str]:
    name = "-".join(part for part in (arguments.instance, arguments.label) if part)
    where = f"--region {environment.region}"
    return [
        f"aws rds create-db-snapshot --db-instance-identifier {arguments.instance} "
        f"--db-snapshot-identifier {name}-$(date +%s) {where}",
        f"aws rds wait db-snapshot-available --db-instance-identifier {arguments.instance} {where}",
    ]


def _is_deleted(context: Context, arguments: DeleteSnapshot) -> bool:
    return _described(context, arguments.snapshot) is None


def _delete(context: Context, arguments: DeleteSnapshot) -> Mapping[str, Json]:
    found = _described(context, arguments.snapshot)
    if found is None or found["SnapshotType"] != "manual" or tags_of(found).get(PURPOSE_TAG) != PURPOSE:
        message = f"{arguments.snapshot} is no manual snapshot that omc made: it was left alone."
        raise Interrupted(Verdict.FAILED, message, {}, has_begun=False)
    context.gateway.client("rds").delete_db_snapshot(DBSnapshotIdentifier=arguments.snapshot)
    return {}


def _watch_deleted(context: Context, arguments: DeleteSnapshot) -> Outcome | None:
    if _described(context, arguments.snapshot) is not None:
        context.report(f"{arguments.snapshot} is being deleted")
        return None
    return Outcome(Verdict.SUCCEEDED, f"The snapshot {arguments.snapshot} is deleted.")


def _delete_by_hand(environment: Environment, arguments: DeleteSnapshot) -> Sequence[str]:
    where = f"--db-snapshot-identifier {arguments.snapshot} --region {environment.region}"
    return [f"aws rds delete-db-snapshot {where}"]


register(Action(CreateSnapshot, _create, _is_created, _watch_created, _by_hand, poll_interval=POLL_SECONDS))
register(Action(DeleteSnapshot, _delete, _is_deleted, _watch_deleted, _delete_by_hand, poll_interval=POLL_SECONDS))
