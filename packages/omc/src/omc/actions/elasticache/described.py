"""What ElastiCache says of a replication group and its members, for the actions that change one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Context
from omc.errors import AwsRefused, NotFound, Unknown

BROKEN = ("create-failed",)
NOT_NOW = ("InvalidReplicationGroupState", "InvalidCacheClusterState")


def described(context: Context, group: str) -> Mapping[str, Any] | None:
    """The replication group; None where there is none."""
    try:
        answer: Any = context.gateway.client("elasticache").describe_replication_groups(ReplicationGroupId=group)
    except NotFound:
        return None
    return next(iter(answer["ReplicationGroups"]), None)


def members_of(context: Context, record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The members as DescribeCacheClusters shows them."""
    names = set(record.get("MemberClusters") or ())
    pages = context.gateway.client("elasticache").get_paginator("describe_cache_clusters").paginate()
    return [each for page in pages for each in page["CacheClusters"] if each["CacheClusterId"] in names]


def primary_of(record: Mapping[str, Any], node_group: str = "") -> str:
    """The member that takes writes; empty where none says so."""
    for each in record.get("NodeGroups", ()):
        if node_group in ("", each["NodeGroupId"]):
            for member in each.get("NodeGroupMembers", ()):
                if member.get("CurrentRole") == "primary":
                    return str(member["CacheClusterId"])
    return ""


def not_yet(error: AwsRefused, what: str) -> Exception:
    """A group that is busy takes the call a little later: it is tried again until the step's deadline."""
    if any(code in error.code for code in NOT_NOW):
        return Unknown(f"{what}: ElastiCache doesn't take it now ({error.message})")
    return error
