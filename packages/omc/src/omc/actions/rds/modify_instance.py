"""``rds.modify_instance``: settings of the instance, applied immediately, until they are in force.

What already waits for the maintenance window comes with it (``ApplyImmediately`` brings all of it): the plan names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.rds.described import described
from omc.actions.rds.states import BROKEN, SERVING, last_events, not_yet
from omc.config import Environment
from omc.errors import AwsRefused
from omc.model.arguments.data_stores import ModifyInstance
from omc.model.plan import Json
from omc.output import shell_word

POLL_SECONDS = 3.0
SHOWN_AFTER = timedelta(minutes=3)
"""An instance that is available, with neither the value nor a pending one, after this long: RDS has given it up."""


def _differs(record: Mapping[str, Any], arguments: ModifyInstance) -> list[str]:
    """The settings that are not in force."""
    return sorted(name for name, value in arguments.settings.items() if record.get(name) != value)


def _is_applied(context: Context, arguments: ModifyInstance) -> bool:
    """In force, or being brought into force. A value that waits for a window is not."""
    record = described(context, arguments.instance)
    if record is None:
        return False
    left = _differs(record, arguments)
    if not left:
        return True
    pending = record.get("PendingModifiedValues") or {}
    under_way = record["DBInstanceStatus"] not in SERVING
    return under_way and all(pending.get(name) == arguments.settings[name] for name in left)


def _apply(context: Context, arguments: ModifyInstance) -> Mapping[str, Json]:
    wire: Any = {**arguments.settings, **arguments.flags}
    try:
        context.gateway.client("rds").modify_db_instance(
            DBInstanceIdentifier=arguments.instance, ApplyImmediately=True, **wire
        )
    except AwsRefused as error:
        raise not_yet(error, f"The change of {arguments.instance}") from error
    return {"asked_at": context.now().isoformat()}


def _poll(context: Context, arguments: ModifyInstance) -> Outcome | None:
    name = arguments.instance
    record = described(context, name)
    if record is None:
        return Outcome(Verdict.FAILED, f"The instance {name} is gone.")
    status, left = str(record["DBInstanceStatus"]), _differs(record, arguments)
    values: dict[str, Json] = {key: record.get(key) for key in arguments.settings}
    evidence: dict[str, Json] = {"status": status, **values}
    if status in BROKEN:
        words = last_events(context, name)
        return Outcome(Verdict.FAILED, f"The instance {name} is {status}.", {**evidence, "events": words})
    has_standby = not record.get("MultiAZ") or bool(record.get("SecondaryAvailabilityZone"))
    if not left and status in SERVING and has_standby:
        now = ", ".join(f"{key} {value}" for key, value in sorted(arguments.settings.items()))
        more = " Its storage is still being optimized." if status == "storage-optimization" else ""
        return Outcome(Verdict.SUCCEEDED, f"{name} is {status} with {now}.{more}", evidence)
    pending = record.get("PendingModifiedValues") or {}
    requested = context.state.get("asked_at")
    if status in SERVING and left and not any(key in pending for key in left) and _is_long_ago(context, requested):
        words = last_events(context, name)
        why = f" RDS said last: {words[0]}" if words else ""
        sentence = f"{name} is {status}, and {', '.join(left)} didn't change: RDS gave it up.{why}"
        return Outcome(Verdict.FAILED, sentence, {**evidence, "events": words})
    waits = f", {', '.join(left)} not in force yet" if left else ("" if has_standby else ", its standby isn't back yet")
    context.report(f"{name} is {status}{waits}")
    return None


def _is_long_ago(context: Context, requested: str | None) -> bool:
    return requested is not None and context.now() - datetime.fromisoformat(requested) > SHOWN_AFTER


def _commands(environment: Environment, arguments: ModifyInstance) -> Sequence[str]:
    body = json.dumps({**arguments.settings, **arguments.flags, "ApplyImmediately": True}, separators=(",", ":"))
    where = f"--db-instance-identifier {arguments.instance} --region {environment.region}"
    return [
        f"aws rds modify-db-instance {where} --cli-input-json {shell_word(body)}",
        f"aws rds wait db-instance-available {where}",
    ]


def _pending_notice(context: Context, arguments: ModifyInstance) -> str:
    return f"RDS goes on changing {arguments.instance} by itself; nothing stops that."


register(
    Action(
        ModifyInstance,
        _apply,
        _is_applied,
        _poll,
        _commands,
        poll_interval=POLL_SECONDS,
        pending_notice=_pending_notice,
    )
)
