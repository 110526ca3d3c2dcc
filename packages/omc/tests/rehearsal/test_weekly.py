"""`omc check weekly` on a month whose anomalies are known: it finds these, and nothing else.

It runs last of its group: whoever came after it would have the month's past.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.stack import Stack

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

MONTH = Path(__file__).parent / "weekly" / "month.toml"
FOUND: Mapping[str, tuple[str, ...]] = {
    "nat-bytes": (r"cost-rise:costs/ec2-other", r"cost-anomalies:costs/ec2-other/\d{4}-\d\d-\d\d"),
    "log-intake": (r"log-volume:logs/ecs/ohmycoins-staging/backend",),
    "old-snapshot": (r"old-snapshots:snapshots/snap-[0-9a-f]+",),
    "idle-address": (r"public-addresses:addresses/eipalloc-[0-9a-f]+",),
    "root-login": (r"root-use:root/use",),
    "login-without-mfa": (r"console-logins:logins/user-jo",),
    "trail-stopped": (r"records-touched:recording/StopLogging/user-jo",),
    "new-principal": (r"new-callers:callers/user-contractor",),
    "open-rule": (r"open-rules:rules/debugging/tcp-22/0\.0\.0\.0/0", r"security-changes:network/user-localcloud"),
    "slower-answers": (r"response-times:load-balancer/ohmycoins-staging-backend",),
    "cache-misses": (r"cache-hit-rate:cache",),
}
"""What the month has, or the story makes, to what says so: keys of findings."""
UNKNOWN = frozenset({"statement-changes", "plan-changes", "indexes"})
"""Checks that can't be answered here, as in an account with seven days of Performance Insights: each says what would
switch it on."""
STANDING = ("new", "still there")
ACCEPTED = ("fargate-options:services/backend/options", "fargate-options:services/frontend/options")
"""Advice that holds each week, accepted with a reason."""


def findings(review: Any) -> Iterator[Mapping[str, Any]]:
    for part in review["parts"]:
        yield from part["findings"]


def test_a_week_with_known_anomalies_has_these_findings_and_no_others(healthy: Stack) -> None:
    seeded = healthy.localcloud("seed", str(MONTH))
    assert seeded.returncode == 0, seeded.stderr
    named = set(re.findall(r"[a-z-]+", seeded.stdout.partition("Anomalies: ")[2]))
    assert named | {"idle-address", "open-rule"} == set(FOUND)
    leave_an_address_and_open_a_port(healthy)
    limit_costs(healthy)

    weekly = ("check", "weekly")
    healthy.omc(*weekly, "costs", "--record", "--env", "local")
    until = (datetime.now(UTC) + timedelta(days=90)).isoformat(timespec="minutes")
    for key in ACCEPTED:
        reason = ("--reason", "the libraries have no ARM builds", "--owner", "jo", "--until", until)
        accepted = healthy.omc("check", "accept", key, *reason, "--env", "local")
        assert accepted.returncode == 0, accepted.stderr
    review = healthy.omc(*weekly, "--env", "local", "--output", "json").json
    every = list(findings(review))
    said = {finding["key"]: finding["sentence"] for finding in every if finding["status"] in STANDING}
    said = {key: sentence for key, sentence in said.items() if key.partition(":")[0] not in UNKNOWN}
    for anomaly, patterns in FOUND.items():
        for pattern in patterns:
            told = [key for key in said if re.fullmatch(pattern, key)]
            assert len(told) == 1, (anomaly, pattern, said)
            del said[told[0]]
    assert said == {}, "something is said that isn't so"
    assert {finding["key"] for finding in every if finding["status"] == "accepted"} == set(ACCEPTED)
    unknown = {finding["check"]: finding["sentence"] for finding in every if finding["level"] == "unknown"}
    assert unknown.keys() == UNKNOWN, unknown
    assert review["exit_code"] == 1
    again = healthy.localcloud("seed", str(MONTH))
    assert (again.returncode, "already" in again.stderr) == (1, True)


def leave_an_address_and_open_a_port(stack: Stack) -> None:
    ec2 = stack.client("ec2")
    ec2.allocate_address(Domain="vpc")
    vpc = next(each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"] if not each["IsDefault"])
    group = ec2.create_security_group(GroupName="debugging", Description="for an hour", VpcId=vpc)["GroupId"]
    world = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[world])


def limit_costs(stack: Stack) -> None:
    """A budget, so that the forecast has something to be held against."""
    account = stack.client("sts").get_caller_identity()["Account"]
    limit = {"Amount": "900", "Unit": "USD"}
    budget = {"BudgetName": "all", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": limit}
    stack.client("budgets").create_budget(AccountId=account, Budget=budget)
