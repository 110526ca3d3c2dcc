"""``omc check morning`` as a person runs it: what is printed, what a watch shows, and what is wrong use."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from awscli.clidriver import create_clidriver

from support.canned_aws import ACCOUNT, CannedAws, canned_aws, ecs_service, healthy
from support.morning import REPOSITORY, local_stack, omc, surroundings
from support.shell import words_of


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


def test_what_is_asked_for_is_reported_whole_with_the_exit_code_of_that_part(tmp_path: Path) -> None:
    answers = healthy()
    answers["ecs", "DescribeServices"]["services"][0] = ecs_service("backend", running=0)
    with canned_aws(answers) as aws:
        folder = local_stack(tmp_path, aws)
        bad = omc("check", "morning", "--env", "local", "services/backend", folder=folder)
        wrong = omc("check", "morning", "--env", "local", "services/bakend", folder=folder)
    assert bad.returncode == 1
    assert bad.stdout.startswith("FAIL local, services/backend: ")
    assert "status ACTIVE, running 0, desired 2" in bad.stdout
    assert "docs/runbook/troubleshooting.md#issue-ecs-tasks-keep-restarting" in bad.stdout
    assert "Elsewhere: " in bad.stdout
    assert wrong.returncode == 2
    assert 'called "services/bakend". Did you mean services/backend or ' in wrong.stderr


def test_several_environments_are_reported_together_the_worst_first(tmp_path: Path) -> None:
    """One that can't be read hides nobody, and is never fine."""
    with canned_aws(healthy()) as aws:
        folder = local_stack(tmp_path, aws)
        done = omc("check", "morning", "--env", "local,staging", folder=folder)
        report = json.loads(omc("check", "morning", "--env", "local,staging", "--output", "json", folder=folder).stdout)
        without = omc("check", "morning", "--all-environments", "--output", "json", folder=folder)
        both = omc("check", "morning", "--env", "local", "--all-environments", folder=folder)
    assert done.returncode == 3
    heads = [line for line in done.stdout.splitlines() if re.match("OK|UNKNOWN", line)]
    assert [" ".join(head.split()[:2]) for head in heads] == ["UNKNOWN staging:", "OK local:"]
    assert (report["verdict"], report["exit_code"]) == ("unknown", 3)
    assert [each["environment"] for each in report["environments"]] == ["staging", "local"]
    assert {each["environment"] for each in json.loads(without.stdout)["environments"]} == {"staging", "production"}
    assert both.returncode == 2


def test_markdown_is_for_a_ticket(tmp_path: Path) -> None:
    answers = healthy()
    answers["ecs", "DescribeServices"]["services"][0] = ecs_service("backend", running=0)
    with canned_aws(answers) as aws:
        done = omc("check", "morning", "--env", "local", "--output", "markdown", folder=local_stack(tmp_path, aws))
    assert "| fail | services-running | services/backend | 0 of 2 tasks run, and none is starting. |" in done.stdout
    assert "- Answered by: [ECS tasks keep restarting](docs/runbook/troubleshooting.md" in done.stdout


def test_explain_prints_commands_that_ask_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is run by the real aws CLI (in this process), and the endpoint must be asked exactly what omc asked."""
    answers = healthy()
    answers["cloudwatch", "DescribeAlarms"]["MetricAlarms"][0]["StateValue"] = "ALARM"
    with canned_aws(answers) as aws:
        done = omc(
            "check", "morning", "--env", "local", "--output", "json", "--explain", folder=local_stack(tmp_path, aws)
        )
        commands = [line for line in json.loads(done.stdout)["commands"] if line.startswith("aws ")]
        by_omc = [(service, name, _plain(params)) for service, name, params in aws.requests]
        aws.requests.clear()
        for name in set(os.environ) - set(surroundings(aws.endpoint)) - {"AWS_DATA_PATH"}:  # the CLI's own models
            monkeypatch.delenv(name)
        for name, value in surroundings(aws.endpoint).items():
            monkeypatch.setenv(name, value)
        driver = create_clidriver()
        for command in commands:
            printed = io.StringIO()
            with redirect_stdout(printed), redirect_stderr(printed):
                code = driver.main(words_of(command)[1:])
            assert code == 0 or "not canned" in printed.getvalue(), (command, printed.getvalue()[-400:])
        by_hand = [(service, name, _plain(params)) for service, name, params in aws.requests]
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
        assert read_report(process).startswith("OK local: ")
        aws.answers["ecs", "DescribeServices"]["services"][0] = ecs_service("backend", running=0)
        messages = [read_report(process) for _ in range(2)]  # the second look began after the change
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    bad = next(each for each in messages if each.startswith("FAIL local: "))
    assert re.search(r"services/backend: \[(was ok|new)\]", bad), bad
    assert process.returncode == 130
    assert "Traceback" not in errors


def read_report(process: subprocess.Popen[str]) -> str:
    """One report of a watch, from its sentence to the line that says when it was asked."""
    assert process.stdout is not None
    message = ""
    for line in process.stdout:
        if message or re.match("(OK|WARN|UNKNOWN|FAIL) ", line):
            message += line
        if message and " calls, " in line:
            break
    return message


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
        aws.port_shift = 0
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
        requested = set(aws.operations())
    assert done.returncode == 2
    assert requested == {"GetCallerIdentity"}
    assert done.stderr.startswith(f"omc: These credentials belong to account {ACCOUNT}, but staging is 9999")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "morning"], "Say which environment: --env local|staging|production"),
        (["check", "morning", "--env", "prod"], 'There is no environment "prod"'),
        (["check", "morning", "--env", "staging", "--since", "yesterday"], "is not a period"),
        (["check", "mornin", "--env", "staging"], 'There is no command "mornin"'),
        (["chek"], 'There is no command "chek". Did you mean "check"?'),
        (["--stack", "nowhere.toml", "stack", "show", "--offline"], "The stack file nowhere.toml can't be read"),
    ],
)
def test_wrong_use_is_one_sentence(arguments: list[str], sentence: str) -> None:
    done = omc(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
