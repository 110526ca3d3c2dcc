"""What the AWS endpoint refuses before anybody looks at what is asked for: other regions and services, old signatures,
web pages, and what would cost the machine more than any caller may."""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from moto.core.base_backend import BackendDict
from moto.core.utils import get_service_model

from localcloud.core.cloud import Cloud
from localcloud.front import connections, dispatch, moto_calls
from localcloud.front.identity import Identity
from localcloud.front.origin import TOKEN
from localcloud.front.protocol import HttpAnswer, HttpRequest
from support.requests import private, protocol_of, request, signed
from support.waiting import eventually

HOME = "ap-southeast-2"


def error_of(answer: HttpAnswer, protocol: str) -> tuple[str, str]:
    """Code and message, as botocore reads them."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    provided = {"status_code": answer.status, "headers": headers, "body": answer.body}
    no_shape: Any = None  # an error's, of any operation
    parsed: dict[str, Any] = create_parser(protocol).parse(provided, no_shape)
    return parsed["Error"].get("Code", ""), parsed["Error"].get("Message", "")


def regions_of(cloud: Cloud) -> set[str]:
    """Where moto has anything of this cloud's."""
    return {
        region for registry in list(BackendDict._instances) for region in registry.get(cloud.settings.account) or ()
    }


@pytest.mark.unsupported_allowed
@pytest.mark.parametrize("operation", ["DescribeLoadBalancers", "CreateLoadBalancer", "DescribeTags", "AddTags"])
def test_a_classic_load_balancer_is_no_other(shared_cloud: Cloud, operation: str) -> None:
    """Signed alike, with operations of the same names: answered by the wrong service they would find nothing."""
    body = f"Action={operation}&Version=2012-06-01&LoadBalancerName=a".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = signed(shared_cloud, "POST", "/", body, headers, "elbv2")
    answer = dispatch.answer(shared_cloud, request)
    assert answer.status == 400
    assert b"localcloud has no service 'elb'" in answer.body.replace(b"&#x27;", b"'")


ELSEWHERE = [
    ("sqs", "CreateQueue", {"QueueName": "q"}, "InvalidSignatureException", 400),  # JSON
    ("dynamodb", "ListTables", {}, "InvalidSignatureException", 400),
    ("ecs", "ListClusters", {}, "InvalidSignatureException", 400),  # ours, not moto's
    ("sns", "CreateTopic", {"Name": "t"}, "SignatureDoesNotMatch", 403),  # query
    ("rds", "DescribeDBInstances", {}, "SignatureDoesNotMatch", 403),
    ("elasticache", "DescribeCacheClusters", {}, "SignatureDoesNotMatch", 403),
    ("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"}, "AuthFailure", 401),  # EC2 query
    ("s3", "ListBuckets", {}, "AuthorizationHeaderMalformed", 400),  # REST-XML
    ("pi", "GetResourceMetrics", {"ServiceType": "RDS", "Identifier": "db-A"}, "InvalidSignatureException", 400),
    ("wafv2", "ListWebACLs", {"Scope": "CLOUDFRONT"}, "InvalidSignatureException", 400),
    ("logs", "DescribeLogGroups", {}, "InvalidSignatureException", 400),
    ("acm", "ListCertificates", {}, "InvalidSignatureException", 400),
]


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "nowhere-1", ""])
@pytest.mark.parametrize(("service", "operation", "params", "code", "status"), ELSEWHERE)
def test_another_region_is_refused_before_anything_is_made_there(
    shared_cloud: Cloud, service: str, operation: str, params: dict[str, Any], code: str, status: int, region: str
) -> None:
    http_request = request(shared_cloud, service, operation, params, region=region or "us-west-2")
    if not region:  # by its host name, as where a name is pointed here
        http_request = request(shared_cloud, service, operation, params, host=f"{service}.eu-central-1.amazonaws.com")
    answer = dispatch.answer(shared_cloud, http_request)
    text, message = error_of(answer, protocol_of(service))
    assert (text, answer.status) == (code, status)
    assert f"one region, {HOME}" in message
    assert f"--region {HOME}" in message
    assert regions_of(shared_cloud) <= {HOME, "aws"}


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("iam", "ListUsers", {}),
        ("route53", "ListHostedZones", {}),
        ("sts", "GetCallerIdentity", {}),
        ("budgets", "DescribeBudgets", {"AccountId": "1" * 12}),
    ],
)
@pytest.mark.parametrize("region", ["us-east-1", HOME])
def test_global_services_are_asked_in_the_region_that_aws_has_them_in(
    shared_cloud: Cloud, service: str, operation: str, params: dict[str, Any], region: str
) -> None:
    assert dispatch.answer(shared_cloud, request(shared_cloud, service, operation, params, region=region)).status == 200
    assert regions_of(shared_cloud) <= {HOME, "aws"}


ACCOUNTS: list[tuple[str, dict[str, Any]]] = [
    ("PutPublicAccessBlock", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}),
    ("GetPublicAccessBlock", {}),
    ("CreateAccessPoint", {"Name": "point", "Bucket": "pointed"}),
    ("GetAccessPoint", {"Name": "point"}),
    ("ListAccessPoints", {}),
    ("PutAccessPointPolicy", {"Name": "point", "Policy": "{}"}),
    ("GetAccessPointPolicy", {"Name": "point"}),
    ("GetAccessPointPolicyStatus", {"Name": "point"}),
    ("DeleteAccessPointPolicy", {"Name": "point"}),
    ("DeleteAccessPoint", {"Name": "point"}),
    ("ListStorageLensConfigurations", {}),
    ("ListMultiRegionAccessPoints", {}),
    ("DeletePublicAccessBlock", {}),
]


def test_what_is_an_accounts_is_asked_by_its_name_before_the_endpoints(shared_cloud: Cloud, shared_aws: Any) -> None:
    """S3 Control's clients put the account before the endpoint's name, and sign for that host: each answers there as it
    does without."""
    account = shared_cloud.settings.account
    shared_aws("s3").create_bucket(Bucket="pointed", CreateBucketConfiguration={"LocationConstraint": HOME})
    for host in (f"{account}.s3-control.{HOME}.amazonaws.com", f"{account}.localhost:4566", ""):
        for operation, params in ACCOUNTS:
            http_request = request(shared_cloud, "s3control", operation, {"AccountId": account, **params}, host=host)
            answer = dispatch.answer(shared_cloud, http_request)
            assert answer.status < 300, (host, operation, answer.body)


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("ec2", "CopyImage", {"Name": "n", "SourceImageId": "ami-1", "SourceRegion": "eu-west-1"}),
        ("ec2", "CopySnapshot", {"SourceSnapshotId": "snap-1", "SourceRegion": "eu-west-1"}),
        ("secretsmanager", "CreateSecret", {"Name": "s", "AddReplicaRegions": [{"Region": "eu-west-1"}]}),
        ("secretsmanager", "ReplicateSecretToRegions", {
            "SecretId": "s", "AddReplicaRegions": [{"Region": "eu-west-1"}]}),
    ],
)  # fmt: skip
def test_nothing_is_made_in_another_region_by_a_parameter(
    shared_cloud: Cloud, service: str, operation: str, params: dict[str, Any]
) -> None:
    answer = dispatch.answer(shared_cloud, request(shared_cloud, service, operation, params))
    assert answer.status == 400
    assert f"one region, {HOME}" in answer.body.decode()


@pytest.mark.unsupported_allowed
@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("guardduty", "ListDetectors", {}),  # REST-JSON
        ("lambda", "ListFunctions", {}),
        ("eks", "ListClusters", {}),
        ("batch", "DescribeJobQueues", {}),
        ("cloudfront", "ListDistributions", {}),  # REST-XML
        ("redshift", "DescribeClusters", {}),  # query
        ("autoscaling", "DescribeAutoScalingGroups", {}),
        ("cloudformation", "ListStacks", {}),
        ("sagemaker", "ListModels", {}),  # JSON
        ("kinesis", "ListStreams", {}),
        ("codebuild", "ListProjects", {}),
        ("transcribe", "ListTranscriptionJobs", {}),
    ],
)
def test_an_unknown_service_is_refused_in_the_callers_own_protocol(
    shared_cloud: Cloud, service: str, operation: str, params: dict[str, Any]
) -> None:
    answer = dispatch.answer(shared_cloud, request(shared_cloud, service, operation, params))
    code, message = error_of(answer, protocol_of(service))
    assert (code, answer.status) == ("UnknownService", 400)
    assert f"no service {get_service_model(service).signing_name!r}" in message


@pytest.mark.unsupported_allowed
def test_an_unknown_service_is_refused_in_cbor_and_ec2s_way_too(shared_cloud: Cloud) -> None:
    headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    request = signed(shared_cloud, "POST", "/service/Other/operation/Do", b"\xa0", headers, "guardduty")
    assert error_of(dispatch.answer(shared_cloud, request), "smithy-rpc-v2-cbor")[0] == "UnknownService"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    request = signed(shared_cloud, "POST", "/", b"Action=Nonsense&Version=2016-11-15", form, "ec2")
    assert error_of(dispatch.answer(shared_cloud, request), "ec2")[0] == "InvalidAction"


@pytest.mark.parametrize(
    ("service", "operation", "code", "words"),
    [
        ("sqs", "ListQueues", "InvalidSignatureException", "Signature {}"),
        ("sts", "GetCallerIdentity", "SignatureDoesNotMatch", "Signature {}"),
        ("ec2", "DescribeVpcs", "RequestExpired", "Request has expired."),
        ("s3", "ListBuckets", "RequestTimeTooSkewed", "the current time is too large"),
    ],
)
@pytest.mark.parametrize("minutes", [-16, -600, 16, 600])
def test_a_signature_of_another_time_is_refused(
    shared_cloud: Cloud, service: str, operation: str, code: str, words: str, minutes: int
) -> None:
    now = request(shared_cloud, service, operation, {})
    plain = {name: value for name, value in now.headers.items() if not name.startswith(("X-Amz-Date", "Auth", "Host"))}
    at = shared_cloud.now() + timedelta(minutes=minutes)
    old = signed(shared_cloud, now.method, now.path, now.body, plain, service, at=at)
    text, message = error_of(dispatch.answer(shared_cloud, old), protocol_of(service))
    assert text == code
    assert words.format("expired" if minutes < 0 else "not yet current") in message
    fresh = signed(
        shared_cloud, now.method, now.path, now.body, plain, service, at=shared_cloud.now() - timedelta(minutes=14)
    )
    assert dispatch.answer(shared_cloud, fresh).status == 200


@pytest.mark.unsupported_allowed
@pytest.mark.parametrize(
    "header",
    [
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/r/sqs/aws4_request",
        "AWS4-HMAC-SHA256 Credential={key}/20260101/ap-southeast-2/sqs/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential={key}/20260101/ap-southeast-2/sqs/aws4_request, SignedHeaders=a;b, Signature=é",
        "AWS4-HMAC-SHA256 Credential=////, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 Credential={key}/99999999/ap-southeast-2/sqs/aws4_request,SignedHeaders=host,Signature=00",
        "AWS4-ECDSA-P256-SHA256 Credential={key}/20260101/sqs/aws4_request, SignedHeaders=host, Signature=00",
        "Basic {key}",
        "\x00",
    ],
)
@pytest.mark.parametrize("date", ["", "yesterday", "20260101T000000Z", "99999999T999999Z"])
def test_a_signature_that_makes_no_sense_is_a_plain_refusal(shared_cloud: Cloud, header: str, date: str) -> None:
    http_request = request(shared_cloud, "sqs", "ListQueues", {})
    http_request.headers["Authorization"] = header.format(key=shared_cloud.part(Identity).access_key_id)
    http_request.headers["X-Amz-Date"] = date
    answer = dispatch.answer(shared_cloud, http_request)
    assert 400 <= answer.status < 500
    assert "Failure" not in answer.body.decode()


def test_a_body_that_is_not_the_signed_one_is_refused(shared_cloud: Cloud) -> None:
    http_request = request(shared_cloud, "s3", "PutObject", {"Bucket": "b", "Key": "k", "Body": b"good"})
    code, _ = error_of(dispatch.answer(shared_cloud, replace(http_request, body=b"evil")), "rest-xml")
    assert code == "XAmzContentSHA256Mismatch"


def test_a_caller_is_told_its_own_unique_id(shared_cloud: Cloud, shared_aws: Any) -> None:
    account = shared_cloud.settings.account
    assert shared_aws("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:user/localcloud"
    iam = shared_aws("iam")
    made = iam.create_user(UserName="asked-who")["User"]
    keys = iam.create_access_key(UserName="asked-who")["AccessKey"]
    user = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}
    payload = shared_aws("sts", **user).get_caller_identity()
    assert payload["UserId"] == made["UserId"]
    assert payload["UserId"].startswith("AIDA")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}]}
    role = iam.create_role(RoleName="asked-who", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    provided = shared_aws("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="me")["Credentials"]
    session = {
        "aws_access_key_id": provided["AccessKeyId"],
        "aws_secret_access_key": provided["SecretAccessKey"],
        "aws_session_token": provided["SessionToken"],
    }
    assert shared_aws("sts", **session).get_caller_identity()["UserId"].startswith("AROA")
    assert shared_aws("sts", **session).get_caller_identity()["UserId"].endswith(":me")


TWO_THOUSAND_MILLION = 2_000_000_000


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("ec2", "AllocateHosts", {"AvailabilityZone": "ap-southeast-2a", "Quantity": TWO_THOUSAND_MILLION}),
        ("ec2", "AllocateHosts", {"AvailabilityZone": "ap-southeast-2a", "Quantity": 101}),
        ("ec2", "RequestSpotInstances", {"InstanceCount": TWO_THOUSAND_MILLION}),
        ("ec2", "RequestSpotFleet", {"SpotFleetRequestConfig": {
            "IamFleetRole": "r", "TargetCapacity": TWO_THOUSAND_MILLION}}),
        ("ec2", "CreateFleet", {
            "LaunchTemplateConfigs": [{"Overrides": [{"Priority": 1}]}],
            "TargetCapacitySpecification": {"TotalTargetCapacity": TWO_THOUSAND_MILLION}}),
        ("ec2", "CreateNetworkInterface", {"SubnetId": "s", "SecondaryPrivateIpAddressCount": TWO_THOUSAND_MILLION}),
        ("ec2", "AssignPrivateIpAddresses", {
            "NetworkInterfaceId": "eni-1", "SecondaryPrivateIpAddressCount": TWO_THOUSAND_MILLION}),
        ("ec2", "AssignIpv6Addresses", {"NetworkInterfaceId": "eni-1", "Ipv6AddressCount": TWO_THOUSAND_MILLION}),
        ("kms", "GenerateRandom", {"NumberOfBytes": TWO_THOUSAND_MILLION}),
        ("kms", "GenerateDataKey", {"KeyId": "k", "NumberOfBytes": TWO_THOUSAND_MILLION}),
        ("secretsmanager", "GetRandomPassword", {"PasswordLength": TWO_THOUSAND_MILLION}),
        ("elasticache", "CreateCacheCluster", {"CacheClusterId": "c", "NumCacheNodes": TWO_THOUSAND_MILLION}),
        ("elasticache", "CreateReplicationGroup", {
            "ReplicationGroupId": "g", "ReplicationGroupDescription": "d", "NumCacheClusters": TWO_THOUSAND_MILLION}),
        ("ecs", "CreateService", {"serviceName": "s", "taskDefinition": "t", "desiredCount": TWO_THOUSAND_MILLION}),
        ("ecs", "RunTask", {"taskDefinition": "t", "count": TWO_THOUSAND_MILLION}),
        ("logs", "FilterLogEvents", {"logGroupName": "g", "limit": TWO_THOUSAND_MILLION}),
    ],
)  # fmt: skip
def test_a_number_of_things_to_make_is_bounded(
    shared_cloud: Cloud, service: str, operation: str, params: dict[str, Any]
) -> None:
    answer = dispatch.answer(shared_cloud, request(shared_cloud, service, operation, params))
    code, message = error_of(answer, protocol_of(service))
    assert answer.status == 400
    assert code in ("InvalidParameterValue", "InvalidParameterException", "ValidationException")
    assert re.search("at most|less than or equal to", message)


@pytest.mark.unsupported_allowed
def test_a_small_body_that_unzips_to_a_large_one_is_refused(shared_cloud: Cloud) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
    bomb = gzip.compress(b"A" * (200 << 20), 9)
    answer = dispatch.answer(shared_cloud, signed(shared_cloud, "POST", "/", bomb, headers, "cloudwatch"))
    assert answer.status == 413


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"null", b"[]", b'{"QueueName": 1e999}']
)
def test_a_body_that_is_no_request_is_a_plain_refusal(shared_cloud: Cloud, body: bytes) -> None:
    headers = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"}
    answer = dispatch.answer(shared_cloud, signed(shared_cloud, "POST", "/", body, headers, "sqs"))
    assert answer.status in (200, 400)
    assert "Failure" not in answer.body.decode()


def test_what_never_changes_is_asked_once_and_holds_nobodys_lock(
    shared_cloud: Cloud, shared_aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2 = shared_aws("ec2")
    requested: list[str] = []
    monkeypatch.setattr(moto_calls, "_standing", type(moto_calls._standing)())
    true = moto_calls.passed_on

    def slow(cloud: Cloud, wire: Any, *more: Any) -> Any:
        requested.append(str(wire.operation.name))
        free: list[bool] = []

        def take() -> None:
            free.append(cloud.lock.acquire(timeout=30))
            cloud.lock.release()

        other = threading.Thread(target=take)
        other.start()
        other.join()
        assert free == [True]
        return true(cloud, wire, *more)

    monkeypatch.setattr(moto_calls, "passed_on", slow)
    first = ec2.describe_instance_types(InstanceTypes=["t3.micro"])
    again = ec2.describe_instance_types(InstanceTypes=["t3.micro"])
    assert requested == ["DescribeInstanceTypes"]
    assert first["InstanceTypes"] == again["InstanceTypes"]
    assert first["ResponseMetadata"]["RequestId"] != again["ResponseMetadata"]["RequestId"]


# -- web pages --------------------------------------------------------------------------------------------------------


def page(cloud: Cloud, path: str, headers: dict[str, str], body: bytes | None = None) -> int:
    request = urllib.request.Request(cloud.settings.endpoint + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


@pytest.mark.parametrize("path", ["status", "faults", "stack-faults", "costs", "nothing"])
@pytest.mark.parametrize(
    "change",
    [
        {"Host": "evil.example"},
        {"Host": "localhost:4566"},
        {"Host": "evil.example:4566"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.64.0.1:4566"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {TOKEN: ""},
        {TOKEN: "0" * 64},
        {TOKEN: "é"},
    ],
)
def test_private_pages_are_for_no_web_page_and_want_the_token(
    shared_cloud: Cloud, path: str, change: dict[str, str]
) -> None:
    headers = {TOKEN: shared_cloud.part(Identity).token, "Content-Type": "application/json", **change}
    assert page(shared_cloud, f"/_localcloud/{path}", headers) == 403
    assert page(shared_cloud, f"/_localcloud/{path}", headers, b"[]") == 403


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_a_web_page_gets_no_credentials(shared_cloud: Cloud, headers: dict[str, str]) -> None:
    """AssumeRoleWithWebIdentity is unsigned, so that a page could ask for a session of any role."""
    role = f"arn:aws:iam::{shared_cloud.settings.account}:role/any"
    form = f"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}&RoleSessionName=x&WebIdentityToken=t"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert page(shared_cloud, "/", {**kind, **headers}, form.encode()) == 403


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "explode"},
        {"kind": "slow", "seconds": float("nan")},
        {"kind": "slow", "seconds": float("inf")},
        {"kind": "slow", "seconds": -1},
        {"kind": "slow", "seconds": 1e9},
        {"kind": "slow", "seconds": "2"},
        {"kind": "slow", "seconds": True},
        {"kind": "500", "count": 0},
        {"kind": "500", "count": -1},
        {"kind": "500", "count": 1.5},
        {"kind": "500", "count": 10**12},
        {"kind": "500", "count": "1"},
        {"kind": "500", "probability": float("nan")},
        {"kind": "500", "probability": 1.01},
        {"kind": "500", "probability": -0.1},
        {"kind": "500", "probability": None},
        {"kind": "500", "service": 1},
        {"kind": "500", "operation": ["*"]},
        {"kind": "500", "containing": {"a": 1}},
        {"kind": "500", "containing": "x" * 10_000},
        {"kind": ["500"]},
        {"kind": "500", "owner": "me"},
        {},
        "500",
        7,
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_whole(shared_cloud: Cloud, rule: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        private(shared_cloud, "faults", [{"kind": "throttle", "service": "iam"}, rule])
    assert caught.value.code == 400
    assert json.load(caught.value)["__type"] == "ValidationError"
    assert private(shared_cloud, "faults")["faults"] == []


@pytest.mark.parametrize("body", [b"{", b"\xff", b"null", b'"x"', b"[" * 100_000])
@pytest.mark.parametrize("path", ["faults", "stack-faults", "costs"])
def test_a_private_page_answers_nonsense_plainly(shared_cloud: Cloud, path: str, body: bytes) -> None:
    assert page(shared_cloud, f"/_localcloud/{path}", {TOKEN: shared_cloud.part(Identity).token}, body) == 400


# -- connections ------------------------------------------------------------------------------------------------------


@contextmanager
def connected(cloud: Cloud, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection((cloud.settings.address, cloud.settings.port), timeout=60) as made:
        made.sendall(sent)
        yield made


def test_silent_connections_hold_up_nobody(shared_cloud: Cloud, shared_aws: Any) -> None:
    """More of them than there are threads."""
    with ExitStack() as held:
        for _ in range(120):
            held.enter_context(connected(shared_cloud))
        began = time.monotonic()
        shared_aws("sqs").list_queues()
        assert time.monotonic() - began < 60  # their time-out is 65 s


def test_slow_heads_are_cut_off(shared_cloud: Cloud, shared_aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    with ExitStack() as held:
        slow = [held.enter_context(connected(shared_cloud, b"GET / HTTP/1.1\r\nX: ")) for _ in range(60)]
        shared_aws("sqs").list_queues()

        def all_cut() -> bool:
            for each in slow:
                each.settimeout(0.01)
                try:
                    if each.recv(1 << 16):
                        return False
                except TimeoutError:
                    return False
                except OSError:
                    pass
            return True

        eventually("every slow one is closed", all_cut, 60)


def test_more_connections_than_allowed_are_closed_at_once(
    shared_cloud: Cloud, shared_aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 20)
    with ExitStack() as held:
        made = [held.enter_context(connected(shared_cloud)) for _ in range(40)]

        def closed() -> int:
            count = 0
            for each in made:
                each.settimeout(0.01)
                try:
                    count += each.recv(1) == b""
                except TimeoutError:
                    pass
                except OSError:
                    count += 1
            return count

        eventually("those above the bound are closed", lambda: closed() >= 20)
    eventually("there is room again", lambda: bool(shared_aws("sqs").list_queues()))


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000000\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
)
def test_what_is_too_large_is_refused_before_it_is_read(shared_cloud: Cloud, head: bytes) -> None:
    with connected(shared_cloud) as connection:
        try:
            connection.sendall(head)
            first = connection.recv(65536).split(b"\r\n", 1)[0]
        except OSError:  # closed while it still sent
            return
        assert first == b"" or first.split()[1] in (b"400", b"403", b"413", b"414")


def test_those_who_know_a_key_may_send_more(shared_cloud: Cloud, shared_aws: Any) -> None:
    s3 = shared_aws("s3")
    s3.create_bucket(Bucket="large", CreateBucketConfiguration={"LocationConstraint": HOME})
    s3.put_object(Bucket="large", Key="k", Body=b"x" * (8 << 20))
    assert s3.head_object(Bucket="large", Key="k")["ContentLength"] == 8 << 20


def test_requests_are_made_without_sockets(shared_cloud: Cloud) -> None:
    """The helper that this module's tests stand on makes what the endpoint takes."""
    http_request: HttpRequest = request(shared_cloud, "sqs", "ListQueues", {})
    assert dispatch.answer(shared_cloud, http_request).status == 200


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("get_secret_value", {}),
        ("rotate_secret", {}),
        ("update_secret", {"SecretString": "x"}),
        ("delete_secret", {"RecoveryWindowInDays": 3}),
        ("delete_secret", {"RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": True}),
        ("delete_secret", {}),
        ("get_random_password", {"PasswordLength": 3}),
    ],
)
def test_a_refusal_is_one_line_without_the_indentation_of_motos_source(
    shared_aws: Any, operation: str, parameters: dict[str, Any]
) -> None:
    secrets = shared_aws("secretsmanager")
    with suppress(secrets.exceptions.ResourceExistsException, secrets.exceptions.InvalidRequestException):
        secrets.create_secret(Name="going", SecretString="{}")
        secrets.delete_secret(SecretId="going")
    named = {} if operation == "get_random_password" else {"SecretId": "going"}
    with pytest.raises(ClientError) as refused:
        getattr(secrets, operation)(**named, **parameters)
    message = refused.value.response["Error"]["Message"]
    assert message == " ".join(message.split())
    assert "An error occurred" not in message
