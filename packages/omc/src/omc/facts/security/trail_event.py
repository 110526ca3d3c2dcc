"""One call as CloudTrail recorded it, and who made it: root, a user, a role, another account, AWS itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from omc.facts.trail import caller_of

VERSION = re.compile(r"\d{8}(v\d+)?$")
"""How CloudTrail ends the names of some operations: ``AddPermission20150331v2`` is Lambda's AddPermission."""
SERVICE_SUFFIX = ".amazonaws.com"
TOOLS = frozenset({"signin.amazonaws.com", "cloudformation.amazonaws.com", "cloudshell.amazonaws.com"})
"""Services through which people do things in their own name: the console, CloudFormation. Their ``invokedBy`` takes
nothing away from who did it."""
NOTHING: Mapping[str, Any] = {}


class Kind(StrEnum):
    """Whose credentials made a call."""

    ROOT = "root"
    USER = "user"
    ROLE = "role"
    SERVICE = "service"
    """AWS itself, by itself or for somebody who asked for something else."""
    OTHER = "other"
    """Another account, a federated user, or somebody whom CloudTrail doesn't name."""


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """One call."""

    at: datetime
    service: str
    """``ec2``: its event source without ``.amazonaws.com``."""
    operation: str
    """Without the version that some services put behind it."""
    kind: Kind
    principal: str
    """``root``, ``user ann``, ``role ohmycoins-staging-apply``, ``service ecs``: one for all sessions of a role."""
    who: str
    """The same for people, with the session's name."""
    region: str = ""
    address: str = ""
    agent: str = ""
    error: str = ""
    """AWS's code for why nothing came of it; empty: it succeeded."""
    is_read: bool = False
    account: str = ""
    """Where it happened."""
    caller_account: str = ""
    type: str = ""
    """``AwsApiCall``, ``AwsConsoleSignIn``, ``AwsServiceEvent``."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    """``additionalEventData``: whether a login had a second factor."""
    identity: str = ""
    """``type`` of its ``userIdentity``, as CloudTrail writes it."""
    id: str = ""
    has_mfa: bool = False
    """The session was opened with a second factor."""
    role_arn: str = ""
    """Of a role's session: the role's ARN, by which CloudTrail finds when it was assumed before."""

    @property
    def is_done(self) -> bool:
        return not self.error

    @property
    def is_by_aws(self) -> bool:
        return self.kind is Kind.SERVICE

    def text(self, *names: str) -> str:
        """The first of these parameters that is given, as a text; names count in any case."""
        return text_of(self.parameters, *names)


def event_of(record: Mapping[str, Any]) -> TrailEvent | None:
    """None for a record without a time or an operation, which is none of a call."""
    name, at = record.get("eventName"), _moment(record.get("eventTime"))
    if not name or at is None:
        return None
    identity = _mapping(record.get("userIdentity"))
    kind, principal = principal_of(record)
    session = _mapping(identity.get("sessionContext"))
    issuer = _mapping(session.get("sessionIssuer"))
    return TrailEvent(
        at=at,
        service=str(record.get("eventSource", "")).removesuffix(SERVICE_SUFFIX),
        operation=VERSION.sub("", str(name)),
        kind=kind,
        principal=principal,
        who=caller_of({**record, "userIdentity": identity}) if kind is not Kind.SERVICE else principal,
        region=str(record.get("awsRegion", "")),
        address=str(record.get("sourceIPAddress") or ""),
        agent=str(record.get("userAgent") or ""),
        error=_error(record),
        is_read=bool(record.get("readOnly")),
        account=str(record.get("recipientAccountId") or identity.get("accountId") or ""),
        caller_account=str(identity.get("accountId") or ""),
        type=str(record.get("eventType", "")),
        parameters=_mapping(record.get("requestParameters")),
        answer=_mapping(record.get("responseElements")),
        more=_mapping(record.get("additionalEventData")),
        identity=str(identity.get("type", "")),
        has_mfa=str(_mapping(_mapping(identity.get("sessionContext")).get("attributes")).get("mfaAuthenticated"))
        == "true",
        id=str(record.get("eventID", "")),
        role_arn=str(issuer.get("arn", "")) if kind is Kind.ROLE else "",
    )


def principal_of(record: Mapping[str, Any]) -> tuple[Kind, str]:
    """Whose credentials, and the name that all of that one's calls share.

    A call that AWS makes with root's name for a feature of its own (``invokedBy``, ``AwsServiceEvent``) isn't root's:
    so says the CIS AWS Foundations Benchmark, whose filter for root use excludes both.
    """
    identity = _mapping(record.get("userIdentity"))
    type_, invoked_by = str(identity.get("type", "")), str(identity.get("invokedBy") or "")
    address = str(record.get("sourceIPAddress") or "")  # AWS writes the service's name there
    services = [one for one in (invoked_by, address) if one not in TOOLS and one.endswith(SERVICE_SUFFIX)]
    resource = str(identity.get("arn") or "").rpartition(":")[2]
    issuer = _mapping(_mapping(identity.get("sessionContext")).get("sessionIssuer"))
    is_service = type_ == "AWSService" or bool(services) or invoked_by == "AWS Internal"
    if is_service or (type_ == "Root" and record.get("eventType") == "AwsServiceEvent"):
        service = (services or [invoked_by or str(record.get("eventSource", ""))])[0]
        return Kind.SERVICE, f"service {service.removesuffix(SERVICE_SUFFIX) or 'AWS'}"
    if type_ == "Root" or resource == "root":
        return Kind.ROOT, "root"
    if type_ == "AssumedRole" or resource.startswith("assumed-role/"):
        name = issuer.get("userName") or resource.removeprefix("assumed-role/").partition("/")[0]
        return Kind.ROLE, f"role {name or 'without a name'}"
    if type_ == "IAMUser" or resource.startswith("user/"):
        name = identity.get("userName") or resource.rpartition("/")[2]
        return Kind.USER, f"user {name or 'without a name'}"
    if type_ == "AWSAccount":
        return Kind.OTHER, f"account {identity.get('accountId') or 'without a number'}"
    name = identity.get("userName") or resource.rpartition("/")[2] or identity.get("principalId") or "without a name"
    return Kind.OTHER, f"{type_ or 'caller'} {name}"


def text_of(values: Mapping[str, Any], *names: str) -> str:
    """The first of these names' values as a text; a truth as ``true`` or ``false``."""
    lowered = {str(key).lower(): value for key, value in values.items()}
    for name in names:
        value = lowered.get(name.lower())
        if isinstance(value, bool):
            return str(value).lower()
        if value not in (None, "", [], {}):
            return str(value)
    return ""


def _error(record: Mapping[str, Any]) -> str:
    """Sign-in says in its answer that it failed, without a code."""
    answer = _mapping(record.get("responseElements"))
    if str(answer.get(str(record.get("eventName")), "")).lower() == "failure":
        return str(record.get("errorCode") or record.get("errorMessage") or "Failure")
    return str(record.get("errorCode") or "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else NOTHING


def _moment(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
