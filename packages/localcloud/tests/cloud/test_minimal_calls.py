"""Every operation of every service that is spoken, called with no more than its model wants.

Such calls name things that aren't there and leave out all that is optional: what a client tries first, and what a
library that pretends to be AWS gets wrong most often. Each must be answered, or refused as AWS refuses it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.parsers import create_parser
from moto.core.base_backend import BackendDict
from moto.core.utils import get_service_model

from localcloud.core.cloud import Cloud
from localcloud.core.snapshot import Snapshots
from localcloud.front import constraints, dispatch, moto_calls
from localcloud.front.trusted import SERVICES
from support.requests import protocol_of, request

INTERNAL_FAILURES = {("dynamodb", "BatchExecuteStatement")}
"""Answered with InternalFailure, though AWS has an error of its own for it. May only shrink: mend one, take it out."""

PYTHON = re.compile(
    r"\b(?:[A-Z]\w*Error(?=: )|KeyError|TypeError|ValueError|AttributeError|IndexError|NameError|UnboundLocalError"
    r"|StopIteration|RecursionError|ExpatError|UnicodeDecodeError|AssertionError|NoneType|Traceback|object at 0x)\b"
)
NO_MODEL_OF_ITS_OWN = re.compile("^(Bucket|Object)CORSPreflightCheck$")
"""Operations of moto's own: an OPTIONS request, which browsers send unsigned."""


def minimal(shape: Any, depth: int = 0) -> Any:
    """The least value that a shape's model takes."""
    limits, kind = shape.metadata, shape.type_name
    least = int(limits.get("min", 1) or 1)
    if limits.get("enum"):
        return limits["enum"][0]
    if kind == "structure":
        if getattr(shape, "is_tagged_union", False):
            name, member = next(iter(shape.members.items()))
            return {name: minimal(member, depth + 1)}
        names = shape.required_members if depth < 8 else ()
        return {name: minimal(shape.members[name], depth + 1) for name in names}
    if kind == "list":
        return [minimal(shape.member, depth + 1)] * least if depth < 8 else []
    if kind == "map":
        return {minimal(shape.key, depth + 1): minimal(shape.value, depth + 1)}
    plain = {"integer": least, "long": least, "boolean": False, "timestamp": 1_700_000_000, "blob": b"a" * least}
    return float(least) if kind in ("float", "double") else plain.get(kind, "a" * least)


def calls() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for service in SERVICES:
        model = get_service_model(service)
        for name in model.operation_names:
            if not NO_MODEL_OF_ITS_OWN.match(name):
                shape = model.operation_model(name).input_shape
                yield service, name, minimal(shape) if shape is not None else {}


def error_of(service: str, operation: str, status: int, headers: dict[str, str], body: bytes) -> dict[str, str]:
    """As botocore reads it."""
    parsed: dict[str, Any] = create_parser(protocol_of(service)).parse(
        {"status_code": status, "headers": {name.lower(): value for name, value in headers.items()}, "body": body},
        get_service_model(service).operation_model(operation).output_shape,
    )
    return dict(parsed.get("Error", {}))


@pytest.mark.unsupported_allowed
def test_no_minimal_call_gets_more_of_us_than_aws_would_say(
    shared_cloud: Cloud, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the models' patterns, which hold most of these names back from whoever would trip over them."""
    monkeypatch.setattr(constraints, "check", lambda operation, params: iter(()))
    caplog.set_level(logging.CRITICAL, logger="localcloud")
    requested, internal, odd = 0, set(), []
    for service, operation, params in calls():
        requested += 1
        answer = dispatch.answer(shared_cloud, request(shared_cloud, service, operation, params))
        if answer.status >= 500:
            odd.append((service, operation, answer.status, answer.body[:200]))
        if answer.status >= 400:
            error = error_of(service, operation, answer.status, dict(answer.headers), answer.body)
            code, message = error.get("Code", ""), error.get("Message", "")
            if code in ("InternalFailure", "InternalError"):
                internal.add((service, operation))
            if not code or PYTHON.search(f"{code} {message}"):
                odd.append((service, operation, answer.status, answer.body[:200]))
    assert requested > 2500
    assert odd == []
    assert internal == INTERNAL_FAILURES
    assert _other_regions(shared_cloud) <= {("rds", "us-east-1")}, "moto keeps global clusters there"
    shared_cloud.part(Snapshots).save(shared_cloud)
    assert shared_cloud.part(Snapshots).problems == {}


def _other_regions(cloud: Cloud) -> set[tuple[str, str]]:
    found = set()
    for registry in list(BackendDict._instances):
        held = registry.get(cloud.settings.account) or {}
        found |= {(registry.service_name, region) for region in held if region not in ("aws", cloud.settings.region)}
    return found


TAGS = [{"Key": "k", "Value": "v"}]
NOT_THERE = [
    ("ec2", "DeleteTransitGateway", {"TransitGatewayId": "tgw-1"}, "InvalidTransitGatewayID.NotFound"),
    ("ec2", "DeleteNatGateway", {"NatGatewayId": "nat-1"}, "NatGatewayNotFound"),
    (
        "ec2",
        "CopySnapshot",
        {"SourceSnapshotId": "snap-1", "SourceRegion": "ap-southeast-2"},
        "InvalidSnapshot.NotFound",
    ),
    ("ec2", "DescribeImageAttribute", {"ImageId": "ami-1", "Attribute": "description"}, "InvalidAMIID.NotFound"),
    ("ec2", "ModifyManagedPrefixList", {"PrefixListId": "pl-1"}, "InvalidPrefixListID.NotFound"),
    ("ec2", "AllocateHosts", {"AvailabilityZone": "ap-southeast-2a"}, "InvalidParameterValue"),
    ("kms", "ListGrants", {"KeyId": "none"}, "NotFoundException"),
    ("kms", "RevokeGrant", {"KeyId": "none", "GrantId": "g"}, "NotFoundException"),
    ("rds", "DeleteDBProxy", {"DBProxyName": "none"}, "DBProxyNotFoundFault"),
    ("rds", "ModifyDBCluster", {"DBClusterIdentifier": "none"}, "DBClusterNotFoundFault"),
    ("rds", "PromoteReadReplica", {"DBInstanceIdentifier": "none"}, "DBInstanceNotFound"),
    ("events", "DescribeEventSource", {"Name": "aws.partner/no/ne"}, "ResourceNotFoundException"),
    ("sns", "DeleteTopic", {"TopicArn": "none"}, "InvalidParameter"),
    ("sns", "Subscribe", {"TopicArn": "none", "Protocol": "sqs"}, "InvalidParameter"),
    ("elbv2", "CreateRule", {"ListenerArn": "none", "Priority": 1, "Actions": []}, "ValidationError"),
    (
        "wafv2",
        "TagResource",
        {"ResourceARN": "arn:aws:wafv2:none:none", "Tags": TAGS},
        "WAFInvalidParameterException",
    ),
    ("budgets", "DescribeNotificationsForBudget", {"AccountId": "1" * 12, "BudgetName": "none"}, "NotFoundException"),
    ("dynamodb", "CreateTable", {"TableName": "t"}, "ValidationException"),
    ("s3", "PutBucketAcl", {"Bucket": "b"}, "MalformedXML"),
]


@pytest.mark.unsupported_allowed
@pytest.mark.parametrize(("service", "operation", "params", "code"), NOT_THERE)
def test_what_moto_trips_over_is_an_error_of_aws(
    shared_cloud: Cloud, service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    answer = dispatch.answer(shared_cloud, request(shared_cloud, service, operation, params))
    error = error_of(service, operation, answer.status, dict(answer.headers), answer.body)
    assert error["Code"] == code
    assert 400 <= answer.status < 500


@pytest.mark.unsupported_allowed
@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("sqs", "ListQueues"),
        ("ec2", "DescribeVpcs"),
        ("iam", "ListUsers"),
        ("s3", "ListBuckets"),
        ("route53", "ListHostedZones"),
    ],
)
def test_what_nobody_foresaw_is_an_internal_failure_that_is_not_tried_again(
    shared_cloud: Cloud, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, service: str, name: str
) -> None:
    """In each protocol; and the log has it whole, under the request's id."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("the cat is on the keyboard")

    monkeypatch.setattr(moto_calls, "_handler", lambda package, path: broken)
    monkeypatch.setattr(dispatch, "OPERATIONS", {})
    answer = dispatch.answer(shared_cloud, request(shared_cloud, service, name, {}))
    error = error_of(service, name, answer.status, dict(answer.headers), answer.body)
    assert answer.status == 400
    assert error["Code"] == ("InternalError" if service in ("ec2", "s3") else "InternalFailure")
    assert "cat" not in answer.body.decode()
    assert "the cat is on the keyboard" in caplog.text
    assert answer.headers["x-amzn-RequestId"] in caplog.text + error["Message"]
