"""The heads of omc's record that were kept outside of it, in the audit bucket and in a log group."""

from __future__ import annotations

import json
import re

from omc.aws.gateway import Gateway
from omc.store.audit import Head

_KEY = re.compile(
    r"record/[^/]+/(?P<place>[0-9a-f]{12})/(?P<first>[0-9a-f]{16})/(?P<number>\d{12})-(?P<hash>[0-9a-f]{64})\.json"
)
NEWEST = 10_000
"""Heads of each stream of the log group that are read: the most that one call gives."""


def key_of(environment: str, head: Head) -> str:
    """The object's key says all that the head does, so that a list of keys suffices to compare."""
    return f"record/{environment}/{head.place}/{head.first}/{head.number:012d}-{head.hash}.json"


def bucket_of(aws: Gateway) -> tuple[str, str]:
    """The audit bucket's name, and the account that it has to belong to."""
    account = aws.environment.account or str(aws.client("sts").get_caller_identity()["Account"])
    return aws.environment.audit_bucket.replace("{account}", account), account


def heads_in_bucket(aws: Gateway) -> list[Head]:
    bucket, account = bucket_of(aws)
    pages = (
        aws.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=bucket, Prefix=f"record/{aws.environment.name}/", ExpectedBucketOwner=account)
    )
    found = (_KEY.fullmatch(entry["Key"]) for page in pages for entry in page.get("Contents", []))
    where = f"s3://{bucket}"
    return [Head(key["place"], key["first"], int(key["number"]), key["hash"], where) for key in found if key]


def heads_in_log_group(aws: Gateway) -> list[Head]:
    """Of the newest ten thousand events of each record that was ever kept from here; what isn't one of ours is passed
    over. A log group takes what it has already: a head that a run and the worker both wrote is one."""
    logs, group = aws.client("logs"), aws.environment.record_log_group
    streams = [
        stream["logStreamName"]
        for page in logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
        for stream in page["logStreams"]
    ]
    events = (
        event
        for stream in streams
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream, limit=NEWEST, startFromHead=False)[
            "events"
        ]
    )
    found = (_head(event.get("message", ""), f"log group {group}") for event in events)
    return list(dict.fromkeys(head for head in found if head is not None))


def _head(message: str, where: str) -> Head | None:
    try:
        payload = json.loads(message)
        return Head(str(payload["place"]), str(payload["first"]), int(payload["event"]), str(payload["hash"]), where)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
