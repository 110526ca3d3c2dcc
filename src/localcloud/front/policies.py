"""What a caller may do: the identity policies of IAM users and roles, as far as this cloud evaluates them.

Evaluated: Allow and Deny, Action and NotAction with wildcards, Resource for S3 (elsewhere the ARN of what a call
touches isn't known here, so a statement's Resource is taken to match, except that a Deny must be on ``*``).
Not evaluated: conditions (a Deny with one is left out), resource policies, boundaries, organisations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError
from localcloud.front.trusted import IAM_PREFIXES

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.core.registry import Call
    from localcloud.front.identity import Caller

S3_ACTIONS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "DeleteObjects": "DeleteObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}


def action_of(service: str, operation: str) -> str:
    """The IAM action of an operation, such as ``elasticloadbalancing:DescribeTargetHealth``."""
    if service == "s3":
        operation = S3_ACTIONS.get(operation, operation)
    return f"{IAM_PREFIXES.get(service, service)}:{operation}"


def check(cloud: Cloud, caller: Caller, call: Call, protocol: str) -> None:
    """Raises AccessDenied, in the service's own words, unless a policy allows the call."""
    action = action_of(call.service, call.operation)
    if caller.kind == "Root" or action in ALWAYS_ALLOWED:
        return
    resource = _s3_resource(call) if call.service == "s3" else "*"
    with cloud.lock:
        held = list(statements(_documents(cloud, caller)))
    verdicts = {statement["Effect"] for statement in held if applies(statement, action, resource)}
    if "Deny" in verdicts:
        raise denied(caller, action, resource, protocol, "with an explicit deny in an identity-based policy")
    if "Allow" not in verdicts:
        because = f"because no identity-based policy allows the {action} action"
        raise denied(caller, action, resource, protocol, because)


def denied(caller: Caller, action: str, resource: str, protocol: str, because: str) -> AwsError:
    message = f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} {because}"
    if protocol == "ec2":
        return AwsError("UnauthorizedOperation", f"You are not authorized to perform this operation. {message}", 403)
    if protocol in ("query", "rest-xml"):
        return AwsError("AccessDenied", message, 403)
    return AwsError("AccessDeniedException", message)


def _documents(cloud: Cloud, caller: Caller) -> Iterator[str]:
    iam = cloud.moto("iam", "aws")
    if caller.kind == "AssumedRole":
        role = next((role for role in iam.roles.values() if role.name == caller.policy_owner), None)
        holders = [role] if role else []
    else:
        user = iam.users.get(caller.policy_owner)
        holders = ([user] if user else []) + list(iam.get_groups_for_user(caller.policy_owner) if user else [])
    for holder in holders:
        yield from (_document(policy) for policy in holder.policies.values())
        yield from (policy.document for policy in holder.managed_policies.values())


def _document(policy: Any) -> str:
    return policy if isinstance(policy, str) else str(getattr(policy, "policy_document", policy))


def statements(documents: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Every statement of some policy documents."""
    for document in documents:
        held = json.loads(document)["Statement"]
        yield from (held if isinstance(held, list) else [held])


def applies(statement: dict[str, Any], action: str, resource: str) -> bool:
    """Whether a statement speaks of this action on this resource (``*``: a resource that isn't known)."""
    if statement["Effect"] == "Deny" and "Condition" in statement:
        return False
    if "NotAction" in statement:
        concerned = not _matches(statement["NotAction"], action.lower(), lower=True)
    else:
        concerned = _matches(statement.get("Action", []), action.lower(), lower=True)
    if not concerned:
        return False
    patterns = statement.get("Resource", "*")
    if resource == "*":
        return statement["Effect"] == "Allow" or "*" in ([patterns] if isinstance(patterns, str) else patterns)
    return _matches(patterns, resource)


def _matches(patterns: str | list[str], value: str, *, lower: bool = False) -> bool:
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        wanted = re.sub(r"\[", "[[]", pattern.lower() if lower else pattern)
        if fnmatchcase(value, wanted):
            return True
    return False


def _s3_resource(call: Call) -> str:
    bucket, key = call.params.get("Bucket"), call.params.get("Key")
    if not bucket:
        return "*"
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
