"""AWS's calls about what a cache could become: node types and versions; and about serverless ones: there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localcloud.core import paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.elasticache.api import find
from localcloud.services.elasticache.model import ENGINE_VERSIONS, engine_of

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

TYPES: Final = (
    *(f"cache.t4g.{size}" for size in ("micro", "small", "medium")),
    *(f"cache.m7g.{size}" for size in ("large", "xlarge", "2xlarge")),
    *(f"cache.r7g.{size}" for size in ("large", "xlarge", "2xlarge")),
)
"""Node types that are offered, each larger than those before it. AWS has more."""


@operation("elasticache", "ListAllowedNodeTypeModifications")
def list_types(cloud: Cloud, call: Call) -> Answer:
    if not call.params.get("ReplicationGroupId"):
        raise AwsError("InvalidParameterCombination", "localcloud answers for a ReplicationGroupId.")
    now = find(cloud, call.params["ReplicationGroupId"]).settings["CacheNodeType"]
    place = TYPES.index(now) if now in TYPES else 0
    return {
        "ScaleUpModifications": list(TYPES[place + 1 :]),
        "ScaleDownModifications": list(TYPES[:place]),
    }


@operation("elasticache", "DescribeCacheEngineVersions")
def describe_versions(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    found = [
        {
            "Engine": engine_of(short),
            "EngineVersion": version,
            "CacheParameterGroupFamily": _family(short),
            "CacheEngineDescription": engine_of(short),
            "CacheEngineVersionDescription": f"{engine_of(short)} version {version}",
        }
        for short, version in ENGINE_VERSIONS.items()
        if params.get("Engine") in (None, engine_of(short)) and params.get("EngineVersion") in (None, short, version)
    ]
    return paging.marked(found, params, "CacheEngineVersions")


@operation("elasticache", "DescribeServerlessCaches")
def describe_serverless(_cloud: Cloud, call: Call) -> Answer:
    if name := call.params.get("ServerlessCacheName"):
        raise AwsError("ServerlessCacheNotFoundFault", f"ServerlessCache {name} not found.", 404)
    return {"ServerlessCaches": []}


@operation("elasticache", "CreateServerlessCache")
def create_serverless(_cloud: Cloud, call: Call) -> Answer:
    text = (
        f"localcloud has no serverless caches, so {call.params['ServerlessCacheName']} wasn't made; "
        "it has replication groups (CreateReplicationGroup)."
    )
    raise AwsError("InvalidParameterCombination", text)


def _family(short: str) -> str:
    major = short.partition(".")[0]
    return "redis6.x" if major == "6" else f"{engine_of(short)}{major}"
