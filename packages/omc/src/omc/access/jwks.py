"""The keys of an identity provider: fetched when a token names one that isn't known, within bounds, and kept."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import omc
from omc.access.oidc import SigningKey, keys_of
from omc.config.server_tables import OidcTable
from omc.errors import Unknown

FRESH = 600.0
"""Seconds until keys are fetched again: a key that the provider withdraws is worth something for so long."""
KEPT = 86_400.0
"""Seconds for which known keys are still taken while the provider doesn't answer."""
RETRY_DELAY = 30.0
"""Seconds between two fetches, whatever tokens name: forged ones must not make us ask the provider at their rate."""
TIMEOUT = 5.0
"""Seconds for each phase of a request."""
MAX_SECONDS = 10.0
"""For all of an answer."""
MAX_BYTES = 262_144
PATIENCE = 2.0
"""Seconds for which a request that needs an unknown key waits for another one that fetches."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ProviderKeys:
    """The keys of one provider. Safe to use from many threads: one of them fetches, and the others have what is known
    already."""

    def __init__(
        self,
        settings: OidcTable,
        clock: Callable[[], float] = time.monotonic,
        fetch: Callable[[str], Any] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._fetch = fetch or fetch_json
        self._fetching = threading.Lock()
        self._known: tuple[tuple[SigningKey, ...], float] | None = None
        """The keys, and when they were fetched."""
        self._next = clock()
        self._problem = "they are being fetched"

    def __call__(self, key_id: str | None) -> Sequence[SigningKey]:
        """All keys that are known, fetched where the one that is wanted isn't among them. ``Unknown`` where it can't be
        told which there are."""
        is_known = self._has(key_id)
        if self._is_due(is_known=is_known) and self._fetching.acquire(timeout=0 if is_known else PATIENCE):
            try:
                if self._is_due(is_known=self._has(key_id)):
                    self._refresh()
            finally:
                self._fetching.release()
        elif not is_known and self._fetching.locked():
            raise self._unknown("they are being fetched; try again in some seconds")
        if self._known is None or self._clock() - self._known[1] >= KEPT:
            raise self._unknown(self._problem)
        return self._known[0]

    def _has(self, key_id: str | None) -> bool:
        if self._known is None:
            return False
        return key_id is None or any(each.id in (None, key_id) for each in self._known[0])

    def _is_due(self, *, is_known: bool) -> bool:
        now = self._clock()
        return now >= self._next and not (is_known and self._known is not None and now - self._known[1] < FRESH)

    def _refresh(self) -> None:
        try:
            self._known = keys_of(self._fetch(self._address())), self._clock()
        except (OSError, ValueError, RecursionError) as error:
            self._problem = " ".join(str(error).split())[:200] or type(error).__name__
        self._next = self._clock() + RETRY_DELAY

    def _unknown(self, why: str) -> Unknown:
        return Unknown(
            f"Whether the bearer token is valid isn't known: the keys of {self._settings.issuer} can't be read ({why})."
        )

    def _address(self) -> str:
        if self._settings.jwks_url is not None:
            return self._settings.jwks_url
        issuer = self._settings.issuer
        configuration = self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if not isinstance(configuration, dict) or configuration.get("issuer") != issuer:
            raise ValueError("its configuration is another issuer's")
        address = configuration.get("jwks_uri")
        if not isinstance(address, str) or not is_private(address):
            raise ValueError("its configuration names no keys, or keys that anybody on the way could change")
        return address


def is_private(address: str) -> bool:
    """Whether what comes from there can't be changed on the way: by TLS, or since it never leaves this machine."""
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    except ValueError:
        return False


def fetch_json(address: str) -> Any:
    """The JSON at an address. ``OSError`` or ``ValueError`` say why there is none. Redirects aren't followed."""
    import httpx

    deadline = time.monotonic() + MAX_SECONDS
    body = b""
    headers = {"Accept": "application/json", "User-Agent": f"omc/{omc.__version__}"}
    try:
        with (
            httpx.Client(timeout=TIMEOUT, follow_redirects=False, headers=headers) as client,
            client.stream("GET", address) as answer,
        ):
            if answer.status_code != 200:
                raise ValueError(f"it answered {answer.status_code}")
            for part in answer.iter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise ValueError(f"it answered more than {MAX_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise ValueError(f"its answer took longer than {MAX_SECONDS:g} s")
    except httpx.HTTPError as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    return json.loads(body)
