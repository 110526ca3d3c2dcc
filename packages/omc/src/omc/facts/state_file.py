"""Terraform's state and its lock, as S3 has them: there, readable, under which key. What is in them isn't read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.model import LOCAL_ROOT
from omc.errors import AwsRefused, NotFound
from omc.facts.account import Caller
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.project import Project
from omc.infrastructure.roots import state_bucket


@dataclass(frozen=True, slots=True)
class StateFile:
    """Of one environment."""

    bucket: str
    key: str
    bucket_missing: bool = False
    written: datetime | None = None
    """None: there is no state, so nothing was ever applied."""
    encryption: str | None = None
    """aws:kms, aws:kms:dsse or AES256; None where S3 doesn't tell."""
    kms_key: str = ""
    bucket_key: str = ""
    """The key that the bucket encrypts with by default; empty: none of the account's own, or S3 doesn't say."""
    versions: str | None = None
    """Enabled, Suspended or empty; None where S3 doesn't tell."""
    locked: datetime | None = None
    """Since when the lock is there."""
    reading: Reading = NO_READING


@reads
def read_state_file(aws: Gateway, environment: Environment, caller: Caller, project: Project) -> StateFile:
    """Four calls: what the bucket holds there, the state's head, the bucket's own encryption and versioning; none where
    there is no Terraform."""
    if not environment.has_terraform:
        return StateFile("", "")
    root = LOCAL_ROOT if environment.is_local else environment.name
    bucket, key = environment.state_in(caller.account)
    if not bucket:  # none for the morning check: Terraform has one all the same
        bucket, key = state_bucket(project.stack, root, caller.account), f"{root}/terraform.tfstate"
    s3, owner = aws.client("s3"), caller.account
    try:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, ExpectedBucketOwner=owner)
    except NotFound:
        return StateFile(bucket, key, bucket_missing=True)
    times = {entry["Key"]: entry["LastModified"].astimezone(UTC) for entry in listed.get("Contents", [])}
    encryption: str | None = None
    kms_key = ""
    if key in times:
        try:
            head: Any = s3.head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=owner)
            encryption, kms_key = head.get("ServerSideEncryption"), head.get("SSEKMSKeyId", "")
        except AwsRefused as error:
            if error.code != "404":  # it went between the two calls
                raise
    return StateFile(
        bucket=bucket,
        key=key,
        written=times.get(key),
        encryption=encryption,
        kms_key=kms_key,
        bucket_key=_bucket_key(aws, bucket, owner),
        versions=str(s3.get_bucket_versioning(Bucket=bucket, ExpectedBucketOwner=owner).get("Status", "")),
        locked=times.get(f"{key}.tflock"),
    )


def _bucket_key(aws: Gateway, bucket: str, owner: str) -> str:
    try:
        response: Any = aws.client("s3").get_bucket_encryption(Bucket=bucket, ExpectedBucketOwner=owner)
    except AwsRefused as error:
        if "NotFound" in error.code:
            return ""
        raise
    rules = response.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    keys = (rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", "") for rule in rules)
    return next((key for key in keys if key), "")
