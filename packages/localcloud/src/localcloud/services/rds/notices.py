"""What RDS tells EventBridge of an instance: "RDS DB Instance Event".

Which event it is says its id, by which AWS documents them; what has no id here is only in DescribeEvents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core.interfaces import EventBus

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

IDS: Mapping[str, str] = {
    "DB instance created": "0005",
    "DB instance deleted": "0003",
    "DB instance shutdown": "0004",
    "DB instance restarted": "0006",
    "DB instance started": "0088",
    "DB instance stopped": "0087",
    "Backing up DB instance": "0001",
    "Finished DB Instance backup": "0002",
    "Multi-AZ instance failover started": "0013",
    "Multi-AZ instance failover completed": "0049",
    "Recovery of the DB instance has started": "0020",
    "Recovery of the DB instance is complete": "0021",
    "Reset master credentials": "0016",
    "The database could not be started": "0031",
    "The free storage capacity for DB instance": "0089",
    "A system update is available": "0230",
}
"""By the beginning of the message. Source: RDS's guide, "Amazon RDS event categories and event messages"."""


def id_of(message: str) -> str | None:
    """``RDS-EVENT-0087`` of the message that a database was stopped."""
    number = next((number for beginning, number in IDS.items() if message.startswith(beginning)), None)
    return f"RDS-EVENT-{number}" if number else None


def instance_event(cloud: Cloud, event: Mapping[str, Any]) -> None:
    """Tell what DescribeEvents shows."""
    event_id = id_of(event["Message"])
    if event_id is None or not cloud.has(EventBus):
        return
    at = event["Date"]
    detail = {
        "EventCategories": event["EventCategories"],
        "SourceType": "DB_INSTANCE",
        "SourceArn": event["SourceArn"],
        "Date": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        "Message": event["Message"],
        "SourceIdentifier": event["SourceIdentifier"],
        "EventID": event_id,
    }
    cloud.part(EventBus).tell("aws.rds", "RDS DB Instance Event", [event["SourceArn"]], detail, at=at)
