"""Issues on GitHub: reading those of a repository, and making one that is found again by its marker.

The marker is in the issue's body, as a comment that GitHub doesn't show. Issues are found by listing those that changed
since, not by GitHub's search, which lags behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from omc import github_api
from omc.config.tables import GitHubSettings
from omc.errors import Unknown, WrongUse

PAGE, MAX_PAGES = 100, 50
CLOCKS_APART = timedelta(hours=1)
"""GitHub's clock and the store's may differ by that."""
NEEDS = "the token needs `issues: write` on that repository"
NOT_PLANNED = ("not_planned", "duplicate")
"""Why an issue was closed without being done, as GitHub's ``state_reason`` has it."""
_LINK = re.compile(r"https?://[^/\s]+/(?P<repository>[\w.-]+/[\w.-]+)/issues/(?P<number>[1-9]\d{0,9})")


@dataclass(frozen=True, slots=True)
class Issue:
    link: str
    is_closed: bool
    is_dropped: bool
    """Closed, and not because it was done."""
    marker: str
    """What ``marked`` put into it; empty where it has none."""


@dataclass(frozen=True, slots=True)
class Issues:
    """Those of one repository."""

    api: str
    repository: str
    token: str = field(repr=False)

    def since(self, at: datetime) -> Iterator[Issue]:
        """Those that were made or changed since then. ``Unknown`` where there are too many to be sure."""
        begin = (at - CLOCKS_APART).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for page in range(1, MAX_PAGES + 1):
            query = urlencode({"state": "all", "since": begin, "per_page": PAGE, "page": page})
            found = self._get(f"?{query}")
            if not isinstance(found, list):
                raise _strange(self.repository)
            yield from (self._read(each) for each in found if "pull_request" not in each)
            if len(found) < PAGE:
                return
        raise Unknown(
            f"More than {PAGE * MAX_PAGES} issues of {self.repository} changed since {begin}, so it isn't known "
            "whether this one is there. Nothing was made."
        )

    def numbered(self, number: int) -> Issue:
        return self._read(self._get(f"/{number}"))

    def make(self, title: str, body: str, marker: str) -> Issue:
        """A new one."""
        about = f"a new issue of {self.repository}"
        document = {"title": title, "body": f"{body}\n\n{marked(marker)}"}
        try:
            return self._read(github_api.post(self._url(""), self.token, document, about, NEEDS))
        except github_api.Gone as error:
            raise Unknown(f"{self.repository} has its issues switched off. Nothing was made.") from error

    def number_of(self, link: str | None) -> int | None:
        """Which of this repository's issues a link is to; None for any other link."""
        found = _LINK.fullmatch(link or "")
        if found is None or found["repository"].lower() != self.repository.lower():
            return None
        return int(found["number"])

    def _get(self, path: str) -> Any:
        return github_api.get(self._url(path), self.token, f"issues of {self.repository}", NEEDS)

    def _url(self, path: str) -> str:
        return f"{self.api}/repos/{self.repository}/issues{path}"

    def _read(self, document: Any) -> Issue:
        try:
            reason, body = document.get("state_reason"), str(document.get("body") or "")
            marker = _MARKER.search(body)
            is_closed = document["state"] == "closed"
            return Issue(
                str(document["html_url"]),
                is_closed,
                is_closed and reason in NOT_PLANNED,
                marker["what"] if marker else "",
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise _strange(self.repository) from error


_MARKER = re.compile(r"<!-- omc:(?P<what>[a-z0-9 /._-]{1,200}) -->\s*\Z")
"""At the end of a body, where no text that somebody wrote can stand."""


def marked(what: str) -> str:
    return f"<!-- omc:{what} -->"


def issues_of(settings: GitHubSettings) -> Issues:
    """Those of ``[github] repository``, with the shell's token. ``WrongUse`` where one of them is missing."""
    if settings.repository is None:
        raise WrongUse('omc.toml says no repository for issues: [github] repository = "owner/name".')
    token = github_api.token()
    if not token:
        raise WrongUse("There is no GH_TOKEN or GITHUB_TOKEN in this shell, so GitHub can't be asked.")
    return Issues(github_api.address(settings.api), settings.repository, token)


def _strange(repository: str) -> Unknown:
    return Unknown(f"GitHub's answer about the issues of {repository} can't be read. Nothing was made.")
