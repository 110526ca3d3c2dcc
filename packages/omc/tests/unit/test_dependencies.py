"""What status pages say of what a service depends on: every usual form, any name, and no false word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.checks.dependencies import dependencies
from omc.checks.finding import Finding, Level
from omc.checks.runbook import CACHE_UNREACHABLE, DATABASE_TIMEOUT, DEPENDENCY_DOWN
from omc.config import load
from omc.facts.data_age import DataAge, ServiceData
from omc.facts.dependencies import MAX_DEPENDENCIES, State, place_of_dependency, read_dependencies, report_of
from omc.facts.probes import Answer, ProbeRequest, Probes, Source

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
UP, DEGRADED, DOWN, OFF, UNKNOWN = State.UP, State.DEGRADED, State.DOWN, State.OFF, State.UNKNOWN
OURS = {"environment": "staging", "revision": "7", "schema": 3, "data_age_seconds": 2.5}


@pytest.mark.parametrize(
    ("page", "states"),
    [
        # flat
        (OURS | {"database": "available", "cache": "available"}, {"database": UP, "cache": UP}),
        (OURS | {"database": "unavailable", "cache": "not configured"}, {"database": DOWN, "cache": OFF}),
        (OURS | {"exchange": "slow", "ledger": "Out of service"}, {"exchange": DEGRADED, "ledger": DOWN}),
        ({"redis": "error: connection refused"}, {"redis": DOWN}),
        ({"database": True, "cache": False, "debug": False, "maintenance": False}, {"database": UP, "cache": DOWN}),
        ({"ledger_ok": False, "search_connected": True}, {"ledger": DOWN, "search": UP}),
        # named parts
        ({"status": "degraded", "dependencies": {"db": "ok", "mq": "timeout"}}, {"": DEGRADED, "db": UP, "mq": DOWN}),
        ({"checks": {"disk": {"status": "warn"}, "mail": {"healthy": False}}}, {"disk": DEGRADED, "mail": DOWN}),
        ({"services": [{"name": "s3", "state": "operational"}, {"id": "cdn", "ok": False}]}, {"s3": UP, "cdn": DOWN}),
        ({"dependencies": {"a": None, "b": 3, "c": "1.2.3", "d": ["x"]}}, {}),
        # Spring Boot
        (
            {
                "status": "DOWN",
                "components": {
                    "db": {"status": "DOWN", "details": {"error": "org.postgresql.util.PSQLException: refused"}},
                    "diskSpace": {"status": "UP", "details": {"free": 1, "exists": True, "threshold": 2}},
                    "readinessState": {"status": "OUT_OF_SERVICE"},
                    "redis": {"status": "UNKNOWN"},
                },
            },
            {"": DOWN, "db": DOWN, "diskSpace": UP, "readinessState": DOWN, "redis": UNKNOWN},
        ),
        (
            {
                "status": "UP",
                "components": {"db": {"status": "UP", "components": {"a": {"status": "UP"}, "b": {"status": "DOWN"}}}},
            },
            {"": UP, "db/a": UP, "db/b": DOWN},
        ),
        ({"status": "UP", "details": {"rabbit": {"status": "DOWN"}, "version": "2.1"}}, {"": UP, "rabbit": DOWN}),
        # health+json
        (
            {
                "status": "warn",
                "version": "1",
                "checks": {
                    "cassandra:responseTime": [
                        {"componentType": "datastore", "observedValue": 250, "observedUnit": "ms", "status": "pass"},
                        {"observedValue": 9, "observedUnit": "s", "status": "fail", "output": "too slow"},
                    ],
                    "uptime": [{"componentType": "system", "observedValue": 1209600.245, "status": "pass"}],
                },
            },
            {"": DEGRADED, "cassandra": DOWN, "uptime": UP},
        ),
        # MicroProfile, ASP.NET, NestJS, Dropwizard, hellofresh, Flask
        (
            {"status": "DOWN", "checks": [{"name": "kafka", "status": "DOWN", "data": {"x": 1}}]},
            {"": DOWN, "kafka": DOWN},
        ),
        (
            {"status": "Unhealthy", "entries": {"sql": {"status": "Degraded", "duration": "00:00:03.5", "data": {}}}},
            {"": DOWN, "sql": DEGRADED},
        ),
        (
            {
                "status": "error",
                "info": {"mem": {"status": "up"}},
                "error": {"pg": {"status": "down"}},
                "details": {"mem": {"status": "up"}, "pg": {"status": "down", "message": "x"}},
            },
            {"": DOWN, "mem": UP, "pg": DOWN},
        ),
        (
            {"deadlocks": {"healthy": True}, "billing": {"healthy": False, "message": "x"}},
            {"deadlocks": UP, "billing": DOWN},
        ),
        (
            {"status": "Service Unavailable", "failures": {"mongo": "timeout", "s3": {"error": "denied"}}},
            {"mongo": DOWN, "s3": DOWN},
        ),
        ({"results": [{"checker": "redis_up", "output": "gone", "passed": False}]}, {"redis_up": DOWN}),
        # none of it
        ({"log_level": "error", "slot": "green", "mode": "slow", "env": "down", "color": "red"}, {}),
        ({"message": "ok", "version": "9", "uptime": 12, "features": {"beta": False}, "build": {"sha": "x"}}, {}),
        ([{"name": "db", "status": "down"}], {}),
        ("down", {}),
        (None, {}),
    ],
)
def test_every_usual_form_of_a_status_page(page: Any, states: dict[str, State]) -> None:
    assert {response.name: response.state for response in report_of(page)} == states


def test_what_a_page_says_beside_the_state_is_kept_short() -> None:
    (response,) = report_of(
        {"checks": {"db": {"status": "down", "error": "no\n  route " + "x" * 999, "latencyMs": 1500}}}
    )
    assert response.detail.startswith("no route xxx")
    assert (len(response.detail), response.seconds) == (200, 1.5)


@pytest.mark.parametrize(
    ("part", "seconds"),
    [
        ({"latency_ms": 40}, 0.04),
        ({"responseTimeSeconds": 2}, 2.0),
        ({"duration": "00:01:00.5000000"}, 60.5),
        ({"took_s": 0.5}, 0.5),
        ({"latency": 40}, None),
        ({"latency_ms": "40"}, None),
        ({"latency_ms": -1}, None),
        ({"timeout_ms": 5000}, None),
        ({"ping_ms": True}, None),
    ],
)
def test_a_time_counts_with_its_unit_only(part: dict[str, Any], seconds: float | None) -> None:
    assert report_of({"checks": {"db": {"status": "up"} | part}})[0].seconds == seconds


def test_a_time_beside_a_flat_state_is_its_own() -> None:
    page = OURS | {"database": "available", "database_seconds": 2.5, "cache": "available", "cache_latency_ms": 3}
    assert {response.name: response.seconds for response in report_of(page)} == {"database": 2.5, "cache": 0.003}


def test_a_page_without_end_is_bounded() -> None:
    assert len(report_of({"checks": {str(number): "down" for number in range(10_000)}})) <= MAX_DEPENDENCIES
    deep: Any = {"status": "down"}
    for _ in range(500):
        deep = {"components": {"x": deep}}
    assert report_of(deep) == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=True)
    | st.text(max_size=12)
    | st.sampled_from(["down", "ok", "a:b"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["checks", "status", "details", "db:x", "failures", "name", "a"]) | st.text(max_size=6),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_no_page_breaks_it(page: Any) -> None:
    for response in report_of(page):
        assert len(response.name) <= 200
        assert place_of_dependency(response.name)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *(
            (name, "database")
            for name in ("database", "db", "DB", "postgres", "PostgreSQL", "dataSource", "rds", "sql")
        ),
        *((name, "cache") for name in ("cache", "redis", "Redis Cache", "valkey", "cache_1")),
        ("Payment API", "payment-api"),
        ("db/replica", "db/replica"),
        ("exchange", "exchange"),
        ("\x1b[31m", "31m"),
        ("…", "dependency"),
    ],
)
def test_one_place_for_what_pages_name_differently(name: str, place: str) -> None:
    assert place_of_dependency(name) == place


# What is said of it


def probes(*pages: Any, users: Answer | None = None) -> Probes:
    status = ProbeRequest(
        "backend", "http://x/status", Source.STATUS, tuple(Answer(200, "OK", payload=page) for page in pages)
    )
    theirs = ProbeRequest("backend", "http://x/prices", Source.PUBLIC, (users or Answer(200, "OK"),) * 3)
    return Probes((status, theirs), {}, "http://x")


def findings(found: Probes, age: float = 3) -> list[Finding]:
    data = DataAge((ServiceData("backend", "http://x/status", age, ""),))
    records = list(dependencies(read_dependencies(found), found, data, STAGING))
    assert all(one.evidence and (one.level is Level.OK) == (one.procedure is None) for one in records)
    return records


def sentences_of(found: Probes, **more: Any) -> list[tuple[Level, str, str]]:
    return [(one.level, one.place, one.sentence) for one in findings(found, **more)]


WELL = {"database": "available", "cache": "available"}
BROKEN = Answer(503, "Service Unavailable")


def test_all_that_is_named_is_well() -> None:
    assert sentences_of(probes(WELL, WELL)) == [
        (Level.OK, "dependencies", "backend reported no trouble with database, cache.")
    ]
    assert sentences_of(probes(OURS))[0][2] == "backend named no dependency."
    assert sentences_of(probes(WELL | {"cache": "not configured"}))[0][0] is Level.OK


@pytest.mark.parametrize(
    ("page", "users", "age", "expected"),
    [
        ({"cache": "unavailable"}, None, 3, (Level.WARN, "cache", "backend says that its cache is unavailable.")),
        (
            {"database": "unavailable"},
            BROKEN,
            3,
            (Level.FAIL, "database", "backend says that its database is unavailable."),
        ),
        ({"database": "slow"}, BROKEN, 3, (Level.WARN, "database", "backend says that its database is slow.")),
        ({"exchange": "down"}, None, 3, (Level.WARN, "exchange", "backend says that its exchange is down.")),
        ({"exchange": "down"}, None, 3000, (Level.FAIL, "exchange", "backend says that its exchange is down.")),
        (
            {"exchange": "down"},
            Answer(200, "OK", seconds=4),
            3,
            (Level.FAIL, "exchange", "backend says that its exchange is down."),
        ),
        (
            {"checks": {"Ledger": {"status": "fail", "output": "no route."}}},
            None,
            3,
            (Level.WARN, "ledger", "backend says that its Ledger is fail: no route."),
        ),
        ({"checks": {"redis": {"ok": False}}}, None, 3, (Level.WARN, "cache", "backend says that its redis is down.")),
        (
            {"checks": {"db": {"status": "up", "latency_ms": 2500}}},
            None,
            3,
            (Level.WARN, "database", "backend says that its db is up, and slow: 2.5 s."),
        ),
        (
            {"checks": {"mq": {"status": "unknown"}}},
            None,
            3,
            (Level.WARN, "mq", "backend says that its mq is unknown."),
        ),
        ({"status": "fail"}, None, 3, (Level.WARN, "services/backend", "backend says that it is itself fail.")),
        ({"status": "fail"}, BROKEN, 3, (Level.FAIL, "services/backend", "backend says that it is itself fail.")),
    ],
)
def test_a_dependency_is_a_finding_of_its_own(
    page: Any, users: Answer | None, age: float, expected: tuple[Level, str, str]
) -> None:
    assert sentences_of(probes(page, users=users), age=age) == [expected]


def test_one_task_of_three_that_does_not_reach_it() -> None:
    records = sentences_of(probes(WELL, WELL | {"cache": "unavailable"}, WELL))
    assert records == [(Level.WARN, "cache", "backend says in 1 of 3 answers that its cache is unavailable.")]


def test_a_page_that_is_down_for_its_dependency_names_the_dependency_alone() -> None:
    records = sentences_of(probes({"status": "DOWN", "components": {"db": {"status": "DOWN"}}}, users=BROKEN))
    assert [place for _, place, _ in records] == ["database"]


def test_each_has_its_procedure() -> None:
    page = {"db": "down", "redis": "down", "exchange": "down"}
    assert {one.place: one.procedure for one in findings(probes(page))} == {
        "database": DATABASE_TIMEOUT,
        "cache": CACHE_UNREACHABLE,
        "exchange": DEPENDENCY_DOWN,
    }


def test_without_a_users_page_down_is_a_failure() -> None:
    only = replace(probes({"queue": "down"}), requests=probes({"queue": "down"}).requests[:1])
    assert sentences_of(only) == [(Level.FAIL, "queue", "backend says that its queue is down.")]


def test_no_page_that_answered_says_nothing() -> None:
    dead = Probes((ProbeRequest("backend", "http://x/status", Source.STATUS, (BROKEN,)),), {}, "http://x")
    assert sentences_of(dead) == []
