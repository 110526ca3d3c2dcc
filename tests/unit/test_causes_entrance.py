"""A rule that is gone is one finding with what users see of it, not five."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from omc.checks.causes import explained
from omc.checks.causes.places import suffers
from omc.checks.finding import Evidence, Finding, Level
from omc.facts.collector import UNREAD
from omc.facts.scope import Scope
from omc.stack import Environment, load

STAGING = load(Path(__file__).parents[2] / "omc.toml").environments["staging"]
GIVEN = {Environment: STAGING, Scope: Scope(datetime(2026, 11, 23, 21, 15, tzinfo=UTC))}
PROOF = (Evidence("read", UNREAD),)


def finding(check: str, level: Level, subject: str, place: str) -> Finding:
    return Finding(check, level, subject, f"{check} says so of {subject}.", PROOF, place=place)


USERS = finding("users-served", Level.FAIL, "backend", "users/backend")
NOT_LED = finding("listeners", Level.FAIL, "backend", "load-balancer")
UNUSED = finding("targets", Level.WARN, "ohmycoins-staging-backend", "load-balancer")
NO_AGE = finding("data-fresh", Level.UNKNOWN, "backend", "users/backend")
WELL = finding("users-served", Level.OK, "frontend", "users/frontend")


def places(*some: Finding) -> list[str]:
    return [f"{one.check} {one.subject}" for one in explained(some, {}, GIVEN)]


def test_what_a_rule_that_is_gone_brings_about_is_told_with_it() -> None:
    told = explained((USERS, WELL, NOT_LED, UNUSED, NO_AGE), {}, GIVEN)
    assert [one.check for one in told] == ["listeners", "users-served"]
    assert {one.check for one in told[0].explains} >= {"users-served", "targets", "data-fresh"}
    assert told[1] is not told[0]
    assert told[1].level is Level.OK


def test_what_another_services_users_see_is_not_its_doing() -> None:
    other = finding("users-served", Level.FAIL, "frontend", "users/frontend")
    assert "users-served frontend" in places(USERS, NOT_LED, other)


def test_without_a_listener_everybody_suffers() -> None:
    nobody = finding("listeners", Level.FAIL, "ohmycoins-staging", "load-balancer")
    everybody = finding("users-served", Level.FAIL, "all services", "users")
    assert places(everybody, nobody, UNUSED) == ["listeners ohmycoins-staging"]


def test_what_should_be_there_says_it_better() -> None:
    gone = finding("expected", Level.FAIL, "the listener's rule", "load-balancer")
    assert "expected the listener's rule" in places(USERS, NOT_LED, gone)


def test_where_nobody_gets_in_no_store_and_no_task_is_the_cause() -> None:
    for root in ("database", "cache", "exchange", "services/backend", "targets/backend", "secrets/x"):
        assert not suffers("users", root, STAGING)
        assert root == "services/frontend" or suffers("users/backend", root, STAGING)
    assert suffers("users", "load-balancer", STAGING)
    assert suffers("users", "infrastructure/security-group", STAGING)
