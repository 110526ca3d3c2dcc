"""The runbook's "Morning Checks", each AWS command as it is written there, by the aws CLI with only the endpoint set.

Shape and truth: what a command says must be what the real parts are.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from support.commands import ROOT, clean_env, run
from support.stack import Stack, put_silent_alarm

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(600)]

RUNBOOK = ROOT / "docs/runbook/daily-operations.md"
AWS = Path(sys.executable).parent / "aws"


def aws(stack: Stack, command: str) -> Any:
    """Run a command line that begins with `aws`, as a shell would split it, and return what it printed as JSON."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "aws"
    done = run([str(AWS), *words[1:], "--output", "json"], clean_env() | stack.reach(), timeout=180)
    assert done.returncode == 0, done.stderr
    return done.json


def test_ecs_service_status_is_that_of_the_processes(healthy: Stack) -> None:
    rows = aws(
        healthy,
        r"""aws ecs describe-services \
              --cluster ohmycoins-staging \
              --services backend frontend \
              --query 'services[*].[serviceName,status,runningCount,desiredCount]'""",
    )
    assert sorted(row[0] for row in rows) == ["backend", "frontend"]
    for name, status, running, desired in rows:
        assert status == "ACTIVE"
        assert running == desired == len(healthy.task_pids(name))
        for pid in healthy.task_pids(name):
            assert Path(f"/proc/{pid}").exists()


def test_alb_target_health_is_what_the_targets_answer(healthy: Stack) -> None:
    group = healthy.output("services")["backend"]["target_group_arn"]
    payload = aws(healthy, f"aws elbv2 describe-target-health --target-group-arn {group}")
    targets = payload["TargetHealthDescriptions"]
    assert len(targets) == len(healthy.task_pids("backend"))
    for target in targets:
        assert target["TargetHealth"] == {"State": "healthy"}
        assert target["HealthCheckPort"] == "8000"
        assert target["Target"]["Port"] == 8000
        assert re.fullmatch(r"10\.0\.\d+\.\d+", target["Target"]["Id"])
        assert target["Target"]["AvailabilityZone"].startswith("ap-southeast-2")


def test_alarms_in_alarm_state_with_their_reason(healthy: Stack) -> None:
    cloudwatch = healthy.client("cloudwatch")
    name = "rehearsal-of-the-morning"
    put_silent_alarm(cloudwatch, name)
    try:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="rehearsal")
        rows = aws(
            healthy,
            r"""aws cloudwatch describe-alarms \
                  --state-value ALARM \
                  --query 'MetricAlarms[*].[AlarmName,StateReason]'""",
        )
    finally:
        cloudwatch.delete_alarms(AlarmNames=[name])
    assert dict(rows)[name] == "rehearsal"
    for _, reason in rows:
        assert reason
