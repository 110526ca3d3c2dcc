"""One request to omc's server, and what stood in the way of its answer, in a sentence."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import omc
from omc.errors import (
    BadAnswer,
    BadCredentials,
    Missing,
    OmcError,
    Refused,
    Throttled,
    Unknown,
    Unreachable,
    WrongUse,
)

if TYPE_CHECKING:
    import httpx

SERVER_VARIABLE = "OMC_SERVER"
TOKEN_VARIABLE = "OMC_TOKEN"  # noqa: S105 - its name
CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 40.0
"""Seconds. The server itself answers after 30, be it that it took too long."""
MAX_SECONDS = 60.0
"""For all of an answer."""
MAX_BYTES = 16 << 20
TRIES = 2
"""Of a request that got no answer: a POST has a key, by which it takes effect once."""
NO_ANSWER = frozenset({502, 504})
"""What a load balancer says when the server gave none."""
JSON, CALENDAR = "application/json", "text/calendar"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_TOKEN = re.compile(r"[!-~]+")


def configured() -> Server | None:
    """The server that the shell names; None where it names none. ``WrongUse`` where what it names can't be used."""
    address = os.environ.get(SERVER_VARIABLE, "").strip().rstrip("/")
    if not address:
        return None
    try:
        parts = urlsplit(address)
        is_sound = bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        is_sound = False
    if not is_sound or parts.scheme not in ("https", "http") or "@" in parts.netloc:
        raise WrongUse(f"{SERVER_VARIABLE} is not the address of a server: https://omc.example.com.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise WrongUse(
            f"{SERVER_VARIABLE} is http://{parts.hostname}: anybody on the way could read your token. Use https://."
        )
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not _TOKEN.fullmatch(token):
        raise WrongUse(
            f"{SERVER_VARIABLE} is set and {TOKEN_VARIABLE} is not: give the token of omc token create, or that of "
            f"your identity provider."
            if not token
            else f"{TOKEN_VARIABLE} holds a character that no token has."
        )
    return Server(address, token)


def segment(text: str) -> str:
    """A word that somebody typed as one part of an address, whatever is in it."""
    return quote(text, safe="")


def refuse_server(what: str) -> None:
    """``WrongUse`` where the shell names a server, for what only the store itself can do."""
    if os.environ.get(SERVER_VARIABLE, "").strip():
        raise WrongUse(f"{what} works on the record itself, not through a server: unset {SERVER_VARIABLE} for it.")


@dataclass(frozen=True, slots=True)
class Server:
    """Where it is, and who asks."""

    address: str
    token: str = field(repr=False)

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, accept: str = JSON) -> Any:
        """What it answers, parsed. ``OmcError`` has the server's own sentence, or says what stood in the way."""
        return self._asked("GET", path, query, None, accept)

    def calendar(self, path: str, query: Mapping[str, Any] | None = None) -> bytes:
        """A calendar, as it stands there."""
        found = self._asked("GET", path, query, None, CALENDAR)
        if not isinstance(found, bytes):
            raise self.strange()
        return found

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The same of a request that does something, once, however often it has to be sent."""
        return self.send("POST", path, body)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, accept: str = JSON) -> Any:
        """As ``post``, by another method."""
        return self._asked(method, path, None, body or {}, accept)

    def strange(self) -> BadAnswer:
        """For what was answered and can't be read."""
        return BadAnswer(f"omc's server at {self.address} answered what this omc can't read. Update the older of both.")

    def _asked(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: Mapping[str, Any] | None, accept: str
    ) -> Any:
        import httpx

        key = secrets.token_hex(16)
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": accept,
            "User-Agent": f"omc/{omc.__version__}",
        }
        if body is not None:
            headers["Idempotency-Key"] = key
        timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
        with httpx.Client(base_url=self.address, headers=headers, timeout=timeout, follow_redirects=False) as client:
            for left in reversed(range(TRIES)):
                try:
                    with client.stream(method, path, params=query, json=body) as answer:
                        if answer.status_code in NO_ANSWER and left:
                            continue
                        return self._read(answer)
                except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
                    raise Unreachable(
                        f"omc's server at {self.address} can't be reached: {_reason(error)}. Check {SERVER_VARIABLE}; "
                        "without it omc asks the record itself."
                    ) from error
                except httpx.TimeoutException as error:
                    if not left:
                        raise Unknown(self._no_answer("did not answer in time", method)) from error
                except (httpx.TransportError, httpx.DecodingError) as error:
                    if not left:
                        raise Unknown(self._no_answer(f"ended the connection ({_reason(error)})", method)) from error
        raise AssertionError  # the last try returned or raised

    def _no_answer(self, what: str, method: str) -> str:
        doubt = " What you asked for may or may not have been recorded: look before you repeat it."
        return f"omc's server at {self.address} {what}.{'' if method == 'GET' else doubt}"

    def _read(self, answer: httpx.Response) -> Any:
        deadline = time.monotonic() + MAX_SECONDS
        read = b""
        for part in answer.iter_bytes():
            read += part
            if len(read) > MAX_BYTES or time.monotonic() > deadline:
                raise BadAnswer(f"omc's server at {self.address} answered more than could be read.")
        if answer.is_success and answer.headers.get("Content-Type", "").partition(";")[0] == CALENDAR:
            return read
        try:
            found = json.loads(read)
        except (ValueError, RecursionError):
            found = None
        if answer.is_success and found is not None:
            return found
        raise self._error(answer, found)

    def _error(self, answer: httpx.Response, found: Any) -> OmcError:
        status, detail = answer.status_code, found.get("detail") if isinstance(found, dict) else None
        if status == 401:
            return BadCredentials(
                f"omc's server at {self.address} doesn't take the token in {TOKEN_VARIABLE}: "
                f"{detail or 'it gave no reason'} Get another: omc token create."
            )
        if not isinstance(detail, str) or not answer.headers.get("Content-Type", "").startswith("application/problem"):
            return BadAnswer(
                f"What answers at {self.address} is not omc's server: it answered {status}. Check {SERVER_VARIABLE}."
            )
        kinds: Mapping[int, type[OmcError]] = {
            400: WrongUse,
            403: Refused,
            404: Missing,
            409: Refused,
            412: Refused,
            413: WrongUse,
            429: Throttled,
        }
        return kinds.get(status, Unknown)(detail)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
