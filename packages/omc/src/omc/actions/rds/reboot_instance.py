"""``rds.reboot_instance``: a restart of PostgreSQL, by a failover where that is asked for.

That *this* reboot happened is known by RDS's events since the moment that was written down before the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.rds.described import described
from omc.actions.rds.states import BROKEN, last_events, not_yet
from omc.config import Environment
from omc.errors import AwsRefused
from omc.model.arguments.data_stores import RebootInstance
from omc.model.plan import Json

POLL_SECONDS = 2.0
RESTARTED = ("restarted", "failover completed")
"""In RDS's event messages ("DB instance restarted", "Multi-AZ instance failover completed")."""


def _has_restarted(context: Context, arguments: RebootInstance) -> bool:
    since = context.state.get("asked_at")
    if since is None:
        return False
    answer: Any = context.gateway.client("rds").describe_events(
        SourceIdentifier=arguments.instance, SourceType="db-instance", StartTime=datetime.fromisoformat(since)
    )
    return any(word in each["Message"] for each in answer["Events"] for word in RESTARTED)


def _is_applied(context: Context, arguments: RebootInstance) -> bool:
    if "asked_at" not in context.state:
        return False
    record = described(context, arguments.instance)
    return (record is not None and record["DBInstanceStatus"] == "rebooting") or _has_restarted(context, arguments)


def _apply(context: Context, arguments: RebootInstance) -> Mapping[str, Json]:
    record = described(context, arguments.instance)
    if "asked_at" not in context.state:
        zone = record.get("AvailabilityZone", "") if record else ""
        context.checkpoint({"asked_at": context.now().isoformat(), "zone": zone})
    try:
        context.gateway.client("rds").reboot_db_instance(
            DBInstanceIdentifier=arguments.instance, ForceFailover=arguments.failover
        )
    except AwsRefused as error:
        raise not_yet(error, f"The reboot of {arguments.instance}") from error
    return {}


def _poll(context: Context, arguments: RebootInstance) -> Outcome | None:
    name = arguments.instance
    record = described(context, name)
    if record is None:
        return Outcome(Verdict.FAILED, f"The instance {name} is gone.")
    status = str(record["DBInstanceStatus"])
    if status in BROKEN:
        evidence: dict[str, Json] = {"status": status, "events": last_events(context, name)}
        return Outcome(Verdict.FAILED, f"The instance {name} is {status} after its reboot.", evidence)
    if status == "rebooting" and not context.state.get("seen"):
        context.checkpoint({"seen": True})
    zone = record.get("AvailabilityZone", "")
    has_moved = not arguments.failover or zone != context.state.get("zone") or not zone
    is_back = status == "available" and (context.state.get("seen") or _has_restarted(context, arguments))
    if not is_back or not has_moved:
        context.report(f"{name} is {status}" + ("" if has_moved else f", still in {zone}"))
        return None
    waits = [
        group["DBParameterGroupName"]
        for group in record.get("DBParameterGroups", ())
        if group["ParameterApplyStatus"] == "pending-reboot"
    ]
    if waits:
        sentence = f"{name} has restarted, and its parameters ({waits[0]}) still wait for a reboot."
        return Outcome(Verdict.FAILED, sentence, {"status": status, "parameters": "pending-reboot"})
    moved = f", in {zone} now" if arguments.failover else ""
    return Outcome(Verdict.SUCCEEDED, f"{name} has restarted and is available{moved}.", {"zone": zone})


def _commands(environment: Environment, arguments: RebootInstance) -> Sequence[str]:
    where = f"--db-instance-identifier {arguments.instance} --region {environment.region}"
    failover = " --force-failover" if arguments.failover else ""
    return [f"aws rds reboot-db-instance {where}{failover}", f"aws rds wait db-instance-available {where}"]


register(Action(RebootInstance, _apply, _is_applied, _poll, _commands, poll_interval=POLL_SECONDS))
