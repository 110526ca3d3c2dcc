"""Keeping the record's head where the record's owner can't rewrite it: the audit bucket, under a lock, and a log group.

Not a step of a plan: it says nothing of the environment and changes nothing in it. Each write adds, none replaces.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from omc.aws.gateway import Gateway
from omc.errors import AwsRefused, NotFound
from omc.facts.record_heads import bucket_of, key_of
from omc.store.audit import Head

RETENTION = timedelta(days=400)
"""A year and a month: a yearly review still finds every head. The lock is S3's governance mode."""
ALREADY_THERE = "PreconditionFailed"


def keep_in_bucket(aws: Gateway, head: Head, label: str, now: datetime) -> None:
    """An object named by the event and its hash, which nobody without a right of its own may delete before its time.
    Where it is there already, as after a run whose head the worker finds too, no second version is made."""
    bucket, account = bucket_of(aws)
    try:
        aws.client("s3").put_object(
            Bucket=bucket,
            Key=key_of(aws.environment.name, head),
            Body=_text(head, label, now).encode(),
            ContentType="application/json",
            ChecksumAlgorithm="SHA256",
            ObjectLockMode="GOVERNANCE",
            ObjectLockRetainUntilDate=now + RETENTION,
            ExpectedBucketOwner=account,
            IfNoneMatch="*",
        )
    except AwsRefused as error:
        if error.code != ALREADY_THERE:
            raise


def keep_in_log_group(aws: Gateway, head: Head, label: str, now: datetime) -> None:
    """An event more, also where the head is there already: who only writes can't look, and whoever reads takes a head
    that is there twice for one."""
    logs = aws.client("logs")
    group, stream = aws.environment.record_log_group, f"{head.place}-{head.first}"
    event = {"timestamp": int(now.timestamp() * 1000), "message": _text(head, label, now)}
    try:
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])  # type: ignore[list-item]
    except NotFound:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])  # type: ignore[list-item]


def _text(head: Head, label: str, now: datetime) -> str:
    record = {"place": head.place, "store": label, "first": head.first, "event": head.number, "hash": head.hash}
    return json.dumps(record | {"at": now.isoformat(timespec="seconds")})
