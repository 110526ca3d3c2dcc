"""``rds.delete_snapshot``: a manual DB snapshot that omc made; no other is deleted by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Interrupted, Outcome, Verdict, register
from omc.actions.rds.described import described_snapshot
from omc.config import Environment
from omc.facts.backups import BACKUP, PURPOSE_TAG, tags_of
from omc.model.arguments.backups import DeleteSnapshot
from omc.model.plan import Json
from omc.output import shell_word

POLL_SECONDS = 2.0


def _is_deleted(context: Context, arguments: DeleteSnapshot) -> bool:
    return described_snapshot(context, arguments.snapshot) is None


def _is_ours(record: Mapping[str, Any], database: str) -> bool:
    is_of_it = record.get("DBInstanceIdentifier") == database
    return is_of_it and record["SnapshotType"] == "manual" and tags_of(record).get(PURPOSE_TAG) == BACKUP


def _delete(context: Context, arguments: DeleteSnapshot) -> Mapping[str, Json]:
    found = described_snapshot(context, arguments.snapshot)
    if found is None or not _is_ours(found, context.environment.database):
        message = f"{arguments.snapshot} is no manual snapshot that omc made of this database: it was left alone."
        raise Interrupted(Verdict.FAILED, message, {}, has_begun=False)
    context.gateway.client("rds").delete_db_snapshot(DBSnapshotIdentifier=arguments.snapshot)
    return {}


def _watch_deleted(context: Context, arguments: DeleteSnapshot) -> Outcome | None:
    if described_snapshot(context, arguments.snapshot) is not None:
        context.report(f"{arguments.snapshot} is being deleted")
        return None
    return Outcome(Verdict.SUCCEEDED, f"The snapshot {arguments.snapshot} is deleted.")


def _delete_by_hand(environment: Environment, arguments: DeleteSnapshot) -> Sequence[str]:
    where = f"--db-snapshot-identifier {shell_word(arguments.snapshot)} --region {environment.region}"
    return [f"aws rds delete-db-snapshot {where}"]


ACTION = register(
    Action(DeleteSnapshot, _delete, _is_deleted, _watch_deleted, _delete_by_hand, poll_interval=POLL_SECONDS)
)
