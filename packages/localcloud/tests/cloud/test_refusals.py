"""What AWS refuses is refused, and what it takes is taken: one table for all services (``refusal_rows``), asked without
a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from moto.core.utils import get_service_model

from localcloud.core.cloud import Cloud
from localcloud.front import constraints, dispatch
from support.refusal_rows import CASE, ROWS, TAKEN, Row, network
from support.requests import protocol_of, request, signed

Clients: TypeAlias = Callable[..., Any]


def ask(cloud: Cloud, service: str, operation: str, params: dict[str, Any]) -> tuple[str, str]:
    """Error code and message as botocore reads them; empty where the call was answered."""
    answer = dispatch.answer(cloud, request(cloud, service, operation, params))
    if answer.status < 400:
        return TAKEN, ""
    assert answer.status < 500, answer.body
    headers = {name.lower(): value for name, value in answer.headers.items()}
    error = create_parser(protocol_of(service)).parse(
        {"status_code": answer.status, "headers": headers, "body": answer.body},
        get_service_model(service).operation_model(operation).output_shape,
    )["Error"]
    return error["Code"], error.get("Message", "")


@pytest.fixture(scope="module")
def names(shared_cloud: Cloud, shared_aws: Clients) -> dict[str, str]:
    """What the rows call SUBNET, TOPIC and QUEUE, made once."""
    ec2 = shared_aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    shared_aws("ecs").create_cluster(clusterName="default", capacityProviders=["FARGATE", "FARGATE_SPOT"])
    shared_aws("ecs").register_task_definition(**CASE, containerDefinitions=[{"name": "a", "image": "x"}])
    return {
        "SUBNET": subnet,
        "TOPIC": shared_aws("sns").create_topic(Name="refusals")["TopicArn"],
        "QUEUE": shared_aws("sqs").create_queue(QueueName="refusals")["QueueUrl"],
    }


def named(value: Any, names: dict[str, str]) -> Any:
    if value == "NETWORK":
        return network([names["SUBNET"]])
    if isinstance(value, dict):
        return {key: named(held, names) for key, held in value.items() if held is not None}
    if isinstance(value, list):
        return [named(held, names) for held in value]
    return names.get(value, value) if isinstance(value, str) else value


def title(row: Row) -> str:
    source, of, operation, _, code, text = row
    return f"{source}-{of}-{operation}-{code or 'taken'}-{text}"


@pytest.mark.parametrize(("source", "of", "operation", "params", "code", "text"), ROWS, ids=map(title, ROWS))
def test_refused_and_taken_as_by_aws(
    shared_cloud: Cloud,
    names: dict[str, str],
    source: str,
    of: str,
    operation: str,
    params: dict[str, Any],
    code: str,
    text: str,
) -> None:
    output, message = ask(shared_cloud, of, operation, named(params, names))
    assert output == code, message
    assert text in message


def test_a_size_is_reported_in_units_however_it_was_written(shared_aws: Clients) -> None:
    registered = shared_aws("ecs").register_task_definition(
        **{**CASE, "cpu": ".25 vCPU", "memory": "0.5 GB", "family": "sizes"},
        containerDefinitions=[{"name": "a", "image": "x"}],
    )["taskDefinition"]
    assert (registered["cpu"], registered["memory"]) == ("256", "512")


def test_a_lock_is_shortened_only_by_who_may_bypass_it(shared_aws: Clients) -> None:
    """moto shortens any."""
    s3 = shared_aws("s3")
    where = {"LocationConstraint": "ap-southeast-2"}
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True, CreateBucketConfiguration=where)
    s3.put_object(Bucket="locked", Key="k", Body=b"x")

    def retain(days: int, mode: str = "GOVERNANCE", **more: Any) -> None:
        until = datetime.now(UTC) + timedelta(days=days)
        s3.put_object_retention(Bucket="locked", Key="k", Retention={"Mode": mode, "RetainUntilDate": until}, **more)

    retain(30)
    retain(40)
    with denied():
        retain(10)
    retain(10, BypassGovernanceRetention=True)
    retain(20, "COMPLIANCE")
    with denied():
        retain(10, "COMPLIANCE", BypassGovernanceRetention=True)
    with denied():
        retain(30, "GOVERNANCE", BypassGovernanceRetention=True)
    retain(30, "COMPLIANCE")


@contextmanager
def denied() -> Iterator[None]:
    with pytest.raises(ClientError) as refused:
        yield
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_quotas_are_reported_with_their_defaults(shared_aws: Clients) -> None:
    quotas, vcpus = shared_aws("service-quotas"), {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}
    default = quotas.get_aws_default_service_quota(**vcpus)["Quota"]
    assert default["QuotaArn"] == "arn:aws:servicequotas:ap-southeast-2::fargate/L-3032A538"
    assert default["Value"] < quotas.get_service_quota(**vcpus)["Quota"]["Value"]
    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.get_aws_default_service_quota(ServiceCode="fargate", QuotaCode="L-0")


def test_a_web_acl_tells_what_it_stands_before(shared_aws: Clients) -> None:
    waf, arn = shared_aws("wafv2"), "arn:aws:elasticloadbalancing:ap-southeast-2:100000000002:loadbalancer/app/a/1"
    seen = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}
    made = waf.create_web_acl(Name="a", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=seen)
    acl = made["Summary"]["ARN"]
    assert waf.list_resources_for_web_acl(WebACLArn=acl)["ResourceArns"] == []
    waf.associate_web_acl(WebACLArn=acl, ResourceArn=arn)
    assert waf.list_resources_for_web_acl(WebACLArn=acl)["ResourceArns"] == [arn]
    assert waf.list_resources_for_web_acl(WebACLArn=acl, ResourceType="API_GATEWAY")["ResourceArns"] == []
    waf.disassociate_web_acl(ResourceArn=arn)
    assert waf.list_resources_for_web_acl(WebACLArn=acl)["ResourceArns"] == []
    with pytest.raises(waf.exceptions.WAFNonexistentItemException):
        waf.list_resources_for_web_acl(WebACLArn=f"{acl}x")


def test_members_that_no_model_has_are_ignored(shared_cloud: Cloud) -> None:
    """As AWS's JSON services do."""
    http_request = request(shared_cloud, "ecs", "ListClusters", {})
    body = json.dumps({"colour": "blue", "maxResults": None}).encode()
    headers = {name: http_request.headers[name] for name in ("X-Amz-Target", "Content-Type")}
    assert dispatch.answer(shared_cloud, signed(shared_cloud, "POST", "/", body, headers, "ecs")).status == 200


def test_a_secret_that_is_refused_is_not_shown(shared_cloud: Cloud) -> None:
    secret = {"Name": "s", "SecretString": "hunter2" * 20_000}
    code, message = ask(shared_cloud, "secretsmanager", "CreateSecret", secret)
    assert code == "ValidationException"
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("java", "fits", "not_this"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Über uns 日本 1.0", "a\tb"),
        (r"^(?! )[\p{L}\p{N}\p{Z}-_]*(?<! )$", "cost centre", " lead"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "smile 😀", "\x00"),
        (r"\p{ASCII}+", "plain", "naïve"),
        (r"\p{Print}+", "plain text", "bell\x07"),
        (r"[\w+=,.@-]*", "a.b@c", "a/b"),
        (r"[\w-_]*", "a-b_c", "a/b"),
        (r"[\.\-_/#A-Za-z0-9]+", "/aws/x", "*"),
        (r"^arn:aws[a-z0-9-]*:iam::\d{12}:role\/[\w-\/.@+=,]{1,1017}$", "arn:aws:iam::100000000002:role/a/b", "arn:x"),
        (r"[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]+", "a+b (c)", "a\nb"),
    ],
)
def test_javas_patterns_are_understood(java: str, fits: str, not_this: str) -> None:
    compiled = constraints.pattern(java)
    assert compiled is not None
    assert compiled.fullmatch(fits)
    assert not compiled.fullmatch(not_this)


def test_a_role_is_taken_on_by_whom_it_trusts(shared_aws: Clients) -> None:
    iam, statement = shared_aws("iam"), {"Effect": "Allow", "Action": ["sts:AssumeRole"]}

    def role(name: str, principal: Any, **more: Any) -> str:
        trust = {"Version": "2012-10-17", "Statement": [{**statement, "Principal": principal, **more}]}
        return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"])

    user = iam.create_user(UserName="asks")["User"]["Arn"]
    key = iam.create_access_key(UserName="asks")["AccessKey"]
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName="asks", PolicyName="all", PolicyDocument=json.dumps(everything))
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    sts, account = shared_aws("sts", **keys), user.split(":")[4]
    for number, principal in enumerate(("*", {"AWS": "*"}, {"AWS": account}, {"AWS": [user, "x"]})):
        assert sts.assume_role(RoleArn=role(f"trusts-{number}", principal), RoleSessionName="me")["Credentials"]
    doubted: tuple[tuple[Any, dict[str, Any]], ...] = (
        ({"AWS": f"{user}s"}, {}),
        ({"Service": "ecs.amazonaws.com"}, {}),
        ({"Federated": "*"}, {}),
        ("*", {"Effect": "Deny"}),
        ("*", {"Action": "sts:TagSession"}),
    )
    for number, (principal, more) in enumerate(doubted):
        with denied():
            sts.assume_role(RoleArn=role(f"doubts-{number}", principal, **more), RoleSessionName="me")
    web = {"RoleSessionName": "me", "WebIdentityToken": "token"}
    with denied():
        sts.assume_role_with_web_identity(RoleArn=role("no-web", "*"), **web)
    trusted = role("web", {"Federated": "x"}, Action="sts:AssumeRoleWithWebIdentity")
    assert sts.assume_role_with_web_identity(RoleArn=trusted, **web)["Credentials"]


def test_a_listener_takes_a_certificate_only_when_it_is_issued(shared_aws: Clients) -> None:
    acm, elb, ec2 = shared_aws("acm"), shared_aws("elbv2"), shared_aws("ec2")
    arn = acm.request_certificate(DomainName="late.example.com", ValidationMethod="DNS")["CertificateArn"]
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.8.{n}.0/24", AvailabilityZone=f"ap-southeast-2{z}")["Subnet"][
            "SubnetId"
        ]
        for n, z in enumerate("ab")
    ]
    balancer = elb.create_load_balancer(Name="late", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    fixed = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    with pytest.raises(ClientError, match="UnsupportedCertificate"):
        elb.create_listener(
            LoadBalancerArn=balancer,
            Protocol="HTTPS",
            Port=443,
            Certificates=[{"CertificateArn": arn}],
            DefaultActions=fixed,
        )
