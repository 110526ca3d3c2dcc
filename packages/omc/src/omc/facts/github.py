"""What GitHub is to this environment: the repository, the roles that its jobs may assume, the environment's protection.

GitHub is asked with the shell's own token (GH_TOKEN, GITHUB_TOKEN), where it has one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from omc import github_api
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound, Unknown
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.project import Project
from omc.infrastructure.reverts import origin_of

ISSUER = "token.actions.githubusercontent.com"
ROLES = ("plan", "apply", "build")
"""What bootstrap makes for GitHub's jobs: ``<prefix>-github-<role>``."""
NO_TOKEN = "GitHub was not asked: there is no GH_TOKEN or GITHUB_TOKEN in this shell"  # noqa: S105 - a sentence
_REMOTE = re.compile(
    r"(?:[\w.+-]+://(?:[^@/]*@)?|[^@/:]+@)(?P<host>[\w.-]+)(?::\d+(?=/))?[:/](?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)


@dataclass(frozen=True, slots=True)
class Repository:
    """Whose jobs deploy this environment."""

    name: str
    """``owner/name``; empty where nothing says it."""
    configured: str
    """As omc.toml's ``[github] repository`` says; else empty."""
    remote: str
    """As the checkout's ``origin`` says, where that is GitHub; else empty."""
    id: int | None = None
    owner_id: int | None = None
    created: datetime | None = None
    full_name: str = ""
    """As GitHub itself writes it."""
    unknown: str = ""
    """Why GitHub's own answer is missing; else empty."""
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class RoleTrust:
    """Whom a role for GitHub's jobs trusts."""

    name: str
    missing: bool = False
    subjects: tuple[str, ...] = ()
    """Exact ones."""
    patterns: tuple[str, ...] = ()
    """Those with wildcards."""
    audiences: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    """ARNs of the OIDC providers that it trusts."""
    open: bool = False
    """A statement trusts GitHub without a condition on the subject: every repository there is."""


@dataclass(frozen=True, slots=True)
class GitHubTrust:
    roles: tuple[RoleTrust, ...]
    providers: tuple[str, ...]
    """OIDC providers of the account, ARNs."""
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class Protection:
    """Of the GitHub environment of the same name. None stands for what GitHub doesn't tell."""

    unknown: str = ""
    """Why nothing is known; else empty."""
    missing: bool = False
    reviewers: int | None = None
    """People and teams of whom one has to approve; 0: nobody has to."""
    prevents_self_review: bool | None = None
    admins_bypass: bool | None = None
    restricts_branches: bool | None = None
    reading: Reading = NO_READING


@reads
def read_repository(environment: Environment, project: Project) -> Repository:
    """omc.toml before the checkout's origin; GitHub's own numbers where it can be asked."""
    configured = environment.github.repository or ""
    remote = named_by(origin_of(Path(project.folder)), environment.github.api)
    name = configured or remote
    if not name:
        return Repository("", "", "", unknown="neither omc.toml nor the checkout's origin names a repository on GitHub")
    token = github_api.token()
    if not token:
        return Repository(name, configured, remote, unknown=NO_TOKEN)
    try:
        payload = github_api.get(
            f"{github_api.address(environment.github.api)}/repos/{name}",
            token,
            name,
            "the token needs `metadata: read`",
        )
        created = datetime.fromisoformat(payload["created_at"]).astimezone(UTC) if payload.get("created_at") else None
        owner = payload.get("owner") or {}
        return Repository(
            name, configured, remote, payload.get("id"), owner.get("id"), created, str(payload.get("full_name") or "")
        )
    except Unknown as error:
        return Repository(name, configured, remote, unknown=error.message.rstrip("."))
    except (KeyError, ValueError, TypeError, AttributeError):
        return Repository(name, configured, remote, unknown="GitHub's answer about the repository can't be read")


def named_by(remote: str, api: str | None) -> str:
    """``owner/name`` of a remote's URL, which may hold a password, so that no more of it is kept. Empty where its host
    isn't GitHub."""
    found = _REMOTE.fullmatch(remote)
    if not found:
        return ""
    host, own = found["host"].lower(), urlsplit(api or "").hostname or ""
    known = host == "github.com" or host.endswith(".ghe.com") or (own and own.removeprefix("api.") == host)
    return found["name"] if known else ""


@reads
def read_github_trust(aws: Gateway, environment: Environment) -> GitHubTrust:
    """A call for each role, and one for the account's OIDC providers. A local cloud has none of it."""
    if environment.is_local:
        return GitHubTrust((), ())
    iam = aws.client("iam")
    listed = [provider["Arn"] for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    names = [f"{environment.prefix}-github-{role}" for role in ROLES]
    return GitHubTrust(tuple(parallel_map(lambda name: _trust(aws, name), names)), tuple(listed))


def _trust(aws: Gateway, name: str) -> RoleTrust:
    try:
        response: Any = aws.client("iam").get_role(RoleName=name)["Role"]
    except NotFound:
        return RoleTrust(name, missing=True)
    document: Any = response["AssumeRolePolicyDocument"]
    return trust_in(name, json.loads(unquote(document)) if isinstance(document, str) else document)


def trust_in(name: str, document: Mapping[str, Any]) -> RoleTrust:
    """What a role's trust policy says of GitHub."""
    exact: list[str] = []
    patterns: list[str] = []
    audiences: list[str] = []
    providers: list[str] = []
    is_open = False
    for statement in _list(document.get("Statement")):
        principal = statement.get("Principal")
        federated = _list(principal.get("Federated")) if isinstance(principal, Mapping) else []
        ours = [arn for arn in federated if str(arn).endswith(ISSUER)]
        if statement.get("Effect") != "Allow" or not ours:
            continue
        providers += ours
        subjects = list(_values(statement, "sub"))
        is_open = is_open or not subjects
        for is_like, value in subjects:
            (patterns if is_like and re.search(r"[*?]", value) else exact).append(value)
        audiences += [value for _, value in _values(statement, "aud")]
    return RoleTrust(
        name,
        subjects=tuple(dict.fromkeys(exact)),
        patterns=tuple(dict.fromkeys(patterns)),
        audiences=tuple(dict.fromkeys(audiences)),
        providers=tuple(dict.fromkeys(providers)),
        open=is_open,
    )


def _values(statement: Mapping[str, Any], claim: str) -> Iterable[tuple[bool, str]]:
    """Whether wildcards count, and a value, of every condition on a claim that wants it."""
    for operator, wanted in (statement.get("Condition") or {}).items():
        base = operator.rpartition(":")[2]
        if base in ("StringEquals", "StringEqualsIgnoreCase", "StringLike") and isinstance(wanted, Mapping):
            for key, values in wanted.items():
                if key.lower() == f"{ISSUER}:{claim}":
                    yield from ((base == "StringLike", str(value)) for value in _list(values))


def _list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


@reads
def read_protection(environment: Environment, repository: Repository) -> Protection:
    """One call to GitHub. A local cloud isn't deployed to from there."""
    token = github_api.token()
    if environment.is_local or not repository.name or not token:
        return Protection(unknown=NO_TOKEN if repository.name else repository.unknown)
    api = github_api.address(environment.github.api)
    url = f"{api}/repos/{repository.name}/environments/{quote(environment.name, safe='')}"
    try:
        payload = github_api.get(
            url, token, f"the environment {environment.name} of {repository.name}", "the token needs `actions: read`"
        )
    except github_api.Missing:
        if repository.id is None:  # it can't see the repository either, so that it says nothing of the environment
            return Protection(unknown=repository.unknown or f"the token may not see {repository.name}")
        return Protection(missing=True)
    except Unknown as error:
        return Protection(unknown=error.message.rstrip("."))
    return protection_in(payload)


def protection_in(payload: Any) -> Protection:
    """What GitHub's answer about an environment comes to; what isn't in it stays None."""
    if not isinstance(payload, Mapping):
        return Protection(unknown="GitHub's answer about the environment can't be read")
    rules = payload.get("protection_rules")
    reviewers: int | None = None
    prevents: bool | None = None
    if isinstance(rules, list):
        reviews = [rule for rule in rules if isinstance(rule, Mapping) and rule.get("type") == "required_reviewers"]
        reviewers = sum(len(rule.get("reviewers") or []) for rule in reviews)
        records = [rule.get("prevent_self_review") for rule in reviews]
        prevents = all(records) if records and None not in records else None
    bypass = payload.get("can_admins_bypass")
    return Protection(
        reviewers=reviewers,
        prevents_self_review=prevents,
        admins_bypass=bypass if isinstance(bypass, bool) else None,
        restricts_branches=payload["deployment_branch_policy"] is not None
        if "deployment_branch_policy" in payload
        else None,
    )
