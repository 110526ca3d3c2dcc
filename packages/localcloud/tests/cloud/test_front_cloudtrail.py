"""CloudTrail tells what was really called: who, what, when, on what, and how it ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
import pytest

from localcloud.core.cloud import Cloud
from localcloud.front.call_log import REDACTED, CallLog, redacted, resources_of


def events(aws: Any, **by: str) -> list[dict[str, Any]]:
    attributes = [{"AttributeKey": key, "AttributeValue": value} for key, value in by.items()]
    found: list[dict[str, Any]] = aws("cloudtrail").lookup_events(LookupAttributes=attributes)["Events"]
    return found


def test_a_call_is_found_by_each_attribute(cloud: Cloud, aws: Any) -> None:
    aws("iam").create_role(RoleName="deployer", AssumeRolePolicyDocument="{}")
    aws("sqs").create_queue(QueueName="alerts")
    for by in (
        {"EventName": "CreateRole"},
        {"ResourceName": "deployer"},
        {"EventSource": "iam.amazonaws.com"},
    ):
        (event,) = events(aws, **by)
        assert event["EventName"] == "CreateRole"
        assert event["Username"] == "localcloud"
        assert event["ReadOnly"] == "false"
        payload = json.loads(event["CloudTrailEvent"])
        assert payload["sourceIPAddress"].startswith("127.")
        assert "Boto3" in payload["userAgent"]
        assert payload["requestParameters"]["RoleName"] == "deployer"
    assert {event["EventName"] for event in events(aws, Username="localcloud")} >= {"CreateRole", "CreateQueue"}
    assert {event["EventName"] for event in events(aws, ReadOnly="false")} == {"CreateRole", "CreateQueue"}


def test_a_refused_call_is_remembered_with_its_error(cloud: Cloud, aws: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError):
        aws("iam").get_role(RoleName="nobody")
    (event,) = events(aws, EventName="GetRole")
    assert json.loads(event["CloudTrailEvent"])["errorCode"] == "NoSuchEntity"


def test_secrets_are_never_written_down(cloud: Cloud, aws: Any) -> None:
    aws("secretsmanager").create_secret(Name="key", SecretString="very-secret-indeed")
    aws("secretsmanager").get_secret_value(SecretId="key")
    cloud.part(CallLog).flush()
    written = b"".join(path.read_bytes() for path in cloud.settings.state.glob("calls.sqlite*"))
    assert b"CreateSecret" in written
    assert b"very-secret-indeed" not in written
    assert redacted({"Deep": [{"MasterUserPassword": "x"}]}) == {"Deep": [{"MasterUserPassword": REDACTED}]}


def test_data_events_are_not_management_events(cloud: Cloud, aws: Any) -> None:
    queue = aws("sqs").create_queue(QueueName="q")["QueueUrl"]
    aws("sqs").send_message(QueueUrl=queue, MessageBody="x")
    assert events(aws, EventName="SendMessage") == []


def test_pages_and_times(cloud: Cloud, aws: Any) -> None:
    for number in range(7):
        aws("sqs").create_queue(QueueName=f"queue-{number}")
    trail = aws("cloudtrail")
    only = [{"AttributeKey": "EventName", "AttributeValue": "CreateQueue"}]
    pages = trail.get_paginator("lookup_events").paginate(LookupAttributes=only, PaginationConfig={"PageSize": 3})
    names = [event["Resources"][0]["ResourceName"] for page in pages for event in page["Events"]]
    assert names == [f"queue-{number}" for number in reversed(range(7))]
    later = datetime.now(UTC) + timedelta(hours=1)
    assert trail.lookup_events(LookupAttributes=only, StartTime=later, EndTime=later)["Events"] == []
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidTimeRange"):
        trail.lookup_events(StartTime=later, EndTime=later - timedelta(hours=2))


def test_an_arn_is_found_by_its_tail_too() -> None:
    arn = "arn:aws:ecs:ap-southeast-2:100000000000:service/shop-staging/backend"
    assert resources_of({"serviceArn": arn, "force": True}) == (arn, "backend")


def test_a_trail_is_found_by_its_arn(cloud: Cloud, aws: Any) -> None:
    aws("s3").create_bucket(Bucket="trails", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    trail = aws("cloudtrail")
    arn = trail.create_trail(Name="audit", S3BucketName="trails")["TrailARN"]
    trail.start_logging(Name=arn)
    assert trail.get_trail_status(Name=arn)["IsLogging"]
    assert [found["Name"] for found in trail.describe_trails(trailNameList=[arn])["trailList"]] == ["audit"]
