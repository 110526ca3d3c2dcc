"""One POST of JSON to a channel, and what its answer comes to: HTTP's part of it, which all channels have in common."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

import omc
from omc.notify.model import Failure, Outcome, Refused, TryAgain

CONNECT_TIMEOUT, READ_TIMEOUT = 3.0, 6.0
"""Seconds. What takes longer than ``limit`` in all is ended by the sender."""
MAX_BYTES = 1 << 20
"""Bytes of an answer that are read."""
MAX_AFTER = 86_400.0
"""Seconds of a Retry-After that are believed."""
BUSY = frozenset({408, 425, 429})
"""Of 4xx, those that say: later."""
FAILURE_OF: Mapping[int, Failure] = {
    401: Failure.RIGHTS,
    403: Failure.RIGHTS,
    407: Failure.RIGHTS,
    404: Failure.ADDRESS,
    410: Failure.ADDRESS,
    408: Failure.TIME,
    429: Failure.RATE,
}
"""What a status says of why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    body: bytes
    after: float | None
    """Retry-After, in seconds."""

    def json(self) -> Mapping[str, Any] | None:
        """The object in it; None where there is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def client() -> httpx.Client:
    """For all channels and threads of a sender: connections are kept, redirects aren't followed, and the environment's
    proxies are used."""
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    return httpx.Client(timeout=timeout, follow_redirects=False, headers={"User-Agent": f"omc/{omc.__version__}"})


def post(
    http: httpx.Client,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    limit: float = 10.0,
    certificate_of: str | None = None,
) -> Answer | Outcome:
    """The answer, or what stood in its way. ``limit``: seconds for reading the answer's body. ``certificate_of``: whose
    certificate it must be, where the URL has an address in place of a name."""
    deadline = time.monotonic() + limit
    read = b""
    extensions = {"sni_hostname": certificate_of} if certificate_of else {}
    headers = {"Content-Type": "application/json", **headers}
    try:
        with http.stream("POST", url, content=body, headers=headers, extensions=extensions) as answer:
            for part in answer.iter_bytes():
                read += part
                if len(read) > MAX_BYTES or time.monotonic() > deadline:
                    break
            return Answer(answer.status_code, read[:MAX_BYTES], retry_after(answer.headers.get("Retry-After")))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        return TryAgain(f"{_host(url)} can't be reached: {_reason(error)}", failure=Failure.UNREACHABLE)
    except httpx.TimeoutException:
        return TryAgain(f"{_host(url)} did not answer in time", may_have_arrived=True, failure=Failure.TIME)
    except httpx.TransportError as error:
        sentence = f"{_host(url)} ended the connection: {_reason(error)}"
        return TryAgain(sentence, may_have_arrived=True, failure=Failure.UNREACHABLE)
    except (httpx.InvalidURL, httpx.DecodingError, ValueError) as error:
        return Refused(f"{_host(url)}: {_reason(error)}", Failure.ADDRESS)


def failure(answer: Answer, who: str, reason: str = "") -> Outcome | None:
    """What an HTTP status other than 2xx comes to; None for a 2xx."""
    if 200 <= answer.status < 300:
        return None
    sentence = f"{who} answered {answer.status}{f' ({reason})' if reason else ''}"
    if answer.status >= 500:
        return TryAgain(sentence, answer.after, may_have_arrived=True, failure=Failure.SERVER)
    why = FAILURE_OF.get(answer.status, Failure.OTHER)
    if answer.status in BUSY:
        return TryAgain(sentence, answer.after, failure=why)
    return Refused(sentence, why)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds, of either form of the header (RFC 9110, 10.2.3); None where it makes no sense."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_AFTER) if math.isfinite(seconds) else None


def _host(url: str) -> str:
    """Of an address only the host is said: the rest of it may be a secret."""
    try:
        return httpx.URL(url).host or "the server"
    except (httpx.InvalidURL, ValueError):
        return "the server"


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
