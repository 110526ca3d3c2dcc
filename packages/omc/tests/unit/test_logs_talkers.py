"""Who talks most, with the names of what has the addresses; and slow statements, over the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.logs.talkers import talkers_of
from omc.model.networks import kind_of
from support.canned_aws import NOW, arn, canned_aws, healthy
from support.morning import local_stack, omc

GROUP = "/vpc/ohmycoins-staging/flow"
TASK = arn("ecs", "task/ohmycoins-staging/0123456789abcdef")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.0.11.5", "private"),
        ("100.64.1.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("fd12:3456::1", "private"),
        ("203.0.114.7", "internet"),
        ("203.0.113.10", "internet"),
        ("198.51.100.7", "internet"),
        ("192.0.2.1", "internet"),
        ("2001:db8::1", "internet"),
        ("127.0.0.1", "loopback"),
        ("224.0.0.251", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("255.255.255.255", "reserved"),
        ("2600:1f18::1", "internet"),
        ("169.254.169.254", "AWS's own (link-local)"),
        ("-", ""),
        ("no address", ""),
    ],
)
def test_an_address_says_where_it_belongs(address: str, kind: str) -> None:
    assert kind_of(address) == kind


def test_rows_of_each_engine_are_the_same_talkers() -> None:
    insights = {"srcAddr": "10.0.0.1", "dstAddr": "10.0.0.2", "port": "443", "protocol": "6", "action": "ACCEPT"}
    duck = {"srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2", "port": 443, "protocol": 6, "action": "ACCEPT"}
    (one,) = talkers_of([insights | {"total": "1200", "packets": "3", "records": "1"}])
    (other,) = talkers_of([duck | {"bytes": 1200, "packets": 3, "records": 1}, {"srcaddr": None}])
    assert one == other
    assert (one.protocol, one.bytes) == ("TCP", 1200)


def row(**fields: str) -> list[dict[str, str]]:
    return [{"field": name, "value": value} for name, value in fields.items()]


def answers(rows: list[list[dict[str, str]]]) -> dict[tuple[str, str], Any]:
    statistics = {"recordsMatched": 5.0, "recordsScanned": 50.0, "bytesScanned": 9000.0}
    return healthy() | {
        ("ec2", "DescribeFlowLogs"): {
            "FlowLogs": [
                {"LogGroupName": "/vpc/somebody-else/flow", "ResourceId": "vpc-2"},
                {"LogGroupName": GROUP, "ResourceId": "vpc-1", "LogDestinationType": "cloud-watch-logs"},
            ]
        },
        ("logs", "DescribeLogGroups"): lambda params: {
            "logGroups": [{"logGroupName": params["logGroupNamePrefix"], "storedBytes": 9000, "creationTime": 1}]
        },
        ("logs", "GetQueryResults"): {"status": "Complete", "results": rows, "statistics": statistics},
        ("ec2", "DescribeNetworkInterfaces"): interfaces,
        ("ecs", "ListTasks"): lambda params: {
            "taskArns": [arn("ecs", "task/ohmycoins-staging/0123456789abcdef")]
            if params["desiredStatus"] == "RUNNING"
            else []
        },
        ("ecs", "DescribeTasks"): {
            "tasks": [
                {
                    "taskArn": TASK,
                    "group": "service:backend",
                    "lastStatus": "RUNNING",
                    "createdAt": NOW,
                    "attachments": [{"details": [{"name": "privateIPv4Address", "value": "10.0.11.5"}]}],
                }
            ]
        },
    }


def interfaces(params: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {value for each in params["Filters"] for value in each["Values"]}
    assert "vpc-1" in wanted
    known = {"10.0.21.9": "RDSNetworkInterface", "10.0.1.7": "Interface for NAT Gateway nat-0abc"}
    return {
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": "eni-1",
                "Description": description,
                "PrivateIpAddresses": [{"PrivateIpAddress": address}],
            }
            for address, description in known.items()
            if address in wanted
        ]
    }


COUNTED = (
    ("10.0.21.9", "10.0.11.5", "5432", "ACCEPT", "9000"),
    ("10.0.1.7", "203.0.114.7", "443", "ACCEPT", "70"),
    ("198.51.101.1", "10.0.11.5", "22", "REJECT", "60"),
)
ROWS = [
    row(srcAddr=one, dstAddr=other, port=port, protocol="6", action=action, total=size, packets="9", records="2")
    for one, other, port, action, size in COUNTED
]


def test_top_talkers_have_the_names_of_what_has_the_addresses(tmp_path: Path) -> None:
    with canned_aws(answers(ROWS)) as aws:
        folder = local_stack(tmp_path, aws)
        done = omc("logs", "top-talkers", "--env", "local", "--output", "json", folder=folder)
        shown = omc("logs", "top-talkers", "--env", "local", folder=folder)
        asked = next(params for _, name, params in aws.requests if name == "StartQuery")
    assert asked["logGroupNames"] == [GROUP]
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["talkers"]
    assert [(each["source_name"], each["destination_name"]) for each in found] == [
        ("RDS", "service backend, task 01234567"),
        ("NAT gateway nat-0abc", "internet"),
        ("internet", "service backend, task 01234567"),
    ]
    assert "refused" in shown.stdout


def test_without_a_flow_log_it_is_unknown_and_said_what_makes_one(tmp_path: Path) -> None:
    with canned_aws(answers([]) | {("ec2", "DescribeFlowLogs"): {"FlowLogs": []}}) as aws:
        done = omc("logs", "top-talkers", "--env", "local", folder=local_stack(tmp_path, aws))
    assert done.returncode == 3
    assert "no flow log in CloudWatch Logs" in done.stderr
    assert "aws_flow_log" in done.stderr


def test_names_that_may_not_be_read_leave_the_talkers(tmp_path: Path) -> None:
    denied = AwsError("UnauthorizedOperation", "You are not authorized", 403)
    with canned_aws(answers(ROWS) | {("ec2", "DescribeNetworkInterfaces"): denied}) as aws:
        done = omc("logs", "top-talkers", "--env", "local", folder=local_stack(tmp_path, aws))
    assert done.returncode == 3
    assert "9.0 kB" in done.stdout
    assert "What has the addresses isn't known" in done.stdout


def test_slow_statements_come_from_the_database_s_exported_log(tmp_path: Path) -> None:
    line = "2026-11-23 12:00:00 UTC:10.0.11.5(4):app@coins:[7]:LOG:  duration: 1500.2 ms  statement: SELECT 1"
    rows = [row(**{"@timestamp": "2026-11-23 12:00:00.000", "@message": line, "@log": "1:/aws/rds", "@logStream": "s"})]
    with canned_aws(answers(rows)) as aws:
        folder = local_stack(tmp_path, aws)
        done = omc("logs", "slow-queries", "--env", "local", "--output", "json", folder=folder)
        asked = next(params for _, name, params in aws.requests if name == "StartQuery")
        aws.answers["logs", "StartQuery"] = AwsError("ResourceNotFoundException", "no such group")
        missing = omc("logs", "slow-queries", "--env", "local", folder=folder)
    assert asked["logGroupNames"] == ["/aws/rds/instance/ohmycoins-staging/postgresql"]
    assert json.loads(done.stdout)["statements"][0]["statement"] == "select ?"
    assert missing.returncode == 3
    assert "enabled_cloudwatch_logs_exports" in missing.stdout
