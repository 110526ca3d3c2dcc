"""The second round of readings: what is asked once something is wrong, what it comes to, and what a slow one costs."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omc.checks.causes.paths import closed_side
from omc.errors import AccessDenied, Unreachable
from omc.facts.collector import Unavailable, collect
from omc.facts.followup.balancer_settings import read_balancer_settings
from omc.facts.followup.budget import within
from omc.facts.followup.clients import read_clients
from omc.facts.followup.data_stores import DataStores, Store, read_data_stores
from omc.facts.followup.database_log import lock_waits
from omc.facts.followup.group_rules import GroupRules, Rule
from omc.facts.followup.last_writes import Write, read_last_writes
from omc.facts.followup.latencies import read_latencies
from omc.facts.followup.lock_waits import read_database_load
from omc.facts.followup.rejects import read_rejects
from omc.facts.followup.request_clients import MOST_OBJECTS, RequestClients, read_request_clients
from omc.facts.followup.starts import read_starts
from omc.facts.load_balancers import LoadBalancer, LoadBalancers, TargetGroup, TargetGroups
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.tasks import StoppedTasks
from support import causes_facts as causes
from support import release_facts as example
from support.fake_gateway import FakeGateway
from unit.test_logs_trace import Body

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
SCOPE = Scope(NOW)


def gateway(answers: dict[tuple[str, str], Any]) -> Any:
    return FakeGateway(answers)


# The budget


def test_a_reading_within_its_budget_is_what_it_reads() -> None:
    assert within(5, "it", lambda: 7) == 7
    with pytest.raises(ValueError, match="as it was"):
        within(5, "it", lambda: int("as it was"))


def test_a_reading_beyond_its_budget_is_left_alone_and_reported() -> None:
    hold = threading.Event()
    with pytest.raises(Unreachable, match=r"the flow log could not be read within 0\.05 s"):
        within(0.05, "the flow log", hold.wait)
    hold.set()


def test_a_slow_reading_is_not_known_and_holds_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = threading.Event()
    slow = {("cloudtrail", "lookup_events"): lambda _: hold.wait(30)}

    def function(writes: Any) -> None: ...

    from omc.facts.followup import last_writes

    function.__annotations__["writes"] = last_writes.LastWrites
    monkeypatch.setattr(last_writes, "BUDGET", 0.05)
    try:
        from omc.aws.gateway import Gateway

        found = collect([function], {Gateway: gateway(slow), Scope: SCOPE})[last_writes.LastWrites]
    finally:
        hold.set()
    assert isinstance(found, Unavailable)
    assert "CloudTrail's last writes could not be read within" in found.error.message


# Stores


def test_stores_with_their_events() -> None:
    instance = {
        "DBInstanceIdentifier": "d",
        "DBInstanceStatus": "rebooting",
        "Endpoint": {"Address": "10.0.21.5", "Port": 5432},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
        "DbiResourceId": "db-1",
        "PerformanceInsightsEnabled": False,
    }
    group = {
        "Status": "available",
        "MemberClusters": ["c-001"],
        "NodeGroups": [{"PrimaryEndpoint": {"Address": "10.0.22.9", "Port": 6379}}],
        "CacheNodeType": "cache.t4g.micro",
    }
    members = [
        {"CacheClusterId": "c-001", "CacheClusterStatus": "rebooting", "SecurityGroups": [{"SecurityGroupId": "sg-2"}]},
        {"CacheClusterId": "other", "CacheClusterStatus": "available"},
    ]
    event = {"Date": NOW, "SourceIdentifier": "c-001", "Message": "restarted"}
    foreign = {"Date": NOW, "SourceIdentifier": "other", "Message": "not ours"}
    aws = gateway(
        {
            ("rds", "describe_db_instances"): {"DBInstances": [instance]},
            ("rds", "describe_events"): {"Events": []},
            ("elasticache", "describe_replication_groups"): {"ReplicationGroups": [group]},
            ("elasticache", "describe_cache_clusters"): {"CacheClusters": members},
            ("elasticache", "describe_events"): {"Events": [event, foreign]},
        }
    )
    found = read_data_stores(aws, example.environment())
    assert (found.database.status, found.database.host, found.database.groups) == ("rebooting", "10.0.21.5", ("sg-1",))
    assert found.database.resource_id == "", "Performance Insights is off"
    assert (found.cache.members, found.cache.groups) == ({"c-001": "rebooting"}, ("sg-2",))
    assert [each.message for each in found.cache.events] == ["restarted"]


def test_what_sessions_wait_for() -> None:
    keys = {
        "PartitionKeys": [
            {"Dimensions": {"db.wait_event.type": "Lock", "db.wait_event.name": "Lock:relation"}},
            {"Dimensions": {"db.wait_event.type": "CPU", "db.wait_event.name": "CPU"}},
        ],
        "Keys": [{"Dimensions": {"db.sql_tokenized.statement": "SELECT  ?\n"}, "Total": 2.1, "Partitions": [2.0, 0.0]}],
    }
    metrics = {
        "MetricList": [
            {
                "Key": {"Metric": "db.User.numbackends.avg"},
                "DataPoints": [{"Timestamp": NOW - timedelta(minutes=1), "Value": 79.0}, {"Timestamp": NOW}],
            },
            {
                "Key": {"Metric": "db.Transactions.blocked_transactions.avg"},
                "DataPoints": [
                    {"Timestamp": NOW - timedelta(minutes=3), "Value": 2.0},
                    {"Timestamp": NOW - timedelta(minutes=2), "Value": 0.0},
                ],
            },
        ]
    }
    aws = gateway({("pi", "describe_dimension_keys"): keys, ("pi", "get_resource_metrics"): metrics})
    stores = DataStores(Store("d", True, resource_id="db-1"), Store("c", True))
    found = read_database_load(aws, stores)
    assert [(each.kind, each.event, each.statement, each.sessions) for each in found.waits] == [
        ("Lock", "relation", "SELECT ?", 2.0)
    ]
    blocked = "db.Transactions.blocked_transactions"
    assert found.counters == {"db.User.numbackends": 79.0, blocked: 0.0}
    assert (found.times[blocked], found.above[blocked]) == (NOW - timedelta(minutes=2), NOW - timedelta(minutes=3))
    assert found.newest == NOW - timedelta(minutes=1), "a point without a value is none"
    assert read_database_load(aws, DataStores(Store("d", True), Store("c", True))).is_off


HEAD = "2026-11-23 21:14:50 UTC:10.0.11.4(53445):app@shop:[{}]:"


def by(dimension: str, **sessions: tuple[float, float]) -> dict[str, Any]:
    """By name: sessions that wait for their client, and for a lock."""
    events = ({"Dimensions": {"db.wait_event.name": name}} for name in ("Client:ClientRead", "Lock:relation"))
    keys = [{"Dimensions": {dimension: name}, "Partitions": list(some)} for name, some in sessions.items()]
    return {"PartitionKeys": list(events), "Keys": keys}


@pytest.mark.parametrize(
    ("longest", "applications", "users", "who"),
    [
        (240.0, {"lunch": (1.0, 0.0), "backend": (0.05, 2.0)}, {"jo": (1.0, 0.0), "app": (0.05, 2.0)}, ("lunch", "jo")),
        (12.0, {"lunch": (0.2, 0.0)}, {"jo": (0.2, 0.0)}, ("lunch", "jo")),  # 12 s of the minute
        (240.0, {"lunch": (0.2, 0.0)}, {"jo": (0.2, 0.0)}, None),  # none of them was so for most of it
        (240.0, {}, {"jo": (1.0, 0.0)}, ("", "jo")),  # it calls itself nothing
        (240.0, {"lunch": (1.0, 0.0), "export": (0.9, 0.0)}, {"jo": (1.9, 0.0)}, None),
        (240.0, {"psql": (1.9, 0.0)}, {"jo": (1.0, 0.0), "al": (0.9, 0.0)}, None),
        (0.0, {"lunch": (1.0, 0.0)}, {"jo": (1.0, 0.0)}, None),  # nobody is idle in a transaction
        (240.0, {"backend": (0.0, 3.0)}, {"app": (0.0, 3.0)}, None),
        (240.0, {}, {}, None),
    ],
)
def test_who_is_idle_in_a_transaction(
    longest: float, applications: dict[str, Any], users: dict[str, Any], who: tuple[str, str] | None
) -> None:
    answers = {"db.application": by("db.application.name", **applications), "db.user": by("db.user.name", **users)}
    point = {"Timestamp": NOW, "Value": longest}
    record = {
        ("pi", "describe_dimension_keys"): lambda request: answers.get(request["GroupBy"]["Group"], {}),
        ("pi", "get_resource_metrics"): {
            "MetricList": [
                {"Key": {"Metric": "db.state.idle_in_transaction_max_time.avg"}, "DataPoints": [point]},
            ]
        },
    }
    stores = DataStores(Store("d", True, resource_id="db-1"), Store("c", True))
    idle = read_database_load(gateway(record), stores).idle
    assert (idle and (idle.application, idle.user)) == who


def test_who_holds_a_lock_stands_in_the_log() -> None:
    waits = (
        HEAD.format(88)
        + "LOG:  process 88 still waiting for AccessShareLock on relation 16411 of database 5 after 1000.1 ms"
    )
    detail = HEAD.format(88) + "DETAIL:  Process holding the lock: 4711. Wait queue: 88, 90."
    many = HEAD.format(88) + "DETAIL:  Processes holding the lock: 4711, 4712. Wait queue: 88."
    got = HEAD.format(88) + "LOG:  process 88 acquired AccessShareLock on relation 16411 of database 5 after 8000.2 ms"
    [found] = lock_waits([(NOW, detail), (NOW, waits)])
    assert (found.process, found.user, found.holders, found.is_over) == (88, "app", (4711,), False)
    assert found.what == "relation 16411 of database 5"
    [one] = lock_waits([(NOW, f"{waits}\n{detail.partition('UTC')[2]}")])
    assert one.holders == (4711,), "one event that holds both"
    [two] = lock_waits([(NOW, many), (NOW, waits)])
    assert two.holders == (4711, 4712)
    [over] = lock_waits([(NOW + timedelta(seconds=7), got), (NOW, detail), (NOW, waits)])
    assert over.is_over
    assert lock_waits([(NOW, HEAD.format(1) + "LOG:  checkpoint starting: time")]) == ()


# Changes


def event(name: str, source: str = "ec2.amazonaws.com", **more: Any) -> dict[str, str]:
    record = {
        "eventTime": "2026-11-23T21:10:00Z",
        "eventName": name,
        "eventSource": source,
        "userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/admin/jo", "type": "AssumedRole"},
        "requestParameters": {"groupId": "sg-1"},
    }
    return {"CloudTrailEvent": json.dumps(record | more)}


def test_the_last_writes_are_what_people_changed() -> None:
    events = [
        event("RevokeSecurityGroupIngress"),
        event("RevokeSecurityGroupIngress", errorCode="UnauthorizedOperation"),
        event("StartQuery", "logs.amazonaws.com"),
        event(
            "CreateLogStream",
            "logs.amazonaws.com",
            userIdentity={"type": "AWSService", "invokedBy": "ecs.amazonaws.com"},
        ),
        {"CloudTrailEvent": "not json"},
        {},
    ]
    aws = gateway({("cloudtrail", "lookup_events"): {"Events": events}})
    [write] = read_last_writes(aws, SCOPE).writes
    assert (write.operation, write.who) == ("RevokeSecurityGroupIngress", "jo (role admin)")
    assert write.is_about("sg-1")
    assert not write.is_about("sg-11")
    assert not write.is_about("")


def test_a_write_is_about_what_an_arn_ends_with() -> None:
    write = Write(NOW, "UpdateService", "jo", frozenset({"arn:aws:ecs:x:1:service/shop/backend"}))
    assert write.is_about("backend")
    assert not write.is_about("end")


# Flow log


@pytest.mark.parametrize("by_name", [True, False])
def test_rejects_of_the_flow_log(by_name: bool) -> None:
    prefix = example.environment().prefix
    name = f"/vpc/{prefix}/flow"
    record = {"LogGroupName": name} if by_name else {"LogDestination": f"arn:aws:logs:x:1:log-group:{name}"}
    row = {
        "srcAddr": "10.0.1.1",
        "dstAddr": "10.0.21.5",
        "dstPort": "5432",
        "records": "9",
        "first": "2026-11-23 21:10:00.000",
    }
    aws = gateway(
        {
            ("ec2", "describe_flow_logs"): {"FlowLogs": [{"LogDestinationType": "s3", "LogDestination": "x"}, record]},
            ("logs", "start_query"): {"queryId": "q"},
            ("logs", "get_query_results"): {
                "status": "Complete",
                "results": [[{"field": key, "value": value} for key, value in row.items()]],
            },
        }
    )
    found = read_rejects(aws, example.environment(), SCOPE)
    assert found.log_group == name
    [reject] = found.rejects
    assert (reject.port, reject.records, reject.first) == (5432, 9, datetime(2026, 11, 23, 21, 10, tzinfo=UTC))


def test_a_vpc_without_a_flow_log_has_no_rejects() -> None:
    aws = gateway({("ec2", "describe_flow_logs"): {"FlowLogs": [{"LogGroupName": "/vpc/of-others/flow"}]}})
    assert read_rejects(aws, example.environment(), SCOPE).log_group == ""


# Clients


def flows(*rows: dict[str, str]) -> dict[tuple[str, str], Any]:
    results = [[{"field": key, "value": value} for key, value in row.items()] for row in rows]
    return {
        ("ec2", "describe_flow_logs"): {"FlowLogs": [{"LogGroupName": f"/vpc/{example.environment().prefix}/flow"}]},
        ("logs", "start_query"): {"queryId": "q"},
        ("logs", "get_query_results"): {"status": "Complete", "results": results},
    }


def test_clients_are_the_sources_outside_of_private_networks() -> None:
    row, other = {"srcAddr": "203.0.113.9", "packets": "70.0"}, {"srcAddr": "2001:db8::1", "packets": "70"}
    aws = gateway(flows(row, {"srcAddr": "10.0.1.5", "packets": "900"}, {"srcAddr": "-"}, other))
    found = read_clients(aws, example.environment(), SCOPE, None)
    assert (found.packets, found.most) == (140, (("203.0.113.9", 70), ("2001:db8::1", 70)))
    assert "dstPort in [80, 443]" in aws.calls("start_query")[0]["queryString"]


def test_without_a_flow_log_nobody_is_asked() -> None:
    aws = gateway({("ec2", "describe_flow_logs"): {"FlowLogs": []}})
    assert read_clients(aws, example.environment(), SCOPE, None).log_group == ""


# Response times


def test_percentiles_are_read_of_each_target_group_that_is_used() -> None:
    at = NOW - timedelta(minutes=2)
    figures = [{"Id": f"l{number}", "Timestamps": [at], "Values": [value], "StatusCode": "Complete"}
               for number, value in enumerate((0.1, 0.4, 0.9))]  # fmt: skip
    aws = gateway({("cloudwatch", "get_metric_data"): {"MetricDataResults": figures}})
    used = TargetGroup("shop-backend", "arn:x:targetgroup/shop-backend/1", True, (BALANCER.arn,))
    groups = TargetGroups((used, TargetGroup("idle", "arn:x:targetgroup/idle/2", False)))
    found = read_latencies(aws, groups, SCOPE)
    assert {name: points for (_, name), points in found.of.items()} == {
        "p50": ((at, 0.1),),
        "p95": ((at, 0.4),),
        "p99": ((at, 0.9),),
    }
    [asked] = aws.calls("get_metric_data")
    dimensions = [each["Value"] for each in asked["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"]]
    assert dimensions == ["targetgroup/shop-backend/1", "app/s/1"]
    assert read_latencies(aws, TargetGroups(()), SCOPE).of == {}


# Clients by requests


def asked(
    objects: Mapping[str, bytes], *, refused: bool = False, enabled: str = "true"
) -> tuple[FakeGateway, RequestClients]:
    """What is read of access logs that are listed with 9 bytes each."""
    name = example.environment().prefix
    arn = f"arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:loadbalancer/app/{name}/50dc6c495c0c9188"
    on = attributes(access_logs__s3__enabled=enabled, access_logs__s3__bucket="logs", access_logs__s3__prefix="")
    listed = {"Contents": [{"Key": key, "Size": 9} for key in objects]}

    def body(params: Mapping[str, Any]) -> dict[str, Any]:
        if refused:
            raise AccessDenied("You may not s3:GetObject.", "s3:GetObject")
        return {"Body": Body(gzip.compress(objects[params["Key"]]))}

    aws = gateway(
        {
            ("elbv2", "describe_load_balancers"): {
                "LoadBalancers": [{"LoadBalancerArn": arn, "LoadBalancerName": name}]
            },
            ("elbv2", "describe_load_balancer_attributes"): on,
            ("s3", "list_objects_v2"): lambda params: listed if "/2026/11/23/" in params["Prefix"] else {},
            ("s3", "get_object"): body,
        }
    )
    return aws, read_request_clients(aws, example.environment(), SCOPE)


def log_key(minutes: int, part: str = "1abc") -> str:
    end = NOW.astimezone(UTC) - timedelta(minutes=minutes)
    balancer = f"app.{example.environment().prefix}.50dc6c495c0c9188"
    name = f"123456789012_elasticloadbalancing_ap-southeast-2_{balancer}_{end:%Y%m%dT%H%MZ}_203.0.113.5_{part}.log.gz"
    return f"AWSLogs/123456789012/elasticloadbalancing/ap-southeast-2/{end:%Y/%m/%d}/{name}"


def line_of(client: str) -> bytes:
    return f"http 2026-11-23T01:02:03.456789Z app/shop/1 {client} 10.0.0.1:80 0.0 0.1 0.0 200 200 1 2".encode()


def test_requests_by_client_are_counted_of_the_newest_access_logs_alone() -> None:
    lines = b"\n".join([line_of("203.0.113.9:4000"), line_of("203.0.113.9:4001"), line_of("[2001:db8::1]:9"), b"x"])
    objects = {log_key(number, f"{number}"): lines for number in range(9)} | {log_key(300): lines}
    aws, found = asked(objects)
    assert (found.objects, found.there, found.size) == (MOST_OBJECTS, 9, 9 * MOST_OBJECTS)
    assert found.most == (("203.0.113.9", 2 * MOST_OBJECTS), ("2001:db8::1", MOST_OBJECTS))
    assert found.requests == 3 * MOST_OBJECTS
    assert {call["Key"] for call in aws.calls("get_object")} == {log_key(each, f"{each}") for each in range(6)}


def test_access_logs_that_are_off_empty_or_not_allowed_say_so() -> None:
    assert asked({}, enabled="false")[1].bucket == ""
    empty = asked({})[1]
    assert (empty.bucket, empty.end, empty.requests) == ("logs", None, 0)
    assert "s3:GetObject" in asked({log_key(1): b""}, refused=True)[1].refused


# The load balancer's settings

BALANCER = LoadBalancer("shop", "app/shop/1", "", "active", "", "arn:aws:elasticloadbalancing:x:1:loadbalancer/app/s/1")


def attributes(**values: str) -> dict[str, Any]:
    return {"Attributes": [{"Key": key.replace("__", "."), "Value": value} for key, value in values.items()]}


@pytest.mark.parametrize(("failed", "is_label_read"), [(0.0, False), (3.0, True)])
def test_the_load_balancer_s_settings_and_its_own_502(failed: float, *, is_label_read: bool) -> None:
    points = {"Timestamps": [NOW - timedelta(minutes=2)], "StatusCode": "Complete"}
    figures = [{"Id": "m0_0", "Values": [failed], **points}, {"Id": "m0_1", "Values": [1.0], **points}]
    aws = gateway(
        {
            ("elbv2", "describe_load_balancer_attributes"): attributes(idle_timeout__timeout_seconds="60"),
            ("elbv2", "describe_target_group_attributes"): attributes(deregistration_delay__timeout_seconds="20"),
            ("cloudwatch", "get_metric_data"): {"MetricDataResults": figures},
            ("ecs", "describe_task_definition"): lambda _: described(),
        }
    )
    groups = TargetGroups((TargetGroup("shop-backend", "arn:x", True),))
    found = read_balancer_settings(aws, LoadBalancers((BALANCER,)), groups, Services((causes.service(),)), SCOPE)
    assert (found.idle, found.delays) == ({"shop": 60.0}, {"shop-backend": 20.0})
    assert [value for _, value in found.bad_gateways] == [failed]
    assert bool(aws.calls("describe_task_definition")) is is_label_read


def described() -> dict[str, Any]:
    options = {"awslogs-group": "/ecs/shop/backend", "awslogs-stream-prefix": "ecs"}
    logs = {"logDriver": "awslogs", "options": options}
    container = {"name": "backend", "image": "shop:1", "logConfiguration": logs}
    definition = {"taskDefinitionArn": "arn:aws:ecs:x:1:task-definition/b:7", "status": "ACTIVE", "family": "b"}
    return {"taskDefinition": {**definition, "containerDefinitions": [container], "revision": 7}, "tags": []}


# Starts


def test_a_start_lasts_until_the_first_line_that_says_that_it_serves() -> None:
    began = causes.ago(seconds=70).timestamp()
    said = ((1.0, "loading"), (48.5, "Uvicorn running on http://0.0.0.0:8000"), (60.0, "listening on x"))
    events = [{"timestamp": int((began + after) * 1000), "message": line} for after, line in said]
    aws = gateway(
        {
            ("ecs", "describe_task_definition"): lambda _: described(),
            ("ecs", "list_tasks"): {"taskArns": []},
            ("logs", "get_log_events"): {"events": events},
        }
    )
    found = read_starts(aws, StoppedTasks((causes.ill(1),)), Services((causes.service(),)))
    [seconds] = found.seconds["backend"]
    assert seconds == pytest.approx(48.5, abs=0.01)
    assert aws.calls("get_log_events")[0]["startFromHead"] is True


@pytest.mark.parametrize(("lines", "is_told"), [(("warming the caches up",), True), ((), False)])
def test_a_task_that_speaks_and_never_says_that_it_serves_is_told_apart(lines: tuple[str, ...], is_told: bool) -> None:
    events = [{"timestamp": int(causes.ago(seconds=60).timestamp() * 1000), "message": line} for line in lines]
    aws = gateway(
        {
            ("ecs", "describe_task_definition"): lambda _: described(),
            ("ecs", "list_tasks"): {"taskArns": []},
            ("logs", "get_log_events"): {"events": events},
        }
    )
    one = causes.ill(1)
    found = read_starts(aws, StoppedTasks((one,)), Services((causes.service(),)))
    assert (found.seconds, found.unready) == ({}, frozenset({one.id}) if is_told else frozenset())


def test_no_start_is_measured_where_health_checks_ended_nothing() -> None:
    aws = gateway({})
    assert read_starts(aws, StoppedTasks((causes.task(1),)), Services((causes.service(),))).seconds == {}
    assert not aws.requests


# Security groups


OUT = Rule("sg-task", True, "tcp", 5432, 5432, peer="sg-db")
INTO = Rule("sg-db", False, "tcp", 5432, 5432, peer="sg-task")
BOTH = ("sg-task", "sg-db")


@pytest.mark.parametrize(
    ("rules", "closed"),
    [
        ((OUT, INTO), ""),
        ((OUT,), "sg-db"),
        ((INTO,), "sg-task"),
        ((), "sg-db"),
        ((Rule("sg-task", True, "-1", -1, -1, cidr="0.0.0.0/0"), INTO), ""),
        ((OUT, Rule("sg-db", False, "-1", -1, -1, cidr="10.0.0.0/16")), ""),
        ((OUT, Rule("sg-db", False, "tcp", 5000, 6000, peer="sg-task")), ""),
        ((OUT, Rule("sg-db", False, "tcp", 5433, 5433, peer="sg-task")), "sg-db"),
        ((OUT, Rule("sg-db", False, "udp", 5432, 5432, peer="sg-task")), "sg-db"),
        ((OUT, Rule("sg-db", False, "tcp", 5432, 5432, peer="sg-other")), "sg-db"),
        ((OUT, Rule("sg-db", False, "tcp", 5432, 5432, cidr="8.8.8.8/32")), "sg-db"),
        ((Rule("sg-task", True, "tcp", 443, 443, cidr="0.0.0.0/0"), INTO), "sg-task"),
        ((OUT, Rule("sg-db", True, "tcp", 5432, 5432, peer="sg-task")), "sg-db"),
    ],
)
def test_which_side_is_closed(rules: tuple[Rule, ...], closed: str) -> None:
    assert closed_side(GroupRules(rules, BOTH), ("sg-task",), ("sg-db",), 5432) == closed


def test_a_side_whose_rules_are_not_known_is_not_closed() -> None:
    assert closed_side(GroupRules((OUT,), ("sg-task",)), ("sg-task",), ("sg-db",), 5432) == ""
