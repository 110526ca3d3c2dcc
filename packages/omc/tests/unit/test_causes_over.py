"""What is over: it is told as past, and takes nothing that goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.checks.cache import cache_items
from omc.checks.causes.explain import _explains
from omc.checks.causes.model import Cause, Situation
from omc.checks.causes.places import OF_SERVICES
from omc.checks.finding import Finding, Level, worst
from omc.facts.alarms import Alarm, Alarms
from omc.facts.followup.data_stores import StoreEvent
from omc.facts.followup.lock_waits import Wait
from omc.facts.logs import RecentErrors
from omc.facts.probes import Answer, ProbeRequest, Probes, Source
from omc.facts.scope import Scope
from omc.facts.traffic import CacheMinute, MetricsAge
from support.causes_facts import (
    ALL_ILL,
    CACHE,
    NOW,
    SERVED,
    SHORT,
    STAGING,
    STALE,
    TARGETS,
    ago,
    errors,
    load_of,
    rules,
    run,
    stores,
)

BALANCER = Finding("listeners", Level.FAIL, "https:443", "It answers 503 to all.", place="load-balancer")
FIVES = Finding("alarms", Level.FAIL, "alb-5xx-percent", "In ALARM.", place="alarms/ohmycoins-staging-alb-5xx-percent")
HIT_RATE = "ohmycoins-staging-redis-hit-rate-low"
LOW = Finding("alarms", Level.WARN, HIT_RATE, "In ALARM.", place=f"alarms/{HIT_RATE}")
ZERO = Finding("services-running", Level.FAIL, "frontend", "Scaled to zero.", place="services/frontend")
RINGS = Alarms((Alarm(HIT_RATE, "", "metric", "ALARM", NOW, "", True, ""),))
WAS_ILL = Finding("error-rate", Level.WARN, "load balancer", "It was.", place="load-balancer", ended=ago(minutes=3))
REFUSED = f"Error 111 connecting to {CACHE}:6379. Connection refused."
BACK = "Cache node 0001 restarted"


def emptied(long: float, *after: float) -> Finding:
    """What the check says of a cache that was emptied so many minutes ago."""
    values = [(ago(minutes=long + 1), 120.0), (ago(minutes=long), 6.0)]
    values += [(ago(minutes=long - 1 - number), value) for number, value in enumerate(after)]
    cache_minutes = tuple(CacheMinute(at, value, value, 0.0) for at, value in values)
    [found] = cache_items(MetricsAge((), cache_minutes), None, STAGING, Scope(NOW))
    return found


def back(**length: float) -> Any:
    return stores(cache={"events": (StoreEvent(ago(**length), "r-001", BACK),)})


@pytest.mark.parametrize(
    ("facts", "is_over"),
    [
        ([stores(), emptied(1)], False),
        ([stores(), emptied(2)], False),
        ([stores(), emptied(2, 118)], True),
        ([stores(), emptied(4)], True),
        ([stores(), emptied(7)], True),
        ([stores(), emptied(14)], True),
        ([stores(), emptied(7), RINGS], False),
        ([back(seconds=20)], True),
        ([back(seconds=32)], True),
        ([back(minutes=9)], True),
        (
            [
                back(seconds=40),
                errors(REFUSED, last=ago(seconds=30)),
            ],
            True,
        ),
        ([back(seconds=50), errors(REFUSED)], False),
    ],
)
def test_a_cache_that_is_back_is_past_and_leads_over_nothing(facts: list[Any], is_over: bool) -> None:
    ill = (SERVED, BALANCER, TARGETS, ZERO, FIVES, SHORT)
    findings = tuple(fact for fact in facts if isinstance(fact, Finding))
    found = run((*ill, WAS_ILL, *findings), [*(fact for fact in facts if fact not in findings), rules()])
    messages = {finding.sentence for finding in found} | {
        each.sentence for finding in found for each in finding.explains
    }
    assert {finding.sentence for finding in ill} <= messages
    [cache] = [finding for finding in found if finding.place == "cache"]
    assert cache.is_past is is_over
    if is_over:
        assert not cache.explains
        assert worst(found) is Level.FAIL
        assert worst([cache]) is Level.OK


def test_a_cache_that_was_emptied_takes_its_own_alarm_while_it_rings() -> None:
    [found] = run((LOW, emptied(7)), [stores(), rules(), RINGS])
    assert (found.check, found.is_past, [each.sentence for each in found.explains]) == (
        "cache-emptied",
        False,
        ["In ALARM."],
    )


def test_a_cache_that_hangs_minutes_after_its_restart_is_reported_as_that() -> None:
    recent_errors = errors(f"Timeout connecting to server {CACHE}:6379: timed out")
    found = run(ALL_ILL, [back(minutes=8), rules(), load_of(), recent_errors])
    assert [finding.check for finding in found if finding.place == "cache"] == ["cache-hangs"]


PLACES = ("database", "cache", "services/backend", "load-balancer", "secrets/x", "exchange", "infrastructure/sg-1")
SEEN = ("users/backend", "alarms/x", "load-balancer", "data-fresh/backend", "logs/x", "targets/x", *PLACES)
CHECKS = ("users-served", "targets", "error-rate", "alarms", "recent-errors", "data-fresh", "dependencies", "listeners",
          "services-running", "expected", "users-expected", "traffic-usual", "secret-rotation")  # fmt: skip
SPANS = st.none() | st.integers(0, 3600).map(lambda seconds: NOW - timedelta(seconds=seconds))


@settings(max_examples=400, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    seen=st.sampled_from(SEEN),
    check=st.sampled_from(CHECKS),
    level=st.sampled_from([Level.WARN, Level.FAIL, Level.UNKNOWN]),
    begun=SPANS,
    since=SPANS,
    ended=st.integers(0, 3600),
    serves=st.booleans(),
    is_direct=st.booleans(),
    checks=st.none() | st.just(frozenset(CHECKS)),
)
def test_what_is_over_never_takes_what_goes_on(
    place: str, seen: str, check: str, level: Level, begun: Any, since: Any, ended: int, checks: Any, **more: Any
) -> None:
    cause = Cause("x", place, "x", "It was.", since=begun, ended=ago(seconds=ended), checks=checks, **more)
    finding = Finding(check, level, "x", "It is.", place=seen, since=since)
    situation = Situation(STAGING, Scope(NOW), (finding,))
    assert not _explains(cause, finding, situation, ())


@pytest.mark.parametrize("check", sorted(OF_SERVICES))
def test_what_is_over_takes_no_failure_of_another_service(check: str) -> None:
    cause = Cause("x", "database", "x", "It was.", ended=ago(minutes=2))
    finding = Finding(check, Level.FAIL, "backend", "It is.", place="services/backend")
    assert not _explains(cause, finding, Situation(STAGING, Scope(NOW), (finding,)), ())


LOCK = (Wait("Lock", "relation", "SELECT price FROM prices", 0.6),)
BLOCKED = "db.Transactions.blocked_transactions"


def locked(blocked: float, seconds: float, newest: float = 5.0) -> Any:
    at = {BLOCKED: ago(seconds=seconds)}
    return load_of(counters={BLOCKED: blocked}, times=at, newest=ago(seconds=newest), waits=LOCK)


@pytest.mark.parametrize(
    ("load", "is_past"),
    [
        (locked(1, 5), False),
        (locked(3, 55), False),
        (locked(1, 90), True),
        (locked(2, 180), True),
        (locked(0, 5), True),
        (locked(0, 70, 70), True),
        (locked(1, 200, 200), True),
    ],
)
def test_a_lock_that_nobody_waits_for_any_more_is_past(load: Any, is_past: bool) -> None:
    found = run((STALE,), [stores(), rules(), load])
    [lock] = [each for each in found if each.check == "database-locked"]
    assert lock.is_past is is_past
    assert (STALE.sentence in {each.sentence for each in found}) is is_past


def test_a_lock_of_before_hides_no_other_cause() -> None:
    found = run(ALL_ILL, [stores(), rules(), locked(0, 5), errors("FATAL: sorry, too many clients already")])
    checks = [each.check for each in found]
    assert checks[0] == "database-connections"
    assert "database-locked" in checks


@pytest.mark.parametrize("line", ['relation "prices" does not exist', 'column "price" of relation "p" does not exist'])
@pytest.mark.parametrize(("status", "seconds", "is_on"), [(200, 65, False), (503, 65, True), (200, 20, True)])
def test_a_schema_is_well_once_users_are_served(line: str, status: int, seconds: int, is_on: bool) -> None:
    probes = Probes((ProbeRequest("backend", "http://x/", Source.PUBLIC, (Answer(status, seconds=0.1),)),), {})
    found = run((STALE,), [stores(), rules(), load_of(), errors(line, last=ago(seconds=seconds)), probes])
    assert any(each.check == "database-schema" for each in found) is is_on


@pytest.mark.parametrize(("seconds", "is_of_the_lock"), [(100, True), (75, True), (61, True), (50, False), (3, False)])
def test_statements_that_waited_for_a_lock_are_no_silence_of_the_database(seconds: int, is_of_the_lock: bool) -> None:
    recent_errors = errors("database unavailable: timeout expired", first=ago(seconds=115), resumed=ago(seconds=115))
    recent_errors = replace(recent_errors, groups=(replace(recent_errors.groups[0], last=ago(seconds=seconds)),))
    checks = {each.check for each in run(ALL_ILL, [stores(), rules(), locked(1, 90, 90), recent_errors])}
    assert ("database-hangs" not in checks) is is_of_the_lock
    assert "database-locked" in checks


@pytest.mark.parametrize(("blocked", "number"), [(1.0, "A session waits"), (1.3, "2 sessions"), (3.0, "3 sessions")])
def test_sessions_are_counted_whole(blocked: float, number: str) -> None:
    found = run((STALE,), [stores(), rules(), locked(blocked, 5)])
    assert any(each.sentence.startswith(number) for each in found)


@pytest.mark.parametrize(("seconds", "is_told"), [(3, "permission denied"), (9, "permission denied"), (40, "relation")])
def test_what_goes_on_is_reported_before_what_was_more_often(seconds: int, is_told: str) -> None:
    old = errors("psycopg: permission denied for table prices", 90, last=ago(seconds=seconds)).groups
    new = errors('relation "prices" does not exist', 4).groups
    found = run(ALL_ILL, [stores(), rules(), load_of(), RecentErrors((*old, *new), scanned=900)])
    assert is_told in next(each.sentence for each in found if each.check == "database-schema")


@pytest.mark.parametrize("seconds", [20, 90, 240])
def test_a_lock_ended_when_somebody_last_waited_not_when_it_was_last_measured(seconds: int) -> None:
    load = replace(locked(0, 2, 2), above={BLOCKED: ago(seconds=seconds)})
    [lock] = [each for each in run((STALE,), [stores(), rules(), load]) if each.check == "database-locked"]
    assert lock.ended == ago(seconds=seconds)


@pytest.mark.parametrize(
    "message", ["DB instance restarted", "Multi-AZ instance failover completed", "Recovery is over"]
)
@pytest.mark.parametrize(("minutes", "is_told"), [(0.5, True), (3, True), (14, True), (16, False)])
def test_a_database_that_is_back_is_reported_as_past_and_takes_nothing(
    message: str, minutes: float, *, is_told: bool
) -> None:
    facts = [stores(database={"events": (StoreEvent(ago(minutes=minutes), "d", message),)}), rules(), load_of()]
    found = run((ZERO,), facts)
    findings = [each for each in found if each.check == "database-restarted"]
    assert [each.is_past for each in findings] == ([True] if is_told else [])
    assert ZERO.sentence in {each.sentence for each in found}
    assert all(not each.explains for each in findings)
