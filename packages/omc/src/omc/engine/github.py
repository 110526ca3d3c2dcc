"""What GitHub itself says about the job that omc runs in: who started this attempt of it, and who reviewed it.

The ``GITHUB_*`` variables only say where to ask. GitHub holds a job back until somebody whom the environment names has
approved its deployment, and tells who that was; an environment without protection lets the job through, and then
nobody has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omc import github_api
from omc.config.model import Environment
from omc.config.people import People, canonical_name
from omc.config.tables import GitHubSettings
from omc.errors import Refused, Unknown
from omc.store.location import URL_VARIABLE, StoreLocation

NOT_OVER = ("queued", "requested", "waiting", "pending", "in_progress")


@dataclass(frozen=True, slots=True)
class ExternalApproval:
    """An approval that was given, and can be looked at, elsewhere."""

    by: str
    link: str
    known: str = ""
    """Who that is and how it is known."""
    of: str = ""
    """The person, where it isn't simply the name."""


@dataclass(frozen=True, slots=True)
class Job:
    """This job's attempt of its run, as GitHub has it."""

    api: str
    """The run's address in the API."""
    attempt: int
    started_by: str
    """Who started this attempt: who pushed, dispatched, or pressed "Re-run"."""
    link: str


def is_job() -> bool:
    """Whether this says that it is a job of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def named() -> str:
    """Whom the variables name; in a re-run that is whoever pressed the button."""
    return os.environ.get("GITHUB_TRIGGERING_ACTOR") or os.environ.get("GITHUB_ACTOR") or "somebody"


def confirmed(settings: GitHubSettings | None = None) -> Job | str:
    """This job, if GitHub says the same of it as the variables do; else why that isn't known."""
    settings = settings or GitHubSettings()
    wanted = ("TOKEN", "API_URL", "REPOSITORY", "RUN_ID", "RUN_ATTEMPT", "SERVER_URL")
    values = {name: os.environ.get(f"GITHUB_{name}", "") for name in wanted}
    if missing := [f"GITHUB_{name}" for name, value in values.items() if not value]:
        return f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set in this step"
    repository, run, attempt = values["REPOSITORY"], values["RUN_ID"], values["RUN_ATTEMPT"]
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or not re.fullmatch(r"[1-9]\d{0,19}", run):
        return "GITHUB_REPOSITORY or GITHUB_RUN_ID is malformed"
    if not re.fullmatch(r"[1-9]\d{0,5}", attempt):
        return "GITHUB_RUN_ATTEMPT is malformed"
    api = values["API_URL"].rstrip("/")
    if api != (settings.api or "").rstrip("/") and not github_api.OWN.fullmatch(api):
        return "GITHUB_API_URL is not GitHub's own, and omc.toml names no other ([github] api)"
    if settings.repository and canonical_name(settings.repository) != canonical_name(repository):
        return f"it runs for {repository}, and omc.toml says {settings.repository} ([github] repository)"
    if not values["TOKEN"].startswith("ghs_"):
        return "GITHUB_TOKEN is not a job's own token"  # a person's could ask about anybody's run
    address = f"{api}/repos/{repository}/actions/runs/{run}"
    try:
        payload = _get(f"{address}/attempts/{attempt}", values["TOKEN"])
    except Unknown as error:
        return error.message.rstrip(".")
    if problem := _contradiction(payload, repository, int(run), int(attempt)):
        return f"GitHub's answer about the run {run}, attempt {attempt}: {problem}"
    link = f"{values['SERVER_URL']}/{repository}/actions/runs/{run}"
    return Job(address, int(attempt), payload["triggering_actor"]["login"], link)


def _contradiction(payload: Any, repository: str, run: int, attempt: int) -> str:
    """What in GitHub's answer doesn't fit; empty where all does."""
    if not isinstance(payload, Mapping):
        return "it is none"
    if payload.get("id") != run or payload.get("run_attempt") != attempt:
        return "it has another number"
    if canonical_name(str(_in(payload, "repository", "full_name"))) != canonical_name(repository):
        return "it is another repository's"
    if payload.get("status") not in NOT_OVER:
        return "it is over"
    login = _in(payload, "triggering_actor", "login")
    if not isinstance(login, str) or not login:
        return "nobody started it"
    for name, key in (("GITHUB_TRIGGERING_ACTOR", "triggering_actor"), ("GITHUB_ACTOR", "actor")):
        if (here := os.environ.get(name)) and canonical_name(here) != canonical_name(str(_in(payload, key, "login"))):
            return f"{name} is another"
    return ""


def _in(record: Mapping[str, Any], key: str, name: str) -> Any:
    inner = record.get(key)
    return inner.get(name) if isinstance(inner, Mapping) else None


def given_by_reviewers(
    environment: str, people: People | None = None, settings: GitHubSettings | None = None
) -> list[ExternalApproval]:
    """Who approved this attempt of this job for the environment on GitHub. Whoever started it is left out, since nobody
    approves oneself, and so is whoever isn't a person.

    GitHub keeps reviews by run: without a time, and without the attempt that they were for. So in a re-run none of them
    is known to be for it, and none counts. Empty as well where GitHub doesn't confirm the job. Raises ``Unknown`` where
    GitHub can't be asked.
    """
    job = confirmed(settings) if is_job() else ""
    return reviews_of(job, environment, people or People()) if isinstance(job, Job) else []


def reviews_of(job: Job, environment: str, people: People) -> list[ExternalApproval]:
    if job.attempt != 1:
        return []
    reviews = _get(f"{job.api}/approvals", os.environ["GITHUB_TOKEN"])
    found: dict[str, ExternalApproval] = {people.at(job.started_by, "github"): ExternalApproval("", "")}
    for review in reviews if isinstance(reviews, list) else ():
        if not isinstance(review, Mapping) or review.get("state") != "approved":
            continue
        places = [one.get("name") for one in review.get("environments") or () if isinstance(one, Mapping)]
        login = _in(review, "user", "login")
        if environment in places and isinstance(login, str) and _in(review, "user", "type") != "Bot":
            person = people.at(login, "github")
            words = f"GitHub user {login}, reviewer of {environment} on GitHub"
            found.setdefault(person, ExternalApproval(f"github:{login}", job.link, words, person))
    return [provided for provided in found.values() if provided.by]


def reviews_needed(environment: Environment) -> list[ExternalApproval]:
    """The reviews of this job's deployment, before it may change anything. ``Refused`` where nobody gave one.

    Outside of GitHub Actions nobody has to. A lone operator, or a team that approves by ``omc approve``, says
    ``github_review = false``; then those that there are still count.
    """
    needed = environment.approvals.github_review
    if not is_job() or (environment.is_local and not needed):
        return []
    job = confirmed(environment.github)
    if not isinstance(job, Job):
        if not needed:
            return []
        raise Unknown(
            f"It is not known whether anybody approved this change of {environment.name} on GitHub: {job}. Nothing was "
            "changed. The step needs GITHUB_TOKEN and the job `permissions: actions: read`."
        )
    provided = reviews_of(job, environment.name, environment.people)
    if not provided and needed:
        raise Refused(_nobody(job, environment.name))
    return provided


def refuse_fleeting_record(place: StoreLocation, environment: Environment) -> None:
    """``Refused`` where a change of an environment in AWS would be recorded in a folder that goes with this job."""
    if is_job() and place.folder is not None and not environment.is_local:
        raise Refused(
            f"The record of this change of {environment.name} would be in {place}, and would be gone with this "
            "job: nobody "
            f"could approve, resume or roll it back. Nothing was changed. Give the step {URL_VARIABLE} from a secret, "
            "or omc.toml a [store] url: a PostgreSQL that the runner reaches by TLS (sslmode=verify-full)."
        )


def _nobody(job: Job, environment: str) -> str:
    if job.attempt > 1:
        return (
            f"This is attempt {job.attempt} of the run {job.link}, and GitHub doesn't say which attempt a review was "
            "for, so none counts. Nothing was changed. Start a new run of the workflow instead of re-running "
            "this one, or have "
            f"[approvals.{environment}] say github_review = false and approve by omc approve."
        )
    return (
        f"Nobody other than {job.started_by} approved this job's deployment to {environment} on GitHub, so the "
        f"environment let it through. Nothing was changed. Give the environment required reviewers and forbid "
        f"self-review, or let omc.toml say [approvals.{environment}] github_review = false: then high = 1 wants "
        "another person's omc approve, and high = 0 nobody's."
    )


def _get(url: str, token: str) -> Any:
    return github_api.get(url, token, "this job", "the job needs `permissions: actions: read`")
