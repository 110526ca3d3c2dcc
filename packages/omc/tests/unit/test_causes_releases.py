"""A store that only a release misses, and connections that rose with one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from omc.checks.finding import Finding
from omc.facts.dependencies import Dependencies, Dependency, DependencyReport, State
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.latencies import Latencies
from omc.facts.followup.lock_waits import Wait
from omc.facts.probes import Answer, ProbeRequest, Probes, Source, Trouble
from omc.facts.services import Services
from support.causes_facts import (
    ALL_ILL,
    DATABASE,
    FAIL,
    NO_CACHE,
    NOW,
    SERVED,
    WARN,
    ago,
    errors,
    load_of,
    minutes,
    rules,
    run,
    service,
    stores,
)

TLS = LastWords(
    {},
    {
        "b:7": RevisionDetails(variables={"backend": {"REDIS_TLS": "true", "LEVEL": "INFO"}}),
        "b:8": RevisionDetails(variables={"backend": {"REDIS_TLS": "false", "LEVEL": "INFO"}}),
    },
)


def deployed(old: int, new: int, age: timedelta = timedelta(seconds=10), revision: str = "b:8") -> Services:
    made = service()
    [before] = made.deployments
    primary = replace(before, id="2", task_definition=revision, running=new, rollout="IN_PROGRESS", created=NOW - age)
    return Services((replace(made, deployments=(primary, replace(before, status="ACTIVE", running=old))),))


def page(bad: int, answers: int, name: str = "cache") -> Dependencies:
    return Dependencies(
        (Dependency("backend", DependencyReport(name, State.DOWN, "down"), answers, bad, "http://x/"),), ("backend",)
    )


@pytest.mark.parametrize(
    ("services", "pages", "is_release"),
    [
        (deployed(2, 1), page(1, 3), True),
        (deployed(1, 2), page(2, 3), True),
        (deployed(2, 1, timedelta(minutes=14)), page(1, 3), True),
        (deployed(2, 1, timedelta(minutes=16)), page(1, 3), False),
        (deployed(2, 1), page(3, 3), False),
        (deployed(2, 0), page(1, 3), False),
        (deployed(0, 2), page(1, 3), False),
        (deployed(2, 1, revision="b:7"), page(1, 3), False),
        (deployed(2, 1), page(1, 3, "exchange"), False),
        (Services((service(),)), page(1, 3), False),
    ],
)
def test_a_cache_that_only_a_release_misses(services: Services, pages: Dependencies, *, is_release: bool) -> None:
    recent_errors = errors(
        "the cache can't be reached: Connection reset by peer", first=ago(seconds=8), resumed=ago(seconds=8)
    )
    found = run((NO_CACHE,), [services, pages, stores(), rules(), recent_errors, TLS])[0]
    assert (found.check == "cache-missed-by-release") is is_release
    if is_release:
        assert found.sentence.startswith("b:8, deployed ")
        assert "doesn't reach the cache (REDIS_TLS changed); b:7 does." in found.sentence
        assert found.procedure
        assert found.procedure.command == "omc rollback --env staging backend"


FULL = {"db.User.numbackends": 77.0, "db.User.max_connections": 80.0, "db.state.idle_count": 77.0}


def connections(*values: float) -> Gauges:
    """The newest minute last; it has just begun."""
    return Gauges({"DatabaseConnections": minutes(*values)})


@pytest.mark.parametrize(
    ("services", "gauges", "is_release"),
    [
        (deployed(2, 2, timedelta(seconds=57)), connections(9, 9, 9, 40), True),
        (deployed(2, 2, timedelta(seconds=57)), connections(9, 9), True),
        (deployed(0, 2, timedelta(minutes=4, seconds=30)), connections(9, 9, 60, 77, 77, 77, 77), True),
        (deployed(0, 2, timedelta(minutes=14, seconds=30)), connections(9, 9, *[77] * 15), True),
        (deployed(0, 2, timedelta(minutes=16, seconds=30)), connections(9, 9, *[77] * 17), False),
        (deployed(0, 2, timedelta(minutes=9, seconds=30)), connections(9, 9, *[9] * 7, 77, 77, 77), False),
        (deployed(2, 2, timedelta(seconds=57)), connections(70, 70, 70), False),
        (deployed(2, 2, timedelta(seconds=57)), connections(60, 60, 60), False),
        (deployed(2, 2, timedelta(seconds=57)), Gauges(), False),
        (Services((service(),)), connections(9, 9, 9, 40), False),
        (Services(()), connections(9, 9, 9, 40), False),
    ],
)
def test_connections_that_are_used_up_since_a_release(services: Services, gauges: Gauges, *, is_release: bool) -> None:
    recent_errors = errors(
        "FATAL: remaining connection slots are reserved", first=ago(seconds=8), resumed=ago(seconds=8)
    )
    found = run((SERVED,), [services, gauges, stores(), rules(), recent_errors, load_of(counters=FULL)])[0]
    assert found.sentence.startswith("The database takes no further connection: 77 of 80 are in use")
    assert (" They were 9 before b:8 was deployed, " in found.sentence) is is_release
    running = [each.running for each in services.services[0].deployments] if services.services else []
    is_back = bool(found.procedure and "omc rollback" in (found.procedure.command or ""))
    assert is_back is (is_release and len(running) == 2 and running[1] > 0)


SLOWLY = Finding(
    "users-served", WARN, "backend", "It is answered slowly.", place="users/backend", since=ago(seconds=20)
)
RINGS = Finding("alarms", FAIL, "shop-alb-latency-high", "SEV-3, in ALARM.", since=ago(seconds=5))


def pages(*seconds: float, of: str = "backend", trouble: Trouble | None = None) -> Probes:
    answers = tuple(Answer(200, seconds=each, trouble=trouble) for each in seconds)
    return Probes((ProbeRequest(of, "http://x/prices", Source.PUBLIC, answers),), {})


@pytest.mark.parametrize(
    ("services", "probes", "is_release"),
    [
        (deployed(2, 2, timedelta(seconds=60)), pages(3.3, 3.2, 3.4), True),
        (deployed(1, 1, timedelta(seconds=60)), pages(0.1, 3.2, 0.1), True),
        (deployed(0, 2, timedelta(minutes=14)), pages(4.9, 0.1), True),
        (deployed(0, 2, timedelta(minutes=16)), pages(3.3, 3.2), False),
        (deployed(2, 0, timedelta(seconds=60)), pages(3.3, 3.2), False),
        (deployed(2, 2, timedelta(seconds=60)), pages(2.9, 0.2), False),
        (deployed(2, 2, timedelta(seconds=60)), pages(3.3, 3.2, of="frontend"), False),
        (deployed(2, 2, timedelta(seconds=60)), pages(5.0, trouble=Trouble.SILENT), False),
        (deployed(2, 2, timedelta(seconds=60)), pages(), False),
        (Services((service(),)), pages(3.3, 3.2), False),
        (Services(()), pages(3.3, 3.2), False),
    ],
)
def test_answers_that_are_slow_since_a_release(services: Services, probes: Probes, *, is_release: bool) -> None:
    found = run((SLOWLY, RINGS), [services, probes, stores(), rules()])
    assert (found[0].check == "release-slow") is is_release
    if is_release:
        [one] = found
        assert one.level is FAIL, "its alarm rings"
        assert "backend answers slowly: " in one.sentence
        assert "b:8 was deployed " in one.sentence
        assert {each.check for each in one.explains} == {"users-served", "alarms"}


GROUP = "arn:aws:elasticloadbalancing:x:1:targetgroup/shop-backend/1"


def took(before: float, since: float, *, minutes: int = 6, earlier: int = 20, at: float = 7) -> Latencies:
    """p95 of so many minutes around a deployment ``at`` minutes ago; p50 is half of it."""
    moments = [(ago(minutes=at + 1.5 + number), before) for number in range(earlier)]
    moments += [(ago(minutes=at - 0.5 - number), since) for number in range(minutes)]
    ordered = sorted(moments)
    return Latencies(
        {(GROUP, "p95"): tuple(ordered), (GROUP, "p50"): tuple((when, value / 2) for when, value in ordered)}
    )


def behind(services: Services) -> Services:
    return Services(tuple(replace(each, target_groups=(GROUP,)) for each in services.services))


FRESH = timedelta(minutes=7)


@pytest.mark.parametrize(
    ("latencies", "probes", "words"),
    [
        (took(0.12, 0.6), pages(0.2, 0.3), "answers 5.0 times as slowly as before its deployment. b:8 was deployed"),
        (took(0.5, 4.0), pages(3.3, 3.2), "answers slowly: 2 of 2 answers take 3 s or more"),
        (took(0.3, 0.7, minutes=3, earlier=3), pages(), "answers 2.3 times as slowly"),
    ],
)
def test_percentiles_of_users_answers_show_that_a_release_is_slower(
    latencies: Latencies, probes: Probes, words: str
) -> None:
    found = run((SLOWLY, RINGS), [behind(deployed(2, 2, FRESH)), probes, latencies, stores(), rules()])
    assert found[0].check == "release-slow"
    assert words in found[0].sentence
    assert any("p95 " in each.text and "p50 " in each.text for each in found[0].evidence)


@pytest.mark.parametrize(
    ("latencies", "probes"),
    [
        (took(3.9, 4.0), pages(3.3, 3.2)),  # as slow before: the release hasn't brought it
        (took(0.01, 0.1), pages(0.1)),  # ten times, and nobody minds
        (took(0.5, 0.9), pages(0.1)),
        (took(0.1, 2.0, minutes=2), pages(0.1)),
        (took(0.1, 2.0, earlier=2), pages(0.1)),
        (Latencies(), pages(0.1)),
    ],
)
def test_a_release_that_is_no_slower_or_is_not_known_to_be_is_not_blamed(latencies: Latencies, probes: Probes) -> None:
    found = run((SLOWLY, RINGS), [behind(deployed(2, 2, FRESH)), probes, latencies, stores(), rules()])
    assert "release-slow" not in [each.check for each in found]


def test_a_slow_store_is_why_a_new_release_is_slow() -> None:
    recent_errors = errors("canceling statement due to statement timeout")
    load = load_of(waits=(Wait("IO", "DataFileRead", "SELECT 1", 2.0),))
    services = deployed(2, 2, timedelta(seconds=60))
    found = run((SLOWLY, RINGS), [services, pages(3.3, 3.2), stores(), rules(), recent_errors, load])
    assert [one.check for one in found] == ["database-slow"]


CASH = "Error -2 connecting to cash.internal:6379. Name or service not known."


@pytest.mark.parametrize("line", [CASH, "redis: could not resolve host cash.internal", f"the cache is gone: {CASH}"])
@pytest.mark.parametrize("is_read", [True, False])
def test_a_cache_under_a_name_that_is_not_there_is_not_silent(line: str, *, is_read: bool) -> None:
    last_words = LastWords(
        {}, {"b:7": RevisionDetails(variables={"backend": {"REDIS_HOST": "cash.internal"}})} if is_read else {}
    )
    found = run((NO_CACHE,), [stores(), rules(), load_of(), errors(line), last_words])
    assert "cash.internal" in found[0].sentence
    assert "cache" in found[0].sentence
    assert not any(each.check == "cache-hangs" for each in found)
    assert any(each.sentence == NO_CACHE.sentence for each in found[0].explains)


@pytest.mark.parametrize("port", [5431, 5433, 15432, 6432])
def test_another_port_than_the_database_s_says_nothing_of_the_database(port: int) -> None:
    line = f'connection to server at "{DATABASE}", port {port} failed: Connection refused'
    found = run(ALL_ILL, [stores(), rules(), load_of(), errors(line)])
    assert not any(each.place == "database" for each in found)
    assert str(port) in found[0].sentence
    right = run(ALL_ILL, [stores(), rules(), load_of(), errors(line.replace(str(port), "5432"))])
    assert right[0].check == "database-down"


@pytest.mark.parametrize(
    "line",
    [
        "prices could not be had: could not resolve host exchnage.internal",
        "GET https://exchnage.internal/prices: Could not resolve host: exchnage.internal",
        "getaddrinfo ENOTFOUND exchnage.internal",
    ],
)
def test_where_a_store_is_says_nothing_of_another_host_that_is_not_there(line: str) -> None:
    found = run(ALL_ILL, [stores(), rules(), load_of(), errors(line)])
    assert "exchnage.internal" in found[0].sentence
    assert "is at" not in found[0].sentence
