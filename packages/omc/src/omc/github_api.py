"""GitHub's API: whose address it may be, and one GET with a token, which goes to nobody else and into no message."""

from __future__ import annotations

import json
import os
import re
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import omc
from omc.errors import Unknown

TIMEOUT = 10.0
OWN = re.compile(r"https://api\.(github\.com|[a-z0-9-]+\.ghe\.com)")
PUBLIC = "https://api.github.com"
TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
"""Variables in which people and jobs have a token, as GitHub's own command line takes them."""


class Missing(Unknown):
    """GitHub answered 404: there is no such thing, or the token may not see it."""


def token() -> str:
    """The shell's token; empty where it has none."""
    return next((value for name in TOKENS if (value := os.environ.get(name))), "")


def address(configured: str | None) -> str:
    """Of the API: omc.toml's, else a job's own where it is GitHub's, else github.com's."""
    here = os.environ.get("GITHUB_API_URL", "").rstrip("/")
    return (configured or "").rstrip("/") or (here if OWN.fullmatch(here) else PUBLIC)


def get(url: str, token: str, about: str, needs: str) -> Any:
    """What GitHub answers, parsed. ``about`` and ``needs`` are for messages: ``this job``, the permission that it
    takes. Raises ``Missing``, or ``Unknown`` for all else."""
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
    connection = None
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(1_000_000)
        if answer.status != 200:
            problem = Missing if answer.status == 404 else Unknown
            raise problem(f"GitHub answered {answer.status} {answer.reason} when asked about {about}; {needs}.")
        return json.loads(body)
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise Unknown(f"GitHub can't be asked about {about} ({error}).") from error
    finally:
        if connection is not None:
            connection.close()
