"""Why there are no usable AWS credentials, and what to type: one sentence for everything that botocore's chain raises.

A provider reads files, runs a program and asks services, and raises whatever those raise; none of it is a bug in omc.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import exceptions as raised

from omc.errors import BadCredentials, NoCredentials, OmcError, Unreachable
from omc.redaction import mask

if TYPE_CHECKING:
    from omc.config import Environment

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
MAX_LENGTH = 200
"""Characters of a text from outside that a sentence takes in."""
MFA_REFUSED = "MultiFactorAuthentication failed"
"""How STS's message begins where the code was wrong or used before."""


@dataclass(slots=True)
class Setup:
    """What credentials were looked for with: the environment, and botocore's session once there is one."""

    environment: Environment
    session: Any = None

    @property
    def named(self) -> str | None:
        """The profile that omc.toml or the shell names."""
        return self.environment.profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")

    @property
    def profile(self) -> str:
        return self.named or "default"

    def profiles(self) -> Mapping[str, Mapping[str, Any]]:
        """All of ~/.aws/config and ~/.aws/credentials; none where they can't be read."""
        try:
            found: Mapping[str, Mapping[str, Any]] = self.session.full_config["profiles"]
            return found
        except Exception:  # noqa: BLE001 - it is asked for in order to word another error
            return {}

    def chain(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The profile and those that it takes its credentials from, by ``source_profile``."""
        profiles, name, chain = self.profiles(), self.profile, {}
        while name in profiles and name not in chain:
            chain[name] = profiles[name]
            name = str(profiles[name].get("source_profile", ""))
        return list(chain.items())

    def setting(self, key: str) -> tuple[str, str] | None:
        """The first profile of the chain that has a setting, and the setting."""
        return next(((name, str(config[key])) for name, config in self.chain() if key in config), None)

    def login(self) -> str:
        """What to type to get new credentials."""
        for key, command in (("sso_session", "sso login"), ("sso_start_url", "sso login"), ("login_session", "login")):
            if found := self.setting(key):
                return f"aws {command} --profile {shlex.quote(found[0])}"
        if found := self.setting("credential_process"):
            return f"with {_program(found[1])}, the credential_process of profile {_clean(found[0])}"
        if os.environ.get("AWS_ACCESS_KEY_ID") and not self.environment.profile:
            return "new values for AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
        if self.named:
            return f"aws sso login --profile {shlex.quote(self.named)}, or aws configure --profile {self.named}"
        return "aws configure, or AWS_PROFILE"


def no_credentials(setup: Setup) -> NoCredentials:
    return NoCredentials(f"There are no AWS credentials for {setup.environment.name}. Log in first ({setup.login()}).")


def expired(setup: Setup) -> BadCredentials:
    return BadCredentials(
        f"The AWS credentials for {setup.environment.name} have expired. Log in again ({setup.login()})."
    )


def no_terminal(prompt: str) -> BadCredentials:
    device = _clean(prompt.removeprefix("Enter MFA code for ").rstrip(": "))
    return BadCredentials(
        f"The profile needs a code from the MFA device {device}, but there is no terminal to ask for it. In a "
        "terminal, "
        "type aws sts get-caller-identity with this profile: omc uses that session until it ends. Or give a job a role "
        "that needs no code."
    )


def explain(error: Exception, setup: Setup) -> OmcError:
    """The ``OmcError`` for what was raised while credentials were looked for or renewed."""
    name, network = setup.environment.name, "Check the network, and sso_region or region of the profile"
    if isinstance(error, raised.ClientError):
        return _refused(error, setup)
    if isinstance(error, raised.NoCredentialsError):
        return no_credentials(setup)
    if isinstance(error, raised.SSLError):
        network = "Its certificate is not one that this machine trusts: name its issuers in AWS_CA_BUNDLE"
    if isinstance(error, raised.HTTPClientError | raised.ConnectionError):
        return Unreachable(f"The source of the credentials for {name} can't be reached: {_clean(error)}. {network}.")
    reason, advice = _wrong(error, setup)
    return BadCredentials(f"There are no usable AWS credentials for {name}: {reason}. {advice}.")


def settings_at_fault(error: Exception, service: str, setup: Setup) -> OmcError:
    """The ``OmcError`` for what was raised while a client was made, which asks nothing of AWS."""
    if isinstance(error, raised.ProfileNotFound | raised.ConfigParseError | raised.PartialCredentialsError):
        return explain(error, setup)
    return BadCredentials(
        f"This machine's AWS configuration can't be used for {setup.environment.name} ({service}): {_clean(error)}. "
        f"Look at profile {_clean(setup.profile)} in ~/.aws/config and at the variables AWS_…."
    )


LOGIN = "Log in again ({login})"
CONFIGURATION = "Correct it in ~/.aws/config"
KINDS: Sequence[tuple[tuple[type[Exception], ...], str, str]] = (
    (
        (raised.ConfigParseError, raised.ConfigNotFound),
        "the aws CLI's configuration can't be read: {error}",
        CONFIGURATION,
    ),
    (
        (raised.SSOTokenLoadError, raised.UnauthorizedSSOTokenError, raised.TokenRetrievalError),
        "the login to IAM Identity Center is missing or has expired",
        LOGIN,
    ),
    ((raised.MissingDependencyException,), "{error}", 'Install it: pip install "botocore[crt]"'),
    ((raised.LoginInsufficientPermissions,), "{error}", "Ask for the permission"),
    ((raised.LoginError,), "the session of aws login is missing or has expired", LOGIN),
    ((raised.SSOError,), "{error}", LOGIN),
    (
        (raised.RefreshWithMFAUnsupportedError,),
        "the session that an MFA code was given for has ended",
        "Run the command again, with a new code",
    ),
    ((raised.ParamValidationError,), "STS rejected the settings of profile {profile}: {error}", CONFIGURATION),
    ((raised.InvalidConfigError, raised.UnknownCredentialError), "{error}", CONFIGURATION),
)
"""What botocore raises of its own: what it means, and what to do; first match. ``{error}`` is its own message."""
REST: Sequence[tuple[tuple[type[Exception], ...], str, str]] = (
    ((OSError,), "a file that they are in can't be read: {error}", CONFIGURATION),
    (
        (raised.CredentialRetrievalError, raised.MetadataRetrievalError),
        "the service that gives them to this container or machine failed: {error}",
        "See which role the task or instance has",
    ),
    ((raised.BotoCoreError,), "{error}", CONFIGURATION),
    ((RuntimeError,), "the renewed ones have already expired", LOGIN),
    ((Exception,), "what was read as credentials isn't in AWS's form ({error})", LOGIN),
)
"""The same, once no program and no token file can be what is at fault."""


def _wrong(error: Exception, setup: Setup) -> tuple[str, str]:
    """What is wrong, and what to do; both without a full stop."""
    if isinstance(error, raised.ProfileNotFound):
        return _no_profile(setup)
    if isinstance(error, raised.PartialCredentialsError):
        part = _clean(error.kwargs["cred_var"])
        return f"{'the shell' if part.isupper() else f'profile {_clean(setup.profile)}'} lacks {part}", "Set it"
    filling = {"error": _clean(error), "profile": _clean(setup.profile), "login": setup.login()}
    for classes, reason, advice in KINDS:
        if isinstance(error, classes):
            return reason.format_map(filling), advice.format_map(filling)
    if process := setup.setting("credential_process"):
        return _process(error, *process), LOGIN.format_map(filling)
    token = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") or (setup.setting("web_identity_token_file") or ("", ""))[1]
    if token and isinstance(error, OSError | UnicodeDecodeError):
        reason = f"the web identity token file {_clean(token)} can't be read ({filling['error']})"
        return (
            reason,
            "Name the file that exists: AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file of the profile",
        )
    reason, advice = next((reason, advice) for classes, reason, advice in REST if isinstance(error, classes))
    return reason.format_map(filling), advice.format_map(filling)


def _no_profile(setup: Setup) -> tuple[str, str]:
    there = ", ".join(sorted(setup.profiles())) or "none"
    where = "profile in omc.toml" if setup.environment.profile else "AWS_PROFILE"
    return (
        f"there is no profile {_clean(setup.profile)} in ~/.aws/config (there: {_clean(there)})",
        f"Set {where} to one that exists, or create it: aws configure sso --profile {shlex.quote(setup.profile)}",
    )


def _process(error: Exception, profile: str, command: str) -> str:
    """What is wrong with a ``credential_process``. Of its command line only the program is named."""
    subject = f"the credential_process of profile {_clean(profile)} ({_program(command)})"
    if isinstance(error, OSError):
        return f"{subject} can't be run: {_clean(error.strerror or error)}"
    if isinstance(error, raised.CredentialRetrievalError):
        record: Mapping[str, Any] = error.kwargs
        return f"{subject} failed: {_clean(record['error_msg']) or 'it said nothing'}"
    if isinstance(error, RuntimeError):
        return f"{subject} gave credentials that have expired"
    return f"{subject} printed something that isn't credentials in AWS's form"


def _refused(error: Any, setup: Setup) -> OmcError:
    """A service said no while botocore asked it for credentials."""
    payload = error.response.get("Error", {})
    code, message = str(payload.get("Code") or "Unknown"), _clean(payload.get("Message") or "")
    answer = f"{error.operation_name} was refused: {code}{f', {message}' if message and message != code else ''}"
    name = setup.environment.name
    if message.startswith(MFA_REFUSED):
        return BadCredentials(
            f"AWS did not accept the MFA code for {name}: {answer}. Run the command again, with the next code."
        )
    if code in EXPIRED or code in INVALID:
        return BadCredentials(
            f"The AWS credentials for {name} have expired or are not valid: {answer}. Log in again ({setup.login()})."
        )
    role = setup.setting("role_arn") or setup.setting("sso_role_name") or ("", os.environ.get("AWS_ROLE_ARN", ""))
    return BadCredentials(
        f"AWS gives no credentials{f' of role {_clean(role[1])}' if role[1] else ''} for {name}: {answer}. Check the "
        f"role's name and whom it trusts, or log in as somebody else ({setup.login()})."
    )


def _program(command: str) -> str:
    """The program of a command line, which may hold secrets further on."""
    try:
        return _clean(shlex.split(command)[0])
    except (ValueError, IndexError):
        return "its command line"


def _clean(text: object) -> str:
    """A text from outside as part of a sentence: without secrets, which are looked for in the whole of it, one line, no
    control characters, not too long, no full stop."""
    line = " ".join(mask(str(text)).split())
    line = "".join(character for character in line if character.isprintable())
    return (line[: MAX_LENGTH - 1] + "…" if len(line) > MAX_LENGTH else line).rstrip(".")
