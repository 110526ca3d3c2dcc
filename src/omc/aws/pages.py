"""What a URL answers: plain HTTP without credentials, recorded like any other reading. Errors are ``Unreachable``.

It speaks HTTP by http.client, since urllib costs 30 ms to import and follows proxies and redirects.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import omc
from omc.aws.calls import Call, record
from omc.errors import Unreachable

if TYPE_CHECKING:
    from http.client import HTTPResponse

Result = TypeVar("Result")

MOST = 1 << 20
"""Bytes of an answer. What is asked for here has a few thousand."""


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
            raise _Unusable(f"answered something else than {digest}")
        return body

    return _get(url, url.partition("?")[0], timeout, verified)


def _is_safe(url: str, endpoint: str | None) -> bool:
    import ipaddress

    if not WELL_FORMED.fullmatch(url):
        return False
    try:
        asked, local = urlsplit(url), urlsplit(endpoint or "")
        if asked.scheme == "https":
            return bool(asked.hostname) and asked.port != 0
        return asked[:2] == local[:2] and ipaddress.ip_address(asked.hostname or "").is_loopback
    except ValueError:
        return False


def _get(url: str, shown: str, timeout: float, understood: Callable[[bytes], Result], *, moved: str = "") -> Result:
    """What ``understood`` makes of the answer's body. It takes no longer than about twice ``timeout`` (seconds)."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    at, began = datetime.now(UTC), time.monotonic()
    problem: str | None = None
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"User-Agent": f"omc/{omc.__version__}"})
        answer = connection.getresponse()
        if answer.status in (301, 302, 303, 307, 308):
            problem = f"redirects to {answer.headers.get('Location', 'nowhere').partition('?')[0]}"
            raise Unreachable(f"{shown} {problem}.{moved}")
        if answer.status != 200:
            raise _Unusable(f"answered {answer.status} {answer.reason}")
        return understood(_body(answer, began + timeout))
    except _Unusable as error:
        problem = str(error)
        raise Unreachable(f"{shown} {problem}.") from error
    except (OSError, HTTPException) as error:
        problem = type(error).__name__
        raise Unreachable(f"{shown} can't be reached ({error}).") from error
    finally:
        connection.close()
        record(Call("http", "GET", {"url": shown}, at, time.monotonic() - began, 1, problem, is_next_page=False))


def _body(answer: HTTPResponse, deadline: float) -> bytes:
    body = b""
    while part := answer.read1(MOST):
        body += part
        if len(body) > MOST:
            raise _Unusable("answered more than 1 MiB")
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
    return body
