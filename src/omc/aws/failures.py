"""AWS's errors in plain words: what failed, on what, why, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omc.aws.permissions import action_for
from omc.errors import (
    AccessDenied,
    AwsRefused,
    BadAnswer,
    BadCredentials,
    NoCredentials,
    NotFound,
    OmcError,
    Throttled,
    Unreachable,
)

if TYPE_CHECKING:
    from omc.stack import Environment

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
INVALID = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
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


def plain(error: Exception, service: str, operation: str, environment: Environment, endpoint: str | None) -> OmcError:
    """The ``OmcError`` for what botocore raised while asking ``service`` for ``operation``."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    name = f"{service} {operation}"
    if isinstance(error, exceptions.ClientError):
        return _refused(error.response, name, service, operation, environment)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return no_credentials(environment)
    if isinstance(error, exceptions.SSOError | exceptions.TokenRetrievalError | exceptions.CredentialRetrievalError):
        return BadCredentials(f"The AWS credentials for {environment.name} can't be renewed: {error}. Log in again.")
    if isinstance(error, exceptions.ReadTimeoutError):
        return Unreachable(f"{name}: {_where(environment, endpoint)} did not answer in time. Try again.")
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError | exceptions.EndpointConnectionError):
        return unreachable(environment, endpoint)
    if isinstance(error, ResponseParserError | exceptions.IncompleteReadError):
        return BadAnswer(
            f"{name}: the answer was cut off or not in AWS's form, so nothing was concluded from it. Try again; "
            "if it stays, look for a proxy in between."
        )
    return AwsRefused(f"{name} failed: {error}.", type(error).__name__)


def no_credentials(environment: Environment) -> NoCredentials:
    how = f"aws sso login --profile {environment.profile}" if environment.profile else "aws configure, or AWS_PROFILE"
    return NoCredentials(f"There are no AWS credentials for {environment.name}. Log in first ({how}).")


def unreachable(environment: Environment, endpoint: str | None) -> Unreachable:
    """The same sentence whatever was asked, so that a report can say it once."""
    if environment.is_local:
        return Unreachable(f"The local cloud does not answer at {endpoint}. Start it: omc local up")
    return Unreachable(
        f"{_where(environment, endpoint)} can't be reached. Check the network, and the region in omc.toml."
    )


def _where(environment: Environment, endpoint: str | None) -> str:
    return endpoint or f"AWS in {environment.region}"


def _refused(
    response: Mapping[str, Any], name: str, service: str, operation: str, environment: Environment
) -> OmcError:
    said = response.get("Error", {})
    code, message = str(said.get("Code") or "Unknown"), str(said.get("Message") or "").strip().rstrip(".")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in EXPIRED:
        how = f"aws sso login --profile {environment.profile}" if environment.profile else "aws sso login"
        return BadCredentials(f"The AWS credentials for {environment.name} have expired. Log in again ({how}).")
    if code in INVALID:
        return BadCredentials(
            f"AWS does not accept the credentials for {environment.name} ({code}). Check the profile, the region "
            "and this machine's clock."
        )
    if code in DENIED:
        action = action_for(service, operation, message)
        return AccessDenied(
            f"{name} is not allowed: the credentials lack {action}. Add it to the role, or use another.", action
        )
    if code in THROTTLED:
        return Throttled(f"{name}: AWS answered that there are too many requests ({code}), several times. Try again.")
    if status >= 500:
        return Unreachable(
            f"{name}: AWS failed with {status} {code}, several times. Try again; see the AWS status page."
        )
    sentence = f"{name} was refused: {code}{f', {message}' if message and message != code else ''}."
    if "NotFound" in code or code.startswith("NoSuch"):
        return NotFound(sentence, code)
    return AwsRefused(sentence, code)
