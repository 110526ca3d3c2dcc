"""STS: who am I. Role sessions are moto's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.core.registry import Answer, Call, operation

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@operation("sts", "GetCallerIdentity")
def get_caller_identity(cloud: Cloud, call: Call) -> Answer:
    """The caller's account and ARN; never refused, as in AWS."""
    return {"UserId": call.user_id, "Account": call.account, "Arn": call.principal}
