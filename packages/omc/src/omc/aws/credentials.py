"""The credentials of an environment, found where the aws CLI finds them, once for all gateways of a process.

botocore's own chain finds them, in a session of its own of which nobody else gets a client. So the calls that it makes
for them (to STS, Identity Center, metadata endpoints) are not omc's and don't pass the guard, and no fact can make
them. Sessions that it was given (assumed roles, Identity Center) are kept where the aws CLI keeps them, so that one MFA
code serves both until the session ends.
"""

from __future__ import annotations

import getpass
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials, create_credential_resolver
from botocore.utils import JSONFileCache

from omc.aws.credential_failures import Setup, explain, no_credentials, no_terminal
from omc.aws.models import CREDENTIAL_SERVICES, ModelLoader
from omc.aws.reads import SERVICES
from omc.config import Environment
from omc.errors import OmcError
from omc.progress import note_if_slow

FAILURE_STAYS: Final = 10.0
"""Seconds for which a failure is the answer to everybody who asks: threads that fan out ask within a moment, and a
person is asked for a code once. Later it is tried again, as whoever watches may have logged in meanwhile."""
CALLS: Final = {"mode": "standard", "total_max_attempts": 2}
_PROMPTING = threading.Event()
"""Set while a person is asked for a code: what is waited for stands on the terminal then."""
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 20.0


class SharedCredentials:
    """What every client signs with: found at the first question, renewed in time, by one thread for all of them.

    It is what botocore takes for credentials. Errors are ``OmcError`` with what to type, also while a call is signed.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._found: Credentials | None = None
        self._failure: tuple[float, OmcError] | None = None
        self.setup = Setup(environment)
        """For wording an error: what they were looked for with."""

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        with self._lock:
            if self._failure and time.monotonic() - self._failure[0] < FAILURE_STAYS:
                error = self._failure[1]
                raise type(error)(error.message)
            self._failure = None
            try:
                return self._get()
            except OmcError as error:
                self._found, self._failure = None, (time.monotonic(), error)
                raise

    def _get(self) -> ReadOnlyCredentials:
        try:
            if self._found is not None and not self._is_to_be_renewed(self._found):
                return self._found.get_frozen_credentials()
            with note_if_slow(f"the AWS credentials for {self._environment.name}", unless=_PROMPTING.is_set):
                if self._found is None:
                    self.setup.session = botocore.session.Session(profile=self._environment.profile)
                    _furnish(self.setup.session, self._environment)
                    self._found = self.setup.session.get_credentials()
                if self._found is None:
                    raise no_credentials(self.setup)
                return self._found.get_frozen_credentials()
        except OmcError:
            raise
        except Exception as error:
            # A provider raises whatever reading its file, running its program or reading an answer does.
            raise explain(error, self.setup) from error

    @staticmethod
    def _is_to_be_renewed(found: Credentials) -> bool:
        return isinstance(found, RefreshableCredentials) and found.refresh_needed()

    @property
    def method(self) -> str:
        """Which of botocore's providers found them: ``sso``, ``assume-role`` …"""
        self.get_frozen_credentials()
        return str(getattr(self._found, "method", ""))

    @property
    def access_key(self) -> str:
        return str(self.get_frozen_credentials().access_key)

    @property
    def secret_key(self) -> str:
        return str(self.get_frozen_credentials().secret_key)

    @property
    def token(self) -> str | None:
        token: str | None = self.get_frozen_credentials().token
        return token

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        return lambda: getattr(self, name, None)

    @property
    def account_id(self) -> str | None:
        account: str | None = self.get_frozen_credentials().account_id
        return account


class Chain:
    """What botocore's session asks for credentials: always the shared ones."""

    def __init__(self, credentials: SharedCredentials) -> None:
        self._credentials = credentials

    def load_credentials(self) -> SharedCredentials:
        return self._credentials


_SHARED: dict[tuple[Any, ...], SharedCredentials] = {}
_SHARED_LOCK = threading.Lock()


def shared_credentials(environment: Environment) -> SharedCredentials:
    """The credentials of an environment: the same for whoever asks in this process, as long as the shell's settings
    stay as they are."""
    settings = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    key = (environment.name, environment.profile, environment.region, os.environ.get("HOME"), settings)
    with _SHARED_LOCK:
        return _SHARED.setdefault(key, SharedCredentials(environment))


def _furnish(session: Any, environment: Environment) -> None:
    session.set_config_variable("region", environment.region)  # STS of the region: the token is good in all of them
    session.register_component("data_loader", ModelLoader(SERVICES | CREDENTIAL_SERVICES))
    session.set_default_client_config(
        Config(retries=CALLS, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)  # type: ignore[arg-type]
    )
    chain = create_credential_resolver(session, cache=_cache(), region_name=environment.region)
    chain.get_provider("assume-role")._prompter = ask_for_code  # type: ignore[attr-defined]  # no other way to set it
    session.register_component("credential_provider", chain)


def _cache() -> Any:
    """The aws CLI's own; none on the disk where another endpoint plays AWS, whose sessions nobody else can use."""
    if any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ):
        return {}
    return _CliCache(str(Path.home() / ".aws" / "cli" / "cache"))


class _CliCache(JSONFileCache):
    """Files of one session each, which only the user may read. A damaged one counts as none; a disk that can't be
    written to costs nothing but the next login."""

    def __contains__(self, key: str) -> bool:
        try:
            kept = self[key]["Credentials"]
            return all(isinstance(kept[name], str) for name in ("AccessKeyId", "SecretAccessKey", "Expiration"))
        except (KeyError, TypeError):
            return False

    def __setitem__(self, key: str, value: Any) -> None:
        with suppress(OSError):
            super().__setitem__(key, value)


def ask_for_code(prompt: str) -> str:
    """The MFA code, from the terminal. A job without one is told so, and never asked."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise no_terminal(prompt) from None
    _PROMPTING.set()
    try:
        return getpass.getpass(prompt).strip()
    finally:
        _PROMPTING.clear()
