"""Infrastructure changed on the applied stack as a person changes it: planned, applied, drifted, taken back, refused.

Each reads a checkout of its own, with its own edit, and leaves the stack as the real checkout has it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.commands import ROOT, CommandResult
from support.stack import Stack, state_bucket

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]

ALARMS = "infrastructure/terraform/modules/monitoring/alarm_table.tf"
ALARM = "ohmycoins-staging-rds-cpu-high"
THRESHOLD = 'comparison = ">", threshold = 90\n'
TFVARS = "infrastructure/terraform/environments/staging/terraform.tfvars"
LOCK = "staging/terraform.tfstate.tflock"
DATABASE = "module.stack.module.database.aws_db_instance.this"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A person's checkout of the stack, worked on with the shared cloud as `local`."""

    folder: Path
    stack: Stack
    provider: Mapping[str, str]

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text, f"{old!r} does not stand in {name}"
        (self.folder / name).write_text(text.replace(old, new, 1))

    def git(self, *arguments: str) -> str:
        settings = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
        command = ["git", *settings, *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def omc(self, *arguments: str, env: dict[str, str] | None = None) -> CommandResult:
        env = {**self.provider, **(env or {})}
        return self.stack.omc("--stack", str(self.folder / "omc.toml"), *arguments, env=env, timeout=600)

    def infra(self, verb: str, *arguments: str) -> CommandResult:
        return self.omc("infra", verb, "--env", "local", *arguments)


@pytest.fixture
def checkout(stack: Stack, provider: Mapping[str, str], tmp_path: Path) -> Checkout:
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(ROOT / "omc.toml", folder)
    ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan")
    shutil.copytree(ROOT / "infrastructure", folder / "infrastructure", ignore=ignored)
    return Checkout(folder, stack, provider)


def threshold(stack: Stack) -> float:
    [alarm] = stack.client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
    return float(alarm["Threshold"])


def test_a_change_is_planned_applied_drifts_and_is_taken_back(checkout: Checkout) -> None:
    """The whole way of an alarm's threshold: 90, 85 by a reviewed plan, 99 by hand, and 90 again by a revert."""
    stack = checkout.stack
    checkout.git("init", "--quiet", "--initial-branch=main")
    checkout.git("add", ".")
    checkout.git("commit", "--quiet", "-m", "As it stands")
    checkout.edit(ALARMS, THRESHOLD, THRESHOLD.replace("90", "85"))
    checkout.git("commit", "--quiet", "-am", "The database's CPU rings earlier")
    reviewed = checkout.folder / "reviewed.tfplan"
    summary = checkout.folder / "summary.json"
    planned = checkout.infra("plan", "--out", str(reviewed), "--summary", str(summary))
    assert planned.returncode == 0, planned.stderr
    assert "    threshold: 90 → 85" in planned.stdout.splitlines()
    assert json.loads(summary.read_text())["counts"] == "0 added, 1 changed, 0 replaced, 0 destroyed"
    assert threshold(stack) == 90

    applied = checkout.infra("apply", "--plan", str(reviewed), "--yes", "--output", "json")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert threshold(stack) == 85
    assert applied.json["run"]["verdict"] == "succeeded"

    again = checkout.infra("apply", "--plan", str(reviewed), "--yes")
    assert again.returncode == 1
    assert "so the plan is stale" in again.stdout

    cloudwatch = stack.client("cloudwatch")
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
    kept = ["AlarmName", "AlarmActions", "OKActions", "ComparisonOperator", "EvaluationPeriods", "DatapointsToAlarm"]
    kept += ["MetricName", "Namespace", "Dimensions", "Period", "Statistic", "TreatMissingData", "AlarmDescription"]
    cloudwatch.put_metric_alarm(**{name: alarm[name] for name in kept if name in alarm}, Threshold=99)
    drifted = checkout.infra("drift", "--output", "json")
    assert drifted.returncode == 1, drifted.stdout + drifted.stderr
    [found] = drifted.json["outside"]
    assert found["address"].endswith('aws_cloudwatch_metric_alarm.this["rds-cpu-high"]')
    assert "threshold: 85 → 99" in found["values"]
    assert drifted.json["not_applied"] == []

    before = checkout.git("rev-parse", "HEAD")
    back = checkout.infra("rollback", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert threshold(stack) == 90
    assert "reverted: " in back.stderr
    assert "main still describes what is no longer there" in back.stderr
    assert checkout.git("rev-parse", "HEAD") == before
    [branch] = checkout.git("branch", "--list", "revert-infrastructure-*").split()
    assert checkout.git("log", "-1", "--format=%s", branch).strip() == 'Revert "The database\'s CPU rings earlier"'

    settled = checkout.stack.omc("infra", "plan", "--env", "local", env={**checkout.provider})
    assert settled.returncode == 0, settled.stdout + settled.stderr
    assert settled.stdout.splitlines()[-1] == "Nothing is to be changed: local is what the code says."


def test_what_terraform_does_not_see_is_reported_by_drift(stack: Stack, provider: Mapping[str, str]) -> None:
    """A rule and a policy added by hand, an autoscaler that somebody suspended, a class that waits for its window, and
    limits that omc itself set for a while; each with its arrow from what was to what comes, and who did it."""
    ec2, iam, rds = stack.client("ec2"), stack.client("iam"), stack.client("rds")
    scaling = stack.client("application-autoscaling")
    role, target = "ohmycoins-staging-backend-task", "service/ohmycoins-staging/backend"
    named = [{"Name": "group-name", "Values": ["ohmycoins-staging-backend"]}]
    [group] = [one["GroupId"] for one in ec2.describe_security_groups(Filters=named)["SecurityGroups"]]
    kinds = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")

    def suspend(is_on: bool) -> None:
        known = {"ServiceNamespace": "ecs", "ResourceId": target, "ScalableDimension": "ecs:service:DesiredCount"}
        scaling.register_scalable_target(**known, SuspendedState=dict.fromkeys(kinds, is_on))

    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "203.0.113.0/24"}]}
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    scaled = stack.omc("scale", "frontend", "--env", "local", "--min", "3", "--for", "4h", "--yes", timeout=300)
    assert scaled.returncode == 0, scaled.stdout + scaled.stderr
    try:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        iam.put_role_policy(RoleName=role, PolicyName="debug", PolicyDocument=json.dumps(document))
        suspend(True)
        rds.modify_db_instance(DBInstanceIdentifier="ohmycoins-staging", DBInstanceClass="db.t4g.small")
        drifted = stack.omc("infra", "drift", "--env", "local", "--output", "json", env={**provider}, timeout=600)
        check = stack.omc("check", "morning", "--env", "local", "--output", "json").json
    finally:
        rds.modify_db_instance(DBInstanceIdentifier="ohmycoins-staging", DBInstanceClass="db.t4g.micro")
        suspend(False)
        iam.delete_role_policy(RoleName=role, PolicyName="debug")
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
        [timer] = [
            one["timer"] for one in stack.omc("runs", "list", "--env", "local", "--output", "json").json["timers"]
        ]
        stack.omc("runs", "cancel", timer, "--env", "local")
        stack.omc("scale", "frontend", "--env", "local", "--min", "2", "--yes", timeout=300)
    assert drifted.returncode == 1, drifted.stdout + drifted.stderr
    assert [drifted.json[key] for key in ("outside", "not_applied", "unknown")] == [[], [], []]
    record = {one["says"].partition(" (")[0]: one for one in drifted.json["beside"]}
    assert {
        says: [value.partition(" → ")[0].rpartition(" ")[2] for value in one["values"]] for says, one in record.items()
    } == {
        "the security group ohmycoins-staging-backend has a rule that Terraform doesn't know": ["nothing"],
        f"the role {role} has an inline policy that Terraform doesn't know": ["nothing"],
        f"the autoscaler of {target} is suspended": ["false", "false", "false"],
    }
    assert all("unknown" not in one["says"] for one in record.values()), "each with who, since CloudTrail tells"
    [waiting] = drifted.json["pending"]
    assert waiting["values"] == ["instance_class: db.t4g.micro → db.t4g.small"]
    assert "(Sat 16:00 UTC); asked by " in waiting["says"]
    [mine] = drifted.json["for_a_while"]
    assert (mine["values"], f"(timer {timer})" in mine["says"]) == (["min_capacity: 2 → 3"], True)
    [warned] = [one for one in check["findings"] if one["check"] == "pending-changes"]
    assert (warned["level"], "db.t4g.micro to db.t4g.small on " in warned["sentence"]) == ("warn", True)


def test_what_must_not_be_applied_is_refused_in_a_sentence(checkout: Checkout) -> None:
    """A database that would be replaced, a plan of another environment, a name that nothing declares."""
    checkout.edit(
        "infrastructure/terraform/modules/database/main.tf", "storage_encrypted     = true", "storage_encrypted = false"
    )
    plan = checkout.folder / "replaces.tfplan"
    planned = checkout.infra("plan", "--out", str(plan))
    assert planned.returncode == 1
    assert (
        f"DATA LOSS: {DATABASE} would be replaced, since storage_encrypted can't be changed in place" in planned.stdout
    )
    refused = checkout.infra("apply", "--plan", str(plan), "--yes")
    assert refused.returncode == 1
    assert f"--allow-replace '{DATABASE}'" in refused.stdout
    assert "Refused: nothing was changed." in refused.stdout

    elsewhere = checkout.omc(
        *("infra", "apply", "--env", "production", "--plan", str(plan), "--yes", "--confirm", "production"),
        env=checkout.stack.reach(),
    )
    assert (elsewhere.returncode, elsewhere.stderr.strip()) == (
        2,
        f"omc: The plan file {plan} was made for staging, not for production. "
        "Make one: omc infra plan --env production",
    )

    checkout.edit(TFVARS, "log_retention_days = 365", "log_retention_dayz = 365")
    undeclared = checkout.infra("plan")
    assert undeclared.returncode == 2
    assert (
        "terraform.tfvars sets log_retention_dayz, but environments/staging declares no such variable"
        in undeclared.stderr
    )


def test_somebody_elses_lock_is_named_and_left_alone(checkout: Checkout) -> None:
    stack = checkout.stack
    s3, bucket = stack.client("s3"), state_bucket(stack)
    held = {"ID": "1b2c", "Operation": "OperationTypeApply", "Info": "", "Who": "alice@laptop", "Version": "1.11.4"}
    held |= {"Created": "2026-11-23T14:00:00.5Z", "Path": f"{bucket}/staging/terraform.tfstate"}
    s3.put_object(Bucket=bucket, Key=LOCK, Body=json.dumps(held).encode())
    try:
        refused = checkout.infra("plan")
        drift = checkout.infra("drift")
        assert json.loads(s3.get_object(Bucket=bucket, Key=LOCK)["Body"].read())["ID"] == "1b2c"
    finally:
        s3.delete_object(Bucket=bucket, Key=LOCK)
    assert refused.returncode == 1
    assert "The state is locked by alice@laptop since 2026-11-23 14:00:00 UTC (apply, lock 1b2c)" in refused.stderr
    assert drift.returncode == 3
    assert "It is not known whether local has drifted. The state is locked by alice@laptop" in drift.stderr
