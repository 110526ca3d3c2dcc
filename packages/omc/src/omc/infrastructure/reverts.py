"""A commit reverted on a branch and in a worktree of its own: the user's checkout and main are never touched."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from omc.errors import OmcError, WrongUse


class GitError(OmcError):
    """git said no; the message carries its reason."""


@dataclass(frozen=True, slots=True)
class Revert:
    """Commits that are reverted."""

    repository: Path
    """The user's checkout."""
    folder: Path
    """The worktree."""
    project: Path
    """The folder in the worktree that stands for the checkout's: it holds ``infrastructure/``."""
    branch: str
    commits: tuple[str, ...]
    """What is reverted, one line each: short hash and subject."""


def revert(project: Path, commits: Sequence[str], work: Path) -> Revert:
    """Revert ``commits`` on a new branch that begins at the checkout's commit; without any, the newest one that
    touches ``infrastructure/``.

    Raises ``WrongUse`` where there is no such commit or no repository, ``GitError`` where it doesn't revert cleanly;
    then nothing is left of it.
    """
    try:
        prefix = _git(project, "rev-parse", "--show-prefix").strip()
    except GitError as error:
        raise WrongUse(f"{project} is not a git checkout, so there is nothing to revert: {error.message}") from error
    chosen = [_commit(project, name) for name in commits] or [_newest(project)]
    name = f"revert-infrastructure-{chosen[0][:10]}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    folder = work / "reverts" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    _git(project, "worktree", "add", "--quiet", "-b", name, str(folder), "HEAD")
    done = Revert(
        repository=project,
        folder=folder,
        project=folder / prefix,
        branch=name,
        commits=tuple(_git(project, "log", "-1", "--format=%h %s", commit).strip() for commit in chosen),
    )
    try:
        for commit in chosen:
            is_merge = len(_git(project, "rev-list", "--parents", "-n", "1", commit).split()) > 2
            mainline = ["--mainline", "1"] if is_merge else []
            _git(folder, *_identity(folder), "revert", "--no-edit", *mainline, commit)
    except GitError as error:
        conflicts = _git(folder, "diff", "--name-only", "--diff-filter=U").split()
        drop(done, branch=True)
        where = f"conflicts in {', '.join(conflicts)}" if conflicts else error.message
        raise GitError(
            f"{done.commits[0]} can't be reverted cleanly ({where}): later commits build on it. "
            "Write the change by hand, and apply it with: omc infra plan, omc infra apply"
        ) from error
    except BaseException:
        drop(done, branch=True)
        raise
    return done


def drop(done: Revert, *, branch: bool = False) -> None:
    """Remove the worktree, and the branch too where nothing came of it."""
    _git(done.repository, "worktree", "remove", "--force", str(done.folder))
    if branch:
        _git(done.repository, "branch", "--quiet", "-D", done.branch)


def push(done: Revert) -> None:
    """Push the branch to ``origin``."""
    _git(done.repository, "push", "--quiet", "--set-upstream", "origin", done.branch)


def head(project: Path) -> str | None:
    """The commit that is checked out; None where that isn't known."""
    try:
        return _git(project, "rev-parse", "HEAD").strip()
    except GitError:
        return None


def _commit(project: Path, name: str) -> str:
    try:
        commit = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
        _git(project, "merge-base", "--is-ancestor", commit, "HEAD")
    except GitError as error:
        raise WrongUse(f"There is no commit {name} in the history of what is checked out in {project}.") from error
    return commit


def _newest(project: Path) -> str:
    commit = _git(project, "log", "-1", "--format=%H", "--", "infrastructure").strip()
    if not commit:
        raise WrongUse(f"No commit of {project} touches infrastructure/. Say which to revert: --commit SHA")
    return commit


def origin_of(project: Path) -> str:
    """The URL of the checkout's ``origin``, which may hold a password; empty where there is none."""
    try:
        return _git(project, "remote", "get-url", "origin").strip()
    except GitError:
        return ""


def _identity(folder: Path) -> list[str]:
    """Whose commit it is, where git wasn't told."""
    try:
        _git(folder, "config", "user.email")
    except GitError:
        person = getpass.getuser()
        return ["-c", f"user.name={person}", "-c", f"user.email={person}@localhost"]
    return []


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the user's own git
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    except FileNotFoundError as error:
        raise GitError("git isn't installed.") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {arguments[0]} did not end within 120 s.") from error
    if done.returncode != 0:
        message = " ".join((done.stderr or done.stdout).split())[-300:]
        raise GitError(f"git {arguments[0]} failed: {message or f'exit code {done.returncode}'}")
    return done.stdout
