"""Who may do what: the caller, each command's permissions, the roles of GitHub's jobs, the environment's protection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from omc.checks.doctor_finding import finding, listed
from omc.checks.finding import Finding, Level
from omc.checks.runbook import FIRST_DAY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.account import Caller
from omc.facts.github import GitHubTrust, Protection, Repository, RoleTrust
from omc.facts.permissions import Decision, Permissions
from omc.output.text import counted

IMMUTABLE_FROM = datetime(2026, 7, 15, tzinfo=UTC)
"""Repositories made after this day identify themselves by the IDs of owner and repository. Source: GitHub's
documentation, OpenID Connect reference, "Immutable subject claims"."""


@check(
    "identity",
    title="The caller",
    question="Who calls, and is it the account that omc.toml names?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def identity(caller: Caller, environment: Environment) -> Iterator[Finding]:
    where = f"{caller.arn} in account {caller.account}"
    if environment.account and environment.account != caller.account:
        yield finding(
            "identity",
            Level.FAIL,
            "account",
            f"These credentials belong to account {caller.account}, but omc.toml says {environment.account}.",
            caller.reading,
            where,
            do=f"Use credentials of {environment.account}",
        )
        return
    level, sentence, do = Level.OK, f"The caller is {caller.name or caller.arn}.", ""
    if caller.kind == "root" and not environment.is_local:
        level, sentence = Level.FAIL, "The caller is the account's root user, which no policy restricts."
        do = "Sign in through IAM Identity Center, or assume a role"
    elif caller.kind == "assumed-role" and not caller.is_permission_set:
        level, do = Level.WARN, "Sign in through IAM Identity Center where people approve changes"
        sentence = (
            f"The caller is the role {caller.name}: its session's name doesn't identify a person, so the role "
            "counts as one person."
        )
        if caller.doubt:
            sentence += f" It is named like one of IAM Identity Center's, but {caller.doubt}."
    elif caller.kind == "federated-user":
        level, sentence = Level.WARN, "The caller is a federated user, whose name doesn't identify a person."
        do = "Sign in through IAM Identity Center where people approve changes"
    yield finding("identity", level, "caller", sentence, caller.reading, where, do=do)
    if not environment.account and not environment.is_local:
        yield finding(
            "identity",
            Level.WARN,
            "account",
            f"omc.toml names no account for {environment.name}, so any would be accepted.",
            caller.reading,
            where,
            do=f'Write account = "{caller.account}" into [environments.{environment.name}]',
        )


@check(
    "permissions",
    title="Every command",
    question="May the caller make every call that each command makes?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def permissions(permissions: Permissions) -> Iterator[Finding]:
    if permissions.unknown:
        yield finding(
            "permissions",
            Level.UNKNOWN,
            "every command",
            permissions.unknown,
            permissions.reading,
            do="Grant the caller iam:SimulatePrincipalPolicy and iam:GetRole, or ask somebody who has them",
            action=permissions.missing_action,
        )
        return
    if permissions.unrestricted:
        sentence = "The root user may do everything, so nothing was simulated."
        yield finding("permissions", Level.OK, "every command", sentence, permissions.reading, permissions.principal)
        return
    for command, decisions in permissions.of.items():
        yield _of_command(command, decisions, permissions)


def _of_command(command: str, decisions: tuple[Decision, ...], permissions: Permissions) -> Finding:
    subject, reading = f"omc {command}", permissions.reading
    denied = [one for one in decisions if one.decision != "allowed"]
    certain = [one for one in denied if one.decision == "explicitDeny" or not one.missing_context]
    open_ones = [one for one in denied if one not in certain]
    unanswered = permissions.unanswered.get(command, ())
    evidence = [_words(one) for one in (*certain, *open_ones)]
    if certain:
        names = tuple(dict.fromkeys(one.action for one in certain))
        return finding(
            "permissions",
            Level.FAIL,
            subject,
            f"The caller lacks {listed(names)}.",
            reading,
            *evidence,
            do=f"Grant {listed(names)} to {permissions.principal.rpartition('/')[2]}",
            action=names[0],
        )
    if open_ones or unanswered or not decisions:
        keys = sorted({key for one in open_ones for key in one.missing_context})
        why = f"depends on {listed(keys)}" if keys else f"was not answered for {listed(unanswered) or 'any action'}"
        return finding(
            "permissions",
            Level.UNKNOWN,
            subject,
            f"Whether it is allowed {why}.",
            reading,
            *evidence,
            do="Run the command with --dry-run, which says what is refused",
        )
    actions = {one.action for one in decisions}
    return finding(
        "permissions",
        Level.OK,
        subject,
        f"All {counted(len(actions), 'action')} that it needs are allowed.",
        reading,
        f"simulated for {permissions.principal}; resource, session and endpoint policies are not in it",
    )


def _words(one: Decision) -> str:
    why = "denied by a policy" if one.decision == "explicitDeny" else "allowed by none"
    why = (
        "denied by the organisation"
        if one.by_organisation
        else "outside the permissions boundary"
        if one.by_boundary
        else why
    )
    unknown = f"; the simulation lacked {listed(one.missing_context)}" if one.missing_context else ""
    return f"{one.action} on {one.resource}: {why}{unknown}"


@check(
    "oidc-trust",
    title="GitHub's roles",
    question="Do the roles of GitHub's jobs trust this repository's jobs, and nobody else's?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def oidc_trust(trust: GitHubTrust, repository: Repository, environment: Environment) -> Iterator[Finding]:
    if environment.is_local:
        sentence = "GitHub doesn't deploy to a local cloud, so there is no role to check."
        yield finding("oidc-trust", Level.OK, "GitHub's roles", sentence, trust.reading)
        return
    if not environment.has_terraform and all(role.missing for role in trust.roles):
        sentence = "omc's Terraform makes roles for GitHub's jobs; there are none of it here."
        yield finding("oidc-trust", Level.OK, "GitHub's roles", sentence, trust.reading)
        return
    if repository.configured and repository.remote and repository.configured.lower() != repository.remote.lower():
        yield finding(
            "oidc-trust",
            Level.WARN,
            "repository",
            f"omc.toml says {repository.configured}, but the checkout's origin is {repository.remote}.",
            repository.reading,
            do="Set [github] repository in omc.toml to the repository whose jobs deploy",
        )
    for role in trust.roles:
        level, sentence, do = _trusted(role, trust, repository, environment)
        yield finding(
            "oidc-trust",
            level,
            f"role {role.name}",
            sentence,
            trust.reading,
            *(f"trusts {subject}" for subject in (*role.subjects, *role.patterns)),
            *([_of_repository(repository)] if repository.name else []),
            do=do,
        )


def _of_repository(repository: Repository) -> str:
    if repository.id is None:
        return f"{repository.name}; its IDs are unknown: {repository.unknown or 'GitHub did not give them'}"
    made = f", made {repository.created:%Y-%m-%d}" if repository.created else ""
    return (
        f"{repository.full_name or repository.name} is repository {repository.id} of owner {repository.owner_id}{made}"
    )


def _trusted(
    role: RoleTrust, trust: GitHubTrust, repository: Repository, environment: Environment
) -> tuple[Level, str, str]:
    again = "Apply infrastructure/terraform/bootstrap again with github_owner_id and github_repository_id"
    if role.missing:
        return (
            Level.FAIL,
            "It does not exist, so no job can deploy.",
            "Apply infrastructure/terraform/bootstrap in this account",
        )
    if role.open or role.patterns:
        what = "every repository on GitHub" if role.open else f"whatever fits {listed(role.patterns)}"
        return Level.FAIL, f"It trusts {what}, not exactly this repository's jobs.", "Trust exact subjects only"
    gone = [arn for arn in role.providers if arn not in trust.providers]
    if gone or not role.providers:
        why = f"trusts {listed(gone)}, which the account doesn't have" if gone else "doesn't trust GitHub at all"
        return Level.FAIL, f"It {why}.", "Apply infrastructure/terraform/bootstrap in this account"
    if role.audiences and not any(audience.startswith("sts.amazonaws.com") for audience in role.audiences):
        return (
            Level.FAIL,
            (f"It requires the audience {listed(role.audiences)}, but jobs ask for sts.amazonaws.com."),
            again,
        )
    if not repository.name:
        return Level.UNKNOWN, f"It is unknown whose jobs it should trust: {repository.unknown}.", _NAME_IT
    return _subjects(role, repository, environment, again)


_NAME_IT = 'Write [github] repository = "owner/name" into omc.toml'


def _subjects(role: RoleTrust, repository: Repository, environment: Environment, again: str) -> tuple[Level, str, str]:
    """Whether a job's subject, in the form that its repository has, is among those trusted."""
    is_apply = role.name.endswith("-apply")
    context = f"environment:{environment.name}" if is_apply else "ref:refs/heads/main"
    name = repository.full_name or repository.name
    owner, _, short = name.partition("/")
    by_name = f"repo:{name}:{context}" in role.subjects
    with_ids = [
        subject
        for subject in role.subjects
        if re.fullmatch(rf"repo:{re.escape(owner)}@\d+/{re.escape(short)}@\d+:{re.escape(context)}", subject)
    ]
    if not by_name and not with_ids:
        return Level.FAIL, f"It trusts no job of {name} ({context}).", again
    if repository.id is not None and repository.owner_id is not None:
        right = f"repo:{owner}@{repository.owner_id}/{short}@{repository.id}:{context}"
        if with_ids and right not in with_ids:
            return Level.FAIL, f"It trusts {listed(with_ids)}, but {name} has other IDs.", again
        if not with_ids and repository.created and repository.created > IMMUTABLE_FROM:
            return (
                Level.FAIL,
                (f"It trusts {name} by name only, but jobs of newer repositories identify themselves by ID."),
                again,
            )
    if by_name and with_ids:
        numbers = "" if repository.id is not None else ", if the IDs are right"
        return Level.OK, f"It trusts jobs of {name}, by name and by ID{numbers}.", ""
    if with_ids and repository.id is not None and repository.created and repository.created > IMMUTABLE_FROM:
        return Level.OK, f"It trusts jobs of {name} by ID.", ""
    form = "by ID" if with_ids else "by name"
    return (
        Level.UNKNOWN,
        f"It trusts jobs of {name} {form} only, and it is unknown which form GitHub sends.",
        "Look in the repository's Settings > Actions > OIDC for the form, or set GH_TOKEN and run this again",
    )


@check(
    "environment-protection",
    title="GitHub's environment",
    question="Does GitHub hold a deployment to this environment until somebody approves it?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def environment_protection(
    protection: Protection, repository: Repository, environment: Environment
) -> Iterator[Finding]:
    subject = f"environment {environment.name}"
    if environment.is_local:
        yield finding(
            "environment-protection",
            Level.OK,
            subject,
            "GitHub doesn't deploy to a local cloud.",
            protection.reading,
        )
        return
    where = repository.name or "the repository"
    if protection.unknown:
        yield finding(
            "environment-protection",
            Level.UNKNOWN,
            subject,
            f"Its protection is unknown: {protection.unknown}.",
            protection.reading,
            do="Set GH_TOKEN, with `actions: read`, and run this again, or look in Settings > Environments",
        )
        return
    if protection.missing:
        yield finding(
            "environment-protection",
            Level.FAIL,
            subject,
            f"{where} has no such environment: the first job creates it, unprotected.",
            protection.reading,
            do=f"Make the environment {environment.name} in Settings > Environments, with required reviewers",
        )
        return
    needed = environment.approvals.github_review
    yield from _rules(protection, subject, needed=needed)


def _rules(protection: Protection, subject: str, *, needed: bool) -> Iterator[Finding]:
    reviewers, wanting = protection.reviewers, Level.FAIL if needed else Level.WARN
    rules: tuple[tuple[str, bool | None, str, str, str], ...] = (
        (
            "required reviewers",
            None if reviewers is None else reviewers > 0,
            f"One of {counted(reviewers or 0, 'reviewer')} has to approve.",
            "Nobody has to approve: every job passes, and omc then refuses the change.",
            "Give the environment required reviewers, or set github_review = false in omc.toml and use omc approve",
        ),
        (
            "self-review",
            protection.prevents_self_review if reviewers else True,
            "Whoever started a job can't approve it."
            if reviewers
            else "No review is required, so nobody can give one to themselves.",
            "Whoever started a job may approve it: GitHub lets it pass, and omc then refuses the change.",
            'Turn on "Prevent self-review"',
        ),
        (
            "administrators",
            None if protection.admins_bypass is None else not protection.admins_bypass,
            "Administrators can't bypass the rules.",
            "Administrators may bypass the rules.",
            'Turn off "Allow administrators to bypass configured protection rules"',
        ),
        (
            "branches",
            protection.restricts_branches,
            "Only chosen branches may deploy.",
            "Any branch may deploy: a workflow that was changed there gets the apply role.",
            "Let only main deploy (Deployment branches and tags)",
        ),
    )
    for what, holds, good, bad, do in rules:
        level = (
            Level.UNKNOWN
            if holds is None
            else Level.OK
            if holds
            else wanting
            if what != "administrators"
            else Level.WARN
        )
        sentence = good if holds else bad if holds is False else f"GitHub's answer doesn't say it ({what})."
        yield finding(
            "environment-protection",
            level,
            f"{subject}, {what}",
            sentence,
            protection.reading,
            do=do if holds is False else "Look in Settings > Environments",
        )
