"""``elasticache.reboot_member``: one node, which loses what it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.elasticache.described import described, members_of, not_yet
from omc.config import Environment
from omc.errors import AwsRefused
from omc.model.arguments.data_stores import RebootMember
from omc.model.plan import Json

POLL_SECONDS = 2.0
NODE = "0001"
"""Of a member of a replication group, the only one."""


def _member(context: Context, arguments: RebootMember) -> Mapping[str, Any] | None:
    record = described(context, arguments.group)
    found = members_of(context, record) if record else ()
    return next((each for each in found if each["CacheClusterId"] == arguments.member), None)


def _has_restarted(context: Context, arguments: RebootMember) -> bool:
    since = context.state.get("asked_at")
    if since is None:
        return False
    answer: Any = context.gateway.client("elasticache").describe_events(
        SourceIdentifier=arguments.member, SourceType="cache-cluster", StartTime=datetime.fromisoformat(since)
    )
    return any("restarted" in each["Message"] for each in answer["Events"])


def _is_applied(context: Context, arguments: RebootMember) -> bool:
    if "asked_at" not in context.state:
        return False
    found = _member(context, arguments)
    is_at_it = found is not None and "reboot" in found["CacheClusterStatus"]
    return is_at_it or _has_restarted(context, arguments)


def _apply(context: Context, arguments: RebootMember) -> Mapping[str, Json]:
    if "asked_at" not in context.state:
        context.checkpoint({"asked_at": context.now().isoformat()})
    try:
        context.gateway.client("elasticache").reboot_cache_cluster(
            CacheClusterId=arguments.member, CacheNodeIdsToReboot=[NODE]
        )
    except AwsRefused as error:
        raise not_yet(error, f"The reboot of {arguments.member}") from error
    return {}


def _poll(context: Context, arguments: RebootMember) -> Outcome | None:
    found = _member(context, arguments)
    if found is None:
        return Outcome(Verdict.FAILED, f"The member {arguments.member} is gone.")
    status = str(found["CacheClusterStatus"])
    if "reboot" in status and not context.state.get("seen"):
        context.checkpoint({"seen": True})
    if status != "available" or not (context.state.get("seen") or _has_restarted(context, arguments)):
        context.report(f"{arguments.member} is {status}")
        return None
    return Outcome(Verdict.SUCCEEDED, f"{arguments.member} has restarted, and is available.", {"status": status})


def _commands(environment: Environment, arguments: RebootMember) -> Sequence[str]:
    return [
        f"aws elasticache reboot-cache-cluster --cache-cluster-id {arguments.member} --cache-node-ids-to-reboot {NODE} "
        f"--region {environment.region}"
    ]


register(Action(RebootMember, _apply, _is_applied, _poll, _commands, poll_interval=POLL_SECONDS))
