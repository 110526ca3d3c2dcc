"""S3 Object Lock: a lock is only ever shortened with the right to, and in GOVERNANCE mode. moto takes anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError, Call, rule

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

DENIED = "Access Denied because object protected by object lock."


def _until(key: Any) -> datetime | None:
    """When the version's lock ends; None where it has none."""
    text = getattr(key, "lock_until", None)
    if not text or not getattr(key, "lock_mode", None):
        return None
    moment = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@rule("s3", "PutObjectRetention")
def shorten_no_lock(cloud: Cloud, call: Call) -> None:
    params = call.params
    bucket = cloud.moto("s3", "aws").buckets.get(params.get("Bucket"))
    key: Any = bucket.keys.get(params.get("Key")) if bucket else None
    if bucket and params.get("VersionId"):
        key = next((k for k in bucket.keys.getlist(params["Key"], []) if k.version_id == params["VersionId"]), None)
    held = _until(key)
    retention = params.get("Retention") or {}
    wanted, mode = retention.get("RetainUntilDate"), retention.get("Mode")
    if wanted is not None and _aware(wanted) <= call.at:
        raise AwsError("InvalidArgument", "The retain until date must be in the future!")
    if held is None or held <= call.at:
        return
    if key.lock_mode == "GOVERNANCE" and params.get("BypassGovernanceRetention"):
        return
    shorter = wanted is None or _aware(wanted) < held
    if shorter or (key.lock_mode == "COMPLIANCE" and mode != "COMPLIANCE"):
        raise AwsError("AccessDenied", DENIED, 403)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
