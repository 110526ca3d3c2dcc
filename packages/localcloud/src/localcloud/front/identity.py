"""Who is calling: the cloud's own key, users' access keys and role sessions, as IAM and STS in moto hold them.

The cloud's own key is that of an IAM user whom nothing restricts and whom IAM doesn't list: in an account in order
nobody is root, and CloudTrail here should look like that of one. What a caller may do is in ``policies``.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.front.protocol import Signature

INVALID_TOKEN = "The security token included in the request is invalid."  # noqa: S105 — a sentence of AWS's
EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Caller:
    arn: str
    user_name: str
    """As CloudTrail shows it: the IAM user's name, or the session's name."""
    user_id: str
    access_key: str
    kind: str
    """``IAMUser``, ``AssumedRole`` or ``Anonymous``."""
    policy_owner: str = ""
    """The IAM user or role whose policies apply."""
    secret: str = field(default="", repr=False)
    """The key's secret, to check the signature with."""
    is_own: bool = False
    """The cloud's own key: nothing restricts it."""


@dataclass(slots=True)
class Identity:
    """The cloud's own access key pair, made with the state folder. All other keys are moto's."""

    access_key_id: str
    secret_access_key: str
    name: str = "identity"

    @property
    def token(self) -> str:
        """What the private pages want; another for each state folder, and the same for its life."""
        return hmac.new(self.secret_access_key.encode(), b"localcloud's private pages", "sha256").hexdigest()

    def start(self, cloud: Cloud) -> None:
        pass

    def dump(self) -> None:
        return None

    def load(self, state: Any) -> None:
        pass

    def stop(self) -> None:
        pass


OWN_USER = "localcloud"
"""The IAM user that the cloud's own key is of."""


def own_arn(cloud: Cloud) -> str:
    return cloud.settings.arn("iam", f"user/{OWN_USER}", is_global=True)


def anonymous(cloud: Cloud) -> Caller:
    arn = cloud.settings.arn("iam", "anonymous", is_global=True)
    return Caller(arn, "anonymous", "ANONYMOUS_PRINCIPAL", "", "Anonymous")


def is_known(cloud: Cloud, scope: Signature | None) -> bool:
    """Whether a key of this cloud is named. Whoever names it need not have its secret."""
    if scope is None:
        return False
    key = scope.access_key
    if key == cloud.part(Identity).access_key_id:
        return True
    with cloud.lock:
        if cloud.moto("sts", "aws").get_assumed_role_from_access_key(key) is not None:
            return True
        users = cloud.moto("iam", "aws").users.values()
        return any(held.access_key_id == key for user in users for held in user.access_keys)


def caller(cloud: Cloud, scope: Signature, service: str, protocol: str) -> Caller:
    """The principal behind an access key. Raises what the service itself raises for unknown and expired keys."""
    from datetime import UTC, datetime

    identity = cloud.part(Identity)
    key = scope.access_key
    if key == identity.access_key_id:
        user_id = f"AIDA{key.removeprefix('AKIA')}"
        return Caller(own_arn(cloud), OWN_USER, user_id, key, "IAMUser", secret=identity.secret_access_key, is_own=True)
    with cloud.lock:
        role = cloud.moto("sts", "aws").get_assumed_role_from_access_key(key)
        if role is not None:
            if role.expiration.replace(tzinfo=UTC) <= datetime.now(UTC):
                raise expired(service, protocol)
            if scope.token != role.session_token:
                raise invalid(service, protocol)
            owner = role.role_arn.split("/")[-1]
            return Caller(role.arn, role.session_name, role.user_id, key, "AssumedRole", owner, role.secret_access_key)
        for user in cloud.moto("iam", "aws").users.values():
            for held in user.access_keys:
                if held.access_key_id == key and held.status == "Active":
                    return Caller(user.arn, user.name, user.id, key, "IAMUser", user.name, held.secret_access_key)
    raise invalid(service, protocol)


def invalid(service: str, protocol: str) -> AwsError:
    if service == "s3":
        return AwsError("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403)
    if protocol == "ec2":
        return AwsError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    if protocol == "query":
        return AwsError("InvalidClientTokenId", INVALID_TOKEN, 403)
    return AwsError("UnrecognizedClientException", INVALID_TOKEN)


def expired(service: str, protocol: str) -> AwsError:
    if service == "s3":
        return AwsError("ExpiredToken", "The provided token has expired.")
    if protocol == "ec2":
        return AwsError("RequestExpired", "Request has expired.")
    if protocol == "query":
        return AwsError("ExpiredToken", EXPIRED_TOKEN, 403)
    return AwsError("ExpiredTokenException", EXPIRED_TOKEN)
