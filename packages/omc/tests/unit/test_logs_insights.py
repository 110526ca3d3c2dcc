"""Logs Insights over the wire: what is estimated, what is asked, stopped, and given in part."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.errors import BadAnswer
from omc.logs import insights
from omc.logs.insights import Extent, ask, extent_of
from omc.logs.model import Span
from support.canned_aws import CannedAws, canned_aws, healthy
from support.fake_gateway import FakeGateway
from support.morning import local_stack, omc

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = Span(NOW - timedelta(days=1), NOW)
ID = "12ab3456-12ab-123a-789e-1234567890ab"


def results(status: str = "Complete", *messages: str) -> dict[str, Any]:
    rows = [
        [
            {"field": "@timestamp", "value": "2026-11-23 11:59:00.000"},
            {"field": "@message", "value": message},
            {"field": "@logStream", "value": "backend/backend/1"},
            {"field": "@log", "value": "123456789012:/ecs/ohmycoins-staging/backend"},
        ]
        for message in messages
    ]
    figures = {"recordsMatched": float(len(rows)), "recordsScanned": 812.0, "bytesScanned": 91000.0}
    return {"status": status, "results": rows, "statistics": figures}


def gateway(**answers: Any) -> FakeGateway:
    usual = {"start_query": {"queryId": ID}, "get_query_results": results(), "stop_query": {"success": True}}
    return FakeGateway({("logs", name): answer for name, answer in (usual | answers).items()})


def silent(_: str) -> None:
    """Nobody looks at the progress."""


def test_what_a_query_looks_at_is_estimated_from_what_the_groups_hold_and_for_how_long() -> None:
    def described(params: Mapping[str, Any]) -> dict[str, Any]:
        name = params["logGroupNamePrefix"]
        group = {
            "logGroupName": name,
            "storedBytes": 30_000_000,
            "creationTime": int((NOW - timedelta(days=365)).timestamp() * 1000),
            "retentionInDays": 30,
        }
        return {"logGroups": [group] if name == "/a" else []}

    found = extent_of(gateway(describe_log_groups=described), ["/a", "/b"], DAY, NOW)
    assert found == Extent(1_000_000, ("/b",))


def test_a_query_that_takes_too_long_is_stopped_and_given_in_part() -> None:
    aws = gateway(get_query_results=results("Running", "ERROR x"))
    answer = ask(aws, ["/a"], "fields @message", DAY, patience=0.0, report=silent)
    assert len(answer.rows) == 1
    assert "stopped after" in answer.gaps[0]
    assert aws.calls("stop_query") == [{"queryId": ID}]


def test_ctrl_c_stops_the_query_in_aws() -> None:
    def interrupted(_: Mapping[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    aws = gateway(get_query_results=interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(aws, ["/a"], "fields @message", DAY, patience=60, report=silent)
    assert aws.calls("stop_query") == [{"queryId": ID}]


def test_how_aws_ended_it_is_said() -> None:
    answer = ask(gateway(get_query_results=results("Timeout", "x")), ["/a"], "x", DAY, patience=60, report=silent)
    assert "its limit of 60 min" in answer.gaps[0] or "its limit of 1 h" in answer.gaps[0]
    with pytest.raises(BadAnswer, match="status Failed"):
        ask(gateway(get_query_results=results("Failed")), ["/a"], "x", DAY, patience=60, report=silent)


def test_more_than_fifty_groups_are_several_queries_of_one_answer() -> None:
    aws = gateway(get_query_results=results("Complete", "x"))
    answer = ask(aws, [f"/g{number}" for number in range(60)], "x", DAY, patience=60, report=silent)
    assert [len(call["logGroupNames"]) for call in aws.calls("start_query")] == [50, 10]
    assert (len(answer.rows), answer.scanned) == (2, 1624)


def test_a_full_page_of_rows_says_that_there_may_be_more() -> None:
    aws = gateway(get_query_results=results("Complete", *["x"] * insights.ROWS))
    assert "10,000 rows at most" in ask(aws, ["/a"], "x", DAY, patience=60, report=silent).gaps[0]


@contextmanager
def stack(tmp_path: Path, **answers: Any) -> Iterator[tuple[CannedAws, Path]]:
    group = {"storedBytes": 1000, "creationTime": 1_700_000_000_000}
    usual = healthy() | {
        ("logs", "DescribeLogGroups"): lambda params: {
            "logGroups": [{"logGroupName": params["logGroupNamePrefix"], **group}]
        },
        ("logs", "StopQuery"): {"success": True},
        ("ecs", "ListServiceDeployments"): {"serviceDeployments": []},
    }
    with canned_aws(usual | {("logs", name): answer for name, answer in answers.items()}) as aws:
        yield aws, local_stack(tmp_path, aws)


def test_errors_by_shape_from_the_command_line(tmp_path: Path) -> None:
    lines = ("ERROR no quote of 12 coins", "ERROR no quote of 7 coins", "INFO fine")
    with stack(tmp_path, GetQueryResults=results("Complete", *lines)) as (aws, folder):
        done = omc("logs", "errors", "--env", "local", "--output", "json", folder=folder)
        shown = omc("logs", "errors", "--env", "local", "--service", "backend", folder=folder)
    report = json.loads(done.stdout)
    assert (done.returncode, report["errors"], len(report["shapes"])) == (0, 2, 1)
    assert report["shapes"][0]["sources"] == ["backend"]
    assert "2 errors of 1 shape." in shown.stdout
    assert any(params.get("logGroupNames") == ["/ecs/ohmycoins-staging/backend"] for _, _, params in aws.requests)


def test_an_answer_that_lacks_a_field_is_aws_s_and_no_bug_of_ours(tmp_path: Path) -> None:
    with stack(tmp_path, DescribeLogGroups={}) as (_, folder):
        done = omc("logs", "errors", "--env", "local", folder=folder)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith("omc: AWS's answer lacks 'logGroups'. Try again.\n")


def test_explain_prints_the_commands_that_ask_the_same(tmp_path: Path) -> None:
    with stack(tmp_path, GetQueryResults=results("Complete", "ERROR no quote")) as (_, folder):
        shown = omc("logs", "errors", "--env", "local", "--explain", folder=folder)
        found = omc("logs", "query", "errors", "--env", "local", "--explain", "--output", "json", folder=folder)
        refused = omc("logs", "errors", "--local", "x.log", "--explain", folder=folder)
    assert shown.returncode == 0, shown.stderr
    by_hand = shown.stdout.partition("The same by hand")[2]
    assert by_hand.index('eval "$(omc local env)"') < by_hand.index("aws logs describe-log-groups")
    assert "aws logs start-query --log-group-names /ecs/ohmycoins-staging/backend" in by_hand
    assert "aws ecs list-service-deployments" in by_hand
    commands = json.loads(found.stdout)["commands"]
    assert [line.split()[:3] for line in commands[-2:]] == [
        ["aws", "logs", "start-query"],
        ["aws", "logs", "get-query-results"],
    ]
    assert refused.returncode == 2
    assert "with --local nothing is" in refused.stderr


def test_a_large_query_is_not_started_unasked(tmp_path: Path) -> None:
    huge = {
        "logGroups": [{"logGroupName": "/vpc/ohmycoins-staging/flow", "storedBytes": 9 * 10**12, "creationTime": 0}]
    }
    with stack(tmp_path, DescribeLogGroups=huge) as (aws, folder):
        since = ("--since", "3000d", "--env", "local")
        refused = omc("logs", "query", "rejected", *since, folder=folder)
        started = "StartQuery" in aws.operations()
        estimated = omc("logs", "query", "rejected", "--estimate", *since, folder=folder)
        wanted = omc("logs", "query", "rejected", "--yes", *since, folder=folder)
    assert (refused.returncode, started) == (2, False)
    assert "GB and costs about" in refused.stderr
    assert "--yes" in refused.stderr
    assert "unconfirmed price" in estimated.stdout
    assert wanted.returncode == 0


def test_what_may_not_be_read_is_one_sentence_and_not_known(tmp_path: Path) -> None:
    denied = AwsError("AccessDeniedException", "User: x is not authorized to perform: logs:StartQuery")
    with stack(tmp_path, StartQuery=denied) as (_, folder):
        done = omc("logs", "query", "errors", "--env", "local", folder=folder)
    assert done.returncode == 3
    assert "logs:StartQuery" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_query_of_ones_own_is_found_by_its_name(tmp_path: Path) -> None:
    with stack(tmp_path) as (aws, folder):
        with (folder / "omc.toml").open("a") as file:
            file.write('\n[logs.queries.exec]\nquery = "fields @message"\nlog_groups = ["/ecs/{prefix}/exec"]\n')
        done = omc("logs", "query", "exec", "--env", "local", folder=folder)
        asked = [params for _, name, params in aws.requests if name == "StartQuery"]
        wrong = omc("logs", "query", "exce", "--env", "local", folder=folder)
    assert done.returncode == 0
    assert asked[0]["logGroupNames"] == ["/ecs/ohmycoins-staging/exec"]
    assert 'Did you mean "exec"?' in wrong.stderr
