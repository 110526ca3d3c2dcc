"""What the security review reads: which questions CloudTrail gets, what of its answers is kept, and what is a gap."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.errors import AccessDenied, AwsRefused, NotFound
from omc.facts.collector import dependencies
from omc.facts.definitions import Definition, Definitions
from omc.facts.load_balancers import LoadBalancer, LoadBalancers
from omc.facts.scope import Scope
from omc.facts.security import lookups, trail_period
from omc.facts.security.callers_before import read_callers_before
from omc.facts.security.exposure import read_exposure
from omc.facts.security.image_scans import read_image_scans
from omc.facts.security.knocks import read_knocks
from omc.facts.security.logins import read_logins
from omc.facts.security.secret_ages import read_secret_ages
from omc.facts.security.trail_period import TrailPeriod, read_trail_period
from omc.review.parts import PARTS
from support import release_facts as example
from support.fake_gateway import FakeGateway

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
SCOPE = Scope(NOW, timedelta(days=7))
AWS = replace(example.environment(), local_state=None, name="staging", region="ap-southeast-2")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's pace is not what is proved here."""
    monkeypatch.setattr(lookups, "INTERVAL", 0.0)


class Regions(FakeGateway):
    """One that writes down which region was asked; ``refused`` are those that a policy of the organization forbids."""

    def __init__(self, answers: dict[tuple[str, str], Any], refused: tuple[str, ...] = ()) -> None:
        super().__init__(answers, AWS)
        self.regions: list[str] = []
        self.refused = refused

    def in_region(self, region: str) -> FakeGateway:
        self.regions.append(region)
        if region in self.refused:
            return FakeGateway({("cloudtrail", "lookup_events"): AccessDenied("No.", "cloudtrail:LookupEvents")}, AWS)
        other = FakeGateway({("cloudtrail", "lookup_events"): lambda _: {"Events": []}}, AWS)
        other.requests = self.requests
        return other


def event(name: str, number: int = 0, **more: Any) -> dict[str, Any]:
    record = {
        "eventTime": (NOW - timedelta(hours=1 + number)).isoformat(),
        "eventName": name,
        "eventSource": "ec2.amazonaws.com",
        "eventID": f"{name}-{number}",
        "userIdentity": {"type": "IAMUser", "userName": "ann", "arn": "arn:aws:iam::1:user/ann"},
    }
    return {"CloudTrailEvent": json.dumps(record | more)}


def asked(params: Mapping[str, Any]) -> tuple[str, str]:
    attribute = params["LookupAttributes"][0]
    return attribute["AttributeKey"], attribute["AttributeValue"]


def test_the_period_is_writes_logins_root_and_the_newest_reads_each_call_once() -> None:
    def answer(params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Events": [event("StopLogging"), {"CloudTrailEvent": "{"}] if asked(params)[0] != "Username" else []}

    gateway = Regions({("cloudtrail", "lookup_events"): answer})
    period = read_trail_period(gateway, AWS, SCOPE)
    assert [one.operation for one in period.events] == ["StopLogging"]
    assert period.gaps == ()
    assert sorted(gateway.regions) == ["eu-north-1", "us-east-1", "us-east-2"]
    questions = [asked(params) for params in gateway.calls("lookup_events")]
    assert questions.count(("EventName", "ConsoleLogin")) == 4, "each region in which a login may be"
    assert questions.count(("ReadOnly", "false")) == 2, "here, and IAM's in us-east-1"
    assert all(params["StartTime"] == NOW - SCOPE.since for params in gateway.calls("lookup_events"))


def test_a_local_cloud_has_one_region() -> None:
    gateway = Regions({("cloudtrail", "lookup_events"): {"Events": []}})
    read_trail_period(gateway, replace(AWS, local_state=Path()), SCOPE)
    assert gateway.regions == []


def test_a_region_that_may_not_be_asked_is_a_gap_and_costs_nothing_else() -> None:
    gateway = Regions({("cloudtrail", "lookup_events"): {"Events": []}}, refused=("us-east-1",))
    (gap,) = read_trail_period(gateway, AWS, SCOPE).gaps
    assert (gap.region, gap.action, gap.problem) == ("us-east-1", "cloudtrail:LookupEvents", "No.")


def test_more_writes_than_pages_are_a_gap_and_the_serious_ones_are_asked_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trail_period, "WRITE_PAGES", 2)

    def answer(params: Mapping[str, Any]) -> dict[str, Any]:
        if asked(params) == ("ReadOnly", "false"):
            page = int(params.get("NextToken", 0))
            return {"Events": [event("RunTask", page)], "NextToken": str(page + 1)}
        return {"Events": [event("DeleteTrail", 90)] if asked(params) == ("EventName", "DeleteTrail") else []}

    gateway = Regions({("cloudtrail", "lookup_events"): answer})
    period = read_trail_period(gateway, AWS, SCOPE)
    assert [(one.what, one.before) for one in period.gaps] == [("writes", NOW - timedelta(hours=2))]
    assert "DeleteTrail" in {one.operation for one in period.events}


def test_a_question_whose_time_is_up_is_not_sent() -> None:
    gateway = Regions({("cloudtrail", "lookup_events"): {"Events": []}})
    looked = lookups.Lookups(gateway).ask(("ReadOnly", "false"), NOW, NOW, until=0.0)
    assert (looked.is_whole, gateway.requests) == (False, [])


def test_what_callers_did_before_is_asked_by_name_and_of_a_role_by_its_arn() -> None:
    issuer = {"type": "Role", "userName": "Admin", "arn": "arn:aws:iam::1:role/Admin"}
    role = {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::1:assumed-role/Admin/bob",
        "sessionContext": {"sessionIssuer": issuer},
    }
    events = [lookups._event(one) for one in (event("A"), event("B", 1, userIdentity=role))]
    period = TrailPeriod(tuple(one for one in events if one), NOW - SCOPE.since, NOW)

    def answer(params: Mapping[str, Any]) -> dict[str, Any]:
        found = {"ann": [event("RunTask", 200)], "arn:aws:iam::1:role/Admin": [event("AssumeRole", 200)]}
        return {"Events": found.get(asked(params)[1], [])}

    gateway = Regions({("cloudtrail", "lookup_events"): answer})
    before = read_callers_before(gateway, AWS, SCOPE, period)
    assert {name: len(calls) for name, calls in before.calls.items()} == {"role Admin": 1, "user ann": 1}
    assert [asked(one)[1] for one in gateway.calls("lookup_events")] == ["bob", "arn:aws:iam::1:role/Admin", "ann"]
    assert all(one["EndTime"] == period.begin for one in gateway.calls("lookup_events"))


BALANCERS = LoadBalancers(
    (LoadBalancer("ohmycoins-staging", "app/x/1", "x", "active", "", "arn:lb"),),
    {"ohmycoins-staging": {"VpcId": "vpc-1"}},
)


def test_exposure_is_the_vpcs_rules_and_what_of_ours_is_public() -> None:
    prefix = AWS.prefix
    rules = [
        {"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-1", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
         "CidrIpv4": "0.0.0.0/0"},
        {"SecurityGroupRuleId": "sgr-2", "GroupId": "sg-1", "IpProtocol": "-1", "IsEgress": True},
    ]  # fmt: skip
    restore = {"AttributeName": "restore", "AttributeValues": ["all"]}
    interface = {
        "NetworkInterfaceId": "eni-1",
        "Description": "ELB x",
        "Groups": [{"GroupId": "sg-1"}],
        "Association": {"PublicIp": "203.0.113.1"},
    }

    def status(params: Mapping[str, Any]) -> dict[str, Any]:
        if params["Bucket"].endswith("-none"):
            raise NotFound("No policy.", "NoSuchBucketPolicy")
        return {"PolicyStatus": {"IsPublic": params["Bucket"].endswith("-open")}}

    gateway = FakeGateway(
        {
            ("ec2", "describe_security_groups"): {"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "web"}]},
            ("ec2", "describe_security_group_rules"): {"SecurityGroupRules": rules},
            ("ec2", "describe_network_interfaces"): {"NetworkInterfaces": [interface]},
            ("rds", "describe_db_instances"): AwsRefused("Refused.", "X"),
            ("rds", "describe_db_snapshots"): {
                "DBSnapshots": [
                    {"DBSnapshotIdentifier": "mine", "DBInstanceIdentifier": prefix},
                    {"DBSnapshotIdentifier": "theirs", "DBInstanceIdentifier": "another"},
                ]
            },
            ("rds", "describe_db_snapshot_attributes"): {
                "DBSnapshotAttributesResult": {"DBSnapshotAttributes": [restore]}
            },
            ("s3", "list_buckets"): {"Buckets": [{"Name": f"{prefix}-{end}"} for end in ("open", "shut", "none")]},
            ("s3", "get_bucket_policy_status"): status,
        },
        AWS,
    )
    found = read_exposure(gateway, AWS, BALANCERS)
    assert [(one.group_name, one.ports, one.cidr) for one in found.rules] == [("web", "tcp 22", "0.0.0.0/0")]
    assert [(one.description, one.public) for one in found.interfaces] == [("ELB x", "203.0.113.1")]
    assert [(one.what, one.name) for one in found.shared] == [("snapshot", "mine"), ("bucket", f"{prefix}-open")]
    assert found.problems == ("Refused.",)


def test_refused_connections_are_named_by_what_has_the_addresses() -> None:
    row = {"srcAddr": "10.0.0.1", "dstAddr": "10.0.0.2", "dstPort": "5432", "protocol": "6", "records": "3"}
    task = {
        "PrivateIpAddress": "10.0.0.1",
        "Description": "arn:aws:ecs:x:1:attachment/u",
        "Groups": [{"GroupName": "b"}],
    }
    gateway = FakeGateway(
        {
            ("ec2", "describe_flow_logs"): {"FlowLogs": [{"LogGroupName": f"/vpc/{AWS.prefix}/flow"}]},
            ("logs", "start_query"): {"queryId": "q"},
            ("logs", "get_query_results"): {
                "status": "Complete",
                "results": [[{"field": name, "value": value} for name, value in row.items()]],
            },
            ("ec2", "describe_network_interfaces"): {"NetworkInterfaces": [task]},
        },
        AWS,
    )
    found = read_knocks(gateway, AWS, SCOPE)
    assert (found.knocks[0].port, found.knocks[0].records) == (5432, 3)
    assert found.owners == {"10.0.0.1": "a task in b"}
    assert read_knocks(FakeGateway({("ec2", "describe_flow_logs"): {"FlowLogs": []}}, AWS), AWS, SCOPE).log_group == ""


def test_users_are_read_with_keys_and_second_factors() -> None:
    gateway = FakeGateway(
        {
            ("iam", "get_account_summary"): {"SummaryMap": {"AccountMFAEnabled": 0, "AccountAccessKeysPresent": 1}},
            ("iam", "list_users"): {"Users": [{"UserName": "ann"}]},
            ("iam", "get_login_profile"): {"LoginProfile": {}},
            ("iam", "list_access_keys"): {
                "AccessKeyMetadata": [{"AccessKeyId": "AKIA1", "Status": "Active", "CreateDate": NOW}]
            },
            ("iam", "get_access_key_last_used"): {
                "AccessKeyLastUsed": {"LastUsedDate": NOW, "ServiceName": "ecr", "Region": "x"}
            },
            ("iam", "list_mfa_devices"): {"MFADevices": []},
        },
        AWS,
    )
    found = read_logins(gateway)
    assert (found.root_has_keys, found.root_has_mfa) == (True, False)
    (user,) = found.users
    assert (user.has_password, user.has_mfa, user.keys[0].used_for) == (True, False, "ecr in x")


def test_secrets_are_the_environments_and_its_databases() -> None:
    tags = [{"Key": "aws:rds:primaryDBInstanceArn", "Value": f"arn:aws:rds:x:1:db:{AWS.database}"}]
    every = [
        {"Name": f"{AWS.prefix}/app", "CreatedDate": NOW - timedelta(days=9), "LastRotatedDate": NOW},
        {"Name": "rds!db-1", "Tags": tags, "LastChangedDate": NOW, "OwningService": "rds"},
        {"Name": "another"},
    ]
    found = read_secret_ages(FakeGateway({("secretsmanager", "list_secrets"): {"SecretList": every}}, AWS), AWS)
    assert [(one.name, one.changed) for one in found.secrets] == [(f"{AWS.prefix}/app", NOW), ("rds!db-1", NOW)]


def test_scans_are_of_the_images_that_run() -> None:
    image = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/backend@sha256:" + "a" * 64
    body = {"containerDefinitions": [{"name": "backend", "image": image}, {"name": "side", "image": "redis:7"}]}
    definitions = Definitions({"backend": Definition("backend:1", "arn", "ACTIVE", body)}, {})
    answer = {
        "imageScanStatus": {"status": "COMPLETE"},
        "imageScanFindings": {
            "findingSeverityCounts": {"CRITICAL": 1},
            "findings": [{"name": "CVE-1", "severity": "CRITICAL"}],
        },
    }
    (scan,) = read_image_scans(FakeGateway({("ecr", "describe_image_scan_findings"): answer}, AWS), definitions).scans
    assert (scan.services, scan.counts, scan.worst) == (("backend",), {"CRITICAL": 1}, ("CVE-1",))
    missing = NotFound("There is no scan.", "ScanNotFoundException")
    (scan,) = read_image_scans(FakeGateway({("ecr", "describe_image_scan_findings"): missing}, AWS), definitions).scans
    assert scan.status == "missing"


def test_every_fact_that_the_part_needs_has_a_reader() -> None:
    from omc.facts.collector import _READERS

    part = next(one for one in PARTS if one.name == "security")
    given = {"Environment", "Scope"}
    needed = {fact for one in (*part.checks.checks, *part.charts) for fact in dependencies(one).values()}
    assert {fact.__name__ for fact in needed if fact not in _READERS} <= given
