"""ElastiCache: what it refuses of a replication group's settings (API reference, CreateReplicationGroup)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localcloud.core import window_rules
from localcloud.core.registry import AwsError, Call, rule
from localcloud.services.elasticache.component import Caches

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

LEAST_WINDOW: Final = 60
"""Minutes, of both windows."""
GROUP: Final = ("CreateReplicationGroup", "ModifyReplicationGroup")
PAGED: Final = (
    "DescribeReplicationGroups",
    "DescribeCacheClusters",
    "DescribeCacheParameterGroups",
    "DescribeCacheSubnetGroups",
    "DescribeEvents",
)


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterValue", text)


@rule("elasticache", *GROUP)
def check_windows(cloud: Cloud, call: Call) -> None:
    params = call.params
    known = cloud.part(Caches).groups.get(params["ReplicationGroupId"].lower()) if cloud.has(Caches) else None
    now = known.settings if known and call.operation == "ModifyReplicationGroup" else {}
    before = (now["PreferredMaintenanceWindow"], now["SnapshotWindow"]) if now else ()
    maintenance, snapshot = params.get("PreferredMaintenanceWindow"), params.get("SnapshotWindow")
    window_rules.check(maintenance, snapshot, "snapshot window", LEAST_WINDOW, before)


@rule("elasticache", *GROUP)
def check_sizes(cloud: Cloud, call: Call) -> None:
    params = call.params
    if not 0 <= (params.get("SnapshotRetentionLimit") or 0) <= 35:
        raise _invalid("Invalid snapshot retention limit. Must be between 0 and 35.")
    if params.get("Port") is not None and not 1150 <= params["Port"] <= 65535:
        raise _invalid(f"Invalid port: {params['Port']}. Must be between 1150 and 65535.")
    token = params.get("AuthToken")
    if token is not None and not (16 <= len(token) <= 128 and all("!" <= each <= "~" for each in token)):
        raise _invalid("Invalid AuthToken provided. It must be 16 to 128 printable ASCII characters.")
    if token is not None and set(token) & set('/@"'):
        raise _invalid("Invalid AuthToken provided. It must not contain '/', '@' or '\"'.")
    if params.get("MultiAZEnabled") and params.get("AutomaticFailoverEnabled") is False:
        text = "Must specify automatic failover enabled when MultiAZEnabled is true."
        raise AwsError("InvalidParameterCombination", text)


@rule("elasticache", *PAGED)
def check_page(cloud: Cloud, call: Call) -> None:
    most = call.params.get("MaxRecords")
    if most is not None and not 20 <= most <= 100:
        raise _invalid(f"Invalid value {most} for MaxRecords. Must be between 20 and 100")
