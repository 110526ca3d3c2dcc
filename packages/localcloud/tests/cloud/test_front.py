"""The AWS endpoint: every protocol, who may do what, errors that clients don't retry, faults on purpose."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions
import botocore.parsers
import pytest
from botocore import auth, awsrequest, credentials
from botocore.config import Config
from moto.core.utils import get_service_model

from localcloud.core.cloud import Cloud
from localcloud.core.registry import OPERATIONS, RESPONSE_PATCHES
from localcloud.front.identity import Identity
from localcloud.front.trusted import SERVICES
from support.requests import private
from support.waiting import eventually

ASSUMABLE = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]})


def refused(call: Any, **params: Any) -> dict[str, Any]:
    """The error of a call that must fail: code, message and HTTP status."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    response: dict[str, Any] = dict(caught.value.response)
    payload = response["ResponseMetadata"]
    return {**response["Error"], "Status": payload["HTTPStatusCode"], "RetryAttempts": payload["RetryAttempts"]}


def signed(cloud: Cloud, service: str, body: bytes, headers: dict[str, str], path: str = "/") -> Any:
    """A request as an SDK of another make would send it."""
    identity = cloud.part(Identity)
    keys = credentials.Credentials(identity.access_key_id, identity.secret_access_key)
    request = awsrequest.AWSRequest("POST", cloud.settings.endpoint + path, headers=headers, data=body)
    auth.SigV4Auth(keys, service, cloud.settings.region).add_auth(request)
    sent = urllib.request.Request(str(request.url), data=body, headers=dict(request.headers), method="POST")
    return urllib.request.urlopen(sent, timeout=60)


def test_headers_and_body_of_an_answer_arrive_together(shared_cloud: Cloud) -> None:
    """Go's clients may close a connection between the two (see ``front.server``)."""
    address = (shared_cloud.settings.address, shared_cloud.settings.port)
    token = shared_cloud.part(Identity).token
    lines = ("GET /_localcloud/faults HTTP/1.1", "Host: {}:{}".format(*address), f"X-Localcloud-Token: {token}", "", "")
    head = "\r\n".join(lines).encode()
    with socket.create_connection(address, timeout=60) as connection:
        for _ in range(20):
            connection.sendall(head)
            first, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert first.startswith(b"HTTP/1.1 200 OK")
            assert "kinds" in json.loads(body)


def test_the_caller_is_who_the_key_belongs_to(shared_cloud: Cloud, shared_aws: Any) -> None:
    me = shared_aws("sts").get_caller_identity()
    assert me["Account"] == shared_cloud.settings.account
    assert me["Arn"] == f"arn:aws:iam::{shared_cloud.settings.account}:user/localcloud"


@pytest.mark.parametrize(
    ("service", "call", "answer"),
    [
        ("iam", "list_roles", "Roles"),  # query
        ("ec2", "describe_vpcs", "Vpcs"),  # EC2 query
        ("kms", "list_keys", "Keys"),  # JSON 1.1
        ("sqs", "list_queues", "ResponseMetadata"),  # JSON 1.0
        ("s3", "list_buckets", "Buckets"),  # REST-XML
        ("cloudwatch", "list_dashboards", "DashboardEntries"),  # several protocols
    ],
)
def test_each_protocol_is_spoken(shared_aws: Any, service: str, call: str, answer: str) -> None:
    assert answer in getattr(shared_aws(service), call)()


def test_objects_of_any_name_and_kind_come_back_whole(shared_aws: Any) -> None:
    s3 = shared_aws("s3")
    s3.create_bucket(Bucket="odd-names", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    contents = {"a b/c+d.txt": b"x" * 100_000, "ünï/%2F/?": b"", "gzipped": gzip.compress(b"stays as it is")}
    for key, body in contents.items():
        s3.put_object(Bucket="odd-names", Key=key, Body=body, ContentEncoding="gzip" if key == "gzipped" else "")
    listed = {item["Key"] for item in s3.list_objects_v2(Bucket="odd-names")["Contents"]}
    assert listed == set(contents)
    for key, body in contents.items():
        assert s3.get_object(Bucket="odd-names", Key=key)["Body"].read() == body
        assert s3.head_object(Bucket="odd-names", Key=key)["ContentLength"] == len(body)
    assert refused(s3.get_object, Bucket="odd-names", Key="missing")["Code"] == "NoSuchKey"


def test_a_bucket_policy_that_wants_tls_lets_this_endpoint_in(shared_aws: Any) -> None:
    s3 = shared_aws("s3")
    s3.create_bucket(Bucket="tls-only", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::tls-only", "arn:aws:s3:::tls-only/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket="tls-only", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_object(Bucket="tls-only", Key="k", Body=b"v")
    del statement["Condition"]
    s3.put_bucket_policy(Bucket="tls-only", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert refused(s3.put_object, Bucket="tls-only", Key="k", Body=b"v")["Status"] == 403


@pytest.mark.unsupported_allowed
def test_what_nobody_answers_is_an_error_at_once(shared_aws: Any) -> None:
    patient = shared_aws("rds", config=Config())
    error = refused(patient.describe_tenant_databases)
    assert error["RetryAttempts"] == 0
    assert error["Status"] == 400
    assert "rds DescribeTenantDatabases" in error["Message"]
    assert refused(shared_aws("ec2").describe_instance_topology)["Code"] == "UnsupportedOperation"
    assert refused(shared_aws("guardduty").list_detectors)["Status"] == 400


def test_what_moto_makes_up_is_never_left_to_it() -> None:
    """Trap: moto invents task states, target health, query results and metrics."""
    invented = [
        ("ecs", "DescribeTasks"),
        ("ecs", "UpdateService"),
        ("ecs", "DescribeServices"),
        ("elbv2", "DescribeTargetHealth"),
        ("logs", "StartQuery"),
        ("logs", "GetQueryResults"),
        ("logs", "FilterLogEvents"),
        ("cloudwatch", "GetMetricData"),
        ("cloudwatch", "DescribeAlarms"),
        ("cloudtrail", "LookupEvents"),
    ]
    for service, operation in invented:
        assert (service, operation) in OPERATIONS or not SERVICES[service].covers(operation)


def test_every_handler_answers_an_operation_that_aws_has(shared_cloud: Cloud) -> None:
    for service, operation in [*OPERATIONS, *RESPONSE_PATCHES]:
        assert operation in get_service_model(service).operation_names


def test_parameters_are_checked_before_a_handler_sees_them(shared_cloud: Cloud) -> None:
    headers = {"X-Amz-Target": "CloudTrail_20131101.LookupEvents", "Content-Type": "application/x-amz-json-1.1"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        signed(shared_cloud, "cloudtrail", b'{"LookupAttributes": [{}]}', headers)
    assert caught.value.code == 400
    assert "lookupAttributes.1.member.attributeKey" in caught.value.read().decode()


def test_a_gzipped_body_is_read(shared_cloud: Cloud) -> None:
    body = gzip.compress(b"Action=ListUsers&Version=2010-05-08")
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
    with signed(shared_cloud, "iam", body, headers) as answer:
        assert b"ListUsersResult" in answer.read()


def test_cbor_is_spoken_to_those_who_ask_for_it(shared_cloud: Cloud) -> None:
    from localcloud.front import cbor

    headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/ListDashboards"
    with signed(shared_cloud, "monitoring", b"\xa0", headers, path) as answer:
        assert answer.headers["smithy-protocol"] == "rpc-v2-cbor"
        assert cbor.loads(answer.read()) == {"DashboardEntries": []}


def test_a_wrong_key_is_refused_as_each_service_does(shared_aws: Any) -> None:
    wrong = {"aws_access_key_id": "AKIAAAAAAAAAAAAAAAAA", "aws_secret_access_key": "x"}
    codes = {
        "sts": ("get_caller_identity", "InvalidClientTokenId", 403),
        "kms": ("list_keys", "UnrecognizedClientException", 400),
        "ec2": ("describe_vpcs", "AuthFailure", 401),
        "s3": ("list_buckets", "InvalidAccessKeyId", 403),
    }
    for service, (call, code, status) in codes.items():
        error = refused(getattr(shared_aws(service, **wrong), call))
        assert (error["Code"], error["Status"]) == (code, status)


def test_a_wrong_secret_is_refused(shared_aws: Any) -> None:
    assert refused(shared_aws("sts", aws_secret_access_key="wrong").get_caller_identity)["Code"] == (
        "SignatureDoesNotMatch"
    )


def test_a_presigned_address_opens_one_object_for_its_time(shared_aws: Any) -> None:
    s3 = shared_aws("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket="presigned", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    s3.put_object(Bucket="presigned", Key="a b", Body=b"hello")
    request = {"Bucket": "presigned", "Key": "a b"}
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", Params=request), timeout=60) as answer:
        assert answer.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(s3.generate_presigned_url("get_object", Params=request, ExpiresIn=-1), timeout=60)
    assert caught.value.code == 403


def test_an_expired_session_is_refused_as_expired(cloud: Cloud, aws: Any) -> None:
    aws("iam").create_role(RoleName="brief", AssumeRolePolicyDocument=ASSUMABLE)
    arn = f"arn:aws:iam::{cloud.settings.account}:role/brief"
    provided = aws("sts").assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=900)["Credentials"]
    session = {
        "aws_access_key_id": provided["AccessKeyId"],
        "aws_secret_access_key": provided["SecretAccessKey"],
        "aws_session_token": provided["SessionToken"],
    }
    assert aws("sts", **session).get_caller_identity()["Arn"].endswith("assumed-role/brief/me")
    with cloud.lock:
        cloud.moto("sts", "aws").assumed_roles[0].expiration = datetime.now(UTC).replace(tzinfo=None)
    assert refused(aws("sts", **session).get_caller_identity)["Code"] == "ExpiredToken"
    assert refused(aws("kms", **session).list_keys)["Code"] == "ExpiredTokenException"


def test_a_user_may_do_what_its_policies_allow_and_no_more(cloud: Cloud, aws: Any) -> None:
    iam = aws("iam")
    iam.create_user(UserName="watcher")
    keys = iam.create_access_key(UserName="watcher")["AccessKey"]
    user = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}

    error = refused(aws("kms", **user).list_keys)
    assert error["Code"] == "AccessDeniedException"
    assert "not authorized to perform: kms:ListKeys" in error["Message"]
    assert aws("sts", **user).get_caller_identity()["Arn"].endswith(":user/watcher")

    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["kms:List*", "elasticloadbalancing:*", "ec2:*"], "Resource": "*"},
            {"Effect": "Deny", "Action": "ec2:DescribeVpcs", "Resource": "*"},
        ],
    }
    iam.put_user_policy(UserName="watcher", PolicyName="reads", PolicyDocument=json.dumps(policy))
    aws("kms", **user).list_keys()
    aws("elbv2", **user).describe_load_balancers()
    assert "kms:CreateKey" in refused(aws("kms", **user).create_key)["Message"]
    denied = refused(aws("ec2", **user).describe_vpcs)
    assert (denied["Code"], denied["Status"]) == ("UnauthorizedOperation", 403)
    assert "explicit deny" in denied["Message"]


def test_a_long_poll_holds_up_nobody(shared_aws: Any) -> None:
    sqs = shared_aws("sqs")
    queue = sqs.create_queue(QueueName="polled")["QueueUrl"]
    received: list[str] = []

    def poll() -> None:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20).get("Messages", [])
        received.extend(message["Body"] for message in messages)

    polling = threading.Thread(target=poll)
    kms = shared_aws("kms")
    polling.start()
    kms.list_keys()
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    polling.join(60)
    assert received == ["hello"]  # a poll that held up one of them would have ended without it


def test_faults_are_injected_counted_and_gone(shared_cloud: Cloud, shared_aws: Any) -> None:
    kms = shared_aws("kms")
    private(shared_cloud, "faults", [{"service": "kms", "operation": "List*", "kind": "throttle", "count": 2}])
    assert refused(kms.list_keys)["Code"] == "ThrottlingException"
    shared_aws("iam").list_roles()
    assert refused(kms.list_keys)["Code"] == "ThrottlingException"
    kms.list_keys()
    assert private(shared_cloud, "faults")["faults"] == []


def test_a_fault_can_be_for_calls_about_one_thing_and_join_others(shared_cloud: Cloud, shared_aws: Any) -> None:
    iam = shared_aws("iam")
    rule = {"service": "iam", "operation": "GetUser", "kind": "throttle", "count": 1}
    private(shared_cloud, "faults", [{**rule, "containing": "hers"}])
    private(shared_cloud, "faults?add", [{**rule, "containing": "his"}])
    assert refused(iam.get_user, UserName="theirs")["Code"] == "NoSuchEntity"
    assert refused(iam.get_user, UserName="his")["Code"] == "Throttling"
    assert [left["containing"] for left in private(shared_cloud, "faults")["faults"]] == ["hers"]
    private(shared_cloud, "faults", [])


@pytest.mark.parametrize("kind", ["500", "timeout", "truncate", "slow", "lost"])
def test_each_kind_of_fault_is_what_a_client_would_see(shared_cloud: Cloud, shared_aws: Any, kind: str) -> None:
    private(shared_cloud, "faults", [{"service": "iam", "kind": kind, "count": 1, "seconds": 0.3}])
    iam = shared_aws("iam")
    began = time.monotonic()
    if kind == "500":
        assert refused(iam.list_roles)["Status"] == 500
    elif kind == "slow":
        iam.list_roles()
        assert time.monotonic() - began >= 0.3
    else:
        with pytest.raises((botocore.exceptions.HTTPClientError, botocore.parsers.ResponseParserError)):
            iam.list_roles()
    iam.list_roles()


@pytest.mark.parametrize(("kind", "done"), [("timeout", False), ("lost", True)])
def test_an_answer_that_never_comes_may_have_been_obeyed(
    shared_cloud: Cloud, shared_aws: Any, kind: str, done: bool
) -> None:
    iam, rule = shared_aws("iam"), {"service": "iam", "operation": "CreateUser", "kind": kind, "count": 1}
    private(shared_cloud, "faults", [{**rule, "seconds": 0.1}])
    with pytest.raises(botocore.exceptions.HTTPClientError):
        iam.create_user(UserName=f"after-{kind}")
    assert (f"after-{kind}" in [user["UserName"] for user in iam.list_users()["Users"]]) is done


def test_what_was_done_is_in_the_record_while_its_answer_is_still_awaited(shared_cloud: Cloud, shared_aws: Any) -> None:
    """Whoever is killed while it waits is followed by another who asks CloudTrail."""
    rule = {"service": "iam", "operation": "CreateUser", "kind": "lost", "count": 1, "seconds": 12}
    private(shared_cloud, "faults", [rule])
    impatient = shared_aws("iam", config=Config(read_timeout=0.5, retries={"total_max_attempts": 1}))
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        impatient.create_user(UserName="awaited")
    trail, named = shared_aws("cloudtrail"), {"AttributeKey": "EventName", "AttributeValue": "CreateUser"}

    def recorded() -> bool:
        events = trail.lookup_events(LookupAttributes=[named])["Events"]
        return any('"awaited"' in event["CloudTrailEvent"] for event in events)

    eventually("the call is in the record", recorded)  # a busy machine obeys after the client's half second


def test_the_quota_of_fargate_is_reported(shared_aws: Any) -> None:
    quotas = shared_aws("service-quotas")
    quota = quotas.get_service_quota(ServiceCode="fargate", QuotaCode="L-3032A538")["Quota"]
    assert (quota["QuotaName"], quota["Value"]) == ("Fargate On-Demand vCPU resource count", 64.0)
    response = refused(lambda: quotas.get_service_quota(ServiceCode="fargate", QuotaCode="L-0"))
    assert response["Code"] == "NoSuchResourceException"


def test_status_names_every_loop(shared_cloud: Cloud) -> None:
    payload = private(shared_cloud, "status")
    assert payload["ready"]
    assert {"snapshot", "call-log"} <= set(payload["loops"])
    assert all(loop["failures"] == 0 for loop in payload["loops"].values()), payload["loops"]


def test_a_secret_goes_back_to_the_version_that_is_made_current_again(shared_aws: Any) -> None:
    secrets = shared_aws("secretsmanager")
    made = secrets.create_secret(Name="rotated", SecretString="first")
    second = secrets.put_secret_value(SecretId="rotated", SecretString="second")["VersionId"]
    secrets.update_secret_version_stage(
        SecretId="rotated", VersionStage="AWSCURRENT", RemoveFromVersionId=second, MoveToVersionId=made["VersionId"]
    )
    assert secrets.get_secret_value(SecretId="rotated")["SecretString"] == "first"
