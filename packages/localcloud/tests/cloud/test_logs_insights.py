"""Insights' query language: each query against a handful of events, run by the worker's own code on DuckDB."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.flow import FlowRecord, insights_fields, line
from localcloud.services.logs.insights.syntax import QueryError
from localcloud.services.logs.insights.translate import translate
from localcloud.services.logs.worker import Worker
from omc.facts.log_errors import ERROR_PATTERN
from omc.facts.logs import ERRORS_QUERY
from support.log_lines import ERRORS, HEALTHY

Run = Callable[..., list[dict[str, str]]]

NOON = 1_763_899_200_000
"""2025-11-23 12:00:00 UTC, in milliseconds."""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Worker(theirs, tmp_path_factory.mktemp("spill"))


@pytest.fixture
def run(worker: Worker, tmp_path: Path) -> Run:
    """``run(query, messages)``: one event a second from noon on; the rows as mappings, without @ptr."""

    def perform(
        query: str, messages: Sequence[str | Mapping[str, Any]], flows: Mapping[int, Sequence[str]] | None = None
    ) -> list[dict[str, str]]:
        tail = tmp_path / "tail.jsonl"
        texts = [each if isinstance(each, str) else json.dumps(each) for each in messages]
        events = [[NOON + 1000 * n, NOON * 1000 + n, f"s{n % 2}", text] for n, text in enumerate(texts)]
        tail.write_text("".join(json.dumps(event) + "\n" for event in events))
        statement = translate(query, None, flows)
        source = {
            "log": "123456789012:/g",
            "segments": [],
            "tails": [[str(tail), tail.stat().st_size]],
            "start": 0,
            "end": 2**62,
            "hidden": {},
        }
        cursor = worker._database.cursor()
        request = {
            "sources": [source],
            "rows": statement.rows,
            "matched": statement.matched,
            "kinds": statement.kinds,
            "results": str(tmp_path / "results"),
        }
        worker._query(cursor, request)
        cursor.close()
        found = json.loads((tmp_path / "results").read_text())
        return [
            {name: value for name, value in zip(statement.columns, row, strict=False) if value is not None}
            for row in found
        ]

    return perform


REQUESTS: list[Mapping[str, Any]] = [
    {"path": "/coins", "status": 200, "ms": 10.5, "level": "INFO", "user": {"id": 7}, "ok": True},
    {"path": "/coins", "status": 500, "ms": 40, "level": "ERROR", "user": {"id": 8}, "ok": False},
    {"path": "/prices", "status": 404, "ms": 5, "level": "WARN", "user": {"id": 7}},
    {"path": "/prices", "status": 200, "ms": 100, "level": "INFO", "tags": ["a", "b"]},
]


def column(found: list[dict[str, str]], name: str) -> list[str | None]:
    return [row.get(name) for row in found]


def test_omcs_query_for_errors_finds_what_its_pattern_finds(run: Run) -> None:
    """The pattern is judged by Python in omc's own tests; Insights reads it with another engine."""
    lines = [str(parameter.values[0]) for parameter in (*ERRORS, *HEALTHY)]
    found = {row["@message"] for row in run(ERRORS_QUERY, lines)}
    assert found == {line for line in lines if re.search(ERROR_PATTERN, line)}


def test_without_commands_for_columns_the_newest_events_come_first(run: Run) -> None:
    assert run("limit 1", ["a", "b"]) == [{"@timestamp": "2025-11-23 12:00:01.000", "@message": "b"}]


def test_system_fields(run: Run) -> None:
    assert run("fields @timestamp, @ingestionTime, @logStream, @log, @message", ["a"]) == [
        {
            "@timestamp": "2025-11-23 12:00:00.000",
            "@ingestionTime": "2025-11-23 12:00:00.000",
            "@logStream": "s0",
            "@log": "123456789012:/g",
            "@message": "a",
        }
    ]


def test_json_is_discovered_by_dots_and_array_places(run: Run) -> None:
    found = run("fields user.id, tags.1, ok, nothing | sort @timestamp", REQUESTS)
    assert found == [{"user.id": "7", "ok": "1"}, {"user.id": "8", "ok": "0"}, {"user.id": "7"}, {"tags.1": "b"}]
    assert run("fields `a-b`, `x.y`, @@t", [{"a-b": 1, "x.y": 2, "@t": 3}]) == [{"a-b": "1", "x.y": "2", "@@t": "3"}]
    assert run("fields level", ["no json", "{broken", '"text"', "[1]"]) == [{}, {}, {}, {}]


@pytest.mark.parametrize(
    ("condition", "places"),
    [
        ("status = 200", [0, 3]),
        ("status != 200", [1, 2]),
        ("status >= 404", [1, 2]),
        ("status > 404 or path = '/prices'", [1, 2, 3]),
        ("status < 500 and ms > 7", [0, 3]),
        ("not (status = 200)", [1, 2]),
        ("not status = 200", [1, 2]),
        ('level = "ERROR"', [1]),
        ("level in ['ERROR', 'WARN']", [1, 2]),
        ("level not in ['ERROR', 'WARN']", [0, 3]),
        ("status in [404, 500]", [1, 2]),
        ("status not in []", [0, 1, 2, 3]),
        ("level like /^(?i)err/", [1]),
        ("level =~ /R/", [1, 2]),
        ("level like 'R'", [1, 2]),
        ("level not like /R/", [0, 3]),
        ("@message like 'coins'", [0, 1]),
        ("path like /\\/coins/", [0, 1]),
        ("user.id = 7", [0, 2]),
        ("user.id != 7", [1, 3]),
        ("ok", [0]),
        ("ok = true", [0]),
        ("ispresent(user.id)", [0, 1, 2]),
        ("not isPresent(user.id)", [3]),
        ("ms * 2 + 1 > 80", [1, 3]),
        ("(ms - 10) ^ 2 <= 25", [0, 2]),
        ("status % 200 = 0", [0, 3]),
        ("ms / 0 > 1", []),
        ("strlen(level) = 4", [0, 2, 3]),
        ("strcontains(path, 'coin') = 1", [0, 1]),
        ("status = '200'", [0, 3]),
        ("status > user.id", [0, 1, 2]),
        ("@timestamp >= 1763899202000", [2, 3]),
        ("@logStream = 's1'", [1, 3]),
        ("nothing = 1", []),
        ("nothing != 1", [0, 1, 2, 3]),
    ],
)
def test_filter(run: Run, condition: str, places: list[int]) -> None:
    found = run(f"fields @message | filter {condition} | sort @timestamp asc", REQUESTS)
    assert [json.loads(row["@message"]) for row in found] == [REQUESTS[place] for place in places]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("concat(level, '-', status)", "INFO-200"),
        ("toupper(path)", "/COINS"),
        ("tolower(level)", "info"),
        ("substr('xyZfooxyZ', 3)", "fooxyZ"),
        ("substr('xyZfooxyZ', 3, 3)", "foo"),
        ("replace('foo', 'o', '0')", "f00"),
        ("ltrim('xyZfooxyZ', 'xyZ')", "fooxyZ"),
        ("rtrim('xyZfooxyZ', 'xyZ')", "xyZfoo"),
        ("trim('xyZfooxyZ', 'xyZ')", "foo"),
        ("trim('  a ')", "a"),
        ("strlen('héllo')", "5"),
        ("strcontains(level, 'NF')", "1"),
        ("isempty(nothing)", "1"),
        ("isblank('  ')", "1"),
        ("isempty(level)", "0"),
        ("coalesce(nothing, level)", "INFO"),
        ("coalesce(nothing, 5)", "5"),
        ("abs(3 - status)", "197"),
        ("ceil(ms)", "11"),
        ("floor(ms)", "10"),
        ("greatest(ms, status, 3)", "200"),
        ("least(ms, status, 3)", "3"),
        ("log(1)", "0"),
        ("sqrt(status * 2)", "20"),
        ("2 ^ 3", "8"),
        ("10 % 3", "1"),
        ("7 / 2", "3.5"),
        ("2 + 3 * 4", "14"),
        ("-ms", "-10.5"),
        ("bin(5m)", "2025-11-23 12:00:00.000"),
        ("datefloor(@timestamp, 1d)", "2025-11-23 00:00:00.000"),
        ("dateceil(@timestamp, 1h)", "2025-11-23 12:00:00.000"),
        ("dateceil(@timestamp, 1d)", "2025-11-24 00:00:00.000"),
        ("datefloor(@timestamp, 1mo)", "2025-11-01 00:00:00.000"),
        ("datefloor(@timestamp, 1q)", "2025-10-01 00:00:00.000"),
        ("dateceil(@timestamp, 1y)", "2026-01-01 00:00:00.000"),
        ("datefloor(@timestamp, 1w)", "2025-11-17 00:00:00.000"),
        ("fromMillis(0)", "1970-01-01 00:00:00.000"),
        ("toMillis(@timestamp)", str(NOON)),
        ("isValidIp('10.0.0.1')", "1"),
        ("isValidIpV4('10.0.0.256')", "0"),
        ("isIpv4InSubnet('10.0.3.4', '10.0.0.0/16')", "1"),
        ("isIpInSubnet('10.1.3.4', '10.0.0.0/16')", "0"),
        ("concat(@timestamp, '')", "2025-11-23 12:00:00.000"),
        ("status > 100 and ms < 20", "1"),
    ],
)
def test_functions(run: Run, expression: str, value: str) -> None:
    assert run(f"fields {expression} as x", REQUESTS[:1]) == [{"x": value}]


def test_an_expression_without_an_alias_is_named_by_its_text(run: Run) -> None:
    assert run("fields abs(0 - status), level", REQUESTS[:1]) == [{"abs(0 - status)": "200", "level": "INFO"}]


def test_aliases_are_fields_from_then_on(run: Run) -> None:
    found = run("fields ms * 1000 as us, us + 1 as more | filter us > 20000 | sort us desc | display more", REQUESTS)
    assert found == [{"more": "100001"}, {"more": "40001"}]


def test_display_replaces_and_the_last_one_counts(run: Run) -> None:
    assert run("fields level, path | display path | display status | limit 1", REQUESTS[:1]) == [{"status": "200"}]


LINE = "25 May 2019 10:24:39,474 [ERROR] {foo=2, bar=data} The error was: DataIntegrityException"


@pytest.mark.parametrize(
    "parse",
    [
        '@message "[*] * The error was: *" as level, config, exception',
        r"@message /\[(?<level>\S+)\]\s+(?<config>\{.*\})\s+The error was: (?<exception>\S+)/",
        "'[*] * The error was: *' as level, config, exception",
    ],
)
def test_parse_takes_globs_and_regular_expressions(run: Run, parse: str) -> None:
    found = run(f"parse {parse} | display level, config, exception", [LINE, "something else"])
    assert found == [{}, {"level": "ERROR", "config": "{foo=2, bar=data}", "exception": "DataIntegrityException"}]


def test_parsed_fields_are_filtered_counted_and_shown(run: Run) -> None:
    lines = [f"user={user}, method:get, latency := {ms}" for user, ms in [("ann", 5), ("bob", 7), ("ann", 9)]]
    parse = r"parse @message /user=(?<user2>.*?), method:(?<method2>.*?), latency := (?<latency2>\d+)/"
    assert run(f"{parse} | stats avg(@latency2) by @method2, @user2", lines) == [
        {"@method2": "get", "@user2": "ann", "avg(@latency2)": "7"},
        {"@method2": "get", "@user2": "bob", "avg(@latency2)": "7"},
    ]
    found = run("fields @message | parse 'user=*,' as u | filter u = 'bob'", lines)
    assert found == [{"@message": lines[1], "u": "bob"}]


def test_stats_without_groups(run: Run) -> None:
    query = (
        "stats count(*), count(user.id), count_distinct(path), sum(ms), avg(ms), min(ms), max(level), stddev(user.id)"
    )
    assert run(query, [*REQUESTS, {"user": {"id": 10}}]) == [
        {
            "count(*)": "5",
            "count(user.id)": "4",
            "count_distinct(path)": "2",
            "sum(ms)": "155.5",
            "avg(ms)": "38.875",
            "min(ms)": "5",
            "max(level)": "WARN",
            "stddev(user.id)": "1.4142135624",
        }
    ]
    assert run("stats count() as n, sum(ms) as s", []) == [{"n": "0"}]


def test_stats_by_fields_and_time(run: Run) -> None:
    events = [*REQUESTS] * 20  # 80 seconds
    found = run("stats count(*) as n by bin(1m) as minute, path | sort minute desc, path asc", events)
    assert found == [
        {"minute": "2025-11-23 12:01:00.000", "path": "/coins", "n": "10"},
        {"minute": "2025-11-23 12:01:00.000", "path": "/prices", "n": "10"},
        {"minute": "2025-11-23 12:00:00.000", "path": "/coins", "n": "30"},
        {"minute": "2025-11-23 12:00:00.000", "path": "/prices", "n": "30"},
    ]
    assert run("stats count(*) by bin(1m) | sort count(*) desc | limit 1", events) == [
        {"bin(1m)": "2025-11-23 12:00:00.000", "count(*)": "60"}
    ]
    assert column(run("stats sum(ms)/count(*) as mean by path | sort mean desc", REQUESTS), "mean") == ["52.5", "25.25"]


def test_percentiles_earliest_and_latest(run: Run) -> None:
    events = [{"v": number, "name": f"n{number}"} for number in range(1, 101)]
    assert run("stats pct(v, 50) as p50, pct(v, 99) as p99, earliest(name) as a, latest(name) as z", events) == [
        {"p50": "50.5", "p99": "99.01", "a": "n1", "z": "n100"}
    ]
    assert run("stats sortsFirst(name) as a, sortsLast(name) as z, median(v) as m", events) == [
        {"a": "n1", "z": "n100", "m": "50.5"}
    ]


def test_stats_of_stats(run: Run) -> None:
    assert run("stats count(*) as n by path | stats max(n) as most, count(*) as paths", REQUESTS) == [
        {"most": "2", "paths": "2"}
    ]
    assert run("stats count(*) as n by path | filter n > 5 | fields n * 2 as twice", REQUESTS) == []


def test_events_without_the_grouping_field_are_a_group_of_their_own(run: Run) -> None:
    found = run("stats count(*) as n by user.id | sort user.id asc", REQUESTS)
    assert found == [{"n": "1"}, {"user.id": "7", "n": "2"}, {"user.id": "8", "n": "1"}]


def test_sorting_is_natural(run: Run) -> None:
    """The user guide's own example."""
    wanted = [
        "!:",
        "#",
        "*%04",
        "0#",
        "5A",
        "111A",
        "2345_",
        "@",
        "@_",
        "A",
        "A9876fghj",
        "a12345hfh",
        "0",
        "01",
        "2",
        "3",
    ]
    events = [{"v": each} for each in reversed(wanted)]
    assert column(run("fields v | sort v asc", events), "v") == wanted
    assert column(run("fields v | sort v desc | limit 2", events), "v") == ["3", "2"]


def test_numbers_sort_as_numbers_and_what_is_missing_comes_first(run: Run) -> None:
    events: list[Mapping[str, Any]] = [{"v": 10}, {"v": 9}, {"w": 1}, {"v": 1.5}]
    assert column(run("fields v | sort v asc", events), "v") == [None, "1.5", "9", "10"]
    assert column(run("fields v | sort v desc", events), "v") == ["10", "9", "1.5", None]
    assert column(run("fields path, ms | sort path desc, ms asc", REQUESTS), "ms") == ["5", "100", "10.5", "40"]


def test_dedup_keeps_the_first_in_order_and_what_has_no_value(run: Run) -> None:
    assert column(run("fields user.id, ms | sort ms desc | dedup user.id", REQUESTS), "ms") == ["100", "40", "10.5"]
    assert column(run("fields ms | dedup path | limit 5", REQUESTS), "ms") == ["100", "40"]


def test_comments_and_pipes_across_lines(run: Run) -> None:
    query = """
    # the start
    fields @message   # what to show
        # | filter @message like /nothing/
        | filter @message like "#1"
        | limit 20
    """
    assert run(query, ["a #1", "b"]) == [{"@message": "a #1"}]


def test_flow_logs_in_the_default_and_in_an_own_format(run: Run) -> None:
    record = FlowRecord("123456789012", "eni-1", "10.0.1.2", "9.9.9.9", 4000, 443, 6, 3, 1234, 1, 61, accepted=False)
    query = "fields srcAddr, dstPort, bytes, action, start, startTime, accountId"
    wanted = {"srcAddr": "10.0.1.2", "dstPort": "443", "bytes": "1234", "action": "REJECT", "start": "1"}
    assert run(query, [line(record), "not a flow"]) == [{}, {**wanted, "startTime": "1", "accountId": "123456789012"}]
    layout = "${flow-direction} ${srcaddr} ${bytes} ${pkt-dstaddr} ${traffic-path}"
    assert insights_fields(layout) == ["flowDirection", "srcAddr", "bytes", "pktDstAddr", "trafficPath"]
    found = run(
        "fields flowDirection, srcAddr, bytes, pktDstAddr | filter bytes > 1000",
        [line(record, layout)],
        {0: insights_fields(layout)},
    )
    assert found == [{"flowDirection": "-", "srcAddr": "10.0.1.2", "bytes": "1234", "pktDstAddr": "-"}]


SAVED = re.findall(
    r"<<-QUERY\n(.*?)\n +QUERY",
    (Path(__file__).parents[4] / "infrastructure/terraform/modules/monitoring/logs.tf").read_text(),
    re.DOTALL,
)


@pytest.mark.parametrize("query", SAVED)
def test_the_stacks_saved_queries_find_something(run: Run, query: str) -> None:
    request = {"logger": "http", "level": "ERROR", "message": "slow", "method": "GET", "path": "/", "status": 500}
    flow = FlowRecord("123456789012", "eni-1", "10.0.1.2", "9.9.9.9", 4000, 443, 6, 3, 1234, 1, 61, accepted=False)
    messages = [{**request, "duration_ms": 2000, "request_id": "a"}, "duration: 7.5 ms", line(flow)]
    assert run(query, messages)


def test_the_stack_has_saved_queries() -> None:
    assert len(SAVED) >= 5


def test_odd_texts_are_only_texts(run: Run) -> None:
    texts = ["it's; DROP TABLE events --", 'a "quote"', "tab\tand\nline", "ünï ☃ 𝄞", "nul\0l", "back\\slash", "{} {}"]
    assert column(run("fields @message | sort @timestamp asc", texts), "@message") == texts
    assert run('fields @message | filter @message = "it\'s; DROP TABLE events --"', texts) == [{"@message": texts[0]}]
    assert run("fields @message | filter @message like 'o\\'x'", texts) == []
    odd = {"k'; --": "v", 'q"': "w"}
    assert run("fields `k'; --`, `q\"`", [odd]) == [{"k'; --": "v", 'q"': "w"}]
    assert run('fields @message as `a"b` | limit 1', ["x"]) == [{'a"b': "x"}]


@pytest.mark.parametrize(
    ("query", "expected", "start"),
    [
        ("", "empty", 0),
        ("fields", "unexpected end", 6),
        ("filter a = ", "unexpected end", 11),
        ("fields a | filtr b", "unknown command filtr", 11),
        ("fields a b", "unexpected 'b'", 9),
        ("filter a like 'x", "closing quote", 14),
        ("filter a like /x[/", "invalid regular expression", 14),
        ("filter a like /(?=x)/", "look-around", 14),
        ("fields frob(a)", "no function frob", 7),
        ("fields abs(a, b)", "abs() has 2 arguments", 7),
        ("fields sum(a)", "belongs to stats", 7),
        ("stats a", "outside of a function", 6),
        ("stats count(*) by bin()", "bin() takes a period", 18),
        ("stats count(*) by bin(5)", "bin() takes a period", 18),
        ("limit 0", "limit must be", 6),
        ("limit 100001", "limit must be", 6),
        ("parse @message '* *' as a", "2 * in the glob but 1 name", 15),
        ("parse @message /x/", "named group", 15),
        ("pattern @message", "does not support the command pattern", 0),
        ("fields isIpv4InSubnet(a, 'x')", "isipv4insubnet", 7),
        ("stats count(*) as n by a | stats latest(n)", "needs log events", 33),
        ("fields @ptr", "@ptr", 7),
        ("filter a not 5", "expected like or in", 13),
    ],
)
def test_what_cannot_be_understood_says_what_and_where(query: str, expected: str, start: int) -> None:
    with pytest.raises(QueryError) as caught:
        translate(query)
    assert expected in caught.value.message
    assert caught.value.start == start
    assert caught.value.end <= max(1, len(query))
