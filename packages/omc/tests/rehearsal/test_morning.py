"""`omc check morning` against a stack that is well, that is really broken, and that can't be asked."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from support.commands import CommandResult
from support.stack import CLUSTER, Stack, wait_until_healthy
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]


def levels(stack: Stack, *arguments: str) -> dict[str, set[str]]:
    """The sentences of a morning check by their level."""
    payload = stack.check("--output", "json", *arguments).json
    found: dict[str, set[str]] = {}
    for finding in payload["findings"]:
        found.setdefault(finding["level"], set()).add(finding["sentence"])
    return found


def test_a_healthy_stack_passes_once_every_reading_is_in(healthy: Stack) -> None:
    from omc.local import load_report, traffic

    seen = load_report.report(traffic.send(traffic.Plan(healthy.url, rate=20, duration=5))).total
    assert seen.requests > 0
    assert seen.errors == 0
    records: list[CommandResult] = []

    def passes() -> bool:
        records.append(healthy.check("--output", "json"))
        return records[-1].returncode == 0

    eventually("the morning check is all ok", passes, within=300)
    findings = records[-1].json["findings"]
    assert {finding["level"] for finding in findings} <= {"ok", "warn"}
    assert all(finding["evidence"] for finding in findings)


def test_killed_processes_are_seen_with_their_cause(healthy: Stack) -> None:
    records: list[CommandResult] = []

    def fails() -> bool:
        """ECS has new tasks within seconds, so that a check that is late finds them at work: then those are killed. One
        that is early finds only that they don't answer."""
        for pid in healthy.task_pids("backend"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        records.append(healthy.check())
        return records[-1].returncode == 1 and "137" in records[-1].stdout

    eventually("the check fails and says with which exit code they ended", fails, within=180)
    assert "backend" in records[-1].stdout
    wait_until_healthy(healthy)


def test_each_finding_that_is_not_ok_names_the_procedure_that_answers_it(healthy: Stack) -> None:
    for finding in healthy.check("--output", "json").json["findings"]:
        if finding["level"] != "ok":
            assert finding["procedure"].startswith("docs/runbook/")


def test_markdown_can_be_pasted_into_a_ticket(healthy: Stack) -> None:
    assert healthy.check("--output", "markdown").stdout.startswith("#")


def test_explain_prints_commands_without_blanks(healthy: Stack) -> None:
    printed = healthy.check("--explain").stdout
    assert f"aws ecs describe-services --cluster {CLUSTER} --services backend frontend" in printed
    assert "aws elbv2 describe-target-health --target-group-arn arn:aws:elasticloadbalancing:" in printed
    assert "<" not in "".join(line for line in printed.splitlines() if line.lstrip().startswith("aws "))


def test_a_missing_permission_is_unknown_and_names_the_iam_action(healthy: Stack) -> None:
    iam = healthy.client("iam")
    iam.create_user(UserName="reader")
    iam.put_user_policy(
        UserName="reader",
        PolicyName="reads",
        PolicyDocument="""{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "elasticloadbalancing:DescribeTargetHealth", "Resource": "*"}]}""",
    )
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    done = healthy.omc(
        *("check", "morning", "--env", "local", "--verbose"),
        env=healthy.reach()
        | {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]},
    )
    assert "elasticloadbalancing:DescribeTargetHealth" in done.stdout
    assert done.returncode in {1, 3}
    assert "unknown" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_stopped_cloud_is_unknown_never_ok(stack: Stack) -> None:
    assert stack.localcloud("down").returncode == 0
    try:
        done = stack.check()
        assert done.returncode == 3
        assert "omc local up" in " ".join((done.stdout + done.stderr).split())
    finally:
        assert stack.omc("local", "up").returncode == 0
        wait_until_healthy(stack)
