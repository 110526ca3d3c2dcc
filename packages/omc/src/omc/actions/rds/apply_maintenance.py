"""``rds.apply_maintenance``: maintenance that AWS has announced, done now. It can't be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.rds.described import described
from omc.actions.rds.states import BROKEN, SERVING, last_events, not_yet
from omc.config import Environment
from omc.errors import AwsRefused
from omc.model.arguments.data_stores import ApplyMaintenance
from omc.model.plan import Json

POLL_SECONDS = 5.0


def _announced(context: Context, arguments: ApplyMaintenance) -> Mapping[str, Any] | None:
    answer: Any = context.gateway.client("rds").describe_pending_maintenance_actions(ResourceIdentifier=arguments.arn)
    for one in answer["PendingMaintenanceActions"]:
        for detail in one["PendingMaintenanceActionDetails"]:
            if detail.get("Action") == arguments.action:
                return detail  # type: ignore[no-any-return]
    return None


def _is_applied(context: Context, arguments: ApplyMaintenance) -> bool:
    """It is announced no more, or it is opted in for at once."""
    found = _announced(context, arguments)
    return found is None or found.get("OptInStatus") in ("immediate", "in-progress")


def _apply(context: Context, arguments: ApplyMaintenance) -> Mapping[str, Json]:
    try:
        context.gateway.client("rds").apply_pending_maintenance_action(
            ResourceIdentifier=arguments.arn, ApplyAction=arguments.action, OptInType="immediate"
        )
    except AwsRefused as error:
        raise not_yet(error, f"{arguments.action} of {arguments.instance}") from error
    return {}


def _poll(context: Context, arguments: ApplyMaintenance) -> Outcome | None:
    name = arguments.instance
    record = described(context, name)
    if record is None:
        return Outcome(Verdict.FAILED, f"The instance {name} is gone.")
    status = str(record["DBInstanceStatus"])
    if status in BROKEN:
        evidence: dict[str, Json] = {"status": status, "events": last_events(context, name)}
        return Outcome(Verdict.FAILED, f"The instance {name} is {status}.", evidence)
    if status not in SERVING or _announced(context, arguments) is not None:
        context.report(f"{arguments.action} of {name}: the instance is {status}")
        return None
    return Outcome(Verdict.SUCCEEDED, f"{arguments.action} of {name} is done: AWS announces it no more.")


def _commands(environment: Environment, arguments: ApplyMaintenance) -> Sequence[str]:
    return [
        f"aws rds apply-pending-maintenance-action --resource-identifier {arguments.arn} "
        f"--apply-action {arguments.action} --opt-in-type immediate --region {environment.region}"
    ]


register(Action(ApplyMaintenance, _apply, _is_applied, _poll, _commands, poll_interval=POLL_SECONDS))
