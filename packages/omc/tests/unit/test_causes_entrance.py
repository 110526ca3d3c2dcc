"""A rule that is gone is one finding with what users see of it, not five."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omc.checks.causes import explained
from omc.checks.causes.places import suffers
from omc.checks.finding import Evidence, Finding, Level
from omc.config import Environment, load
from omc.facts.collector import NO_READING
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.listeners import Listeners
from omc.facts.scope import Scope
from omc.facts.services import Services
from support.causes_facts import NOW, service

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
GIVEN = {Environment: STAGING, Scope: Scope(datetime(2026, 11, 23, 21, 15, tzinfo=UTC))}
PROOF = (Evidence("read", NO_READING),)


def finding(check: str, level: Level, subject: str, place: str) -> Finding:
    return Finding(check, level, subject, f"{check} says so of {subject}.", PROOF, place=place)


USERS = finding("users-served", Level.FAIL, "backend", "users/backend")
NOT_LED = finding("listeners", Level.FAIL, "backend", "load-balancer")
UNUSED = finding("targets", Level.WARN, "ohmycoins-staging-backend", "load-balancer")
NO_AGE = finding("data-fresh", Level.UNKNOWN, "backend", "users/backend")
WELL = finding("users-served", Level.OK, "frontend", "users/frontend")


def places(*some: Finding) -> list[str]:
    return [f"{one.check} {one.subject}" for one in explained(some, {}, GIVEN)]


def test_what_a_rule_that_is_gone_brings_about_is_reported_with_it() -> None:
    findings = explained((USERS, WELL, NOT_LED, UNUSED, NO_AGE), {}, GIVEN)
    assert [one.check for one in findings] == ["listeners", "users-served"]
    assert {one.check for one in findings[0].explains} >= {"users-served", "targets", "data-fresh"}
    assert findings[1] is not findings[0]
    assert findings[1].level is Level.OK


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


# Who did it

ARN = "arn:aws:elasticloadbalancing:x:1"
LISTENER, RULE = f"{ARN}:listener/app/a/1/2", f"{ARN}:listener-rule/app/a/1/2/AbC"
GROUP = f"{ARN}:targetgroup/ohmycoins-staging-backend/1"
LED = Listeners((), records=({"ListenerArn": LISTENER, "Rules": [{"RuleArn": RULE}]},))


def write(operation: str, *names: str) -> LastWrites:
    made = Write(NOW - timedelta(minutes=3), operation, "jo (role admin)", frozenset(name.lower() for name in names))
    return LastWrites((made,))


@pytest.mark.parametrize(
    ("writes", "is_told", "is_undone"),
    [
        (write("CreateRule", LISTENER, RULE), True, True),
        (write("CreateRule", LISTENER), True, False),
        (write("CreateRule", LISTENER, f"{RULE}gone"), True, False),
        (write("ModifyRule", RULE), True, False),
        (write("SetRulePriorities", RULE), True, False),
        (write("ModifyListener", LISTENER), True, False),
        (write("DeleteRule", RULE), True, False),
        (write("CreateRule", f"{ARN}:listener/app/b/9/9"), False, False),
        (write("DescribeRules", LISTENER), False, False),
        (write("UpdateService", LISTENER), False, False),
        (LastWrites(()), False, False),
    ],
)
def test_who_made_the_rule(writes: LastWrites, *, is_told: bool, is_undone: bool) -> None:
    found = explained((USERS, NOT_LED), {Listeners: LED, LastWrites: writes}, GIVEN)[0]
    assert found.check == "listeners"
    assert (" by jo (role admin), 3 min ago." in found.sentence) is is_told
    commands = [each.text for each in found.evidence if "delete-rule" in each.text]
    assert commands == ([f"to remove the rule: aws elbv2 delete-rule --rule-arn {RULE}"] if is_undone else [])


GONE = "No target is registered."
TAKEN = write("DeregisterTargets", GROUP)


@pytest.mark.parametrize(
    ("running", "sentence", "writes", "part"),
    [
        (2, "No target is registered (2 more draining).", TAKEN, "request. DeregisterTargets by jo"),
        (1, GONE, TAKEN, "1 task runs and get"),
        (2, GONE, write("DeregisterTargets", f"{ARN}:targetgroup/another/1"), "get no request."),
        (2, GONE, LastWrites(()), "get no request."),
        (0, GONE, TAKEN, ""),
        (2, "0 of 2 targets are healthy.", TAKEN, ""),
    ],
)  # fmt: skip
def test_targets_that_somebody_took_away(running: int, sentence: str, writes: LastWrites, part: str) -> None:
    ill = replace(UNUSED, level=Level.FAIL, sentence=sentence, place="targets/ohmycoins-staging-backend")
    services = Services((service(running=running, target_groups=(GROUP,)), service("frontend", 3)))
    found = explained((USERS, ill), {Services: services, LastWrites: writes}, GIVEN)
    assert (found[0].check == "targets-taken-away") is bool(part)
    if part:
        assert part in found[0].sentence
        is_ours = any(GROUP.lower() in each.names for each in writes.writes)
        assert ("jo (role admin)" in found[0].sentence) is is_ours
        assert found[0].procedure
        assert found[0].procedure.command == "omc restart --env staging backend"
