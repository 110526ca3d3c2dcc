"""The database and the cache as AWS tells them: status, way in, and what has happened to them in the last hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.stores import cache_name, database_name
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.databases import DatabaseRecords, database_records
from omc.facts.followup.budget import HALF, within
from omc.facts.serverless import serverless_cache

AVAILABLE = "available"
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
    instance: str = ""
    """Of a database, the instance that takes writes: by its name CloudWatch has the figures."""


@dataclass(frozen=True, slots=True)
class DataStores:
    database: Store
    cache: Store
    reading: Reading = NO_READING


@reads
def read_data_stores(aws: Gateway, environment: Environment) -> DataStores:
    """Five calls, side by side; some more for a cluster."""

    def read() -> DataStores:
        parts: list[Callable[[], Any]] = [
            lambda: _database(aws),
            lambda: _cache(aws),
            lambda: _database_events(aws),
            lambda: _events(aws.client("elasticache").describe_events(Duration=EVENT_MINUTES)),
        ]
        database, cache, of_database, of_cache = parallel_map(lambda part: part(), parts)
        ours = {cache_name(environment), *(cache["members"] or {})}
        return DataStores(
            Store(**database, events=of_database),
            Store(**cache, events=tuple(event for event in of_cache if event.source in ours)),
        )

    return within(HALF, "the state of the database and the cache", read)


def _database(aws: Gateway) -> dict[str, Any]:
    """Of a cluster the member that takes writes; its status is the cluster's, where that isn't well."""
    name, records = database_name(aws.environment), database_records(aws)
    payload = records.writer or next(iter(records.instances), None)
    if payload is None:
        return {"name": name, "exists": False}
    endpoint, group = payload.get("Endpoint") or {}, payload.get("DBSubnetGroup") or {}
    subnets = {
        one["SubnetIdentifier"]: (one.get("SubnetAvailabilityZone") or {}).get("Name")
        for one in group.get("Subnets") or ()
    }
    zone = payload.get("AvailabilityZone")
    return {
        "name": name,
        "exists": True,
        "status": _status(records, payload),
        "host": records.cluster["Endpoint"] if records.cluster else endpoint.get("Address", ""),
        "port": int(endpoint.get("Port", 0)),
        "groups": tuple(each["VpcSecurityGroupId"] for each in payload.get("VpcSecurityGroups", ())),
        "vpc": group.get("VpcId", ""),
        "subnets": tuple(one for one, where in subnets.items() if where == zone) or tuple(subnets),
        "resource_id": payload.get("DbiResourceId", "") if payload.get("PerformanceInsightsEnabled") else "",
        "size": payload.get("DBInstanceClass", ""),
        "instance": payload["DBInstanceIdentifier"],
    }


def _status(records: DatabaseRecords, writer: Mapping[str, Any]) -> str:
    of_cluster = str((records.cluster or {}).get("Status", AVAILABLE))
    return str(writer.get("DBInstanceStatus", "")) if of_cluster == AVAILABLE else of_cluster


def _serverless(aws: Gateway) -> dict[str, Any]:
    payload = serverless_cache(aws)
    name = aws.environment.cache_serverless
    if payload is None:
        return {"name": name, "exists": False, "members": {}}
    endpoint = payload.get("Endpoint") or {}
    return {
        "name": name,
        "exists": True,
        "status": payload.get("Status", ""),
        "host": endpoint.get("Address", ""),
        "port": int(endpoint.get("Port", 0)),
        "groups": tuple(payload.get("SecurityGroupIds", ())),
        "subnets": tuple(payload.get("SubnetIds", ())),
        "members": {},
    }


def _cache(aws: Gateway) -> dict[str, Any]:
    client, name = aws.client("elasticache"), aws.environment.cache
    if not name:
        return _serverless(aws) if aws.environment.cache_serverless else {"name": "", "exists": False, "members": {}}
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


def _database_events(aws: Gateway) -> tuple[StoreEvent, ...]:
    """Of the instance; or of the cluster and all of RDS's instances, of which its own are kept."""
    name, cluster, rds = aws.environment.database, aws.environment.database_cluster, aws.client("rds")
    try:
        if name:
            return _events(rds.describe_events(SourceIdentifier=name, SourceType="db-instance", Duration=EVENT_MINUTES))
        if not cluster:
            return ()
        found = _events(rds.describe_events(SourceIdentifier=cluster, SourceType="db-cluster", Duration=EVENT_MINUTES))
        members = {each["DBInstanceIdentifier"] for each in database_records(aws).instances}
        of_members = _events(rds.describe_events(SourceType="db-instance", Duration=EVENT_MINUTES))
    except NotFound:
        return ()
    found += tuple(event for event in of_members if event.source in members)
    return tuple(sorted(found, key=lambda event: event.at, reverse=True))


def _events(record: Mapping[str, Any]) -> tuple[StoreEvent, ...]:
    found = [
        StoreEvent(each["Date"].astimezone(UTC), each.get("SourceIdentifier", ""), each.get("Message", ""))
        for each in record["Events"]
    ]
    return tuple(sorted(found, key=lambda event: event.at, reverse=True))
