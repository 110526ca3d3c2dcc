"""``omc check morning`` as a person runs it: a process, an endpoint, what is printed and the exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from canned_aws import ACCOUNT, NOW, PREFIX, CannedAws, Cut, alarm, arn, canned_aws, ecs_service, healthy, target_group
from localcloud.core.registry import AwsError
from omc.checks.morning import MORNING
from support.shell import words_of

REPOSITORY = Path(__file__).parents[2]
AWS = Path(sys.executable).parent / "aws"


def omc(
    *arguments: str, endpoint: str = "", folder: Path = REPOSITORY, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "omc", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env=surroundings(endpoint) | environment,
    )


def surroundings(endpoint: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
    credentials = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_ENDPOINT_URL": endpoint}
    return kept | (credentials if endpoint else {}) | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}


def local_stack(folder: Path, aws: CannedAws) -> Path:
    """A stack file whose local cloud is the canned endpoint."""
    (folder / ".localcloud").mkdir()
    (folder / "omc.toml").write_text((REPOSITORY / "omc.toml").read_text())
    reach = {
        "endpoint": aws.endpoint,
        "region": "ap-southeast-2",
        "account": ACCOUNT,
        "access_key_id": "AKIAEXAMPLE",
        "secret_access_key": "example",
        "port_shift": aws.port_shift,  # type: ignore[attr-defined]
    }
    (folder / ".localcloud/cloud.json").write_text(json.dumps(reach))
    return folder


def morning(folder: Path, answers: Mapping[tuple[str, str], Any], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the JSON report of one check against these answers."""
    with canned_aws(answers) as aws:
        done = omc(
            "check", "morning", "--env", "local", "--output", "json", *arguments, folder=local_stack(folder, aws)
        )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def findings(report: Mapping[str, Any], level: str) -> list[tuple[str, str]]:
    return [(found["check"], found["subject"]) for found in report["findings"] if found["level"] == level]


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def the(report: Mapping[str, Any], check: str) -> dict[str, Any]:
    return next(found for found in report["findings"] if found["check"] == check and found["level"] != "ok")


def test_all_is_well(tmp_path: Path) -> None:
    code, report = morning(tmp_path, healthy())
    assert (code, report["verdict"]) == (0, "ok"), report
    assert {found["level"] for found in report["findings"]} == {"ok"}
    assert len({found["check"] for found in report["findings"]}) == len(MORNING)
    assert all(evidence["sources"] for found in report["findings"] for evidence in found["evidence"])


def test_a_bad_morning_is_told_whole(tmp_path: Path) -> None:
    """A broken image: a task crashes, a target is unhealthy, an alarm fires, the log is full of it."""
    answers = healthy()
    answers["ecs", "DescribeServices"]["services"][0] = ecs_service("backend", running=1)
    answers["ecs", "ListTasks"] = {"taskArns": [arn("ecs", f"task/{PREFIX}/{number:032x}") for number in (1, 2)]}
    answers["ecs", "DescribeTasks"] = {
        "tasks": [
            {
                "taskArn": arn("ecs", f"task/{PREFIX}/{number:032x}"),
                "taskDefinitionArn": arn("ecs", "task-definition/ohmycoins-backend:8"),
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
            alarm("backend-unhealthy", "ALARM"),
            alarm("x") | {"AlarmName": "TargetTracking-service/backend-AlarmLow", "StateValue": "ALARM"},
        ],
        "CompositeAlarms": [alarm("backend-at-max", "ALARM")],
    }
    answers["logs", "GetQueryResults"]["results"] = [
        [
            {"field": "@timestamp", "value": f"{NOW - timedelta(seconds=number):%Y-%m-%d %H:%M:%S}.000"},
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
        r"2 tasks of ohmycoins-backend:8 failed, the newest \d+ min ago: backend exited with 1. 1 of 2",
        task["sentence"],
    )
    symptoms = {found["check"]: found["sentence"] for found in task["explains"]}
    assert set(symptoms) == {"services-running", "failed-tasks", "targets", "alarms", "recent-errors"}
    assert "Essential container in task exited; backend exited with 1" in symptoms["failed-tasks"]
    assert "no table <text> (try <n>)" in symptoms["recent-errors"]
    firing = [found for found in task["explains"] if found["check"] == "alarms"]
    assert [found["subject"] for found in firing] == [f"{PREFIX}-backend-at-max", f"{PREFIX}-backend-unhealthy"]
    assert all(re.search(r"SEV-2, in ALARM for \d+ (min|h)", found["sentence"]) for found in firing)
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
    assert findings(report, "unknown") == [("targets", "Targets: health of every one")]
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
    assert findings(report, "unknown") == [
        ("error-rate", "load balancer"),
        ("metrics-fresh", "backend"),
        ("metrics-fresh", "frontend"),
    ]


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
        described = next(params for _, name, params in aws.asked if name == "DescribeServices")
        wrong = omc("check", "morning", "--env", "local", "--service", "fronted", folder=folder)
    assert described["services"] == ["frontend"]
    assert [found["subject"] for found in report["findings"] if found["check"] == "targets"] == [f"{PREFIX}-frontend"]
    assert wrong.returncode == 2
    assert wrong.stderr == ('omc: local has no service "fronted"; it has backend, frontend. Did you mean "frontend"?\n')


def test_a_good_morning_is_one_breath_and_plain_when_piped(tmp_path: Path) -> None:
    with canned_aws(healthy()) as aws:
        folder = local_stack(tmp_path, aws)
        done = omc("check", "morning", "--env", "local", folder=folder)
        whole = omc("check", "morning", "--env", "local", "--all", folder=folder)
    assert done.returncode == 0, done.stdout
    assert "\033" not in done.stdout
    first, _, ok, _, *foot = done.stdout.splitlines()
    all_ok = re.fullmatch(r"OK local: nothing is wrong \((\d+) findings, all ok\)\.", first)
    assert all_ok, first
    assert re.fullmatch(rf"ok    {all_ok[1]}: .*services 6, .*\(--all\)", ok)
    assert "UTC)" in foot[0]
    assert "  services/backend: 2 of 2 tasks run." in whole.stdout
    assert sum(line.startswith("ok ") for line in whole.stdout.splitlines()) == int(all_ok[1])


def test_what_is_asked_for_is_told_whole_with_the_exit_code_of_that_part(tmp_path: Path) -> None:
    answers = healthy()
    answers["ecs", "DescribeServices"]["services"][0] = ecs_service("backend", running=0)
    with canned_aws(answers) as aws:
        folder = local_stack(tmp_path, aws)
        bad = omc("check", "morning", "--env", "local", "services/backend", folder=folder)
        good = omc("check", "morning", "--env", "local", "services/frontend", folder=folder)
        check = omc("check", "morning", "--env", "local", "alarms", folder=folder)
        prefix = omc("check", "morning", "--env", "local", "secr", "--output", "json", folder=folder)
        wrong = omc("check", "morning", "--env", "local", "services/bakend", folder=folder)
    assert bad.returncode == 1
    assert bad.stdout.startswith("FAIL local, services/backend: ")
    assert "status ACTIVE, running 0, desired 2" in bad.stdout
    assert "docs/runbook/troubleshooting.md#issue-ecs-tasks-keep-restarting" in bad.stdout
    assert good.returncode == 0, good.stdout
    assert "Elsewhere: " in good.stdout
    assert check.returncode == 0
    assert {found["check"] for found in json.loads(prefix.stdout)["findings"]} == {"secret-rotation"}
    assert wrong.returncode == 2
    assert 'called "services/bakend". Did you mean services/backend or ' in wrong.stderr


def test_several_environments_are_told_together_the_worst_first(tmp_path: Path) -> None:
    """One that can't be read hides nobody, and is never fine."""
    with canned_aws(healthy()) as aws:
        folder = local_stack(tmp_path, aws)
        done = omc("check", "morning", "--env", "local,staging", folder=folder)
        report = json.loads(omc("check", "morning", "--env", "local,staging", "--output", "json", folder=folder).stdout)
        part = omc("check", "morning", "--env", "local,staging", "services/backend", folder=folder)
        without = omc("check", "morning", "--all-environments", "--output", "json", folder=folder)
        wrong = omc("check", "morning", "--env", "local,stagin", folder=folder)
        both = omc("check", "morning", "--env", "local", "--all-environments", folder=folder)
    assert done.returncode == 3
    heads = [line for line in done.stdout.splitlines() if re.match("OK|UNKNOWN", line)]
    assert [" ".join(head.split()[:2]) for head in heads] == ["UNKNOWN staging:", "OK local:"]
    assert (report["verdict"], report["exit_code"]) == ("unknown", 3)
    assert [each["environment"] for each in report["environments"]] == ["staging", "local"]
    assert part.returncode == 0
    assert {each["environment"] for each in json.loads(without.stdout)["environments"]} == {"staging", "production"}
    assert (wrong.returncode, both.returncode) == (2, 2)


def test_markdown_is_for_a_ticket(tmp_path: Path) -> None:
    answers = healthy()
    answers["ecs", "DescribeServices"]["services"][0] = ecs_service("backend", running=0)
    with canned_aws(answers) as aws:
        done = omc("check", "morning", "--env", "local", "--output", "markdown", folder=local_stack(tmp_path, aws))
    assert "| fail | services-running | services/backend | 0 of 2 tasks run, and none is starting. |" in done.stdout
    assert "- Answered by: [ECS tasks keep restarting](docs/runbook/troubleshooting.md" in done.stdout


def test_explain_prints_commands_that_ask_the_same(tmp_path: Path) -> None:
    """Each line is run by the real aws CLI, and the endpoint must be asked exactly what omc asked."""
    answers = healthy()
    answers["cloudwatch", "DescribeAlarms"]["MetricAlarms"][0]["StateValue"] = "ALARM"
    with canned_aws(answers) as aws:
        done = omc(
            "check", "morning", "--env", "local", "--output", "json", "--explain", folder=local_stack(tmp_path, aws)
        )
        commands = [line for line in json.loads(done.stdout)["commands"] if line.startswith("aws ")]
        by_omc = [(service, name, _plain(params)) for service, name, params in aws.asked]
        aws.asked.clear()
        for command in commands:
            words = words_of(command)
            ran = subprocess.run(
                [str(AWS), *words[1:]],
                env=surroundings(aws.endpoint),
                check=False,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert ran.returncode == 0, (command, ran.stderr)
        by_hand = [(service, name, _plain(params)) for service, name, params in aws.asked]
    assert "<" not in "".join(commands).replace("<=", "")
    once = [call for at, call in enumerate(by_omc) if call not in by_omc[:at]]  # two facts may ask the same
    assert len(once) == len(by_hand)
    for call in by_omc:
        assert call in by_hand


def _plain(params: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(params, default=str, sort_keys=True))


def test_watch_marks_changes_and_ends_cleanly_by_ctrl_c(tmp_path: Path) -> None:
    with canned_aws(healthy()) as aws:
        process = subprocess.Popen(
            [sys.executable, "-m", "omc", "check", "morning", "--env", "local", "--watch", "1"],
            cwd=local_stack(tmp_path, aws),
            env=surroundings(""),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("OK local: "):
                break
        aws.answers["ecs", "DescribeServices"]["services"][0] = ecs_service("backend", running=0)  # type: ignore[index]
        said = ""
        for line in process.stdout:
            said += line
            if "UTC)" in line and "FAIL local: " in said:
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert "services/backend: [was ok]" in said
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_no_local_cloud_says_how_to_start_one(tmp_path: Path) -> None:
    (tmp_path / "omc.toml").write_text((REPOSITORY / "omc.toml").read_text())
    done = omc("check", "morning", "--env", "local", folder=tmp_path)
    assert done.returncode == 3
    assert done.stderr == f"omc: No local cloud runs in {tmp_path}/.localcloud. Start one: omc local up\n"


def test_a_local_cloud_that_died_says_how_to_start_it(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # kept, so that nobody else begins to listen there
        port = free.getsockname()[1]
        aws = CannedAws({}, f"http://127.0.0.1:{port}")
        aws.port_shift = 0  # type: ignore[attr-defined]
        done = omc("check", "morning", "--env", "local", folder=local_stack(tmp_path, aws))
    assert done.returncode == 3
    assert f"The local cloud does not answer at http://127.0.0.1:{port}. Start it: omc local up" in " ".join(
        done.stdout.split()
    )
    assert len(done.stdout.splitlines()) < 12, "one reason is said once"


def test_no_credentials(tmp_path: Path) -> None:
    done = omc("check", "morning", "--env", "staging")
    assert done.returncode == 3
    assert "There are no AWS credentials for staging. Log in first (aws configure, or AWS_PROFILE)." in " ".join(
        done.stdout.split()
    )
    assert "Traceback" not in done.stderr


def test_credentials_of_another_account_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    text = (REPOSITORY / "omc.toml").read_text()
    (tmp_path / "omc.toml").write_text(
        text.replace("[environments.staging]", '[environments.staging]\naccount = "999999999999"')
    )
    with canned_aws(healthy()) as aws:
        done = omc("check", "morning", "--env", "staging", endpoint=aws.endpoint, folder=tmp_path)
        asked = set(aws.operations())
    assert done.returncode == 2
    assert asked == {"GetCallerIdentity"}
    assert done.stderr.startswith(f"omc: These credentials belong to account {ACCOUNT}, but staging is 9999")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "morning"], "Say which environment: --env local|staging|production"),
        (["check", "morning", "--env", "prod"], 'There is no environment "prod"'),
        (["check", "morning", "--env", "staging", "--since", "yesterday"], "is not a period"),
        (["check", "mornin", "--env", "staging"], "No such command 'mornin'"),
        (["chek"], 'There is no command "chek". Did you mean "check"?'),
        (["--stack", "nowhere.toml", "stack", "show"], "The stack file nowhere.toml can't be read"),
    ],
)
def test_wrong_use_is_one_sentence(arguments: list[str], sentence: str) -> None:
    done = omc(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


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
    told = [alarm(f"a{number}", state) for number, state in enumerate(states)]
    answers["cloudwatch", "DescribeAlarms"] = {"MetricAlarms": told, "CompositeAlarms": []}
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
                "taskDefinitionArn": arn("ecs", "task-definition/ohmycoins-backend:8"),
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
    answers["logs", "GetQueryResults"]["results"] = [
        [
            {"field": "@timestamp", "value": f"{NOW - timedelta(seconds=5):%Y-%m-%d %H:%M:%S}.000"},
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
    assert not [line for line in printed.splitlines() if line.strip().startswith(("omc: approved", "::"))]
    if output == "markdown":
        assert not re.search(r"(?<!\\)\]\(https|@all|<img", printed)
