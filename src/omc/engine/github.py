"""Approvals that the reviewers of a GitHub environment gave to the job that omc runs in.

GitHub holds such a job back until somebody whom the environment names has approved it, and tells who that was. Outside
of GitHub Actions nobody has.
"""

from __future__ import annotations

import json
import os
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import omc
from omc.engine.approvals import Given
from omc.errors import Unknown

TIMEOUT = 10.0


def given_by_reviewers(environment: str) -> list[Given]:
    """Who approved this job for the environment on GitHub; whoever started it left out, since nobody approves oneself.

    Needs ``GITHUB_TOKEN`` with ``actions: read``; without it nobody is known to have. Raises ``Unknown`` where GitHub
    can't be asked.
    """
    wanted = ("GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_SERVER_URL")
    values = {name: os.environ.get(name, "") for name in wanted}
    if os.environ.get("GITHUB_ACTIONS") != "true" or not all(values.values()):
        return []
    run = f"{values['GITHUB_REPOSITORY']}/actions/runs/{values['GITHUB_RUN_ID']}"
    reviews = _get(f"{values['GITHUB_API_URL']}/repos/{run}/approvals", values["GITHUB_TOKEN"])
    people = dict.fromkeys(
        str(review["user"]["login"])
        for review in reviews
        if review.get("state") == "approved"
        and environment in {str(one.get("name")) for one in review.get("environments", ())}
    )
    starter = os.environ.get("GITHUB_ACTOR")
    link = f"{values['GITHUB_SERVER_URL']}/{run}"
    return [Given(by=f"github:{person}", link=link) for person in people if person != starter]


def _get(url: str, token: str) -> Any:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "User-Agent": f"omc/{omc.__version__}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    try:
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(1_000_000)
        if answer.status != 200:
            raise Unknown(
                f"GitHub answered {answer.status} {answer.reason} when asked who approved this job; the job needs "
                "`permissions: actions: read`."
            )
        return json.loads(body)
    except (OSError, HTTPException, ValueError) as error:
        raise Unknown(f"GitHub can't be asked who approved this job ({error}).") from error
    finally:
        connection.close()
