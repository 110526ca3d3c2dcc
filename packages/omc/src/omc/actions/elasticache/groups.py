"""``elasticache.modify_group``, ``elasticache.set_replicas``, ``elasticache.fail_over``: a replication group as a
whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.elasticache.described import BROKEN, described, members_of, not_yet, primary_of
from omc.config import Environment
from omc.errors import AwsRefused
from omc.model.arguments.data_stores import FailOverCache, ModifyCache, SetReplicas
from omc.model.plan import Json
from omc.output import shell_word

POLL_SECONDS = 2.0
SHOWN_AFTER = timedelta(minutes=3)
"""A group that is available without the value after this long: ElastiCache has given it up."""
SHOWN_AS = {"AutomaticFailoverEnabled": "AutomaticFailover", "MultiAZEnabled": "MultiAZ"}
"""Settings that DescribeReplicationGroups shows as ``enabled`` and ``disabled``, under another name."""
OF_MEMBERS = ("EngineVersion", "CacheParameterGroupName")
"""Settings that only the members show."""


def _in_force(name: str, value: Any, record: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> bool:
    if name in SHOWN_AS:
        return bool(record.get(SHOWN_AS[name]) == ("enabled" if value else "disabled"))
    if name == "CacheParameterGroupName":
        return all(each.get("CacheParameterGroup", {}).get(name) == value for each in members)
    if name == "EngineVersion":  # 7.1 is shown as 7.1.0
        return all(f"{each.get(name, '')}.".startswith(f"{value}.") for each in members)
    return bool(record.get(name) == value)


def _left(context: Context, record: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """The settings that are not in force."""
    members = members_of(context, record) if any(name in OF_MEMBERS for name in settings) else ()
    return sorted(name for name, value in settings.items() if not _in_force(name, value, record, members))


def _is_modified(context: Context, arguments: ModifyCache) -> bool:
    """In force; or asked for by this step, and being brought into force."""
    record = described(context, arguments.group)
    if record is None:
        return False
    if not _left(context, record, arguments.settings):
        return True
    return "asked_at" in context.state and record["Status"] == "modifying"


def _modify(context: Context, arguments: ModifyCache) -> Mapping[str, Json]:
    wire: Any = dict(arguments.settings)
    context.checkpoint({"asked_at": context.now().isoformat()})
    try:
        context.gateway.client("elasticache").modify_replication_group(
            ReplicationGroupId=arguments.group, ApplyImmediately=True, **wire
        )
    except AwsRefused as error:
        raise not_yet(error, f"The change of {arguments.group}") from error
    return {}


def _watch_modified(context: Context, arguments: ModifyCache) -> Outcome | None:
    name = arguments.group
    record = described(context, name)
    if record is None:
        return Outcome(Verdict.FAILED, f"The replication group {name} is gone.")
    status, left = str(record["Status"]), _left(context, record, arguments.settings)
    if status in BROKEN:
        return Outcome(Verdict.FAILED, f"The replication group {name} is {status}.", {"status": status})
    busy = _busy(context, record)
    if status == "available" and not left and not busy:
        now = ", ".join(f"{key} {value}" for key, value in sorted(arguments.settings.items()))
        return Outcome(
            Verdict.SUCCEEDED, f"{name} is available with {now}.", {"members": len(record["MemberClusters"])}
        )
    requested = context.state.get("asked_at")
    if status == "available" and left and not busy and _is_late(context, requested):
        sentence = f"{name} is available, and {', '.join(left)} didn't change: ElastiCache gave it up."
        return Outcome(Verdict.FAILED, sentence, {"left": left})
    context.report(f"{name} is {status}" + (f"; {busy}" if busy else ""))
    return None


def _is_late(context: Context, requested: str | None) -> bool:
    return requested is not None and context.now() - datetime.fromisoformat(requested) > SHOWN_AFTER


def _busy(context: Context, record: Mapping[str, Any]) -> str:
    """Members that don't serve yet; empty where all do."""
    waiting = [each for each in members_of(context, record) if each["CacheClusterStatus"] != "available"]
    return ", ".join(f"{each['CacheClusterId']} is {each['CacheClusterStatus']}" for each in waiting)


def _modify_by_hand(environment: Environment, arguments: ModifyCache) -> Sequence[str]:
    body = json.dumps({**arguments.settings, "ApplyImmediately": True}, separators=(",", ":"))
    where = f"--replication-group-id {arguments.group} --region {environment.region}"
    return [
        f"aws elasticache modify-replication-group {where} --cli-input-json {shell_word(body)}",
        f"aws elasticache wait replication-group-available {where}",
    ]


# -- replicas -------------------------------------------------------------------------------------------------------


def _has_count(record: Mapping[str, Any] | None, arguments: SetReplicas) -> bool:
    return record is not None and len(record.get("MemberClusters") or ()) == arguments.replicas + 1


def _is_counted(context: Context, arguments: SetReplicas) -> bool:
    """There are so many; or this step asked for it, and ElastiCache is at it."""
    record = described(context, arguments.group)
    is_at_it = record is not None and "asked_at" in context.state and record["Status"] == "modifying"
    return is_at_it or _has_count(record, arguments)


def _set_count(context: Context, arguments: SetReplicas) -> Mapping[str, Json]:
    client, record = context.gateway.client("elasticache"), described(context, arguments.group)
    now = len((record or {}).get("MemberClusters") or ()) - 1
    context.checkpoint({"asked_at": context.now().isoformat()})
    grow_or_shrink = client.increase_replica_count if now < arguments.replicas else client.decrease_replica_count
    try:
        grow_or_shrink(ReplicationGroupId=arguments.group, NewReplicaCount=arguments.replicas, ApplyImmediately=True)
    except AwsRefused as error:
        raise not_yet(error, f"The replicas of {arguments.group}") from error
    return {}


def _watch_count(context: Context, arguments: SetReplicas) -> Outcome | None:
    record = described(context, arguments.group)
    if record is None:
        return Outcome(Verdict.FAILED, f"The replication group {arguments.group} is gone.")
    busy = _busy(context, record)
    if record["Status"] != "available" or busy or not _has_count(record, arguments):
        requested = context.state.get("asked_at")
        if record["Status"] == "available" and not busy and _is_late(context, requested):
            now = len(record["MemberClusters"])
            sentence = f"{arguments.group} is available with {now} members, not {arguments.replicas + 1}."
            return Outcome(Verdict.FAILED, sentence, {"members": now})
        context.report(f"{arguments.group} is {record['Status']}" + (f"; {busy}" if busy else ""))
        return None
    members: list[Json] = list(record["MemberClusters"])
    sentence = f"{arguments.group} has {len(members)} members: {', '.join(map(str, members))}."
    return Outcome(Verdict.SUCCEEDED, sentence, {"members": members})


def _set_count_by_hand(environment: Environment, arguments: SetReplicas) -> Sequence[str]:
    return [
        f"aws elasticache increase-replica-count --replication-group-id {arguments.group} --new-replica-count "
        f"{arguments.replicas} --apply-immediately --region {environment.region}  # or decrease-replica-count"
    ]


# -- failover -------------------------------------------------------------------------------------------------------


def _has_failed_over(context: Context, arguments: FailOverCache) -> bool:
    """Another member is the primary; or this step's call was taken, as ElastiCache's event of it says."""
    record = described(context, arguments.group)
    now = primary_of(record, arguments.node_group) if record else ""
    if now and now != arguments.primary:
        return True
    since = context.state.get("asked_at")
    if since is None:
        return False
    answer: Any = context.gateway.client("elasticache").describe_events(
        SourceIdentifier=arguments.group, SourceType="replication-group", StartTime=datetime.fromisoformat(since)
    )
    return any("Test Failover API called" in each["Message"] for each in answer["Events"])


def _fail_over(context: Context, arguments: FailOverCache) -> Mapping[str, Json]:
    if "asked_at" not in context.state:
        context.checkpoint({"asked_at": context.now().isoformat()})
    try:
        context.gateway.client("elasticache").test_failover(
            ReplicationGroupId=arguments.group, NodeGroupId=arguments.node_group
        )
    except AwsRefused as error:
        raise not_yet(error, f"The failover of {arguments.group}") from error
    return {}


def _watch_failover(context: Context, arguments: FailOverCache) -> Outcome | None:
    record = described(context, arguments.group)
    if record is None:
        return Outcome(Verdict.FAILED, f"The replication group {arguments.group} is gone.")
    now, busy = primary_of(record, arguments.node_group), _busy(context, record)
    if record["Status"] != "available" or busy or now in ("", arguments.primary):
        context.report(f"{arguments.group} is {record['Status']}, its primary {now or 'unknown'}; {busy}".rstrip("; "))
        return None
    sentence = f"{now} is the primary of {arguments.group} now, in the place of {arguments.primary}."
    return Outcome(Verdict.SUCCEEDED, sentence, {"primary": now, "before": arguments.primary})


def _fail_over_by_hand(environment: Environment, arguments: FailOverCache) -> Sequence[str]:
    return [
        f"aws elasticache test-failover --replication-group-id {arguments.group} --node-group-id "
        f"{arguments.node_group} --region {environment.region}"
    ]


register(Action(ModifyCache, _modify, _is_modified, _watch_modified, _modify_by_hand, poll_interval=POLL_SECONDS))
register(Action(SetReplicas, _set_count, _is_counted, _watch_count, _set_count_by_hand, poll_interval=POLL_SECONDS))
register(
    Action(FailOverCache, _fail_over, _has_failed_over, _watch_failover, _fail_over_by_hand, poll_interval=POLL_SECONDS)
)
