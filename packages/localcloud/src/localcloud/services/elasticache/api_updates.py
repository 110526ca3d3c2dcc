"""AWS's calls about service updates: which ones wait for a replication group, and applying them now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.core import paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.elasticache.component import Caches

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@operation("elasticache", "DescribeUpdateActions")
def describe_update_actions(cloud: Cloud, call: Call) -> Answer:
    """Of replication groups; clusters are in such groups here."""
    caches, params = cloud.part(Caches), call.params
    wanted = {each.lower() for each in params.get("ReplicationGroupIds") or ()}
    clusters = params.get("CacheClusterIds")
    found = [
        {"ReplicationGroupId": group, **record}
        for group, records in sorted(caches.updates.items())
        if group in caches.groups and (not wanted or group in wanted) and (wanted or not clusters)
        for record in records
        if params.get("ServiceUpdateName") in (None, record["ServiceUpdateName"])
        and record["ServiceUpdateStatus"] in (params.get("ServiceUpdateStatus") or [record["ServiceUpdateStatus"]])
        and record["UpdateActionStatus"] in (params.get("UpdateActionStatus") or [record["UpdateActionStatus"]])
    ]
    return paging.marked(found, params, "UpdateActions")


@operation("elasticache", "BatchApplyUpdateAction")
def apply_update(cloud: Cloud, call: Call) -> Answer:
    """The members end and start again one after another, the primary last; what can't be updated is in the answer."""
    caches, name = cloud.part(Caches), call.params["ServiceUpdateName"]
    if not any(record["ServiceUpdateName"] == name for records in caches.updates.values() for record in records):
        raise AwsError("ServiceUpdateNotFoundFault", f"Service update {name} not found.", 404)
    done, left = [], []
    for requested in call.params.get("ReplicationGroupIds") or ():
        group, identity = (
            caches.groups.get(requested.lower()),
            {"ReplicationGroupId": requested, "ServiceUpdateName": name},
        )
        record: dict[str, Any] | None = next(
            (each for each in caches.updates.get(requested.lower(), ()) if each["ServiceUpdateName"] == name), None
        )
        if group is None:
            left.append(
                _unprocessed(identity, "ReplicationGroupNotFoundFault", f"ReplicationGroup {requested} not found.")
            )
        elif record is None or record["UpdateActionStatus"] not in ("not-applied", "stopped"):
            left.append(_unprocessed(identity, "InvalidParameterValue", f"{name} isn't applicable to {requested}."))
        elif group.status != "available":
            message = f"Replication group {requested} is not in available state; it is {group.status}."
            left.append(_unprocessed(identity, "InvalidReplicationGroupState", message))
        else:
            record |= {"UpdateActionStatus": "waiting-to-start", "UpdateActionStatusModifiedDate": cloud.now()}
            caches.updating[group.id] = name
            done.append({**identity, "UpdateActionStatus": "waiting-to-start"})
    for requested in call.params.get("CacheClusterIds") or ():
        identity = {"CacheClusterId": requested, "ServiceUpdateName": name}
        message = "localcloud has cache clusters in replication groups only."
        left.append(_unprocessed(identity, "InvalidParameterValue", message))
    return {"ProcessedUpdateActions": done, "UnprocessedUpdateActions": left}


def _unprocessed(identity: dict[str, Any], kind: str, message: str) -> dict[str, Any]:
    return {**identity, "ErrorType": kind, "ErrorMessage": message}
