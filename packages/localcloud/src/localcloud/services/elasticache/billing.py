"""What caches costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from localcloud.core.billing import CACHE, Item, Rate, tags_of
from localcloud.core.registry import billable
from localcloud.services.elasticache.component import Caches

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@billable
def caches(cloud: Cloud) -> Iterator[Rate]:
    if not cloud.has(Caches):
        return
    for group in cloud.part(Caches).groups.values():
        paid = len([member for member in group.members if member.status not in ("creating", "deleting")])
        if paid:
            usage = f"APS2-NodeUsage:{group.settings.get('CacheNodeType', 'cache.t4g.micro')}"
            yield Rate(Item(CACHE, usage, "CreateCacheCluster:0002", tags_of(group.tags)), float(paid))
