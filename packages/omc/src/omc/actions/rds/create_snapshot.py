"""``rds.create_snapshot``: a manual DB snapshot.

A snapshot's name ends with the step's token, so that after a crash it is known as ours, and there is one.
Outputs: ``snapshot``, ``taken_at``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.rds.described import described_snapshot
from omc.config import Environment
from omc.facts.backups import BACKUP, PURPOSE_TAG, RUN_TAG, taken_at
from omc.model.arguments.backups import CreateSnapshot
from omc.model.plan import Json
from omc.output import shell_word

POLL_SECONDS = 2.0


def name_of(context: Context, arguments: CreateSnapshot) -> str:
    """``ohmycoins-staging-before-deploy-3f9a21c07b11``."""
    return "-".join(part for part in (arguments.instance, arguments.label, context.token[:12]) if part)


def _is_created(context: Context, arguments: CreateSnapshot) -> bool:
    return described_snapshot(context, name_of(context, arguments)) is not None


def _create(context: Context, arguments: CreateSnapshot) -> Mapping[str, Json]:
    name = name_of(context, arguments)
    tags: Any = [{"Key": RUN_TAG, "Value": context.run}, {"Key": PURPOSE_TAG, "Value": BACKUP}]
    context.gateway.client("rds").create_db_snapshot(
        DBInstanceIdentifier=arguments.instance, DBSnapshotIdentifier=name, Tags=tags
    )
    return {"snapshot": name}


def _watch_created(context: Context, arguments: CreateSnapshot) -> Outcome | None:
    name = name_of(context, arguments)
    found = described_snapshot(context, name)
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
    name = shell_word("-".join(part for part in (arguments.instance, arguments.label) if part))
    where = f"--region {environment.region}"
    return [
        f"aws rds create-db-snapshot --db-instance-identifier {arguments.instance} "
        f"--db-snapshot-identifier {name}-$(date +%s) {where}",
        f"aws rds wait db-snapshot-available --db-instance-identifier {arguments.instance} {where}",
    ]


ACTION = register(Action(CreateSnapshot, _create, _is_created, _watch_created, _by_hand, poll_interval=POLL_SECONDS))
