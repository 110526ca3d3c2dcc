"""``rds.configure_instance``, ``rds.rename_instance``, ``rds.delete_instance``: what is done to one that there is.

Outputs of the first: ``secret``, the ARN of the managed master password, and ``reference``, its value's as a
task definition names it. Nothing deletes an instance whose tags don't say that a run of omc made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Interrupted, Outcome, Verdict, register
from omc.actions.rds.described import described, described_by_resource, is_made_by
from omc.config import Environment
from omc.errors import AwsRefused, Unknown
from omc.model.arguments.backups import ConfigureInstance, DeleteInstance, RenameInstance
from omc.model.arguments.base import known
from omc.model.plan import Json
from omc.output import shell_word

POLL_SECONDS = 2.0
NOT_NOW = "InvalidDBInstanceState"


def _not_yet(error: AwsRefused, what: str) -> Exception:
    """An instance that is busy takes the call a little later: it is tried again until the step's deadline."""
    return Unknown(f"{what}: RDS doesn't take it now ({error.message})") if NOT_NOW in error.code else error


# -- configure ------------------------------------------------------------------------------------------------------


def _is_configured(context: Context, arguments: ConfigureInstance) -> bool:
    """Asking twice for the same changes nothing; so only what is known to be asked isn't asked again."""
    return "asked" in context.state


def _configure(context: Context, arguments: ConfigureInstance) -> Mapping[str, Json]:
    wire: Any = dict(arguments.settings)
    name = known(arguments.instance)
    try:
        context.gateway.client("rds").modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **wire)
    except AwsRefused as error:
        raise _not_yet(error, f"The settings of {name}") from error
    return {"asked": True}


def _watch_configured(context: Context, arguments: ConfigureInstance) -> Outcome | None:
    name = known(arguments.instance)
    found = described(context, name)
    if found is None:
        return Outcome(Verdict.FAILED, f"The instance {name} is gone.")
    secret = found.get("MasterUserSecret", {})
    wants_secret = bool(arguments.settings.get("ManageMasterUserPassword"))
    settled = found["DBInstanceStatus"] == "available" and not found.get("PendingModifiedValues")
    if not settled or (wants_secret and secret.get("SecretStatus") != "active"):
        context.report(f"{name} is {found['DBInstanceStatus']}")
        return None
    arn = secret.get("SecretArn", "")
    outputs: dict[str, Json] = {"secret": arn, "reference": f"{arn}:password::"} if arn else {}
    return Outcome(Verdict.SUCCEEDED, f"{name} is set up: {', '.join(sorted(arguments.settings))}.", outputs, outputs)


def _configure_by_hand(environment: Environment, arguments: ConfigureInstance) -> Sequence[str]:
    name = known(arguments.instance)
    body = json.dumps({**arguments.settings, "ApplyImmediately": True}, separators=(",", ":"))
    where = f"--db-instance-identifier {name} --region {environment.region}"
    lines = [f"aws rds modify-db-instance {where} --cli-input-json {shell_word(body)}"]
    if arguments.settings.get("ManageMasterUserPassword"):
        query = "--query 'DBInstances[0].MasterUserSecret.SecretArn' --output text"
        lines.append(f"LOGIN_REFERENCE=$(aws rds describe-db-instances {where} {query}):password::")
    return lines


# -- rename ---------------------------------------------------------------------------------------------------------


def _is_renamed(context: Context, arguments: RenameInstance) -> bool:
    found = described_by_resource(context, known(arguments.resource))
    return found is not None and found["DBInstanceIdentifier"] == known(arguments.after)


def _rename(context: Context, arguments: RenameInstance) -> Mapping[str, Json]:
    before, after = known(arguments.before), known(arguments.after)
    found = described_by_resource(context, known(arguments.resource))
    if found is None or found["DBInstanceIdentifier"] != before:
        message = f"There is no instance {before} of the resource id {known(arguments.resource)} any more."
        raise Interrupted(Verdict.SUPERSEDED, message, {}, has_begun=False)
    try:
        context.gateway.client("rds").modify_db_instance(
            DBInstanceIdentifier=before, NewDBInstanceIdentifier=after, ApplyImmediately=True
        )
    except AwsRefused as error:
        raise _not_yet(error, f"The new name of {before}") from error
    return {}


def _watch_renamed(context: Context, arguments: RenameInstance) -> Outcome | None:
    before, after = known(arguments.before), known(arguments.after)
    found = described_by_resource(context, known(arguments.resource))
    if found is None or found["DBInstanceIdentifier"] != after or found["DBInstanceStatus"] != "available":
        context.report(f"{before} becomes {after}: {found['DBInstanceStatus'] if found else 'not to be seen'}")
        return None
    outputs: dict[str, Json] = {"instance": after, "address": found["Endpoint"]["Address"]}
    return Outcome(Verdict.SUCCEEDED, f"{before} is {after} now, and available.", outputs, outputs)


def _rename_by_hand(environment: Environment, arguments: RenameInstance) -> Sequence[str]:
    return [
        f"aws rds modify-db-instance --db-instance-identifier {known(arguments.before)} "
        f"--new-db-instance-identifier {known(arguments.after)} --apply-immediately --region {environment.region}"
    ]


# -- delete ---------------------------------------------------------------------------------------------------------


def _is_deleted(context: Context, arguments: DeleteInstance) -> bool:
    found = described(context, known(arguments.instance))
    return found is None or found["DBInstanceStatus"] == "deleting"


def _delete(context: Context, arguments: DeleteInstance) -> Mapping[str, Json]:
    name = known(arguments.instance)
    found = described(context, name)
    if found is None or not is_made_by(found, known(arguments.run) or context.run, arguments.purpose):
        message = f"The instance {name} doesn't carry the tags of the run that made it: it was left alone."
        raise Interrupted(Verdict.FAILED, message, {}, has_begun=False)
    rds = context.gateway.client("rds")
    try:
        if found.get("DeletionProtection"):
            rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
        last: Any = {"SkipFinalSnapshot": True, "DeleteAutomatedBackups": True}
        if arguments.keeps:
            last = {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": f"{name}-last-{context.token[:8]}"}
        rds.delete_db_instance(DBInstanceIdentifier=name, **last)
    except AwsRefused as error:
        raise _not_yet(error, f"Deleting {name}") from error
    return {}


def _watch_deleted(context: Context, arguments: DeleteInstance) -> Outcome | None:
    name = known(arguments.instance)
    found = described(context, name)
    if found is not None:
        context.report(f"{name} is {found['DBInstanceStatus']}")
        return None
    kept = f" A last snapshot of it is kept: {name}-last-{context.token[:8]}." if arguments.keeps else ""
    return Outcome(Verdict.SUCCEEDED, f"The instance {name} is deleted.{kept}")


def _delete_by_hand(environment: Environment, arguments: DeleteInstance) -> Sequence[str]:
    name = known(arguments.instance)
    last = f"--final-db-snapshot-identifier {name}-last" if arguments.keeps else "--skip-final-snapshot"
    return [f"aws rds delete-db-instance --db-instance-identifier {name} {last} --region {environment.region}"]


register(
    Action(
        ConfigureInstance, _configure, _is_configured, _watch_configured, _configure_by_hand, poll_interval=POLL_SECONDS
    )
)
register(Action(RenameInstance, _rename, _is_renamed, _watch_renamed, _rename_by_hand, poll_interval=POLL_SECONDS))
register(Action(DeleteInstance, _delete, _is_deleted, _watch_deleted, _delete_by_hand, poll_interval=POLL_SECONDS))
