"""The portable queries on Athena, over the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.logs.athena import ask_athena, execution_of, sql_of
from omc.logs.model import Span
from omc.logs.portable import portable_queries, portable_query
from support.canned_aws import canned_aws, healthy
from support.fake_gateway import FakeGateway
from support.morning import local_stack, omc

NOW = datetime(2026, 11, 23, 23, 50, tzinfo=UTC)
ID = "00000000-0000-4000-8000-000000000001"


def execution(state: str = "SUCCEEDED", reason: str = "") -> dict[str, Any]:
    status = {"State": state} | ({"StateChangeReason": reason} if reason else {})
    return {
        "QueryExecution": {"QueryExecutionId": ID, "Status": status, "Statistics": {"DataScannedInBytes": 2 * 10**9}}
    }


def rows(*values: tuple[str | None, ...]) -> dict[str, Any]:
    def cell(value: str | None) -> dict[str, str]:
        return {} if value is None else {"VarCharValue": value}

    return {"ResultSet": {"Rows": [{"Data": [cell(value) for value in row]} for row in values]}}


HEAD = ("srcaddr", "dstaddr", "port", "protocol", "action", "bytes", "packets", "records")
ROW = ("10.0.21.9", "10.0.11.5", "5432", "6", "ACCEPT", "9000", "9", None)
WORKGROUP = {"WorkGroup": {"Name": "w", "Configuration": {"BytesScannedCutoffPerQuery": 10**10}}}


def gateway(**answers: Any) -> FakeGateway:
    usual = {
        "start_query_execution": {"QueryExecutionId": ID},
        "get_query_execution": execution(),
        "get_query_results": rows(HEAD, ROW),
        "stop_query_execution": {},
    }
    return FakeGateway({("athena", name): answer for name, answer in (usual | answers).items()})


def silent(_: str) -> None:
    """Nobody looks at the progress."""


@pytest.mark.parametrize("name", portable_queries())
def test_each_query_reads_the_days_of_its_time_alone(name: str) -> None:
    sql = sql_of(portable_query(name), Span(NOW - timedelta(days=2), NOW), 5, "it's")
    assert "day BETWEEN '2026/11/21' AND '2026/11/24'" in sql
    assert "'it''s'" in sql or name != "trace"
    assert not re.search(r":[a-z]", sql), "a parameter without its value"


def test_pages_are_read_to_their_end_and_only_the_first_has_the_names() -> None:
    pages = [rows(HEAD, ROW) | {"NextToken": "t"}, rows(ROW)]
    aws = gateway(get_query_results=pages)
    answer = ask_athena(aws, execution_of(aws.environment, "{prefix}-logs"), "SELECT 1", patience=5, report=silent)
    assert [row["bytes"] for row in answer.rows] == ["9000", "9000"]
    assert "records" not in answer.rows[0]
    assert answer.bytes_scanned == 2 * 10**9


def test_a_query_that_takes_too_long_and_one_that_is_interrupted_are_stopped() -> None:
    aws = gateway(get_query_execution=execution("RUNNING"))
    place = execution_of(aws.environment, "{prefix}-logs")
    assert "stopped after" in ask_athena(aws, place, "SELECT 1", patience=0, report=silent).gaps[0]

    def interrupted(_: Mapping[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    broken = gateway(get_query_execution=interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask_athena(broken, place, "SELECT 1", patience=5, report=silent)
    for each in (aws, broken):
        assert each.calls("stop_query_execution") == [{"QueryExecutionId": ID}]


def test_why_athena_failed_is_said() -> None:
    aws = gateway(get_query_execution=execution("FAILED", "Bytes scanned limit was exceeded"))
    answer = ask_athena(aws, execution_of(aws.environment, "x"), "SELECT 1", patience=5, report=silent)
    assert answer.gaps == ("Athena's query failed: Bytes scanned limit was exceeded.",)


def test_top_talkers_by_athena_from_the_command_line(tmp_path: Path) -> None:
    answers = healthy() | {
        ("athena", "GetWorkGroup"): WORKGROUP,
        ("athena", "StartQueryExecution"): {"QueryExecutionId": ID},
        ("athena", "GetQueryExecution"): execution(),
        ("athena", "GetQueryResults"): rows(HEAD, ROW),
    }
    with canned_aws(answers) as aws:
        folder = local_stack(tmp_path, aws)
        arguments = ("logs", "top-talkers", "--engine", "athena", "--env", "local", "--output", "json")
        done = omc(*arguments, folder=folder)
        asked = next(params for _, name, params in aws.requests if name == "StartQueryExecution")
        aws.answers["athena", "GetWorkGroup"] = AwsError("InvalidRequestException", "WorkGroup is not found.")
        without = omc(*arguments, folder=folder)
    assert json.loads(done.stdout)["talkers"][0]["bytes"] == 9000, done.stderr
    assert (asked["WorkGroup"], asked["QueryExecutionContext"]["Database"]) == (
        "ohmycoins-staging-logs",
        "ohmycoins_staging_logs",
    )
    assert "at most 10.0 GB" in done.stderr
    assert "scanned 2.0 GB" in done.stderr
    assert (without.returncode, "athena_enabled" in without.stderr) == (3, True)
