"""A cloud somewhere else: in another partition, whose ARNs and users are of that partition, with VPCs of any range."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from localcloud.core.cloud import Cloud
from localcloud.front import dispatch
from support.requests import request

CloudIn = Callable[..., AbstractContextManager[Cloud]]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, cloud_in: CloudIn) -> Iterator[Cloud]:
    with cloud_in(tmp_path_factory.mktemp("gov") / "state", region="us-gov-west-1") as cloud:
        yield cloud


NAMED: list[tuple[str, str, dict[str, Any], str]] = [
    ("sts", "GetCallerIdentity", {}, "arn:aws-us-gov:iam::{account}:user/localcloud"),
    ("iam", "CreateUser", {"UserName": "u"}, "arn:aws-us-gov:iam::{account}:user/u"),
    ("iam", "GetPolicy", {"PolicyArn": "arn:aws-us-gov:iam::aws:policy/ReadOnlyAccess"}, "arn:aws-us-gov:iam::aws:p"),
    ("ecs", "CreateCluster", {"clusterName": "c"}, "arn:aws-us-gov:ecs:us-gov-west-1:{account}:cluster/c"),
    ("ecs", "ListAccountSettings", {"effectiveSettings": True}, "arn:aws-us-gov:iam::{account}:root"),
    ("logs", "CreateLogGroup", {"logGroupName": "g"}, ""),
    ("logs", "DescribeLogGroups", {}, "arn:aws-us-gov:logs:us-gov-west-1:{account}:log-group:g"),
    ("cloudwatch", "PutMetricAlarm", {
        "AlarmName": "a", "MetricName": "m", "Namespace": "n", "Period": 60, "Statistic": "Sum",
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}, ""),
    ("cloudwatch", "DescribeAlarms", {}, "arn:aws-us-gov:cloudwatch:us-gov-west-1:{account}:alarm:a"),
    ("rds", "CreateDBParameterGroup", {
        "DBParameterGroupName": "p", "DBParameterGroupFamily": "postgres16", "Description": "p"},
        "arn:aws-us-gov:rds:us-gov-west-1:{account}:pg:p"),
    ("elasticache", "CreateCacheParameterGroup", {
        "CacheParameterGroupName": "p", "CacheParameterGroupFamily": "valkey7", "Description": "p"},
        "arn:aws-us-gov:elasticache:us-gov-west-1:{account}:parametergroup:p"),
    ("service-quotas", "GetServiceQuota", {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"},
        "arn:aws-us-gov:servicequotas:us-gov-west-1:{account}:fargate/"),
    ("sns", "CreateTopic", {"Name": "t"}, "arn:aws-us-gov:sns:us-gov-west-1:{account}:t"),
    ("secretsmanager", "CreateSecret", {"Name": "s", "SecretString": "x"},
        "arn:aws-us-gov:secretsmanager:us-gov-west-1:{account}:secret:s-"),
    ("ecr", "CreateRepository", {"repositoryName": "repo"}, "arn:aws-us-gov:ecr:us-gov-west-1:{account}:repository"),
]  # fmt: skip


def test_a_cloud_of_another_partition_names_it(elsewhere: Cloud) -> None:
    """GovCloud: what ours, moto's and mended answers name is of its partition, the global services' too."""
    account = elsewhere.settings.account
    for service, operation, params, arn in NAMED:
        answer = dispatch.answer(elsewhere, request(elsewhere, service, operation, params))
        assert answer.status < 300, (service, operation, answer.body)
        message = answer.body.decode(errors="replace")
        assert arn.format(account=account) in message, message
        assert "arn:aws:" not in message.replace("arn:aws:iam::aws:", ""), message


def test_users_and_roles_of_another_partition_call_as_themselves(
    elsewhere: Cloud, clients_of: Callable[[Cloud], Any]
) -> None:
    aws = clients_of(elsewhere)
    iam, account = aws("iam"), elsewhere.settings.account
    iam.create_user(UserName="caller")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws-us-gov:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="role", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    key = iam.create_access_key(UserName="caller")["AccessKey"]
    own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    assert aws("sts", **own).get_caller_identity()["Arn"] == f"arn:aws-us-gov:iam::{account}:user/caller"
    got = aws("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    taken = {"aws_access_key_id": got["AccessKeyId"], "aws_secret_access_key": got["SecretAccessKey"]}
    named = aws("sts", **taken, aws_session_token=got["SessionToken"]).get_caller_identity()["Arn"]
    assert named == f"arn:aws-us-gov:sts::{account}:assumed-role/role/session"


RANGES = [
    ("10.0.0.0/16", "10.0.1.0/24"),
    ("10.77.0.0/16", "10.77.1.0/24"),
    ("10.0.0.0/16", "10.0.254.0/28"),
    ("172.16.0.0/16", "172.16.1.0/24"),
    ("172.28.0.0/16", "172.28.7.192/26"),
    ("172.28.7.0/24", "172.28.7.192/26"),
    ("172.31.0.0/16", "172.31.254.0/28"),
    ("192.168.0.0/16", "192.168.0.0/18"),
    ("192.168.0.0/23", "192.168.0.0/24"),
    ("192.168.0.0/16", "192.168.1.0/24"),
    ("100.64.0.0/16", "100.64.1.0/24"),
    ("198.19.0.0/16", "198.19.0.0/24"),
]


def test_load_balancers_and_gateways_of_any_vpc_have_addresses_that_nobody_else_has(
    elsewhere: Cloud, clients_of: Callable[[Cloud], Any]
) -> None:
    """Real addresses have but the last two numbers of a VPC's: what another VPC, the endpoint or the exchange has
    is not given away again."""
    aws, settings = clients_of(elsewhere), elsewhere.settings
    ec2, elb = aws("ec2"), aws("elbv2")
    real = [settings.address, settings.outside_address]
    for number, (whole, part) in enumerate(RANGES):
        vpc = ec2.create_vpc(CidrBlock=whole)["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=part)["Subnet"]["SubnetId"]
        made = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]
        assert made["NatGatewayAddresses"][0]["PrivateIp"]
        [balancer] = elb.create_load_balancer(Name=f"b{number}", Subnets=[subnet], Type="network")["LoadBalancers"]
        service = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[balancer["LoadBalancerArn"]])[
            "ServiceConfiguration"
        ]
        assert service["ServiceState"] == "Available"
        held = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet]}])["NetworkInterfaces"]
        addresses = [one["PrivateIpAddress"] for one in held]
        inside = ipaddress.ip_network(part)
        assert len(addresses) == 2
        assert all(ipaddress.ip_address(address) in inside for address in addresses)
        real += map(settings.real_address, addresses)
    assert len(set(real)) == len(real)
