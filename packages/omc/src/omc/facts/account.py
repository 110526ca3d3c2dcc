"""Who the credentials are, in which account, and how far AWS's clock is from this machine's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.errors import AccessDenied, BadAnswer, OmcError
from omc.facts.collector import NO_READING, Reading, reads

HOME = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""Where a partition keeps IAM, if not in us-east-1."""
_PERMISSION_SET = re.compile(r"AWSReservedSSO_.+_[0-9a-f]{16}")
PERMISSION_SETS = "/aws-reserved/sso.amazonaws.com/"
"""The path of the roles that IAM Identity Center makes for permission sets, some with a region below it. Only AWS makes
and changes roles there; AWS promises nothing about the names alone. Source: Identity Center's user guide, "Referencing
permission sets" and "Using service-linked roles"."""


@dataclass(frozen=True, slots=True)
class Caller:
    """As STS has it."""

    arn: str
    account: str
    is_permission_set: bool = False
    """Whether the role is one of IAM Identity Center's, which names a session after the user who signed in."""
    doubt: str = ""
    """Why a role that is named like one isn't taken for one."""
    reading: Reading = NO_READING

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1] if self.arn.count(":") >= 5 else "aws"

    @property
    def kind(self) -> str:
        """assumed-role, user, federated-user or root; empty where the ARN is none."""
        return self.arn.split(":", 5)[5].partition("/")[0] if self.arn.count(":") >= 5 else ""

    @property
    def name(self) -> str:
        """Of the role or the user."""
        parts = self.arn.rpartition(":")[2].split("/")
        return parts[1] if self.kind == "assumed-role" and len(parts) > 1 else parts[-1]

    @property
    def home(self) -> str:
        """The region of IAM's own endpoint, as conditions on ``aws:RequestedRegion`` see it."""
        return HOME.get(self.partition, "us-east-1")


@dataclass(frozen=True, slots=True)
class AwsClock:
    """AWS's clock beside ours."""

    ahead_seconds: float | None
    """How far AWS's clock is ahead of this machine's, to about a second; None where the answer had no date."""
    reading: Reading = NO_READING


@reads
def read_caller(aws: Gateway) -> Caller:
    answer = aws.client("sts").get_caller_identity()
    caller = Caller(answer["Arn"], answer["Account"])
    is_one, doubt = _is_permission_set(aws, caller)
    return Caller(caller.arn, caller.account, is_one, doubt)


def _is_permission_set(aws: Gateway, caller: Caller) -> tuple[bool, str]:
    """By its path, which the ARN of a session lacks: whoever may make roles may give one a name like Identity Center's.
    A role's name is there once in an account, whatever its path."""
    if caller.kind != "assumed-role" or not _PERMISSION_SET.fullmatch(caller.name):
        return False, ""
    iam = aws.client("iam")
    try:
        try:
            path = str(iam.get_role(RoleName=caller.name)["Role"]["Path"])
        except AccessDenied:  # AWS's own PowerUserAccess may list roles and not look at one
            pages = iam.get_paginator("list_roles").paginate(PathPrefix=PERMISSION_SETS)
            names = {role["RoleName"]: role["Path"] for page in pages for role in page["Roles"]}
            path = names.get(caller.name, "/")
    except (OmcError, KeyError, TypeError) as error:
        reason = error.message if isinstance(error, OmcError) else "IAM's answer can't be read"
        return False, f"whether IAM Identity Center made it is not known: {reason.rstrip('.')}"
    if path.startswith(PERMISSION_SETS):
        return True, ""
    return False, f"IAM Identity Center didn't make it: its path is {path}"


@reads
def read_aws_clock(aws: Gateway) -> AwsClock:
    """From the ``Date`` of one answer, compared with the middle of the call."""
    sts = aws.client("sts")  # made before, so that its making isn't timed
    before = datetime.now(UTC)
    answer: Any = sts.get_caller_identity()
    after = datetime.now(UTC)
    payload = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if not payload:
        return AwsClock(None)
    try:
        theirs = parsedate_to_datetime(payload)
    except (TypeError, ValueError) as error:
        raise BadAnswer(f"AWS's answer has no readable date ({payload[:40]}).") from error
    middle = before + (after - before) / 2
    # A date of whole seconds stands, on average, half a second before the moment that it was written.
    return AwsClock((theirs - middle).total_seconds() + 0.5)
