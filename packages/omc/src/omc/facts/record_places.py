"""The places outside of omc's record where its head is kept: whether they are there, and locked as they should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AwsRefused
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.record_heads import bucket_of


@dataclass(frozen=True, slots=True)
class RecordBucket:
    """The audit bucket; the log group is among the log groups."""

    wanted: bool
    """omc.toml names one."""
    name: str = ""
    missing: bool = False
    object_lock: bool | None = None
    """Whether objects can be locked in it; None where S3 doesn't tell."""
    holds_heads: bool = False
    """At least one head of this environment's record is there."""
    reading: Reading = NO_READING


@reads
def read_record_bucket(aws: Gateway, environment: Environment) -> RecordBucket:
    """Two calls, one more where omc.toml doesn't give the account."""
    if not environment.audit_bucket:
        return RecordBucket(wanted=False)
    bucket, account = bucket_of(aws)
    s3 = aws.client("s3")
    try:
        payload: Any = s3.get_object_lock_configuration(Bucket=bucket, ExpectedBucketOwner=account)
        response = payload.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled")
        locks: bool | None = response == "Enabled" if response else None
    except AwsRefused as error:
        if error.code == "NoSuchBucket":
            return RecordBucket(wanted=True, name=bucket, missing=True)
        if error.code != "ObjectLockConfigurationNotFoundError":
            raise
        locks = False
    prefix = f"record/{environment.name}/"
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1, ExpectedBucketOwner=account)
    return RecordBucket(True, bucket, object_lock=locks, holds_heads=bool(found.get("Contents")))
