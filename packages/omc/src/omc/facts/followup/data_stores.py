"""The database and the cache as AWS tells them: status, way in, and what has happened to them in the last hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import HALF, within

EVENT_MINUTES = 60
"""How far back events are asked for. RDS keeps 14 days, ElastiCache as well."""


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """A line of RDS's or ElastiCache's own event list."""

    at: datetime
    source: str
    """The instance, group or member that it is about."""
    message: str


@dataclass(frozen=True, slots=True)
class Store:
    """The database, or the cache."""

    name: str
    exists: bool
    status: str = ""
    """As AWS says it: ``available``, ``rebooting``, ``modifying``, ``storage-full`` …"""
    host: str = ""
    port: int = 0
    groups: tuple[str, ...] = ()
    """Ids of the security groups that are in force."""
    resource_id: str = ""
    """By which Performance Insights knows a database; empty where it is off, and for a cache."""
    members: Mapping[str, str] | None = None
    """Of a cache: each node's status."""
    vpc: str = ""
    """Of a database."""
    subnets: tuple[str, ...] = ()
    """Of a database: ids of those in its zone, or of all of its group."""
    subnet_group: str = ""
    """Of a cache."""
    size: str = ""
    """Its instance class or node type."""
    events: tuple[StoreEvent, ...] = ()
    """Newest first."""


@dataclass(frozen=True, slots=True)
class DataStores:
    database: Store
    cache: Store
    reading: Reading = NO_READING


@reads
def read_data_stores(aws: Gateway, environment: Environment) -> DataStores:
    """Five calls, side by side."""

    def read() -> DataStores:
        parts: list[Callable[[], Any]] = [
            lambda: _database(aws, environment.database),
            lambda: _cache(aws, environment.cache),
            lambda: _database_events(aws, environment.database),
            lambda: _events(aws.client("elasticache").describe_events(Duration=EVENT_MINUTES)),
        ]
        database, cache, of_database, of_cache = parallel_map(lambda part: part(), parts)
        ours = {environment.cache, *(cache["members"] or {})}
        return DataStores(
            Store(**database, events=of_database),
            Store(**cache, events=tuple(event for event in of_cache if event.source in ours)),
        )

    return within(HALF, "the state of the database and the cache", read)


def _database(aws: Gateway, name: str) -> dict[str, Any]:
    try:
        listed: Any = aws.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    except NotFound:
        listed = []
    if not listed:
        return {"name": name, "exists": False}
    payload = listed[0]
    endpoint, group = payload.get("Endpoint") or {}, payload.get("DBSubnetGroup") or {}
    subnets = {
        one["SubnetIdentifier"]: (one.get("SubnetAvailabilityZone") or {}).get("Name")
        for one in group.get("Subnets") or ()
    }
    zone = payload.get("AvailabilityZone")
    return {
        "name": name,
        "exists": True,
        "status": payload.get("DBInstanceStatus", ""),
        "host": endpoint.get("Address", ""),
        "port": int(endpoint.get("Port", 0)),
        "groups": tuple(each["VpcSecurityGroupId"] for each in payload.get("VpcSecurityGroups", ())),
        "vpc": group.get("VpcId", ""),
        "subnets": tuple(one for one, where in subnets.items() if where == zone) or tuple(subnets),
        "resource_id": payload.get("DbiResourceId", "") if payload.get("PerformanceInsightsEnabled") else "",
        "size": payload.get("DBInstanceClass", ""),
    }


def _cache(aws: Gateway, name: str) -> dict[str, Any]:
    client = aws.client("elasticache")
    try:
        listed: Any = client.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"]
    except NotFound:
        listed = []
    if not listed:
        return {"name": name, "exists": False, "members": {}}
    payload = listed[0]
    wanted = set(payload.get("MemberClusters") or ())
    pages = client.get_paginator("describe_cache_clusters").paginate()
    members = [each for page in pages for each in page["CacheClusters"] if each["CacheClusterId"] in wanted]
    primary: dict[str, Any] = next(
        (group["PrimaryEndpoint"] for group in payload.get("NodeGroups") or () if group.get("PrimaryEndpoint")), {}
    )
    groups = [group["SecurityGroupId"] for each in members for group in each.get("SecurityGroups") or ()]
    return {
        "name": name,
        "exists": True,
        "status": payload.get("Status", ""),
        "host": primary.get("Address", ""),
        "port": int(primary.get("Port", 0)),
        "groups": tuple(dict.fromkeys(groups)),
        "subnet_group": next((each["CacheSubnetGroupName"] for each in members if "CacheSubnetGroupName" in each), ""),
        "members": {each["CacheClusterId"]: each.get("CacheClusterStatus", "") for each in members},
        "size": payload.get("CacheNodeType", ""),
    }


def _database_events(aws: Gateway, name: str) -> tuple[StoreEvent, ...]:
    try:
        response = aws.client("rds").describe_events(
            SourceIdentifier=name, SourceType="db-instance", Duration=EVENT_MINUTES
        )
    except NotFound:
        return ()
    return _events(response)


def _events(record: Mapping[str, Any]) -> tuple[StoreEvent, ...]:
    found = [
        StoreEvent(each["Date"].astimezone(UTC), each.get("SourceIdentifier", ""), each.get("Message", ""))
        for each in record["Events"]
    ]
    return tuple(sorted(found, key=lambda event: event.at, reverse=True))
