"""Who can log in to the account with what: IAM's users, their keys and second factors, and root."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.times import in_utc

MOST_USERS = 60
"""Each takes three questions and one for each key."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Of a user; never its secret."""

    id: str
    created: datetime | None
    is_active: bool
    used: datetime | None = None
    """None: never, as far as IAM knows (since April 2015)."""
    used_for: str = ""
    """``ecr in ap-southeast-2``."""


@dataclass(frozen=True, slots=True)
class User:
    """One of IAM's."""

    name: str
    keys: tuple[AccessKey, ...] = ()
    has_password: bool = False
    has_mfa: bool = False
    password_used: datetime | None = None


@dataclass(frozen=True, slots=True)
class Logins:
    """The account's."""

    users: tuple[User, ...] = ()
    more_users: int = 0
    """Users beside, that were not asked about."""
    root_has_keys: bool = False
    root_has_mfa: bool = True
    reading: Reading = NO_READING


@reads_in(3)
def read_logins(aws: Gateway) -> Logins:
    """The users side by side."""
    iam = aws.client("iam")
    summary: Any = iam.get_account_summary()["SummaryMap"]
    listed = [one for page in iam.get_paginator("list_users").paginate() for one in page["Users"]]
    users = parallel_map(lambda one: _user(aws, one), listed[:MOST_USERS])
    return Logins(
        tuple(users),
        max(0, len(listed) - MOST_USERS),
        bool(summary.get("AccountAccessKeysPresent", 0)),
        bool(summary.get("AccountMFAEnabled", 1)),
    )


def _user(aws: Gateway, one: Any) -> User:
    iam, name = aws.client("iam"), one["UserName"]
    try:
        iam.get_login_profile(UserName=name)
        has_password = True
    except NotFound:
        has_password = False
    keys = [key for page in iam.get_paginator("list_access_keys").paginate(UserName=name)
            for key in page["AccessKeyMetadata"]]  # fmt: skip
    return User(
        name,
        tuple(_key(aws, key) for key in keys),
        has_password,
        bool(has_password and iam.list_mfa_devices(UserName=name)["MFADevices"]),
        in_utc(one.get("PasswordLastUsed")),
    )


def _key(aws: Gateway, key: Any) -> AccessKey:
    used: Any = aws.client("iam").get_access_key_last_used(AccessKeyId=key["AccessKeyId"]).get("AccessKeyLastUsed", {})
    at = in_utc(used.get("LastUsedDate"))
    words = f"{used.get('ServiceName')} in {used.get('Region')}" if at else ""
    return AccessKey(key["AccessKeyId"], in_utc(key.get("CreateDate")), key.get("Status") == "Active", at, words)
