"""What the performance review reads: log lines grouped, statements by load, figures of both weeks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omc.checks.finding import Level
from omc.checks.spec import spec_of
from omc.errors import AccessDenied, NotFound, Unreachable
from omc.facts.followup.database_log import vacuums_of
from omc.facts.load_balancers import TargetGroup, TargetGroups
from omc.facts.pending import Pending
from omc.facts.performance.cache_lines import read_cache_lines, slow_commands
from omc.facts.performance.database_lines import fingerprint, read_database_lines, slow_groups
from omc.facts.performance.figures import read_week_figures
from omc.facts.performance.parameters import read_database_parameters
from omc.facts.performance.statements import loads_of, read_statement_loads
from omc.facts.performance.tables import door_of, read_table_statistics
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.review.model import NOTHING
from omc.review.parts import PARTS
from omc.review.run import review_of
from support.fake_gateway import FakeGateway

NOW = datetime(2026, 11, 30, 9, 20, tzinfo=UTC)
WEEK = timedelta(days=7)
SCOPE = Scope(NOW, WEEK)
HEAD = "2026-11-29 10:00:00 UTC:10.0.1.5(44210):app@coins:[77]:LOG:  "
INSTANCE = {
    "DBInstanceClass": "db.t4g.micro",
    "DbiResourceId": "db-ABC",
    "PerformanceInsightsEnabled": True,
    "PerformanceInsightsRetentionPeriod": 7,
    "DatabaseInsightsMode": "standard",
    "DBParameterGroups": [{"DBParameterGroupName": "ours"}],
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM coins WHERE id = 7", "SELECT * FROM coins WHERE id = 4711"),
        ("SELECT 1 FROM users WHERE name = 'ann'", "SELECT 1 FROM users WHERE name = 'o''neill'"),
        ("SELECT a FROM t\n  WHERE b IN (1, 2, 3)", "SELECT a FROM t WHERE b IN (4,5)"),
        ("UPDATE t SET a = $1 WHERE b = $2", "UPDATE t SET a = $3 WHERE b = $1"),
        ("SELECT -1.5e3", "SELECT 2"),
    ],
)
def test_statements_that_differ_in_their_values_alone_are_one(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


def test_a_shape_holds_no_value_and_keeps_names() -> None:
    shape = fingerprint("SELECT price2 FROM coins_v2 WHERE secret = 'hunter2hunter2' AND n > 12")
    assert shape == "SELECT price2 FROM coins_v2 WHERE secret = ? AND n > ?"


def test_slow_statements_are_grouped_by_shape_the_longest_altogether_first() -> None:
    lines = [
        (NOW, HEAD + "duration: 1500.0 ms  statement: SELECT * FROM a WHERE id = 1"),
        (NOW - WEEK, HEAD + "duration: 700.5 ms  execute <unnamed>: SELECT * FROM a WHERE id = 2"),
        (NOW, HEAD + "duration: 9000.0 ms  execute s_1/portal: DELETE FROM b"),
        (NOW, HEAD + "connection received"),
    ]
    first, second = slow_groups(lines)
    assert (first.shape, first.count) == ("DELETE FROM b", 1)
    assert (second.shape, second.count, second.longest, second.last) == ("SELECT * FROM a WHERE id = ?", 2, 1.5, NOW)
    assert second.total == pytest.approx(2.2005)


PLAN = (
    "duration: 900.1 ms  plan:\n\tQuery Text: SELECT * FROM coins WHERE id = 5\n"
    "\t{node}  (cost=0.42..8.44 rows=1 width=44)\n\t  Filter: (id = 5)"
)


def test_a_plan_that_was_logged_belongs_to_its_statement_and_is_no_second_slow_one() -> None:
    lines = [
        (NOW, HEAD + "duration: 900.1 ms  statement: SELECT * FROM coins WHERE id = 5"),
        (NOW, HEAD + PLAN.format(node="Index Scan using coins_pkey on coins")),
        (NOW, HEAD + PLAN.format(node="Seq Scan on coins")),
    ]
    [group] = slow_groups(lines)
    assert group.count == 1
    assert group.plans == {"Index Scan using coins_pkey on coins", "Seq Scan on coins"}


def test_the_newest_automatic_vacuum_of_each_table_tells_of_dead_rows() -> None:
    text = (
        'automatic vacuum of table "coins.public.prices": index scans: 0\n\tpages: 0 removed, 100 remain\n'
        "\ttuples: {removed} removed, {remain} remain, {dead} are dead but not yet removable"
    )
    lines = [
        (NOW, HEAD + text.format(removed=0, remain=50_000, dead=40_000)),
        (NOW - WEEK, HEAD + text.format(removed=1, remain=10, dead=9)),
        (NOW, HEAD + 'automatic analyze of table "coins.public.prices"'),
    ]
    [found] = vacuums_of(lines)
    assert (found.table, found.remain, found.dead) == ("coins.public.prices", 50_000, 40_000)


def test_the_slow_log_is_read_in_both_its_forms_and_without_keys() -> None:
    lines = [
        (NOW, '{"Id": 1, "Duration (us)": 15000, "Command": "KEYS user:*", "CacheClusterId": "c-001"}'),
        (NOW - WEEK, "2026-11-23T09:00:00+00:00 c-001/0001 7 22000 keys user:7 10.0.1.5:40000"),
        (NOW, '{"Id": 2, "Duration (us)": 11000, "Command": "HGETALL big"}'),
        (NOW, '{"Id": 3}'),
        (NOW, "what is this"),
    ]
    first, second = slow_commands(lines)
    assert (first.command, first.count, first.longest, first.last) == ("KEYS", 2, 22.0, NOW)
    assert second.command == "HGETALL"
    assert "big" not in repr((first, second))


KEYS = {
    "PartitionKeys": [
        {"Dimensions": {"db.wait_event.name": "CPU", "db.wait_event.type": "CPU"}},
        {"Dimensions": {"db.wait_event.name": "IO:DataFileRead", "db.wait_event.type": "IO"}},
        {"Dimensions": {"db.wait_event.name": "relation", "db.wait_event.type": "Lock"}},
    ],
    "Keys": [
        {"Dimensions": {"db.sql_tokenized.id": "A", "db.sql_tokenized.statement": "SELECT  ?"}, "Total": 0.1},
        {
            "Dimensions": {"db.sql_tokenized.id": "B", "db.sql_tokenized.statement": "DELETE FROM b"},
            "Total": 0.9,
            "Partitions": [0.1, 0.3, 0.5],
        },
    ],
}


def test_statements_by_load_have_what_they_wait_for() -> None:
    first, second = loads_of(KEYS)
    assert (first.id, first.waits) == ("B", (("Lock:relation", 0.5), ("IO:DataFileRead", 0.3), ("CPU", 0.1)))
    assert (second.text, second.waits) == ("SELECT ?", ())


def insights(keys: Any = KEYS) -> FakeGateway:
    points = [{"Timestamp": NOW, "Value": 412.0}, {"Timestamp": NOW}]
    metrics = {"MetricList": [{"Key": {"Metric": "db.User.max_connections.max"}, "DataPoints": points}]}
    return FakeGateway({("pi", "describe_dimension_keys"): keys, ("pi", "get_resource_metrics"): metrics})


def test_the_week_before_is_asked_for_only_where_it_is_kept() -> None:
    kept = insights()
    found = read_statement_loads(
        kept, Pending((), database={**INSTANCE, "PerformanceInsightsRetentionPeriod": 31}), SCOPE
    )
    assert found.before is not None
    begins = sorted(call["StartTime"] for call in kept.calls("describe_dimension_keys"))
    assert begins == [NOW - 2 * WEEK, NOW - WEEK]
    week = insights()
    found = read_statement_loads(week, Pending((), database=INSTANCE), SCOPE)
    assert found.before is None
    assert "kept for 7 days" in found.why_not_before
    [call] = week.calls("describe_dimension_keys")
    assert call["StartTime"] > NOW - WEEK
    assert found.counters == {"db.User.max_connections.max": ((NOW, 412.0),)}


def test_a_week_before_that_is_refused_costs_only_itself() -> None:
    def keys(params: Mapping[str, Any]) -> Any:
        if params["StartTime"] < NOW - WEEK:
            raise Unreachable("not that far back")
        return KEYS

    database = {**INSTANCE, "PerformanceInsightsRetentionPeriod": 31}
    found = read_statement_loads(insights(keys), Pending((), database=database), SCOPE)
    assert found.now
    assert (found.before, found.why_not_before) == (None, "not that far back")


def test_without_performance_insights_nothing_is_asked() -> None:
    gateway = FakeGateway({})
    for database in (None, {**INSTANCE, "PerformanceInsightsEnabled": False}):
        assert read_statement_loads(gateway, Pending((), database=database), SCOPE).is_off
    assert not gateway.requests


def test_figures_of_both_weeks_are_by_their_metric_and_empty_ones_are_left_out() -> None:
    def answer(params: Mapping[str, Any]) -> Any:
        results = []
        for each in params["MetricDataQueries"]:
            has = each["MetricStat"]["Metric"]["MetricName"] in {"DBLoad", "TargetResponseTime", "CacheHits"}
            times = [params["EndTime"] - timedelta(hours=1), params["StartTime"]] if has else []
            results.append({"Id": each["Id"], "Timestamps": times, "Values": [2.0, 1.0][: len(times)]})
        return {"MetricDataResults": results}

    gateway = FakeGateway({("cloudwatch", "get_metric_data"): answer})
    arn = "arn:aws:elasticloadbalancing:ap-southeast-2:1:targetgroup/backend/5"
    balancer = "arn:aws:elasticloadbalancing:ap-southeast-2:1:loadbalancer/app/coins/7"
    groups = TargetGroups((TargetGroup("backend", arn, True, (balancer,)), TargetGroup("unused", arn, False)))
    pending = Pending((), database=INSTANCE, cache={"MemberClusters": ["c-001", "c-002"]})
    figures = read_week_figures(gateway, SCOPE, pending, groups)
    assert figures.begin == datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    assert figures.now("database", "DBLoad", "Average") == [(figures.begin + WEEK - timedelta(hours=1), 2.0)]
    assert figures.before("database", "DBLoad", "Average") == [(figures.begin - WEEK, 1.0)]
    assert ("database", "BurstBalance", "Minimum") not in figures.series
    assert [value for _, value in figures.of_nodes("CacheHits", "Sum")] == [2.0, 4.0]
    assert figures.groups == ("backend",)
    [call] = gateway.calls("get_metric_data")
    dimensions = [each["MetricStat"]["Metric"]["Dimensions"] for each in call["MetricDataQueries"]]
    assert [
        {"Name": "TargetGroup", "Value": "targetgroup/backend/5"},
        {"Name": "LoadBalancer", "Value": "app/coins/7"},
    ] in dimensions


def logs(rows: Any) -> FakeGateway:
    return FakeGateway(
        {
            ("logs", "start_query"): rows if isinstance(rows, Exception) else {"queryId": "q"},
            ("logs", "get_query_results"): {"status": "Complete", "results": rows},
        }
    )


def test_a_log_that_is_not_exported_is_said_to_be_missing() -> None:
    gateway = logs(NotFound("no such log group", "ResourceNotFoundException"))
    assert not read_database_lines(gateway, gateway.environment, SCOPE).exists


def test_a_refused_log_is_no_empty_log() -> None:
    gateway = logs(AccessDenied("refused", "logs:StartQuery"))
    with pytest.raises(AccessDenied):
        read_database_lines(gateway, gateway.environment, SCOPE)


def test_the_database_log_of_both_weeks_is_read() -> None:
    row = [
        {"field": "@timestamp", "value": "2026-11-29 10:00:00.000"},
        {"field": "@message", "value": HEAD + "duration: 800.0 ms  statement: SELECT 5"},
    ]
    gateway = logs([row])
    found = read_database_lines(gateway, gateway.environment, SCOPE)
    assert [group.shape for group in found.now] == ["SELECT ?"]
    assert found.before == found.now
    periods = sorted((call["startTime"], call["endTime"]) for call in gateway.calls("start_query"))
    assert periods[0][0] == int((NOW - 2 * WEEK).timestamp())
    assert periods[1][0] == int((NOW - WEEK).timestamp())


def test_the_slow_log_is_read_where_it_is_delivered() -> None:
    destination = {"CloudWatchLogsDetails": {"LogGroup": "/slow"}}
    delivery = {"LogType": "slow-log", "Status": "active", "DestinationDetails": destination}
    row = [
        {"field": "@timestamp", "value": "2026-11-29 10:00:00.000"},
        {"field": "@message", "value": '{"Duration (us)": 12000, "Command": "KEYS *"}'},
    ]
    found = read_cache_lines(logs([row]), Pending((), cache={"LogDeliveryConfigurations": [delivery]}), SCOPE)
    assert ([one.command for one in found.now], found.group, found.status) == (["KEYS"], "/slow", "active")
    nowhere = FakeGateway({})
    assert read_cache_lines(nowhere, Pending((), cache={}), SCOPE).group == ""
    assert not read_cache_lines(nowhere, Pending(()), SCOPE).is_there
    assert not nowhere.requests


def test_parameters_are_what_somebody_set() -> None:
    parameters = [
        {"ParameterName": "log_min_duration_statement", "ParameterValue": "500"},
        {"ParameterName": "max_connections", "ParameterValue": "LEAST({DBInstanceClassMemory/9531392},5000)"},
        {"ParameterName": "jit"},
    ]
    gateway = FakeGateway({("rds", "describe_db_parameters"): {"Parameters": parameters}})
    found = read_database_parameters(gateway, Pending((), database=INSTANCE))
    assert found.number("log_min_duration_statement") == 500
    assert found.number("max_connections") is None
    assert found.number("jit") is None


def test_tables_are_asked_for_only_through_a_door_whose_words_are_never_repeated(monkeypatch: Any) -> None:
    environment = FakeGateway({}).environment
    door = door_of(environment)
    monkeypatch.delenv(door, raising=False)
    found = read_table_statistics(environment)
    assert (found.is_read, found.door) == (False, door)
    monkeypatch.setenv(door, "host=/nowhere/at/all user=ann password=hunter2hunter2")
    with pytest.raises(Unreachable) as caught:
        read_table_statistics(environment)
    assert "hunter2" not in caught.value.message
    assert "/nowhere" not in caught.value.message


def test_without_any_right_the_whole_part_is_unknown_and_names_the_rights() -> None:
    class Refusing(dict[tuple[str, str], Any]):
        def __missing__(self, key: tuple[str, str]) -> Any:
            return AccessDenied(f"{key[0]} {key[1]} is refused", ":".join(key))

    gateway = FakeGateway(Refusing())
    [part] = [each for each in PARTS if each.name == "performance"]
    found = review_of(Facts(gateway, SCOPE), [part], NOTHING)
    findings = found.parts[0].report.findings
    assert {each.check for each in findings} == {spec_of(one).id for one in part.checks.checks}
    assert {each.level for each in findings} == {Level.UNKNOWN}
    assert all(each.action for each in findings)
    assert found.exit_code == 3
    assert not found.parts[0].charts
