"""GitHub as far as omc asks it: the variables of a job, and an API that confirms it and knows who reviewed it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.http_server import serving

TOKEN = "ghp_test"


def job_of(who: str, api: str, **changed: str) -> dict[str, str]:
    """The variables of a job of GitHub's that this person started; the run's number is the person's name."""
    job = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": who,
        "GITHUB_TRIGGERING_ACTOR": who,
        "GITHUB_API_URL": api,
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": str(int.from_bytes(who.encode(), "big")),
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_TOKEN": "ghs_test",
    }
    return job | {f"GITHUB_{name}": value for name, value in changed.items()}


def review(person: str, state: str = "approved", environment: str = "production", **user: str) -> dict[str, Any]:
    """One review as GitHub has it: no time, no attempt; the environment's times are not the review's."""
    place = {"id": 1, "name": environment, "created_at": "2020-11-23T22:00:40Z", "updated_at": "2030-11-23T22:00:40Z"}
    return {"state": state, "comment": "", "user": {"login": person, "type": "User", **user}, "environments": [place]}


@contextmanager
def github_api(reviews: Any = (), *, answers: int = 200, rerun_by: str = "", **changed: Any) -> Iterator[str]:
    """GitHub's API on loopback: it confirms each run that ``job_of`` names, and knows these reviews.

    ``rerun_by`` started each attempt after the first; ``changed`` is what it says differently of the run; ``answers``
    the status of every answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = self.path.split("/")  # "", repos, o, r, actions, runs, id, attempts, n
            run, requested = int(parts[6]), parts[7]
            person = {"login": run.to_bytes((run.bit_length() + 7) // 8, "big").decode()}
            payload: Any = list(reviews)
            if requested == "attempts":
                payload = {"id": run, "run_attempt": int(parts[8]), "status": "in_progress"}
                payload |= {"repository": {"full_name": "/".join(parts[2:4])}}
                again = {"login": rerun_by} if rerun_by and parts[8] != "1" else person
                payload |= {"actor": person, "triggering_actor": again} | changed
            body = json.dumps(payload).encode()
            self.send_response(answers)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with serving(Handler) as address:
        yield address


# ── Issues ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class IssueTracker:
    """The issues of o/r, as REST API 2022-11-28 has them: pull requests among them, 100 at a time."""

    address: str = ""
    issues: list[dict[str, Any]] = field(default_factory=list)
    said: list[tuple[int, Any, Mapping[str, str]]] = field(default_factory=list)
    """Answers in place of its own: status, body, headers; one to a request."""
    lost: int = 0
    """So many issues are made without an answer: the connection ends."""
    requests: list[str] = field(default_factory=list)

    def add(self, title: str, body: str = "", **more: Any) -> dict[str, Any]:
        number = len(self.issues) + 1
        made = {"number": number, "title": title, "body": body, "state": "open", "state_reason": None}
        made |= {"html_url": f"https://github.com/o/r/issues/{number}", "updated_at": "2099-01-01T00:00:00Z"} | more
        self.issues.append(made)
        return made

    def close(self, number: int, reason: str = "completed") -> None:
        self.issues[number - 1] |= {"state": "closed", "state_reason": reason}

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any, Any] | None:
        """Status, body and headers; None: none at all."""
        self.requests.append(f"{method} {path}")
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}, {}
        if headers.get("x-github-api-version") != "2022-11-28" or not headers.get("user-agent"):
            return 400, {"message": "Bad request"}, {}
        if self.said:
            return self.said.pop(0)
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        _, repos, owner, name, what, *rest = [*parts.path.split("/"), "", ""][:6]
        if (repos, owner, name, what) != ("repos", "o", "r", "issues"):
            return 404, {"message": "Not Found"}, {}
        if method == "POST":
            given = json.loads(body)
            if not given.get("title") or len(given["title"]) > 256 or len(given.get("body", "")) > 65_536:
                return 422, {"message": "Validation Failed"}, {}
            made = self.add(given["title"], given.get("body", ""))
            if self.lost:
                self.lost -= 1
                return None
            return 201, made, {}
        if rest and rest[0]:
            found = [each for each in self.issues if str(each["number"]) == rest[0]]
            return (200, found[0], {}) if found else (404, {"message": "Not Found"}, {})
        shown = [each for each in reversed(self.issues) if each["updated_at"] >= query.get("since", "")]
        shown = [each for each in shown if query.get("state") == "all" or each["state"] == "open"]
        size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
        return 200, shown[(page - 1) * size : page * size], {}


@contextmanager
def issue_tracker() -> Iterator[IssueTracker]:
    tracker = IssueTracker()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = tracker.answer(method, self.path, headers, content)
            if found is None:
                self.close_connection = True
                return
            status, document, more = found
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with serving(Handler) as address:
        tracker.address = address
        yield tracker
