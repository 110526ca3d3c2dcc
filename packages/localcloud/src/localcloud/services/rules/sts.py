"""STS: a role is taken on only where it exists and trusts who asks. moto gives anybody a session of any ARN.

A statement's conditions aren't evaluated, and a web identity's token isn't verified: nobody here has its issuer's keys.
The cloud's own key may take on every role, to look through its eyes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core.cloud import partition_of
from localcloud.core.registry import AwsError, Call, rule
from localcloud.front.identity import own_arn

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@rule("sts", "AssumeRole")
def check_trust(cloud: Cloud, call: Call) -> None:
    arn = call.params["RoleArn"]
    role = _role(cloud, arn)
    is_own = call.principal == own_arn(cloud)
    if role is None or not (is_own or any(_names(who, call) for who in _trusted(role, "sts:AssumeRole", "AWS"))):
        raise AwsError(
            "AccessDenied",
            f"User: {call.principal} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            403,
        )


@rule("sts", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")
def check_federation(cloud: Cloud, call: Call) -> None:
    role = _role(cloud, call.params["RoleArn"])
    if role is None or not any(_trusted(role, f"sts:{call.operation}", "Federated")):
        raise AwsError("AccessDenied", f"Not authorized to perform sts:{call.operation}", 403)


def _role(cloud: Cloud, arn: str) -> Any:
    return next((role for role in cloud.moto("iam", "aws").roles.values() if role.arn == arn), None)


def _trusted(role: Any, action: str, kind: str) -> Iterator[str]:
    """Whom the role's trust policy lets do that, of one kind of principal."""
    document = role.assume_role_policy_document
    held = (json.loads(document) if isinstance(document, str) else document or {}).get("Statement", [])
    for statement in held if isinstance(held, list) else [held]:
        actions = _listed(statement.get("Action"))
        if statement.get("Effect") != "Allow" or not {action.lower(), "sts:*", "*"} & {
            each.lower() for each in actions
        }:
            continue
        principal = statement.get("Principal")
        yield from _listed(principal.get(kind)) if isinstance(principal, Mapping) else _listed(principal)


def _names(who: str, call: Call) -> bool:
    """Whether a principal of a trust policy is the caller: everybody, the account, the user, or the session's role."""
    account = f"arn:{partition_of(call.region)}:iam::{call.account}:root"
    role = call.principal.replace(":sts:", ":iam:").replace(":assumed-role/", ":role/").rpartition("/")[0]
    return who in ("*", call.account, account, call.principal, role)


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [] if value is None else [str(value)]
