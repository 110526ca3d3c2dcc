"""AWS's errors in plain words: what failed, on what, why, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omc.aws.credential_failures import EXPIRED, INVALID, expired
from omc.aws.permissions import action_for
from omc.errors import (
    AccessDenied,
    AwsRefused,
    BadAnswer,
    BadCredentials,
    NotFound,
    OmcError,
    Throttled,
    Unreachable,
)

if TYPE_CHECKING:
    from omc.aws.credential_failures import Setup
    from omc.config import Environment

DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
        "UnauthorizedException",
        "NotAuthorized",
        "403",
    }
)
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def plain(error: Exception, service: str, operation: str, setup: Setup, endpoint: str | None) -> OmcError:
    """The ``OmcError`` for what botocore raised while asking ``service`` for ``operation``."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    name, environment = f"{service} {operation}", setup.environment
    if isinstance(error, exceptions.ClientError):
        return _refused(error.response, name, service, operation, setup)
    if isinstance(error, exceptions.ReadTimeoutError):
        return Unreachable(f"{name}: {_where(environment, endpoint)} did not answer in time. Try again.")
    if isinstance(error, exceptions.SSLError):
        return Unreachable(
            f"{name}: the certificate of {_where(environment, endpoint)} is not one that this machine trusts "
            "(a proxy in between?). Name its issuers in AWS_CA_BUNDLE."
        )
    if isinstance(error, exceptions.ProxyConnectionError):
        return Unreachable(f"{name}: the proxy can't be reached. Check HTTPS_PROXY and NO_PROXY.")
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return unreachable(environment, endpoint)
    if isinstance(error, ResponseParserError | exceptions.IncompleteReadError):
        return BadAnswer(
            f"{name}: the answer was cut off or not in AWS's form, so nothing was concluded from it. Try again; "
            "if it keeps happening, look for a proxy in between."
        )
    return AwsRefused(f"{name} failed: {error}.", type(error).__name__)


def unreachable(environment: Environment, endpoint: str | None) -> Unreachable:
    """The same sentence whatever was asked, so that a report can say it once."""
    if environment.is_local:
        return Unreachable(f"The local cloud does not answer at {endpoint}. Start it: omc local up")
    return Unreachable(
        f"{_where(environment, endpoint)} can't be reached. Check the network, and the region in omc.toml."
    )


def _where(environment: Environment, endpoint: str | None) -> str:
    return endpoint or f"AWS in {environment.region}"


def _refused(response: Mapping[str, Any], name: str, service: str, operation: str, setup: Setup) -> OmcError:
    payload = response.get("Error", {})
    code, message = str(payload.get("Code") or "Unknown"), str(payload.get("Message") or "").strip().rstrip(".")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in EXPIRED:
        return expired(setup)
    if code in INVALID:
        return BadCredentials(
            f"AWS does not accept the credentials for {setup.environment.name} ({code}). Log in again "
            f"({setup.login()}); or check the profile, the region and this machine's clock."
        )
    if code in DENIED:
        action = action_for(service, operation, message)
        return AccessDenied(
            f"{name} is not allowed: the credentials lack {action}. Add it to the role, or use another role.", action
        )
    if code in THROTTLED:
        return Throttled(f"{name}: AWS answered that there are too many requests ({code}), several times. Try again.")
    if status >= 500:
        return Unreachable(
            f"{name}: AWS failed with {status} {code}, several times. Try again; see the AWS status page."
        )
    sentence = f"{name} was refused: {code}{f', {message}' if message and message != code else ''}."
    if "NotFound" in code or "NonExistent" in code or code.startswith("NoSuch"):
        return NotFound(sentence, code)
    return AwsRefused(sentence, code)
