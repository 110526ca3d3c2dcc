"""Whether a policy lets in the world or another account, by AWS's pages on Principal and Condition. Pure."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

LIMITS = frozenset(
    {
        *("aws:sourcearn", "aws:sourceaccount", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceip"),
        *("aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn", "aws:userid"),
        *("aws:sourceorgid", "aws:sourceorgpaths", "aws:vpcsourceip", "kms:calleraccount", "kms:viaservice"),
        *("s3:dataaccesspointaccount", "s3:dataaccesspointarn", "sns:endpoint"),
    }
)
"""Keys of a condition that hold the world out where their value names somebody: those that S3's and IAM's pages on
public access count (docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html)."""
DENYING = ("NotEquals", "NotLike", "NotIpAddress", "Null")
ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")


def document(value: Any) -> Mapping[str, Any]:
    """A policy as CloudTrail has it: a JSON text, an object, or nothing that can be read."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def is_open_to_world(policy: Any) -> bool:
    """A statement allows everybody, and no condition holds the world out."""
    return any("*" in set(_principals(one)) and not _is_limited(one) for one in _allowing(policy))


def foreign_accounts(policy: Any, own: str) -> frozenset[str]:
    """Other accounts that a statement lets in."""
    named = {match for one in _allowing(policy) for each in _principals(one) for match in ACCOUNT.findall(each)}
    return frozenset(named - {own})


def is_everything(policy: Any) -> bool:
    """A statement allows every action on everything."""
    return any(
        "*" in _texts(one.get("Action")) and "*" in _texts(one.get("Resource", "*")) for one in _allowing(policy)
    )


def is_world(cidr: str) -> bool:
    """A range that is the internet, or a large part of it: wider than a /8 (IPv6: a /19)."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return False
    return network.prefixlen < (8 if network.version == 4 else 19)


def _allowing(policy: Any) -> Iterator[Mapping[str, Any]]:
    statements = document(policy).get("Statement", [])
    for one in statements if isinstance(statements, list) else [statements]:
        if isinstance(one, Mapping) and one.get("Effect") == "Allow":
            yield one


def _principals(statement: Mapping[str, Any]) -> Iterator[str]:
    if "NotPrincipal" in statement:
        yield "*"
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        for kind, names in principal.items():
            yield from (name for name in _texts(names) if kind in ("AWS", "*"))
    else:
        yield from _texts(principal)


def _is_limited(statement: Mapping[str, Any]) -> bool:
    conditions = statement.get("Condition")
    for operator, tests in (conditions if isinstance(conditions, Mapping) else {}).items():
        if any(word in str(operator) for word in DENYING) or not isinstance(tests, Mapping):
            continue
        for key, values in tests.items():
            if str(key).lower() in LIMITS and all(_holds(str(key).lower(), value) for value in _texts(values)):
                return True
    return False


def _holds(key: str, value: str) -> bool:
    if key in ("aws:sourceip", "aws:vpcsourceip"):
        return not is_world(value)
    return value.strip("*:/?") not in ("", "arn", "arn:aws")


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]
