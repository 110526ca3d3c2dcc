"""The cache as it is changed: its replication group with the members, and what ElastiCache would let it become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads, reads_in


@dataclass(frozen=True, slots=True)
class CacheMember:
    """One node of the replication group."""

    name: str
    status: str
    is_primary: bool
    version: str
    """Of the engine: ``7.1.0``."""
    parameter_group: str


@dataclass(frozen=True, slots=True)
class CacheGroup:
    """The environment's replication group."""

    record: Mapping[str, Any] | None
    """As DescribeReplicationGroups shows it; None: there is none of the name."""
    members: tuple[CacheMember, ...] = ()
    reading: Reading = NO_READING

    @property
    def primary(self) -> str:
        return next((each.name for each in self.members if each.is_primary), "")


@reads_in(2)
def read_cache_group(aws: Gateway, environment: Environment) -> CacheGroup:
    """The group, then its members."""
    client = aws.client("elasticache")
    if not environment.cache:
        return CacheGroup(None)
    try:
        groups: Any = client.describe_replication_groups(ReplicationGroupId=environment.cache)["ReplicationGroups"]
    except NotFound:
        groups = []
    record = next(iter(groups), None)
    if record is None:
        return CacheGroup(None)
    names = set(record.get("MemberClusters") or ())
    primaries = {
        member["CacheClusterId"]
        for shard in record.get("NodeGroups", ())
        for member in shard.get("NodeGroupMembers", ())
        if member.get("CurrentRole") == "primary"
    }
    members = [
        CacheMember(
            each["CacheClusterId"],
            each.get("CacheClusterStatus", ""),
            each["CacheClusterId"] in primaries,
            each.get("EngineVersion", ""),
            each.get("CacheParameterGroup", {}).get("CacheParameterGroupName", ""),
        )
        for page in client.get_paginator("describe_cache_clusters").paginate()
        for each in page["CacheClusters"]
        if each["CacheClusterId"] in names
    ]
    return CacheGroup(record, tuple(members))


@dataclass(frozen=True, slots=True)
class CacheTypes:
    """The node types that ElastiCache would scale the group to, from what it has."""

    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    reading: Reading = NO_READING


@reads
def read_cache_types(aws: Gateway, environment: Environment) -> CacheTypes:
    """One call."""
    if not environment.cache:
        return CacheTypes()
    try:
        answer = aws.client("elasticache").list_allowed_node_type_modifications(ReplicationGroupId=environment.cache)
    except NotFound:
        return CacheTypes()
    return CacheTypes(tuple(answer.get("ScaleUpModifications", ())), tuple(answer.get("ScaleDownModifications", ())))


@dataclass(frozen=True, slots=True)
class CacheVersions:
    """The engine versions that there are: by engine, each with its parameter group family."""

    families: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    reading: Reading = NO_READING


@reads
def read_cache_versions(aws: Gateway) -> CacheVersions:
    """Both engines'."""
    found: dict[str, dict[str, str]] = {"redis": {}, "valkey": {}}
    pages = aws.client("elasticache").get_paginator("describe_cache_engine_versions")
    for engine, versions in found.items():
        for page in pages.paginate(Engine=engine):
            for each in page["CacheEngineVersions"]:
                versions[each["EngineVersion"]] = each.get("CacheParameterGroupFamily", "")
    return CacheVersions(found)


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """What somebody set in the members' parameter group."""

    group: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = NO_READING


@reads_in(3)
def read_cache_settings(aws: Gateway, cache: CacheGroup) -> CacheSettings:
    """A page or two."""
    name = next((each.parameter_group for each in cache.members), "")
    if not name:
        return CacheSettings()
    pages = aws.client("elasticache").get_paginator("describe_cache_parameters")
    values = {
        each["ParameterName"]: each.get("ParameterValue", "")
        for page in pages.paginate(CacheParameterGroupName=name, Source="user")
        for each in page["Parameters"]
    }
    return CacheSettings(name, values)
