"""GitHub as far as omc asks it: the variables of a job, and an API that confirms it and knows who reviewed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from support.http_server import serving


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
