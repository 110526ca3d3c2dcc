"""The performance review over written facts: each check where it speaks, and where it must not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.checks.finding import Finding, Level
from omc.config import Environment, load
from omc.config.review_tables import PerformanceTable, ReviewTable
from omc.facts.followup.database_log import Vacuum
from omc.facts.pending import Pending
from omc.facts.performance.cache_lines import CacheLines, SlowCommands
from omc.facts.performance.database_lines import DatabaseLines, SlowGroup
from omc.facts.performance.figures import Key, WeekFigures
from omc.facts.performance.parameters import DatabaseParameters
from omc.facts.performance.statements import CONNECTIONS, FETCHED, IDLE_TIME, RETURNED, StatementLoad, StatementLoads
from omc.facts.performance.tables import IndexUse, TableRows, TableStatistics
from omc.facts.scope import Scope
from omc.model.week_change import HOUR, WEEK, Points
from omc.review.model import key_of
from omc.review.performance import CHARTS, CHECKS
from omc.review.performance.burst import burst_credits
from omc.review.performance.cache import cache_commands, cache_evictions, cache_hit_rate
from omc.review.performance.charts import hit_rate_chart, load_chart, responses_chart, statements_chart
from omc.review.performance.database import (
    database_connections,
    dead_rows,
    idle_transactions,
    indexes,
    transaction_age,
)
from omc.review.performance.responses import response_times
from omc.review.performance.statements import (
    database_load,
    plan_changes,
    slow_statements,
    statement_changes,
    top_statements,
    vcpus_of,
)

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
BEGIN = NOW - WEEK
SCOPE = Scope(NOW, WEEK)
OK, WARN, FAIL, UNKNOWN = Level.OK, Level.WARN, Level.FAIL, Level.UNKNOWN
DATABASE = {"DBInstanceClass": "db.t4g.small", "PerformanceInsightsEnabled": True}
CACHE = {"CacheNodeType": "cache.t4g.small", "MemberClusters": ["c-001"]}
THERE = Pending((), database=DATABASE, cache=CACHE)
NOTHING = Pending(())


def steady(before: float | None, now: float | None) -> Points:
    """The same figure in each hour of a week."""
    return [
        (begin + hour * HOUR, value)
        for begin, value in ((BEGIN - WEEK, before), (BEGIN, now))
        if value is not None
        for hour in range(168)
    ]


def figures(series: Mapping[Key, Points], nodes: tuple[str, ...] = ("c-001",), *groups: str) -> WeekFigures:
    return WeekFigures(BEGIN, WEEK, series, nodes, groups)


def leaving_out(*what: Any) -> Environment:
    return replace(STAGING, review=ReviewTable(performance=PerformanceTable(leave_out=what)))


def only(findings: Iterator[Finding]) -> Finding:
    [found] = findings
    return shown(found)


def shown(found: Finding) -> Finding:
    assert found.evidence
    assert found.sentence.endswith(".")
    assert (found.procedure is None) == (found.level is OK)
    assert found.unread == (found.level is UNKNOWN)
    assert " " not in key_of(found)
    return found


def all_of(findings: Iterator[Finding]) -> dict[str, Level]:
    return {shown(found).place: found.level for found in findings}


def test_findings_are_told_apart_and_every_check_knows_a_stack_without_its_thing() -> None:
    nothing = figures({}, ())
    for found in (
        *database_load(nothing, NOTHING, STAGING),
        *top_statements(StatementLoads(is_off=True), NOTHING),
        *statement_changes(StatementLoads(is_off=True), STAGING, NOTHING),
        *plan_changes(DatabaseLines(), None, STAGING, NOTHING),
        *slow_statements(DatabaseLines(), DatabaseParameters(), STAGING, NOTHING),
        *database_connections(nothing, DatabaseParameters(), None, STAGING, NOTHING),
        *transaction_age(nothing, NOTHING),
        *dead_rows(TableStatistics(), None, STAGING, NOTHING),
        *indexes(TableStatistics(), None, STAGING, SCOPE, NOTHING),
        *idle_transactions(StatementLoads(is_off=True), NOTHING),
        *burst_credits(nothing, NOTHING, STAGING),
        *cache_hit_rate(nothing, STAGING, NOTHING),
        *cache_evictions(nothing, STAGING, NOTHING),
        *cache_commands(CacheLines(is_there=False), nothing, NOTHING),
        *response_times(nothing, STAGING),
    ):
        assert shown(found).level is OK
    assert len(CHECKS) == 18
    assert len(CHARTS) == 4


@pytest.mark.parametrize(
    ("size", "vcpus"),
    [
        ("db.t2.micro", 1),
        ("db.t4g.micro", 2),
        ("db.m6g.large", 2),
        ("db.r6g.xlarge", 4),
        ("db.m5.4xlarge", 16),
        ("db.serverless", None),
        ("", None),
    ],
)
def test_vcpus_of_an_instance_class(size: str, vcpus: int | None) -> None:
    assert vcpus_of(size) == vcpus


def busy(hours: int) -> Points:
    return [(at, 3.0 if number >= 336 - hours else 0.5) for number, (at, _) in enumerate(steady(0.5, 0.5))]


@pytest.mark.parametrize(
    ("points", "level"),
    [
        (steady(0.4, 0.8), WARN),
        (steady(0.0, 0.3), WARN),
        (busy(3), WARN),
        (steady(None, 2.5), WARN),
        (steady(0.8, 0.4), OK),
        (steady(0.01, 0.05), OK),  # five times nearly nothing
        (busy(2), OK),
        (steady(None, 0.5), OK),
        ([], UNKNOWN),
        (steady(0.5, None), UNKNOWN),
    ],
)
def test_database_load(points: Points, level: Level) -> None:
    found = only(database_load(figures({("database", "DBLoad", "Average"): points}), THERE, STAGING))
    assert found.level is level
    if level is UNKNOWN:
        assert "CloudWatch Database Insights" in found.evidence[0].text


def load_of(name: str, sessions: float, *waits: tuple[str, float]) -> StatementLoad:
    return StatementLoad(name, f"SELECT {name}", sessions, waits)


@pytest.mark.parametrize(
    ("loads", "levels"),
    [
        ([load_of("a", 0.9, ("IO:DataFileRead", 0.8), ("CPU", 0.1))], [WARN]),
        ([load_of("a", 0.3, ("Lock:tuple", 0.2), ("CPU", 0.1)), load_of("b", 0.2, ("LWLock:x", 0.2))], [WARN, WARN]),
        ([load_of("a", 0.9, ("CPU", 0.9)), load_of("b", 0.1, ("Client:ClientRead", 0.1))], [WARN]),
        ([load_of("a", 0.9, ("CPU", 0.6), ("IO:DataFileRead", 0.3))], [OK]),
        ([load_of("a", 0.05, ("Lock:tuple", 0.05))], [OK]),
        ([load_of("a", 0.9)], [OK]),
        ([], [OK]),
    ],
)
def test_top_statements(loads: list[StatementLoad], levels: list[Level]) -> None:
    assert [shown(found).level for found in top_statements(StatementLoads(tuple(loads)), THERE)] == levels


def test_statements_are_unknown_without_performance_insights_and_its_new_name_is_said() -> None:
    found = only(top_statements(StatementLoads(is_off=True), THERE))
    assert found.level is UNKNOWN
    assert "CloudWatch Database Insights" in found.evidence[0].text


INDEXED, THROUGH = frozenset({"Index Scan using a on a"}), frozenset({"Seq Scan on a"})


def slow(shape: str, count: int, total: float, plans: frozenset[str] = frozenset()) -> SlowGroup:
    return SlowGroup(shape, count, total, total, NOW, plans)


@pytest.mark.parametrize(
    ("before", "now", "level"),
    [
        ([load_of("a", 0.2)], [load_of("a", 0.5)], WARN),
        ([load_of("a", 0.2)], [load_of("a", 0.2), load_of("b", 0.2)], WARN),
        ([], [load_of("b", 2.0)], WARN),
        ([load_of("a", 0.2)], [load_of("a", 0.25)], OK),
        ([load_of("a", 2.0)], [load_of("a", 2.3)], OK),  # less than a quarter
        ([load_of("a", 2.0)], [load_of("a", 0.5)], OK),
        ([], [load_of("b", 0.05)], OK),
    ],
)
def test_statements_that_changed(before: list[StatementLoad], now: list[StatementLoad], level: Level) -> None:
    loads = StatementLoads(tuple(now), tuple(before))
    assert only(statement_changes(loads, STAGING, THERE)).level is level


@pytest.mark.parametrize(
    ("before", "now", "level"),
    [
        ((slow("a", 5, 9, INDEXED),), (slow("a", 5, 9, THROUGH),), WARN),
        ((slow("a", 5, 9, INDEXED),), (slow("a", 5, 9, THROUGH | INDEXED),), WARN),
        ((slow("a", 5, 9, INDEXED), slow("b", 1, 1, INDEXED)), (slow("b", 5, 9, THROUGH),), WARN),
        ((slow("a", 5, 9, INDEXED | THROUGH),), (slow("a", 5, 9, INDEXED),), OK),
        ((slow("a", 5, 9, INDEXED),), (slow("b", 5, 9, THROUGH),), OK),  # another statement
        ((slow("a", 5, 9),), (slow("a", 5, 9, THROUGH),), UNKNOWN),
        (None, (slow("a", 5, 9, THROUGH),), UNKNOWN),
    ],
)
def test_plans_that_changed(before: Any, now: Any, level: Level) -> None:
    assert only(plan_changes(DatabaseLines(now, before), None, STAGING, THERE)).level is level
    left_out = only(plan_changes(DatabaseLines(now, before), None, leaving_out("plans"), THERE))
    assert left_out.level is (OK if level is UNKNOWN else level)


def test_what_standard_mode_has_not_is_unknown_with_what_would_switch_it_on() -> None:
    loads = StatementLoads((), None, "statements are kept for 7 days", mode="standard")
    load = only(statement_changes(loads, STAGING, THERE))
    plans = only(plan_changes(DatabaseLines(), loads, STAGING, THERE))
    assert (load.level, plans.level) == (UNKNOWN, UNKNOWN)
    assert "performance_insights_retention_period = 31" in load.evidence[0].text
    assert "CloudWatch Database Insights (standard)" in plans.sentence
    assert "auto_explain" in plans.evidence[0].text


@pytest.mark.parametrize(
    ("before", "now", "level"),
    [
        ((), (slow("a", 5, 3.0),), WARN),
        ((slow("a", 5, 3.0),), (slow("a", 50, 30.0),), WARN),
        ((slow("a", 50, 100.0),), (slow("a", 60, 130.0),), WARN),
        ((), (slow("a", 4, 300.0),), OK),  # not often enough to be more than an accident
        ((slow("a", 50, 100.0),), (slow("a", 60, 115.0),), OK),
        ((slow("a", 5, 1.0),), (slow("a", 20, 8.0),), OK),  # seconds in a week
        (None, (slow("a", 50, 300.0),), OK),
        ((), (), OK),
    ],
)
def test_slow_statements(before: Any, now: Any, level: Level) -> None:
    limit = DatabaseParameters("ours", {"log_min_duration_statement": "500"})
    assert only(slow_statements(DatabaseLines(now, before), limit, STAGING, THERE)).level is level


@pytest.mark.parametrize(
    ("lines", "parameters", "switch"),
    [
        (DatabaseLines(exists=False), {}, "enabled_cloudwatch_logs_exports"),
        (DatabaseLines(), {}, "log_min_duration_statement"),
        (DatabaseLines(), {"log_min_duration_statement": "-1"}, "log_min_duration_statement"),
    ],
)
def test_slow_statements_that_nobody_logs_are_unknown(
    lines: DatabaseLines, parameters: dict[str, str], switch: str
) -> None:
    found = only(slow_statements(lines, DatabaseParameters("ours", parameters), STAGING, THERE))
    assert found.level is UNKNOWN
    assert switch in found.evidence[0].text


FORMULA = "LEAST({DBInstanceClassMemory/9531392},5000)"


@pytest.mark.parametrize(
    ("before", "now", "most", "measured", "level"),
    [
        (20, 98, "100", None, FAIL),
        (20, 85, "100", None, WARN),
        (20, 40, "100", None, WARN),
        (80, 80, FORMULA, 100, WARN),
        (20, 20, "100", None, OK),
        (20, 24, "100", None, OK),
        (40, 20, "100", None, OK),
        (20, 20, FORMULA, 100, OK),
        (20, 20, FORMULA, None, UNKNOWN),
        (20, None, "100", None, UNKNOWN),
    ],
)
def test_connections(before: float, now: float | None, most: str, measured: float | None, level: Level) -> None:
    series: dict[Key, Points] = {("database", "DatabaseConnections", "Maximum"): steady(before, now)}
    loads = StatementLoads(counters={CONNECTIONS: ((NOW, measured),)}) if measured else None
    parameters = DatabaseParameters("ours", {"max_connections": most})
    assert only(database_connections(figures(series), parameters, loads, STAGING, THERE)).level is level


def growing(begin: float, a_day: float) -> Points:
    return [(BEGIN + hour * HOUR, begin + a_day * hour / 24) for hour in range(168)]


@pytest.mark.parametrize(
    ("points", "level"),
    [
        (growing(1.1e9, 0), FAIL),
        (growing(6e8, 3e7), FAIL),
        (growing(6e8, 1e5), WARN),
        (growing(1e8, 4e7), WARN),
        (growing(1.9e8, 1e6), OK),
        (growing(2e8, -1e7), OK),
        ([], UNKNOWN),
    ],
)
def test_age_of_transaction_ids(points: Points, level: Level) -> None:
    series: dict[Key, Points] = {("database", "MaximumUsedTransactionIDs", "Maximum"): points}
    assert only(transaction_age(figures(series), THERE)).level is level


def rows(name: str, live: int, dead: int, scans: int = 0, scanned: int = 0, used: int = 0) -> TableRows:
    return TableRows(name, live, dead, scans, scanned, used)


def read(*tables: TableRows, indexes: tuple[IndexUse, ...] = (), age: timedelta = 2 * WEEK) -> TableStatistics:
    return TableStatistics(tables, indexes, NOW - age, "DOOR", is_read=True)


@pytest.mark.parametrize(
    ("statistics", "lines", "level"),
    [
        (read(rows("public.a", 10_000, 20_000)), None, WARN),
        (read(rows("public.a", 1_000_000, 500_000), rows("public.b", 5, 5)), None, WARN),
        (TableStatistics(), DatabaseLines(vacuums=(Vacuum("c.public.a", NOW, 50_000, 40_000),)), WARN),
        (read(rows("public.a", 1_000_000, 250_000)), None, OK),  # vacuuming has only just begun to be due
        (read(rows("public.a", 100, 9_000)), None, OK),
        (read(rows("public.a", 9, 0)), DatabaseLines(vacuums=(Vacuum("c.public.a", NOW, 50_000, 40_000),)), OK),
        (TableStatistics(), DatabaseLines(vacuums=(Vacuum("c.public.a", NOW, 50_000, 100),)), OK),
        (TableStatistics(door="DOOR"), DatabaseLines(), UNKNOWN),
        (TableStatistics(door="DOOR"), None, UNKNOWN),
    ],
)
def test_dead_rows(statistics: TableStatistics, lines: DatabaseLines | None, level: Level) -> None:
    assert only(dead_rows(statistics, lines, STAGING, THERE)).level is level
    if level is UNKNOWN:
        assert only(dead_rows(statistics, lines, leaving_out("tables"), THERE)).level is OK


MIB = 1024 * 1024


def scanned(returned: float, fetched: float) -> StatementLoads:
    return StatementLoads(counters={RETURNED: ((NOW, returned),), FETCHED: ((NOW, fetched),)})


@pytest.mark.parametrize(
    ("statistics", "loads", "levels"),
    [
        (read(indexes=(IndexUse("public.i", "public.a", 0, 90 * MIB),)), None, [WARN]),
        (read(rows("public.a", 90_000, 0, 500, 45_000_000, 3)), None, [WARN]),
        (
            read(rows("public.a", 90_000, 0, 500, 45_000_000), indexes=(IndexUse("public.i", "a", 0, 90 * MIB),)),
            None,
            [WARN, WARN],
        ),
        (TableStatistics(), scanned(90_000, 12), [WARN, UNKNOWN]),
        (read(indexes=(IndexUse("public.i", "public.a", 7, 90 * MIB),)), None, [OK]),
        (read(indexes=(IndexUse("public.i", "public.a", 0, MIB),)), None, [OK]),
        (read(rows("public.a", 90_000, 0, 500, 45_000_000, 90_000)), scanned(90_000, 12), [OK]),
        (read(rows("public.a", 90, 0, 5_000, 450_000)), None, [OK]),
        (read(indexes=(IndexUse("public.i", "a", 0, 90 * MIB),), age=timedelta(hours=5)), None, [UNKNOWN]),
        (TableStatistics(door="DOOR"), scanned(90_000, 20_000), [UNKNOWN]),
        (TableStatistics(door="DOOR"), None, [UNKNOWN]),
    ],
)
def test_indexes(statistics: TableStatistics, loads: StatementLoads | None, levels: list[Level]) -> None:
    found = list(indexes(statistics, loads, STAGING, SCOPE, THERE))
    assert [shown(each).level for each in found] == levels


@pytest.mark.parametrize(
    ("points", "level"),
    [
        (((NOW, 0.0), (NOW - HOUR, 3600.0)), WARN),
        (((NOW, 300.0),), WARN),
        (((NOW, 900_000.0),), WARN),
        (((NOW, 299.0),), OK),
        (((NOW, 0.0),), OK),
        ((), UNKNOWN),
    ],
)
def test_idle_in_transaction(points: Any, level: Level) -> None:
    loads = StatementLoads(counters={IDLE_TIME: points} if points else {})
    assert only(idle_transactions(loads, THERE)).level is level


LARGE = Pending((), database={"DBInstanceClass": "db.m6g.large"}, cache={"CacheNodeType": "cache.m6g.large"})


@pytest.mark.parametrize(
    ("pending", "series", "levels"),
    [
        (THERE, {("c-001", "CPUCreditBalance", "Minimum"): steady(576, 0)}, {"cache": FAIL}),
        (THERE, {("database", "CPUCreditBalance", "Minimum"): steady(576, 0)}, {"database": WARN}),  # charged
        (THERE, {("database", "CPUCreditBalance", "Minimum"): steady(576, 100)}, {"database": WARN}),
        (THERE, {("database", "CPUCreditBalance", "Minimum"): steady(576, 300)}, {"database": WARN}),  # it falls
        (THERE, {("database", "CPUCreditBalance", "Minimum"): steady(90, 90)}, {"database": WARN}),  # low, as before
        (LARGE, {("database", "BurstBalance", "Minimum"): steady(100, 1)}, {"database": FAIL}),
        (LARGE, {("database", "EBSIOBalance%", "Minimum"): steady(99, 15)}, {"database": WARN}),
        (THERE, {("database", "CPUCreditBalance", "Minimum"): steady(576, 560)}, {"database": OK}),
        (THERE, {("database", "CPUCreditBalance", "Minimum"): steady(300, 500)}, {"database": OK}),
        (LARGE, {("database", "EBSByteBalance%", "Minimum"): steady(99, 98)}, {"database": OK}),
        (LARGE, {}, {"database": OK}),
    ],
)
def test_burst_credits(pending: Pending, series: dict[Key, Points], levels: dict[str, Level]) -> None:
    found = all_of(burst_credits(figures(series), pending, STAGING))
    assert {place.partition("/")[0]: level for place, level in found.items() if level is not UNKNOWN} == levels
    small = {"database", "cache"} if pending is THERE else set()
    missing = small - {key[0].replace("c-001", "cache") for key in series}
    assert {place for place, level in found.items() if level is UNKNOWN} == {
        f"{one}/CPUCreditBalance" for one in missing
    }


def test_what_is_assumed_of_a_class_is_said_beside_what_follows_from_it() -> None:
    series: dict[Key, Points] = {
        ("database", "CPUCreditBalance", "Minimum"): steady(576, 100),
        ("database", "BurstBalance", "Minimum"): steady(100, 1),
    }
    found = {one.place: one.evidence[0].text for one in burst_credits(figures(series), THERE, STAGING) if one.evidence}
    size = THERE.database["DBInstanceClass"] if THERE.database else ""
    said = f"{size} is assumed to have the credits and the baseline of EC2's {size.partition('.')[2]}"
    assert said in found["database/CPUCreditBalance"]
    assert "assumed" not in found["database/BurstBalance"]


@pytest.mark.parametrize(
    ("before", "now", "level"),
    [
        ((95, 5), (70, 30), WARN),
        ((95, 5), (88, 12), WARN),  # seven points
        ((60, 40), (60, 40), WARN),  # as bad as before
        ((None, None), (50, 50), WARN),
        ((95, 5), (92, 8), OK),
        ((70, 30), (95, 5), OK),
        ((95, 5), (1, 2), OK),  # five hundred look-ups in a week
        ((95, 5), (None, None), OK),
        ((None, None), (None, None), UNKNOWN),
    ],
)
def test_hit_rate(before: Any, now: Any, level: Level) -> None:
    series: dict[Key, Points] = {
        ("c-001", "CacheHits", "Sum"): steady(before[0], now[0]),
        ("c-001", "CacheMisses", "Sum"): steady(before[1], now[1]),
    }
    assert only(cache_hit_rate(figures(series), STAGING, THERE)).level is level


@pytest.mark.parametrize(
    ("before", "now", "level"),
    [
        (0, 200, WARN),
        (500, 900, WARN),
        (None, 200, WARN),
        (500, 520, OK),
        (0, 0, OK),
        (0, 20, OK),
        (500, 100, OK),
        (500, None, UNKNOWN),
    ],
)
def test_evictions(before: float | None, now: float | None, level: Level) -> None:
    series: dict[Key, Points] = {("c-001", "Evictions", "Sum"): steady(before, now)}
    assert only(cache_evictions(figures(series), STAGING, THERE)).level is level


def command(name: str, longest: float = 12.0) -> SlowCommands:
    return SlowCommands(name, 3, longest, NOW)


@pytest.mark.parametrize(
    ("lines", "levels"),
    [
        (CacheLines((command("KEYS"),), (), "/slow", "active"), {"cache/KEYS": WARN}),
        (CacheLines((command("HGETALL"), command("SET")), None, "/slow", "active"), {"cache/HGETALL": WARN}),
        (CacheLines((command("FLUSHALL"),), (command("FLUSHALL"),), "/slow"), {"cache/FLUSHALL": WARN}),
        (CacheLines((), (), "/slow", "error", "no right to it"), {"cache/slow-log": WARN}),
        (CacheLines((command("HGETALL", 4.0), command("EVAL")), (), "/slow", "active"), {"cache": OK}),
        (CacheLines((), (), "/slow", "active"), {"cache": OK}),
        (CacheLines(), {"cache/slow-log": UNKNOWN}),
    ],
)
def test_commands_that_hold_up_the_cache(lines: CacheLines, levels: dict[str, Level]) -> None:
    assert all_of(cache_commands(lines, figures({}), THERE)) == levels


def answers(before: float | None, now: float | None, requests: float = 500, hours: int = 168) -> dict[Key, Points]:
    """Seconds of the p95; the last so many hours of the week are like this, the rest as before."""
    edge = NOW - hours * HOUR
    p95 = [(at, before if before is not None and BEGIN <= at < edge else value) for at, value in steady(before, now)]
    return {
        ("backend", "TargetResponseTime", "p95"): p95,
        ("backend", "TargetResponseTime", "p50"): steady(before, now),
        ("backend", "RequestCount", "Sum"): steady(requests, requests),
    }


@pytest.mark.parametrize(
    ("series", "level"),
    [
        (answers(0.2, 0.4), WARN),
        (answers(1.2, 1.2), WARN),  # as slow as before
        (answers(0.2, 1.5, hours=3), WARN),
        (answers(None, 1.5), WARN),
        (answers(0.2, 0.22), OK),
        (answers(0.01, 0.04), OK),  # thirty milliseconds
        (answers(0.2, 1.5, hours=2), OK),
        (answers(0.4, 0.2), OK),
        (answers(0.2, 4.0, requests=20), OK),  # a percentile of twenty
        ({}, UNKNOWN),
    ],
)
def test_response_times(series: dict[Key, Points], level: Level) -> None:
    found = only(response_times(figures(series, (), "backend"), STAGING))
    assert found.level is level
    assert found.place == "load-balancer/backend"


def test_the_slowest_hour_of_the_day_is_named() -> None:
    series = answers(0.2, 0.2)
    p95 = series["backend", "TargetResponseTime", "p95"]
    series["backend", "TargetResponseTime", "p95"] = [(at, 3.0 if at.hour == 14 else v) for at, v in p95]
    found = only(response_times(figures(series, (), "backend"), STAGING))
    assert "most often from 14:00 to 15:00 UTC" in found.sentence


def test_charts_have_a_figure_for_each_label_or_are_not_drawn() -> None:
    series: dict[Key, Points] = {
        **answers(0.2, 0.4),
        ("database", "DBLoadCPU", "Average"): steady(0.1, 0.2),
        ("c-001", "CacheHits", "Sum"): steady(9, 9),
        ("c-001", "CacheMisses", "Sum"): steady(1, 1),
    }
    full, nothing = figures(series, ("c-001",), "backend"), figures({}, ())
    for draw, labels in ((load_chart, 7), (hit_rate_chart, 7), (responses_chart, 24)):
        assert draw(nothing) is None
        drawn = draw(full)
        assert drawn
        assert len(drawn.labels) == labels
        assert all(len(one.values) == labels for one in drawn.series)
    hit_rate = hit_rate_chart(full)
    assert hit_rate
    assert hit_rate.series[0].values == (90.0,) * 7
    assert statements_chart(StatementLoads()) is None
    drawn = statements_chart(StatementLoads((load_of("a", 0.9), load_of("b", 0.1))))
    assert drawn
    assert (drawn.is_bars, drawn.series[0].values) == (True, (0.9, 0.1))
