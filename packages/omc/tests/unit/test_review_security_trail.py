"""What the security review says of calls: each kind fires where it should, and is quiet where it must be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.checks.finding import Finding, Level
from omc.config import load
from omc.config.review_tables import ReviewTable, SecurityTable
from omc.facts.security.callers_before import CallersBefore
from omc.facts.security.trail_event import Kind, TrailEvent, event_of
from omc.facts.security.trail_period import Gap, TrailPeriod
from omc.review.security.callers import new_callers, unusual_sources
from omc.review.security.charts import calls_by_day
from omc.review.security.concerns import CONCERNS, concerns_of
from omc.review.security.policies import is_open_to_world
from omc.review.security.trail import (
    console_logins,
    copies_shared,
    denied_calls,
    records_touched,
    root_use,
    security_changes,
)

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
BEGIN = NOW - timedelta(days=7)
OWN, OTHER = "111122223333", "444455556666"
Check = Callable[..., Iterator[Finding]]

ANN = {"type": "IAMUser", "userName": "ann", "arn": f"arn:aws:iam::{OWN}:user/ann", "accountId": OWN}
ROOT = {"type": "Root", "arn": f"arn:aws:iam::{OWN}:root", "accountId": OWN}
SERVICE = {"type": "AWSService", "invokedBy": "ecs.amazonaws.com"}


def role(name: str = "ohmycoins-staging-apply", session: str = "run-7") -> dict[str, Any]:
    issuer = {"type": "Role", "userName": name, "arn": f"arn:aws:iam::{OWN}:role/{name}"}
    arn = f"arn:aws:sts::{OWN}:assumed-role/{name}/{session}"
    return {"type": "AssumedRole", "arn": arn, "accountId": OWN, "sessionContext": {"sessionIssuer": issuer}}


def call(operation: str, service: str = "ec2", identity: dict[str, Any] | None = None, /, **more: Any) -> TrailEvent:
    """A call of ann's an hour ago, by botocore from her office; ``more`` in CloudTrail's names."""
    record = {
        "eventTime": "2026-11-30T08:00:00Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": operation,
        "userIdentity": ANN if identity is None else identity,
        "awsRegion": "ap-southeast-2",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "Boto3/1.40 md/Botocore",
        "readOnly": False,
        "recipientAccountId": OWN,
        "eventID": f"{operation}-{len(json.dumps(more))}",
    }
    found = event_of(record | more)
    assert found is not None
    return found


def login(
    identity: dict[str, Any] | None = None, *, mfa: str = "No", result: str = "Success", **more: Any
) -> TrailEvent:
    answer = {"ConsoleLogin": result}
    extra = {"MFAUsed": mfa} | more
    return call("ConsoleLogin", "signin", identity, responseElements=answer, additionalEventData=extra)


def week(*events: TrailEvent, gaps: tuple[Gap, ...] = ()) -> TrailPeriod:
    return TrailPeriod(events, BEGIN, NOW, gaps)


def levels(check: Check, *events: TrailEvent) -> list[tuple[Level, str]]:
    found = list(check(week(*events), STAGING))
    for one in found:
        assert one.evidence
        assert (one.level is Level.OK) == (one.procedure is None)
        assert one.place
    return [(one.level, one.place) for one in found if one.level is not Level.OK]


def policy(principal: Any, condition: Any = None, action: str = "s3:GetObject") -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "arn:aws:s3:::x/*"}
    return json.dumps({"Statement": [statement | ({"Condition": condition} if condition else {})]})


FAIL, WARN = Level.FAIL, Level.WARN
PERMISSION = "createVolumePermission"
FIRES: list[tuple[Check, TrailEvent, Level, str]] = [
    (root_use, call("CreateAccessKey", "iam", ROOT), FAIL, "root/use"),
    (root_use, call("ListBuckets", "s3", ROOT, readOnly=True), FAIL, "root/use"),
    (root_use, call("PutBucketPolicy", "s3", ROOT | {"invokedBy": "signin.amazonaws.com"}), FAIL, "root/use"),
    (root_use, login(ROOT, result="Failure"), WARN, "root/login"),
    (console_logins, login(), FAIL, "logins/user ann"),
    (console_logins, login(ROOT), FAIL, "logins/root"),
    (console_logins, login(role("Admin")), FAIL, "logins/role Admin"),
    (denied_calls, call("DeleteTrail", "cloudtrail", errorCode="AccessDenied"), WARN, "denied/user ann"),
    (denied_calls, call("RunTask", "ecs", errorCode="AccessDeniedException"), WARN, "denied/user ann"),
    (
        denied_calls,
        call("AuthorizeSecurityGroupIngress", "ec2", role(), errorCode="Client.UnauthorizedOperation"),
        WARN,
        "denied/role ohmycoins-staging-apply",
    ),
    (records_touched, call("StopLogging", "cloudtrail"), FAIL, "recording/StopLogging/user ann"),
    (records_touched, call("DeleteFlowLogs"), FAIL, "recording/DeleteFlowLogs/user ann"),
    (records_touched, call("DeleteAlarms", "monitoring"), FAIL, "recording/DeleteAlarms/user ann"),
    (
        records_touched,
        call("StopLogging", "cloudtrail", role()),
        WARN,
        "recording/StopLogging/role ohmycoins-staging-apply",
    ),
    (
        records_touched,
        call(
            "PutEventSelectors",
            "cloudtrail",
            requestParameters={"eventSelectors": [{"includeManagementEvents": False, "readWriteType": "All"}]},
        ),
        FAIL,
        "recording/PutEventSelectors/user ann",
    ),
    (
        copies_shared,
        call("ModifyDBSnapshotAttribute", "rds", requestParameters={"valuesToAdd": [OTHER]}),
        FAIL,
        "sharing/ModifyDBSnapshotAttribute/user ann",
    ),
    (
        copies_shared,
        call("ModifySnapshotAttribute", requestParameters={PERMISSION: {"add": {"items": [{"group": "all"}]}}}),
        FAIL,
        "sharing/ModifySnapshotAttribute/user ann",
    ),
    (
        copies_shared,
        call("PutBucketPolicy", "s3", requestParameters={"bucketPolicy": json.loads(policy("*"))}),
        FAIL,
        "sharing/PutBucketPolicy/user ann",
    ),
    (
        copies_shared,
        call("AddPermission20150331v2", "lambda", requestParameters={"principal": OTHER}),
        FAIL,
        "sharing/AddPermission/user ann",
    ),
    (security_changes, call("AuthorizeSecurityGroupIngress"), WARN, "network/user ann"),
    (security_changes, call("CreateUser", "iam"), WARN, "rights/user ann"),
    (security_changes, call("ScheduleKeyDeletion", "kms", role()), WARN, "keys/role ohmycoins-staging-apply"),
    (
        security_changes,
        call(
            "AttachUserPolicy",
            "iam",
            role(),
            requestParameters={"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
        FAIL,
        "rights/role ohmycoins-staging-apply",
    ),
    (
        security_changes,
        call("UpdateAssumeRolePolicy", "iam", requestParameters={"policyDocument": policy({"AWS": "*"})}),
        FAIL,
        "rights/user ann",
    ),
    (
        security_changes,
        call("ModifyDBInstance", "rds", requestParameters={"deletionProtection": False}),
        WARN,
        "data/user ann",
    ),
]
QUIET: list[tuple[Check, TrailEvent]] = [
    (root_use, call("CreateServiceLinkedRole", "iam", ROOT | {"invokedBy": "autoscaling.amazonaws.com"})),
    (root_use, call("RotateKey", "kms", ROOT, eventType="AwsServiceEvent")),
    (console_logins, login(mfa="Yes")),
    (console_logins, login(role("AWSReservedSSO_Admin_1"))),
    (console_logins, login(role("Admin"), SamlProviderArn="arn:aws:iam::1:saml-provider/x")),
    (denied_calls, call("PutMetricData", "monitoring", errorCode="ThrottlingException")),
    (denied_calls, call("DescribeTrails", "cloudtrail", readOnly=True, errorCode="AccessDenied")),
    (denied_calls, call("Decrypt", "kms", SERVICE, errorCode="AccessDenied")),
    (records_touched, call("StopLogging", "cloudtrail", errorCode="AccessDenied")),
    (records_touched, call("DescribeTrails", "cloudtrail", readOnly=True)),
    (
        records_touched,
        call(
            "PutEventSelectors",
            "cloudtrail",
            requestParameters={"eventSelectors": [{"includeManagementEvents": True, "readWriteType": "All"}]},
        ),
    ),
    (copies_shared, call("ModifyDBSnapshotAttribute", "rds", requestParameters={"valuesToAdd": [OWN]})),
    (copies_shared, call("ModifySnapshotAttribute", requestParameters={PERMISSION: {"remove": {"items": ["all"]}}})),
    (
        copies_shared,
        call(
            "PutBucketPolicy",
            "s3",
            requestParameters={"bucketPolicy": policy("*", {"StringEquals": {"aws:SourceAccount": OWN}})},
        ),
    ),
    (security_changes, call("AuthorizeSecurityGroupIngress", "ec2", role())),
    (security_changes, call("CreateNetworkInterface", "ec2", SERVICE)),
    (security_changes, call("DeleteRole", "iam", errorCode="DeleteConflictException")),
]


@pytest.mark.parametrize(("check", "event", "level", "place"), FIRES, ids=lambda one: getattr(one, "__name__", None))
def test_a_call_that_matters_is_told(check: Check, event: TrailEvent, level: Level, place: str) -> None:
    assert levels(check, event) == [(level, place.replace(" ", "-"))]


@pytest.mark.parametrize(("check", "event"), QUIET, ids=lambda one: getattr(one, "__name__", None))
def test_a_call_that_does_no_harm_is_not_told(check: Check, event: TrailEvent) -> None:
    assert levels(check, event) == []


def test_calls_of_one_caller_and_subject_are_one_finding_since_the_first() -> None:
    first = call("CreateRoute", eventTime="2026-11-29T01:00:00Z", eventID="a")
    (finding,) = [one for one in security_changes(week(call("DeleteRoute"), first), STAGING) if one.procedure]
    assert finding.sentence == "User ann made 2 calls (DeleteRoute, CreateRoute), which changes where packets go."
    assert finding.since == datetime(2026, 11, 29, 1, tzinfo=UTC)


def test_what_lets_in_the_internet_is_said_of_a_change() -> None:
    wide = {"ipPermissions": {"items": [{"ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}}
    (finding,) = security_changes(week(call("AuthorizeSecurityGroupIngress", requestParameters=wide)), STAGING)
    assert "lets in from the internet" in finding.sentence


def test_a_few_failed_logins_are_mistyped_and_many_are_not() -> None:
    def tries(count: int) -> list[TrailEvent]:
        return [
            call("ConsoleLogin", "signin", eventID=str(number), responseElements={"ConsoleLogin": "Failure"})
            for number in range(count)
        ]

    assert levels(console_logins, *tries(4)) == []
    assert levels(console_logins, *tries(5)) == [(WARN, "failed-logins/user-ann")]


def test_a_part_of_the_trail_that_could_not_be_read_is_unknown_where_it_matters() -> None:
    gaps = (
        Gap("us-east-1", "IAM's calls, root's and logins", problem="AccessDenied.", action="cloudtrail:LookupEvents"),
    )
    for check in (root_use, console_logins, security_changes):
        unread = [one for one in check(week(gaps=gaps), STAGING) if one.unread]
        assert [(one.level, one.place) for one in unread] == [(Level.UNKNOWN, "trail/us-east-1")]
    logins = (Gap("eu-north-1", "logins", problem="AccessDenied."),)
    assert [one.unread for one in root_use(week(gaps=logins), STAGING)] == [False]


def test_writes_that_are_too_many_are_told_with_how_far_they_were_seen() -> None:
    gap = Gap("ap-southeast-2", "writes", NOW - timedelta(days=2))
    (unread,) = [one for one in records_touched(week(gaps=(gap,)), STAGING) if one.unread]
    assert "since Sat 28 Nov" in unread.sentence
    assert "--since 24h" in unread.sentence


# -- callers ---------------------------------------------------------------------------------------------------------


def before(**calls: list[TrailEvent]) -> CallersBefore:
    return CallersBefore({name.replace("_", " "): tuple(some) for name, some in calls.items()})


def said(check: Any, period: TrailPeriod, known: CallersBefore) -> list[tuple[Level, str]]:
    return [(one.level, one.place) for one in check(period, known, STAGING) if one.level is not Level.OK]


BOB = ANN | {"userName": "bob", "arn": f"arn:aws:iam::{OWN}:user/bob"}
USUAL = [call("RunTask", "ecs", eventID=str(number)) for number in range(6)]


def test_a_caller_that_was_not_there_before_is_told() -> None:
    period = week(call("RunTask", "ecs"), call("RunTask", "ecs", BOB, eventID="b"))
    assert said(new_callers, period, before(user_ann=USUAL, user_bob=[])) == [(WARN, "callers/user-bob")]
    assert said(new_callers, period, before(user_ann=USUAL, user_bob=USUAL)) == []
    assert said(new_callers, period, before(user_ann=[], user_bob=[])) == [], "with nothing before nobody is new"


def test_a_caller_whose_past_is_not_known_is_unknown() -> None:
    known = CallersBefore({"user ann": tuple(USUAL)}, {"user bob": "it is throttled."})
    (finding,) = [one for one in new_callers(week(call("RunTask", "ecs")), known, STAGING) if one.unread]
    assert finding.level is Level.UNKNOWN


@pytest.mark.parametrize(
    "more",
    [
        {"sourceIPAddress": "198.51.100.9"},
        {"userAgent": "python-requests/2.32"},
        {"sourceIPAddress": "2001:db8::1", "userAgent": "aws-cli/2.13.0 md/distrib#kali"},
    ],
)
def test_another_network_or_tool_is_told(more: dict[str, str]) -> None:
    period = week(call("RunTask", "ecs", **more))
    assert said(unusual_sources, period, before(user_ann=USUAL)) == [(WARN, "sources/user-ann")]


@pytest.mark.parametrize("more", [{"sourceIPAddress": "203.0.200.1"}, {"userAgent": "Boto3/1.41 other"}, {}])
def test_the_same_network_and_tool_are_not_told(more: dict[str, str]) -> None:
    assert said(unusual_sources, week(call("RunTask", "ecs", **more)), before(user_ann=USUAL)) == []


@pytest.mark.parametrize(
    ("known", "is_told"), [("198.51.100.0/24", False), ("198.51.100.9", False), ("2001:db8::/32", True)]
)
def test_a_network_that_omc_toml_knows_is_not_told(known: str, is_told: bool) -> None:
    table = ReviewTable(security=SecurityTable(known_sources=(known,)))
    elsewhere = week(call("RunTask", "ecs", sourceIPAddress="198.51.100.9"))
    found = unusual_sources(elsewhere, before(user_ann=USUAL), replace(STAGING, review=table))
    assert any(finding.level is Level.WARN for finding in found) is is_told


def test_who_calls_from_everywhere_or_hardly_ever_has_no_usual_network() -> None:
    elsewhere = week(call("RunTask", "ecs", sourceIPAddress="198.51.100.9"))
    roaming = [call("RunTask", "ecs", sourceIPAddress=f"{number}.1.2.3") for number in range(1, 9)]
    assert said(unusual_sources, elsewhere, before(user_ann=roaming)) == []
    assert said(unusual_sources, elsewhere, before(user_ann=USUAL[:4])) == []


# -- events, policies, the table -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "kind", "principal"),
    [
        (ANN, Kind.USER, "user ann"),
        (ANN | {"invokedBy": "cloudformation.amazonaws.com"}, Kind.USER, "user ann"),
        (ANN | {"invokedBy": "rds.amazonaws.com"}, Kind.SERVICE, "service rds"),
        (role("Admin", "ann"), Kind.ROLE, "role Admin"),
        (ROOT, Kind.ROOT, "root"),
        (SERVICE, Kind.SERVICE, "service ecs"),
        ({"type": "AWSAccount", "accountId": OTHER}, Kind.OTHER, f"account {OTHER}"),
        ({}, Kind.OTHER, "caller without a name"),
    ],
)
def test_who_made_a_call_is_told_apart(identity: dict[str, Any], kind: Kind, principal: str) -> None:
    event = call("RunTask", "ecs", identity)
    assert (event.kind, event.principal) == (kind, principal)


def test_a_record_that_is_none_of_a_call_is_left_out() -> None:
    assert event_of({"eventName": "X"}) is None
    assert event_of({"eventTime": "2026-11-30T08:00:00Z"}) is None
    assert event_of({"eventName": "X", "eventTime": "yesterday"}) is None


@pytest.mark.parametrize(
    ("principal", "condition", "is_open"),
    [
        ("*", None, True),
        ({"AWS": "*"}, None, True),
        ({"AWS": ["*"]}, {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, False),
        ("*", {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
        ("*", {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, True),
        ("*", {"StringNotEquals": {"aws:SourceAccount": OWN}}, True),
        ("*", {"StringLike": {"aws:SourceArn": "*"}}, True),
        ({"Service": "logging.s3.amazonaws.com"}, None, False),
        ({"AWS": f"arn:aws:iam::{OTHER}:root"}, None, False),
    ],
)
def test_a_policy_lets_in_the_world_or_not(principal: Any, condition: Any, is_open: bool) -> None:
    assert is_open_to_world(policy(principal, condition)) is is_open


def test_what_cannot_be_read_as_a_policy_lets_nobody_in() -> None:
    for text in ("", "{", "[]", '{"Statement": 5}', None, 7):
        assert not is_open_to_world(text)


def test_reads_are_no_concern_unless_their_row_says_so() -> None:
    assert not any(concerns_of(call(name, "ec2", readOnly=True)) for name in ("DescribeInstances", "CreateRoute"))
    assert concerns_of(call("BatchGetSecretValue", "secretsmanager", readOnly=True))
    assert all(one.why and one.services and one.operations for one in CONCERNS)


def test_days_of_the_period_are_drawn_with_what_mattered() -> None:
    chart = calls_by_day(week(call("CreateUser", "iam"), call("RunTask", "ecs", errorCode="AccessDenied")), STAGING)
    assert chart is not None
    assert [sum(value or 0 for value in one.values) for one in chart.series] == [1, 1]
    assert calls_by_day(week(), STAGING) is None
