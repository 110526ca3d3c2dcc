"""What a URL answers, as what it should be: JSON, or what a digest says. Errors are ``Unreachable``."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from omc.aws.http_get import get
from omc.errors import Unreachable

Result = TypeVar("Result")

WELL_FORMED = re.compile(r"[!-~]+")
"""Other characters would be named in an error, with the URL around them."""


class _Unusable(Exception):
    """The URL answered, but not what was asked for; the message goes on after the URL."""


def get_json(url: str, timeout: float = 5.0) -> Any:
    """The JSON that a page of the environment answers with."""

    def understood(body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError as error:
            raise _Unusable("answered something that is not JSON") from error

    return _get(url, url, timeout, understood, moved=" Set the environment's url in omc.toml to where users go.")


def get_blob(url: str, digest: str, endpoint: str | None = None, timeout: float = 5.0) -> bytes:
    """What a registry's download URL leads to, which must be what ``digest`` (``sha256:…``) says.

    Only https is spoken, except to ``endpoint`` itself where that is a local cloud's on the loopback. Such a URL is a
    right to read, so that its query is neither shown nor recorded.
    """
    if not _is_safe(url, endpoint):
        raise Unreachable(f"The registry's download address for {digest} is not one over https, so it was not asked.")

    def verified(body: bytes) -> bytes:
        if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
            raise _Unusable(f"answered something other than {digest}")
        return body

    return _get(url, url.partition("?")[0], timeout, verified)


def _is_safe(url: str, endpoint: str | None) -> bool:
    import ipaddress

    if not WELL_FORMED.fullmatch(url):
        return False
    try:
        requested, local = urlsplit(url), urlsplit(endpoint or "")
        if requested.scheme == "https":
            return bool(requested.hostname) and requested.port != 0
        return requested[:2] == local[:2] and ipaddress.ip_address(requested.hostname or "").is_loopback
    except ValueError:
        return False


def _get(url: str, shown: str, timeout: float, understood: Callable[[bytes], Result], *, moved: str = "") -> Result:
    """What ``understood`` makes of the answer's body."""
    page = get(url, timeout=timeout, shown=shown)
    if page.status in (301, 302, 303, 307, 308):
        raise Unreachable(f"{shown} redirects to {page.location.partition('?')[0] or 'nowhere'}.{moved}")
    if page.status != 200:
        raise Unreachable(f"{shown} answered {page.status} {page.reason}.")
    if page.is_cut:
        raise Unreachable(f"{shown} answered more than 1 MiB.")
    try:
        return understood(page.body)
    except _Unusable as error:
        raise Unreachable(f"{shown} {error}.") from error
