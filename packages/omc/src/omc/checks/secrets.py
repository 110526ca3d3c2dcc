"""Secrets and their rotation: does a running task hold a value that was replaced, and when is the next due?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.checks.runbook import RESTART
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.scope import Scope
from omc.facts.secrets import Secret, SecretsInUse, SecretUse
from omc.times import format_duration, format_time

SOON = timedelta(hours=24)
"""A rotation this near is a warning if tasks rely on the secret: nobody chooses its hour."""


@check(
    "secret-rotation",
    title="Secrets: rotated since a task started, or rotated next",
    question="Does a running task hold a secret that was rotated since it started, and which secret is rotated next?",
    severity=Level.FAIL,
    runbook=RESTART,
)
def secret_rotation(secrets: SecretsInUse, environment: Environment, scope: Scope) -> Iterator[Finding]:
    quiet: list[str] = []
    for arn, secret in secrets.secrets.items():
        uses = secrets.uses.get(arn, ())
        if uses and not secret.rotates and not _is_gone(secret) and not _before_rotation(secret, uses):
            quiet.append(secret.name)
            continue
        level, sentence = _judged(secret, uses, environment, scope)
        yield Finding(
            check="secret-rotation",
            level=level,
            subject=secret.name,
            sentence=sentence,
            evidence=tuple(Evidence(text, secrets.reading) for text in _evidence(secret, uses, environment)),
            procedure=None if level is Level.OK else _procedure(uses, environment),
            since=_begun(secret, uses) if level is not Level.OK else None,
        )
    for name, problem in secrets.unreadable.items():
        yield Finding(
            check="secret-rotation",
            level=Level.UNKNOWN,
            subject=name.rpartition(":secret:")[2],
            sentence=problem.reason,
            evidence=(
                Evidence("could not be read: when it was last rotated, and when it is due next", secrets.reading),
            ),
            procedure=RESTART,
            unread=True,
            action=problem.action,
        )
    if quiet or not (secrets.secrets or secrets.unreadable):
        yield Finding(
            check="secret-rotation",
            level=Level.OK,
            subject=(quiet[0] if len(quiet) == 1 else f"{len(quiet)} secrets") if quiet else "all services",
            sentence="Running tasks rely on no secret that rotates automatically.",
            evidence=(Evidence(f"without rotation: {', '.join(quiet) or 'no secret'}", secrets.reading),),
        )


def _judged(secret: Secret, uses: tuple[SecretUse, ...], environment: Environment, scope: Scope) -> tuple[Level, str]:
    services = _services(uses)
    if _is_gone(secret):
        gone = "does not exist" if secret.missing else "is scheduled for deletion"
        if not uses:
            return Level.WARN, f"The secret {gone}: the next migration can't start."
        return Level.FAIL, f"The secret {gone}: no new task of {services} can start."
    rotated, held = secret.last_rotated, _before_rotation(secret, uses)
    if rotated and held:
        surely = [use for use in held if use.started and use.started < rotated]
        if surely:
            return (
                Level.FAIL,
                f"It was rotated, and {_tasks(surely)} started before: what they hold is no longer valid.",
            )
        were = "was" if len({use.task for use in held}) == 1 else "were"
        return Level.WARN, f"It was rotated while {_tasks(held)} {were} starting, which may hold the old value."
    if not secret.rotates:
        return Level.OK, "It doesn't rotate automatically, and no running task relies on it."
    due, soon = _due(secret.next_rotation, environment, scope)
    if not uses:
        return Level.OK, f"No running task relies on it. {due}"
    if soon:
        return Level.WARN, f"{due} {_tasks(uses)} will hold the old value then: restart {services} right after it."
    return Level.OK, f"{due} After it, {services} need{'' if ' and ' in services else 's'} a restart."


def _begun(secret: Secret, uses: tuple[SecretUse, ...]) -> datetime | None:
    """Since when it is as it is: its deletion, or the rotation that tasks have missed."""
    if secret.deleted is not None:
        return secret.deleted
    return secret.last_rotated if _before_rotation(secret, uses) else None


def _due(next_rotation: datetime | None, environment: Environment, scope: Scope) -> tuple[str, bool]:
    """When it is rotated next, and whether that is near, past or not told."""
    if next_rotation is None:
        return "It rotates automatically, but AWS doesn't say when next.", True
    when = format_time(next_rotation, environment.time_zone)
    if next_rotation <= scope.now:
        return (
            f"Its rotation was due by {when}, {format_duration(scope.now - next_rotation)} ago, and hasn't happened.",
            True,
        )
    return f"Its next rotation is due by {when}, within {format_duration(next_rotation - scope.now)}.", (
        next_rotation - scope.now <= SOON
    )


def _is_gone(secret: Secret) -> bool:
    return secret.missing or secret.deleted is not None


def _before_rotation(secret: Secret, uses: tuple[SecretUse, ...]) -> list[SecretUse]:
    """Tasks that may have read the secret before it was last rotated."""
    rotated = secret.last_rotated
    if rotated is None:
        return []
    return [use for use in uses if (started := use.created or use.started) and started < rotated]


def _services(uses: tuple[SecretUse, ...]) -> str:
    return " and ".join(dict.fromkeys(use.service for use in uses))


def _tasks(uses: list[SecretUse] | tuple[SecretUse, ...]) -> str:
    by_service: dict[str, set[str]] = {}
    for use in uses:
        by_service.setdefault(use.service, set()).add(use.task)
    counts = (f"{len(tasks)} task{'' if len(tasks) == 1 else 's'} of {name}" for name, tasks in by_service.items())
    return " and ".join(counts)


def _procedure(uses: tuple[SecretUse, ...], environment: Environment) -> Procedure:
    names = " ".join(dict.fromkeys(use.service for use in uses))
    return replace(RESTART, command=f"omc restart --env {environment.name} {names}") if names else RESTART


def _evidence(secret: Secret, uses: tuple[SecretUse, ...], environment: Environment) -> Iterator[str]:
    zone = environment.time_zone
    last = format_time(secret.last_rotated, zone) if secret.last_rotated else "never"
    following = format_time(secret.next_rotation, zone) if secret.next_rotation else "unknown"
    owner = f", managed by {secret.owner}" if secret.owner else ""
    yield f"rotation {'on' if secret.rotates else 'off'}{owner}, last rotated {last}, next by {following}"
    for use in uses:
        started = format_time(use.started, zone) if use.started else "not yet"
        yield f"task {use.task} ({use.definition}) of {use.service} got it as {use.variable}, started {started}"
