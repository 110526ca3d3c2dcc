"""``rds.restore_instance``: a new instance from a snapshot or a point in time.

Outputs: ``instance``, ``run`` (that made it), ``resource``, ``address``, ``taken_at`` (what it was restored to),
``asked_at`` and ``available_at`` (between them lies what the restore took).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from omc.actions.action import Action, Context, Interrupted, Outcome, Verdict, register
from omc.actions.rds.described import described, is_made_by
from omc.config import Environment
from omc.facts.backups import EXPIRES_TAG, PURPOSE_TAG, RUN_TAG, taken_at
from omc.model.arguments.backups import RestoreInstance
from omc.model.plan import Json
from omc.output import shell_line

POLL_SECONDS = 2.0
LATEST = "latest"
BROKEN = ("failed", "incompatible-restore", "incompatible-network", "incompatible-parameters", "storage-full")
"""Statuses from which an instance doesn't become available by itself (RDS's guide, "Viewing DB instance status")."""


def _name(context: Context, arguments: RestoreInstance) -> str:
    return f"{arguments.prefix}-{context.token[:8]}"


def _is_applied(context: Context, arguments: RestoreInstance) -> bool:
    name = _name(context, arguments)
    found = described(context, name)
    if found is None:
        return False
    if not is_made_by(found, context.run, arguments.purpose):
        raise Interrupted(
            Verdict.FAILED, f"There is an instance {name} that this run didn't make.", {}, has_begun=False
        )
    return True


def _apply(context: Context, arguments: RestoreInstance) -> Mapping[str, Json]:
    rds, name, now = context.gateway.client("rds"), _name(context, arguments), context.now()
    tags = {RUN_TAG: context.run, PURPOSE_TAG: arguments.purpose}
    if arguments.expires_seconds:
        tags[EXPIRES_TAG] = (now + timedelta(seconds=arguments.expires_seconds)).isoformat(timespec="seconds")
    wire: Any = {**arguments.settings, "Tags": _tags(arguments.settings, tags)}
    if arguments.snapshot:
        [found] = rds.describe_db_snapshots(DBSnapshotIdentifier=arguments.snapshot)["DBSnapshots"]
        at = taken_at(found)
        context.checkpoint({"asked_at": now.isoformat(), "taken_at": at.isoformat() if at else ""})
        rds.restore_db_instance_from_db_snapshot(
            DBInstanceIdentifier=name, DBSnapshotIdentifier=arguments.snapshot, **wire
        )
        return {}
    if arguments.at == LATEST:
        by_resource: Any = [{"Name": "dbi-resource-id", "Values": [arguments.source]}]
        [instance] = rds.describe_db_instances(Filters=by_resource)["DBInstances"]
        moment: Any = instance["LatestRestorableTime"]
        wire["UseLatestRestorableTime"] = True
    else:
        moment = arguments.at
        wire["RestoreTime"] = moment
    context.checkpoint(
        {"asked_at": now.isoformat(), "taken_at": moment if isinstance(moment, str) else moment.isoformat()}
    )
    rds.restore_db_instance_to_point_in_time(
        SourceDbiResourceId=arguments.source, TargetDBInstanceIdentifier=name, **wire
    )
    return {}


def _tags(settings: Mapping[str, Any], ours: Mapping[str, str]) -> list[dict[str, str]]:
    """The source's, where the plan copies them, and ours."""
    kept = [dict(tag) for tag in settings.get("Tags", ()) if tag["Key"] not in ours]
    return [*kept, *({"Key": key, "Value": value} for key, value in ours.items())]


def _poll(context: Context, arguments: RestoreInstance) -> Outcome | None:
    name = _name(context, arguments)
    found = described(context, name)
    if found is None:
        return Outcome(Verdict.FAILED, f"The instance {name} is gone: somebody deleted it while it was restored.")
    status = str(found["DBInstanceStatus"])
    if status in BROKEN:
        sentence = f"The instance {name} that was restored is {status}: this backup can't be used."
        return Outcome(Verdict.FAILED, sentence, {"status": status, "instance": name})
    if status != "available" or "Endpoint" not in found:
        context.report(f"{name} is {status}")
        return None
    outputs: dict[str, Json] = {
        "instance": name,
        "run": context.run,
        "resource": found["DbiResourceId"],
        "address": found["Endpoint"]["Address"],
        "taken_at": context.state.get("taken_at", ""),
        "asked_at": context.state.get("asked_at", ""),
        "available_at": context.now().isoformat(),
    }
    return Outcome(Verdict.SUCCEEDED, f"The instance {name} is restored and available.", outputs, outputs)


def _commands(environment: Environment, arguments: RestoreInstance) -> Sequence[str]:
    name = f"{arguments.prefix}-by-hand"
    body = json.dumps(dict(arguments.settings), separators=(",", ":"))
    if arguments.snapshot:
        words = [
            *("aws", "rds", "restore-db-instance-from-db-snapshot", "--db-instance-identifier", name),
            *("--db-snapshot-identifier", arguments.snapshot),
        ]
    else:
        when = ["--use-latest-restorable-time"] if arguments.at == LATEST else ["--restore-time", arguments.at]
        words = [
            *("aws", "rds", "restore-db-instance-to-point-in-time", "--target-db-instance-identifier", name),
            *("--source-dbi-resource-id", arguments.source, *when),
        ]
    where = f"--db-instance-identifier {name} --region {environment.region}"
    described = f"aws rds describe-db-instances {where}"
    return [
        f"RESTORE_INSTANCE={name}",
        shell_line([*words, "--cli-input-json", body, "--region", environment.region]),
        f"aws rds wait db-instance-available {where}",
        f"RESTORE_ADDRESS=$({described} --query 'DBInstances[0].Endpoint.Address' --output text)",
        f"RESTORE_RESOURCE=$({described} --query 'DBInstances[0].DbiResourceId' --output text)",
    ]


ACTION = register(Action(RestoreInstance, _apply, _is_applied, _poll, _commands, poll_interval=POLL_SECONDS))
