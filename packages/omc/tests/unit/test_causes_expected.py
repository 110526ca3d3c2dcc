"""What is not as it should be is a cause: it explains what users see, and nothing but the same thing explains it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from omc.checks.causes.deviations import is_same_thing, not_as_expected
from omc.checks.causes.explain import explained
from omc.checks.causes.model import Cause, Situation
from omc.checks.expected import NAME, USERS
from omc.checks.finding import Evidence, Finding, Level
from omc.config import Environment, load
from omc.facts.collector import NO_READING
from omc.facts.scope import Scope

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
SCOPE = Scope(datetime(2026, 11, 23, 22, 15, tzinfo=UTC))
FAIL, WARN = Level.FAIL, Level.WARN


def finding(place: str, sentence: str, check: str = NAME, level: Level = FAIL, message: str = "x") -> Finding:
    return Finding(check, level, place, sentence, (Evidence(message, NO_READING),), place=place)


RULE = finding("load-balancer", "The listener's rule for path-pattern /api/* is gone", USERS)
ZERO = finding("services/backend", "backend wants no task, not at least 2: it serves nobody.", USERS)
ALARM = finding("alarms/x", "The alarm x is gone: it wakes nobody")
TRAIL = finding("infrastructure/x", "The trail x is changed: logging is off, not on", level=WARN)
GROUP = finding("infrastructure/database", "The rule … is gone", USERS, message="… is in none of AWS's listings (sg-1)")
UNSERVED = finding("users/backend", "Users can't reach it: 404 Not Found.", "users-served")
IDLE = finding("services/backend", "Scaled to zero (desired 0)", "services-running", WARN)
TARGETS = finding("targets/backend", "No target is registered.", "targets")
OTHER = finding("users/frontend", "Users can't reach it: 503.", "users-served")


def explained_sentences(*findings: Finding) -> list[tuple[str, list[str]]]:
    found = explained(findings, {}, {Environment: STAGING, Scope: SCOPE})
    return [(one.sentence, [inner.sentence for inner in one.explains]) for one in found]


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ((UNSERVED, RULE), [(RULE.sentence, [UNSERVED.sentence])]),
        ((UNSERVED, IDLE, TARGETS, ZERO), [(ZERO.sentence, [UNSERVED.sentence, IDLE.sentence, TARGETS.sentence])]),
        ((ZERO, OTHER), [(ZERO.sentence, []), (OTHER.sentence, [])]),
        ((ALARM, TRAIL), [(ALARM.sentence, []), (TRAIL.sentence, [])]),
        ((UNSERVED, ALARM), [(UNSERVED.sentence, []), (ALARM.sentence, [])]),
        ((RULE, ALARM, TRAIL), [(RULE.sentence, []), (ALARM.sentence, []), (TRAIL.sentence, [])]),
        ((RULE, ZERO), [(ZERO.sentence, []), (RULE.sentence, [])]),
    ],
)
def test_what_cuts_users_off_explains_what_they_see_and_nothing_explains_it(
    findings: tuple[Finding, ...], expected: list[tuple[str, list[str]]]
) -> None:
    assert explained_sentences(*findings) == expected


@pytest.mark.parametrize(
    ("sentence", "is_same"),
    [
        ("The database is closed to backend: the security group sg-1 no longer lets it through to port 5432.", True),
        ("The database is closed to backend: the security group sg-2 no longer lets it through to port 5432.", False),
    ],
)
def test_a_rule_of_the_group_that_is_closed_is_the_same_thing(sentence: str, is_same: bool) -> None:
    assert is_same_thing(Cause("database-closed", "database", "x", sentence), GROUP) == is_same


@pytest.mark.parametrize(
    ("place", "sentence", "is_same"),
    [
        ("database", "The database x is gone: the services have no database", True),
        ("database", "The database x is changed: days of backups are 0, not 3", False),
        ("cache", "The cache x is gone: the services have no cache", False),
    ],
)
def test_a_database_that_is_gone_is_reported_once(place: str, sentence: str, is_same: bool) -> None:
    gone = Cause("database-gone", "database", "x", "There is no database x in this account and region.")
    assert is_same_thing(gone, finding(place, sentence, USERS)) == is_same


def test_what_weakens_is_no_cause() -> None:
    every = (ALARM, TRAIL, GROUP, RULE, finding("services/backend", "circuit breaker is off", level=WARN))
    assert [cause.sentence for cause in not_as_expected(Situation(STAGING, SCOPE, every))] == [RULE.sentence]


def test_a_secret_that_is_gone_and_that_tasks_can_not_read_is_one_finding() -> None:
    from omc.checks.causes.deviations import is_same_thing
    from omc.checks.causes.model import Cause
    from omc.checks.expected import NAME
    from omc.checks.finding import Finding, Level

    cause = Cause(
        "secret-not-read", "services/backend", "backend", "It can't be read.", also=frozenset({"secrets/key"})
    )
    for place, sentence, is_same in (
        ("secrets/key", "The secret key is gone: a task that needs it can't start.", True),
        ("secrets/other", "The secret other is gone: a task that needs it can't start.", False),
        ("secrets/key", "The secret key is changed: its key is another.", False),
        ("services/backend", "The service backend is gone.", False),
    ):
        assert is_same_thing(cause, Finding(NAME, Level.FAIL, "x", sentence, place=place)) is is_same
