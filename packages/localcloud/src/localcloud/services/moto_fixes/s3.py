"""S3: bucket policies judged with their conditions.

moto takes every statement as unconditional, so the usual "deny what isn't TLS" would deny everything. This endpoint
counts as TLS: what it carries never leaves the machine.
"""

from __future__ import annotations

from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from localcloud.front.policies import applies, statements


def _permission(bucket: Any, action: str, resource: str) -> PermissionResult:
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    effects = {
        statement["Effect"]
        for statement in statements([bucket.policy.decode()])
        if applies(statement, action, resource)
    }
    if "Deny" in effects:
        return PermissionResult.DENIED
    return PermissionResult.PERMITTED if "Allow" in effects else PermissionResult.NEUTRAL


FakeBucket.get_permission = _permission
