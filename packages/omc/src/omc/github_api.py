"""GitHub's API: whose address it may be, and a request with a token, which goes to nobody else and into no message."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import omc
from omc.errors import Throttled, Unknown

TIMEOUT = 10.0
OWN = re.compile(r"https://api\.(github\.com|[a-z0-9-]+\.ghe\.com)")
PUBLIC = "https://api.github.com"
TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
"""Variables in which people and jobs have a token, as GitHub's own command line takes them."""
MAX_BYTES = 4_000_000
SECONDARY_PAUSE = 60
"""Seconds to wait after a secondary rate limit that doesn't say for how long, as GitHub's "Best practices for using the
REST API" has it."""


class Missing(Unknown):
    """GitHub answered 404: there is no such thing, or the token may not see it."""


class Gone(Unknown):
    """GitHub answered 410: it is switched off, or was deleted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What GitHub said."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes

    @property
    def wait(self) -> int | None:
        """Seconds for which GitHub wants no further request; None where it asks for nothing like that."""
        if self.status not in (403, 429):
            return None
        after = self.headers.get("retry-after", "")
        if after.isdigit():
            return int(after)
        if self.headers.get("x-ratelimit-remaining") == "0":
            return self._until_reset()
        is_secondary = b"secondary rate limit" in self.body.lower()
        return SECONDARY_PAUSE if self.status == 429 or is_secondary else None

    def _until_reset(self) -> int:
        """By GitHub's own clock, which its answer's Date has."""
        reset = self.headers.get("x-ratelimit-reset", "")
        try:
            now = parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except ValueError:
            return SECONDARY_PAUSE
        return max(1, int(int(reset) - now)) if reset.isdigit() else SECONDARY_PAUSE


def token() -> str:
    """The shell's token; empty where it has none."""
    return next((value for name in TOKENS if (value := os.environ.get(name))), "")


def address(configured: str | None) -> str:
    """Of the API: omc.toml's, else a job's own where it is GitHub's, else github.com's."""
    here = os.environ.get("GITHUB_API_URL", "").rstrip("/")
    return (configured or "").rstrip("/") or (here if OWN.fullmatch(here) else PUBLIC)


def get(url: str, token: str, about: str, needs: str) -> Any:
    """What GitHub answers, parsed. ``about`` and ``needs`` are for messages: ``this job``, the permission that it
    takes. Raises ``Missing``, ``Gone``, ``Throttled``, or ``Unknown`` for all else."""
    return _parsed(_asked("GET", url, token, None, about), 200, about, needs)


def post(url: str, token: str, document: Mapping[str, Any], about: str, needs: str) -> Any:
    """The same for what makes something."""
    return _parsed(_asked("POST", url, token, json.dumps(document).encode(), about), 201, about, needs)


def _asked(method: str, url: str, token: str, body: bytes | None, about: str) -> Answer:
    token = token.strip()  # a secret that was pasted often ends in a line break
    if not re.fullmatch(r"[!-~]*", token):  # http.client would say so with all of it
        raise Unknown(f"GitHub can't be asked about {about}: the token holds a character that no token has.")
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "User-Agent": f"omc/{omc.__version__}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection = None
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        received = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, answer.reason, received, answer.read(MAX_BYTES))
    except (OSError, HTTPException, ValueError) as error:
        raise Unknown(f"GitHub can't be asked about {about} ({error}).") from error
    finally:
        if connection is not None:
            connection.close()


def _parsed(answer: Answer, expected: int, about: str, needs: str) -> Any:
    if answer.status != expected:
        if (wait := answer.wait) is not None:
            raise Throttled(
                f"GitHub wants no further request for {wait} s; it was asked about {about}. Try again then."
            )
        problem = {404: Missing, 410: Gone}.get(answer.status, Unknown)
        raise problem(f"GitHub answered {answer.status} {answer.reason} when asked about {about}; {needs}.")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Unknown(f"GitHub can't be asked about {about} ({error}).") from error
