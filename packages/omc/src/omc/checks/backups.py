"""Whether the database's backups have been restored lately, and were sound."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import MAINTENANCE
from omc.checks.spec import check
from omc.config import Environment
from omc.config.stores import database_name
from omc.facts.scope import Scope
from omc.facts.verifications import RecordedVerifications
from omc.output.text import counted
from omc.times import format_duration

NAME = "backups-verified"
GRACE = timedelta(days=1)
"""A verification may take a while, and wait for another change."""


@check(
    NAME,
    title="Backups: restored and found sound",
    question="When was a backup of the database last restored and found sound?",
    severity=Level.FAIL,
    runbook=MAINTENANCE,
)
def backups_verified(known: RecordedVerifications, environment: Environment, scope: Scope) -> Iterator[Finding]:
    if not database_name(environment):
        return
    days = environment.backups.verify_every_days
    if environment.database_cluster and not environment.database:
        words = (
            "omc verifies backups of RDS instances alone, and this is a DB cluster: restore one by hand now and then."
        )
        yield _finding(environment, known, Level.OK if days is None else Level.UNKNOWN, words)
        return
    if days is None:
        yield _finding(
            environment,
            known,
            Level.OK,
            "omc.toml asks for no verification (backups.verify_every_days): none is expected.",
        )
        return
    every, verify = timedelta(days=days), f"omc backup verify --env {environment.name}"
    sound, last = known.of.sound, known.of.all[0] if known.of.all else None
    if last is not None and not last.found.sound and (sound is None or sound.at < last.at):
        ago, wrong = format_duration(scope.now - last.at), next((each.sentence for each in last.found.judged), "")
        words = f"The {last.found.backup} was verified {ago} ago and isn't sound: {wrong}"
        yield _finding(environment, known, Level.FAIL, words)
    elif sound is None:
        words = f"No backup was ever verified, so it isn't known whether one can be restored: {verify}"
        yield _finding(environment, known, Level.UNKNOWN, words)
    else:
        age = scope.now - sound.at
        ago = format_duration(age)
        late = age > every + GRACE
        level = Level.FAIL if age > 2 * every + GRACE else Level.WARN if late else Level.OK
        words = f"The {sound.found.backup} was restored and found sound {ago} ago."
        yield _finding(
            environment, known, level, f"{words} That is done every {counted(days, 'day')}: {verify}" if late else words
        )


def _finding(environment: Environment, known: RecordedVerifications, level: Level, words: str) -> Finding:
    is_asked_for = environment.backups.verify_every_days is not None
    read = f"verifications in omc's record: {len(known.of.all)}"
    return Finding(
        check=NAME,
        level=level,
        subject=database_name(environment),
        sentence=words,
        evidence=(Evidence(read if is_asked_for else "omc.toml has no backups.verify_every_days", known.reading),),
        procedure=None if level is Level.OK else MAINTENANCE,
    )
