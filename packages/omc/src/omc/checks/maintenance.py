"""What AWS will do to the database and the cache, and when: changes that are pending, and its own maintenance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import MAINTENANCE
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.pending import Maintenance, Pending, PendingChange, Waits
from omc.facts.scope import Scope
from omc.judgement.maintenance_windows import next_time
from omc.times import format_duration, format_time

NAME = "pending-changes"


@check(
    NAME,
    title="Changes pending at AWS, and its maintenance",
    question="What will AWS change on the database and the cache, and when?",
    severity=Level.WARN,
    runbook=MAINTENANCE,
)
def pending_changes(pending: Pending, environment: Environment, scope: Scope) -> Iterator[Finding]:
    there = [name for name in ("database", "cache") if name not in pending.left_out]
    if not there:
        return
    for change in pending.changes:
        yield Finding(
            check=NAME,
            level=Level.WARN,
            subject=change.resource.removeprefix("the "),
            sentence=sentence(change, environment, scope.now),
            evidence=(
                Evidence(f"waits for: {change.waits.value}; window {change.window or '?'} UTC", pending.reading),
            ),
            procedure=MAINTENANCE,
        )
    minor = []
    for action in pending.maintenance:
        level, words = _judged(action, environment, scope.now)
        if level is Level.OK:
            minor.append(words)
            continue
        yield Finding(
            check=NAME,
            level=level,
            subject=action.resource.removeprefix("the "),
            sentence=words,
            evidence=(Evidence(f"{action.what}; window {action.window or '?'} UTC", pending.reading),),
            procedure=MAINTENANCE,
        )
    if minor or not (pending.changes or pending.maintenance):
        yield Finding(
            check=NAME,
            level=Level.OK,
            subject=", ".join(there),
            sentence=" ".join(minor) or "AWS has no change pending and plans no maintenance.",
            evidence=(Evidence(f"{len(pending.maintenance)} maintenance actions, no pending value", pending.reading),),
        )


def sentence(change: PendingChange, environment: Environment, now: datetime) -> str:
    """``instance_class changes from db.t4g.micro to db.t4g.small on Sun …: asked by jo at …``."""
    one = change.difference
    what = f"{one.path} changes from {one.before} to {one.after}"
    if change.waits is Waits.WINDOW:
        what += f" {next_time(change.window, environment, now)}"
    elif change.waits is Waits.REBOOT:
        what = f"{one.path} wait for a reboot, which doesn't come with a maintenance window"
    else:
        what += ": AWS is doing it now"
    author, at = change.author, change.author.at
    return f"{what}; {f'asked by {author.who}, {format_time(at, environment.time_zone)}' if at else author.who}."


def _judged(action: Maintenance, environment: Environment, now: datetime) -> tuple[Level, str]:
    zone, what = environment.time_zone, f"AWS's maintenance {action.what}"
    dates = []
    for at, words, late in (
        (action.applied, "is done in the window after", "was due"),
        (action.forced, "is forced on", "was to be forced on"),
        (action.wanted, "is recommended by AWS until", "was recommended by AWS until"),
    ):
        if at:
            ago = f", {format_duration(now - at)} ago, and is not done" if at <= now else ""
            dates.append(f"{late if ago else words} {format_time(at, zone)}{ago}")
    if not dates:
        return Level.OK, f"{action.resource}: {what} is offered; AWS names no date for it."
    overdue = any(at and at <= now for at in (action.applied, action.forced, action.wanted))
    level = Level.OK if action.is_minor and not overdue else Level.WARN
    return (
        level,
        f"{action.resource if level is Level.OK else ''}{': ' * (level is Level.OK)}{what} {', and '.join(dates)}.",
    )
