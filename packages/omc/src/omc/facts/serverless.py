"""A serverless cache as ElastiCache tells of it. It has no nodes: its figures are of the cache as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.aws.gateway import Gateway
from omc.errors import NotFound

DIMENSIONS = ("clusterId", "CacheClusterId")
"""By which CloudWatch has a serverless cache's figures: the documentation names none, and what is published has both.
The one that doesn't hold has no figures."""


def serverless_cache(aws: Gateway) -> Mapping[str, Any] | None:
    """None: there is none of the name."""
    name = aws.environment.cache_serverless
    if not name:
        return None
    try:
        found: Any = aws.client("elasticache").describe_serverless_caches(ServerlessCacheName=name)
    except NotFound:
        return None
    return next(iter(found["ServerlessCaches"]), None)
