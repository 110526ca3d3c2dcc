"""Who asks for a change: the person behind the AWS credentials, or in CI the person who started the job."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from omc.aws.gateway import Gateway

_MADE_UP = re.compile(r"botocore-session-\d+|aws-sdk-\w+-\d+|AWSCLI-Session|session\d*|\d+|i-[0-9a-f]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, by a name that is the same whenever it is the same person."""

    name: str
    link: str | None = None
    """Where it can be looked at: a job of GitHub's, or the ARN."""


def actor_of(gateway: Gateway) -> Actor:
    """Who this is. Asks STS, unless a job of GitHub Actions runs this for somebody."""
    if os.environ.get("GITHUB_ACTIONS") == "true" and (person := os.environ.get("GITHUB_ACTOR")):
        parts = [os.environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
        link = f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}" if all(parts) else None
        return Actor(f"github:{person}", link)
    arn = gateway.client("sts").get_caller_identity()["Arn"]
    return Actor(person_in(arn), arn)


def person_in(arn: str) -> str:
    """The person behind a caller's ARN. An assumed role's session is named by the person who logged in; where the
    name was made up by a program, and differs each time, it is whoever may use the role."""
    kind, _, rest = arn.rpartition(":")[2].partition("/")
    if kind == "assumed-role":
        role, _, session = rest.partition("/")
        return f"role/{role}" if not session or _MADE_UP.fullmatch(session) else session
    if kind == "user":
        return rest.rpartition("/")[2]
    return arn
