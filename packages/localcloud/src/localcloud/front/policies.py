"""What a caller may do: the identity policies of IAM users and roles, as far as this cloud evaluates them.

Evaluated: Allow and Deny, Action and NotAction, Resource and NotResource with wildcards, where ``resources`` knows what
a call touches. Where it doesn't, a statement's Resource is taken to match, except that a Deny must be on ``*``.
Not evaluated: conditions (a Deny with one is left out), resource policies, boundaries, organisations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError
from localcloud.front.resources import resources_of
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
    if caller.is_own or action in ALWAYS_ALLOWED:
        return
    with cloud.lock:
        held = list(statements(_documents(_holders(cloud, caller))))
        resources = resources_of(cloud, call) or (None,)
    for resource in resources:
        because = _why_not(held, action, resource)
        if because:
            raise denied(caller, action, resource or "*", protocol, because)


def why_role_may_not(cloud: Cloud, role_arn: str, session: str, action: str, resource: str) -> str:
    """What AWS answers a service that takes on a role for this; empty where the role's policies allow it."""
    name = role_arn.rpartition("/")[2]
    with cloud.lock:
        because = _why_not(list(statements(_documents(_roles(cloud, name)))), action, resource)
    if not because:
        return ""
    user = cloud.settings.arn("sts", f"assumed-role/{name}/{session}", is_global=True)
    return f"User: {user} is not authorized to perform: {action} on resource: {resource} {because}"


def decision(held: Iterable[dict[str, Any]], action: str, resource: str | None) -> str:
    """allowed, explicitDeny or implicitDeny, in IAM's own words."""
    verdicts = {statement["Effect"] for statement in held if applies(statement, action, resource)}
    if "Deny" in verdicts:
        return "explicitDeny"
    return "allowed" if "Allow" in verdicts else "implicitDeny"


def held_by(cloud: Cloud, principal: Any) -> list[dict[str, Any]]:
    """Every statement that counts for a user (with its groups), a group or a role."""
    iam = cloud.moto("iam", "aws")
    holders = [principal]
    if iam.users.get(getattr(principal, "name", "")) is principal:
        holders += iam.get_groups_for_user(principal.name)
    return list(statements(_documents(holders)))


def _why_not(held: Iterable[dict[str, Any]], action: str, resource: str | None) -> str:
    verdict = decision(held, action, resource)
    if verdict == "explicitDeny":
        return "with an explicit deny in an identity-based policy"
    return "" if verdict == "allowed" else f"because no identity-based policy allows the {action} action"


def denied(caller: Caller, action: str, resource: str, protocol: str, because: str) -> AwsError:
    message = f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} {because}"
    if protocol == "ec2":
        return AwsError("UnauthorizedOperation", f"You are not authorized to perform this operation. {message}", 403)
    if protocol in ("query", "rest-xml"):
        return AwsError("AccessDenied", message, 403)
    return AwsError("AccessDeniedException", message)


def _roles(cloud: Cloud, name: str) -> list[Any]:
    return [role for role in cloud.moto("iam", "aws").roles.values() if role.name == name]


def _holders(cloud: Cloud, caller: Caller) -> list[Any]:
    """The role, or the user and the user's groups, whose policies count."""
    if caller.kind == "AssumedRole":
        return _roles(cloud, caller.policy_owner)
    iam = cloud.moto("iam", "aws")
    user = iam.users.get(caller.policy_owner)
    return [user, *iam.get_groups_for_user(caller.policy_owner)] if user else []


def _documents(holders: Iterable[Any]) -> Iterator[str]:
    for holder in holders:
        yield from (_document(policy) for policy in holder.policies.values())
        for policy in holder.managed_policies.values():
            yield from (each.document for each in policy.versions if each.version_id == policy.default_version_id)


def _document(policy: Any) -> str:
    return policy if isinstance(policy, str) else str(getattr(policy, "policy_document", policy))


def statements(documents: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Every statement of some policy documents."""
    for document in documents:
        held = json.loads(document)["Statement"]
        yield from (held if isinstance(held, list) else [held])


def applies(statement: dict[str, Any], action: str, resource: str | None) -> bool:
    """Whether a statement speaks of this action on this resource (None: it isn't known)."""
    if statement["Effect"] == "Deny" and "Condition" in statement:
        return False
    if "NotAction" in statement:
        concerned = not _matches(statement["NotAction"], action.lower(), lower=True)
    else:
        concerned = _matches(statement.get("Action", []), action.lower(), lower=True)
    if not concerned:
        return False
    if resource is None:
        return statement["Effect"] == "Allow" or _matches(statement.get("Resource", []), "*")
    if "NotResource" in statement:
        return not _matches(statement["NotResource"], resource)
    return _matches(statement.get("Resource", []), resource)


def _matches(patterns: str | list[str], value: str, *, lower: bool = False) -> bool:
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        wanted = re.sub(r"\[", "[[]", pattern.lower() if lower else pattern)
        if fnmatchcase(value, wanted):
            return True
    return False
