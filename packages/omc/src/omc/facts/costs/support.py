"""Until when AWS supports the versions of the database and the cache at their usual price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.stores import database_name
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.pending import Pending

STANDARD, EXTENDED = "open-source-rds-standard-support", "open-source-rds-extended-support"
CACHES: Mapping[tuple[str, int], tuple[date, date]] = {
    ("redis", 4): (date(2026, 1, 31), date(2029, 1, 31)),
    ("redis", 5): (date(2026, 1, 31), date(2029, 1, 31)),
    ("redis", 6): (date(2027, 1, 31), date(2030, 1, 31)),
}
"""Engine and major version to the last days of standard and of extended support. ElastiCache's API has no dates; these
are of its user guide, "ElastiCache Extended Support" and "Extended Support charges", as of 2026; three years after the
first is the second. No date of Redis OSS 7 and of Valkey had been announced there."""
CACHES_AS_OF = date(2026, 11, 30)


@dataclass(frozen=True, slots=True)
class Support:
    """Of one data store."""

    store: str
    """``database`` or ``cache``."""
    name: str
    engine: str
    version: str
    size: str
    """Instance class or node type."""
    nodes: int
    """With a standby, which pays the surcharge too."""
    standard_until: date | None = None
    """None: AWS has announced no end of this version, or doesn't tell."""
    extended_until: date | None = None
    is_refused: bool = False
    """Extended support is switched off for it: AWS upgrades it instead, at a time of AWS's."""


@dataclass(frozen=True, slots=True)
class EngineSupport:
    stores: tuple[Support, ...]
    reading: Reading = NO_READING


@reads_in(2)
def read_engine_support(aws: Gateway, environment: Environment, pending: Pending) -> EngineSupport:
    """A call for each store."""
    found = []
    if pending.database is not None:
        found.append(_database(aws, database_name(environment), pending.database, len(pending.members)))
    if pending.cache is not None:
        found.append(_cache(aws, environment, pending.cache))
    return EngineSupport(tuple(found))


def _database(aws: Gateway, name: str, record: Mapping[str, Any], instances: int) -> Support:
    engine, version = record["Engine"], record["EngineVersion"]
    major = version.partition(".")[0]
    answer = aws.client("rds").describe_db_major_engine_versions(Engine=engine, MajorEngineVersion=major)
    ends: dict[str, date] = {
        str(one["LifecycleSupportName"]): _day(one["LifecycleSupportEndDate"])
        for each in answer["DBMajorEngineVersions"]
        for one in each.get("SupportedEngineLifecycles", ())
    }
    return Support(
        "database",
        name,
        engine,
        version,
        record["DBInstanceClass"],
        instances if instances > 1 else 2 if record.get("MultiAZ") else 1,
        ends.get(STANDARD),
        ends.get(EXTENDED),
        str(record.get("EngineLifecycleSupport", "")).endswith("disabled"),
    )


def _cache(aws: Gateway, environment: Environment, record: Mapping[str, Any]) -> Support:
    members = record.get("MemberClusters") or ()
    clusters: Any = []
    if members:
        clusters = aws.client("elasticache").describe_cache_clusters(CacheClusterId=members[0])["CacheClusters"]
    first = clusters[0] if clusters else {}
    engine, version = first.get("Engine", ""), first.get("EngineVersion", "")
    major = version.partition(".")[0]
    standard, extended = CACHES.get((engine, int(major) if major.isdigit() else 0), (None, None))
    size = first.get("CacheNodeType", "")
    return Support("cache", environment.cache, engine, version, size, len(members), standard, extended)


def _day(at: datetime | date) -> date:
    return at.date() if isinstance(at, datetime) else at
