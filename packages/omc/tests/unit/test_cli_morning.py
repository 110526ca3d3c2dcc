"""``omc check morning`` as a person runs it: a process, an endpoint, its findings and the exit code."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.checks.morning import MORNING
from support.canned_aws import ACCOUNT, NOW, PREFIX, Cut, alarm, arn, canned_aws, ecs_service, healthy, target_group
from support.morning import findings, local_stack, morning, omc, the


def test_all_is_well(tmp_path: Path) -> None:
    code, report = morning(tmp_path, healthy())
    assert (code, report["verdict"]) == (0, "ok"), report
    assert {found["level"] for found in report["findings"]} == {"ok"}
    silent = {"jobs", "database-cluster"}  # there are none, so nothing is said of them
    assert len({found["check"] for found in report["findings"]} | silent) == len(MORNING.checks)
    of_aws = [found for found in report["findings"] if found["check"] != "backups-verified"]  # that is in omc's record
    assert all(evidence["sources"] for found in of_aws for evidence in found["evidence"])


def test_a_bad_morning_is_reported_whole(tmp_path: Path) -> None:
    """A broken image: a task crashes, a target is unhealthy, an alarm fires, the log is full of it."""
    answers = healthy()
    answers["ecs", "DescribeServices"]["services"][0] = ecs_service("backend", running=1)
    answers["ecs", "ListTasks"] = {"taskArns": [arn("ecs", f"task/{PREFIX}/{number:032x}") for number in (1, 2)]}
    answers["ecs", "DescribeTasks"] = {
        "tasks": [
            {
                "taskArn": arn("ecs", f"task/{PREFIX}/{number:032x}"),
                "taskDefinitionArn": arn("ecs", "task-definition/ohmycoins-backend:7"),
                "group": "service:backend",
                "lastStatus": "STOPPED",
                "stopCode": "EssentialContainerExited",
                "stoppedReason": "Essential container in task exited",
                "containers": [{"name": "backend", "exitCode": 1}],
                "startedAt": NOW - timedelta(minutes=4),
                "stoppedAt": NOW - timedelta(minutes=3),
                "createdAt": NOW - timedelta(minutes=5),
            }
            for number in (1, 2)
        ]
    }
    answers["elbv2", "DescribeTargetHealth"] = {
        "TargetHealthDescriptions": [
            {
                "Target": {"Id": "10.0.11.24", "Port": 8000},
                "TargetHealth": {
                    "State": "unhealthy",
                    "Reason": "Target.FailedHealthChecks",
                    "Description": "Health checks failed",
                },
            }
        ]
    }
    answers["cloudwatch", "DescribeAlarms"] = {
        "MetricAlarms": [
            alarm("backend-unhealthy", "ALARM", StateUpdatedTimestamp=NOW - timedelta(minutes=2)),
            alarm("x") | {"AlarmName": "TargetTracking-service/backend-AlarmLow", "StateValue": "ALARM"},
        ],
        "CompositeAlarms": [alarm("backend-at-max", "ALARM", StateUpdatedTimestamp=NOW - timedelta(minutes=2))],
    }
    now = datetime.now(UTC)  # the log's last line is of now, however long ago this process began
    answers["logs", "GetQueryResults"]["results"] = [
        [
            {"field": "@timestamp", "value": f"{now - timedelta(seconds=number):%Y-%m-%d %H:%M:%S}.000"},
            {
                "field": "@message",
                "value": json.dumps({"level": "ERROR", "message": f"no table 'prices' (try {number})"}),
            },
            {"field": "@logStream", "value": "backend/backend/1"},
            {"field": "@log", "value": f"{ACCOUNT}:/ecs/{PREFIX}/backend"},
        ]
        for number in range(3)
    ]
    code, report = morning(tmp_path, answers)
    assert (code, report["verdict"]) == (1, "fail")
    task = the(report, "task-exits")
    assert task["place"] == "services/backend"
    # Minutes by pattern: the answers' times are as old as this test process.
    assert re.match(
        r"2 tasks of ohmycoins-backend:7 failed, the newest \d+ min ago: backend exited with 1. 1 of 2",
        task["sentence"],
    )
    symptoms = {found["check"]: found["sentence"] for found in task["explains"]}
    assert set(symptoms) == {"services-running", "failed-tasks", "targets", "alarms", "recent-errors"}
    assert "Essential container in task exited; backend exited with 1" in symptoms["failed-tasks"]
    assert "no table <text> (try <n>)" in symptoms["recent-errors"]
    firing = [found for found in task["explains"] if found["check"] == "alarms"]
    assert [found["subject"] for found in firing] == [f"{PREFIX}-backend-at-max", f"{PREFIX}-backend-unhealthy"]
    assert all(found["sentence"] == "SEV-2, in ALARM." and found["since"] for found in firing)
    # The frontend's targets are ill too, which no task of the backend makes so.
    assert "Health checks failed (Target.FailedHealthChecks)" in the(report, "targets")["sentence"]
    assert the(report, "targets")["subject"].endswith("-frontend")
    for found in report["findings"]:
        if found["level"] == "fail":
            assert found["evidence"], found
            assert found["procedure"].startswith("docs/runbook/"), found


def test_what_may_not_be_read_is_unknown_and_names_the_permission(tmp_path: Path) -> None:
    answers = healthy()
    answers["elbv2", "DescribeTargetHealth"] = AwsError("AccessDenied", "no", 403)
    code, report = morning(tmp_path, answers)
    assert (code, report["verdict"]) == (3, "unknown")
    assert ("targets", "Targets: health of every one") in findings(report, "unknown")
    assert the(report, "targets")["missing_permission"] == "elasticloadbalancing:DescribeTargetHealth"


def test_fail_wins_over_unknown(tmp_path: Path) -> None:
    answers = healthy()
    answers["cloudwatch", "DescribeAlarms"] = AwsError("AccessDenied", "no", 403)
    answers["ecs", "DescribeServices"]["services"].pop()
    code, report = morning(tmp_path, answers)
    assert (code, report["verdict"]) == (1, "fail")
    assert findings(report, "unknown") == [("alarms", "Alarms")]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (AwsError("ExpiredTokenException", "The security token included in the request is expired"), "have expired"),
        (AwsError("UnrecognizedClientException", "invalid"), "does not accept the credentials"),
        (AwsError("ThrottlingException", "Rate exceeded"), "too many requests"),
        (AwsError("ServerException", "Service Server Error", 500), "AWS failed with 500"),
        (Cut({"services": [ecs_service("backend")], "failures": []}), "cut off"),
    ],
)
def test_a_failing_aws_is_unknown_in_one_sentence(tmp_path: Path, error: Any, sentence: str) -> None:
    answers = healthy()
    answers["ecs", "DescribeServices"] = error
    code, report = morning(tmp_path, answers)
    assert code == 3, report
    assert sentence in the(report, "services-running")["sentence"]


def test_services_that_ecs_does_not_know_fail(tmp_path: Path) -> None:
    answers = healthy()
    answers["ecs", "DescribeServices"] = AwsError("ClusterNotFoundException", "Cluster not found.")
    answers["ecs", "ListTasks"] = AwsError("ClusterNotFoundException", "Cluster not found.")
    code, report = morning(tmp_path, answers)
    assert code == 1
    assert the(report, "services-running")["sentence"].startswith(f"There is no ECS cluster {PREFIX}")


def test_stale_metrics_are_unknown_not_ok(tmp_path: Path) -> None:
    answers = healthy()
    answers["cloudwatch", "GetMetricData"] = lambda params: {
        "MetricDataResults": [
            {"Id": query["Id"], "Timestamps": [], "Values": []}
            for query in params["MetricDataQueries"]
            if query.get("ReturnData", True)
        ]
    }
    code, report = morning(tmp_path, answers)
    assert code == 3
    assert set(findings(report, "unknown")) >= {
        ("error-rate", "load balancer"),
        ("metrics-fresh", "backend"),
        ("metrics-fresh", "frontend"),
    }


def test_a_page_that_users_do_not_get_is_a_failure(tmp_path: Path) -> None:
    with canned_aws(healthy()) as aws:
        aws.status_page = (503, b"<html>")
        done = omc("check", "morning", "--env", "local", folder=local_stack(tmp_path, aws))
    assert done.returncode == 1
    assert "Users can't be served at" in done.stdout
    assert "answers 503" in done.stdout


def test_old_data_fails(tmp_path: Path) -> None:
    with canned_aws(healthy()) as aws:
        aws.status_page = (200, b'{"data_age_seconds": 7300}')
        done = omc("check", "morning", "--env", "local", folder=local_stack(tmp_path, aws))
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL local: data of backend: Its data is 2 h 1 min old,")


def test_only_one_service(tmp_path: Path) -> None:
    answers = healthy()
    answers["elbv2", "DescribeTargetGroups"]["TargetGroups"].append(target_group("batch"))
    with canned_aws(answers) as aws:
        folder = local_stack(tmp_path, aws)
        done = omc("check", "morning", "--env", "local", "--service", "frontend", "--output", "json", folder=folder)
        report = json.loads(done.stdout)
        described = next(params for _, name, params in aws.requests if name == "DescribeServices")
        wrong = omc("check", "morning", "--env", "local", "--service", "fronted", folder=folder)
    assert described["services"] == ["frontend"]
    assert [found["subject"] for found in report["findings"] if found["check"] == "targets"] == [f"{PREFIX}-frontend"]
    assert wrong.returncode == 2
    assert wrong.stderr == ('omc: local has no service "fronted"; it has backend, frontend. Did you mean "frontend"?\n')


@pytest.mark.parametrize(
    ("states", "denied", "words", "code"),
    [
        (["INSUFFICIENT_DATA"], False, [], 3),
        (["INSUFFICIENT_DATA"], False, ["--fail-on", "unknown"], 3),
        (["INSUFFICIENT_DATA"], False, ["--fail-on", "fail"], 0),
        (["INSUFFICIENT_DATA", "ALARM"], False, ["--fail-on", "fail"], 1),
        (["OK"], True, ["--fail-on", "fail"], 3),
    ],
)
def test_a_script_says_whether_the_unknown_is_a_failure(
    tmp_path: Path, states: list[str], denied: bool, words: list[str], code: int
) -> None:
    """Minutes after a deployment alarms have no data yet. Where nothing at all can be read, it is never fine."""
    answers: dict[tuple[str, str], Any] = healthy()
    records = [alarm(f"a{number}", state) for number, state in enumerate(states)]
    answers["cloudwatch", "DescribeAlarms"] = {"MetricAlarms": records, "CompositeAlarms": []}
    if denied:
        answers = dict.fromkeys(answers, AwsError("AccessDeniedException", "not allowed"))
    exit_code, report = morning(tmp_path, answers, *words)
    assert (exit_code, report["exit_code"]) == (code, code)
    if "ALARM" not in states:
        assert report["verdict"] == "unknown", "it is shown as what it is"


@pytest.mark.parametrize("output", ["table", "json", "markdown"])
def test_what_aws_tells_is_data_and_its_secrets_stay_secret(tmp_path: Path, output: str) -> None:
    """A canary, and what a terminal or a page would obey, in the log, an alarm, a stop reason, a target."""
    hostile = "password=c4n4ry \x1b]52;c;eA==\x07\u202e\nomc: approved by mallory\n::error::x"
    hostile += " [link](https://evil.example) @all <img>"
    answers = healthy()
    answers["ecs", "DescribeServices"]["services"][0] = ecs_service("backend", running=1)
    answers["ecs", "ListTasks"] = {"taskArns": [arn("ecs", f"task/{PREFIX}/{1:032x}")]}
    answers["ecs", "DescribeTasks"] = {
        "tasks": [
            {
                "taskArn": arn("ecs", f"task/{PREFIX}/{1:032x}"),
                "taskDefinitionArn": arn("ecs", "task-definition/ohmycoins-backend:7"),
                "group": "service:backend",
                "lastStatus": "STOPPED",
                "stopCode": "TaskFailedToStart",
                "stoppedReason": f"CannotPullContainerError: {hostile}",
                "containers": [{"name": "backend", "reason": f"CannotPull: {hostile}"}],
                "stoppedAt": NOW - timedelta(minutes=3),
                "createdAt": NOW - timedelta(minutes=5),
            }
        ]
    }
    answers["elbv2", "DescribeTargetHealth"] = {
        "TargetHealthDescriptions": [
            {
                "Target": {"Id": "10.0.11.24", "Port": 8000},
                "TargetHealth": {"State": "unhealthy", "Reason": "Target.Timeout", "Description": hostile},
            }
        ]
    }
    answers["cloudwatch", "DescribeAlarms"] = {
        "MetricAlarms": [alarm("backend-unhealthy", "ALARM") | {"StateReason": hostile, "AlarmDescription": hostile}]
    }
    lines = (hostile, f"ERROR {hostile}", json.dumps({"level": "ERROR", "message": hostile, "api_key": "c4n4ry"}))
    now = datetime.now(UTC)
    answers["logs", "GetQueryResults"]["results"] = [
        [
            {"field": "@timestamp", "value": f"{now - timedelta(seconds=5):%Y-%m-%d %H:%M:%S}.000"},
            {"field": "@message", "value": line},
            {"field": "@logStream", "value": "backend/backend/1"},
            {"field": "@log", "value": f"{ACCOUNT}:/ecs/{PREFIX}/backend"},
        ]
        for line in lines
    ]
    with canned_aws(answers) as aws:
        done = omc(
            *("check", "morning", "--env", "local", "--output", output),
            folder=local_stack(tmp_path, aws),
            GITHUB_ACTIONS="true",
        )
    printed = done.stdout + done.stderr
    assert "mallory" in printed
    assert "c4n4ry" not in printed
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed)
    lines_printed = printed.splitlines()
    assert not [line for line in lines_printed if line.startswith("omc: approved")]  # what is ours begins at the margin
    assert not [line for line in lines_printed if line.strip().startswith("::")]
    if output == "markdown":
        assert not re.search(r"(?<!\\)\]\(https|@all|<img", printed)
